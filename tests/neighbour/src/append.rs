//! One life of the journal's writer: intents whose UserRefNum is their record's sequence.

use crate::death::Death;
use crate::writer::wide;
use journal::memory::BOOT_STAMP;
use journal::record::{Intent, Record};
use journal::{FAILPOINTS, TailWriter, tail};
use runtime::mmap::{Access, MODE_PRIVATE, create_region, map_region};
use shm_layout::types::Nanos;
use std::path::Path;

/// Makes the file of an empty tail.
///
/// # Errors
/// When it cannot be made.
pub fn create(path: &Path) -> anyhow::Result<()> {
    create_region(path, tail::region_words(tail::CAPACITY_BYTES_MIN) as u64 * 8, MODE_PRIVATE)?;
    tail::initialise(&map_region(path, Access::ReadWrite, None)?.words, BOOT_STAMP);
    Ok(())
}

/// The intent of record `sequence`.
#[must_use]
pub fn intent(sequence: u64) -> Record {
    let request = wide(sequence);
    Record::Intent(Intent { request, user_ref_num: sequence as u32, flags: 0, now_ns: Nanos(sequence) })
}

/// Takes the tail up as a gateway does, appends `count` intents, and dies as `death` says.
///
/// # Errors
/// When the file is no tail, is full, or there is no such failpoint.
pub fn life(path: &Path, epoch: u32, count: u64, death: Death) -> anyhow::Result<()> {
    death.arm(&FAILPOINTS)?;
    let words = map_region(path, Access::ReadWrite, None)?.words;
    let mut writer = TailWriter::attach(words, BOOT_STAMP, epoch, 0)?;
    for _ in 0..count {
        let intent = intent(writer.next_sequence());
        writer.append(&intent)?;
    }
    Ok(())
}
