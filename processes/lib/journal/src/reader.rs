//! Reads a journal: all segments, then what only the tail has, every record exactly once. Dead or live, read only.
//!
//! For a live journal the tail is taken **before** the files are read: what is released meanwhile is then in the files.

use crate::frame::{Bad, Frame, Header};
use crate::record::{BadPayload, Record};
use crate::scan::{Stop, Walk};
use crate::segment::{BadPage, SegmentHeader};
use crate::tail::TailSnapshot;

/// Where a record was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// In a segment, at an offset.
    File(u32, u64),
    /// In the tail only: not durable in files.
    Tail,
}

/// A record read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry<'a> {
    /// Where.
    pub place: Place,
    /// Its header.
    pub header: Header,
    /// Its payload.
    pub payload: &'a [u8],
}

impl Entry<'_> {
    /// The payload, read; [`Record::Reserved`] when this build does not know the type.
    ///
    /// # Errors
    /// [`BadPayload`] when its length is not that of its type.
    pub fn record(&self) -> Result<Record, BadPayload> {
        Record::decode(self.header.record_type, self.header.version, self.payload)
    }
}

/// How a journal ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// Every record there is was read.
    Complete {
        /// The last sequence.
        last_sequence: u64,
    },
    /// The last segment ends in a record that is not whole, and the tail does not have it: a power loss.
    Torn {
        /// Segment.
        file_id: u32,
        /// Offset.
        offset: u64,
        /// What is wrong.
        bad: Bad,
    },
    /// Not readable further: corruption, or segments that do not follow each other.
    Corrupt {
        /// Segment; 0 = the tail.
        file_id: u32,
        /// Offset.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
}

/// A journal to read: segment files in order of number, and the tail if there is one.
#[derive(Clone, Copy, Debug)]
pub struct Journal<'a> {
    segments: &'a [(u32, &'a [u8])],
    tail: Option<&'a TailSnapshot>,
}

impl<'a> Journal<'a> {
    /// A journal of these segments, in order of number, and this tail.
    #[must_use]
    pub const fn new(segments: &'a [(u32, &'a [u8])], tail: Option<&'a TailSnapshot>) -> Self {
        Self { segments, tail }
    }

    /// Its records, in order.
    #[must_use]
    pub fn entries(&self) -> Entries<'a> {
        let frames = self.tail.map(|tail| tail.bytes.as_slice()).unwrap_or_default();
        Entries {
            segments: self.segments,
            next_segment: 0,
            walk: None,
            tail: frames,
            last_sequence: None,
            torn: None,
            end: None,
        }
    }

    /// Passes over all records and tells how the journal ends.
    #[must_use]
    pub fn end(&self) -> End {
        let mut entries = self.entries();
        while entries.next().is_some() {}
        entries.end().expect("the end was reached")
    }
}

/// The records of a journal; then [`Entries::end`].
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    segments: &'a [(u32, &'a [u8])],
    next_segment: usize,
    walk: Option<(u32, Walk<'a>)>,
    tail: &'a [u8],
    /// `None` before the first record: a journal may begin late when old segments were archived.
    last_sequence: Option<u64>,
    /// The last segment's bad record, forgiven when the tail has it.
    torn: Option<(u32, u64, Bad)>,
    end: Option<End>,
}

impl<'a> Entries<'a> {
    /// How the journal ended; `None` before the end.
    #[must_use]
    pub const fn end(&self) -> Option<End> {
        self.end
    }

    fn corrupt(&mut self, file_id: u32, offset: u64, what: &'static str) {
        self.end = Some(End::Corrupt { file_id, offset, what });
    }

    /// Opens the next segment; false when there is none, or at the end.
    fn open(&mut self) -> bool {
        let Some((file_id, bytes)) = self.segments.get(self.next_segment).copied() else {
            return false;
        };
        let last = self.next_segment + 1 == self.segments.len();
        self.next_segment += 1;
        match SegmentHeader::decode(bytes) {
            Ok(header) if header.file_id != file_id => self.corrupt(file_id, 0, "header of another segment"),
            Ok(header) if self.last_sequence.is_some_and(|last| header.first_sequence != last + 1) => {
                self.corrupt(file_id, 0, "first sequence does not follow");
            }
            Ok(header) => {
                self.last_sequence = Some(header.first_sequence.saturating_sub(1));
                self.walk = Some((file_id, Walk::new(bytes, header)));
            }
            // Created and not yet begun.
            Err(BadPage::Zero) if last => {}
            Err(_) => self.corrupt(file_id, 0, "header page"),
        }
        self.end.is_none()
    }

    #[inline]
    fn next_in_file(&mut self) -> Option<Entry<'a>> {
        loop {
            if self.end.is_some() {
                return None;
            }
            let Some((file_id, walk)) = &mut self.walk else {
                if self.torn.is_some() || !self.open() {
                    return None;
                }
                continue;
            };
            let file_id = *file_id;
            if let Some((offset, frame)) = walk.next() {
                self.last_sequence = Some(frame.header.sequence);
                return Some(entry(Place::File(file_id, offset), &frame));
            }
            let (offset, stop) = (walk.offset() as u64, walk.stop());
            self.walk = None;
            match stop {
                Some(Stop::Torn(bad)) if self.next_segment == self.segments.len() => {
                    self.torn = Some((file_id, offset, bad));
                }
                Some(Stop::Torn(_)) => self.corrupt(file_id, offset, "record not whole"),
                Some(Stop::Foreign) => self.corrupt(file_id, offset, "record not the next"),
                Some(Stop::Clean) | None => {}
            }
        }
    }

    #[inline(never)]
    fn next_in_tail(&mut self) -> Option<Entry<'a>> {
        loop {
            if self.end.is_some() {
                return None;
            }
            if self.tail.is_empty() {
                self.end = Some(match self.torn {
                    Some((file_id, offset, bad)) => End::Torn { file_id, offset, bad },
                    None => End::Complete { last_sequence: self.last_sequence.unwrap_or(0) },
                });
                return None;
            }
            let Ok((frame, bytes)) = crate::frame::decode(self.tail) else {
                self.corrupt(0, 0, "record in the tail not whole");
                return None;
            };
            self.tail = &self.tail[bytes..];
            let sequence = frame.header.sequence;
            match self.last_sequence {
                Some(last) if sequence <= last => {}
                Some(last) if sequence != last + 1 => self.corrupt(0, 0, "tail does not follow the files"),
                _ => {
                    // The tail has what the file has not whole: a writer at work, or one killed in a write.
                    self.torn = None;
                    self.last_sequence = Some(sequence);
                    return Some(entry(Place::Tail, &frame));
                }
            }
        }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        self.next_in_file().or_else(|| self.next_in_tail())
    }
}

fn entry<'a>(place: Place, frame: &Frame<'a>) -> Entry<'a> {
    Entry { place, header: frame.header, payload: frame.payload }
}
