//! Operations in one thread as measurements of a report: the journal's append, scan and rebuild, and a tick to its order.
//!
//! The workloads and their timing are those of [`crate::work`] and [`crate::micro`]. A trial is one start of a process: a
//! heap, pages and code laid anew. In it all sides take turns, the limits among them, and its value is the median of the
//! slices. There is no message between cores, hence no A.

use crate::BenchError;
use crate::cpu::{CpuStart, CpuUse, SHARE_MIN};
use crate::figures::Figures;
use crate::goal::{Goal, GoalFigure};
use crate::host::Host;
use crate::jitter::{self, Jitter};
use crate::micro::{Workload, side_by_side};
use crate::report::{Discard, Measurement, RoleAccount, Trial, Unit};
use crate::timeline::{StampCost, Timeline};
use crate::trial::{Counts, Role};
use crate::work::journal::Append;
use crate::work::limits::{CopyAndSum, RawScan};
use crate::work::replay::{RebuildState, Scan};
use crate::work::tick_to_order::TickToOrder;
use runtime::affinity::pin;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::process::{Command, Stdio};

/// Slices of each side in a start.
const SLICES: usize = 15;
/// Starts for each one that is to be kept, before the bench gives up.
const STARTS_PER_TRIAL: u32 = 4;
/// How long the jitter floor is watched in each start, in nanoseconds.
const JITTER_NS: u64 = 50_000_000;
/// First arguments of a start's command line; its order as JSON follows.
const ARGUMENTS: [&str; 2] = ["bench", "operations"];

/// An operation of the report.
struct Operation {
    id: &'static str,
    title: &'static str,
    what: &'static str,
    limit: &'static str,
    /// Its place among the sides of a start.
    side: usize,
    /// The place of what it cannot be quicker than.
    limit_side: Option<usize>,
    bound_ns: f64,
    goal: &'static str,
    /// The goal's name in budgets.toml.
    promise: &'static str,
}

const OPERATIONS: [Operation; 4] = [
    Operation {
        id: "journal-append",
        title: "Journal append",
        what: "One report of 128 bytes framed, summed and committed to the journal's tail in warm memory.",
        limit: "A copy and the CRC-32C of a record's header and payload, in turns with it. The goal is below that on every \
                machine that takes eight bytes of the sum a step of three cycles, as budgets.toml argues: it is shown, and \
                not to be had with this checksum.",
        side: 0,
        limit_side: Some(1),
        bound_ns: 8.0,
        goal: "append, ns (below its CRC-32C: see the limit)",
        promise: "journal_append_ns",
    },
    Operation {
        id: "journal-scan",
        title: "Replay scan",
        what: "One record of segments in memory, as recovery reads it: frame, CRC-32C, order of sequences.",
        limit: "The CRC-32C of every record of the same journal, in turns with it.",
        side: 2,
        limit_side: Some(3),
        bound_ns: 1e3 / 150.0,
        goal: "scan, ns a record (150 M records/s)",
        promise: "journal_scan_ns",
    },
    Operation {
        id: "state-rebuild",
        title: "Rebuild of orders and positions",
        what: "One record of the same journal, scanned and applied to the state that a restarted process begins from.",
        limit: "The scan, in turns with it.",
        side: 4,
        limit_side: Some(2),
        bound_ns: 40.0,
        goal: "rebuild, ns a record (25 M records/s)",
        promise: "state_rebuild_ns",
    },
    Operation {
        id: "tick-to-order-one-thread",
        title: "Tick to order in one thread",
        what: "From a datagram in memory through feed handler, strategy, risk and gateway to the order's bytes, journaled: \
               the work itself, without rings, sockets or other processes.",
        limit: "None that is measured here: the sum of its parts.",
        side: 5,
        limit_side: None,
        bound_ns: 35.0,
        goal: "tick to order in one thread, ns",
        promise: "tick_to_order_ns",
    },
];

/// What a start is told.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Order {
    core: usize,
    slice_ns: u64,
    timeline: Timeline,
}

/// One side of a start.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
struct Side {
    /// Median of its slices, in nanoseconds an operation.
    median_ns: f64,
    operations: u64,
    /// Of one pass over the input as it was made: the same in every start.
    checksum: u64,
}

/// What a start brings home.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Outcome {
    cpu: CpuUse,
    jitter: Jitter,
    stamp: StampCost,
    sides: Vec<Side>,
}

/// Measures them in starts of the host's program, on its second core.
///
/// # Errors
/// When a start cannot be had.
pub fn journal(host: &Host, measure_ms: u64) -> Result<Vec<Measurement>, BenchError> {
    let slice_ns = (measure_ms * 1_000_000 / SLICES as u64).max(1);
    let order = Order { core: host.cores[1], slice_ns, timeline: host.timeline };
    let (mut kept, mut discarded) = (BTreeMap::new(), Vec::new());
    for number in 1..=host.restarts * STARTS_PER_TRIAL {
        if kept.len() == host.restarts as usize {
            break;
        }
        let outcome = start(host, &order)?;
        match judge(number, &outcome, kept.values().next()) {
            Ok(()) => {
                let ns: Vec<String> = outcome.sides.iter().map(|side| format!("{:.2}", side.median_ns)).collect();
                eprintln!("bench: journal: start {number}: {} ns", ns.join(", "));
                kept.insert(number, outcome);
            }
            Err(discard) => {
                eprintln!("bench: journal: start {number} discarded: {}", discard.reason);
                discarded.push(discard);
            }
        }
    }
    Ok(OPERATIONS.iter().map(|operation| operation.measurement(&kept, &discarded, order.core)).collect())
}

fn start(host: &Host, order: &Order) -> Result<Outcome, BenchError> {
    let order = serde_json::to_string(order).expect("numbers are JSON");
    let output = Command::new(&host.program)
        .args(ARGUMENTS)
        .arg(order)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| BenchError::file("start", &host.program, &error))?;
    if !output.status.success() {
        return Err(BenchError::new(format!("a start ended with {}", output.status), "see above, and run it again"));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| BenchError::new(format!("a start's figures are garbled: {error}"), "run it again"))
}

/// Whether a start counts, beside the first that did.
fn judge(number: u32, outcome: &Outcome, first: Option<&Outcome>) -> Result<(), Discard> {
    let sums = |outcome: &Outcome| outcome.sides.iter().map(|side| side.checksum).collect::<Vec<_>>();
    if let Some(first) = first.filter(|first| sums(first) != sums(outcome)) {
        let reason = format!("its work came to {:x?}, an earlier start's to {:x?}", sums(outcome), sums(first));
        return Err(Discard { number, reason, defect: true });
    }
    match outcome.cpu.share().filter(|share| *share < SHARE_MIN) {
        Some(share) => {
            let reason = format!("the thread had its core for {:.1} % of the time", share * 100.0);
            Err(Discard { number, reason, defect: false })
        }
        None => Ok(()),
    }
}

impl Operation {
    const fn goal(&self) -> Goal {
        Goal::everywhere_at_most(GoalFigure::Value, self.bound_ns, self.goal).promised(self.promise)
    }

    fn measurement(&self, kept: &BTreeMap<u32, Outcome>, discarded: &[Discard], core: usize) -> Measurement {
        let trial = |(number, outcome): (&u32, &Outcome)| {
            let side = &outcome.sides[self.side];
            let counts = Counts { messages: side.operations, checksum: side.checksum, ..Counts::default() };
            Trial {
                number: *number,
                placement: None,
                anchors: None,
                value: side.median_ns,
                figures: Figures { samples: side.operations, ..Figures::default() },
                series: Vec::new(),
                roles: vec![RoleAccount {
                    role: Role::Threads,
                    core,
                    cpu: outcome.cpu,
                    jitter: outcome.jitter.clone(),
                    stamp: outcome.stamp,
                    counts: vec![counts],
                }],
                intervals: Vec::new(),
            }
        };
        let mut measurement = Measurement {
            id: self.id.to_owned(),
            title: self.title.to_owned(),
            what: self.what.to_owned(),
            limit: self.limit.to_owned(),
            subject: "tickway".to_owned(),
            settings: format!(
                "one thread pinned to core {core}, {SLICES} slices in turns with the others, their median"
            ),
            unit: Unit::Ns,
            trials: kept.iter().map(trial).collect(),
            discarded: discarded.to_vec(),
            summaries: Vec::new(),
            verdicts: Vec::new(),
        };
        measurement
            .conclude_beside(&[self.goal()], &|trial| Some(kept.get(&trial.number)?.sides[self.limit_side?].median_ns));
        measurement
    }
}

/// Measures every side once, as ordered on the command line, and prints what it found, or on standard error why not; true
/// when it did.
#[must_use]
pub fn serve(order: &str) -> bool {
    let measured = serde_json::from_str::<Order>(order)
        .map_err(|error| {
            BenchError::new(format!("bench operations: {error}"), "this command is started by `bench journal`")
        })
        .and_then(|order| measure(&order));
    match measured {
        Ok(outcome) => {
            println!("{}", serde_json::to_string(&outcome).expect("plain values are JSON"));
            true
        }
        Err(error) => {
            eprintln!("bench operations: {error}");
            false
        }
    }
}

fn measure(order: &Order) -> Result<Outcome, BenchError> {
    pin(order.core)?;
    let stamp = StampCost::measure(&order.timeline);
    let (mut append, mut copy, mut scan, mut crc) = (Append::new(), CopyAndSum::new(), Scan::new(), RawScan::new());
    let (mut rebuild, mut to_order) = (RebuildState::new(), TickToOrder::new());
    let mut sides: [(&str, &mut dyn Workload); 6] = [
        ("append", &mut append),
        ("copy and CRC", &mut copy),
        ("scan", &mut scan),
        ("CRC", &mut crc),
        ("rebuild", &mut rebuild),
        ("order", &mut to_order),
    ];
    let checksums: Vec<u64> = sides
        .iter_mut()
        .map(|(_, side)| {
            side.prepare();
            side.pass()
        })
        .collect();
    let jitter = jitter::watch(order.core, JITTER_NS, &order.timeline);
    let cpu = CpuStart::now();
    let figures = side_by_side(&mut sides, SLICES, order.slice_ns);
    let cpu = cpu.elapsed();
    let side = |(figure, checksum): (crate::micro::Figure, u64)| Side {
        median_ns: figure.spread.median_ns,
        operations: figure.operations,
        checksum,
    };
    let jitter = Jitter { intervals: Vec::new(), ..jitter };
    Ok(Outcome { cpu, jitter, stamp, sides: figures.into_iter().zip(checksums).map(side).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(append_ns: f64, checksum: u64) -> Outcome {
        let side = |median_ns| Side { median_ns, operations: 1_000, checksum };
        let cpu = CpuUse { wall_ns: 100, cpu_ns: Some(100), waited_ns: Some(0) };
        let sides = vec![side(append_ns), side(8.0), side(12.0), side(10.0), side(40.0), side(900.0)];
        Outcome { cpu, jitter: Jitter::default(), stamp: StampCost { read_ns: 1.0, step_ns: 1.0 }, sides }
    }

    #[test]
    fn each_operation_stands_beside_the_limit_of_its_own_start() {
        let kept = BTreeMap::from([(1, outcome(16.0, 7)), (3, outcome(20.0, 7))]);
        let found: Vec<Measurement> = OPERATIONS.iter().map(|one| one.measurement(&kept, &[], 1)).collect();
        let limits: Vec<Option<f64>> = found.iter().map(|one| one.summaries[0].limit_ns).collect();
        assert_eq!(limits, [Some(8.0), Some(10.0), Some(12.0), None]);
        assert_eq!(found[0].summaries[0].over_limit, Some(2.25));
        assert_eq!(found[0].trials[1].work().map(|work| (work.messages, work.checksum)), Some((1_000, 7)));
        assert_eq!((found[0].trials[1].lost(), found[0].trials[1].full()), (None, None));
    }

    #[test]
    fn every_goal_is_a_promise() {
        assert_eq!(crate::goal::unpromised(&OPERATIONS.each_ref().map(Operation::goal)), Vec::<String>::new());
    }

    #[test]
    fn a_start_whose_work_differs_is_a_defect() {
        let first = outcome(16.0, 7);
        assert!(judge(2, &outcome(17.0, 7), Some(&first)).is_ok());
        assert!(judge(2, &outcome(17.0, 8), Some(&first)).is_err_and(|discard| discard.defect));
        let mut shared = outcome(16.0, 7);
        shared.cpu.cpu_ns = Some(50);
        assert!(judge(2, &shared, Some(&first)).is_err_and(|discard| !discard.defect));
    }

    #[test]
    fn a_start_measures_every_side() {
        let timeline = Timeline::measure();
        let core = *runtime::affinity::allowed_cpus().unwrap().last().unwrap();
        // In a thread of its own, which is pinned for good.
        let outcome =
            std::thread::spawn(move || measure(&Order { core, slice_ns: 1, timeline })).join().unwrap().unwrap();
        assert_eq!(outcome.sides.len(), 6);
        assert!(outcome.sides.iter().all(|side| side.operations > 0 && side.checksum != 0), "{outcome:?}");
    }
}
