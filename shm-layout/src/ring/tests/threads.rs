//! Many messages between threads of this machine: no torn, false, doubled or silently lost one.

use super::*;
use std::thread;

/// Steps of a small generator, so that batch sizes vary alike in every run.
fn next_random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Writes up to message `last` in batches of 1 to `batch_max`, waiting when full.
fn write_all<const W: usize>(mut writer: RingWriter<W>, last: u64, batch_max: u64) {
    let mut random = 0x5EED;
    while writer.published() < last {
        let first = writer.published() + 1;
        let count = (1 + next_random(&mut random) % batch_max).min(last + 1 - first);
        match writer.claim(count as usize) {
            Ok(mut claim) => {
                (0..count).for_each(|index| claim.write(index as usize, &payload(first + index)));
                claim.publish();
            }
            Err(Full) => thread::yield_now(),
        }
    }
}

/// Reads up to message `last`; returns (messages read, messages missed, laps).
fn read_all<const W: usize>(mut reader: RingReader<W>, last: u64) -> (u64, u64, u64) {
    let (mut count, mut missed, mut laps) = (0, 0, 0);
    while reader.next_sequence() <= last {
        match read(&mut reader, 32) {
            Ok(0) => thread::yield_now(),
            Ok(found) => {
                count += found as u64;
                reader.commit();
            }
            Err(lapped) => {
                missed += lapped.missed;
                laps += 1;
            }
        }
    }
    assert_eq!(reader.corrupt(), 0);
    (count, missed, laps)
}

#[test]
fn taps_are_lapped_but_never_torn() {
    lap_taps::<7>();
}

#[test]
fn nor_are_slots_of_two_lines_torn() {
    lap_taps::<15>();
}

fn lap_taps<const W: usize>() {
    const LAST: u64 = 3_000_000;
    for slots in [2, 8, 64] {
        let words = SharedWords::heap(ring_words(W + 1, slots));
        let writer = RingWriter::<W>::create(words.clone(), slots).expect("zeroed words");
        let taps =
            [0, 1].map(|_| RingReader::<W>::attach(words.read_only(), slots, Start::Oldest).expect("geometry fits"));
        thread::scope(|scope| {
            let threads = taps.map(|tap| scope.spawn(move || read_all(tap, LAST)));
            scope.spawn(move || write_all(writer, LAST, 2.max(slots as u64 / 2)));
            for thread in threads {
                let (count, missed, _) = thread.join().expect("no assertion of the reader failed");
                assert_eq!(count + missed, LAST, "every message is read or said to be missed");
                assert!(count > 0);
            }
        });
    }
}

#[test]
fn gating_readers_get_everything_while_a_tap_does_not_slow_them() {
    const LAST: u64 = 1_000_000;
    const SLOTS: usize = 256;
    let (words, mut writer) = writer(SLOTS);
    let gating = [0, 1].map(|_| {
        let cursor = SharedWords::heap(1);
        writer.add_gate(Gate { cursor: cursor.read_only(), parked: None });
        reader(&words, SLOTS, Start::Oldest).with_cursor(cursor)
    });
    let tap = reader(&words, SLOTS, Start::Oldest);
    thread::scope(|scope| {
        let threads = gating.map(|reader| scope.spawn(move || read_all(reader, LAST)));
        let tap = scope.spawn(move || read_all(tap, LAST));
        scope.spawn(move || write_all(writer, LAST, 40));
        for thread in threads {
            let (count, missed, laps) = thread.join().expect("no assertion of the reader failed");
            assert_eq!((count, missed, laps), (LAST, 0, 0));
        }
        let (count, missed, _) = tap.join().expect("no assertion of the tap failed");
        assert_eq!(count + missed, LAST);
    });
}
