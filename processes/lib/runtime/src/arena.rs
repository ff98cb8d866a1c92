//! Memory for what a process allocates while it starts, in one piece on pages of 2 MiB.
//!
//! Left to themselves the small tables of a start lie on pages of 4 KiB wherever the kernel finds one, and under a
//! hypervisor such a page can be slow to come back: measured, of 16,384 pages that nobody had read for two seconds 2,700
//! took 50 to 300 us to read; of the same bytes on pages of 2 MiB, 20. So a start allocates from an arena. What it makes
//! then lives as long as the process: what is given back is not used again. Without room the system allocates, and what a
//! start reads only to have read it is read [`outside`].

use crate::alloc::thread_pointer;
use crate::huge_pages::{HUGE_PAGE_BYTES, populate, release, reserve};
use shm_layout::control_page::ROSTER;
use std::alloc::Layout;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// Arenas of one process: a host has one per stage, and no roster has more.
const ARENAS_MAX: usize = ROSTER;

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

/// Opens an arena of so many huge pages, for every allocation of this thread up to [`close`]. Another thread that has one
/// open keeps it, and this one gets none.
pub(crate) fn open(pages: usize) {
    close();
    let bytes = pages.saturating_mul(HUGE_PAGE_BYTES);
    // No thread pointer is 1: nobody takes before the arena is whole.
    if pages == 0 || OWNER.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed).is_err() {
        return;
    }
    let count = COUNT.load(Ordering::Relaxed);
    let reserved = ARENAS.get(count).and_then(|arena| Some((arena, reserve(bytes).ok()?)));
    let Some((arena, first)) = reserved else { return OWNER.store(0, Ordering::Release) };
    arena.first.store(first, Ordering::Relaxed);
    arena.bytes.store(bytes, Ordering::Relaxed);
    COUNT.store(count + 1, Ordering::Release);
    OWNER.store(thread_pointer(), Ordering::Release);
}

/// Closes this thread's arena: the pages that nothing was taken of are given back, and the others are made present.
pub(crate) fn close() {
    let Some(arena) = mine() else { return };
    OWNER.store(0, Ordering::Release);
    let first = arena.first.load(Ordering::Relaxed);
    let kept = arena.used.load(Ordering::Relaxed).next_multiple_of(HUGE_PAGE_BYTES);
    let bytes = arena.bytes.swap(kept, Ordering::Relaxed);
    // SAFETY: what lies beyond `used` was never handed out, and from here on is not the arena's.
    unsafe { release(first.wrapping_add(kept), bytes - kept) };
    populate(first, kept);
}

/// Runs `read` with the arena closed, and opens it again: for what is read whole and given back, as a journal is.
pub(crate) fn outside<T>(read: impl FnOnce() -> T) -> T {
    let owner = thread_pointer();
    let paused = OWNER.compare_exchange(owner, 1, Ordering::AcqRel, Ordering::Relaxed).is_ok();
    let result = read();
    if paused {
        OWNER.store(owner, Ordering::Release);
    }
    result
}

/// A block of zeros from this thread's arena; null when it has none open, or no room in it.
#[inline]
pub(crate) fn take(layout: Layout) -> *mut u8 {
    let Some(arena) = mine() else { return null_mut() };
    if layout.align() > HUGE_PAGE_BYTES {
        return null_mut();
    }
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

/// Gives a block of an arena another size where it is, if it shrinks or is the last one that this thread's open arena
/// handed out; false leaves all as it was.
pub(crate) fn resize_in_place(block: *mut u8, old_bytes: usize, new_bytes: usize) -> bool {
    if new_bytes <= old_bytes {
        return true;
    }
    let Some(arena) = mine() else { return false };
    let bytes = arena.bytes.load(Ordering::Relaxed);
    let place = block.addr().checked_sub(arena.first.load(Ordering::Relaxed).addr()).filter(|place| *place < bytes);
    let Some(place) = place else { return false };
    let end = place.saturating_add(new_bytes);
    let grows = arena.used.load(Ordering::Relaxed) == place + old_bytes && end <= bytes;
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

    /// Closes the arena also when an assertion fails: the next test's thread may have the same thread pointer.
    struct Opened;

    impl Opened {
        fn new(pages: usize) -> Self {
            open(pages);
            Self
        }
    }

    impl Drop for Opened {
        fn drop(&mut self) {
            close();
        }
    }

    fn turn() -> std::sync::MutexGuard<'static, ()> {
        COUNTING.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn held<T>(block: &[T]) -> bool {
        holds(block.as_ptr().cast_mut().cast())
    }

    #[test]
    fn what_a_start_allocates_lies_together_on_huge_pages() {
        let _turn = turn();
        let before = black_box(vec![7_u8; 100]);
        let opened = Opened::new(4);
        let small = black_box(vec![5_u64]);
        let zeros = black_box(vec![0_u64; 1 << 17]);
        let mut grown: Vec<u64> = Vec::with_capacity(1);
        grown.extend(0..1_000);
        let aligned = take(Layout::from_size_align(10, 4096).unwrap());
        let too_aligned = take(Layout::from_size_align(10, 2 * HUGE_PAGE_BYTES).unwrap());
        let too_large = black_box(vec![1_u8; 64 << 20]);
        let read = outside(|| black_box(vec![1_u8; 100]));
        let again = black_box(vec![1_u8; 100]);
        std::thread::spawn(|| assert!(take(Layout::new::<u64>()).is_null(), "it is one thread's")).join().unwrap();
        drop(opened);
        let after = black_box(vec![7_u8; 100]);
        assert!(held(&small) && held(&zeros) && held(&grown) && held(&again) && holds(aligned));
        assert!(!held(&before) && !held(&too_large) && !held(&read) && !held(&after) && too_aligned.is_null());
        assert!(aligned.addr().is_multiple_of(4096));
        assert!(zeros.iter().all(|word| *word == 0) && grown.iter().copied().eq(0..1_000));
        let arena = of(aligned).unwrap();
        assert!(arena.first.load(Ordering::Relaxed).addr().is_multiple_of(HUGE_PAGE_BYTES));
        assert_eq!(arena.bytes.load(Ordering::Relaxed), HUGE_PAGE_BYTES, "what was not used is given back");
        let map = map_of(zeros.as_ptr().addr());
        let kib = |name| {
            let line = map.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok()
        };
        assert!(kib("Rss:").is_some_and(|rss| rss >= 2048), "all of it is present: {map}");
        if kib("AnonHugePages:").is_none_or(|huge| huge < 2048) {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "skipped: this kernel gives no huge pages, or has none free");
        }
    }

    #[test]
    fn blocks_of_two_arenas_keep_their_bytes_and_only_the_last_one_grows_in_place() {
        let _turn = turn();
        let opened = Opened::new(2);
        let mut first = Vec::with_capacity(64);
        first.extend(0..64_u8);
        let place = first.as_ptr();
        first.reserve_exact(64);
        assert_eq!(first.as_ptr(), place, "the last one grows where it is");
        let second = black_box(vec![1_u8; 64]);
        first.reserve_exact(1_000);
        assert_ne!(first.as_ptr(), place, "the next block is in the way");
        drop(opened);
        // As a host does that starts another stage.
        let opened = Opened::new(2);
        let inside = first.as_ptr();
        first.reserve_exact(2_000);
        assert!(first.as_ptr() != inside && held(&first), "the earlier arena grows no more: moved into the new one");
        drop(second);
        drop(opened);
        first.reserve_exact(100_000);
        assert!(!held(&first), "after the start the system allocates");
        assert!(first.iter().copied().eq(0..64));
        let opened = Opened::new(1);
        let third = black_box(vec![3_u8; 500]);
        drop(opened);
        let third = std::thread::spawn(move || {
            let mut third = third;
            third.extend([4; 1_000]);
            third
        });
        let third = third.join().unwrap();
        assert!(!held(&third) && third[..500] == [3; 500] && third[500..] == [4; 1_000]);
    }
}
