//! The gateways' journals beside a capture: what a life that starts from a journal or a snapshot had.

use execution_gateway::Memory;
use journal::{Journal, Rebuilt, Through, rebuild};
use orders::OrdersState;
use std::path::Path;

/// The files of one gateway's journal; none when they are not at hand.
#[derive(Clone, Debug, Default)]
pub struct JournalFiles(Vec<(u32, Vec<u8>)>);

impl JournalFiles {
    /// Reads the segments of gateway `index` beneath `folder`, if they are there.
    ///
    /// # Errors
    /// A folder or a segment that cannot be read.
    pub fn read(folder: Option<&Path>, index: u8) -> anyhow::Result<Self> {
        let folder = folder.map(|folder| folder.join(format!("gateway-{index}"))).filter(|folder| folder.is_dir());
        Ok(Self(folder.map(|folder| runtime::store::read_segments(&folder)).transpose()?.unwrap_or_default()))
    }

    /// True when there is nothing to read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The segments, by number.
    #[must_use]
    pub fn segments(&self) -> Vec<(u32, &[u8])> {
        self.0.iter().map(|(id, bytes)| (*id, bytes.as_slice())).collect()
    }

    /// Folds the journal into `state`; `None` when it does not reach so far.
    pub fn fold(&self, state: &mut OrdersState, through: Through) -> Option<Rebuilt> {
        rebuild(&Journal::new(&self.segments(), None), state, through).ok()
    }

    /// What the journal through a sequence tells a gateway of the venue's session.
    #[must_use]
    pub fn memory(&self, through: u64) -> Memory {
        let (mut memory, segments) = (Memory::default(), self.segments());
        let journal = Journal::new(&segments, None);
        for entry in journal.entries().take_while(|entry| entry.header.sequence <= through) {
            // What cannot be read has failed the fold before.
            if let Ok(record) = entry.record() {
                memory.note(&record);
            }
        }
        memory
    }
}
