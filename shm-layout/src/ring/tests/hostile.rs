//! Readers and writers over words that a broken or hostile process may have stored: nothing panics, hangs, goes out of
//! bounds, or is delivered under a stamp that was not there.

use super::*;
use crate::ring::sync::Ordering;
use proptest::prelude::*;

const SLOTS: usize = 8;

/// Stamps near what an honest writer leaves, and far from it.
fn word() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => 0..40_u64,
        2 => (0..40_u64).prop_map(|sequence| 1 << 63 | sequence),
        1 => (0..10_u64).prop_map(|below| u64::MAX - below),
        1 => (0..20_u64).prop_map(|around| (1 << 62) - 10 + around),
        1 => (0..20_u64).prop_map(|around| (1 << 63) - 10 + around),
        1 => any::<u64>(),
    ]
}

/// A peer's store: word (0 = hint, then the stamps), value.
fn garbage() -> impl Strategy<Value = (usize, u64)> {
    (0..=SLOTS, word()).prop_map(|(place, value)| (place.checked_sub(1).map_or(0, |i| HEADER_WORDS + 8 * i), value))
}

proptest! {
    #[test]
    fn a_reader_survives_any_words(
        first in prop::collection::vec(word(), SLOTS + 1),
        later in prop::collection::vec((garbage(), 0..12_usize), 0..80),
        start in prop_oneof![Just(Start::Oldest), Just(Start::Latest), word().prop_map(Start::After)],
    ) {
        let words = words(SLOTS);
        words.store(0, first[0], Ordering::Relaxed);
        for (slot, stamp) in first[1..].iter().enumerate() {
            words.store(HEADER_WORDS + 8 * slot, *stamp, Ordering::Relaxed);
        }
        let mut reader = reader(&words, SLOTS, start);
        for ((place, value), count) in later {
            let (from, corrupt) = (reader.next_sequence(), reader.corrupt());
            let mut out = vec![[0; 7]; count];
            match reader.read_batch(&mut out) {
                Ok(found) => {
                    prop_assert!(found <= count);
                    prop_assert_eq!(reader.next_sequence(), from + found as u64);
                    // Nobody else stores meanwhile: what was delivered still has its stamp, unless it was delivered
                    // twice over in one call, which a stamp cannot allow.
                    prop_assert!(found <= SLOTS);
                    for sequence in from..from + found as u64 {
                        let slot = HEADER_WORDS + 8 * (sequence as usize % SLOTS);
                        prop_assert_eq!(words.load(slot, Ordering::Relaxed), sequence);
                    }
                }
                Err(Lapped { missed }) => {
                    prop_assert!(missed > 0);
                    prop_assert_eq!(reader.next_sequence(), from + missed);
                }
            }
            prop_assert!(reader.corrupt() <= corrupt + 1);
            let _ = reader.depth();
            reader.commit();
            words.store(place, value, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_successor_refuses_or_continues_any_words(stamps in prop::collection::vec(word(), SLOTS), hint in word()) {
        let words = words(SLOTS);
        words.store(0, hint, Ordering::Relaxed);
        for (slot, stamp) in stamps.iter().enumerate() {
            words.store(HEADER_WORDS + 8 * slot, *stamp, Ordering::Relaxed);
        }
        if let Ok(mut writer) = RingWriter::<7>::attach(words.clone(), SLOTS) {
            let mut tap = reader(&words, SLOTS, Start::Latest);
            push(&mut writer, 3);
            prop_assert_eq!(read(&mut tap, 4), Ok(3));
        }
    }
}

proptest! {
    /// A reader that hears nothing of a ring that is written to, and counts nothing, has died and does not know it.
    #[test]
    fn one_flipped_bit_makes_no_reader_deaf(
        pushed in 0..5 * SLOTS as u64,
        place in 0..=SLOTS,
        bit in 0..64_u32,
        start in prop_oneof![Just(Start::Oldest), Just(Start::Latest)],
    ) {
        let (words, mut writer) = writer(SLOTS);
        push(&mut writer, pushed);
        let word = place.checked_sub(1).map_or(0, |slot| HEADER_WORDS + 8 * slot);
        words.store(word, words.load(word, Ordering::Relaxed) ^ 1 << bit, Ordering::Relaxed);
        let mut reader = reader(&words, SLOTS, start);
        let oldest = pushed.saturating_sub(SLOTS as u64) + 1;
        let first = if start == Start::Oldest { oldest } else { pushed + 1 };
        if place == 0 {
            prop_assert_eq!(reader.next_sequence(), first, "the stamps tell where the ring is");
            prop_assert!(reader.depth() <= pushed + 1 - first);
        }
        let (mut delivered, mut missed) = (0, 0);
        let mut out = [[0; 7]; SLOTS];
        for _ in 0..2 * SLOTS {
            // A flipped stamp can be the very one of the next message: only a checksum would tell, as with the payload's bits.
            match if place == 0 { read(&mut reader, SLOTS) } else { reader.read_batch(&mut out) } {
                Ok(count) => delivered += count,
                Err(Lapped { missed: more }) => missed += more,
            }
            push(&mut writer, 1);
        }
        prop_assert!(delivered > 0 || missed > 0 || reader.corrupt() > 0);
        if place == 0 {
            prop_assert_eq!((missed, reader.corrupt()), (0, 0));
            prop_assert_eq!(delivered as u64, pushed + 2 * SLOTS as u64 - first);
        }
    }
}

#[test]
fn a_hint_that_is_flipped_while_a_reader_is_lapped_does_not_carry_it_away() {
    for bit in 0..64 {
        let (words, mut writer) = writer(SLOTS);
        let mut reader = reader(&words, SLOTS, Start::Oldest);
        push(&mut writer, 3 * SLOTS as u64 + 1);
        words.store(0, words.load(0, Ordering::Relaxed) ^ 1 << bit, Ordering::Relaxed);
        // 18 to 25 are held; an eighth of the ring further on is safe from the writer's next store.
        assert_eq!(read(&mut reader, SLOTS), Err(Lapped { missed: 18 }), "bit {bit}");
        assert_eq!((read(&mut reader, SLOTS), reader.corrupt()), (Ok(7), 0), "bit {bit}");
    }
}

#[test]
fn a_reader_that_was_told_to_begin_where_no_writer_has_been_says_so() {
    let (words, mut writer) = writer(SLOTS);
    push(&mut writer, 3);
    let mut lost = reader(&words, SLOTS, Start::After(1 << 40));
    assert_eq!((read(&mut lost, 1), read(&mut lost, 1), lost.corrupt()), (Ok(0), Ok(0), 1));
}

#[test]
fn a_corrupt_slot_is_waited_for_then_skipped_and_counted_once() {
    let (words, mut writer) = writer(SLOTS);
    push(&mut writer, 3);
    let mut reader = reader(&words, SLOTS, Start::Oldest);
    let stamp_of = |sequence: usize| HEADER_WORDS + 8 * (sequence % SLOTS);
    // Message 4 is not published yet: its slot may be repaired by publishing it.
    words.store(stamp_of(4), 1 << 40 | 5, Ordering::Relaxed);
    assert_eq!(read(&mut reader, 8), Ok(3));
    assert_eq!((read(&mut reader, 8), read(&mut reader, 8), reader.corrupt()), (Ok(0), Ok(0), 1));
    push(&mut writer, 1);
    assert_eq!(read(&mut reader, 8), Ok(1));
    // Message 5 is published, then destroyed: no message of the gap is silent, and the next one is read.
    push(&mut writer, 2);
    words.store(stamp_of(5), 1 << 40 | 4, Ordering::Relaxed);
    assert_eq!(read(&mut reader, 8), Err(Lapped { missed: 1 }));
    assert_eq!((read(&mut reader, 8), reader.corrupt()), (Ok(1), 2));
}

#[test]
fn a_sequence_jump_does_not_carry_the_reader_away() {
    let (words, mut writer) = writer(SLOTS);
    push(&mut writer, 3);
    let mut reader = reader(&words, SLOTS, Start::Oldest);
    // The right slot, but further ahead than any writer can be.
    words.store(HEADER_WORDS + 8, (1 << 50) + 1, Ordering::Relaxed);
    assert_eq!(read(&mut reader, 8), Err(Lapped { missed: 1 }));
    assert_eq!((read(&mut reader, 8), reader.corrupt()), (Ok(2), 1));
}
