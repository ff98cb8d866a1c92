//! Follows a growing journal by its files, for the progress line: only what was not read before is read.

use super::books::Books;
use journal::frame::{self, ALIGN};
use journal::segment::PAGE_BYTES;
use journal::{Entry, Place, RecordType};
use runtime::store::segment_path;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Most bytes read at one look.
const LOOK_BYTES: u64 = 4 << 20;

/// Where the reading of a journal's files stands.
#[derive(Clone, Debug)]
pub struct Follow {
    directory: PathBuf,
    file_id: u32,
    offset: u64,
    /// What was read so far.
    pub books: Books,
}

impl Follow {
    /// Begins at the first segment of a directory.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), file_id: 1, offset: PAGE_BYTES as u64, books: Books::default() }
    }

    /// Reads what was written since the last look. A journal that cannot be read shows nothing new here; the final
    /// reconciliation says why.
    pub fn look(&mut self) {
        while let Some(bytes) = self.read() {
            let mut at = 0;
            while let Ok((frame, length)) = frame::decode(&bytes[at..]) {
                if frame.header.record_type != RecordType::Sync as u16 {
                    let place = Place::File(self.file_id, self.offset + at as u64);
                    self.books.add(&Entry { place, header: frame.header, payload: frame.payload });
                }
                at += length;
            }
            self.offset += at as u64;
            let next = segment_path(&self.directory, self.file_id + 1);
            if at == 0 && !next.exists() {
                return;
            }
            // The end of a segment: nothing whole follows, and the next one is there.
            if at == 0 {
                (self.file_id, self.offset) = (self.file_id + 1, PAGE_BYTES as u64);
            } else if at < ALIGN {
                return;
            }
        }
    }

    fn read(&self) -> Option<Vec<u8>> {
        let mut file = File::open(segment_path(&self.directory, self.file_id)).ok()?;
        file.seek(SeekFrom::Start(self.offset)).ok()?;
        let mut bytes = Vec::new();
        file.take(LOOK_BYTES).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }
}
