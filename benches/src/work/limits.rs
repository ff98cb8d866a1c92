//! What the journal's work cannot be quicker than: the same bytes copied and summed, and nothing else done to them.

use crate::micro::Workload;
use crate::work::replay::{records, segments};
use journal::frame::{ALIGN, HEADER_BYTES, crc32c};
use journal::segment::PAGE_BYTES;
use std::hint::black_box;

/// The limit of append: the 160 bytes of a record's header and payload copied into warm memory and summed. The sum is most
/// of it: one CRC-32C instruction takes eight bytes, and there is one a cycle.
#[derive(Debug)]
pub struct CopyAndSum {
    from: Vec<[u8; 160]>,
    memory: Vec<[u8; 160]>,
}

impl CopyAndSum {
    /// Of as many records as an append's pass.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "making the input is work, not a default")]
    pub fn new() -> Self {
        Self { from: (0..64).map(|number| [number; 160]).collect(), memory: vec![[0; 160]; 1024] }
    }
}

impl Workload for CopyAndSum {
    fn operations(&self) -> u64 {
        self.memory.len() as u64
    }

    fn pass(&mut self) -> u64 {
        let mut sum = 0_u64;
        for places in self.memory.chunks_exact_mut(self.from.len()) {
            for (place, from) in places.iter_mut().zip(&self.from) {
                *place = *black_box(from);
                sum = sum.wrapping_mul(31).wrapping_add(u64::from(crc32c(&from[8..])));
            }
        }
        black_box(&self.memory);
        sum
    }
}

/// The limit of a scan: lengths walked, CRC-32C of every record computed, nothing else looked at.
#[derive(Debug)]
pub struct RawScan {
    bytes: Vec<u8>,
    records: u64,
}

impl RawScan {
    /// Of the journal that the scan reads.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "making the input is work, not a default")]
    pub fn new() -> Self {
        let records = records();
        Self { bytes: segments(&records).segments()[0].1.to_vec(), records: records.len() as u64 }
    }
}

impl Workload for RawScan {
    fn operations(&self) -> u64 {
        self.records
    }

    fn pass(&mut self) -> u64 {
        let (mut offset, mut sum) = (PAGE_BYTES, 0_u64);
        while let Some(length) = self.bytes.get(offset + 8..offset + 12) {
            let length = u32::from_le_bytes(length.try_into().expect("four bytes")) as usize;
            if length == 0 {
                break;
            }
            sum = sum.rotate_left(1) ^ u64::from(crc32c(&self.bytes[offset + 8..offset + HEADER_BYTES + length]));
            offset += (HEADER_BYTES + length).next_multiple_of(ALIGN);
        }
        sum
    }
}
