//! Follows a growing journal by its files, for the progress line: only what was not read before is read.

use super::books::Books;
use journal::frame::{self, ALIGN};
use journal::segment::PAGE_BYTES;
use journal::{Entry, Place, RecordType};
use runtime::store::segment_path;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes read at once: a second's records. A segment is as long as it will ever be, and what lies ahead is zeros.
const LOOK_BYTES: usize = 256 << 10;

/// Where the reading of a journal's files stands.
#[derive(Clone, Debug)]
pub struct Follow {
    directory: PathBuf,
    file_id: u32,
    offset: u64,
    buffer: Vec<u8>,
    /// What was read so far.
    pub books: Books,
}

impl Follow {
    /// Begins at the first segment of a directory.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        let (directory, buffer) = (directory.to_owned(), vec![0; LOOK_BYTES]);
        Self { directory, file_id: 1, offset: PAGE_BYTES as u64, buffer, books: Books::default() }
    }

    /// Reads what was written since the last look. A journal that cannot be read shows nothing new here; the final
    /// reconciliation says why.
    pub fn look(&mut self) {
        while let Some(read) = self.read() {
            let mut at = 0;
            while let Ok((frame, length)) = frame::decode(&self.buffer[at..read]) {
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

    /// Fills the buffer from the file as far as it goes; how many bytes that was.
    fn read(&mut self) -> Option<usize> {
        let file = File::open(segment_path(&self.directory, self.file_id)).ok()?;
        let mut filled = 0;
        while filled < self.buffer.len() {
            match file.read_at(&mut self.buffer[filled..], self.offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        Some(filled)
    }
}
