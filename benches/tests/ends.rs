//! How a measurement ends when it does not end well: a role that is killed, an interruption, a coordinator that is killed.
//! No process stays, and no file.
#![forbid(unsafe_code)]

use benches::child::LaneEntry;
use benches::error::BenchError;
use benches::host::Host;
use benches::lane::{Lane, Payload, Tickway};
use benches::suite;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runtime::child::{ProcessId, is_alive, start_time};
use std::fs::{read, read_dir, read_to_string};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

/// Tests whose children are this process's own take turns: each looks for what is left of them.
static OWN_CHILDREN: Mutex<()> = Mutex::new(());

/// Far less than roles wait for each other, far more than a busy machine takes to end a process.
const SOON: Duration = Duration::from_secs(10);

/// Processes that `parent` has started as roles of a trial, with their command lines.
fn roles_of(parent: u32) -> Vec<(Pid, String)> {
    let entries = read_dir("/proc").expect("/proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let role = |pid: u32| {
        let stat = read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut after_name = stat.rsplit_once(')')?.1.split_ascii_whitespace();
        let state = after_name.next()?;
        let is_ours = state != "Z" && after_name.next()?.parse() == Ok(parent);
        let command = String::from_utf8_lossy(&read(format!("/proc/{pid}/cmdline")).ok()?).replace('\0', " ");
        (is_ours && command.contains(" bench child ")).then(|| (Pid::from_raw(pid as i32), command))
    };
    pids.filter_map(role).collect()
}

/// Waits until it holds; false when it did not for long.
fn comes_true(holds: impl Fn() -> bool) -> bool {
    let started_ns = runtime::clock::monotonic_ns();
    while !holds() {
        if runtime::clock::monotonic_ns() - started_ns > SOON.as_nanos() as u64 {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

/// Directories of trials that process `pid` has left in shared memory.
fn directories_of(pid: u32) -> usize {
    let of_pid = format!("tickway-bench-{pid}-");
    let entries = read_dir("/dev/shm").expect("shared memory").flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&of_pid)).count()
}

#[test]
fn a_role_that_is_killed_ends_its_start_at_once_and_is_named() {
    let host = Host::new(&[LaneEntry::processes::<Tickway>()], None, 1);
    let skip = |error: &BenchError| {
        let _ = writeln!(std::io::stderr(), "skipped: {error}");
    };
    let Ok(mut host) = host.inspect_err(skip) else { return };
    host.program = Path::new(env!("CARGO_BIN_EXE_bench_roles")).to_owned();
    let plan = suite::one_way(Tickway::NAME, Payload::Bytes56, 10_000);
    let _turn = OWN_CHILDREN.lock().expect("the other test has passed");
    let own = std::process::id();
    let receiver = || roles_of(own).into_iter().find(|(_, command)| command.contains(r#""role":"receiver""#));
    let (failure, took) = std::thread::scope(|scope| {
        let measured = scope.spawn(|| host.measure(&plan, &mut |_| ()));
        assert!(comes_true(|| receiver().is_some()), "a receiver is started");
        // Attached, and in its work or before it: it must not matter.
        std::thread::sleep(Duration::from_millis(200));
        let started_ns = runtime::clock::monotonic_ns();
        kill(receiver().expect("it works for ten seconds").0, Signal::SIGKILL).expect("it is ours");
        let failure = measured.join().expect("no panic").expect_err("a role is dead");
        (failure.to_string(), Duration::from_nanos(runtime::clock::monotonic_ns() - started_ns))
    });
    assert!(failure.starts_with("the receiver (process ") && failure.contains("killed by SIGKILL"), "{failure}");
    assert!(took < SOON, "{took:?}");
    assert!(roles_of(own).is_empty(), "the sender has left");
    assert_eq!(directories_of(own), 0);
}

#[test]
fn a_role_that_cannot_play_says_why() {
    let host = Host::new(&[LaneEntry::processes::<Tickway>()], None, 1);
    let Ok(mut host) = host else { return };
    // It ends with exit code 1 at once, whatever it is told.
    host.program = "/bin/false".into();
    let plan = suite::one_way(Tickway::NAME, Payload::Bytes56, 10);
    let _turn = OWN_CHILDREN.lock().expect("the other test has passed");
    let failure = host.measure(&plan, &mut |_| ()).expect_err("nobody plays").to_string();
    assert!(failure.contains("exit code 1 and no word"), "{failure}");
}

/// `bench ring` in a process of its own, and what it says; `None` where this machine has too few cores.
struct Coordinator {
    child: Child,
    said: BufReader<ChildStderr>,
}

impl Coordinator {
    fn new(arguments: &[&str]) -> Option<Self> {
        Host::new(&[LaneEntry::processes::<Tickway>()], None, 1).ok()?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_bench_roles"));
        command.arg("bench").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the harness starts");
        let said = BufReader::new(child.stderr.take().expect("a pipe"));
        Some(Self { child, said })
    }

    fn send(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("it is ours");
    }

    /// Waits until both roles of a start run.
    fn roles(&self) -> Vec<ProcessId> {
        let pid = self.child.id();
        assert!(comes_true(|| roles_of(pid).len() == 2), "a start begins");
        let identity = |(pid, _): (Pid, String)| {
            let pid = pid.as_raw() as u32;
            start_time(pid).map(|start_time| ProcessId { pid, start_time })
        };
        roles_of(pid).into_iter().filter_map(identity).collect()
    }
}

#[test]
fn an_interrupted_run_reports_what_it_has_and_leaves_nothing() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let arguments = ["ring", "--restarts", "100", "--measure-ms", "100"];
        let Some(mut run) = Coordinator::new(&arguments) else { return };
        let mut first = String::new();
        run.said.read_line(&mut first).expect("a line about the first start");
        assert!(first.contains(": start 1"), "{first}");
        let roles = run.roles();
        let started_ns = runtime::clock::monotonic_ns();
        run.send(signal);
        let pid = run.child.id();
        let output = run.child.wait_with_output().expect("it ends");
        let took = Duration::from_nanos(runtime::clock::monotonic_ns() - started_ns);
        assert!(took < SOON, "{took:?}");
        assert_eq!(output.status.code(), Some(1), "as with any run that lacks something");
        let report = String::from_utf8_lossy(&output.stdout);
        assert!(report.contains("one-way-64: interrupted after "), "{report}");
        assert!(report.contains("throughput-128: interrupted after 0 of 100 starts"), "{report}");
        assert!(!roles.iter().any(|role| is_alive(*role)), "its roles are gone before it is");
        assert_eq!(directories_of(pid), 0);
    }
}

#[test]
fn roles_end_with_a_coordinator_that_is_killed() {
    let Some(mut run) = Coordinator::new(&["ring", "--measure-ms", "10000"]) else { return };
    let roles = run.roles();
    assert_eq!(roles.len(), 2);
    run.send(Signal::SIGKILL);
    run.child.wait().expect("it is dead");
    assert!(comes_true(|| !roles.iter().any(|role| is_alive(*role))), "they spin no longer");
    // Its directory goes with the next run.
    let _ = Host::new(&[LaneEntry::processes::<Tickway>()], None, 1);
    assert_eq!(directories_of(run.child.id()), 0);
}
