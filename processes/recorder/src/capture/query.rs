//! Finds what a selection is about by the index, and reads only the stretches of the capture that may hold it.
//!
//! It never trusts the index for what a block says: every block that it gives was read and checked. An index that is
//! missing, torn or of another file is made again in memory; only the recorder writes it.

use super::format::{BLOCK_HEADER_BYTES, BlockHeader, BlockKind, FILE_HEADER_BYTES, FileHeader};
use super::index::{self, Entry, Group, IndexBuilder, IndexHeader};
use super::reader::{CaptureError, boot_files, is_torn_tail, read_header};
use super::stamp::Carried;
use shm_layout::message::WORDS_128;
use shm_layout::topology::RingId;
use std::fs::File;
use std::ops::{ControlFlow, RangeInclusive};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use zerocopy::IntoBytes;

/// What is looked for; all must hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Selection {
    /// Rings; empty = all.
    pub rings: Vec<RingId>,
    /// Sequences.
    pub sequences: RangeInclusive<u64>,
    /// Stamps, as [`super::stamp`] carries them, in nanoseconds.
    pub times: RangeInclusive<u64>,
}

impl Default for Selection {
    fn default() -> Self {
        Self { rings: Vec::new(), sequences: 0..=u64::MAX, times: 0..=u64::MAX }
    }
}

/// Something found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found<'a> {
    /// The ring.
    pub ring: RingId,
    /// Its sequence: of the message, the first one missing, or the next one at an end.
    pub sequence: u64,
    /// Its stamp, carried.
    pub stamp_ns: u64,
    /// What it is.
    pub what: FoundWhat<'a>,
}

/// What was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FoundWhat<'a> {
    /// A message's payload.
    Message(&'a [u64]),
    /// So many sequences are missing.
    Gap(u64),
    /// The ring was recorded in full up to here.
    End,
}

/// Where an index came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The file covers the capture.
    Whole,
    /// The file covers a part; the rest was read now, this many bytes.
    Extended(u64),
    /// There was none that holds.
    Rebuilt,
}

/// A capture file and its index.
#[derive(Clone, Debug)]
pub struct IndexedFile {
    /// The capture file.
    pub path: PathBuf,
    /// Its header.
    pub header: FileHeader,
    /// Its length.
    pub bytes: u64,
    /// Its groups, the last one perhaps made now.
    pub groups: Vec<Group>,
    /// Where they came from.
    pub origin: Origin,
}

/// What a search cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cost {
    /// Bytes of captures that were read and checked for the search.
    pub bytes_read: u64,
    /// Bytes of the captures.
    pub bytes: u64,
}

/// The files of one boot (`None`: the newest) with their indexes.
///
/// # Errors
/// [`CaptureError`] for what cannot be read, and for a block not covered by an index that does not hold.
pub fn indexed(folder: &Path, boot_stamp: Option<u64>) -> Result<Vec<IndexedFile>, CaptureError> {
    let files = boot_files(folder, boot_stamp)?;
    let last = files.len().saturating_sub(1);
    files.iter().enumerate().map(|(index, path)| open(path, index == last)).collect()
}

/// Files of one boot, in order, with their indexes: each up to what does not hold, which is given beside them.
///
/// # Errors
/// For what cannot be read at all.
pub fn indexed_past_damage(files: &[PathBuf]) -> Result<(Vec<IndexedFile>, Vec<CaptureError>), CaptureError> {
    let (mut found, mut damaged) = (Vec::with_capacity(files.len()), Vec::new());
    for (index, path) in files.iter().enumerate() {
        let (file, damage) = open_past_damage(path, index + 1 == files.len())?;
        found.push(file);
        damaged.extend(damage);
    }
    Ok((found, damaged))
}

/// A capture file with its index; of the last file of a boot a torn end is left out.
///
/// # Errors
/// As [`indexed`].
pub fn open(path: &Path, is_last: bool) -> Result<IndexedFile, CaptureError> {
    match open_past_damage(path, is_last)? {
        (file, None) => Ok(file),
        (_, Some(damage)) => Err(damage),
    }
}

fn open_past_damage(path: &Path, is_last: bool) -> Result<(IndexedFile, Option<CaptureError>), CaptureError> {
    let header = read_header(path)?;
    let file = File::open(path).map_err(|error| CaptureError::Io(path.to_path_buf(), error))?;
    let length = file.metadata().map_err(|error| CaptureError::Io(path.to_path_buf(), error))?.len();
    let bytes = std::fs::read(path.with_extension(index::EXTENSION)).unwrap_or_default();
    let mut groups = index::groups(&bytes, &header, length);
    let origin = if groups.is_empty() { Origin::Rebuilt } else { Origin::Whole };
    let mut builder = IndexBuilder::new(header.created_ns.get());
    builder.resume(&groups);
    let start = builder.end();
    let rest = read_range(&file, path, start, length)?;
    let (mut offset, mut damage) = (0, None);
    while offset < rest.len() {
        match BlockHeader::check(&rest[offset..]) {
            Ok((block, kind, ring, payload)) => {
                if builder.add(&block, kind, ring, payload) {
                    groups.extend(builder.group());
                    builder.close(&mut Vec::new());
                }
                offset += BLOCK_HEADER_BYTES + payload.len();
            }
            Err(_) if is_last && is_torn_tail(&rest[offset..]) => break,
            Err(what) => {
                damage = Some(corrupt(path, start + offset as u64, what));
                break;
            }
        }
    }
    groups.extend(builder.group());
    let origin = if origin == Origin::Whole && offset > 0 { Origin::Extended(offset as u64) } else { origin };
    Ok((IndexedFile { path: path.to_path_buf(), header, bytes: length, groups, origin }, damage))
}

/// Makes the index file beside a capture file whole, if it is not: written apart, then renamed.
///
/// # Errors
/// When the capture cannot be read, or the index not written.
pub fn repair(path: &Path) -> Result<(), CaptureError> {
    let indexed = open(path, true)?;
    let index = path.with_extension(index::EXTENSION);
    let mut bytes = IndexHeader::of(&indexed.header).as_bytes().to_vec();
    indexed.groups.iter().for_each(|group| group.append_to(&mut bytes));
    if std::fs::read(&index).is_ok_and(|found| found == bytes) {
        return Ok(());
    }
    let new = path.with_extension("index.new");
    let written = std::fs::write(&new, &bytes).and_then(|()| std::fs::rename(&new, &index));
    written.map_err(|error| CaptureError::Io(index, error))
}

/// Gives what the selection is about to `visit`, in the order of the files, until it breaks.
///
/// # Errors
/// [`CaptureError`] at the first block looked at that does not hold.
pub fn search(
    files: &[IndexedFile],
    selection: &Selection,
    mut visit: impl FnMut(&Found<'_>) -> ControlFlow<()>,
) -> Result<Cost, CaptureError> {
    walk(files, selection, &mut visit, &mut ControlFlow::Break)
}

/// As [`search`], past blocks that do not hold: each is given back, and what follows it up to the next stretch of the
/// index is not looked at.
///
/// # Errors
/// For what cannot be read at all.
pub fn search_past_damage(
    files: &[IndexedFile],
    selection: &Selection,
    mut visit: impl FnMut(&Found<'_>) -> ControlFlow<()>,
) -> Result<Vec<CaptureError>, CaptureError> {
    let mut damaged = Vec::new();
    walk(files, selection, &mut visit, &mut |damage| {
        damaged.push(damage);
        ControlFlow::Continue(())
    })?;
    Ok(damaged)
}

fn walk(
    files: &[IndexedFile],
    selection: &Selection,
    visit: &mut impl FnMut(&Found<'_>) -> ControlFlow<()>,
    damaged: &mut impl FnMut(CaptureError) -> ControlFlow<CaptureError>,
) -> Result<Cost, CaptureError> {
    let mut cost = Cost { bytes: files.iter().map(|file| file.bytes).sum(), ..Cost::default() };
    for indexed in files {
        let path = &indexed.path;
        let file = File::open(path).map_err(|error| CaptureError::Io(path.clone(), error))?;
        for group in indexed.groups.iter().filter(|group| group.entries.iter().any(|entry| selection.may_hold(entry))) {
            let bytes = read_range(&file, path, group.start, group.end)?;
            cost.bytes_read += bytes.len() as u64;
            match selection.group(group, &bytes, visit) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => return Ok(cost),
                Err((at, what)) => {
                    if let ControlFlow::Break(error) = damaged(corrupt(path, at, what)) {
                        return Err(error);
                    }
                }
            }
        }
    }
    Ok(cost)
}

impl Selection {
    fn has_ring(&self, ring: RingId) -> bool {
        self.rings.is_empty() || self.rings.contains(&ring)
    }

    fn may_hold(&self, entry: &Entry) -> bool {
        let (time_min, time_max) = entry.times();
        entry.ring().is_some_and(|ring| self.has_ring(ring))
            // An end stands at the next sequence.
            && entry.first_sequence() <= *self.sequences.end()
            && entry.next_sequence() >= *self.sequences.start()
            && time_min <= *self.times.end()
            && time_max >= *self.times.start()
    }

    /// Looks at the blocks of a group; the offset of the first that does not hold, and what does not.
    fn group(
        &self,
        group: &Group,
        bytes: &[u8],
        visit: &mut impl FnMut(&Found<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, (u64, &'static str)> {
        let mut carried: Vec<(RingId, Carried)> =
            group.entries.iter().filter_map(|entry| Some((entry.ring()?, Carried::new(entry.time_before())))).collect();
        let mut rest = bytes;
        while !rest.is_empty() {
            let at = group.end - rest.len() as u64;
            let (block, kind, ring, payload) = BlockHeader::check(rest).map_err(|what| (at, what))?;
            rest = &rest[BLOCK_HEADER_BYTES + payload.len()..];
            let Some((_, carried)) = carried.iter_mut().find(|(known, _)| *known == ring) else {
                return Err((at, "a block of a ring that the index does not know"));
            };
            if self.has_ring(ring) && self.block(&block, kind, ring, payload, carried, visit).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn block(
        &self,
        block: &BlockHeader,
        kind: BlockKind,
        ring: RingId,
        payload: &[u8],
        carried: &mut Carried,
        visit: &mut impl FnMut(&Found<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let first = block.first_sequence();
        let held = |last: u64| first <= *self.sequences.end() && last >= *self.sequences.start();
        match kind {
            BlockKind::Gap | BlockKind::End => {
                let stamp_ns = carried.stamp_ns;
                let last = first.saturating_add(block.missed().saturating_sub(1));
                let what = if kind == BlockKind::Gap { FoundWhat::Gap(block.missed()) } else { FoundWhat::End };
                if held(last) && self.times.contains(&stamp_ns) {
                    visit(&Found { ring, sequence: first, stamp_ns, what })?;
                }
            }
            BlockKind::Messages => {
                let mut all = [0; WORDS_128];
                for (sequence, payload) in (first..).zip(payload.chunks_exact(block.payload_bytes())) {
                    let (words, _) = payload.as_chunks::<8>();
                    for (word, bytes) in all.iter_mut().zip(words) {
                        *word = u64::from_le_bytes(*bytes);
                    }
                    let words = &all[..words.len()];
                    let stamp_ns = carried.next(ring.kind, words);
                    if self.sequences.contains(&sequence) && self.times.contains(&stamp_ns) {
                        visit(&Found { ring, sequence, stamp_ns, what: FoundWhat::Message(words) })?;
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }
}

fn read_range(file: &File, path: &Path, start: u64, end: u64) -> Result<Vec<u8>, CaptureError> {
    debug_assert!(start >= FILE_HEADER_BYTES as u64);
    let mut bytes = vec![0; end.saturating_sub(start) as usize];
    file.read_exact_at(&mut bytes, start).map_err(|error| CaptureError::Io(path.to_path_buf(), error))?;
    Ok(bytes)
}

fn corrupt(path: &Path, offset: u64, what: &str) -> CaptureError {
    CaptureError::Corrupt { file: path.to_path_buf(), offset: offset as usize, what: what.to_owned(), at_end: false }
}
