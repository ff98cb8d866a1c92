//! Operations in one thread as measurements of a report: the journal's append, scan and rebuild, and a tick to its order.
//!
//! The workloads and their timing are those of [`crate::work`] and [`crate::micro`]; a trial here is one round of slices in
//! this process, and its value the median of them. There is no message between cores, hence no A.

use crate::BenchError;
use crate::cpu::CpuStart;
use crate::cpu::SHARE_MIN;
use crate::figures::Figures;
use crate::goal::{Goal, GoalFigure};
use crate::jitter::Jitter;
use crate::micro::{Workload, side_by_side};
use crate::report::{Discard, Measurement, RoleAccount, Trial, Unit};
use crate::timeline::{StampCost, Timeline};
use crate::trial::Role;
use crate::work::journal::Append;
use crate::work::replay::{RebuildState, Scan};
use crate::work::tick_to_order::TickToOrder;
use runtime::affinity::pin;

/// Slices of a round.
const SLICES: usize = 15;

/// The operations of `tickway bench journal`: id, title, what, limit and goal of each.
fn described() -> Vec<(Measurement, Vec<Goal>)> {
    let one = |id: &str, title: &str, what: &str, limit: &str, goal: Goal| {
        let measurement = Measurement {
            id: id.to_owned(),
            title: title.to_owned(),
            what: what.to_owned(),
            limit: limit.to_owned(),
            subject: "tickway".to_owned(),
            settings: format!("one pinned thread, {SLICES} slices of each round in turns, the median of them"),
            unit: Unit::Ns,
            trials: Vec::new(),
            discarded: Vec::new(),
            summaries: Vec::new(),
            verdicts: Vec::new(),
        };
        (measurement, vec![goal])
    };
    let at_most =
        |bound_ns, text, promise| Goal::everywhere_at_most(GoalFigure::Value, bound_ns, text).promised(promise);
    vec![
        one(
            "journal-append",
            "Journal append",
            "One report of 128 bytes framed, summed and committed to the journal's tail in warm memory.",
            "A copy and the CRC-32C of the same bytes.",
            at_most(8.0, "append, ns", "journal_append_ns"),
        ),
        one(
            "journal-scan",
            "Replay scan",
            "One record of segments in memory, as recovery reads it: frame, CRC-32C, order of sequences.",
            "The CRC-32C of each record.",
            at_most(1e3 / 150.0, "scan, ns a record (150 M records/s)", "journal_scan_ns"),
        ),
        one(
            "state-rebuild",
            "Rebuild of orders and positions",
            "One record of the same journal, scanned and applied to the state that a restarted process begins from.",
            "The scan.",
            at_most(40.0, "rebuild, ns a record (25 M records/s)", "state_rebuild_ns"),
        ),
        one(
            "tick-to-order-one-thread",
            "Tick to order in one thread",
            "From a datagram in memory through feed handler, strategy, risk and gateway to the order's bytes, journaled: the \
             work itself, without rings, sockets or other processes.",
            "The sum of its parts.",
            at_most(35.0, "tick to order in one thread, ns", "tick_to_order_ns"),
        ),
    ]
}

/// Measures them on `core`, `rounds` times.
///
/// # Errors
/// When the core is not to be had.
pub fn journal(core: usize, rounds: u32, measure_ms: u64, timeline: &Timeline) -> Result<Vec<Measurement>, BenchError> {
    pin(core)?;
    let stamp = StampCost::measure(timeline);
    let (mut append, mut scan) = (Append::new(), Scan::new());
    let (mut rebuild, mut order) = (RebuildState::new(), TickToOrder::new());
    let mut described = described();
    let slice_ns = (measure_ms * 1_000_000 / SLICES as u64).max(1);
    for number in 1..=rounds {
        let cpu = CpuStart::now();
        let workloads: &mut [(&str, &mut dyn Workload)] =
            &mut [("append", &mut append), ("scan", &mut scan), ("rebuild", &mut rebuild), ("order", &mut order)];
        let figures = side_by_side(workloads, SLICES, slice_ns);
        let cpu = cpu.elapsed();
        let role = RoleAccount {
            role: Role::Threads,
            core,
            cpu,
            jitter: Jitter { core, ..Jitter::default() },
            stamp,
            counts: Vec::new(),
        };
        for ((measurement, _), figure) in described.iter_mut().zip(figures) {
            let value = figure.spread.median_ns;
            if let Some(share) = cpu.share().filter(|share| *share < SHARE_MIN) {
                let reason = format!("the thread had its core for {:.1} % of the time", share * 100.0);
                measurement.discarded.push(Discard { number, reason, defect: false });
                continue;
            }
            eprintln!("bench: {}: round {number}: {value:.2} ns, {} operations", measurement.id, figure.operations);
            measurement.trials.push(Trial {
                number,
                placement: None,
                anchors: None,
                value,
                figures: Figures { samples: figure.operations, ..Figures::default() },
                series: Vec::new(),
                roles: vec![role.clone()],
                intervals: Vec::new(),
            });
        }
    }
    described.iter_mut().for_each(|(measurement, goals)| measurement.conclude(goals));
    Ok(described.into_iter().map(|(measurement, _)| measurement).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goal::unpromised;

    #[test]
    fn every_goal_is_a_promise() {
        let goals: Vec<Goal> = described().into_iter().flat_map(|(_, goals)| goals).collect();
        assert_eq!((goals.len(), unpromised(&goals)), (4, Vec::new()));
    }
}
