//! A command that was started, and what came of it.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runtime::clock::monotonic_ns;
use serde_json::Value;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// Nap between two looks.
const NAP: Duration = Duration::from_millis(10);
/// Longest life of a command: only a hang takes as long.
const HANG: Duration = Duration::from_secs(180);

/// Time since `started_ns` of the monotonic clock.
pub(crate) fn waited(started_ns: u64) -> Duration {
    Duration::from_nanos(monotonic_ns() - started_ns)
}

/// What a command that has ended said.
#[derive(Clone, Debug)]
pub struct Run {
    /// Exit code; `None` = ended by a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Run {
    /// Standard output as the one JSON object that it must be.
    ///
    /// # Panics
    /// When it is anything else.
    #[must_use]
    pub fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "one line on standard output: {self:#?}");
        let value: Value = serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"));
        assert!(value.is_object(), "one object on standard output: {self:#?}");
        value
    }

    /// Each line of standard output as a JSON object.
    ///
    /// # Panics
    /// When a line is no JSON.
    #[must_use]
    pub fn json_lines(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.stdout.lines().map(parse).collect()
    }
}

/// A command that runs; killed when it is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Running {
    /// Starts a command with its streams in two files.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(command: &mut Command, stdout: PathBuf, stderr: PathBuf) -> Self {
        let create = |path: &PathBuf| File::create(path).expect("the test's folder takes files");
        let child = command.stdin(Stdio::null()).stdout(create(&stdout)).stderr(create(&stderr)).spawn();
        let child = child.unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        Self { child, stdout, stderr }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has said on standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// Sends it a signal. Not reaped yet, so the pid is its own.
    ///
    /// # Panics
    /// When it cannot be sent.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid() as i32), signal).expect("a child of this test takes signals");
    }

    /// Waits until a demo has told of its `second`th second, or of a later one: a starved one leaves some out.
    ///
    /// # Panics
    /// When it ends before, or hangs.
    pub fn wait_second(&mut self, second: usize) {
        let told = |line: &str| line.strip_prefix("demo: ")?.split_once('/')?.0.parse::<usize>().ok();
        let started = monotonic_ns();
        while self.stderr().lines().filter_map(told).max().unwrap_or(0) < second {
            let ended = self.child.try_wait().expect("a child of this test can be waited for");
            assert!(ended.is_none(), "ended ({ended:?}) before second {second}: {}", self.stderr());
            assert!(waited(started) < HANG, "did not come to second {second}: {}", self.stderr());
            sleep(NAP);
        }
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it hangs.
    #[must_use]
    pub fn wait(mut self) -> Run {
        let started = monotonic_ns();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of this test can be waited for") {
                let stdout = std::fs::read_to_string(&self.stdout).unwrap_or_default();
                return Run { code: status.code(), stdout, stderr: self.stderr() };
            }
            assert!(waited(started) < HANG, "does not end: {}", self.stderr());
            sleep(NAP);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
