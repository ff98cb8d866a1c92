//! The counting global allocator, in every product binary: "no allocation after start" is a counter that anyone can read.
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: runtime::alloc::CountingAllocator = runtime::alloc::CountingAllocator;
//! ```
//! It counts the calls of one thread, the one that called [`start_counting`]: a flusher or a logger may allocate. A block
//! of a hot process's start comes from an arena on huge pages ([`crate::arena`]), every other from the system allocator.

use crate::arena;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The system allocator, counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct CountingAllocator;

/// Thread pointer of the counted thread; 0 = nobody is counted.
static COUNTED_THREAD: AtomicUsize = AtomicUsize::new(0);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

/// Counts this thread's allocations from now on, from zero; it replaces the thread that was counted before.
pub fn start_counting() {
    ALLOCATIONS.store(0, Ordering::Relaxed);
    COUNTED_THREAD.store(thread_pointer(), Ordering::Release);
}

/// Counts nothing from now on; the value stays.
pub fn stop_counting() {
    COUNTED_THREAD.store(0, Ordering::Release);
}

/// Allocations and reallocations since [`start_counting`]; 0 where the binary does not declare the allocator.
#[inline]
#[must_use]
pub fn allocations() -> u64 {
    ALLOCATIONS.load(Ordering::Relaxed)
}

/// Identity of the calling thread without a thread-local (whose first use may allocate) and without a system call: on
/// x86-64 Linux the word at `fs:0` is the thread pointer itself, and distinct among living threads.
#[inline]
pub(crate) fn thread_pointer() -> usize {
    let pointer: usize;
    // SAFETY: the x86-64 TLS ABI puts the thread pointer at fs:0 in every thread; the load has no other effect.
    unsafe {
        core::arch::asm!("mov {}, fs:0", out(reg) pointer, options(nostack, readonly, preserves_flags, pure));
    }
    pointer
}

#[inline]
fn count() {
    if COUNTED_THREAD.load(Ordering::Relaxed) == thread_pointer() {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: a block comes from an arena, of which every byte is handed out once, or from the system allocator, to which alone
// it then goes back, under the same layout. Counting touches only atomics.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        let block = arena::take(layout);
        if !block.is_null() {
            return block;
        }
        // SAFETY: the caller keeps `GlobalAlloc`'s contract, which is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        let block = arena::take(layout);
        if !block.is_null() {
            return block;
        }
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_bytes: usize) -> *mut u8 {
        count();
        if !arena::holds(block) {
            // SAFETY: as in `alloc`; `block` came from the system allocator under this layout.
            return unsafe { System.realloc(block, layout, new_bytes) };
        }
        if arena::resize_in_place(block, layout.size(), new_bytes) {
            return block;
        }
        // SAFETY: the caller keeps the rounded-up size within `isize::MAX`.
        let new = unsafe { Layout::from_size_align_unchecked(new_bytes, layout.align()) };
        let mut moved = arena::take(new);
        if moved.is_null() {
            // SAFETY: as in `alloc`.
            moved = unsafe { System.alloc(new) };
        }
        if !moved.is_null() {
            // SAFETY: both blocks have that many bytes and are apart: the old one stays taken.
            unsafe { block.copy_to_nonoverlapping(moved, layout.size().min(new_bytes)) };
        }
        moved
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if !arena::holds(block) {
            // SAFETY: as in `alloc`; `block` came from the system allocator under this layout.
            unsafe { System.dealloc(block, layout) }
        }
    }
}

/// The count is the process's: tests that start it take turns.
#[cfg(test)]
pub(crate) static COUNTING: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[global_allocator]
    static ALLOCATOR: CountingAllocator = CountingAllocator;

    #[test]
    fn counts_this_thread_only_and_only_after_the_start() {
        let _turn = COUNTING.lock().unwrap();
        let other = || std::thread::spawn(|| drop(black_box(vec![1_u8; 64]))).join().unwrap();
        let (gate, opened) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            opened.recv().unwrap();
            (0..100).for_each(|_| drop(black_box(vec![1_u8; 64])));
        });
        start_counting();
        assert_eq!(allocations(), 0);
        drop(black_box(Box::new(5_u64)));
        assert_eq!(allocations(), 1);
        let mut grown = Vec::with_capacity(1);
        grown.extend([1_u64, 2, 3, 4, 5, 6, 7, 8, 9]);
        black_box(&grown);
        assert_eq!(allocations(), 3, "an allocation and a reallocation");
        let before = allocations();
        gate.send(()).unwrap();
        let sent = allocations() - before;
        thread.join().unwrap();
        stop_counting();
        assert!(allocations() - before < 100 && sent < 100, "the other thread's hundred are not counted");
        let stopped = allocations();
        other();
        drop(black_box(Box::new(5_u64)));
        assert_eq!(allocations(), stopped);
    }
}
