//! The ring's rules, one by one, on one thread.

mod gates;
mod hostile;
mod takeover;
mod threads;
mod twin;

use super::sync::SharedWords;
use super::*;

/// Payload of message `sequence`, each word different: a copy made of two messages cannot equal either.
fn payload<const W: usize>(sequence: u64) -> [u64; W] {
    std::array::from_fn(|word| sequence.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(word as u32 * 3) ^ word as u64)
}

fn words(slots: usize) -> SharedWords {
    SharedWords::heap(ring_words(8, slots))
}

fn writer(slots: usize) -> (SharedWords, RingWriter<7>) {
    let words = words(slots);
    let writer = RingWriter::create(words.clone(), slots).expect("zeroed words");
    (words, writer)
}

fn reader(words: &SharedWords, slots: usize, start: Start) -> RingReader<7> {
    RingReader::attach(words.read_only(), slots, start).expect("geometry fits")
}

/// Publishes the next `count` messages one by one.
fn push(writer: &mut RingWriter<7>, count: u64) {
    for _ in 0..count {
        let sequence = writer.published() + 1;
        assert_eq!(writer.push(&payload(sequence)), Ok(sequence));
    }
}

/// Reads up to `count` messages and checks each payload against its sequence.
fn read<const W: usize>(reader: &mut RingReader<W>, count: usize) -> Result<usize, Lapped> {
    let mut out = vec![[0; W]; count];
    let first = reader.next_sequence();
    let found = reader.read_batch(&mut out)?;
    for (offset, message) in out[..found].iter().enumerate() {
        assert_eq!(*message, payload(first + offset as u64), "message {}", first + offset as u64);
    }
    assert_eq!(reader.next_sequence(), first + found as u64);
    Ok(found)
}

#[test]
fn geometry_is_checked_once_and_said() {
    assert_eq!(ring_words(8, 4), 16 + 32);
    let short = SharedWords::heap(ring_words(8, 4) - 1);
    assert_eq!(RingWriter::<7>::create(short, 4).unwrap_err(), RingError::TooShort { needed: 48, found: 47 });
    for slots in [0, 1, 3, 6] {
        assert_eq!(RingWriter::<7>::create(words(8), slots).unwrap_err(), RingError::Slots(slots));
    }
    assert!(matches!(
        RingReader::<7>::attach(words(8), 1 << 63, Start::Oldest).unwrap_err(),
        RingError::TooShort { .. }
    ));
    assert_eq!(RingWriter::<7>::create(words(8).read_only(), 8).unwrap_err(), RingError::ReadOnly);
    assert_eq!(RingWriter::<7>::attach(words(8).read_only(), 8).unwrap_err(), RingError::ReadOnly);
    let odd = SharedWords::heap(ring_words(8, 8) + 1).slice(1, ring_words(8, 8));
    assert_eq!(RingWriter::<7>::create(odd, 8).unwrap_err(), RingError::Misaligned);
    let (words, mut writer) = writer(4);
    push(&mut writer, 1);
    assert_eq!(RingWriter::<7>::create(words, 4).unwrap_err(), RingError::NotEmpty);
}

#[test]
fn a_message_lies_where_the_drawing_says() {
    let (words, mut writer) = writer(4);
    push(&mut writer, 5);
    assert_eq!(words.load(0, sync::Ordering::Relaxed), 5, "published");
    let stamps: Vec<u64> = (0..4).map(|slot| words.load(16 + 8 * slot, sync::Ordering::Relaxed)).collect();
    assert_eq!(stamps, [4, 5, 2, 3]);
    assert_eq!(words.load(16 + 8 + 1, sync::Ordering::Relaxed), payload::<7>(5)[0]);
    assert_eq!(words.load(16 + 8 + 7, sync::Ordering::Relaxed), payload::<7>(5)[6]);
}

#[test]
fn publishes_in_order_and_in_batches() {
    let (words, mut writer) = writer(8);
    let mut reader = reader(&words, 8, Start::Oldest);
    assert_eq!(read(&mut reader, 4), Ok(0));
    push(&mut writer, 2);
    let mut claim = writer.claim(3).expect("no gates");
    for index in 0..3 {
        claim.write(index, &payload(3 + index as u64));
    }
    assert_eq!(claim.publish(), 5);
    assert_eq!(reader.depth(), 5);
    assert_eq!(read(&mut reader, 4), Ok(4));
    assert_eq!(read(&mut reader, 4), Ok(1));
    assert_eq!(read(&mut reader, 4), Ok(0));
    assert_eq!(read(&mut reader, 0), Ok(0));
    assert_eq!((reader.next_sequence(), reader.depth(), reader.corrupt()), (6, 0, 0));
}

#[test]
fn a_claim_publishes_what_was_written_and_nothing_when_dropped() {
    let (words, mut writer) = writer(8);
    let mut reader = reader(&words, 8, Start::Oldest);
    let mut claim = writer.claim(4).expect("no gates");
    claim.write(0, &[9; 7]);
    claim.write(1, &[9; 7]);
    assert_eq!((claim.count(), claim.written()), (4, 2));
    drop(claim);
    assert_eq!((writer.published(), read(&mut reader, 4)), (0, Ok(0)));
    let mut claim = writer.claim(4).expect("no gates");
    claim.write(0, &[9; 7]);
    claim.write(0, &payload(1));
    assert_eq!(claim.publish(), 1);
    assert_eq!(read(&mut reader, 4), Ok(1));
    assert_eq!(writer.claim(0).expect("nothing wanted").publish(), 1);
    assert_eq!(writer.claim(9).unwrap_err(), Full, "more than the ring has");
}

#[test]
#[should_panic(expected = "in order")]
fn a_claim_has_no_holes() {
    let (_, mut writer) = writer(8);
    writer.claim(4).expect("no gates").write(1, &[0; 7]);
}

#[test]
fn a_lapped_reader_is_told_how_much_it_missed() {
    let (words, mut writer) = writer(16);
    let mut reader = reader(&words, 16, Start::Oldest);
    push(&mut writer, 16);
    assert_eq!(read(&mut reader, 1), Ok(1));
    push(&mut writer, 1);
    assert_eq!(read(&mut reader, 1), Ok(1), "message 2 is the oldest that the ring still holds");
    push(&mut writer, 24);
    // Published 41, held 26..=41; the reader resumes an eighth of the ring (2) further, at 28.
    assert_eq!(read(&mut reader, 16), Err(Lapped { missed: 25 }));
    assert_eq!((reader.next_sequence(), reader.depth()), (28, 14));
    assert_eq!(read(&mut reader, 16), Ok(14));
    assert_eq!(read(&mut reader, 16), Ok(0));
    assert_eq!(reader.corrupt(), 0);
}

#[test]
fn a_joiner_begins_where_it_asked() {
    let (words, mut writer) = writer(8);
    push(&mut writer, 11);
    let mut oldest = reader(&words, 8, Start::Oldest);
    assert_eq!((oldest.next_sequence(), read(&mut oldest, 16)), (4, Ok(8)));
    let mut latest = reader(&words, 8, Start::Latest);
    assert_eq!((latest.next_sequence(), read(&mut latest, 16)), (12, Ok(0)));
    let mut after = reader(&words, 8, Start::After(9));
    assert_eq!(read(&mut after, 16), Ok(2));
    let mut late = reader(&words, 8, Start::After(1));
    assert_eq!(read(&mut late, 16), Err(Lapped { missed: 3 }), "2 and 3 are gone, 4 is within the margin");
    assert_eq!(read(&mut late, 16), Ok(7));
    let mut ahead = reader(&words, 8, Start::After(12));
    push(&mut writer, 1);
    assert_eq!((read(&mut ahead, 16), ahead.depth()), (Ok(0), 0));
    push(&mut writer, 1);
    assert_eq!(read(&mut ahead, 16), Ok(1));
    ahead.seek(10);
    assert_eq!(read(&mut ahead, 16), Ok(3));
    ahead.seek(u64::MAX);
    assert_eq!(read(&mut ahead, 16), Ok(0));
}

#[test]
fn slots_of_128_bytes_carry_15_words() {
    let words = SharedWords::heap(ring_words(16, 4));
    let mut writer = RingWriter::<15>::create(words.clone(), 4).expect("zeroed words");
    let mut reader = RingReader::<15>::attach(words.read_only(), 4, Start::Oldest).expect("geometry fits");
    for sequence in 1..=10 {
        writer.push(&payload(sequence)).expect("no gates");
        let mut out = [[0; 15]];
        assert_eq!(reader.read_batch(&mut out), Ok(1));
        assert_eq!(out[0], payload(sequence));
    }
}
