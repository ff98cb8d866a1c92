//! Cursors of gating readers, as the writer sees them: how far it may go before it would overwrite an unread message.
//!
//! A cursor is one word in a region that the reader owns: the last sequence that it has consumed. A wrong cursor can
//! hold the writer back or lose that reader's own messages; it never harms another reader.

use super::sync::{Ordering, SharedWords};

/// A gating reader.
#[derive(Clone, Debug)]
pub struct Gate {
    /// One word, written by the reader: the last sequence consumed.
    pub cursor: SharedWords,
    /// One word, written by the supervisor: non-zero = the reader is proven dead, ignore it. A reader that returns sets
    /// its cursor before it is unparked, and the writer may by then be a whole ring beyond it.
    pub parked: Option<SharedWords>,
}

impl Gate {
    fn is_parked(&self) -> bool {
        self.parked.as_ref().is_some_and(|word| word.load(0, Ordering::Acquire) != 0)
    }
}

/// The gates of a writer, and the limit that was computed from them last.
#[derive(Debug)]
pub(super) struct Gates {
    gates: Vec<Gate>,
    slots: u64,
    /// Greatest sequence that may be published before the cursors must be read again.
    limit: u64,
}

impl Gates {
    /// No gates: nothing holds the writer back.
    pub const fn new(slots: u64) -> Self {
        Self { gates: Vec::new(), slots, limit: u64::MAX }
    }

    /// Adds a gate and reads all cursors.
    pub fn add(&mut self, gate: Gate, published: u64) {
        assert!(!gate.cursor.is_empty(), "a gate's cursor is one word");
        assert!(gate.parked.as_ref().is_none_or(|word| !word.is_empty()), "a gate's parked flag is one word");
        self.gates.push(gate);
        self.refresh(published);
    }

    /// Slots free by the limit last computed: never more than are truly free, unless a gate was just unparked. Without
    /// gates a number far above any count of slots.
    #[inline(always)]
    pub const fn free_cached(&self, published: u64) -> u64 {
        self.limit.saturating_sub(published)
    }

    /// Reads every cursor and returns the slots free now. A parked gate counts as having consumed all; so does, for what
    /// it could still lose, a cursor beyond the last published message.
    #[cold]
    pub fn refresh(&mut self, published: u64) -> u64 {
        let open = self.gates.iter().filter(|gate| !gate.is_parked());
        let consumed = open.map(|gate| gate.cursor.load(0, Ordering::Acquire)).min();
        self.limit = match consumed {
            _ if self.gates.is_empty() => u64::MAX,
            Some(consumed) => consumed.min(published) + self.slots,
            None => published + self.slots,
        };
        self.free_cached(published)
    }
}
