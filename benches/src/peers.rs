//! Our ring beside its peers: the same messages, loops, cores and judgement for all, in one run, the lanes taking turns.
//!
//! A peer that is confined to a process runs as two pinned threads, and is compared with ours as two pinned threads; a peer
//! between processes is compared with ours between processes. Ratios are taken at the same placement of the cores only.
//! The peers themselves are lanes of the binaries that call [`run`]: nothing of the product depends on one.

mod standing;

use crate::child::{LaneEntry, take_over};
use crate::fingerprint::Fingerprint;
use crate::host::{Host, Plan};
use crate::lane::{Lane, Payload, Tickway, TickwayThreads};
use crate::micro::state;
use crate::report::{Measurement, Report};
use crate::{BenchError, suite, text};
use clap::Parser;
use runtime::clock::realtime_ns;
use runtime::signal::{self, HangUp, stop_requested};
use runtime::usage::parse;
use standing::{Standing, ids, promises, table};
use std::process::ExitCode;

/// Rounds: in each, every lane starts once for each measurement.
const ROUNDS: u32 = 5;
/// What a start costs beside its measured time, about: anchors, jitter floor, warm-up, in milliseconds.
const START_MS: u64 = 350;
/// Measured time of a start at least, in milliseconds.
const MEASURE_MS_MIN: u64 = 50;
/// Version of the JSON document; the report in it has one of its own.
const SCHEMA_VERSION: u64 = 1;

/// Our ring beside its peers
#[derive(Parser, Debug)]
struct Arguments {
    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,
    /// Time of the whole run, about, without starts that are discarded, in seconds
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// The whole program: a process of a trial, or the run that starts them all. `left_out` says what is not measured here and
/// why. The exit code is 0 when all work was right and every lane has a start that counts.
#[must_use]
pub fn run(registry: &[LaneEntry], left_out: &str) -> ExitCode {
    take_over(registry).unwrap_or_else(|| match compare(registry, &parse(), left_out) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    })
}

/// Measures all and says how ours stands; false when some work was wrong.
fn compare(registry: &[LaneEntry], arguments: &Arguments, left_out: &str) -> Result<bool, BenchError> {
    let host = Host::new(registry, None, 1)?;
    let starts = u64::from(ROUNDS) * 2 * registry.len() as u64;
    let measure_ms = (arguments.seconds * 1_000 / starts).saturating_sub(START_MS).max(MEASURE_MS_MIN);
    let plans: Vec<Plan> = registry.iter().flat_map(|entry| plans(entry, measure_ms)).collect();
    let mut report = Report::new("peers", realtime_ns(), Fingerprint::take(&host.timeline));
    report.notes.push(format!("{ROUNDS} rounds, {measure_ms} ms measured in each start; the lanes take turns."));
    report.notes.push(left_out.to_owned());
    signal::install(HangUp::Stops)?;
    report.measurements = rounds(&host, &plans)?;
    if stop_requested() {
        report.notes.push("Interrupted: the starts kept until then are shown.".to_owned());
    }
    let standings: Vec<Standing> = registry
        .iter()
        .flat_map(|entry| {
            let ours = if entry.threads { TickwayThreads::NAME } else { Tickway::NAME };
            Standing::of(&report, entry.name, ours)
        })
        .collect();
    say(&report, &standings, arguments.json, left_out)?;
    Ok(report.is_sound() && !stop_requested())
}

/// The two plans of a lane. The goals are ours; a peer has none.
fn plans(entry: &LaneEntry, measure_ms: u64) -> [Plan; 2] {
    let [one_way, throughput] = ids(entry.name);
    let mut plans = [
        Plan { id: one_way, ..suite::one_way(entry.name, Payload::Bytes56, measure_ms) },
        Plan { id: throughput, ..suite::throughput(entry.name, Payload::Bytes56, 1, measure_ms) },
    ];
    for plan in &mut plans {
        if entry.name != Tickway::NAME {
            plan.goals.clear();
        }
        if entry.threads {
            plan.what = plan.what.replace("pinned process", "pinned thread");
        }
    }
    plans
}

/// The rounds, summed up per plan. All lanes meet the machine's moods alike.
fn rounds(host: &Host, plans: &[Plan]) -> Result<Vec<Measurement>, BenchError> {
    let mut found: Vec<Measurement> = Vec::with_capacity(plans.len());
    for round in 0..ROUNDS {
        for (index, plan) in plans.iter().enumerate() {
            if stop_requested() {
                break;
            }
            let mut one = host.measure(plan, &mut |line| eprintln!("peers: {line}"))?;
            match found.get_mut(index) {
                None => found.push(one),
                Some(all) => {
                    let before = (all.trials.len() + all.discarded.len()) as u32;
                    one.trials.iter_mut().for_each(|trial| trial.number += before);
                    one.discarded.iter_mut().for_each(|discard| discard.number += before);
                    all.trials.append(&mut one.trials);
                    all.discarded.append(&mut one.discarded);
                }
            }
        }
        if stop_requested() {
            break;
        }
        eprintln!("peers: round {} of {ROUNDS} is done", round + 1);
    }
    found.iter_mut().zip(plans).for_each(|(all, plan)| all.conclude(&plan.goals));
    Ok(found)
}

fn say(report: &Report, standings: &[Standing], json: bool, left_out: &str) -> Result<(), BenchError> {
    if json {
        let all = serde_json::json!({ "schema_version": SCHEMA_VERSION, "report": report, "standings": standings });
        println!("{all}");
        return Ok(());
    }
    println!("{}\n", text::render(report));
    for found in &report.measurements {
        println!("{}: {}", found.id, found.settings);
    }
    let discarded: usize = report.measurements.iter().map(|found| found.discarded.len()).sum();
    println!("\n{}", table(standings));
    println!(
        "One way: below 1 ours is quicker. M/s: above 1 ours carries more. Starts kept: round trips + throughput; \
         {discarded} discarded. {left_out}"
    );
    for (promise, ratio) in promises(standings) {
        state(&promise, ratio);
    }
    // Ours alone, at the placements that it met.
    for verdict in report.measurements.iter().flat_map(|found| &found.verdicts) {
        if let Some((promise, found)) = verdict.promise.as_ref().zip(verdict.found) {
            state(promise, found);
        }
    }
    Ok(())
}
