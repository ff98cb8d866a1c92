//! Memory for what a process allocates while it starts, in one piece on pages of 2 MiB.
//!
//! Left to themselves the small tables of a start lie on pages of 4 KiB wherever the kernel finds one, and under a
//! hypervisor such a page can be slow to come back: measured, of 16,384 pages that nobody had read for two seconds 2,700
//! took 50 to 300 us to read; of the same bytes on pages of 2 MiB, 20. So a start allocates from an arena. What it makes
//! then lives as long as the process: what is given back is not used again. Without room the system allocates.

use crate::alloc::thread_pointer;
use crate::huge_pages::{HUGE_PAGE_BYTES, release, reserve};
use std::alloc::Layout;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// Starts of one process: a host has one per stage.
const ARENAS_MAX: usize = 16;

/// One piece of memory, handed out from its beginning, by one thread.
struct Arena {
    first: AtomicPtr<u8>,
    bytes: AtomicUsize,
    /// Bytes handed out.
    used: AtomicUsize,
}

static ARENAS: [Arena; ARENAS_MAX] =
    [const { Arena { first: AtomicPtr::new(null_mut()), bytes: AtomicUsize::new(0), used: AtomicUsize::new(0) } };
        ARENAS_MAX];
/// Arenas made; the last of them may be open.
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// Thread pointer of who opened the last one and allocates from it; 0 = it is closed.
static OWNER: AtomicUsize = AtomicUsize::new(0);

fn arenas() -> &'static [Arena] {
    &ARENAS[..COUNT.load(Ordering::Acquire)]
}

/// The arena that the calling thread has open.
#[inline]
fn mine() -> Option<&'static Arena> {
    if OWNER.load(Ordering::Relaxed) == thread_pointer() { arenas().last() } else { None }
}

/// Opens an arena of so many huge pages, for every allocation of this thread up to [`close`].
pub(crate) fn open(pages: usize) {
    close();
    let (count, bytes) = (COUNT.load(Ordering::Relaxed), pages.saturating_mul(HUGE_PAGE_BYTES));
    if pages == 0 || count == ARENAS_MAX || OWNER.load(Ordering::Relaxed) != 0 {
        return;
    }
    let Ok(first) = reserve(bytes) else { return };
    let arena = &ARENAS[count];
    arena.first.store(first, Ordering::Relaxed);
    arena.bytes.store(bytes, Ordering::Relaxed);
    COUNT.store(count + 1, Ordering::Release);
    OWNER.store(thread_pointer(), Ordering::Release);
}

/// Closes this thread's arena and gives back the pages that nothing was taken of.
pub(crate) fn close() {
    let Some(arena) = mine() else { return };
    OWNER.store(0, Ordering::Release);
    let kept = arena.used.load(Ordering::Relaxed).next_multiple_of(HUGE_PAGE_BYTES);
    let bytes = arena.bytes.swap(kept, Ordering::Relaxed);
    release(arena.first.load(Ordering::Relaxed).wrapping_add(kept), bytes - kept);
}

/// A block of zeros from this thread's arena; null when it has none open, or no room in it.
#[inline]
pub(crate) fn take(layout: Layout) -> *mut u8 {
    let Some(arena) = mine() else { return null_mut() };
    let place = arena.used.load(Ordering::Relaxed).next_multiple_of(layout.align());
    let end = place.saturating_add(layout.size());
    if end > arena.bytes.load(Ordering::Relaxed) {
        return null_mut();
    }
    arena.used.store(end, Ordering::Relaxed);
    arena.first.load(Ordering::Relaxed).wrapping_add(place)
}

/// The arena that a block came from.
fn of(block: *mut u8) -> Option<&'static Arena> {
    arenas().iter().find(|arena| {
        let first = arena.first.load(Ordering::Relaxed);
        block.addr().checked_sub(first.addr()).is_some_and(|offset| offset < arena.bytes.load(Ordering::Relaxed))
    })
}

/// Whether a block came from an arena: the system must not see it.
#[inline]
pub(crate) fn holds(block: *mut u8) -> bool {
    of(block).is_some()
}

/// Whether a block of an arena may stay where it is with another size: it shrinks, or it was the last one taken.
pub(crate) fn resize(block: *mut u8, old_bytes: usize, new_bytes: usize) -> bool {
    if new_bytes <= old_bytes {
        return true;
    }
    let Some(arena) = mine() else { return false };
    let Some(place) = block.addr().checked_sub(arena.first.load(Ordering::Relaxed).addr()) else { return false };
    let end = place.saturating_add(new_bytes);
    let grows = arena.used.load(Ordering::Relaxed) == place + old_bytes && end <= arena.bytes.load(Ordering::Relaxed);
    if grows {
        arena.used.store(end, Ordering::Relaxed);
    }
    grows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alloc::COUNTING;
    use std::hint::black_box;

    /// The lines of /proc/self/smaps about the map that holds a place.
    fn map_of(place: usize) -> String {
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let (mut within, mut found) = (false, String::new());
        for line in smaps.lines() {
            if let Some((first, end)) = line.split_once(' ').and_then(|(range, _)| range.split_once('-')) {
                let address = |text| usize::from_str_radix(text, 16).unwrap_or(0);
                within = address(first) <= place && place < address(end);
            }
            if within {
                found += line;
                found.push('\n');
            }
        }
        found
    }

    #[test]
    fn what_a_start_allocates_lies_together_where_huge_pages_are_wished_for() {
        let _turn = COUNTING.lock().unwrap();
        let before = black_box(vec![7_u8; 100]);
        open(4);
        let small = black_box(Box::new(5_u64));
        let zeros = black_box(vec![0_u64; 1 << 17]);
        let mut grown: Vec<u64> = Vec::with_capacity(1);
        grown.extend(0..1_000);
        let aligned = take(Layout::from_size_align(10, 4096).unwrap());
        let too_large = black_box(vec![1_u8; 64 << 20]);
        close();
        let after = black_box(vec![7_u8; 100]);
        let place = |pointer: *const u64| pointer.cast_mut().cast::<u8>();
        for block in [place(&raw const *small), place(zeros.as_ptr()), place(grown.as_ptr()), aligned] {
            assert!(holds(block));
        }
        for block in [&before, &too_large, &after] {
            assert!(!holds(block.as_ptr().cast_mut()));
        }
        assert!(aligned.addr().is_multiple_of(4096));
        assert!(zeros.iter().all(|word| *word == 0) && grown.iter().copied().eq(0..1_000));
        let map = map_of(zeros.as_ptr().addr());
        let flags = map.lines().find(|line| line.starts_with("VmFlags:")).unwrap();
        assert!(flags.split(' ').any(|flag| flag == "hg"), "huge pages are wished for: {map}");
        let arena = of(aligned).unwrap();
        assert!(arena.first.load(Ordering::Relaxed).addr().is_multiple_of(HUGE_PAGE_BYTES));
        assert_eq!(arena.bytes.load(Ordering::Relaxed), HUGE_PAGE_BYTES, "what was not used is given back");
        std::thread::spawn(|| assert!(take(Layout::new::<u64>()).is_null(), "it is one thread's")).join().unwrap();
    }

    #[test]
    fn a_block_keeps_its_bytes_out_of_the_arena_and_only_the_last_one_grows_in_place() {
        let _turn = COUNTING.lock().unwrap();
        open(2);
        let mut first = Vec::with_capacity(64);
        first.extend(0..64_u8);
        let place = first.as_ptr();
        first.reserve_exact(64);
        assert_eq!(first.as_ptr(), place, "the last one grows where it is");
        let second = black_box(vec![1_u8; 64]);
        first.reserve_exact(1_000);
        assert_ne!(first.as_ptr(), place, "the next block is in the way");
        close();
        let inside = first.as_ptr().cast_mut();
        first.reserve_exact(100_000);
        assert!(holds(inside) && !holds(first.as_ptr().cast_mut()), "after the start the system allocates");
        assert!(first.iter().copied().eq(0..64) && second == [1; 64]);
        first.shrink_to_fit();
        drop((first, second));
    }
}
