//! The self-test over real starts of two processes: what the instrument shows of a stall, and that a harness which counts
//! from the actual send, an overloaded machine and a lane that never fills are found out.
#![forbid(unsafe_code)]

use benches::child::LaneEntry;
use benches::error::BenchError;
use benches::host::{Host, Plan};
use benches::lane::{Lane, Tickway};
use benches::self_test::{Seen, Verdict, plans};
use benches::trial::{Role, RoleOutcome};
use std::io::Write;
use std::sync::Mutex;

/// Messages per second: a debug build carries it with ease.
const RATE_HZ: u64 = 50_000;
/// Measured time of a start.
const MEASURE_MS: u64 = 80;
/// Starts until one is quiet enough.
const STARTS: u32 = 20;

/// Both cores are pinned to: one start at a time.
static CORES: Mutex<()> = Mutex::new(());

/// What the roles of one start brought home; `None` where this machine cannot say.
fn start(plan: &Plan) -> Option<Vec<RoleOutcome>> {
    let skip = |error: &BenchError| {
        let _ = writeln!(std::io::stderr(), "skipped: {error}");
    };
    let mut host = Host::new(&[LaneEntry::processes::<Tickway>()], None, 1).inspect_err(skip).ok()?;
    host.program = env!("CARGO_BIN_EXE_bench_roles").into();
    host.strict = false;
    let mut brought = None;
    let take = &mut |_, outcomes: &[RoleOutcome]| {
        brought = Some(outcomes.to_vec());
        Ok(())
    };
    let found = host.measure_judged(plan, take, &mut |_| ()).unwrap_or_else(|error| panic!("{error}"));
    assert!(!found.has_defect(), "{:?}", found.discarded);
    brought
}

/// Starts until one shows what it must; none may forgive its stall, however busy the machine is.
fn shown(plan: &Plan) -> Option<(Seen, Vec<RoleOutcome>)> {
    let _turn = CORES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut reasons = Vec::new();
    for _ in 0..STARTS {
        let outcomes = start(plan)?;
        let seen = Seen::read(plan, &outcomes);
        match seen.verdict() {
            Verdict::Shown => return Some((seen, outcomes)),
            Verdict::Forgiven(reason) => panic!("{reason}"),
            other => reasons.push(other),
        }
    }
    assert!(reasons.iter().any(|reason| matches!(reason, Verdict::Noise(_))), "{reasons:?}");
    let _ = writeln!(std::io::stderr(), "skipped: this machine is too busy: {reasons:?}");
    None
}

#[test]
fn the_control_shows_no_stall() {
    let [control, ..] = plans(Tickway::NAME, RATE_HZ, MEASURE_MS).expect("room");
    let Some((seen, _)) = shown(&control) else { return };
    assert!(seen.intended.inside < seen.expected / 2, "{}", seen.line());
}

#[test]
fn a_receivers_stall_fills_the_lane_and_shows_from_the_intended_time_only() {
    let [_, receiver, _] = plans(Tickway::NAME, RATE_HZ, MEASURE_MS).expect("room");
    let Some((seen, mut outcomes)) = shown(&receiver) else { return };
    assert!(seen.full > 0 && seen.intended.inside >= seen.expected - 1, "{}", seen.line());
    // What lies in the lane was really sent, and really waited; the rest of the stall is gone.
    assert!(seen.actual.inside <= seen.expected / 2, "{}", seen.line());
    // The same start as a harness has it that counts from the actual send.
    for outcome in &mut outcomes {
        outcome.intervals.clone_from(&outcome.from_actual_send);
    }
    let forgiving = Seen::read(&receiver, &outcomes);
    assert!(matches!(forgiving.verdict(), Verdict::Forgiven(_)), "{}", forgiving.line());
}

#[test]
fn a_senders_stall_shows_from_the_intended_time_only() {
    let [_, _, sender] = plans(Tickway::NAME, RATE_HZ, MEASURE_MS).expect("room");
    let Some((seen, mut outcomes)) = shown(&sender) else { return };
    assert!(seen.intended.inside >= seen.expected - 1, "{}", seen.line());
    assert!(seen.actual.inside <= seen.expected / 2, "{}", seen.line());
    let receiver = outcomes.iter_mut().find(|outcome| outcome.role == Role::Receiver).expect("a receiver");
    receiver.intervals.clone_from(&receiver.from_actual_send);
    assert!(matches!(Seen::read(&sender, &outcomes).verdict(), Verdict::Forgiven(_)));
}

#[test]
fn an_overload_does_not_pass_for_a_stall() {
    let _turn = CORES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for plan in plans(Tickway::NAME, 20_000_000, 60).expect("room") {
        let Some(outcomes) = start(&plan) else { return };
        let seen = Seen::read(&plan, &outcomes);
        assert!(matches!(seen.verdict(), Verdict::Noise(_)), "{:?}: {}", seen.verdict(), seen.line());
    }
}

#[test]
fn a_lane_that_takes_all_that_a_stall_holds_back_proves_nothing() {
    let _turn = CORES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let [_, mut receiver, _] = plans(Tickway::NAME, RATE_HZ, MEASURE_MS).expect("room");
    receiver.slots = 8_192;
    for _ in 0..STARTS {
        let Some(outcomes) = start(&receiver) else { return };
        let seen = Seen::read(&receiver, &outcomes);
        assert_eq!(seen.full, 0, "the sender never waits");
        assert!(matches!(seen.verdict(), Verdict::Unproved(_) | Verdict::Noise(_)), "{}", seen.line());
        // Both recorders have the stall: which of them would forgive one is not to be told. (A sender that is without its
        // core for most of the stall sends late by itself.)
        if seen.actual.inside * 2 > seen.expected {
            return;
        }
    }
    panic!("both recorders have the stall");
}
