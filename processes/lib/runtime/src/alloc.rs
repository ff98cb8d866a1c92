//! The counting global allocator, in every product binary: "no allocation after start" is a counter that anyone can read.
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: runtime::alloc::CountingAllocator = runtime::alloc::CountingAllocator;
//! ```
//! It counts the calls of one thread, the one that called [`start_counting`]: a flusher or a logger may allocate. Every
//! block is the system allocator's; one of 2 MiB or more begins on a huge page's boundary, and during a start lies on huge
//! pages where the kernel has them free ([`crate::huge_pages`]).

use crate::huge_pages::{HUGE_PAGE_BYTES, ask_for_huge_pages, placed};
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
fn thread_pointer() -> usize {
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

// SAFETY: every block comes from the system allocator and goes back to it under the same layout, which `placed` makes of the
// caller's: of the same size, and aligned at least as much. Counting touches only atomics.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps `GlobalAlloc`'s contract, which is the system's.
        let block = unsafe { System.alloc(placed(layout)) };
        ask_for_huge_pages(block, layout.size());
        block
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.size() < HUGE_PAGE_BYTES {
            count();
            // SAFETY: as in `alloc`; `placed` changes nothing of so small a block.
            return unsafe { System.alloc_zeroed(layout) };
        }
        // Asked for before the zeros are written, which makes the pages.
        // SAFETY: as in `alloc`.
        let block = unsafe { self.alloc(layout) };
        if !block.is_null() {
            // SAFETY: the block has that many bytes, and is nobody else's yet.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_bytes: usize) -> *mut u8 {
        // SAFETY: the caller keeps the rounded-up size within `isize::MAX`.
        let new = unsafe { Layout::from_size_align_unchecked(new_bytes, layout.align()) };
        if placed(layout).align() == placed(new).align() {
            count();
            // SAFETY: as in `alloc`; `block` came from the system allocator under this layout.
            return unsafe { System.realloc(block, placed(layout), new_bytes) };
        }
        // SAFETY: as in `alloc`.
        let moved = unsafe { self.alloc(new) };
        if !moved.is_null() {
            // SAFETY: both blocks have that many bytes and are apart.
            unsafe { block.copy_to_nonoverlapping(moved, layout.size().min(new_bytes)) };
            // SAFETY: the old block came from `alloc` under this layout, and the caller has given it up.
            unsafe { self.dealloc(block, layout) };
        }
        moved
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as in `alloc`; `block` came from the system allocator under this layout.
        unsafe { System.dealloc(block, placed(layout)) }
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

    #[test]
    fn blocks_of_any_size_keep_their_bytes_as_they_grow_and_shrink() {
        const HUGE: usize = HUGE_PAGE_BYTES;
        for sizes in [[10, HUGE - 1, HUGE, 3 * HUGE + 5], [3 * HUGE, 2 * HUGE, HUGE - 1, 1]] {
            let mut bytes: Vec<u8> = Vec::new();
            for size in sizes {
                bytes.truncate(size);
                bytes.shrink_to_fit();
                bytes.reserve_exact(size - bytes.len());
                bytes.extend((bytes.len()..size).map(|index| index as u8));
                assert!(size < HUGE || bytes.as_ptr().addr().is_multiple_of(HUGE), "{size}");
                assert!(bytes.iter().enumerate().all(|(index, byte)| *byte == index as u8), "{size}");
            }
        }
        assert!(black_box(vec![0_u64; HUGE]).iter().all(|word| *word == 0));
    }

    #[test]
    fn a_table_of_a_start_lies_on_huge_pages() {
        use crate::huge_pages::{end_heap_grant, grant_heap};
        let huge_bytes = |table: &[u64]| -> u64 {
            let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
            let (mut within, mut sum) = (false, 0);
            let first = table.as_ptr().addr();
            for line in smaps.lines() {
                if let Some((start, end)) = line.split_once(' ').and_then(|(range, _)| range.split_once('-')) {
                    let place = |text| usize::from_str_radix(text, 16).unwrap_or(0);
                    within = place(start) <= first && first < place(end);
                } else if let Some(kib) = line.strip_prefix("AnonHugePages:").filter(|_| within) {
                    sum += kib.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10;
                }
            }
            sum
        };
        grant_heap();
        let table = black_box(vec![1_u64; 1 << 20]);
        end_heap_grant();
        if huge_bytes(&table) == 0 {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "skipped: this kernel gives no huge pages, or has none free");
            return;
        }
        assert!(huge_bytes(&table) >= 8 << 20, "all of it: the block begins on a boundary");
    }
}
