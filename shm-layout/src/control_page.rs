//! The control page: what the supervisor alone writes into shared memory, and everyone maps read-only. It holds only what
//! may be lost: a new supervisor adopts it, and everything that must survive lies in files. The boot stamp is in the
//! region's header.
//!
//! Offsets in the body:
//!
//! ```text
//! 0     supervisor         stamp, pid, start_time, epoch
//! 32    clock_anchor       stamp, tsc, ns, mult, shift, reserved ×3    (written once per boot)
//! 96    realtime           stamp, offset_ns i64, sampled_ns, reserved
//! 128   armed_by_operator  u64  bit i: the operator armed strategy i
//! 136   recorder_mode      u8   RecorderMode, in the word's low byte
//! 144   reserved           [u8; 112]
//! 256   roster             [64] × 64: stamp, identity, pid, start_time, epoch, restarts, reserved ×2
//!                          identity: role u8, index u8, state u8, reserved u8, core u32 (u32::MAX = not pinned)
//! 4352  parked             [64] u64: non-zero = the gating cursors of roster entry i are ignored
//! 4864  end
//! ```
//!
//! It never holds a kill word: those are in a file of their own.

use crate::clock_anchor::ClockAnchor;
use crate::layout::{Field, fields_fit, page_hash};
use crate::ring::sync::{Ordering, SharedWords};
use crate::stamped;
use crate::types::{Nanos, Role, byte_code};

/// Processes of an instance.
pub const ROSTER: usize = 64;
/// Words of the region's body.
pub const CONTROL_PAGE_WORDS: usize = 608;

byte_code! {
    /// What the supervisor says of a process.
    RosterState {
        /// Started, has not said that it runs.
        Starting = 1,
        /// Runs.
        Running = 2,
        /// Dead and proven so; waits for its restart.
        Restarting = 3,
        /// Stopped on purpose.
        Stopped = 4,
        /// Died too often: not restarted.
        GivenUp = 5,
    }
}

byte_code! {
    /// How the recorder reads.
    RecorderMode {
        /// No recorder.
        Off = 0,
        /// It may be lapped; a capture with a gap says so.
        Tap = 1,
        /// Writers wait for it.
        Gating = 2,
    }
}

mod word {
    pub const SUPERVISOR: usize = 0;
    pub const ANCHOR: usize = 4;
    pub const REALTIME: usize = 12;
    pub const ARMED: usize = 16;
    pub const RECORDER_MODE: usize = 17;
    pub const ROSTER: usize = 32;
    pub const PARKED: usize = 544;
}

const ENTRY: usize = 8;

const FIELDS: &[Field] = &[
    ("supervisor stamp pid start_time epoch", word::SUPERVISOR, 4),
    ("clock_anchor stamp tsc ns mult shift", word::ANCHOR, 5),
    ("realtime stamp offset_ns sampled_ns", word::REALTIME, 3),
    ("armed_by_operator", word::ARMED, 1),
    ("recorder_mode", word::RECORDER_MODE, 1),
    ("roster stamp role_index_state_core pid start_time epoch restarts", word::ROSTER, ENTRY * ROSTER),
    ("parked", word::PARKED, ROSTER),
];

/// Layout hash of the control page.
pub const LAYOUT_HASH: u64 = page_hash("control_page", FIELDS);

const _: () = {
    assert!(fields_fit(FIELDS, CONTROL_PAGE_WORDS));
    assert!(word::ANCHOR * 8 == 32 && word::REALTIME * 8 == 96 && word::ARMED * 8 == 128);
    assert!(word::ROSTER * 8 == 256 && word::PARKED * 8 == 4352 && CONTROL_PAGE_WORDS * 8 == 4864);
};

/// Identity of a supervisor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SupervisorIdentity {
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot (field 22 of /proc/pid/stat): with the pid it names one process for good.
    pub start_time: u64,
    /// Its restart epoch.
    pub epoch: u64,
}

/// A sample of the distance between the instance's time line and CLOCK_REALTIME.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RealtimeOffset {
    /// CLOCK_REALTIME minus the instance's time, in nanoseconds.
    pub offset_ns: i64,
    /// When it was sampled, on the instance's time line.
    pub sampled_ns: Nanos,
}

/// One process of the instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RosterEntry {
    /// Its role.
    pub role: Role,
    /// Its index.
    pub index: u8,
    /// What the supervisor says of it.
    pub state: RosterState,
    /// The core that it is pinned to; `None` = not pinned.
    pub core: Option<u32>,
    /// Process id; 0 = not running.
    pub pid: u32,
    /// Start time, as in [`SupervisorIdentity`].
    pub start_time: u64,
    /// Restart epoch.
    pub epoch: u64,
    /// Restarts since the instance's boot.
    pub restarts: u64,
}

/// The supervisor's view.
#[derive(Clone, Debug)]
pub struct ControlPage {
    words: SharedWords,
}

impl ControlPage {
    /// A writer over the page's body; changes nothing, so that a new supervisor can adopt what is there.
    ///
    /// # Panics
    /// When `body` is not [`CONTROL_PAGE_WORDS`] long or not writable.
    #[must_use]
    pub fn new(body: &SharedWords) -> Self {
        assert_eq!(body.len(), CONTROL_PAGE_WORDS, "a control page's body");
        assert!(body.is_writable(), "the supervisor needs a writable view");
        Self { words: body.clone() }
    }

    /// A reader of the same words.
    #[must_use]
    pub fn reader(&self) -> ControlPageReader {
        ControlPageReader::new(&self.words)
    }

    /// This supervisor is the writer now.
    pub fn set_supervisor(&self, identity: &SupervisorIdentity) {
        let payload = [u64::from(identity.pid), identity.start_time, identity.epoch];
        stamped::write(&self.words, word::SUPERVISOR, &payload);
    }

    /// Publishes the instance's time line, once per boot: processes hold copies of it.
    ///
    /// # Panics
    /// When an anchor is already published, or `shift` is not below 64.
    pub fn publish_anchor(&self, anchor: &ClockAnchor) {
        assert!(self.reader().anchor().is_none(), "the time line is anchored once; a new supervisor adopts it");
        assert!(anchor.shift < 64, "shift {}", anchor.shift);
        let payload = [anchor.tsc, anchor.ns, anchor.mult, u64::from(anchor.shift)];
        stamped::write(&self.words, word::ANCHOR, &payload);
    }

    /// Publishes a sample of the offset to CLOCK_REALTIME.
    pub fn set_realtime(&self, sample: &RealtimeOffset) {
        stamped::write(&self.words, word::REALTIME, &[sample.offset_ns as u64, sample.sampled_ns.0]);
    }

    /// Which strategies the operator armed, bit by strategy.
    pub fn set_armed_by_operator(&self, bits: u64) {
        self.words.store(word::ARMED, bits, Ordering::Release);
    }

    /// How the recorder reads.
    pub fn set_recorder_mode(&self, mode: RecorderMode) {
        self.words.store(word::RECORDER_MODE, mode as u64, Ordering::Release);
    }

    /// Replaces a roster entry.
    ///
    /// # Panics
    /// When `slot` is not below [`ROSTER`].
    pub fn set_roster(&self, slot: usize, entry: &RosterEntry) {
        assert!(slot < ROSTER, "roster entry {slot} of {ROSTER}");
        let identity = entry.role as u64
            | u64::from(entry.index) << 8
            | (entry.state as u64) << 16
            | u64::from(entry.core.unwrap_or(u32::MAX)) << 32;
        let payload = [identity, entry.pid.into(), entry.start_time, entry.epoch, entry.restarts];
        stamped::write(&self.words, word::ROSTER + slot * ENTRY, &payload);
    }

    /// Parks or unparks the gating cursors of roster entry `slot`. Parked only after proof of death.
    ///
    /// # Panics
    /// When `slot` is not below [`ROSTER`].
    pub fn set_parked(&self, slot: usize, parked: bool) {
        assert!(slot < ROSTER, "parked word {slot} of {ROSTER}");
        self.words.store(word::PARKED + slot, u64::from(parked), Ordering::Release);
    }
}

/// Everyone else's view: loads only, tolerant of garbage.
#[derive(Clone, Debug)]
pub struct ControlPageReader {
    words: SharedWords,
}

impl ControlPageReader {
    /// A reader of the page's body.
    ///
    /// # Panics
    /// When `body` is not [`CONTROL_PAGE_WORDS`] long.
    #[must_use]
    pub fn new(body: &SharedWords) -> Self {
        assert_eq!(body.len(), CONTROL_PAGE_WORDS, "a control page's body");
        Self { words: body.read_only() }
    }

    /// The supervisor; `None` when there was none yet, or it is being written.
    #[must_use]
    pub fn supervisor(&self) -> Option<SupervisorIdentity> {
        let [pid, start_time, epoch] = self.group(word::SUPERVISOR)?;
        Some(SupervisorIdentity { pid: u32::try_from(pid).ok()?, start_time, epoch })
    }

    /// The instance's time line; `None` before it is published.
    #[must_use]
    pub fn anchor(&self) -> Option<ClockAnchor> {
        let [tsc, ns, mult, shift] = self.group(word::ANCHOR)?;
        let shift = u32::try_from(shift).ok().filter(|&shift| shift < 64)?;
        Some(ClockAnchor { tsc, ns, mult, shift })
    }

    /// The last sample of the offset to CLOCK_REALTIME.
    #[must_use]
    pub fn realtime(&self) -> Option<RealtimeOffset> {
        let [offset, sampled] = self.group(word::REALTIME)?;
        Some(RealtimeOffset { offset_ns: offset as i64, sampled_ns: Nanos(sampled) })
    }

    /// Whether the operator armed strategy `index`; never over index 63.
    #[must_use]
    pub fn armed_by_operator(&self, index: u8) -> bool {
        index < 64 && self.words.load(word::ARMED, Ordering::Acquire) >> index & 1 == 1
    }

    /// How the recorder reads; `Off` for garbage.
    #[must_use]
    pub fn recorder_mode(&self) -> RecorderMode {
        let word = self.words.load(word::RECORDER_MODE, Ordering::Acquire);
        u8::try_from(word).ok().and_then(RecorderMode::from_u8).unwrap_or(RecorderMode::Off)
    }

    /// A roster entry; `None` when vacant, out of range, being written, or garbage.
    #[must_use]
    pub fn roster_entry(&self, slot: usize) -> Option<RosterEntry> {
        if slot >= ROSTER {
            return None;
        }
        let [identity, pid, start_time, epoch, restarts] = self.group(word::ROSTER + slot * ENTRY)?;
        let [role, index, state, ..] = identity.to_le_bytes();
        let core = (identity >> 32) as u32;
        Some(RosterEntry {
            role: Role::from_u8(role)?,
            index,
            state: RosterState::from_u8(state)?,
            core: (core != u32::MAX).then_some(core),
            pid: u32::try_from(pid).ok()?,
            start_time,
            epoch,
            restarts,
        })
    }

    /// Every process, with its roster slot.
    pub fn roster(&self) -> impl Iterator<Item = (usize, RosterEntry)> + '_ {
        (0..ROSTER).filter_map(|slot| Some((slot, self.roster_entry(slot)?)))
    }

    /// The parked word of roster entry `slot`, a read-only view of one word: for a ring writer's gate.
    ///
    /// # Panics
    /// When `slot` is not below [`ROSTER`].
    #[must_use]
    pub fn parked_word(&self, slot: usize) -> SharedWords {
        assert!(slot < ROSTER, "parked word {slot} of {ROSTER}");
        self.words.slice(word::PARKED + slot, 1)
    }

    fn group<const N: usize>(&self, first: usize) -> Option<[u64; N]> {
        stamped::read(&self.words, first).ok().filter(|&(stamp, _)| stamp != 0).map(|(_, payload)| payload)
    }
}
