//! How a measurement ends when it does not end well: a role that is killed. No process stays, and no file.
#![forbid(unsafe_code)]

use benches::child::LaneEntry;
use benches::error::BenchError;
use benches::host::Host;
use benches::lane::{Lane, Payload, Tickway};
use benches::suite;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{read, read_dir, read_to_string};
use std::io::Write;
use std::path::Path;
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
