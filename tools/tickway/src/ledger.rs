//! The journals of an instance: files and tail read together, and folded into orders and positions.
//!
//! The journal is the truth about orders; nothing here asks a living process.

use crate::failure::{DATA_ERROR, Failure};
use crate::place::Place;
use crate::regions;
use journal::tail::TailSnapshot;
use journal::{Journal, Through};
use orders::OrdersState;
use runtime::instance::Instance;
use runtime::store::read_segments;
use std::path::{Path, PathBuf};

/// Most orders of a table.
const ORDERS_MAX: usize = 1 << 24;

/// One gateway's journal, as read.
#[derive(Clone, Debug)]
pub struct JournalFiles {
    /// Index of the gateway.
    pub gateway: u8,
    /// Directory of its segments.
    pub directory: PathBuf,
    /// Segments by number.
    pub segments: Vec<(u32, Vec<u8>)>,
    /// What only shared memory has, when it is there.
    pub tail: Option<TailSnapshot>,
}

/// One gateway's journal, folded.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// Index of the gateway.
    pub gateway: u8,
    /// Its orders and positions.
    pub state: OrdersState,
}

/// The gateways of which an instance has a journal, by index.
///
/// # Errors
/// When the directory cannot be listed.
pub fn gateways(instance: &Instance) -> Result<Vec<u8>, Failure> {
    let directory = instance.data().join("journal");
    let entries = match std::fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Failure::file("list", &directory, &error)),
    };
    let index = |name: &str| name.strip_prefix("gateway-")?.parse::<u8>().ok();
    let mut found: Vec<u8> = entries.flatten().filter_map(|entry| index(entry.file_name().to_str()?)).collect();
    found.sort_unstable();
    Ok(found)
}

impl JournalFiles {
    /// Reads a gateway's journal: the tail first, so that what is flushed meanwhile is in the files.
    ///
    /// # Errors
    /// When the directory, a segment or the tail cannot be read.
    pub fn read(instance: &Instance, gateway: u8) -> Result<Self, Failure> {
        let tail = read_tail(&instance.journal_tail(gateway))?;
        let directory = instance.journal(gateway);
        let segments = read_segments(&directory)?;
        Ok(Self { gateway, directory, segments, tail })
    }

    /// The segments of a directory, without a tail.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read_directory(directory: &Path) -> Result<Self, Failure> {
        let segments = read_segments(directory)?;
        Ok(Self { gateway: 0, directory: directory.to_owned(), segments, tail: None })
    }

    /// The segments as the journal's reader takes them.
    #[must_use]
    pub fn slices(&self) -> Vec<(u32, &[u8])> {
        self.segments.iter().map(|(file_id, bytes)| (*file_id, bytes.as_slice())).collect()
    }

    /// Folds the journal with positions for `instruments` and `strategies`.
    ///
    /// # Errors
    /// When it is not readable to its end.
    pub fn fold(&self, instruments: usize, strategies: usize) -> Result<Ledger, Failure> {
        let slices = self.slices();
        let journal = Journal::new(&slices, self.tail.as_ref());
        let reports =
            journal.entries().filter(|entry| entry.header.record_type == journal::RecordType::Execution as u16);
        let orders = reports.count().clamp(1, ORDERS_MAX);
        let mut state = OrdersState::with_capacity(orders, instruments, strategies);
        journal::rebuild(&journal, &mut state, Through::End).map_err(|error| {
            let what = format!("{}: {error}", self.directory.display());
            Failure::new(DATA_ERROR, what, "`tickway journal verify` names the byte")
        })?;
        Ok(Ledger { gateway: self.gateway, state })
    }
}

fn read_tail(path: &Path) -> Result<Option<TailSnapshot>, Failure> {
    if !path.exists() {
        return Ok(None);
    }
    let header = regions::header(path)?;
    let taken = TailSnapshot::take(&header.body());
    taken.map(Some).map_err(|error| {
        let what = format!("{}: {error}", path.display());
        Failure::new(DATA_ERROR, what, "read the files alone: name their directory")
    })
}

/// Reads and folds every journal of the instance by its effective host file.
///
/// # Errors
/// When the host file or a journal cannot be read.
pub fn fold_all(place: &Place) -> Result<Vec<Ledger>, Failure> {
    let file = place.host_file()?;
    let (instruments, strategies) = (file.instruments().len(), usize::from(file.counts().strategies).max(1));
    let read = |gateway| JournalFiles::read(&place.instance, gateway)?.fold(instruments, strategies);
    gateways(&place.instance)?.into_iter().map(read).collect()
}
