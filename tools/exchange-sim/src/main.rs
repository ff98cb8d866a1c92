//! The simulated venue as a process: it tells its addresses in one JSON line, then takes commands on stdin.
//!
//! It never outlives its parent: the end of stdin ends it.
#![forbid(unsafe_code)]

use anyhow::Context;
use clap::Parser;
use exchange_sim::fault::{FaultRates, Faults};
use exchange_sim::instrument::seeded_instruments;
use exchange_sim::itch_file::{Scan, scan};
use exchange_sim::mold::MoldStore;
use exchange_sim::ouch_session::Credentials;
use exchange_sim::pace::{Pace, Replay, Schedule};
use exchange_sim::report;
use exchange_sim::shell::{Endpoints, NAP, Shell};
use exchange_sim::venue::{Input, MarketKind, Phase, Venue, VenueConfig};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use protocols::Alpha;
use protocols::soupbintcp::{Password, SessionName};
use std::io::{BufRead, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant, SystemTime};

/// A simulated venue: ITCH 5.0 over MoldUDP64, OUCH 5.0 over SoupBinTCP.
///
/// Prints one JSON line with its addresses, then reads commands from stdin, one a line: open, progress, account, end,
/// quit. The end of stdin quits.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Length of the session in seconds: a file is scaled to end within it, and with --autostart the market ends after it
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Seed of the background flow and of the faults
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Messages per second of the background flow, over all instruments
    #[arg(long, default_value_t = 6_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// Instruments of the background flow
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    symbols: u16,
    /// Take the market from an ITCH 5.0 BinaryFILE
    #[arg(long, value_name = "FILE")]
    itch: Option<PathBuf>,
    /// Pace of the file: real, xN or max (default: scaled to --seconds)
    #[arg(long, requires = "itch")]
    pace: Option<Pace>,
    /// Only scan the file and print what it holds
    #[arg(long, requires = "itch")]
    scan: bool,
    /// Faults of the feed's datagrams, as malformed=RATE,drop=RATE,dup=RATE
    #[arg(long, value_name = "RATES", default_value = "", hide_default_value = true)]
    fault: FaultRates,
    /// Multicast group of the feed
    #[arg(long, default_value = "239.255.84.1")]
    group: Ipv4Addr,
    /// Port of the multicast group
    #[arg(long, default_value_t = 26_477)]
    group_port: u16,
    /// Interface of the feed and of the servers
    #[arg(long, default_value = "127.0.0.1")]
    interface: Ipv4Addr,
    /// TCP port of order entry, 0 for any
    #[arg(long, default_value_t = 0)]
    order_port: u16,
    /// UDP port of the re-request server, 0 for any
    #[arg(long, default_value_t = 0)]
    request_port: u16,
    /// User name of order entry, at most 6 characters
    #[arg(long, default_value = "TICKWY")]
    username: String,
    /// Password of order entry, at most 10 characters
    #[arg(long, default_value = "SIMULATED")]
    password: String,
    /// Name of the session, at most 10 characters (default: made from the time)
    #[arg(long)]
    session: Option<String>,
    /// Write the account to this file at the end and on quitting
    #[arg(long, value_name = "PATH")]
    account_file: Option<PathBuf>,
    /// CPU to run on (default: any): away from the receiver of its feed, which then reads while the venue is still sending
    #[arg(long, value_name = "CPU")]
    core: Option<usize>,
    /// How to wait between two passes: a nap costs the CPU its timer (2 us, on some virtual machines 100), during which
    /// nobody else runs on it; a yield costs the next process of the CPU one switch
    #[arg(long, value_enum, default_value = "nap")]
    wait: Wait,
    /// Open the market at once, without waiting for `open`
    #[arg(long)]
    autostart: bool,
}

/// How the loop waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Wait {
    /// Sleeps for [`NAP`]: beside processes that need the CPU for longer.
    Nap,
    /// Gives the CPU to the next process on it and comes back: beside processes that yield too.
    Yield,
}

/// Nanoseconds in a second.
const SECOND_NS: u64 = 1_000_000_000;

/// Wall time at the start plus the monotonic clock: time of day that never steps.
struct Clock {
    start: Instant,
    start_ns: u64,
}

#[expect(clippy::disallowed_methods, reason = "this is the venue's shell, and it uses no crate of what it judges")]
impl Clock {
    fn new() -> Self {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self { start: Instant::now(), start_ns: since_epoch.as_nanos() as u64 }
    }

    fn now_ns(&self) -> u64 {
        self.start_ns + self.start.elapsed().as_nanos() as u64
    }
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("exchange-sim: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Prints help, or in one line what is wrong with the arguments and where the way out is written.
fn usage(error: &clap::Error) -> ExitCode {
    let text = error.to_string();
    let first: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    match first.join(" ").strip_prefix("error: ") {
        Some(wrong) => eprintln!("exchange-sim: {wrong}; see exchange-sim --help"),
        None => drop(error.print()),
    }
    ExitCode::from(error.exit_code() as u8)
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let clock = Clock::new();
    if let Some(core) = arguments.core {
        pin(core).with_context(|| format!("--core {core}: the kernel refuses this CPU"))?;
    }
    let scanned = arguments.itch.as_deref().map(scan).transpose()?;
    if let Some(found) = scanned.as_ref().filter(|_| arguments.scan) {
        return say(&report::scan(found));
    }
    let session = session_name(arguments, clock.now_ns())?;
    let shell = open_shell(arguments, session, scanned.as_ref())?;
    say(&report::listening(&shell.venue, session.as_str().unwrap_or_default(), shell.addresses()))?;
    Operator { arguments, clock, shell, commands: stdin_lines(), session_ns: 0 }.run()
}

fn text<const N: usize>(what: &str, given: &str) -> anyhow::Result<Alpha<N>> {
    Alpha::padded(given.as_bytes()).with_context(|| format!("--{what} {given:?} has more than {N} characters"))
}

/// The session's name: given, or made of the start so that two runs never share one.
fn session_name(arguments: &Arguments, now_ns: u64) -> anyhow::Result<SessionName> {
    match &arguments.session {
        Some(given) => text("session", given),
        None => {
            let digit = |position: u32| char::from_digit((now_ns / 1_000 / 36_u64.pow(position) % 36) as u32, 36);
            let digits: String = (0..9).rev().filter_map(digit).collect();
            text("session", &format!("S{}", digits.to_ascii_uppercase()))
        }
    }
}

fn open_shell(arguments: &Arguments, session: SessionName, scanned: Option<&Scan>) -> anyhow::Result<Shell> {
    let credentials = Credentials {
        username: text("username", &arguments.username)?,
        password: Password(text("password", &arguments.password)?),
    };
    let (market, instruments) = match scanned {
        Some(found) => (MarketKind::File, found.instruments()),
        None => {
            let seeded = MarketKind::Seeded { seed: arguments.seed, rate: arguments.rate };
            (seeded, seeded_instruments(arguments.symbols))
        }
    };
    let replay = match (arguments.itch.as_deref(), scanned) {
        (Some(path), Some(found)) => Some(open_replay(path, found, arguments)?),
        _ => None,
    };
    let venue = Venue::new(VenueConfig { session, credentials, market, instruments });
    let endpoints = Endpoints {
        group: SocketAddrV4::new(arguments.group, arguments.group_port),
        interface: arguments.interface,
        order_port: arguments.order_port,
        request_port: arguments.request_port,
    };
    anyhow::ensure!(arguments.group.is_multicast(), "--group {} is not a multicast address", arguments.group);
    let faults = Faults::new(arguments.fault, arguments.seed);
    Ok(Shell::new(venue, MoldStore::new(session), faults, replay, &endpoints)?)
}

/// Keeps this thread, and those it spawns, on one CPU.
fn pin(core: usize) -> nix::Result<()> {
    let mut set = CpuSet::new();
    set.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &set)
}

fn open_replay(path: &Path, found: &Scan, arguments: &Arguments) -> anyhow::Result<Replay> {
    let schedule = Schedule::new(arguments.pace.unwrap_or(Pace::Scaled), found, arguments.seconds);
    Ok(Replay::open(path, found, schedule)?)
}

/// Prints one JSON line.
fn say(value: &serde_json::Value) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{value}").and_then(|()| stdout.flush()).context("cannot write to stdout")
}

/// The lines of stdin; the channel closes at its end.
fn stdin_lines() -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// The loop, and the commands that steer it.
struct Operator<'a> {
    arguments: &'a Arguments,
    clock: Clock,
    shell: Shell,
    commands: Receiver<String>,
    /// How long the market was open, set at its end.
    session_ns: u64,
}

impl Operator<'_> {
    fn run(mut self) -> anyhow::Result<()> {
        if self.arguments.autostart {
            self.shell.command(self.clock.now_ns(), Input::Open);
        }
        loop {
            let now_ns = self.clock.now_ns();
            match self.commands.try_recv() {
                Ok(line) => {
                    if !self.command(now_ns, line.trim())? {
                        return self.write_account();
                    }
                }
                Err(TryRecvError::Disconnected) => return self.write_account(),
                Err(TryRecvError::Empty) => {}
            }
            // A venue that nobody opened by command ends by itself; else the one who opened it says when.
            if self.arguments.autostart && self.elapsed_ns(now_ns) >= self.arguments.seconds.saturating_mul(SECOND_NS) {
                self.end(now_ns)?;
            }
            self.shell.duty_cycle(now_ns)?;
            // Also after work: whoever was just sent something may need this core to receive it.
            match self.arguments.wait {
                Wait::Nap => std::thread::sleep(NAP),
                Wait::Yield => std::thread::yield_now(),
            }
        }
    }

    /// Carries out a command; false when it is to quit.
    fn command(&mut self, now_ns: u64, command: &str) -> anyhow::Result<bool> {
        match command {
            "open" => self.shell.command(now_ns, Input::Open),
            "end" => self.end(now_ns)?,
            "progress" => {
                let replay = self.shell.replay().map(Replay::progress);
                say(&report::progress(&self.shell.venue, self.elapsed_ns(now_ns), replay))?;
            }
            "account" => say(&self.account())?,
            "quit" => return Ok(false),
            "" => {}
            other => eprintln!("exchange-sim: {other:?} is not open, progress, account, end or quit"),
        }
        Ok(true)
    }

    fn end(&mut self, now_ns: u64) -> anyhow::Result<()> {
        if self.shell.venue.phase() == Phase::Ended {
            return Ok(());
        }
        self.session_ns = self.elapsed_ns(now_ns);
        self.shell.command(now_ns, Input::End);
        if let Some(progress) = self.shell.replay().map(Replay::progress).filter(|progress| !progress.is_done()) {
            let seconds = |ns: u64| ns / SECOND_NS;
            eprintln!(
                "exchange-sim: the file was too long: played {} of {} messages, {} of {} s of its time",
                progress.played,
                progress.total,
                seconds(progress.played_ns),
                seconds(progress.total_ns)
            );
        }
        self.write_account()
    }

    /// Time since the open, 0 before it; after the end, the length of the session.
    fn elapsed_ns(&self, now_ns: u64) -> u64 {
        match self.shell.venue.phase() {
            Phase::Open { since_ns } => now_ns.saturating_sub(since_ns),
            Phase::Waiting | Phase::Ended => self.session_ns,
        }
    }

    fn account(&self) -> serde_json::Value {
        let replay = self.shell.replay().map(Replay::progress);
        report::account(&self.shell.venue, self.shell.faults().counts(), self.shell.bare_counts(), replay)
    }

    fn write_account(&self) -> anyhow::Result<()> {
        let Some(path) = &self.arguments.account_file else { return Ok(()) };
        std::fs::write(path, format!("{}\n", self.account()))
            .with_context(|| format!("cannot write {}", path.display()))
    }
}
