//! Runs the project's tests stage by stage, says how long each took, and ends with one line that counts them all.
//!
//! A test that cannot run here (no real data beside the checkout, no right to do something) writes a line that begins
//! with `skipped:` straight to standard error, past the test harness's capture, and returns; it is counted as skipped.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

/// What the stages counted.
#[derive(Default, Clone, Copy)]
struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
}

/// The stages run so far.
#[derive(Default)]
struct Stages {
    total: Counts,
}

impl Stages {
    /// A stage that is good when its command is: a lint, a build.
    fn step(&mut self, name: &str, command: &mut Command) {
        self.run(name, command, |counts| counts);
    }

    /// A stage of tests.
    fn tests(&mut self, name: &str, command: &mut Command) {
        self.run(name, command, proven);
    }

    #[expect(clippy::disallowed_methods, reason = "a person waits for it: where the minutes went is told in wall time")]
    fn run(&mut self, name: &str, command: &mut Command, judge: fn(Counts) -> Counts) {
        eprintln!("== {name}");
        let began = Instant::now();
        let Counts { passed, failed, skipped } = judge(count(command));
        let seconds = began.elapsed().as_secs();
        eprintln!("== {name}: {passed} passed, {failed} failed, {skipped} skipped, {seconds} s");
        self.total.passed += passed;
        self.total.failed += failed;
        self.total.skipped += skipped;
    }
}

/// Fails tests of which none ran: a filter that matches nothing, or a `cfg` that takes all away, ends with exit code 0.
fn proven(counts: Counts) -> Counts {
    let none = counts.passed + counts.failed + counts.skipped == 0;
    if none {
        eprintln!("no test ran: a name, a filter or a cfg has changed");
    }
    Counts { failed: counts.failed + u64::from(none), ..counts }
}

/// Runs all stages; the exit code is 0 only when nothing failed and something passed.
pub fn run(quick: bool) -> ExitCode {
    let mut stages = Stages::default();
    if !quick {
        if has("fmt") {
            stages.step("formatting", &mut cargo(&["fmt", "--all", "--check"]));
        }
        if has("clippy") {
            let lints = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
            stages.step("lints", &mut cargo(&lints));
        }
    }
    // System tests start the real binaries, which `cargo test` alone does not build for other packages. Both at once: apart,
    // the features of the tests' dependencies make cargo build some of the binaries twice.
    stages.step("build", &mut cargo(&["build", "--workspace", "--bins", "--examples", "--tests", "--quiet"]));
    // Gigabytes of fresh build output would make every sync of the tests' own journals wait for the disk.
    stages.step("sync of the disk", &mut Command::new("sync"));
    stages.tests("tests", &mut cargo(&["test", "--workspace", "--no-fail-fast", "--quiet"]));
    if !quick {
        stages.tests("loom, rings", &mut loom(&["--test", "loom"]));
        // The model of a private module is a unit test; the others know no loom and are left out by their names.
        stages.tests("loom, stamped groups", &mut loom(&["--lib", "loom_tests"]));
        let budgets = ["run", "--quiet", "-p", "xtask", "--", "budgets", "--instructions"];
        stages.step("instruction budgets", &mut cargo(&budgets));
    }
    let Counts { passed, failed, skipped } = stages.total;
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Tests of the memory model, in a folder of their own: everything is built for them with another `cfg`.
fn loom(tests: &[&str]) -> Command {
    let mut command = cargo(&["test", "-p", "shm-layout", "--release", "--target-dir", "target-loom", "--quiet"]);
    command.args(tests).env("RUSTFLAGS", "--cfg loom");
    command
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

fn has(subcommand: &str) -> bool {
    let found = Command::new("cargo")
        .args([subcommand, "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        eprintln!("skipped: cargo {subcommand} is not installed here");
    }
    found
}

/// Runs a command, passes its output through, and adds up the harness's closing lines. A command that fails without a
/// failed test (a build error, a lint) counts as one failure.
fn count(command: &mut Command) -> Counts {
    let mut child = match command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("cannot start {command:?}: {error}");
            return Counts { failed: 1, ..Counts::default() };
        }
    };
    let counts = Arc::new(Mutex::new(Counts::default()));
    let readers: Vec<_> = [
        child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
        child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
    ]
    .into_iter()
    .flatten()
    .map(|pipe| {
        let counts = Arc::clone(&counts);
        thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line);
                eprintln!("{line}");
                add(&mut counts.lock().expect("no reader panics while it counts"), &line);
            }
        })
    })
    .collect();
    let status = child.wait();
    for reader in readers {
        reader.join().expect("a reader does not panic");
    }
    let mut counts = *counts.lock().expect("readers are done");
    if !status.is_ok_and(|status| status.success()) && counts.failed == 0 {
        counts.failed = 1;
    }
    counts.passed = counts.passed.saturating_sub(counts.skipped);
    counts
}

/// Reads `test result: ok. 3 passed; 0 failed; 1 ignored; …` and `skipped: …`.
fn add(counts: &mut Counts, line: &str) {
    if line.starts_with("skipped:") {
        counts.skipped += 1;
    }
    let Some(rest) = line.strip_prefix("test result: ") else { return };
    for part in rest.split([';', '.']) {
        let mut words = part.split_whitespace();
        let (Some(number), Some(what)) = (words.next(), words.next()) else { continue };
        let Ok(number) = number.parse::<u64>() else { continue };
        match what {
            "passed" => counts.passed += number,
            "failed" => counts.failed += number,
            // An ignored test would be subtracted from the passed ones, to which it never belonged.
            "ignored" => {
                counts.skipped += number;
                counts.passed += number;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harness_lines_are_added_up() {
        let mut counts = Counts::default();
        add(
            &mut counts,
            "test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 7 filtered out; finished in 0.01s",
        );
        add(&mut counts, "skipped: no real data beside the checkout");
        add(&mut counts, "test something ... ok");
        assert_eq!((counts.passed, counts.failed, counts.skipped), (3, 1, 1));
    }

    #[test]
    fn tests_of_which_none_ran_have_failed() {
        let mut counts = Counts::default();
        add(&mut counts, "running 0 tests");
        add(
            &mut counts,
            "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0.00s",
        );
        assert_eq!(proven(counts).failed, 1);
        counts.passed = 1;
        assert_eq!(proven(counts).failed, 0);
    }
}
