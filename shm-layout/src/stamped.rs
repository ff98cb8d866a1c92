//! A group of words under one stamp: a reader never pairs words of two writes.
//!
//! ```text
//! word 0      stamp    bit 63 WRITING, bits 0–62 number of writes; 0 = never written
//! word 1..    payload
//! ```
//!
//! One writer. It marks WRITING, stores the payload by relaxed words, and stores the new count with release. A reader
//! loads the stamp, copies the payload by relaxed words, and takes the copy only when the stamp is unchanged. A reader
//! never waits without bound: a writer that died in the middle leaves the mark, and the reader says `Busy`.

use crate::failpoint::Failpoint;
use crate::ring::sync::{Ordering, SharedWords};
#[cfg(loom)]
use loom::sync::atomic::fence;
#[cfg(not(loom))]
use std::sync::atomic::fence;

/// The mark of a write in progress.
pub(crate) const WRITING: u64 = 1 << 63;
/// Attempts of a reader before it says [`Busy`]: a write takes tens of nanoseconds, an attempt about as long.
const TRIES: u32 = if cfg!(loom) { 2 } else { 64 };

/// Mid-group: the mark is set and half of the payload is written.
static AFTER_MARK: Failpoint = Failpoint::new("stamped.write.after_mark");

/// The failpoints of every group (image entries, roster, echoes), for [`crate::failpoint::arm`].
pub static FAILPOINTS: [&Failpoint; 1] = [&AFTER_MARK];

/// The group is being written, or its writer died while it wrote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Busy;

/// Replaces the payload of the group that begins at word `first`. Only its one writer calls this.
pub(crate) fn write<const N: usize>(words: &SharedWords, first: usize, payload: &[u64; N]) {
    let count = (words.load(first, Ordering::Relaxed) & !WRITING).wrapping_add(1) & !WRITING;
    words.store(first, count | WRITING, Ordering::Relaxed);
    // The mark is visible before any payload word: pairs with the reader's acquire fence.
    fence(Ordering::Release);
    let (half, rest) = payload.split_at(N / 2);
    for (index, &word) in half.iter().enumerate() {
        words.store(first + 1 + index, word, Ordering::Relaxed);
    }
    AFTER_MARK.hit();
    for (index, &word) in rest.iter().enumerate() {
        words.store(first + 1 + N / 2 + index, word, Ordering::Relaxed);
    }
    words.store(first, count, Ordering::Release);
}

/// The stamp and payload of the group that begins at word `first`. Stamp 0: never written.
pub(crate) fn read<const N: usize>(words: &SharedWords, first: usize) -> Result<(u64, [u64; N]), Busy> {
    for _ in 0..TRIES {
        let stamp = words.load(first, Ordering::Acquire);
        if stamp & WRITING == 0 {
            let payload = std::array::from_fn(|index| words.load(first + 1 + index, Ordering::Relaxed));
            // If any word above came from a later write, the load below sees that write's mark.
            fence(Ordering::Acquire);
            if words.load(first, Ordering::Relaxed) == stamp {
                return Ok((stamp, payload));
            }
        }
        std::hint::spin_loop();
    }
    Err(Busy)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_dead_writers_mark_is_busy_until_the_next_write() {
        let words = SharedWords::heap(4);
        assert_eq!(read::<3>(&words, 0), Ok((0, [0; 3])));
        write(&words, 0, &[1, 2, 3]);
        assert_eq!(read::<3>(&words, 0), Ok((1, [1, 2, 3])));
        words.store(0, 2 | WRITING, Ordering::Relaxed);
        words.store(1, 9, Ordering::Relaxed);
        assert_eq!(read::<3>(&words, 0), Err(Busy));
        write(&words, 0, &[4, 5, 6]);
        assert_eq!(read::<3>(&words, 0), Ok((3, [4, 5, 6])));
    }

    #[test]
    fn the_count_wraps_without_touching_the_mark() {
        let words = SharedWords::heap(2);
        words.store(0, WRITING - 1, Ordering::Relaxed);
        write(&words, 0, &[7]);
        assert_eq!(read::<1>(&words, 0), Ok((0, [7])));
    }
}

/// Every interleaving and every order that the memory model allows:
/// `RUSTFLAGS="--cfg loom" cargo test -p shm-layout --release --lib loom_tests`.
#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;

    #[test]
    fn a_reader_never_pairs_words_of_two_writes() {
        loom::model(|| {
            let words = SharedWords::heap(3);
            write(&words, 0, &[1, 1]);
            let theirs = words.clone();
            let writer = loom::thread::spawn(move || {
                write(&theirs, 0, &[2, 2]);
                write(&theirs, 0, &[3, 3]);
            });
            if let Ok((stamp, payload)) = read::<2>(&words, 0) {
                assert_eq!(payload, [stamp; 2]);
            }
            writer.join().unwrap();
            assert_eq!(read::<2>(&words, 0), Ok((3, [3, 3])));
        });
    }
}
