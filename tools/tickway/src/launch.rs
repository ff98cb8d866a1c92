//! Starts a supervisor, waits until its processes run, and ends it for sure.

use crate::failure::{Failure, INTERRUPTED, UNAVAILABLE};
use crate::place::{DATA_LINK, Place};
use crate::regions::Regions;
use crate::roster;
use crate::socket::{Request, Supervisor};
use runtime::child::{Child, Pidfd, ProcessId, binary_path};
use runtime::control_page;
use runtime::instance::Instance;
use runtime::ports::wiring;
use shm_layout::types::Role;
use std::path::Path;
use std::time::Duration;

/// Nap between two looks.
const NAP: Duration = Duration::from_millis(10);
/// Longest wait for a supervisor to stop in order, beyond the bounds of its own steps.
pub const STOP: Duration = Duration::from_secs(30);
/// How often a wait for a start is said.
const SAY: Duration = Duration::from_secs(5);
/// Lines of a log that an error repeats.
const LAST_LINES: usize = 3;
/// Longest wait for the proof of a death.
const DEATH: Duration = Duration::from_secs(5);

/// Starts the supervisor of an instance; its words go to `log/supervisor.log`.
///
/// # Errors
/// When the binary is not there, or no process can be made.
pub fn start(instance: &Instance, host_file: &Path, extra: &[&str]) -> Result<Child, Failure> {
    let binary = binary_path("tickway-supervisor")?;
    instance.create_directories(0)?;
    link_data(instance);
    let host_file = host_file.display().to_string();
    let mut arguments = vec!["run".to_owned(), "--foreground".to_owned(), "--host".to_owned(), host_file];
    arguments.extend(extra.iter().map(|argument| (*argument).to_owned()));
    Ok(Child::spawn(&binary, &arguments, &instance.log().join("supervisor.log"))?)
}

/// Leaves, beside the regions, a link to the data when that lies elsewhere: `tickway status` finds both by name.
fn link_data(instance: &Instance) {
    let link = instance.regions().join(DATA_LINK);
    let _ = std::fs::remove_file(&link);
    if instance.data() != Instance::named(instance.name()).data() {
        // Without it a person names --data.
        let _ = std::os::unix::fs::symlink(instance.data(), &link);
    }
}

/// Removes what [`start`] made for an instance that did not come to live; only an empty directory goes.
pub fn unmake(instance: &Instance) {
    let is_live = runtime::instance::live_instances().iter().any(|found| found.name == *instance.name());
    let entries = std::fs::read_dir(instance.regions()).into_iter().flatten().flatten();
    // Where a journal tail is kept, its directory and the way to its data are too.
    if !is_live && entries.map(|entry| entry.file_name()).all(|name| name == DATA_LINK) {
        let _ = std::fs::remove_file(instance.regions().join(DATA_LINK));
        let _ = std::fs::remove_dir(instance.regions());
    }
}

/// The instance as it now is.
#[must_use]
pub fn place_of(instance: &Instance) -> Place {
    Place { instance: instance.clone(), page: control_page::open(instance, Duration::ZERO).ok(), is_own: true }
}

/// Waits until every process of the instance runs, and says on standard error what it waits for.
///
/// # Errors
/// When the supervisor ends or time is over: names what does not run, and the log.
pub fn wait_until_running(instance: &Instance, supervisor: &mut Child, patience: Duration) -> Result<(), Failure> {
    let log = instance.log().join("supervisor.log");
    let (mut waited, mut said) = (Duration::ZERO, Duration::ZERO);
    loop {
        if let Some(status) = supervisor.reap()? {
            let what = match cause(&log) {
                Some(words) => words,
                None => format!("the supervisor ended with {status}: {}", last_words(&log)),
            };
            let code = status.code().and_then(|code| u8::try_from(code).ok()).filter(|code| *code >= 64);
            return Err(Failure::new(code.unwrap_or(UNAVAILABLE), what, format!("its log is {}", log.display())));
        }
        let missing = not_running(instance)?;
        if missing.is_empty() {
            return Ok(());
        }
        if runtime::signal::stop_requested() {
            return Err(Failure::new(INTERRUPTED, "interrupted before every process ran", "start it again"));
        }
        if waited >= patience {
            let what = format!("not running after {} ms: {}", waited.as_millis(), missing.join(", "));
            return Err(Failure::new(UNAVAILABLE, what, format!("their logs are in {}", instance.log().display())));
        }
        if waited >= said + SAY {
            said = waited;
            // A start syncs epochs and journal before it uses them: behind whatever else the disk is given.
            let (seconds, names) = (waited.as_secs(), missing.join(", "));
            eprintln!(
                "tickway: {seconds} s: not running yet: {names} (a start waits for the disk of {})",
                instance.data().display()
            );
        }
        std::thread::sleep(NAP);
        waited += NAP;
    }
}

/// Names of the processes that do not run yet.
fn not_running(instance: &Instance) -> Result<Vec<String>, Failure> {
    let place = place_of(instance);
    let regions = Regions::open(instance.regions())?;
    let rows = roster::processes(&place, &regions);
    let counts = regions.counts();
    if place.page.is_none() || counts.gateways == 0 {
        return Ok(vec!["the supervisor".to_owned()]);
    }
    let wanted = wiring::processes(counts);
    let runs = |role: Role, index: u8| {
        let is = |row: &&roster::ProcessRow| (row.role, row.index) == (role, index);
        rows.iter().find(is).is_some_and(|row| row.state == "running" && row.identity.is_some())
    };
    let missing = wanted.into_iter().filter(|(role, index)| !runs(*role, *index));
    Ok(missing.map(|(role, index)| format!("{}/{index}", role.folder())).collect())
}

/// What the process said whose end made the start fail: the last line of its own log.
fn cause(supervisor_log: &Path) -> Option<String> {
    let text = std::fs::read_to_string(supervisor_log).ok()?;
    let (before, _) = text.rsplit_once("the start failed")?;
    let of = |line: &str, how: &str| Some(line.split_once(how)?.0.rsplit(' ').next()?.to_owned());
    // The first to be killed: what follows is killed because of it.
    let late = before.lines().find(|line| line.contains("it did not start in time"));
    if let Some(name) = late.and_then(|line| of(line, ": killed: ")) {
        return Some(format!("{name} did not start in time"));
    }
    let line = before.lines().rev().find(|line| line.contains(": ended: "))?;
    let name = of(line, ": ended: ")?;
    let log = supervisor_log.with_file_name(format!("{}.log", name.replace('/', ".")));
    let text = std::fs::read_to_string(log).ok()?;
    let words = text.lines().rev().find(|line| !line.trim().is_empty())?;
    Some(format!("{name} did not start: {words}"))
}

/// The last lines of a log, without their stamps, as one.
fn last_words(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let message = |line: &str| {
        let level = ["ERROR ", "WARN ", "INFO "].iter().find_map(|level| line.split_once(level));
        level.map_or(line, |(_, message)| message).trim().to_owned()
    };
    let said: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last: Vec<String> = said[said.len().saturating_sub(LAST_LINES)..].iter().map(|line| message(line)).collect();
    if last.is_empty() { "without a word".to_owned() } else { last.join(" / ") }
}

/// Stops the instance in order. What does not end in time is SIGKILLed, its processes too.
///
/// # Errors
/// When the supervisor did not end by itself with exit code 0: says how it ended.
pub fn stop(instance: &Instance, supervisor: &mut Child, patience: Duration) -> Result<(), Failure> {
    let asked = Supervisor::connect(instance).and_then(|mut connection| connection.ask(&Request::Stop));
    if asked.is_err() {
        let _ = supervisor.pidfd().send(nix::sys::signal::Signal::SIGTERM);
    }
    let log = instance.log().join("supervisor.log");
    if !supervisor.pidfd().wait_dead(patience) {
        kill(instance, Some(supervisor.id()));
        let _ = supervisor.reap();
        let what = format!("the supervisor did not end within {} s and was killed", patience.as_secs());
        return Err(Failure::new(UNAVAILABLE, what, format!("its log is {}", log.display())));
    }
    match supervisor.reap()? {
        Some(status) if status.success() => Ok(()),
        status => {
            let ended = status.map_or_else(|| "an unknown status".to_owned(), |status| status.to_string());
            let what = format!("the supervisor ended with {ended}: {}", last_words(&log));
            Err(Failure::new(UNAVAILABLE, what, format!("its log is {}", log.display())))
        }
    }
}

/// SIGKILLs a supervisor and every process of its roster, by pidfd, and waits for the proof.
pub fn kill(instance: &Instance, supervisor: Option<ProcessId>) {
    let open = |id| Pidfd::open(id).ok().flatten();
    // The supervisor first: it would restart what is killed.
    if let Some(pidfd) = supervisor.and_then(open) {
        let _ = pidfd.kill(DEATH);
    }
    let place = place_of(instance);
    let roster = place.control().map_or_else(Vec::new, |page| page.roster().collect());
    for (_, entry) in roster {
        let id = ProcessId { pid: entry.pid, start_time: entry.start_time };
        if let Some(pidfd) = open(id).filter(|_| entry.pid != 0) {
            let _ = pidfd.kill(DEATH);
        }
    }
}
