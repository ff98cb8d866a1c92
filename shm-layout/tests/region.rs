//! Region headers: golden bytes, every refusal, and garbage.
#![forbid(unsafe_code)]

use proptest::prelude::*;
use shm_layout::layout::ring_layout_hash;
use shm_layout::region::{HEADER_WORDS, RegionError, RegionHeader, RegionKind, RegionSpec};
use shm_layout::ring::sync::{Ordering, SharedWords};
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::{Nanos, Role};

const RING: RingId = RingId { kind: RingKind::OrderIntent, writer: Role::Strategy, index: 2, gateway: 1 };
const SPEC: RegionSpec = RegionSpec::ring(RING, 1024, 16 + 1024 * 16, 0xB007, Nanos(77));

fn bytes(words: &SharedWords, range: std::ops::Range<usize>) -> Vec<u8> {
    (0..words.len()).flat_map(|i| words.load(i, Ordering::Relaxed).to_le_bytes()).collect::<Vec<_>>()[range].to_vec()
}

fn ring_region() -> SharedWords {
    let words = SharedWords::heap(SPEC.region_words());
    RegionHeader::create(&words, SPEC);
    words
}

#[test]
fn the_header_is_the_bytes_drawn() {
    let words = ring_region();
    assert_eq!(bytes(&words, 0..8), b"TICKWAY\0");
    // version 1, Ring, Strategy, index 2
    assert_eq!(bytes(&words, 8..16), [1, 0, 0, 0, 1, 3, 2, 0]);
    assert_eq!(bytes(&words, 16..24), ring_layout_hash(RingKind::OrderIntent).to_le_bytes());
    // gateway 1, index 2, Strategy, OrderIntent; 128-byte slots
    assert_eq!(bytes(&words, 24..32), [1, 2, 3, 2, 128, 0, 0, 0]);
    assert_eq!(bytes(&words, 32..40), 1024_u64.to_le_bytes());
    assert_eq!(bytes(&words, 40..48), (256 + 128 + 1024 * 128_u64).to_le_bytes());
    assert_eq!(bytes(&words, 48..56), 0xB007_u64.to_le_bytes());
    assert_eq!(bytes(&words, 56..64), 77_u64.to_le_bytes());
    assert!(bytes(&words, 64..256).iter().all(|&byte| byte == 0));
    RegionHeader::check(&words, &SPEC).unwrap().set_writer(9, 4242);
    assert_eq!(bytes(&words, 128..136), 9_u64.to_le_bytes());
    assert_eq!(bytes(&words, 136..144), 4242_u64.to_le_bytes());
}

#[test]
fn what_was_created_is_what_is_read() {
    let image = RegionSpec::image(1, 10, 5, Nanos(6));
    assert_eq!(image.region_bytes(), 256 + 128 + 10 * 256);
    let status = RegionSpec::status(Role::Risk, 0, 5, Nanos(6));
    assert_eq!(status.region_bytes(), 256 + 14_976);
    let control = RegionSpec::control_page(5, Nanos(6));
    assert_eq!(control.region_bytes(), 256 + 4864);
    let tail = RegionSpec::foreign(RegionKind::JournalTail, Role::ExecutionGateway, 0, 0xABC, 64);
    for spec in [SPEC, image, status, control, tail] {
        // A huge-page file is longer than its region.
        let words = SharedWords::heap(spec.region_words() + 100);
        RegionHeader::create(&words, spec);
        let header = RegionHeader::check(&words.read_only(), &spec).unwrap();
        assert_eq!(*header.spec(), spec);
        assert_eq!(header.body().len(), spec.body_words);
        assert_eq!((header.writer_epoch(), header.writer_pid()), (0, 0));
    }
}

#[test]
fn the_body_begins_after_the_header() {
    let words = ring_region();
    RegionHeader::read(&words).unwrap().body().store(0, 7, Ordering::Relaxed);
    assert_eq!(words.load(HEADER_WORDS, Ordering::Relaxed), 7);
}

#[test]
fn each_wrong_field_is_named_with_its_cure() {
    let refuse = |word: usize, value: u64| {
        let words = ring_region();
        words.store(word, value, Ordering::Relaxed);
        RegionHeader::check(&words, &SPEC).map(|_| ()).unwrap_err()
    };
    assert_eq!(refuse(0, 0), RegionError::Magic);
    assert_eq!(refuse(1, 2), RegionError::Version(2));
    assert_eq!(refuse(1, 1 | 99 << 32), RegionError::Code("kind", 99));
    assert_eq!(refuse(1, 1 | 1 << 32), RegionError::Code("writer_role", 0));
    assert_eq!(refuse(3, 0), RegionError::Code("ring_id", 0));
    assert_eq!(refuse(4, 512), RegionError::Mismatch("slots", 512, 1024));
    assert_eq!(refuse(3, 0x0203_0201 | 64 << 32), RegionError::Mismatch("slot_bytes", 64, 128));
    assert_eq!(refuse(6, 1), RegionError::Boot(1, 0xB007));
    assert!(matches!(refuse(5, u64::MAX - 7), RegionError::Short(_, _)));
    assert!(matches!(refuse(5, 8), RegionError::Short(8, _)));
    let layout = refuse(2, 0x1234);
    assert_eq!(layout, RegionError::Layout(0x1234, ring_layout_hash(RingKind::OrderIntent)));
    let text = layout.to_string();
    assert!(text.starts_with("layout hash 0x0000000000001234 of another version"), "{text}");
    assert!(text.ends_with("stop the instance and start it again with one build"), "{text}");
    assert!(refuse(6, 1).to_string().contains("another boot"));
}

#[test]
fn a_region_of_another_process_is_refused() {
    let words = ring_region();
    let other = RegionSpec { index: 3, ..SPEC };
    let refused = RegionHeader::check(&words, &other).map(|_| ());
    assert_eq!(refused, Err(RegionError::Mismatch("writer_index", 2, 3)));
    let status = RegionSpec::status(Role::Strategy, 2, 0xB007, Nanos(0));
    assert!(matches!(RegionHeader::check(&words, &status).map(|_| ()), Err(RegionError::Mismatch("kind", 1, 2))));
    assert!(RegionHeader::check(&words, &RegionSpec { boot_stamp: 0, ..SPEC }).is_ok());
    assert_eq!(RegionHeader::read(&SharedWords::heap(31)).map(|_| ()), Err(RegionError::Short(256, 248)));
}

proptest! {
    #[test]
    fn garbage_never_panics(
        words in prop::collection::vec(any::<u64>(), 32..64), good in prop::collection::vec(any::<bool>(), 8),
    ) {
        // Some of the first words are left as a good header has them, so that every check is reached.
        let shared = SharedWords::heap(words.len());
        let made = ring_region();
        for (index, word) in words.iter().enumerate() {
            let word = if good.get(index) == Some(&true) { made.load(index, Ordering::Relaxed) } else { *word };
            shared.store(index, word, Ordering::Relaxed);
        }
        if let Ok(header) = RegionHeader::read(&shared) {
            prop_assert!(header.body().len() + HEADER_WORDS <= words.len());
        }
        if let Err(error) = RegionHeader::check(&shared, &SPEC) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
