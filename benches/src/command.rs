//! `tickway bench`: the command line, for the operator's command and for binaries with lanes of their own.

use crate::child::{LaneEntry, serve};
use crate::figures::Figures;
use crate::fingerprint::Fingerprint;
use crate::host::Host;
use crate::jitter;
use crate::lane::{Lane, Tickway};
use crate::report::{Measurement, Report, RoleAccount, SeriesPoint, Trial, Unit};
use crate::suite::{self, Bench};
use crate::timeline::{StampCost, Timeline};
use crate::trial::Role;
use crate::{BenchError, cpu::CpuStart, html, logs, operations, self_test, text};
use clap::{Args, Subcommand};
use runtime::affinity::pin;
use runtime::clock::realtime_ns;
use runtime::signal::{self, HangUp};
use std::path::PathBuf;

/// What to measure
#[derive(Subcommand, Clone, Debug)]
pub enum Verb {
    /// Our ring between two processes: one way, with a tap, open loop, throughput
    Ring(Options),
    /// One writer and 1, 2, 4, 8 readers
    Broadcast(Options),
    /// Journal append, replay scan, rebuild, and a tick to its order, in one thread
    Journal(Options),
    /// What the machine takes from threads that only read the clock
    Jitter(Options),
    /// Stop the receiver, then the sender once for 10 ms and see that it shows
    ///
    /// Exit code 1: from the intended times it does not show, or from the actual ones as well, or the machine made too many
    /// messages late to say.
    SelfTest(Options),
    /// Plays a role of a trial; started by the others
    #[command(hide = true)]
    Child {
        /// The trial, as JSON.
        order: String,
    },
}

/// How to measure, and what to say
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Print one JSON object instead of tables
    #[arg(long)]
    pub json: bool,
    /// Write a self-contained HTML page, too
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Write HdrHistogram's interval logs (.hlog) and percentile tables (.hgrm) there, too
    #[arg(long, value_name = "DIRECTORY")]
    pub logs: Option<PathBuf>,
    /// Starts of the processes to keep for each measurement, each shown
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub restarts: u32,
    /// Measured time of each start, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(10..=10_000))]
    pub measure_ms: u64,
    /// Messages per second of open loops
    #[arg(long, value_name = "HZ", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..=20_000_000))]
    pub rate: u64,
    /// Core of the sender and of the receiver (default: the last two allowed)
    #[arg(long, value_name = "A,B", value_delimiter = ',', num_args = 1)]
    pub cores: Option<Vec<usize>>,
}

/// Runs a verb. Tells its progress on standard error and returns what belongs on standard output, and whether all is as it
/// should be.
///
/// # Errors
/// When it cannot be measured, or a file not be written.
pub fn run(verb: &Verb, registry: &[LaneEntry]) -> Result<Said, BenchError> {
    let (bench, options) = match verb {
        Verb::Ring(options) => (Bench::Ring, options),
        Verb::Broadcast(options) => (Bench::Broadcast, options),
        Verb::Journal(options) => (Bench::Journal, options),
        Verb::Jitter(options) => (Bench::Jitter, options),
        Verb::SelfTest(options) => (Bench::SelfTest, options),
        Verb::Child { order } => return Ok(Said::Child(serve(registry, order))),
    };
    let (mut report, host) = begin(bench, options, registry)?;
    let mut all_shown = true;
    match bench {
        Bench::Jitter => report.measurements = floors(&host, options.measure_ms)?,
        Bench::Journal => {
            report.measurements =
                operations::journal(host.cores[1], options.restarts, options.measure_ms, &host.timeline)?;
        }
        Bench::SelfTest => {
            signal::install(HangUp::Stops)?;
            all_shown = self_test::run(&host, options.rate, options.measure_ms, &mut report)?;
        }
        Bench::Ring | Bench::Broadcast => {
            let plans = suite::plans(bench, Tickway::NAME, options.rate, options.measure_ms);
            signal::install(HangUp::Stops)?;
            host.measure_all(&plans, &mut report, &mut |line| eprintln!("bench: {line}"))?;
        }
    }
    if bench == Bench::Ring {
        report.judge("one-way-64-tapped", "one-way-64", &suite::tap_goal());
    }
    let good = report.is_sound() && all_shown && !signal::stop_requested();
    conclude(&report, options, good)
}

/// What a verb has to say.
#[derive(Debug)]
pub enum Said {
    /// Text for standard output, and whether all is as it should be.
    Report(String, bool),
    /// Whether a child played its role; it spoke for itself.
    Child(bool),
}

fn begin(bench: Bench, options: &Options, registry: &[LaneEntry]) -> Result<(Report, Host), BenchError> {
    let cores = match options.cores.as_deref() {
        None => None,
        Some([first, second]) => Some([*first, *second]),
        Some(other) => {
            return Err(BenchError::new(format!("--cores {other:?}: two cores are needed"), "write --cores 2,3"));
        }
    };
    let mut host = Host::new(registry, cores, options.restarts)?;
    // A stall of 10 ms shows wherever the cores lie. What a busy machine adds is judged by the late messages themselves.
    host.strict = bench != Bench::SelfTest;
    let mut report = Report::new(bench.name(), realtime_ns(), Fingerprint::take(&host.timeline));
    report.what = bench.what().to_owned();
    if matches!(bench, Bench::Journal) {
        report.notes.push(format!("One thread on core {}: no A, no placement of cores.", host.cores[1]));
        return Ok((report, host));
    }
    report.notes.push(format!(
        "Sender on core {}, receiver on core {}; {} starts of the processes per measurement, {} ms measured in each.",
        host.cores[0], host.cores[1], options.restarts, options.measure_ms
    ));
    if bench == Bench::Ring {
        let tap = host.tap_core()?;
        let shared = if host.cores.contains(&tap) { ", which it shares with the receiver" } else { ", its own" };
        report.notes.push(format!("The tap runs on core {tap}{shared}."));
    }
    if bench == Bench::SelfTest {
        report.notes.push(
            "Starts that lost their cores or changed placement are kept here: only late messages are judged, those of \
             the 20 ms in which the stall lies. A start to which the machine itself adds many there is discarded."
                .to_owned(),
        );
    }
    if options.restarts < 5 {
        report.notes.push("Fewer than five starts: what differs from start to start does not show.".to_owned());
    }
    Ok((report, host))
}

/// Writes the files asked for and puts the rest into words.
///
/// # Errors
/// When a file cannot be written.
pub fn conclude(report: &Report, options: &Options, good: bool) -> Result<Said, BenchError> {
    if let Some(path) = &options.report {
        std::fs::write(path, html::render(report)).map_err(|error| BenchError::file("write", path, &error))?;
        eprintln!("bench: wrote {}", path.display());
    }
    if let Some(directory) = &options.logs {
        let files = logs::write_all(report, directory)?;
        eprintln!("bench: wrote {files} files into {}", directory.display());
    }
    let text = if options.json {
        serde_json::to_string(report)
            .map_err(|error| BenchError::new(format!("the report cannot be told: {error}"), "report this"))?
    } else {
        text::render(report)
    };
    Ok(Said::Report(text, good))
}

/// The jitter floor of both cores at the same time, one measurement each.
fn floors(host: &Host, measure_ms: u64) -> Result<Vec<Measurement>, BenchError> {
    let floor = |core: usize| Measurement {
        id: format!("jitter-core-{core}"),
        title: format!("Jitter floor of core {core}"),
        what: format!(
            "Interruptions of a pinned thread that does nothing but read the counter, while its neighbour does the same: \
             gaps longer than {} ns between two reads. The headline is the longest.",
            jitter::GAP_FROM_NS
        ),
        limit: "None on an isolated core without interrupts. No program on this core can have a shorter tail."
            .to_owned(),
        subject: "machine".to_owned(),
        settings: format!("threads pinned to cores {:?}", host.cores),
        unit: Unit::Ns,
        trials: Vec::new(),
        discarded: Vec::new(),
        summaries: Vec::new(),
        verdicts: Vec::new(),
    };
    let mut found: Vec<Measurement> = host.cores.iter().map(|core| floor(*core)).collect();
    for number in 1..=host.restarts {
        let accounts = std::thread::scope(|scope| {
            let watchers: Vec<_> =
                host.cores.iter().map(|core| scope.spawn(|| watched(*core, measure_ms, &host.timeline))).collect();
            let joined = watchers.into_iter().map(|watcher| watcher.join().expect("a watcher does not panic"));
            joined.collect::<Result<Vec<_>, _>>()
        })?;
        for (measurement, account) in found.iter_mut().zip(accounts) {
            let gaps = account.jitter.gaps;
            let (lost_ns, max_ns) = (account.jitter.lost_ns, account.jitter.max_ns);
            eprintln!("bench: {}: run {number}: {gaps} gaps, {lost_ns} ns lost, longest {max_ns} ns", measurement.id);
            measurement.trials.push(floor_trial(number, account));
        }
    }
    found.iter_mut().for_each(|measurement| measurement.conclude(&[]));
    Ok(found)
}

fn watched(core: usize, measure_ms: u64, timeline: &Timeline) -> Result<RoleAccount, BenchError> {
    pin(core)?;
    let stamp = StampCost::measure(timeline);
    let cpu = CpuStart::now();
    let jitter = jitter::watch(core, measure_ms * 1_000_000, timeline);
    Ok(RoleAccount { role: Role::Threads, core, cpu: cpu.elapsed(), jitter, stamp, counts: Vec::new() })
}

fn floor_trial(number: u32, account: RoleAccount) -> Trial {
    let intervals = account.jitter.intervals.clone();
    let series = intervals.iter().map(|interval| SeriesPoint {
        start_us: interval.start_us,
        samples: interval.counts.iter().map(|(_, count)| count).sum(),
        max_ns: interval.max_ns,
    });
    Trial {
        number,
        placement: None,
        anchors: None,
        value: account.jitter.max_ns as f64,
        figures: Figures::of(&intervals),
        series: series.collect(),
        roles: vec![account],
        intervals,
    }
}
