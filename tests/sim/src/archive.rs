//! The journal of the simulated gateway: the tail in shared words, the flusher, and files in memory. Tail and files outlive
//! the gateway.

use journal::memory::MemoryStore;
use journal::rebuild::RebuildError;
use journal::tail;
use journal::{Flusher, FlusherConfig, Journal, Rebuilt, Resume, TailSnapshot, TailWriter, Through, rebuild};
use orders::OrdersState;
use shm_layout::ring::sync::SharedWords;
use shm_layout::types::Nanos;

const BOOT_STAMP: u64 = 0x51;
const TAIL_BYTES: usize = 1 << 20;
const CONFIG: FlusherConfig = FlusherConfig {
    boot_stamp: BOOT_STAMP,
    config_hash: 0,
    instrument_table_hash: 0,
    host_name_hash: 0,
    epoch: 1,
    durability: 0,
    gateway: 0,
    segment_bytes: 1 << 17,
    batch_bytes: 1 << 14,
};

/// Tail and files.
#[derive(Debug)]
pub struct Archive {
    words: SharedWords,
    flusher: Flusher<MemoryStore>,
}

impl Default for Archive {
    fn default() -> Self {
        let words = SharedWords::heap(tail::region_words(TAIL_BYTES));
        tail::initialise(&words, BOOT_STAMP);
        let flusher = Flusher::new(words.clone(), MemoryStore::default(), CONFIG, &Resume::default());
        Self { flusher: flusher.expect("an empty tail"), words }
    }
}

impl Archive {
    /// The gateway's hand on it.
    ///
    /// # Panics
    /// Never: the tail is this boot's.
    #[must_use]
    pub fn writer(&self) -> TailWriter {
        TailWriter::attach(self.words.clone(), BOOT_STAMP, 1, 0).expect("a tail of this boot")
    }

    /// The flusher's thread runs once. A failed disk is told to the writer by the tail's state.
    pub fn flush(&mut self, now: Nanos) {
        // A failure is told by the tail's state and is final: nothing else is to be done about it here.
        let _ = self.flusher.poll(now);
    }

    /// The next sync fails, finally.
    pub const fn fail_disk(&mut self) {
        // EIO.
        self.flusher.store_mut().faults.sync_error = Some(5);
    }

    /// Folds the journal as a child of the supervisor does, living or dead.
    ///
    /// # Errors
    /// As [`rebuild`].
    ///
    /// # Panics
    /// When the tail is none.
    pub fn rebuild(&self, state: &mut OrdersState, through: Through) -> Result<Rebuilt, RebuildError> {
        // The tail before the files: what is released meanwhile is then in the files.
        let tail = TailSnapshot::take(&self.words).expect("a tail of this boot");
        let segments = self.flusher.store().segments();
        rebuild(&Journal::new(&segments, Some(&tail)), state, through)
    }
}
