//! A writer dies at every stage of a write, and another takes the ring over.

use super::*;
use crate::failpoint::{Failpoint, Hook};
use crate::ring::sync::Ordering;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    /// Where this thread's writer dies, and how many hits it survives before; the failpoints are shared with all tests.
    static DEATH: Cell<Option<(&'static str, u32)>> = const { Cell::new(None) };
}

const DIE: Hook = |name| match DEATH.get() {
    Some((place, 0)) if place == name => panic!("the writer dies here"),
    Some((place, left)) if place == name => DEATH.set(Some((place, left - 1))),
    _ => {}
};

/// Publishes a batch of `count` messages of nines, and dies at hit `survives + 1` of `point`.
fn die_at(writer: &mut RingWriter<7>, count: usize, point: &'static Failpoint, survives: u32) {
    point.arm(DIE);
    DEATH.set(Some((point.name(), survives)));
    let death = catch_unwind(AssertUnwindSafe(|| {
        let first = writer.published() + 1;
        let mut claim = writer.claim(count).expect("no gates");
        for index in 0..count {
            claim.write(index, &payload(first + index as u64));
        }
        claim.publish()
    }));
    DEATH.set(None);
    assert!(death.is_err(), "{} was not hit", point.name());
}

#[test]
fn a_successor_continues_from_every_stage() {
    const SLOTS: usize = 8;
    const BATCH: usize = 3;
    for before in [0_u64, 1, 5, 8, 20] {
        for point in FAILPOINTS {
            // Hit once a batch, the others once a message.
            let hits = if point.name() == "ring.write.before_published" { 1 } else { BATCH as u32 };
            for survives in 0..hits {
                let (words, mut first) = writer(SLOTS);
                push(&mut first, before);
                let mut caught_up = reader(&words, SLOTS, Start::Latest);
                die_at(&mut first, BATCH, point, survives);
                drop(first);

                // Of a batch, only what was stamped before the death is visible, and the hint did not get there.
                let stamped = match point.name() {
                    "ring.write.before_sequence" => u64::from(survives),
                    "ring.write.before_published" => BATCH as u64,
                    _ => 0,
                };
                assert_eq!(words.load(0, Ordering::Relaxed), before);
                assert_eq!(read(&mut caught_up, BATCH), Ok(stamped as usize));

                let mut second = RingWriter::<7>::attach(words.clone(), SLOTS).expect("honest remains");
                assert_eq!(second.published(), before + stamped, "{} +{survives}", point.name());
                assert_eq!(read(&mut caught_up, BATCH), Ok(0), "nothing unpublished shows");
                push(&mut second, 1);
                assert_eq!(read(&mut caught_up, BATCH), Ok(1), "the mark of the dead is overwritten");
                push(&mut second, 11);
                let mut joiner = reader(&words, SLOTS, Start::Oldest);
                assert_eq!(read(&mut joiner, 2 * SLOTS), Ok(SLOTS));
                assert_eq!(joiner.corrupt() + caught_up.corrupt(), 0);
            }
        }
    }
}

#[test]
fn several_writers_die_in_a_row() {
    let (words, mut writer) = writer(8);
    push(&mut writer, 13);
    let mut tap = reader(&words, 8, Start::Latest);
    for (count, point, survives) in
        [(6, FAILPOINTS[1], 5), (4, FAILPOINTS[2], 2), (6, FAILPOINTS[0], 5), (2, FAILPOINTS[1], 1)]
    {
        die_at(&mut writer, count, point, survives);
        writer = RingWriter::attach(words.clone(), 8).expect("honest remains");
    }
    assert_eq!(writer.published(), 15, "13, and two stamped by the second to die");
    assert_eq!(read(&mut tap, 9), Ok(2));
    push(&mut writer, 8);
    assert_eq!(read(&mut tap, 9), Ok(8));
}

#[test]
fn a_slot_half_overwritten_is_lost_to_those_behind_but_never_shown() {
    let (words, mut writer) = writer(8);
    let mut behind = reader(&words, 8, Start::Oldest);
    push(&mut writer, 8);
    die_at(&mut writer, 1, FAILPOINTS[1], 0);
    // Message 1 is destroyed by the half-written 9; 2 is within the margin of an eighth.
    assert_eq!(read(&mut behind, 8), Err(Lapped { missed: 2 }));
    assert_eq!(read(&mut behind, 8), Ok(6));
    assert_eq!(read(&mut behind, 8), Ok(0));
}

#[test]
fn a_ring_that_no_writer_left_is_not_continued() {
    for (slot, stamp) in [(0, 9), (1, 0), (2, 3), (3, u64::MAX), (3, 1 << 63 | 5), (3, (1 << 62) + 3), (1, 1 << 60 | 1)]
    {
        let (words, mut writer) = writer(4);
        push(&mut writer, 6);
        words.store(HEADER_WORDS + 8 * slot, stamp, Ordering::Relaxed);
        let error = RingWriter::<7>::attach(words, 4).unwrap_err();
        assert!(matches!(error, RingError::Corrupt { .. }), "slot {slot} = {stamp:#x}: {error}");
    }
    for hint in [1, 7, u64::MAX] {
        let (words, mut writer) = writer(4);
        push(&mut writer, 6);
        words.store(0, hint, Ordering::Relaxed);
        assert!(RingWriter::<7>::attach(words, 4).is_err(), "hint {hint}");
    }
}
