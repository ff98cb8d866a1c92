//! Reads capture files: every block checked, every ring's sequences consecutive.

use super::format::{BLOCK_HEADER_BYTES, BlockHeader, BlockKind, FILE_HEADER_BYTES, FileHeader};
use shm_layout::topology::RingId;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Extension of a capture file's name.
pub const EXTENSION: &str = "capture";

/// What is wrong with a capture.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// The file cannot be read.
    #[error("{0}: {1}")]
    Io(PathBuf, std::io::Error),
    /// A block or header does not hold.
    #[error("{file}: offset {offset}: {what}")]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// Byte offset of the block.
        offset: usize,
        /// What does not hold.
        what: String,
        /// True when nothing follows: the last block of the last file may be torn by a death.
        at_end: bool,
    },
}

/// How far each ring is captured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ranges {
    /// Messages captured.
    pub captured: u64,
    /// Sequences missing, in gap blocks.
    pub missed: u64,
    /// Gap blocks.
    pub gaps: u64,
    /// Next sequence expected.
    pub next_sequence: u64,
    /// An end block was written, and no message after it.
    pub ended: bool,
}

/// The capture files of a folder, in order.
///
/// # Errors
/// When the folder cannot be listed; a folder that does not exist has no files.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>, CaptureError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(CaptureError::Io(folder.to_path_buf(), error)),
    };
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == EXTENSION))
        .collect();
    files.sort();
    Ok(files)
}

/// Reads one file; `visit` gets each block's header, kind, ring and payload. Returns the header and the bytes that hold.
///
/// # Errors
/// [`CaptureError`] at the first block that does not hold; what came before was visited.
pub fn read_file(
    path: &Path,
    visit: impl FnMut(&BlockHeader, BlockKind, RingId, &[u8]),
) -> Result<(FileHeader, usize), CaptureError> {
    let bytes = std::fs::read(path).map_err(|error| CaptureError::Io(path.to_path_buf(), error))?;
    read_bytes(path, &bytes, visit)
}

/// As [`read_file`], of the bytes of a file that was read; `path` is what an error names.
///
/// # Errors
/// As [`read_file`].
pub fn read_bytes(
    path: &Path,
    bytes: &[u8],
    mut visit: impl FnMut(&BlockHeader, BlockKind, RingId, &[u8]),
) -> Result<(FileHeader, usize), CaptureError> {
    let corrupt = |offset: usize, what: &str| CaptureError::Corrupt {
        file: path.to_path_buf(),
        offset,
        what: what.to_owned(),
        at_end: is_torn_tail(&bytes[offset..]),
    };
    let header = FileHeader::check(bytes).map_err(|what| corrupt(0, what))?;
    let mut offset = FILE_HEADER_BYTES;
    while offset < bytes.len() {
        let (block, kind, ring, payload) =
            BlockHeader::check(&bytes[offset..]).map_err(|what| corrupt(offset, what))?;
        visit(&block, kind, ring, payload);
        offset += BLOCK_HEADER_BYTES + payload.len();
    }
    Ok((header, offset))
}

/// Bytes that do not begin with a whole block, and in which no later whole block is found: the write that death tore.
pub(super) fn is_torn_tail(rest: &[u8]) -> bool {
    (1..rest.len()).all(|at| !rest[at..].starts_with(b"BLK1") || BlockHeader::check(&rest[at..]).is_err())
}

/// The header of a file; the rest is not looked at.
///
/// # Errors
/// [`CaptureError`] when it cannot be read or does not hold.
pub fn read_header(path: &Path) -> Result<FileHeader, CaptureError> {
    let io = |error| CaptureError::Io(path.to_path_buf(), error);
    let mut bytes = Vec::with_capacity(FILE_HEADER_BYTES);
    File::open(path).map_err(io)?.take(FILE_HEADER_BYTES as u64).read_to_end(&mut bytes).map_err(io)?;
    FileHeader::check(&bytes).map_err(|what| {
        let at_end = bytes.len() < FILE_HEADER_BYTES;
        CaptureError::Corrupt { file: path.to_path_buf(), offset: 0, what: what.to_owned(), at_end }
    })
}

/// The files of one boot, in order: of `boot_stamp`, or with `None` of the newest boot in the folder. A last file whose
/// header is not whole yet holds nothing and is left out.
///
/// # Errors
/// As [`read_header`].
pub fn boot_files(folder: &Path, boot_stamp: Option<u64>) -> Result<Vec<PathBuf>, CaptureError> {
    let all = files(folder)?;
    let mut stamped = Vec::with_capacity(all.len());
    let count = all.len();
    for (index, path) in all.into_iter().enumerate() {
        match read_header(&path) {
            Ok(header) => stamped.push((header.boot_stamp.get(), path)),
            Err(CaptureError::Corrupt { at_end: true, .. }) if index + 1 == count => {}
            Err(error) => return Err(error),
        }
    }
    let Some(boot_stamp) = boot_stamp.or_else(|| stamped.last().map(|(stamp, _)| *stamp)) else {
        return Ok(Vec::new());
    };
    Ok(stamped.into_iter().filter(|(stamp, _)| *stamp == boot_stamp).map(|(_, path)| path).collect())
}

/// Folds the files of one boot (`None`: the newest in the folder) into what was captured of each ring; sequences must be
/// consecutive. Rings are numbered anew in each boot.
///
/// # Errors
/// [`CaptureError`] at the first block that does not hold or does not follow its ring's last one.
pub fn scan(folder: &Path, boot_stamp: Option<u64>) -> Result<BTreeMap<RingId, Ranges>, CaptureError> {
    let mut rings = BTreeMap::new();
    for file in boot_files(folder, boot_stamp)? {
        scan_file(&file, &mut rings)?;
    }
    Ok(rings)
}

/// Folds one more file into `rings`; returns the bytes that hold.
///
/// # Errors
/// As [`scan`]; `rings` then holds what came before.
pub fn scan_file(file: &Path, rings: &mut BTreeMap<RingId, Ranges>) -> Result<usize, CaptureError> {
    let mut broken = None;
    let (_, bytes) = read_file(file, |block, kind, ring, _| {
        let known = rings.contains_key(&ring);
        let ranges = rings.entry(ring).or_default();
        if known && block.first_sequence() != ranges.next_sequence && broken.is_none() {
            broken = Some(format!(
                "{}: sequence {} follows {}",
                ring.name(),
                block.first_sequence(),
                ranges.next_sequence.saturating_sub(1)
            ));
        }
        match kind {
            BlockKind::Messages => {
                ranges.captured += u64::from(block.count());
                ranges.next_sequence = block.first_sequence().saturating_add(u64::from(block.count()));
                ranges.ended = false;
            }
            BlockKind::Gap => {
                ranges.gaps += 1;
                ranges.missed += block.missed();
                ranges.next_sequence = block.first_sequence().saturating_add(block.missed());
            }
            BlockKind::End => {
                ranges.next_sequence = block.first_sequence();
                ranges.ended = true;
            }
        }
    })?;
    match broken {
        None => Ok(bytes),
        Some(what) => Err(CaptureError::Corrupt { file: file.to_path_buf(), offset: 0, what, at_end: false }),
    }
}
