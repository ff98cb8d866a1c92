//! The regions of an instance, mapped read-only: what rings and status regions lie in its directory, living or dead.
//!
//! A tool goes by the files alone: each region's header says what it is. It never registers as a reader and never stores.

use crate::failure::{DATA_ERROR, Failure, UNAVAILABLE, USAGE};
use runtime::RuntimeError;
use runtime::mmap::{Access, map_region};
use runtime::ports::wiring;
use shm_layout::region::{RegionError, RegionHeader, RegionKind};
use shm_layout::ring::sync::SharedWords;
use shm_layout::ring::{RingReader, Start};
use shm_layout::status::StatusReader;
use shm_layout::topology::{Counts, RingId};
use shm_layout::types::Role;
use std::path::{Path, PathBuf};

/// Most messages taken from a ring at once.
pub const BATCH: usize = 256;

/// A ring's region.
#[derive(Clone, Debug)]
pub struct RingRegion {
    /// Which ring.
    pub id: RingId,
    /// Its slots.
    pub slots: usize,
    /// Its header.
    pub header: RegionHeader,
    /// Its file.
    pub path: PathBuf,
}

/// A process's status region.
#[derive(Clone, Debug)]
pub struct StatusRegion {
    /// Role of the process.
    pub role: Role,
    /// Its index.
    pub index: u8,
    /// Its words.
    pub status: StatusReader,
}

/// A region's file that cannot be read.
#[derive(Clone, Debug)]
pub struct Damaged {
    /// The file.
    pub path: PathBuf,
    /// Why, in a line that names it.
    pub message: String,
}

/// What a directory of regions holds.
#[derive(Clone, Debug, Default)]
pub struct Regions {
    /// Rings, in order of kind, writer and index.
    pub rings: Vec<RingRegion>,
    /// Status regions, in order of role and index.
    pub processes: Vec<StatusRegion>,
    /// Files that cannot be read.
    pub faults: Vec<Damaged>,
    /// Bytes of all region files.
    pub bytes: u64,
}

impl Regions {
    /// Maps every ring and status region of a directory; a directory that is not there has none.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub fn open(directory: &Path) -> Result<Self, Failure> {
        Self::open_named(directory, |_| true)
    }

    /// Maps the status regions alone: for a look that is taken again and again beside a hot process, which a map of every ring
    /// would hold up.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_status(directory: &Path) -> Result<Self, Failure> {
        Self::open_named(directory, |name| name.starts_with("status."))
    }

    fn open_named(directory: &Path, wanted: impl Fn(&str) -> bool) -> Result<Self, Failure> {
        let entries = match std::fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Failure::file("list", directory, &error)),
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        let mut regions = Self::default();
        for path in paths {
            let name = path.file_name().and_then(|name| name.to_str()).filter(|name| wanted(name));
            let Some(name) = name else { continue };
            let is_region = name.ends_with(".ring") || name.starts_with("status.");
            if is_region || name.starts_with("image.") || name.starts_with("journal_tail.") {
                regions.bytes += std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
            }
            if is_region && let Err(fault) = regions.add(&path) {
                regions.faults.push(Damaged { path: path.clone(), message: fault.message });
            }
        }
        regions.rings.sort_by_key(|ring| ring.id);
        regions.processes.sort_by_key(|process| (process.role, process.index));
        Ok(regions)
    }

    /// One ring's file, copied from anywhere: no process is known.
    ///
    /// # Errors
    /// When the file is no ring of this build.
    pub fn of_file(path: &Path) -> Result<Self, Failure> {
        let bytes = std::fs::metadata(path).map_err(|error| Failure::file("read", path, &error))?.len();
        Ok(Self { rings: vec![RingRegion::open(path)?], bytes, ..Self::default() })
    }

    fn add(&mut self, path: &Path) -> Result<(), Failure> {
        let header = header(path)?;
        let spec = *header.spec();
        match (spec.kind, spec.ring) {
            (RegionKind::Ring, Some(_)) => self.rings.push(RingRegion::open(path)?),
            (RegionKind::Status, _) => {
                let body = header.body();
                if body.len() != shm_layout::status::STATUS_WORDS {
                    let what = format!("{}: {} words are no status region", path.display(), body.len());
                    return Err(Failure::new(DATA_ERROR, what, OTHER_BUILD));
                }
                let status = StatusReader::new(&body);
                self.processes.push(StatusRegion { role: spec.writer, index: spec.index, status });
            }
            _ => {}
        }
        Ok(())
    }

    /// The ring of a name.
    ///
    /// # Errors
    /// Names the rings that there are; no name is a fault of usage.
    pub fn ring(&self, name: Option<&str>) -> Result<&RingRegion, Failure> {
        let Some(name) = name else {
            return Err(Failure::new(USAGE, "name a ring", self.known()));
        };
        let name = name.strip_suffix(".ring").unwrap_or(name);
        if let Some(ring) = self.rings.iter().find(|ring| ring.id.name() == name) {
            return Ok(ring);
        }
        // It is there, and damaged: another thing than a wrong name.
        let is_named =
            |fault: &&Damaged| fault.path.file_name().is_some_and(|file| file == format!("{name}.ring").as_str());
        if let Some(fault) = self.faults.iter().find(is_named) {
            return Err(Failure { code: DATA_ERROR, message: fault.message.clone() });
        }
        Err(Failure::new(UNAVAILABLE, format!("there is no ring {name:?}"), self.known()))
    }

    /// The files that cannot be read, a line each.
    #[must_use]
    pub fn fault_lines(&self) -> Vec<&str> {
        self.faults.iter().map(|fault| fault.message.as_str()).collect()
    }

    /// The rings that may be named.
    fn known(&self) -> String {
        let names: Vec<String> = self.rings.iter().map(|ring| ring.id.name()).collect();
        if names.is_empty() && !self.faults.is_empty() {
            self.fault_lines().join("; ")
        } else if names.is_empty() {
            "the instance has none: it has ended and its regions are gone; `tickway capture ls` shows what was recorded"
                .to_owned()
        } else {
            format!("the rings are: {}", names.join(", "))
        }
    }

    /// The status region of a process.
    #[must_use]
    pub fn process(&self, role: Role, index: u8) -> Option<&StatusRegion> {
        self.processes.iter().find(|process| (process.role, process.index) == (role, index))
    }

    /// How many processes of each role left a status region.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let of = |role| self.processes.iter().filter(|process| process.role == role).count() as u8;
        Counts {
            feed_handlers: of(Role::FeedHandler),
            strategies: of(Role::Strategy),
            gateways: of(Role::ExecutionGateway),
        }
    }

    /// The gating cursor of a process for a ring: the last sequence that it consumed.
    #[must_use]
    pub fn gating_cursor(&self, role: Role, index: u8, recorder_gates: bool, ring: RingId) -> Option<u64> {
        let slot = wiring::cursor_slot(self.counts(), recorder_gates, role, index, ring)?;
        let words = self.process(role, index)?.status.cursor_words(slot);
        Some(words.load(0, shm_layout::ring::sync::Ordering::Acquire))
    }
}

/// What to do about a region of another build.
const OTHER_BUILD: &str = "read it with the build that wrote it";

/// Maps a region and reads its header.
///
/// # Errors
/// Names the file. A tool may have been given any file, so that it never advises to stop or remove anything, as the same
/// refusal does to a process of an instance.
pub fn header(path: &Path) -> Result<RegionHeader, Failure> {
    RegionHeader::read(&map(path)?).map_err(|error| {
        let cure = match error {
            RegionError::Magic => "name a region's file, such as market_data.0.ring",
            RegionError::Short(..) => "it was cut: name a whole copy",
            _ => OTHER_BUILD,
        };
        Failure::new(DATA_ERROR, format!("{}: {}", path.display(), without_advice(&error)), cure)
    })
}

/// Maps a file that is to be a region's.
///
/// # Errors
/// As [`header`].
pub fn map(path: &Path) -> Result<SharedWords, Failure> {
    match map_region(path, Access::ReadOnly, None) {
        Ok(mapped) => Ok(mapped.words),
        Err(RuntimeError::Refused { .. }) => {
            let bytes = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
            let what = format!("{}: {bytes} bytes are no region file, or a part of one", path.display());
            Err(Failure::new(DATA_ERROR, what, "name a whole region's file, such as market_data.0.ring"))
        }
        Err(error) => Err(error.into()),
    }
}

/// What is wrong with a region, without what a process of an instance would do about it.
pub fn without_advice(error: &RegionError) -> String {
    let text = error.to_string();
    text.split_once("; ").map_or(text.clone(), |(what, _)| what.to_owned())
}

/// A reader of either width.
#[derive(Debug)]
enum Reader {
    Narrow(RingReader<7>),
    Wide(RingReader<15>),
}

/// Reads a ring from outside: a tap that no writer knows of.
#[derive(Debug)]
pub struct Tap {
    reader: Reader,
}

/// Messages copied from a ring at once, consecutive; its memory is reused.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Sequence of the first message.
    pub first_sequence: u64,
    /// Words of one payload.
    words_each: usize,
    words: Vec<u64>,
}

impl Batch {
    /// The messages with their sequences.
    pub fn messages(&self) -> impl Iterator<Item = (u64, &[u64])> {
        (self.first_sequence..).zip(self.words.chunks_exact(self.words_each.max(1)))
    }
}

/// What a [`Tap`] read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Read {
    /// This many messages are in the batch.
    Messages(usize),
    /// This many messages from the sequence on were overwritten before they were read.
    Lapped(u64, u64),
    /// This many messages from the sequence on were published and are not in their slots.
    Damaged(u64, u64),
    /// Nothing new.
    Nothing,
}

impl RingRegion {
    /// The ring of a region file, wherever it lies.
    ///
    /// # Errors
    /// When the file is no ring of this build.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let header = header(path)?;
        let spec = *header.spec();
        let Some(id) = spec.ring else {
            let what = format!("{}: holds no ring", path.display());
            return Err(Failure::new(DATA_ERROR, what, "name a .ring file"));
        };
        let ring = Self { id, slots: spec.slots as usize, header, path: path.to_owned() };
        ring.attach(Start::Latest)?;
        Ok(ring)
    }

    /// A tap of the ring.
    ///
    /// # Errors
    /// When the region is not a ring of the slots that its header says.
    pub fn attach(&self, start: Start) -> Result<Tap, Failure> {
        let refused = |error| {
            let what = format!("{}: {error}", self.path.display());
            Failure::new(DATA_ERROR, what, OTHER_BUILD)
        };
        let body = self.header.body();
        let reader = if self.id.kind.slot_bytes() == 64 {
            Reader::Narrow(RingReader::attach(body, self.slots, start).map_err(refused)?)
        } else {
            Reader::Wide(RingReader::attach(body, self.slots, start).map_err(refused)?)
        };
        Ok(Tap { reader })
    }

    /// Sequence of the last message published; 0 = none.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.attach(Start::Latest).map_or(0, |tap| tap.next_sequence() - 1)
    }
}

impl Tap {
    /// Sequence that will be read next.
    #[must_use]
    pub const fn next_sequence(&self) -> u64 {
        match &self.reader {
            Reader::Narrow(reader) => reader.next_sequence(),
            Reader::Wide(reader) => reader.next_sequence(),
        }
    }

    /// Goes on after a sequence.
    pub fn seek(&mut self, after: u64) {
        match &mut self.reader {
            Reader::Narrow(reader) => reader.seek(after),
            Reader::Wide(reader) => reader.seek(after),
        }
    }

    /// Reads what there is, at most [`BATCH`] messages.
    pub fn read(&mut self, batch: &mut Batch) -> Read {
        match &mut self.reader {
            Reader::Narrow(reader) => read_batch(reader, batch),
            Reader::Wide(reader) => read_batch(reader, batch),
        }
    }
}

fn read_batch<const W: usize>(reader: &mut RingReader<W>, batch: &mut Batch) -> Read {
    let first = reader.next_sequence();
    (batch.first_sequence, batch.words_each) = (first, W);
    batch.words.resize(BATCH * W, 0);
    let (payloads, _) = batch.words.as_chunks_mut::<W>();
    let read = reader.read_batch(payloads);
    batch.words.truncate(read.unwrap_or(0) * W);
    match read {
        Ok(0) => Read::Nothing,
        Ok(count) => Read::Messages(count),
        Err(lapped) => Read::Lapped(first, lapped.missed),
    }
}
