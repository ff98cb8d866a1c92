//! What a strategy shows of itself: counters, about once a millisecond.

use super::market::MarketInput;
use crate::config::Settings;
use crate::machine::StrategyMachine;
use shm_layout::counters::{COUNTERS, CounterTable};
use shm_layout::status::StatusWriter;
use shm_layout::types::{InstrumentId, Nanos};

/// Least time between two publications.
const INTERVAL_NS: u64 = 1_000_000;

/// Labels of the counters that are not an instrument's.
const LABELS: [&str; 14] = [
    "armed",
    "intents",
    "new_orders",
    "cancels",
    "replaces",
    "fills",
    "rejects",
    "cancel_rejects",
    "live_orders",
    "reloads",
    "laps",
    "malformed",
    "ids_exhausted",
    "fold_errors",
];

/// Labels of an instrument's counters, before its symbol: the position is an `i64` in two's complement; bought and sold
/// stop at the largest `u64`. All in 1e-8 units.
const OF_INSTRUMENT: [&str; 3] = ["position", "bought", "sold"];

const _: () = assert!(LABELS.len() + crate::config::INSTRUMENTS_MAX * OF_INSTRUMENT.len() <= COUNTERS);

/// When it publishes next, and for which instruments.
#[derive(Debug)]
pub(super) struct Board {
    due_at: Nanos,
    strategy_id: u16,
    instruments: Vec<InstrumentId>,
}

impl Board {
    /// Names every counter; `symbol` of an instrument.
    pub(super) fn new<'a>(
        counters: &CounterTable,
        settings: &Settings,
        symbol: impl Fn(InstrumentId) -> &'a str,
    ) -> Self {
        let of_instrument =
            |id: &InstrumentId| OF_INSTRUMENT.map(|label| format!("{label}.{}", symbol(*id))).into_iter();
        let labels = LABELS.map(str::to_owned).into_iter().chain(settings.instruments.iter().flat_map(of_instrument));
        labels.enumerate().for_each(|(index, label)| counters.define(index, &label));
        Self { due_at: Nanos(0), strategy_id: settings.strategy_id, instruments: settings.instruments.clone() }
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
    pub(super) fn publish(&self, status: &StatusWriter, machine: &StrategyMachine, market: &MarketInput, intents: u64) {
        let (table, counted) = (status.counters(), machine.counters());
        let [laps, malformed] = market.faults();
        let values: [u64; LABELS.len()] = [
            u64::from(machine.is_armed()),
            intents,
            counted.orders,
            counted.cancels,
            counted.replaces,
            counted.fills,
            counted.rejects,
            counted.cancel_rejects,
            machine.orders().table().live_count() as u64,
            counted.reloads,
            laps,
            malformed,
            counted.ids_exhausted,
            counted.fold_errors,
        ];
        values.into_iter().enumerate().for_each(|(index, value)| table.set(index, value));
        let saturated = |qty: i128| u64::try_from(qty).unwrap_or(if qty < 0 { 0 } else { u64::MAX });
        for (slot, id) in self.instruments.iter().enumerate() {
            let position = machine.orders().position(self.strategy_id, *id);
            let first = LABELS.len() + slot * OF_INSTRUMENT.len();
            table.set(first, position.qty.0 as u64);
            table.set(first + 1, saturated(position.bought_qty));
            table.set(first + 2, saturated(position.sold_qty));
        }
    }
}
