//! The format against bytes written by hand from the README's drawing, and against any bytes.
#![forbid(unsafe_code)]

use journal::frame::{self, Bad, Header};
use journal::record::{ArmChange, CheckpointRecord, Intent, Kill, NotSent, Record, Sent, VenueMessage};
use journal::segment::{PAGE_BYTES, SegmentHeader, SyncBlock, Trailer};
use proptest::prelude::*;
use shm_layout::types::{ClOrdId, Nanos};

/// CRC-32C, bit by bit, from its polynomial: independent of the crate that the journal uses.
fn crc32c_by_hand(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 })
    })
}

#[test]
fn a_record_is_drawn_as_in_the_readme() {
    // RFC 3720 B.4: 32 bytes of zero have the CRC-32C 8a9136aa.
    assert_eq!(crc32c_by_hand(&[0; 32]), 0x8a91_36aa);
    let record = Record::NotSent(NotSent {
        cl_ord_id: ClOrdId(0x1122_3344_5566_7788),
        user_ref_num: 0x0102_0304,
        reason: 69,
        now_ns: Nanos(0x0a0b_0c0d_0e0f_1011),
    });
    let mut expected = vec![
        0, 0, 0, 0, // crc32c, below
        0, 0, 0, 0, // reserved
        24, 0, 0, 0, // length
        3, 0, // type NotSent
        1, 0, // version
        7, 0, 0, 0, 0, 0, 0, 0, // sequence
        5, 0, 0, 0, // epoch
        2, 0, 0, 0, // file_id
        0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, // cl_ord_id
        4, 3, 2, 1, // user_ref_num
        69, 0, 0, 0, // reason SessionDown
        0x11, 0x10, 0x0f, 0x0e, 0x0d, 0x0c, 0x0b, 0x0a, // now_ns
        0, 0, 0, 0, 0, 0, 0, 0, // padding to 64
    ];
    let crc = crc32c_by_hand(&expected[8..64]);
    expected[..4].copy_from_slice(&crc.to_le_bytes());
    let header = Header { record_type: record.record_type() as u16, version: 1, sequence: 7, epoch: 5, file_id: 2 };
    let mut bytes = [0xff; 64];
    assert_eq!(frame::encode(&header, record.payload(), &mut bytes), 64);
    assert_eq!(bytes.as_slice(), expected);
    let (frame, length) = frame::decode(&expected).unwrap();
    assert_eq!((frame.header, length), (header, 64));
    assert_eq!(Record::decode(3, 1, frame.payload), Ok(record));
}

#[test]
fn what_a_build_does_not_read_is_reserved_and_a_wrong_length_is_refused() {
    assert_eq!(Record::decode(14, 1, &[1, 2, 3]), Ok(Record::Reserved(14)));
    assert_eq!(Record::decode(3, 2, &[1, 2, 3]), Ok(Record::Reserved(3)));
    assert!(Record::decode(3, 1, &[0; 23]).is_err());
    assert!(Record::decode(3, 1, &[0; 25]).is_err());
}

fn any_record() -> impl Strategy<Value = Record> {
    let venue = (any::<u64>(), any::<u64>(), proptest::collection::vec(any::<u8>(), 0..200));
    prop_oneof![
        (any::<[u64; 15]>(), any::<u32>(), any::<u32>(), any::<u64>()).prop_map(
            |(request, user_ref_num, flags, now)| {
                Record::Intent(Intent { request, user_ref_num, flags, now_ns: Nanos(now) })
            }
        ),
        (any::<u64>(), any::<u32>(), any::<u64>()).prop_map(|(id, user_ref_num, send)| {
            let cl_ord_id = ClOrdId(id);
            Record::Sent(Sent { cl_ord_id, user_ref_num, write_ns: 0, send_ns: Nanos(send), receive_ns: Nanos(1) })
        }),
        venue
            .prop_map(|(sequence, at, bytes)| { Record::VenueMessage(VenueMessage::new(sequence, Nanos(at), &bytes)) }),
        any::<[u64; 2]>()
            .prop_map(|[generation_sum, engaged]| { Record::Kill(Kill { generation_sum, engaged, now_ns: Nanos(3) }) }),
        any::<[u32; 2]>()
            .prop_map(|[strategy, armed]| { Record::ArmChange(ArmChange { strategy, armed, now_ns: Nanos(4) }) }),
        any::<u64>().prop_map(|state_hash| Record::Checkpoint(CheckpointRecord { state_hash, now_ns: Nanos(5) })),
    ]
}

proptest! {
    #[test]
    fn records_round_trip(record in any_record(), sequence in 0..=frame::SEQUENCE_MAX, epoch in any::<u32>(), file_id in any::<u32>()) {
        let header = Header { record_type: record.record_type() as u16, version: 1, sequence, epoch, file_id };
        let mut bytes = [0; frame::RECORD_BYTES_MAX];
        let length = frame::encode(&header, record.payload(), &mut bytes);
        prop_assert!(length.is_multiple_of(64));
        let (frame, taken) = frame::decode(&bytes).unwrap();
        prop_assert_eq!((frame.header, taken), (header, length));
        prop_assert_eq!(Record::decode(header.record_type, 1, frame.payload), Ok(record));
        for cut in 0..length {
            prop_assert!(frame::decode(&bytes[..cut]).is_err());
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
        if let Ok((frame, _)) = frame::decode(&bytes) {
            let _ = Record::decode(frame.header.record_type, frame.header.version, frame.payload);
        }
        let _ = SegmentHeader::decode(&bytes);
        let _ = Trailer::decode(&bytes);
        for record_type in 0..20 {
            let _ = Record::decode(record_type, 1, &bytes);
        }
    }

    #[test]
    fn any_files_are_read_or_refused(noise in proptest::collection::vec((any::<u16>(), any::<u8>()), 0..40), good in any::<bool>()) {
        let mut bytes = vec![0; 4 * PAGE_BYTES];
        if good {
            let header = SegmentHeader { file_id: 1, first_sequence: 1, segment_bytes: bytes.len() as u64, ..SegmentHeader::default() };
            bytes[..PAGE_BYTES].copy_from_slice(&header.encode());
        }
        for (at, byte) in noise {
            let at = usize::from(at) % bytes.len();
            bytes[at] = byte;
        }
        let segments = [(1, bytes.as_slice())];
        let _ = journal::Journal::new(&segments, None).end();
        let _ = journal::verify::verify(&segments);
        let _ = journal::recovery::plan(&segments, None);
        let short = [(1, &bytes[..100]), (2, &bytes[..PAGE_BYTES + 70])];
        let _ = journal::Journal::new(&short, None).end();
        let _ = journal::verify::verify(&short);
        let _ = journal::recovery::plan(&short, None);
    }
}

#[test]
fn pages_and_sync_blocks_round_trip() {
    let header = SegmentHeader {
        file_id: 3,
        boot_stamp: 11,
        first_sequence: 12,
        config_hash: 13,
        instrument_table_hash: 14,
        host_name_hash: 15,
        previous_trailer_hash: 16,
        segment_bytes: 17,
        created_ns: Nanos(18),
        epoch: 19,
        durability: 2,
        gateway: 1,
    };
    assert_eq!(SegmentHeader::decode(&header.encode()), Ok(header));
    let trailer = Trailer {
        file_id: 3,
        last_sequence: 4,
        records_end: 5,
        records_hash: 6,
        previous_trailer_hash: 7,
        sealed_ns: Nanos(8),
    };
    assert_eq!(Trailer::decode(&trailer.encode()), Ok(trailer));
    let block = SyncBlock { committed_bytes: 4096, committed_sequence: 9, boot_stamp: 11 };
    let bytes = block.encode(10, 1, 3);
    let (frame, length) = frame::decode(&bytes).unwrap();
    assert_eq!((SyncBlock::of(&frame), length), (Some(block), 64));
    assert_eq!(frame::decode(&[0; 64]), Err(Bad::Zero));
}

/// A header page of 4,096 bytes with this version, its checksum good.
fn header_page(version: u32) -> Vec<u8> {
    let mut page = vec![0; 4096];
    page[..8].copy_from_slice(b"TKWJRNL\x01");
    page[8..12].copy_from_slice(&version.to_le_bytes());
    page[12..16].copy_from_slice(&1_u32.to_le_bytes()); // file_id
    page[24..32].copy_from_slice(&1_u64.to_le_bytes()); // first_sequence
    let crc = crc32c_by_hand(&page);
    page[88..92].copy_from_slice(&crc.to_le_bytes());
    page
}

#[test]
fn the_version_before_is_refused_by_name() {
    assert!(SegmentHeader::decode(&header_page(2)).is_ok());
    let refused = SegmentHeader::decode(&header_page(1)).unwrap_err();
    assert_eq!(refused.to_string(), "journal version 1, this build reads 2");
    let mut old = header_page(1);
    old.resize(4 * PAGE_BYTES, 0);
    assert!(journal::recovery::plan(&[(1, &old)], None).is_err(), "nothing of it is changed");
    let findings = journal::verify::verify(&[(1, &old)]).findings;
    assert!(findings[0].to_string().contains("journal version 1"), "{findings:?}");
}

#[test]
fn a_trailer_states_the_hash_of_the_records_checksums() {
    use journal::memory::{self, MemoryStore};
    use journal::{Flusher, Resume, TailWriter, tail};
    let words = memory::new_tail(tail::CAPACITY_BYTES_MIN);
    let mut writer = TailWriter::attach(words.clone(), memory::BOOT_STAMP, 1, 0).unwrap();
    let config = memory::config(4 * PAGE_BYTES as u64, 600);
    let mut flusher = Flusher::new(words, MemoryStore::default(), config, &Resume::default()).unwrap();
    while flusher.store().segments().len() < 2 {
        let message = [7; 100];
        // At every place of the circular area, its end too: it reads, and the bytes below do not tell of it.
        writer.rehearse();
        writer.append(&Record::VenueMessage(VenueMessage::new(1, Nanos(1), &message))).unwrap();
        flusher.poll(Nanos(1)).unwrap();
    }
    let segments = flusher.store().segments();
    let bytes = segments[0].1;
    let trailer = &bytes[3 * PAGE_BYTES..];
    let end = u64::from_le_bytes(trailer[24..32].try_into().unwrap()) as usize;
    // Every record and sync block lies on 64 bytes and states its length at 8. FNV-1a with the four bytes at 0 as its unit.
    let (mut at, mut hash, mut count) = (PAGE_BYTES, 0xcbf2_9ce4_8422_2325_u64, 0);
    while at < end {
        let [crc, length] = [0, 8].map(|field| u32::from_le_bytes(bytes[at + field..][..4].try_into().unwrap()));
        hash = (hash ^ u64::from(crc)).wrapping_mul(0x0100_0000_01b3);
        at += (32 + length as usize).next_multiple_of(64);
        count += 1;
    }
    assert!(at == end && count > 20, "{count} records and blocks");
    assert_eq!(u64::from_le_bytes(trailer[32..40].try_into().unwrap()), hash);
}

#[test]
fn a_sequence_that_adding_to_would_overflow_is_refused() {
    let mut bytes = [0; frame::RECORD_BYTES_MAX];
    for (sequence, good) in [(frame::SEQUENCE_MAX, true), (frame::SEQUENCE_MAX + 1, false), (u64::MAX, false)] {
        let header = Header { record_type: 10, version: 1, sequence, epoch: 1, file_id: 1 };
        frame::encode(&header, &[0; 16], &mut bytes);
        assert_eq!(frame::decode(&bytes).is_ok(), good, "{sequence}");
        let segment = journal::segment::SegmentHeader { first_sequence: sequence, ..Default::default() };
        assert_eq!(journal::segment::SegmentHeader::decode(&segment.encode()).is_ok(), good, "{sequence}");
    }
}

#[test]
fn a_tail_whose_cursors_would_overflow_is_refused() {
    use journal::memory::{BOOT_STAMP, new_tail};
    use journal::tail::{self, BadTail, TailSnapshot};
    use shm_layout::ring::sync::Ordering;
    let words = new_tail(tail::CAPACITY_BYTES_MIN);
    // committed_bytes and released_bytes, by the drawing of the tail.
    for (place, cursor) in [(16, u64::MAX - 63), (32, u64::MAX - 63)] {
        words.store(place, cursor, Ordering::Relaxed);
    }
    assert_eq!(TailSnapshot::take(&words), Err(BadTail::Geometry));
    assert_eq!(journal::TailWriter::attach(words, BOOT_STAMP, 1, 0).map(|_| ()), Err(BadTail::Geometry));
}
