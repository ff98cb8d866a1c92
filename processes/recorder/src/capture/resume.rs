//! Where an earlier life ended: the torn tail cut, the last sequence of each ring, the next file's index.
//!
//! The last file's index is made whole again. It never repairs anything else: a block that does not hold anywhere but at the very end is an error.

use super::format::FILE_HEADER_BYTES;
use super::query;
use super::reader::{CaptureError, Ranges, files, scan};
use shm_layout::topology::RingId;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::path::Path;

/// What is there already.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Resumed {
    /// How far each ring of this boot is captured.
    pub rings: BTreeMap<RingId, Ranges>,
    /// Index of the next file: no file of any boot has it.
    pub file_index: u32,
    /// Bytes that were cut off the last file.
    pub cut_bytes: u64,
}

/// Cuts a torn end off the folder's last file, and reads what the files of `boot_stamp` hold.
///
/// # Errors
/// [`CaptureError`] for what is corrupt elsewhere, and for what cannot be read or cut.
pub fn resume(folder: &Path, boot_stamp: u64) -> Result<Resumed, CaptureError> {
    let cut_bytes = files(folder)?.last().map_or(Ok(0), |last| cut_torn_tail(last))?;
    if let Some(last) = files(folder)?.last() {
        query::repair(last)?;
    }
    let file_index = files(folder)?.last().map_or(0, |last| index_of(last)) + 1;
    Ok(Resumed { rings: scan(folder, Some(boot_stamp))?, file_index, cut_bytes })
}

/// The index in a file's name; 0 for a name that is none of the recorder's.
fn index_of(path: &Path) -> u32 {
    path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok()).unwrap_or(0)
}

fn cut_torn_tail(last: &Path) -> Result<u64, CaptureError> {
    let io = |error| CaptureError::Io(last.to_path_buf(), error);
    let offset = match super::reader::read_file(last, |_, _, _, _| {}) {
        Ok(_) => return Ok(0),
        Err(CaptureError::Corrupt { offset, at_end: true, .. }) => offset,
        Err(error) => return Err(error),
    };
    let length = std::fs::metadata(last).map_err(io)?.len();
    if offset < FILE_HEADER_BYTES {
        // A header that does not hold, of a whole length, is not a torn write.
        if length >= FILE_HEADER_BYTES as u64 {
            let what = "the file header does not hold".to_owned();
            return Err(CaptureError::Corrupt { file: last.to_path_buf(), offset, what, at_end: false });
        }
        std::fs::remove_file(last).map_err(io)?;
        let _ = std::fs::remove_file(last.with_extension(super::index::EXTENSION));
        return Ok(length);
    }
    let file = OpenOptions::new().write(true).open(last).map_err(io)?;
    file.set_len(offset as u64).and_then(|()| file.sync_all()).map_err(io)?;
    Ok(length - offset as u64)
}
