//! The workloads: the product's own code under the work of a busy moment, as plain code that both the wall clock and the
//! instruction counter run.
//!
//! Inputs are made once, from a seed, outside of what is measured; every workload's checksum depends on each result. They
//! call the crates' public interfaces only, so they cost what a caller pays.

pub mod book;
pub mod codec;
pub mod flow;
pub mod journal;
pub mod limits;
pub mod replay;
pub mod risk;
pub mod seed;
pub mod tick_to_order;

use crate::micro::Workload;

/// A workload's name and how it is made.
pub type Entry = (&'static str, fn() -> Box<dyn Workload>);

/// Every workload that needs nothing but memory: the names are those of `budgets.toml`.
pub const ALL: &[Entry] = &[
    ("itch_decode", || Box::new(codec::ItchDecode::generated())),
    ("moldudp64_walk", || Box::new(codec::MoldWalk::new())),
    ("ouch_encode", || Box::new(codec::OuchEncode::new())),
    ("ouch_decode", || Box::new(codec::OuchDecode::new())),
    ("book_hot", || Box::new(book::BookWork::new(&flow::Flow::hot()))),
    ("book_many", || Box::new(book::BookWork::new(&flow::Flow::many()))),
    ("risk_intent", || Box::new(risk::RiskWork::new())),
    ("journal_append", || Box::new(journal::Append::new())),
    ("journal_scan", || Box::new(replay::Scan::new())),
    ("state_rebuild", || Box::new(replay::RebuildState::new())),
    ("tick_to_order", || Box::new(tick_to_order::TickToOrder::new())),
];

/// The workload of a name.
#[must_use]
pub fn find(name: &str) -> Option<Box<dyn Workload>> {
    ALL.iter().find(|(found, _)| *found == name).map(|(_, make)| make())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_repeats_its_work() {
        for (name, make) in ALL {
            let sums = || {
                let mut workload = make();
                assert!(workload.operations() > 0, "{name} does nothing");
                let pass = |_| {
                    workload.prepare();
                    workload.pass()
                };
                (0..3).map(pass).collect::<Vec<_>>()
            };
            let first = sums();
            assert!(first.iter().any(|sum| *sum != 0), "{name}: a checksum of nothing");
            assert_eq!(first, sums(), "{name} is a function of its seed");
        }
    }
}
