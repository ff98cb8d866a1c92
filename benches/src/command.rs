//! `tickway bench`: the command line, for the operator's command and for binaries with lanes of their own.

use crate::child::{LaneEntry, serve};
use crate::figures::Figures;
use crate::fingerprint::Fingerprint;
use crate::host::Host;
use crate::jitter;
use crate::lane::{Lane, Tickway};
use crate::outputs::Outputs;
use crate::report::{Measurement, Report, RoleAccount, SeriesPoint, Trial, Unit, Words};
use crate::suite::{self, Bench};
use crate::timeline::{StampCost, Timeline};
use crate::trial::Role;
use crate::{BenchError, cpu::CpuStart, operations, self_test, text};
use clap::{Args, Subcommand};
use runtime::affinity::{allowed_cpus, pin};
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
    /// Measures the operations of `journal` once; started by it
    #[command(hide = true)]
    Operations {
        /// What to measure, as JSON.
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
    /// Starts of the processes (of jitter: rounds) to keep for each measurement, each shown
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
        Verb::Operations { order } => return Ok(Said::Child(operations::serve(order))),
    };
    options.outputs().try_out()?;
    let (mut report, host) = begin(bench, options, registry)?;
    let mut all_shown = true;
    match bench {
        Bench::Jitter => report.measurements = floors(&host, options.measure_ms)?,
        Bench::Journal => {
            report.measurements = operations::journal(&host, options.measure_ms)?;
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
    report.hold_to(options.restarts);
    let good = report.is_sound() && all_shown && !signal::stop_requested();
    Ok(Said::Report(conclude(&report, options, good)?))
}

/// What a verb has to say.
#[derive(Debug)]
pub enum Said {
    /// What a measurement came to.
    Report(Told),
    /// Whether a child played its role; it spoke for itself.
    Child(bool),
}

/// A measurement in words.
#[derive(Debug)]
pub struct Told {
    /// Text for standard output.
    pub text: String,
    /// Whether all is as it should be.
    pub good: bool,
    /// Why a file that was asked for is not there. The text is worth printing all the same.
    pub unwritten: Option<BenchError>,
}

impl Options {
    /// The files to write.
    #[must_use]
    pub const fn outputs(&self) -> Outputs<'_> {
        Outputs { report: self.report.as_ref(), logs: self.logs.as_ref() }
    }

    /// The two cores, when they were named.
    fn cores(&self) -> Result<Option<[usize; 2]>, BenchError> {
        let Some(named) = self.cores.as_deref() else { return Ok(None) };
        let allowed = allowed_cpus()?;
        match named {
            [first, second] if first != second && named.iter().all(|core| allowed.contains(core)) => {
                Ok(Some([*first, *second]))
            }
            _ => Err(BenchError::usage(
                format!("--cores {named:?}: two different ones of {allowed:?} are needed"),
                "write them as --cores 2,3",
            )),
        }
    }
}

fn begin(bench: Bench, options: &Options, registry: &[LaneEntry]) -> Result<(Report, Host), BenchError> {
    let mut host = Host::new(registry, options.cores()?, options.restarts)?;
    // A stall of 10 ms shows wherever the cores lie. What a busy machine adds is judged by the late messages themselves.
    host.strict = bench != Bench::SelfTest;
    let mut report = Report::new(bench.name(), realtime_ns(), Fingerprint::take(&host.timeline));
    report.what = bench.what().to_owned();
    if bench == Bench::Jitter {
        report.limit.clear();
        report.words = Words::new("round", "gap", "gap");
    }
    if matches!(bench, Bench::Journal) {
        report.words = Words::new("start", "operation", "time");
        report.limit =
            "Measured in the same starts, in turns with what it is the limit of: the checksum that each record \
                        needs, with the quickest code that we know, and the copy of its bytes."
                .to_owned();
        report.notes.push(format!(
            "{} starts of a process, one thread on core {}: no A, no placement of cores. The checksum is of one pass over \
             the same input, and must be the same in every start.",
            options.restarts, host.cores[1]
        ));
        return Ok((report, host));
    }
    if bench == Bench::Jitter {
        report.notes.push(format!(
            "{} rounds of {} ms in one process, a thread on each of the cores {:?}.",
            options.restarts, options.measure_ms, host.cores
        ));
        return Ok((report, host));
    }
    report.notes.push(format!(
        "Sender on core {}, receiver on core {}; {} starts of the processes per measurement, {} ms measured in each. The \
         jitter floor is watched just before, for the time beside it: an interruption that comes more rarely can be in a \
         maximum and not in the floor.",
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

/// Writes the files asked for and puts the report into words.
///
/// # Errors
/// When it cannot be put into words. A file that cannot be written is told beside them.
pub fn conclude(report: &Report, options: &Options, good: bool) -> Result<Told, BenchError> {
    let unwritten = options.outputs().write(report).err();
    let text = if options.json {
        serde_json::to_string(report)
            .map_err(|error| BenchError::new(format!("the report cannot be told: {error}"), "report this"))?
    } else {
        text::render(report)
    };
    Ok(Told { text, good, unwritten })
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
            eprintln!("bench: {}: round {number}: {gaps} gaps, {lost_ns} ns lost, longest {max_ns} ns", measurement.id);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Fault;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        verb: Verb,
    }

    fn options(arguments: &[&str]) -> Options {
        let line = Line::try_parse_from(["bench", "ring"].iter().chain(arguments)).expect("a sound line");
        let Verb::Ring(options) = line.verb else { panic!("another verb") };
        options
    }

    #[test]
    fn cores_that_are_not_two_of_this_machine_are_a_fault_of_usage() {
        assert!(matches!(options(&[]).cores(), Ok(None)));
        for wrong in ["0", "0,0", "0,4000", "0,1,1"] {
            let error = options(&["--cores", wrong]).cores().expect_err(wrong);
            assert_eq!(error.fault(), Fault::Usage, "{error}");
        }
    }

    #[test]
    fn a_result_is_told_when_its_page_cannot_be_written() {
        let report = Report::new("ring", 0, Fingerprint::default());
        let told = conclude(&report, &options(&["--json", "--report", "/dev/full"]), true).expect("words");
        assert!(told.good && told.text.starts_with('{'));
        assert_eq!(told.unwritten.map(|error| error.fault()), Some(Fault::File(std::io::ErrorKind::StorageFull)));
    }
}
