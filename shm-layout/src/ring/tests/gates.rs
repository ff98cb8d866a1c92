//! Gating readers, the reserve and parking.

use super::*;
use crate::ring::sync::Ordering;

fn gated(slots: usize) -> (RingWriter<7>, RingReader<7>, SharedWords) {
    let (words, mut writer) = writer(slots);
    let (cursor, parked) = (SharedWords::heap(1), SharedWords::heap(1));
    writer.add_gate(Gate { cursor: cursor.read_only(), parked: Some(parked.read_only()) });
    (writer, reader(&words, slots, Start::Oldest).with_cursor(cursor), parked)
}

#[test]
fn a_gating_reader_holds_the_writer_until_it_commits() {
    let (mut writer, mut reader, _) = gated(4);
    push(&mut writer, 4);
    assert_eq!((writer.push(&payload(5)), writer.room()), (Err(Full), 0));
    assert_eq!(read(&mut reader, 3), Ok(3));
    assert_eq!(writer.push(&payload(5)), Err(Full), "read, but not yet given back");
    reader.commit();
    assert_eq!(writer.room(), 3);
    assert_eq!(writer.claim(4).unwrap_err(), Full);
    push(&mut writer, 3);
    assert_eq!(writer.push(&payload(8)), Err(Full));
    assert_eq!(read(&mut reader, 9), Ok(4));
    assert_eq!(reader.next_sequence(), 8);
}

#[test]
fn the_slowest_of_several_gates_counts() {
    let (words, mut writer) = writer(8);
    let cursors = [SharedWords::heap(1), SharedWords::heap(1)];
    let mut readers = cursors.clone().map(|cursor| reader(&words, 8, Start::Oldest).with_cursor(cursor));
    for cursor in cursors {
        writer.add_gate(Gate { cursor, parked: None });
    }
    push(&mut writer, 8);
    assert_eq!(read(&mut readers[0], 6), Ok(6));
    assert_eq!(read(&mut readers[1], 2), Ok(2));
    readers.iter_mut().for_each(RingReader::commit);
    assert_eq!(writer.room(), 2);
}

#[test]
fn the_reserve_is_for_reserved_claims() {
    let (mut writer, mut reader, _) = gated(8);
    writer.set_reserve(3);
    assert_eq!((writer.room(), writer.room_reserved()), (5, 8));
    push(&mut writer, 5);
    assert_eq!((writer.room(), writer.room_reserved()), (0, 3));
    assert_eq!(writer.push(&payload(6)), Err(Full));
    assert_eq!(writer.claim_reserved(4).unwrap_err(), Full);
    for sequence in 6..=8 {
        assert_eq!(writer.push_reserved(&payload(sequence)), Ok(sequence));
    }
    assert_eq!(writer.push_reserved(&payload(9)), Err(Full));
    assert_eq!(read(&mut reader, 8), Ok(8));
    reader.commit();
    assert_eq!((writer.room(), writer.room_reserved()), (5, 8));
}

#[test]
fn a_parked_gate_is_ignored_until_unparked() {
    let (mut writer, mut reader, parked) = gated(8);
    push(&mut writer, 8);
    assert_eq!(writer.room(), 0);
    parked.store(0, 1, Ordering::Release);
    assert_eq!(writer.room(), 8);
    push(&mut writer, 9);
    // The reader's successor sets its cursor, then the supervisor unparks it.
    reader.seek(writer.published());
    reader.commit();
    parked.store(0, 0, Ordering::Release);
    push(&mut writer, 8);
    assert_eq!(writer.push(&payload(26)), Err(Full));
    assert_eq!(read(&mut reader, 9), Ok(8));
}

#[test]
fn without_gates_every_slot_is_free() {
    let (_, mut writer) = writer(4);
    writer.set_reserve(1);
    push(&mut writer, 20);
    assert_eq!((writer.room(), writer.room_reserved()), (4, 4));
    assert_eq!(writer.claim(4).map(|claim| claim.count()), Ok(4));
    assert_eq!(writer.claim(5).unwrap_err(), Full);
}

#[test]
fn a_wrong_cursor_never_breaks_the_writer() {
    for wrong in [0, 1, 6, 100, u64::MAX / 2, u64::MAX] {
        let (words, mut writer) = writer(4);
        push(&mut writer, 9);
        let cursor = SharedWords::heap(1);
        cursor.store(0, wrong, Ordering::Relaxed);
        writer.add_gate(Gate { cursor, parked: None });
        let room = writer.room() as u64;
        assert_eq!(room, if wrong > 9 { 4 } else { (wrong + 4).saturating_sub(9) }, "cursor {wrong}");
        push(&mut writer, room);
        let mut tap = reader(&words, 4, Start::Oldest);
        assert_eq!(read(&mut tap, 8), Ok(4));
    }
}
