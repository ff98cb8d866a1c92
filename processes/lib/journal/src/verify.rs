//! Checks every byte of a journal's files: checksums, sequences, padding, reserved bytes, zeros where nothing was written,
//! trailers and their chain. Any flipped byte is found.

use crate::frame::{ALIGN, HEADER_BYTES};
use crate::scan::{Scan, Stop, Walk};
use crate::segment::{BadPage, PAGE_BYTES, SegmentHeader, Trailer};
use std::fmt;

/// Something wrong, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Segment.
    pub file_id: u32,
    /// Offset in it: of the byte where that is known, else of the page or record that holds it.
    pub offset: u64,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment {} at {}: {}", self.file_id, self.offset, self.what)
    }
}

/// What was checked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// What is wrong, in order of segment and offset; one per segment and kind at least.
    pub findings: Vec<Finding>,
    /// Segments looked at.
    pub segments: usize,
    /// Records that are whole.
    pub records: u64,
    /// Last sequence.
    pub last_sequence: u64,
}

/// Checks segment files, in order of number. A segment that is being written may show its last batch as not whole.
#[must_use]
pub fn verify(segments: &[(u32, &[u8])]) -> Report {
    let mut report = Report { segments: segments.len(), ..Report::default() };
    let mut previous: Option<(u32, u64, Option<u64>)> = None;
    for (index, (file_id, bytes)) in segments.iter().enumerate() {
        let last = index + 1 == segments.len();
        let ended = segment(*file_id, bytes, last, previous, &mut report);
        previous = Some((*file_id, report.last_sequence, ended));
    }
    report
}

/// Checks one segment; returns the hash of its trailer.
fn segment(
    file_id: u32,
    bytes: &[u8],
    last: bool,
    previous: Option<(u32, u64, Option<u64>)>,
    report: &mut Report,
) -> Option<u64> {
    let mut found = |offset: u64, what: String| report.findings.push(Finding { file_id, offset, what });
    if bytes.len() < 2 * PAGE_BYTES {
        found(0, format!("file of {} bytes is cut", bytes.len()));
        return None;
    }
    let trailer_page = bytes.len() - PAGE_BYTES;
    let header = match SegmentHeader::decode(bytes) {
        Ok(header) => header,
        Err(BadPage::Zero) if last => {
            if let Some(offset) = bytes.iter().position(|byte| *byte != 0) {
                found(offset as u64, "bytes in a segment without a header".to_owned());
            }
            return None;
        }
        Err(bad) => {
            found(bad_offset(bad), format!("header page: {bad}"));
            return None;
        }
    };
    chain(file_id, bytes, &header, previous, &mut found);
    let mut walk = Walk::new(bytes, header);
    let mut records = 0;
    for (offset, frame) in walk.by_ref() {
        records += 1;
        if let Err(bad) = crate::Record::decode(frame.header.record_type, frame.header.version, frame.payload) {
            found(offset, bad.to_string());
        }
        let end = offset as usize + HEADER_BYTES + frame.payload.len();
        if let Some(index) = bytes[end..end.next_multiple_of(ALIGN)].iter().position(|byte| *byte != 0) {
            found((end + index) as u64, "padding byte is not zero".to_owned());
        }
    }
    let (offset, stop) = (walk.offset() as u64, walk.stop());
    let scan = walk.finish();
    match stop {
        Some(Stop::Torn(bad)) => found(offset, format!("record: {bad}")),
        Some(Stop::Foreign) => found(offset, "record is not the next one".to_owned()),
        Some(Stop::Clean) | None => {
            if let Some(index) = bytes[offset as usize..trailer_page].iter().position(|byte| *byte != 0) {
                found(offset + index as u64, "byte after the last record is not zero".to_owned());
            }
        }
    }
    let hash = trailer(file_id, &bytes[trailer_page..], last, &header, &scan, &mut |offset, what| {
        found(trailer_page as u64 + offset, what);
    });
    report.records += records;
    report.last_sequence = scan.last_sequence;
    hash
}

/// The header against its file and the segment before.
fn chain(
    file_id: u32,
    bytes: &[u8],
    header: &SegmentHeader,
    previous: Option<(u32, u64, Option<u64>)>,
    found: &mut impl FnMut(u64, String),
) {
    if header.file_id != file_id || header.segment_bytes != bytes.len() as u64 {
        found(0, "header is of another file".to_owned());
    }
    if let Some((before, sequence, hash)) = previous {
        if file_id != before + 1 || header.first_sequence != sequence + 1 {
            found(0, "segment does not follow the one before".to_owned());
        }
        if hash.is_some_and(|hash| hash != header.previous_trailer_hash) {
            found(0, "hash of the previous trailer differs".to_owned());
        }
    }
}

/// The trailer page against the records; returns its hash.
fn trailer(
    file_id: u32,
    page: &[u8],
    last: bool,
    header: &SegmentHeader,
    scan: &Scan,
    found: &mut impl FnMut(u64, String),
) -> Option<u64> {
    match Trailer::decode(page) {
        Ok(trailer) => {
            let agrees = trailer.file_id == file_id
                && trailer.records_end == scan.offset
                && trailer.last_sequence == scan.last_sequence
                && trailer.records_hash == scan.records_hash
                && trailer.previous_trailer_hash == header.previous_trailer_hash;
            if !agrees {
                found(0, "trailer differs from the records".to_owned());
            }
            Some(trailer.hash())
        }
        Err(BadPage::Zero) if last => None,
        Err(bad) => {
            found(bad_offset(bad), format!("trailer page: {bad}"));
            None
        }
    }
}

const fn bad_offset(bad: BadPage) -> u64 {
    match bad {
        BadPage::NotZero(offset) => offset as u64,
        BadPage::Sequence(_) => 24,
        BadPage::Zero | BadPage::Cut | BadPage::Magic | BadPage::Version(_) | BadPage::Checksum => 0,
    }
}
