//! What the gateway shows of itself: counters and ring positions, about once a millisecond; `open_orders` at once.

use super::outlet::Outlet;
use crate::counters::Counters;
use crate::machine::Gateway;
use shm_layout::counters::CounterTable;
use shm_layout::status::ReaderPosition;
use shm_layout::types::{Nanos, OrdStatus, RejectReason};

/// Least time between two publications.
const INTERVAL_NS: u64 = 1_000_000;
/// Publications between two counts of the unknown orders, which look at every live order.
const UNKNOWN_EVERY: u64 = 64;

/// A label of the machine's counters, and how its value is read.
type Counted = (&'static str, fn(&Counters) -> u64);

/// Place of the one counter that a stop waits on.
const OPEN_ORDERS: usize = 0;

/// The shell's own labels, first.
const OWN: [&str; 5] = ["open_orders", "session_state", "journal_sequence", "durable_sequence", "unknown_orders"];

/// The machine's counters. Those of the reject reasons come last.
const COUNTED: [Counted; 31] = [
    ("orders_sent", |c| c.orders_sent),
    ("replaces_sent", |c| c.replaces_sent),
    ("cancels_sent", |c| c.cancels_sent),
    ("mass_cancels_sent", |c| c.mass_cancels_sent),
    ("own_cancels", |c| c.own_cancels),
    ("accepted", |c| c.accepted),
    ("canceled", |c| c.canceled),
    ("replaced", |c| c.replaced),
    ("fills", |c| c.fills),
    ("broken", |c| c.broken),
    ("rejected", Counters::rejected_total),
    ("not_sent", |c| c.not_sent),
    ("adopted", |c| c.adopted),
    ("illegal", |c| c.illegal),
    ("anomalies", |c| c.anomalies),
    ("in_doubt", |c| c.in_doubt),
    ("unresolved", |c| c.unresolved),
    ("voided", |c| c.voided),
    ("fold_errors", |c| c.fold_errors),
    ("unattributed", |c| c.unattributed),
    ("misidentified", |c| c.misidentified),
    ("malformed", |c| c.malformed_entries + c.malformed_messages),
    ("logins", |c| c.logins),
    ("logins_refused", |c| c.logins_refused),
    ("disconnects", |c| c.disconnects),
    ("unreconcilable", |c| c.unreconcilable),
    ("unanswered", |c| c.unanswered),
    ("kills", |c| c.kills),
    ("leases_lost", |c| c.leases_lost),
    ("fences", |c| c.fences),
    ("checkpoints", |c| c.checkpoints),
];

fn reasons() -> impl Iterator<Item = RejectReason> {
    RejectReason::ALL.iter().copied().filter(|reason| *reason != RejectReason::None)
}

/// When it publishes next.
#[derive(Debug)]
pub(super) struct Board {
    due_at: Nanos,
    published: u64,
    open_orders: u64,
    unknown_orders: u64,
    /// It was said that the venue refuses.
    refusal_told: bool,
}

impl Board {
    /// Names every counter.
    pub(super) fn new(counters: &CounterTable) -> Self {
        let labels = OWN.into_iter().chain(COUNTED.iter().map(|(label, _)| *label)).map(str::to_owned);
        let labels = labels.chain(reasons().map(|reason| format!("rejected.{}", reason.name())));
        labels.enumerate().for_each(|(index, label)| counters.define(index, &label));
        Self { due_at: Nanos(0), published: 0, open_orders: 0, unknown_orders: 0, refusal_told: false }
    }

    /// Stores the open orders when they changed, and everything else when it is due or `now_or_never`.
    pub(super) fn show(
        &mut self,
        now: Nanos,
        machine: &Gateway,
        outlet: &Outlet,
        positions: impl Iterator<Item = ReaderPosition>,
        now_or_never: bool,
    ) {
        let open_orders = machine.orders().live_count() as u64;
        if open_orders != self.open_orders {
            self.open_orders = open_orders;
            outlet.status.counters().set(OPEN_ORDERS, open_orders);
        }
        if now < self.due_at && !now_or_never {
            return;
        }
        self.due_at = now.plus(INTERVAL_NS);
        if self.published.is_multiple_of(UNKNOWN_EVERY) || now_or_never {
            let unknown = machine.orders().live().filter(|(_, order)| order.ord_status() == OrdStatus::Unknown);
            self.unknown_orders = unknown.count() as u64;
        }
        self.published += 1;
        let session_state = u64::from(machine.session.is_logged_in()) + u64::from(machine.session_open());
        let durable = outlet.tail.durable_sequence();
        let own = [open_orders, session_state, machine.journal_sequence(), durable, self.unknown_orders];
        let counters = machine.counters();
        self.tell_of_refusals(counters);
        let counted = COUNTED.iter().map(|(_, read)| read(counters));
        let rejected = reasons().map(|reason| counters.rejected_for(reason));
        let table = outlet.status.counters();
        own.into_iter().chain(counted).chain(rejected).enumerate().for_each(|(index, value)| table.set(index, value));
        positions.enumerate().for_each(|(slot, position)| outlet.status.set_position(slot, &position));
    }

    /// Says that the venue refuses logins or answers nothing: once, not at each attempt; the counters tell the rest.
    fn tell_of_refusals(&mut self, counters: &Counters) {
        let refused = counters.logins_refused + counters.unreconcilable + counters.unanswered;
        if refused > 0 && !self.refusal_told {
            self.refusal_told = true;
            tracing::warn!(
                logins_refused = counters.logins_refused,
                unreconcilable = counters.unreconcilable,
                unanswered = counters.unanswered,
                "the venue opens no session; check username, password and session, it is tried again ever more seldom"
            );
        }
    }
}
