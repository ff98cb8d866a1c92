//! What risk shows of itself: counters and ring positions, about once a millisecond.

use crate::counters::Counters;
use crate::machine::Risk;
use shm_layout::counters::CounterTable;
use shm_layout::status::{READER_POSITIONS, ReaderPosition, StatusWriter};
use shm_layout::types::{Nanos, RejectReason};

/// Least time between two publications.
const INTERVAL_NS: u64 = 1_000_000;

/// A label of the machine's counters, and how its value is read.
type Counted = (&'static str, fn(&Counters) -> u64);

/// The machine's counters. Those of the reject reasons come last.
const COUNTED: [Counted; 13] = [
    ("approved", |counters| counters.approved),
    ("cancels", |counters| counters.cancels),
    ("rejected", Counters::rejected_total),
    ("malformed", |counters| counters.malformed),
    ("misidentified", |counters| counters.misidentified),
    ("already_forwarded", |counters| counters.already_forwarded),
    ("executions", |counters| counters.executions),
    ("executions_repeated", |counters| counters.executions_repeated),
    ("unattributed", |counters| counters.unattributed),
    ("adopted", |counters| counters.adopted),
    ("no_room", |counters| counters.no_room),
    ("foreign_rejects", |counters| counters.foreign_rejects),
    ("fold_errors", |counters| counters.fold_errors),
];

/// Labels of the shell's own counters, after the machine's.
const OWN: [&str; 6] =
    ["risk_sequence", "live_orders", "killed_generation", "intents_missed", "checkpoints", "checkpoint_mismatches"];

/// Risk's own reject reasons.
fn reasons() -> impl Iterator<Item = RejectReason> {
    RejectReason::ALL.iter().copied().filter(|reason| (1..32).contains(&(*reason as u8)))
}

/// When it publishes next, and what only the shell counts.
#[derive(Debug)]
pub(super) struct Board {
    due_at: Nanos,
    checkpoints: u64,
    mismatches: u64,
}

impl Board {
    /// Names every counter.
    pub(super) fn new(counters: &CounterTable) -> Self {
        let labels = COUNTED.iter().map(|(label, _)| (*label).to_owned()).chain(OWN.map(str::to_owned));
        let labels = labels.chain(reasons().map(|reason| format!("rejected.{}", reason.name())));
        labels.enumerate().for_each(|(index, label)| counters.define(index, &label));
        Self { due_at: Nanos(0), checkpoints: 0, mismatches: 0 }
    }

    /// Counts a checkpoint that was compared with the gateway's hash.
    pub(super) fn on_checkpoint(&mut self, agrees: bool) {
        self.checkpoints += 1;
        self.mismatches += u64::from(!agrees);
    }

    /// True once per interval.
    pub(super) fn is_due(&mut self, now: Nanos) -> bool {
        let due = now >= self.due_at;
        if due {
            self.due_at = now.plus(INTERVAL_NS);
        }
        due
    }

    /// Stores everything.
    pub(super) fn publish(
        &self,
        status: &StatusWriter,
        machine: &Risk,
        missed: u64,
        positions: impl Iterator<Item = ReaderPosition>,
    ) {
        let (table, counters) = (status.counters(), machine.counters());
        let counted = COUNTED.iter().map(|(_, read)| read(counters));
        let live_orders = machine.orders().table().live_count() as u64;
        let generation = status.reader().kill_echo().map_or(0, |echo| echo.generation);
        let own =
            [machine.risk_sequence(), live_orders, generation, missed, self.checkpoints, self.mismatches].into_iter();
        let rejected = reasons().map(|reason| counters.rejected_for(reason));
        counted.chain(own).chain(rejected).enumerate().for_each(|(index, value)| table.set(index, value));
        positions.take(READER_POSITIONS).enumerate().for_each(|(slot, position)| status.set_position(slot, &position));
    }
}
