//! A ring whose words are the input: read, scribbled over, and taken over.

use crate::bytes::Bytes;
use shm_layout::ring::sync::{Ordering, SharedWords};
use shm_layout::ring::{Gate, HEADER_WORDS, Lapped, RingReader, RingWriter, Start, ring_words};

const SLOTS: usize = 8;

/// Place of the stamp of a slot with `W` words of payload.
const fn stamp_word<const W: usize>(index: usize) -> usize {
    HEADER_WORDS + (W + 1) * index
}

/// Words with any hint and any stamps.
fn hostile<const W: usize>(input: &mut Bytes<'_>) -> SharedWords {
    let words = SharedWords::heap(ring_words(W + 1, SLOTS));
    words.store(0, input.edge(), Ordering::Relaxed);
    for slot in 0..SLOTS {
        words.store(stamp_word::<W>(slot), input.edge(), Ordering::Relaxed);
    }
    words
}

/// A reader of 64-byte slots, and one of 128-byte slots.
pub fn reader(input: &[u8]) {
    scribbled::<7>(input);
    scribbled::<15>(input);
}

/// A reader between whose polls any word is stored. Nobody stores while it polls, so what it delivers is what lies under
/// its stamp.
fn scribbled<const W: usize>(input: &[u8]) {
    let mut input = Bytes::new(input);
    let words = hostile::<W>(&mut input);
    let start = match input.u8() % 3 {
        0 => Start::Oldest,
        1 => Start::Latest,
        _ => Start::After(input.edge()),
    };
    let cursor = SharedWords::heap(1);
    let mut reader = RingReader::<W>::attach(words.read_only(), SLOTS, start).expect("the geometry fits");
    reader = reader.with_cursor(cursor.clone());
    while !input.is_empty() {
        let mut out = vec![[0; W]; usize::from(input.u8() % 20)];
        let (from, corrupt) = (reader.next_sequence(), reader.corrupt());
        match reader.read_batch(&mut out) {
            Ok(found) => {
                assert!(found <= out.len().min(SLOTS));
                assert_eq!(reader.next_sequence(), from + found as u64);
                for (sequence, message) in (from..from + found as u64).zip(&out) {
                    let place = stamp_word::<W>(sequence as usize % SLOTS);
                    let stamp = words.load(place, Ordering::Relaxed);
                    assert_eq!(stamp, sequence, "delivered under a stamp that was not there");
                    let held: [u64; W] = std::array::from_fn(|word| words.load(place + 1 + word, Ordering::Relaxed));
                    assert_eq!(*message, held, "delivered what does not lie there");
                }
            }
            Err(Lapped { missed }) => {
                assert!(missed > 0);
                assert_eq!(reader.next_sequence(), from + missed, "what is missing is said");
            }
        }
        assert!(reader.corrupt() <= corrupt + 1);
        let _ = reader.depth();
        reader.commit();
        assert_eq!(cursor.load(0, Ordering::Relaxed), reader.next_sequence() - 1);
        if input.u8().is_multiple_of(16) {
            reader.seek(input.edge());
        }
        let (place, word) = (usize::from(input.u8()), input.edge());
        let place = match place % (SLOTS + 1) {
            0 => 0,
            slot => {
                // Payload too, each word another: a message put together of two slots is told by it.
                let stamp = stamp_word::<W>(slot - 1);
                (1..=W).for_each(|offset| words.store(stamp + offset, word ^ offset as u64, Ordering::Relaxed));
                stamp
            }
        };
        words.store(place, word, Ordering::Relaxed);
    }
}

/// A writer that takes over what another left refuses it, or continues so that readers see every message and no other,
/// whatever a gating reader's cursor and the parked word say.
pub fn successor(input: &[u8]) {
    let mut input = Bytes::new(input);
    let words = hostile::<7>(&mut input);
    let Ok(mut writer) = RingWriter::<7>::attach(words.clone(), SLOTS) else { return };
    let mut tap = RingReader::<7>::attach(words.read_only(), SLOTS, Start::Latest).expect("the geometry fits");
    let (cursor, parked) = (SharedWords::heap(1), SharedWords::heap(1));
    cursor.store(0, input.edge(), Ordering::Relaxed);
    writer.add_gate(Gate { cursor: cursor.clone(), parked: Some(parked.clone()) });
    writer.set_reserve(usize::from(input.u8()) % SLOTS);
    while !input.is_empty() {
        let before = writer.published();
        let (room, room_reserved) = (writer.room(), writer.room_reserved());
        assert!(room <= room_reserved && room_reserved <= SLOTS);
        let payload: [u64; 7] = input.words();
        if writer.push_reserved(&payload).is_ok() {
            let mut out = [[0; 7]; 2];
            assert_eq!(writer.published(), before + 1);
            assert_eq!(tap.read_batch(&mut out), Ok(1));
            assert_eq!(out[0], payload);
        } else {
            let mut out = [[0; 7]; 2];
            assert_eq!(tap.read_batch(&mut out), Ok(0), "nothing was published");
        }
        assert_eq!(tap.corrupt(), 0);
        cursor.store(0, input.edge(), Ordering::Relaxed);
        parked.store(0, u64::from(input.u8() & 1), Ordering::Relaxed);
    }
}
