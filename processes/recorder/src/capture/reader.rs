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

/// The files that one boot of the instance wrote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Boot {
    /// Its stamp.
    pub stamp: u64,
    /// When its first file was created, on the instance's time line.
    pub created_ns: u64,
    /// Its files, in order.
    pub files: Vec<PathBuf>,
}

/// What a folder holds.
#[derive(Debug, Default)]
pub struct Boots {
    /// The boots, in the order of their last files.
    pub boots: Vec<Boot>,
    /// Files of which no header holds, so that nobody knows whose they are.
    pub damaged: Vec<CaptureError>,
}

impl Boots {
    /// The boot of a stamp; without one the newest.
    #[must_use]
    pub fn find(&self, stamp: Option<u64>) -> Option<&Boot> {
        match stamp {
            Some(stamp) => self.boots.iter().find(|boot| boot.stamp == stamp),
            None => self.boots.last(),
        }
    }
}

/// Every boot in the folder. A last file whose header is not whole yet holds nothing and is left out.
///
/// # Errors
/// When the folder or a file cannot be read; a header that does not hold is no error.
pub fn boots(folder: &Path) -> Result<Boots, CaptureError> {
    let all = files(folder)?;
    let mut found = Boots::default();
    let count = all.len();
    for (index, path) in all.into_iter().enumerate() {
        let header = match read_header(&path) {
            Ok(header) => header,
            Err(CaptureError::Corrupt { at_end: true, .. }) if index + 1 == count => continue,
            Err(damaged @ CaptureError::Corrupt { .. }) => {
                found.damaged.push(damaged);
                continue;
            }
            Err(error) => return Err(error),
        };
        let stamp = header.boot_stamp.get();
        let known = found.boots.iter().position(|boot| boot.stamp == stamp);
        let fresh = || Boot { stamp, created_ns: header.created_ns.get(), files: Vec::new() };
        let mut boot = known.map_or_else(fresh, |known| found.boots.remove(known));
        boot.files.push(path);
        found.boots.push(boot);
    }
    Ok(found)
}

/// The files of one boot, in order: of `boot_stamp`, or with `None` of the newest boot in the folder. A last file whose
/// header is not whole yet holds nothing and is left out.
///
/// # Errors
/// As [`read_header`].
pub fn boot_files(folder: &Path, boot_stamp: Option<u64>) -> Result<Vec<PathBuf>, CaptureError> {
    let mut boots = boots(folder)?;
    if !boots.damaged.is_empty() {
        return Err(boots.damaged.swap_remove(0));
    }
    Ok(boots.find(boot_stamp).map_or_else(Vec::new, |boot| boot.files.clone()))
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
