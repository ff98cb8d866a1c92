//! The ring's protocol under every interleaving and every stale value that the memory model allows, in small rings.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p shm-layout --release --test loom`
#![cfg(loom)]
#![forbid(unsafe_code)]

use loom::thread;
use shm_layout::ring::sync::{Ordering, SharedWords};
use shm_layout::ring::{Full, Gate, Lapped, RingReader, RingWriter, Start, ring_words};

/// Words of payload: two are enough to be torn apart.
const W: usize = 2;

/// Payload of message `sequence` of the writer of `epoch`.
fn payload(sequence: u64, epoch: u64) -> [u64; W] {
    [sequence * 10 + epoch, sequence * 1000 + epoch]
}

/// Runs `test` under all schedules of at most `preemptions` preemptions.
fn model(preemptions: usize, test: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(test);
}

fn ring(slots: usize) -> (SharedWords, RingWriter<W>) {
    let words = SharedWords::heap(ring_words(W + 1, slots));
    let writer = RingWriter::create(words.clone(), slots).expect("zeroed words");
    (words, writer)
}

fn attach(words: &SharedWords, slots: usize, start: Start) -> RingReader<W> {
    RingReader::attach(words.read_only(), slots, start).expect("geometry fits")
}

/// Publishes the writer's next `count` messages, together.
fn push(writer: &mut RingWriter<W>, count: u64, epoch: u64) -> Result<u64, Full> {
    let first = writer.published() + 1;
    let mut claim = writer.claim(count as usize)?;
    (0..count).for_each(|index| claim.write(index as usize, &payload(first + index, epoch)));
    Ok(claim.publish())
}

/// One poll: how many messages, each with the payload that the writer of its epoch gave its sequence.
fn poll(reader: &mut RingReader<W>, count: usize, epoch_of: impl Fn(u64) -> u64) -> Result<u64, Lapped> {
    let mut out = vec![[0; W]; count];
    let first = reader.next_sequence();
    let found = reader.read_batch(&mut out);
    assert_eq!(reader.corrupt(), 0, "an honest writer leaves no corrupt stamp");
    let found = found? as u64;
    for sequence in first..first + found {
        let message = out[(sequence - first) as usize];
        assert_eq!(message, payload(sequence, epoch_of(sequence)), "torn, false or doubled");
    }
    Ok(found)
}

/// One poll of a tap: how many messages it got or was told to have missed.
fn met(reader: &mut RingReader<W>, epoch_of: impl Fn(u64) -> u64) -> u64 {
    poll(reader, 1, epoch_of).unwrap_or_else(|lapped| lapped.missed)
}

#[test]
fn publish() {
    model(3, || {
        let (words, mut writer) = ring(4);
        let mut reader = attach(&words, 4, Start::Oldest);
        let thread = thread::spawn(move || {
            push(&mut writer, 2, 0).expect("no gates");
            push(&mut writer, 1, 0).expect("no gates");
        });
        for _ in 0..2 {
            poll(&mut reader, 4, |_| 0).expect("no lap in four slots");
        }
        thread.join().expect("the writer returns");
        poll(&mut reader, 4, |_| 0).expect("no lap in four slots");
        assert_eq!((reader.next_sequence(), reader.depth()), (4, 0));
    });
}

/// A writer that goes round a ring of two slots under a reader, in batches.
fn lap(batch: u64, last: u64) {
    model(3, move || {
        let (words, mut writer) = ring(2);
        let mut reader = attach(&words, 2, Start::Oldest);
        let thread = thread::spawn(move || {
            while writer.published() < last {
                push(&mut writer, batch, 0).expect("no gates");
            }
        });
        let mut total = 0;
        for _ in 0..2 {
            total += met(&mut reader, |_| 0);
        }
        thread.join().expect("the writer returns");
        while reader.next_sequence() <= last {
            total += met(&mut reader, |_| 0);
        }
        assert_eq!(total, last, "every message is read or said to be missed");
    });
}

#[test]
fn lap_one_by_one() {
    lap(1, 4);
}

#[test]
fn lap_in_batches() {
    lap(2, 4);
}

#[test]
fn full() {
    model(3, || {
        let (words, mut writer) = ring(2);
        let cursor = SharedWords::heap(1);
        writer.add_gate(Gate { cursor: cursor.read_only(), parked: None });
        let mut reader = attach(&words, 2, Start::Oldest).with_cursor(cursor);
        let thread = thread::spawn(move || {
            let attempts = (0..4).filter(|_| push(&mut writer, 1, 0).is_ok()).count();
            assert!(attempts >= 2, "nobody has to read for the first two");
            writer
        });
        for _ in 0..2 {
            poll(&mut reader, 2, |_| 0).expect("the writer waits for a gating reader");
            reader.commit();
        }
        let mut writer = thread.join().expect("the writer returns");
        while reader.next_sequence() <= writer.published() {
            poll(&mut reader, 2, |_| 0).expect("the writer waits for a gating reader");
        }
        reader.commit();
        assert_eq!(writer.room(), 2);
    });
}

#[test]
fn a_reader_joins_and_dies() {
    model(3, || {
        let (words, mut writer) = ring(2);
        push(&mut writer, 1, 0).expect("empty");
        let (cursor, parked) = (SharedWords::heap(1), SharedWords::heap(1));
        writer.add_gate(Gate { cursor: cursor.read_only(), parked: Some(parked.read_only()) });
        let thread = thread::spawn(move || {
            for _ in 0..3 {
                let _ = push(&mut writer, 1, 0);
            }
            writer
        });
        let mut reader = attach(&words, 2, Start::Oldest).with_cursor(cursor);
        poll(&mut reader, 1, |_| 0).expect("nobody overwrites before a living gating reader");
        drop(reader);
        // Proven dead: the supervisor parks it, and the writer is free again.
        parked.store(0, 1, Ordering::Release);
        let mut joiner = attach(&words, 2, Start::Oldest);
        met(&mut joiner, |_| 0);
        let mut writer = thread.join().expect("the writer returns");
        assert_eq!(writer.room(), 2);
        push(&mut writer, 1, 0).expect("a parked gate holds nobody back");
        let mut oldest = attach(&words, 2, Start::Oldest);
        assert_eq!(poll(&mut oldest, 4, |_| 0), Ok(2));
    });
}

#[test]
fn the_epoch_changes() {
    model(3, || {
        let (words, mut writer) = ring(2);
        push(&mut writer, 1, 1).expect("no gates");
        let mut reader = attach(&words, 2, Start::Oldest);
        let shared = words.clone();
        let thread = thread::spawn(move || {
            // The first writer dies with message 2 published and 3 written but not published.
            push(&mut writer, 1, 1).expect("no gates");
            writer.claim(1).expect("no gates").write(0, &payload(3, 1));
            drop(writer);
            let mut successor = RingWriter::<W>::attach(shared, 2).expect("honest remains");
            assert_eq!(push(&mut successor, 1, 2), Ok(3));
        });
        let epoch_of = |sequence| if sequence < 3 { 1 } else { 2 };
        let mut total = 0;
        for _ in 0..2 {
            total += met(&mut reader, epoch_of);
        }
        thread.join().expect("both writers return");
        while reader.next_sequence() <= 3 {
            total += met(&mut reader, epoch_of);
        }
        assert_eq!(total, 3);
    });
}
