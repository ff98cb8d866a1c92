//! The mutator: stores whatever it likes into a file that others have mapped, through the file itself.
//!
//! The page cache of the file is the shared memory, so a `pwrite` is seen by every map as a store of a hostile process
//! would be. It never maps the file, and it never changes its length.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Words at the start of a file that are hit more often: headers, hints, the first stamps.
const HEAD_WORDS: u64 = 96;

/// Scribbles over one file.
#[derive(Debug)]
pub struct Scribbler {
    file: File,
    /// Words that it may not touch, at the start.
    spared: u64,
    words: u64,
    random: u64,
    /// Stores so far.
    pub stores: u64,
}

impl Scribbler {
    /// A scribbler over the file, from word `spared` on.
    ///
    /// # Errors
    /// When the file cannot be opened for writing.
    pub fn open(path: &Path, spared: u64, seed: u64) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let words = file.metadata()?.len() / 8;
        assert!(words > spared, "{} words, {spared} of them spared", words);
        Ok(Self { file, spared, words, random: seed | 1, stores: 0 })
    }

    fn next(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    fn place(&mut self) -> u64 {
        let span = self.words - self.spared;
        let within = if self.next().is_multiple_of(2) { span.min(HEAD_WORDS) } else { span };
        self.spared + self.next() % within
    }

    /// A word near a limit, near what lies there, or anything.
    fn value(&mut self, found: u64) -> u64 {
        let low = self.next() % 64;
        match self.next() % 9 {
            0 => low,
            1 => found.wrapping_add(low).wrapping_sub(32),
            2 => found ^ 1 << (self.next() % 64),
            3 => found | 1 << 63,
            4 => u64::MAX - low,
            5 => (1_u64 << 62).wrapping_add(low).wrapping_sub(32),
            6 => 0,
            7 => found & !0xFF | low,
            _ => self.next(),
        }
    }

    /// One scribble: a word, or a stretch copied from elsewhere in the file, as a stale or misplaced write would be.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn scribble(&mut self) -> io::Result<()> {
        let at = self.place() * 8;
        self.stores += 1;
        if self.next().is_multiple_of(16) {
            let mut stretch = [0; 128];
            let from = self.place() * 8;
            let read = self.file.read_at(&mut stretch, from)?;
            let room = (self.words * 8 - at).min(read as u64) as usize;
            return self.file.write_all_at(&stretch[..room], at);
        }
        let mut word = [0; 8];
        self.file.read_exact_at(&mut word, at)?;
        let value = self.value(u64::from_le_bytes(word));
        self.file.write_all_at(&value.to_le_bytes(), at)
    }
}
