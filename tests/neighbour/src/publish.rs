//! One life of a ring's writer, with messages that say whose they are, so that a reader can tell a false one.
//!
//! It never repairs by hand: it attaches as every writer of the product does, after its predecessor's proven death.

use crate::death::Death;
use anyhow::Context;
use runtime::mmap::{Access, MODE_PRIVATE, create_region, map_region};
use shm_layout::region::{RegionHeader, RegionSpec};
use shm_layout::ring::{FAILPOINTS, RingWriter, ring_words};
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::{Nanos, Role};
use std::path::Path;

/// Slots of the ring: enough that nothing is lapped here.
pub const SLOTS: usize = 256;
/// Messages that are published together.
pub const BATCH: u64 = 3;

/// The ring of 64-byte slots, or of 128-byte slots.
#[must_use]
pub const fn ring(wide: bool) -> RingId {
    if wide {
        RingId { kind: RingKind::OrderEntry, writer: Role::Risk, index: 0, gateway: 0 }
    } else {
        RingId { kind: RingKind::MarketData, writer: Role::FeedHandler, index: 0, gateway: 0 }
    }
}

/// Makes the ring's region, as the supervisor does.
///
/// # Errors
/// When the file cannot be made.
pub fn create(path: &Path, wide: bool) -> anyhow::Result<()> {
    let body_words = ring_words(if wide { 16 } else { 8 }, SLOTS);
    let spec = RegionSpec::ring(ring(wide), SLOTS as u64, body_words, 1, Nanos(1));
    create_region(path, spec.region_bytes() as u64, MODE_PRIVATE)?;
    RegionHeader::create(&map_region(path, Access::ReadWrite, None)?.words, spec);
    Ok(())
}

/// Message `sequence` of the writer of `epoch`.
#[must_use]
pub fn payload<const W: usize>(sequence: u64, epoch: u64) -> [u64; W] {
    let mut words = std::array::from_fn(|word| {
        (sequence ^ epoch << 40).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(word as u32 * 7 + 1)
    });
    (words[0], words[1]) = (sequence, epoch);
    words
}

/// Publishes `count` messages in batches, and dies as `death` says.
///
/// # Errors
/// When the region is none, its ring cannot be continued, or there is no such failpoint.
pub fn life(path: &Path, epoch: u64, count: u64, death: Death) -> anyhow::Result<()> {
    death.arm(&FAILPOINTS)?;
    let words = map_region(path, Access::ReadWrite, None)?.words;
    let header = RegionHeader::read(&words)?;
    header.set_writer(epoch, std::process::id());
    let ring = header.spec().ring.context("the region is no ring")?;
    if ring.kind.slot_bytes() == 64 { all::<7>(&header, epoch, count) } else { all::<15>(&header, epoch, count) }
}

fn all<const W: usize>(header: &RegionHeader, epoch: u64, count: u64) -> anyhow::Result<()> {
    let mut writer = RingWriter::<W>::attach(header.body(), SLOTS)?;
    let end = writer.published() + count;
    while writer.published() < end {
        let first = writer.published() + 1;
        let together = BATCH.min(end - writer.published());
        let mut claim = writer.claim(together as usize)?;
        (0..together).for_each(|index| claim.write(index as usize, &payload(first + index, epoch)));
        claim.publish();
    }
    Ok(())
}
