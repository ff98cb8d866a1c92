//! `tickway-supervisor`: runs an instance, or rebuilds the state of one of its processes.
#![forbid(unsafe_code)]

use clap::{Parser, Subcommand};
use runtime::duty_cycle::{Agent, RunLoop, run};
use runtime::usage::parse;
use shm_layout::status::ProcessState;
use shm_layout::types::Role;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use supervisor::rebuild::{self, Request};
use supervisor::shell::{Options, Shell, StartError, start};
use supervisor::{launch, regions};

/// Shortest nap between two looks, in microseconds: deaths are looked for no more often, and each waking takes a hot
/// process's CPU where they are shared.
const NAP_US_MIN: u32 = 500;

#[derive(Parser)]
#[command(version, about = "Runs the processes of a Tickway instance: starts, watches and restarts them")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run an instance until Ctrl-C, SIGTERM, a closed terminal (but for nohup) or the stop command.
    Run(RunArguments),
    /// Fold the journals into a snapshot for a restarting strategy or risk; the supervisor calls it.
    Rebuild(RebuildArguments),
}

#[derive(Parser)]
struct RunArguments {
    /// The host file.
    #[arg(long)]
    host: PathBuf,
    /// Stay in the foreground; without it, return once every process runs.
    #[arg(long)]
    foreground: bool,
    /// End processes of an earlier supervisor instead of adopting them.
    #[arg(long)]
    replace: bool,
    /// Leave the regions after the stop, to be read.
    #[arg(long)]
    keep_regions: bool,
    /// Stop in order when the process of this number, which started this one, ends; and then remove the regions.
    #[arg(long, value_name = "PID")]
    parent: Option<i32>,
}

#[derive(Parser)]
struct RebuildArguments {
    /// The effective host file.
    #[arg(long)]
    host: PathBuf,
    /// strategy or risk.
    #[arg(long, value_parser = role)]
    role: Role,
    /// Index within the role.
    #[arg(long, default_value_t = 0)]
    index: u8,
    /// Epoch of the life that will read the snapshot.
    #[arg(long)]
    epoch: u32,
    /// Gateways, bit by index, that fenced that epoch; by default all.
    #[arg(long, default_value_t = u64::MAX)]
    fenced: u64,
    /// Where the snapshot goes.
    #[arg(long)]
    out: PathBuf,
}

fn role(name: &str) -> Result<Role, String> {
    match Role::from_folder(name) {
        Some(role @ (Role::Strategy | Role::Risk)) => Ok(role),
        _ => Err("only strategy and risk are rebuilt".into()),
    }
}

fn main() -> ExitCode {
    runtime::log::init();
    runtime::signal::abort_on_panic();
    match parse::<Arguments>().verb {
        Verb::Run(arguments) if arguments.foreground => run_foreground(&arguments),
        Verb::Run(arguments) => match launch::in_background(&arguments.host, arguments.replace, arguments.keep_regions)
        {
            Ok(()) => ExitCode::SUCCESS,
            Err(failed) => fail(failed.code, &failed.to_string()),
        },
        Verb::Rebuild(arguments) => run_rebuild(arguments),
    }
}

fn fail(code: u8, why: &str) -> ExitCode {
    // The terminal may be gone.
    let _ = writeln!(std::io::stderr(), "tickway-supervisor: {why}");
    ExitCode::from(code)
}

fn run_rebuild(arguments: RebuildArguments) -> ExitCode {
    let RebuildArguments { host, role, index, epoch, fenced, out } = arguments;
    let done = rebuild::run(&Request { host, role, index, epoch, fenced, out });
    match done.and_then(|report| Ok(serde_json::to_string(&report)?)) {
        Ok(line) => {
            launch::say(&line);
            ExitCode::SUCCESS
        }
        // EX_DATAERR: the journal could not be folded.
        Err(error) => fail(65, &format!("rebuild of {}/{index}: {error:#}", role.folder())),
    }
}

fn run_foreground(arguments: &RunArguments) -> ExitCode {
    let options = Options { host: arguments.host.clone(), replace: arguments.replace };
    // Handlers first: a Ctrl-C during the start is then an orderly stop after it.
    if let Err(error) = runtime::signal::install(runtime::signal::HangUp::Stops) {
        return fail(71, &error.to_string());
    }
    if let Err(error) = runtime::scheduler::become_cold() {
        tracing::warn!("{error}");
    }
    if arguments.parent.is_some() {
        let asked = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGTERM);
        if let Err(error) = asked {
            return fail(71, &format!("cannot follow the process that started this one: {error}"));
        }
        // It may have ended before that.
        if is_orphan(arguments.parent) {
            return fail(69, "the process that started this one has ended");
        }
    }
    let (mut shell, status) = match start(&options) {
        Ok(started) => started,
        Err(StartError { code, error }) => return fail(code, &format!("{error:#}")),
    };
    // A supervisor that a cut region brings down takes the permission to trade with it.
    if let Err(error) = runtime::bus_error::latch_kill(&shell.instance().kill_file()) {
        tracing::warn!("a cut region would end this supervisor without a kill: {error}");
    }
    for line in shell.plan_lines() {
        launch::say(&line);
    }
    let wait = shell.hot_wait().cold((shell.file().host().nap_us.get() as u32).max(NAP_US_MIN));
    let mut around = RunLoop { clock: shell.clock(), status, wait, turn: None };
    run(&mut shell, &mut around);
    around.status.set_state(ProcessState::Stopped);
    end(&shell, arguments.keep_regions && !is_orphan(arguments.parent))
}

/// Whether the process that this one was to end with has ended.
fn is_orphan(parent: Option<i32>) -> bool {
    parent.is_some_and(|parent| nix::unistd::getppid().as_raw() != parent)
}

/// Removes what the instance leaves, where it may be removed.
fn end(shell: &Shell, keep_regions: bool) -> ExitCode {
    assert!(shell.finished(), "the loop ends with the agent");
    let Some(finished) = shell.outcome() else { return ExitCode::from(70) };
    if !finished.clean {
        return fail(finished.code.max(1), "a process could not be ended: its regions are left");
    }
    if keep_regions {
        return ExitCode::from(finished.code);
    }
    match regions::remove(shell.instance(), shell.file()) {
        Ok(kept) => {
            for path in kept {
                tracing::warn!(
                    "{} holds, or may hold, records that no file has; it is left for the next start",
                    path.display()
                );
            }
            ExitCode::from(finished.code)
        }
        Err(error) => fail(finished.code.max(1), &format!("{error:#}")),
    }
}
