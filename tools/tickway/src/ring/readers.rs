//! The readers of a ring, as their own status regions tell: where they stand, and what they missed.

use crate::place::Place;
use crate::regions::{Regions, RingRegion};
use runtime::ports::wiring;
use serde_json::{Value, json};
use shm_layout::control_page::RecorderMode;
use shm_layout::ring::sync::Ordering;
use shm_layout::topology::Attach;
use shm_layout::types::Role;

/// A reader of a ring.
#[derive(Clone, Debug)]
pub struct Reader {
    /// Its role.
    pub role: Role,
    /// Its index.
    pub index: u8,
    /// Whether the writer waits for it.
    pub gating: bool,
    /// Next sequence that it will read; `None` when it does not say.
    pub next_sequence: Option<u64>,
    /// Times that it was lapped.
    pub laps: u64,
    /// Messages that it missed by laps.
    pub missed: u64,
    /// Proven dead: the writer no longer waits for it.
    pub parked: bool,
}

impl Reader {
    /// `risk/0`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.role.folder(), self.index)
    }

    /// Messages published that it has not read.
    #[must_use]
    pub fn lag(&self, published: u64) -> Option<u64> {
        self.next_sequence.map(|next| published.saturating_sub(next.saturating_sub(1)))
    }

    /// As JSON.
    #[must_use]
    pub fn to_json(&self, published: u64) -> Value {
        json!({
            "role": self.role.folder(),
            "index": self.index,
            "attach": if self.gating { "gating" } else { "tap" },
            "next_sequence": self.next_sequence,
            "lag": self.lag(published),
            "laps": self.laps,
            "missed": self.missed,
            "parked": self.parked,
        })
    }
}

/// The readers of a ring; none for a copied file, beside which no status region lies.
#[must_use]
pub fn readers(place: Option<&Place>, regions: &Regions, ring: &RingRegion) -> Vec<Reader> {
    let counts = regions.counts();
    let control = place.and_then(Place::control);
    let recorder_gates = control.is_some_and(|page| page.recorder_mode() == RecorderMode::Gating);
    let reader = |(role, index, attach): (Role, u8, Attach)| {
        let position = regions.process(role, index)?.status.positions().find(|position| position.ring == ring.id);
        let consumed = regions.gating_cursor(role, index, recorder_gates, ring.id);
        let slot = wiring::roster_slot(counts, role, index);
        let parked =
            control.zip(slot).is_some_and(|(page, slot)| page.parked_word(slot).load(0, Ordering::Acquire) != 0);
        Some(Reader {
            role,
            index,
            gating: attach == Attach::Gating,
            next_sequence: consumed.map(|last| last + 1).or(position.map(|position| position.next_sequence)),
            laps: position.map_or(0, |position| position.laps),
            missed: position.map_or(0, |position| position.missed),
            parked: parked && attach == Attach::Gating,
        })
    };
    wiring::readers(counts, recorder_gates, ring.id).into_iter().filter_map(reader).collect()
}

/// Messages that the slowest reader who may hold the writer back has not consumed; `None` when nobody may.
#[must_use]
pub fn depth(published: u64, readers: &[Reader]) -> Option<u64> {
    readers.iter().filter(|reader| reader.gating && !reader.parked).filter_map(|reader| reader.lag(published)).max()
}
