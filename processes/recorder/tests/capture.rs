//! The capture format against its drawing, and the recorder's gaps against a naive account.
#![forbid(unsafe_code)]

use machine::{Machine, Nanos};
use proptest::prelude::*;
use recorder::capture::{BlockHeader, CaptureError, FileHeader, format, reader};
use recorder::machine::{BATCH, Batch, Input, Output, Recorder};
use shm_layout::message::WORDS_128;
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::Role;
use std::fs;
use std::path::Path;
use zerocopy::IntoBytes;

const RING: RingId = RingId { kind: RingKind::Control, writer: Role::Supervisor, index: 0, gateway: 0 };

#[test]
fn a_block_header_is_the_readme_s_bytes() {
    let header = BlockHeader::gap(RING, 0x0102, 0x0304);
    let bytes = header.as_bytes();
    assert_eq!(&bytes[..12], b"BLK1\x02\x00\x00\x00\x00\x00\x01\x05");
    assert_eq!(&bytes[12..16], [0; 4]);
    assert_eq!(&bytes[16..24], [2, 1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(&bytes[24..32], [4, 3, 0, 0, 0, 0, 0, 0]);
    assert_eq!(&bytes[32..36], [0; 4]);
    let mut unsealed = bytes.to_vec();
    unsealed[36..].fill(0);
    assert_eq!(bytes[36..], crc32c::crc32c(&unsealed).to_le_bytes());
}

/// Runs batches through the core and writes what it says into files of `folder`.
fn write(folder: &Path, segment_bytes: u64, batches: &[(u64, usize)]) -> Recorder {
    let mut recorder = Recorder::new(&[(RING, 1)], segment_bytes);
    let mut files = vec![FileHeader::new(1, 7, 8, 9).as_bytes().to_vec()];
    for &(first_sequence, count) in batches {
        let mut words = [0; BATCH * WORDS_128];
        for (index, word) in words[..count * 7].iter_mut().enumerate() {
            *word = first_sequence + (index / 7) as u64;
        }
        let batch = Batch { ring: 0, first_sequence, count, words };
        let payload = batch.words[..count * 7].as_bytes().to_vec();
        recorder.on_input(Nanos(0), &Input::Batch(batch), &mut |output| match output {
            Output::Rotate => {
                files.push(FileHeader::new(files.len() as u32 + 1, 7, 8, 9).as_bytes().to_vec());
            }
            Output::Append { header, payload: with } => {
                let file = files.last_mut().unwrap();
                file.extend_from_slice(header.as_bytes());
                if with {
                    file.extend_from_slice(&payload);
                }
            }
        });
    }
    for (index, bytes) in files.iter().enumerate() {
        fs::write(folder.join(format!("{:06}.capture", index + 1)), bytes).unwrap();
    }
    recorder
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn published_is_captured_plus_gaps(steps in prop::collection::vec((0_u64..5, 1_usize..BATCH), 1..20), segment in 200_u64..20_000) {
        let folder = tempfile::tempdir().unwrap();
        let (mut next, mut lost, mut seen) = (1, 0, 0);
        let batches: Vec<(u64, usize)> = steps.iter().map(|&(skip, count)| {
            let first = next + skip;
            next = first + count as u64;
            lost += skip;
            seen += count as u64;
            (first, count)
        }).collect();
        let recorder = write(folder.path(), segment, &batches);
        let ranges = reader::scan(folder.path(), None).unwrap()[&RING];
        prop_assert_eq!((ranges.captured, ranges.missed, ranges.next_sequence), (seen, lost, next));
        prop_assert_eq!((recorder.captured, recorder.missed), (seen, lost));
        prop_assert_eq!(next - 1, ranges.captured + ranges.missed);
    }
}

#[test]
fn every_flipped_byte_is_found_and_a_torn_end_is_told_from_corruption() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 1 << 20, &[(1, 2), (5, 1), (6, 3)]);
    let file = folder.path().join("000001.capture");
    let whole = fs::read(&file).unwrap();
    let last_block = whole.len() - format::BLOCK_HEADER_BYTES - 3 * 56;
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&file, &bytes).unwrap();
        let error = reader::scan(folder.path(), None).expect_err("a flipped byte is found");
        let CaptureError::Corrupt { at_end, .. } = error else { panic!("{error}") };
        assert_eq!(at_end, at >= last_block, "byte {at}");
    }
    for cut in last_block + 1..whole.len() {
        fs::write(&file, &whole[..cut]).unwrap();
        let mut rings = std::collections::BTreeMap::new();
        let error = reader::scan_file(&file, &mut rings).expect_err("a torn block is found");
        let CaptureError::Corrupt { at_end: true, offset, .. } = error else { panic!("{error}") };
        assert_eq!((offset, rings[&RING].next_sequence), (last_block, 6));
    }
}
