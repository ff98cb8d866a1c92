//! A capture file of any bytes: each block whole, and nothing read twice.

use crate::bytes::Bytes;
use recorder::capture::format::{BLOCK_HEADER_BYTES, BlockHeader, FILE_HEADER_BYTES, FileHeader};
use recorder::capture::reader::read_bytes;
use shm_layout::topology::RingId;
use std::path::Path;
use zerocopy::IntoBytes;

/// The input as a file, then as the blocks of a file with good headers and checksums.
pub fn reader(input: &[u8]) {
    read(input);
    let mut input = Bytes::new(input);
    let mut file = FileHeader::new(1, 7, 1, 2).as_bytes().to_vec();
    let mut blocks = 0;
    while !input.is_empty() {
        let (kind, ring, first) = (input.u8(), input.u32(), input.edge());
        let Some(ring) = RingId::from_u32(ring) else { continue };
        match kind % 4 {
            0 => file.extend(BlockHeader::gap(ring, first, input.edge()).as_bytes()),
            1 => file.extend(BlockHeader::end(ring, first).as_bytes()),
            _ => {
                let payload_bytes = ring.kind.slot_bytes() - 8;
                let count = 1 + u32::from(input.u8() % 4);
                let mut payload = input.take(payload_bytes * count as usize).to_vec();
                payload.resize(payload_bytes * count as usize, 0);
                let header = BlockHeader::messages(ring, first, payload_bytes as u16, count, &payload);
                file.extend(header.as_bytes());
                file.extend(payload);
            }
        }
        blocks += 1;
    }
    assert_eq!(read(&file), Some(blocks), "every block that was written is read");
    // A death in the middle of the last write.
    if blocks > 0 {
        file.pop();
        assert_eq!(read(&file), None);
    }
}

/// Blocks of a file; `None` when it does not hold to its end.
fn read(file: &[u8]) -> Option<usize> {
    let (mut blocks, mut bytes) = (0, FILE_HEADER_BYTES);
    let read = read_bytes(Path::new("input"), file, |header, _, _, payload| {
        blocks += 1;
        bytes += BLOCK_HEADER_BYTES + payload.len();
        assert_eq!(payload.len(), header.payload_bytes() * header.count() as usize);
        let _ = header.first_sequence().saturating_add(u64::from(header.count())).saturating_add(header.missed());
    });
    assert!(bytes <= file.len() || blocks == 0);
    read.ok().map(|(_, held)| {
        assert_eq!(held, file.len());
        blocks
    })
}
