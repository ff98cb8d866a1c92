//! The status region: every process owns one and alone writes it; the supervisor, ring writers and tools map it
//! read-only. It is how a process shows that it lives, what it has consumed, and what it has acted on.
//!
//! Offsets in the body (after the region header):
//!
//! ```text
//! 0      heartbeat_ns             u64  last time the duty cycle ran
//! 8      progress                 u64  work done, in the process's own unit; grows only
//! 16     state                    u8   ProcessState, in the word's low byte
//! 24     epoch                    u64  restart epoch of this process
//! 32     pid                      u64
//! 40     armed                    u64  1 = may open orders (strategy, gateway), 0 = may not
//! 48     allocations_after_start  u64
//! 56     last_control_sequence    u64  last `control` message acted on
//! 64     kill_echo                stamp, generation, echoed_ns, journal_sequence   (a stamped group)
//! 96     reserved                 [u8; 32]
//! 128    fence_echoes             [8]  stamp, role u8 | index u8 << 8, epoch, journal_sequence
//! 384    checkpoints              [8]  stamp, gateway, journal_sequence, state_hash
//! 640    gating_cursors           [16] one word at the start of a 64-byte line: last sequence consumed
//! 1664   reader_positions         [16] 64-byte lines: ring_id, next_sequence, laps, missed, reserved
//! 2688   counters                 [192] see `counters`
//! 14976  end
//! ```
//!
//! It never holds what must outlive the process: a restart clears all but the gating cursors, which a ring's writer may
//! be waiting on.

mod reader;

pub use reader::StatusReader;

use crate::counters::{COUNTER_TABLE_WORDS, CounterTable};
use crate::layout::{Field, fields_fit, page_hash};
use crate::ring::sync::{Ordering, SharedWords};
use crate::stamped;
use crate::topology::RingId;
use crate::types::{Nanos, Role, byte_code};

/// Fences that a gateway's status echoes.
pub const FENCE_ECHOES: usize = 8;
/// Checkpoints kept for comparison.
pub const CHECKPOINTS: usize = 8;
/// Gating cursors of one process.
pub const GATING_CURSORS: usize = 16;
/// Reader positions of one process.
pub const READER_POSITIONS: usize = 16;
/// Words of the region's body.
pub const STATUS_WORDS: usize = 1872;

byte_code! {
    /// What a process says of itself.
    ProcessState {
        /// Attaching regions, opening files and sockets.
        Starting = 1,
        /// Rebuilding its state: replay, re-request, reconcile.
        Recovering = 2,
        /// In its duty cycle.
        Running = 3,
        /// Flushing after a stop.
        Stopping = 4,
        /// Finished in order.
        Stopped = 5,
        /// Gave up; the reason is in its log.
        Failed = 6,
    }
}

mod word {
    pub const HEARTBEAT_NS: usize = 0;
    pub const PROGRESS: usize = 1;
    pub const STATE: usize = 2;
    pub const EPOCH: usize = 3;
    pub const PID: usize = 4;
    pub const ARMED: usize = 5;
    pub const ALLOCATIONS: usize = 6;
    pub const LAST_CONTROL: usize = 7;
    pub const KILL_ECHO: usize = 8;
    pub const FENCES: usize = 16;
    pub const CHECKPOINTS: usize = 48;
    pub const CURSORS: usize = 80;
    pub const POSITIONS: usize = 208;
    pub const COUNTERS: usize = 336;
}

/// Words of a stamped group here: stamp and three.
const GROUP: usize = 4;
/// Words of a cache line.
const LINE: usize = 8;

const FIELDS: &[Field] = &[
    ("heartbeat_ns", word::HEARTBEAT_NS, 1),
    ("progress", word::PROGRESS, 1),
    ("state", word::STATE, 1),
    ("epoch", word::EPOCH, 1),
    ("pid", word::PID, 1),
    ("armed", word::ARMED, 1),
    ("allocations_after_start", word::ALLOCATIONS, 1),
    ("last_control_sequence", word::LAST_CONTROL, 1),
    ("kill_echo stamp generation echoed_ns journal_sequence", word::KILL_ECHO, GROUP),
    ("fence_echoes stamp role_index epoch journal_sequence", word::FENCES, GROUP * FENCE_ECHOES),
    ("checkpoints stamp gateway journal_sequence state_hash", word::CHECKPOINTS, GROUP * CHECKPOINTS),
    ("gating_cursors sequence", word::CURSORS, LINE * GATING_CURSORS),
    ("reader_positions ring_id next_sequence laps missed", word::POSITIONS, LINE * READER_POSITIONS),
    ("counters value label", word::COUNTERS, COUNTER_TABLE_WORDS),
];

/// Layout hash of the status region.
pub const LAYOUT_HASH: u64 = page_hash("status", FIELDS);

const _: () = {
    assert!(fields_fit(FIELDS, STATUS_WORDS));
    assert!(word::KILL_ECHO * 8 == 64);
    assert!(word::FENCES * 8 == 128);
    assert!(word::CHECKPOINTS * 8 == 384);
    assert!(word::CURSORS * 8 == 640);
    assert!(word::POSITIONS * 8 == 1664);
    assert!(word::COUNTERS * 8 == 2688);
    assert!(STATUS_WORDS * 8 == 14_976 && word::COUNTERS + COUNTER_TABLE_WORDS == STATUS_WORDS);
    // A cursor that a ring's writer polls shares its line with nothing.
    assert!(word::CURSORS.is_multiple_of(LINE) && word::POSITIONS.is_multiple_of(LINE));
};

/// What a process last saw on the kill page.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct KillEcho {
    /// [`crate::kill_page::KillReader::generation`] as it saw it; 0 = not killed.
    pub generation: u64,
    /// When it saw it.
    pub echoed_ns: Nanos,
    /// Gateway: sequence of the journal record of the change; everything handed to a socket lies before it. Else 0.
    pub journal_sequence: u64,
}

/// A fence that a gateway journaled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FenceEcho {
    /// Role fenced.
    pub role: Role,
    /// Its index.
    pub index: u8,
    /// Its new epoch: older orders are refused from the record on.
    pub epoch: u64,
    /// Sequence of the journal's Fence record.
    pub journal_sequence: u64,
}

/// State hash at a checkpoint of a gateway's journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StateCheckpoint {
    /// Index of the gateway whose journal it is.
    pub gateway: u8,
    /// Sequence of the Checkpoint record.
    pub journal_sequence: u64,
    /// Canonical hash of this process's orders state there.
    pub state_hash: u64,
}

/// How far a reader is in a ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReaderPosition {
    /// The ring.
    pub ring: RingId,
    /// Next sequence that it will read.
    pub next_sequence: u64,
    /// Times that it was lapped.
    pub laps: u64,
    /// Messages that it missed by laps.
    pub missed: u64,
}

/// The owner's view: one per process, which is why it cannot be cloned; counters and cursors can be handed out.
#[derive(Debug)]
pub struct StatusWriter {
    words: SharedWords,
    counters: CounterTable,
    checkpoints: usize,
    fences: usize,
}

impl StatusWriter {
    /// Takes the region over for a new life of the process: clears all but the gating cursors, state `Starting`.
    ///
    /// # Panics
    /// When `body` is not [`STATUS_WORDS`] long or not writable.
    #[must_use]
    pub fn start(body: &SharedWords, epoch: u64, pid: u32, now: Nanos) -> Self {
        assert_eq!(body.len(), STATUS_WORDS, "a status region's body");
        // Groups are emptied under their stamps, which go on counting: a reader in the middle of one must notice.
        for first in (0..FENCE_ECHOES).map(fence_word).chain((0..CHECKPOINTS).map(checkpoint_word)) {
            stamped::write(body, first, &[0; GROUP - 1]);
        }
        stamped::write(body, word::KILL_ECHO, &[0; GROUP - 1]);
        for index in (0..word::KILL_ECHO).chain(word::POSITIONS..STATUS_WORDS) {
            body.store(index, 0, Ordering::Relaxed);
        }
        let counters = CounterTable::new(body.slice(word::COUNTERS, COUNTER_TABLE_WORDS));
        let writer = Self { words: body.clone(), counters, checkpoints: 0, fences: 0 };
        writer.store(word::PID, u64::from(pid));
        writer.heartbeat(now);
        writer.set_state(ProcessState::Starting);
        writer.words.store(word::EPOCH, epoch, Ordering::Release);
        writer
    }

    fn store(&self, index: usize, value: u64) {
        self.words.store(index, value, Ordering::Relaxed);
    }

    /// The duty cycle ran at `now`.
    pub fn heartbeat(&self, now: Nanos) {
        self.store(word::HEARTBEAT_NS, now.0);
    }

    /// Work was done.
    pub fn add_progress(&self, work_count: u64) {
        let done = self.words.load(word::PROGRESS, Ordering::Relaxed);
        self.store(word::PROGRESS, done.wrapping_add(work_count));
    }

    /// The process's state; release, so that what led to it is seen with it.
    pub fn set_state(&self, state: ProcessState) {
        self.words.store(word::STATE, state as u64, Ordering::Release);
    }

    /// Whether it may open orders.
    pub fn set_armed(&self, armed: bool) {
        self.words.store(word::ARMED, u64::from(armed), Ordering::Release);
    }

    /// Allocations since the duty cycle began; anything but 0 is a finding.
    pub fn set_allocations_after_start(&self, count: u64) {
        self.store(word::ALLOCATIONS, count);
    }

    /// The last `control` message that it acted on.
    pub fn set_last_control_sequence(&self, sequence: u64) {
        self.words.store(word::LAST_CONTROL, sequence, Ordering::Release);
    }

    /// It saw this kill generation, and sends nothing any more (0: it was released).
    pub fn echo_kill(&self, echo: KillEcho) {
        let payload = [echo.generation, echo.echoed_ns.0, echo.journal_sequence];
        stamped::write(&self.words, word::KILL_ECHO, &payload);
    }

    /// A gateway journaled a fence. The newest fence of each (role, index) is kept; beyond [`FENCE_ECHOES`] of them the
    /// oldest place is reused.
    pub fn echo_fence(&mut self, fence: FenceEcho) {
        let identity = fence.role as u64 | u64::from(fence.index) << 8;
        let place = (0..self.fences.min(FENCE_ECHOES))
            .find(|&place| self.words.load(fence_word(place) + 1, Ordering::Relaxed) == identity)
            .unwrap_or_else(|| {
                self.fences += 1;
                (self.fences - 1) % FENCE_ECHOES
            });
        stamped::write(&self.words, fence_word(place), &[identity, fence.epoch, fence.journal_sequence]);
    }

    /// Publishes the state hash at a checkpoint (sequences begin at 1); the last [`CHECKPOINTS`] are kept.
    pub fn publish_checkpoint(&mut self, checkpoint: StateCheckpoint) {
        let place = self.checkpoints % CHECKPOINTS;
        self.checkpoints += 1;
        let payload = [u64::from(checkpoint.gateway), checkpoint.journal_sequence, checkpoint.state_hash];
        stamped::write(&self.words, checkpoint_word(place), &payload);
    }

    /// The gating cursor in `slot`, a view of one word: for the ring reader that stores the last sequence consumed.
    ///
    /// # Panics
    /// When `slot` is not below [`GATING_CURSORS`].
    #[must_use]
    pub fn cursor_words(&self, slot: usize) -> SharedWords {
        cursor_words(&self.words, slot)
    }

    /// How far it is in a ring, for tools; each word is fresh by itself.
    ///
    /// # Panics
    /// When `slot` is not below [`READER_POSITIONS`].
    pub fn set_position(&self, slot: usize, position: &ReaderPosition) {
        assert!(slot < READER_POSITIONS, "reader position {slot} of {READER_POSITIONS}");
        let first = word::POSITIONS + slot * LINE;
        self.store(first + 1, position.next_sequence);
        self.store(first + 2, position.laps);
        self.store(first + 3, position.missed);
        self.store(first, u64::from(position.ring.to_u32()));
    }

    /// A second view for the loop around the duty cycle, which stores heartbeat, progress, state and the allocation count
    /// and nothing else; echoes and checkpoints stay with the first view, which knows their places.
    #[must_use]
    pub fn loop_view(&self) -> Self {
        Self { words: self.words.clone(), counters: self.counters.clone(), checkpoints: 0, fences: 0 }
    }

    /// The counter table.
    #[must_use]
    pub const fn counters(&self) -> &CounterTable {
        &self.counters
    }

    /// A reader's view of the same words.
    #[must_use]
    pub fn reader(&self) -> StatusReader {
        StatusReader::new(&self.words)
    }
}

const fn fence_word(place: usize) -> usize {
    word::FENCES + place * GROUP
}

const fn checkpoint_word(place: usize) -> usize {
    word::CHECKPOINTS + place * GROUP
}

fn cursor_words(words: &SharedWords, slot: usize) -> SharedWords {
    assert!(slot < GATING_CURSORS, "gating cursor {slot} of {GATING_CURSORS}");
    words.slice(word::CURSORS + slot * LINE, 1)
}
