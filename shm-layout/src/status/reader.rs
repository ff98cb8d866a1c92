//! The status region as everyone but its owner sees it.
//!
//! It never stores, never waits without bound, and takes no word for granted: a code that is none of its table's is `None`.

use super::{
    CHECKPOINTS, FENCE_ECHOES, FenceEcho, GROUP, KillEcho, LINE, ProcessState, READER_POSITIONS, ReaderPosition,
    STATUS_WORDS, StateCheckpoint, checkpoint_word, cursor_words, fence_word, word,
};
use crate::counters::{COUNTER_TABLE_WORDS, CounterTable};
use crate::ring::sync::{Ordering, SharedWords};
use crate::stamped;
use crate::topology::RingId;
use crate::types::{Nanos, Role};

/// Everyone else's view: loads only, tolerant of garbage.
#[derive(Clone, Debug)]
pub struct StatusReader {
    words: SharedWords,
}

impl StatusReader {
    /// A reader of `body`.
    ///
    /// # Panics
    /// When `body` is not [`STATUS_WORDS`] long.
    #[must_use]
    pub fn new(body: &SharedWords) -> Self {
        assert_eq!(body.len(), STATUS_WORDS, "a status region's body");
        Self { words: body.read_only() }
    }

    fn load(&self, index: usize) -> u64 {
        self.words.load(index, Ordering::Acquire)
    }

    /// Last time that the duty cycle ran.
    #[must_use]
    pub fn heartbeat(&self) -> Nanos {
        Nanos(self.load(word::HEARTBEAT_NS))
    }

    /// Work done so far.
    #[must_use]
    pub fn progress(&self) -> u64 {
        self.load(word::PROGRESS)
    }

    /// The state; `None` when never started or garbage.
    #[must_use]
    pub fn state(&self) -> Option<ProcessState> {
        u8::try_from(self.load(word::STATE)).ok().and_then(ProcessState::from_u8)
    }

    /// Restart epoch.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.load(word::EPOCH)
    }

    /// Process id; 0 = never started or garbage.
    #[must_use]
    pub fn pid(&self) -> u32 {
        u32::try_from(self.load(word::PID)).unwrap_or(0)
    }

    /// Whether it may open orders: exactly 1 says so.
    #[must_use]
    pub fn armed(&self) -> bool {
        self.load(word::ARMED) == 1
    }

    /// Allocations since the duty cycle began.
    #[must_use]
    pub fn allocations_after_start(&self) -> u64 {
        self.load(word::ALLOCATIONS)
    }

    /// Last `control` message acted on.
    #[must_use]
    pub fn last_control_sequence(&self) -> u64 {
        self.load(word::LAST_CONTROL)
    }

    /// What it last saw on the kill page; `None` when it never looked, or is writing it.
    #[must_use]
    pub fn kill_echo(&self) -> Option<KillEcho> {
        let [generation, echoed_ns, journal_sequence] = self.group(word::KILL_ECHO)?;
        let echo = KillEcho { generation, echoed_ns: Nanos(echoed_ns), journal_sequence };
        (echo != KillEcho::default()).then_some(echo)
    }

    /// The newest fence of (role, index) that this gateway journaled.
    #[must_use]
    pub fn fence_echo(&self, role: Role, index: u8) -> Option<FenceEcho> {
        self.fence_echoes().find(|fence| fence.role == role && fence.index == index)
    }

    /// Every fence echoed.
    pub fn fence_echoes(&self) -> impl Iterator<Item = FenceEcho> + '_ {
        (0..FENCE_ECHOES).filter_map(|place| {
            let [identity, epoch, journal_sequence] = self.group(fence_word(place))?;
            let role = Role::from_u8(identity as u8)?;
            Some(FenceEcho { role, index: (identity >> 8) as u8, epoch, journal_sequence })
        })
    }

    /// The checkpoints kept, in no order; journal sequence and hash are always of one checkpoint.
    pub fn checkpoints(&self) -> impl Iterator<Item = StateCheckpoint> + '_ {
        (0..CHECKPOINTS).filter_map(|place| {
            let [gateway, journal_sequence, state_hash] = self.group(checkpoint_word(place))?;
            let gateway = u8::try_from(gateway).ok().filter(|_| journal_sequence != 0)?;
            Some(StateCheckpoint { gateway, journal_sequence, state_hash })
        })
    }

    /// The gating cursor in `slot`, a read-only view of one word: for the ring writer's gate.
    ///
    /// # Panics
    /// When `slot` is not below [`GATING_CURSORS`].
    #[must_use]
    pub fn cursor_words(&self, slot: usize) -> SharedWords {
        cursor_words(&self.words, slot)
    }

    /// Where it is in every ring that it reads.
    pub fn positions(&self) -> impl Iterator<Item = ReaderPosition> + '_ {
        (0..READER_POSITIONS).filter_map(|slot| {
            let first = word::POSITIONS + slot * LINE;
            let ring = RingId::from_u32(u32::try_from(self.load(first)).ok()?)?;
            let (next_sequence, laps, missed) = (self.load(first + 1), self.load(first + 2), self.load(first + 3));
            Some(ReaderPosition { ring, next_sequence, laps, missed })
        })
    }

    /// The counter table.
    #[must_use]
    pub fn counters(&self) -> CounterTable {
        CounterTable::new(self.words.slice(word::COUNTERS, COUNTER_TABLE_WORDS))
    }

    /// A stamped group that was written at least once.
    fn group(&self, first: usize) -> Option<[u64; GROUP - 1]> {
        stamped::read(&self.words, first).ok().filter(|&(stamp, _)| stamp != 0).map(|(_, payload)| payload)
    }
}
