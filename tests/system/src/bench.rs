//! An instance of a test's own.

use crate::left::{Left, processes_naming, shared_memory_of};
use crate::run::{Run, Running, waited};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runtime::child::{binary_path, start_time};
use runtime::clock::monotonic_ns;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;
use tempfile::TempDir;

/// Tests take turns: two instances at once would only starve each other.
static TURN: Mutex<()> = Mutex::new(());
/// Free bytes of shared memory from which on it holds the tests' folders too.
const SHARED_BYTES_MIN: u64 = 1 << 30;
/// Nap between two looks.
const NAP: Duration = Duration::from_millis(20);
/// Longest wait for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the tests' folders go. What these tests judge does not rest on a disk, and a disk whose sync stalls (after a build
/// some take tens of seconds) would make them judge the disk: shared memory, where it has room beside the regions.
fn place() -> PathBuf {
    let shared = Path::new("/dev/shm");
    let ample = runtime::mmap::free_bytes(shared).is_ok_and(|free| free >= SHARED_BYTES_MIN);
    if ample { shared.to_owned() } else { std::env::temp_dir() }
}

/// A test's turn, its folder and its instance.
#[derive(Debug)]
pub struct Bench {
    name: String,
    folder: TempDir,
    runs: AtomicU32,
    _turn: MutexGuard<'static, ()>,
}

impl Bench {
    /// Waits for the test's turn and makes its folder.
    ///
    /// # Panics
    /// When the product's binaries are not built: the message names the command.
    #[must_use]
    pub fn new(test: &str) -> Self {
        Self::within(&place(), test)
    }

    /// As [`Self::new`], in the folder for temporary files: for what rests on a filesystem of a disk.
    ///
    /// # Panics
    /// As [`Self::new`].
    #[must_use]
    pub fn on_disk(test: &str) -> Self {
        Self::within(&std::env::temp_dir(), test)
    }

    fn within(place: &Path, test: &str) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        for binary in ["tickway", "tickway-supervisor", "exchange-sim"] {
            binary_path(binary).unwrap_or_else(|error| panic!("{error}"));
        }
        let name = format!("{test}-{}", std::process::id());
        let folder =
            tempfile::Builder::new().prefix("tickway-system-").tempdir_in(place).expect("a folder for the test");
        Self { name, folder, runs: AtomicU32::new(0), _turn: turn }
    }

    /// Name of the instance.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The test's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The instance's data directory.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    /// The directory of this user's instances in shared memory.
    #[must_use]
    pub fn user_folder() -> PathBuf {
        PathBuf::from(format!("/dev/shm/tickway-{}", nix::unistd::getuid()))
    }

    /// Writes a file into the test's folder.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder().join(name);
        std::fs::write(&path, content).expect("the test's folder takes files");
        path
    }

    /// The `tickway` command with these arguments, not started yet.
    ///
    /// # Panics
    /// When it is not built.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary_path("tickway").unwrap_or_else(|error| panic!("{error}")));
        command.args(arguments);
        command
    }

    /// Starts a command.
    #[must_use]
    pub fn start(&self, command: &mut Command) -> Running {
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        let path = |stream: &str| self.folder().join(format!("{run}.{stream}"));
        Running::start(command, path("stdout"), path("stderr"))
    }

    /// Runs `tickway` with these arguments to its end.
    #[must_use]
    pub fn tickway(&self, arguments: &[&str]) -> Run {
        self.start(&mut self.command(arguments)).wait()
    }

    /// Runs `tickway` with these arguments about the test's instance.
    #[must_use]
    pub fn about(&self, arguments: &[&str]) -> Run {
        self.tickway(&[arguments, &["--instance", &self.name]].concat())
    }

    /// `tickway demo --json` of so many seconds, not started yet.
    #[must_use]
    pub fn demo_command(&self, seconds: u64, extra: &[&str]) -> Command {
        let mut command = self.command(&["demo", "--json", "--instance", &self.name, "--data"]);
        command.arg(self.data()).args(["--seconds", &seconds.to_string()]).args(extra);
        command
    }

    /// Starts a demo.
    #[must_use]
    pub fn demo(&self, seconds: u64, extra: &[&str]) -> Running {
        self.start(&mut self.demo_command(seconds, extra))
    }

    /// `tickway status --json --counters` of the test's instance; `None` when it has none.
    #[must_use]
    pub fn status(&self) -> Option<Value> {
        serde_json::from_str(&self.about(&["status", "--json", "--counters"]).stdout).ok()
    }

    /// The row of a process in the status.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn process(&self, role: &str) -> Value {
        let status = self.status().unwrap_or_default();
        let rows = status["processes"].as_array().cloned().unwrap_or_default();
        let row = rows.into_iter().find(|row| row["role"] == role);
        row.unwrap_or_else(|| panic!("no {role} in {status:#}"))
    }

    /// Signals a process of the instance, and returns its pid.
    ///
    /// # Panics
    /// When there is no such process.
    pub fn signal(&self, role: &str, signal: Signal) -> u32 {
        let pid = self.process(role)["pid"].as_u64().expect("a pid is a number") as u32;
        assert!(pid > 1, "{role} has pid {pid}");
        kill(Pid::from_raw(pid as i32), signal).unwrap_or_else(|error| panic!("{role}, pid {pid}: {error}"));
        pid
    }

    /// Waits until the status' row of a process is as wanted, and returns it.
    ///
    /// # Panics
    /// When it does not come to be.
    pub fn wait_for(&self, role: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let started = monotonic_ns();
        loop {
            let row = self.process(role);
            if wanted(&row) {
                return row;
            }
            assert!(waited(started) < PATIENCE, "{role}: no {what}: {row:#}");
            sleep(NAP);
        }
    }

    /// Waits until `done`.
    ///
    /// # Panics
    /// When it does not come to be.
    pub fn wait_until(&self, what: &str, done: impl Fn() -> bool) {
        let started = monotonic_ns();
        while !done() {
            assert!(waited(started) < PATIENCE, "no {what}");
            sleep(NAP);
        }
    }

    /// Waits until a process runs in its `restarts`th life after the first.
    pub fn wait_restarted(&self, role: &str, restarts: u64) {
        self.wait_for(role, "restart", |row| row["state"] == "running" && row["restarts"] == restarts);
    }

    /// Every record of the gateway's journal, as `tickway journal dump --json` shows it.
    ///
    /// # Panics
    /// When it cannot be read to its end.
    #[must_use]
    pub fn journal(&self) -> Vec<Value> {
        let data = self.data();
        let run = self.about(&["journal", "dump", "--json", "--data", &data.display().to_string()]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        run.json_lines()
    }

    /// What the instance left.
    #[must_use]
    pub fn left(&self) -> Left {
        let folder = self.folder().display().to_string();
        Left { processes: processes_naming(&folder), regions: shared_memory_of(&Self::user_folder(), &self.name) }
    }

    /// Fails unless the instance left nothing.
    ///
    /// # Panics
    /// When it left something.
    pub fn expect_nothing_left(&self) {
        assert_eq!(self.left(), Left::default());
    }

    /// Ends what a failed test left: processes whose command line names the test's folder, the supervisor first.
    fn sweep(&self) {
        let folder = self.folder().display().to_string();
        let started = monotonic_ns();
        loop {
            let mut left = processes_naming(&folder);
            if left.is_empty() || waited(started) > PATIENCE {
                break;
            }
            left.sort_by_key(|(_, line)| !line.contains("tickway-supervisor"));
            for pid in left.into_iter().map(|(pid, _)| pid).collect::<BTreeSet<_>>() {
                if start_time(pid).is_some() {
                    let _ = kill(Pid::from_raw(pid as i32), Signal::SIGKILL);
                }
            }
            sleep(NAP);
        }
        for path in shared_memory_of(&Self::user_folder(), &self.name) {
            let _ = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        }
        let _ = std::fs::remove_file(Self::user_folder().join(format!("{}.lock", self.name)));
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for name in ["supervisor", "execution-gateway.0"] {
                let path = self.data().join(format!("log/{name}.log"));
                eprintln!("{name}'s log:\n{}", std::fs::read_to_string(path).unwrap_or_default());
            }
        }
        self.sweep();
    }
}
