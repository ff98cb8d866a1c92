//! One life of the market image's writer, with entries of which every word tells the same turn, so that a reader can tell
//! a torn one.

use crate::death::Death;
use runtime::mmap::{Access, MODE_PRIVATE, create_region, map_region};
use shm_layout::image::{IMAGE_LEVELS, ImageEntry, ImageWriter, Level, image_words};
use shm_layout::stamped::FAILPOINTS;
use shm_layout::types::{InstrumentId, Nanos, Price, Qty};
use std::path::Path;

/// Instruments of the image, written in turn.
pub const INSTRUMENTS: u64 = 3;

/// Makes the file of an image that nothing was written into yet.
///
/// # Errors
/// When it cannot be made.
pub fn create(path: &Path) -> anyhow::Result<()> {
    create_region(path, image_words(INSTRUMENTS as usize) as u64 * 8, MODE_PRIVATE)?;
    Ok(())
}

/// The entry of turn `turn` (from 1) in the life `life`.
#[must_use]
pub fn entry(turn: u64, life: u64) -> ImageEntry {
    let level = Level { price: Price(turn as i64), qty: Qty(life as i64) };
    ImageEntry {
        bid_count: IMAGE_LEVELS as u8,
        ask_count: IMAGE_LEVELS as u8,
        instrument_id: InstrumentId((turn % INSTRUMENTS) as u32),
        channel_sequence: turn,
        exchange_ns: turn,
        receive_ns: Nanos(turn),
        last_px: Price(turn as i64),
        last_qty: Qty(life as i64),
        reset_count: life,
        bids: [level; IMAGE_LEVELS],
        asks: [level; IMAGE_LEVELS],
        ..ImageEntry::default()
    }
}

/// Writes the entries of `turns` turns, as the feed handler does, and dies as `death` says.
///
/// # Errors
/// When the file is no image, or there is no such failpoint.
pub fn life(path: &Path, life: u64, turns: u64, death: Death) -> anyhow::Result<()> {
    death.arm(&FAILPOINTS)?;
    let mut writer = ImageWriter::new(&map_region(path, Access::ReadWrite, None)?.words);
    (1..=turns).for_each(|turn| writer.write(&entry(turn, life)));
    Ok(())
}
