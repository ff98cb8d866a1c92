//! The real supervisor over stand-ins, and what a test does with it.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

const DEMO: &str = include_str!("../../../../tuning/demo.toml");
/// The roles whose processes are stand-ins.
pub const ROLES: [&str; 5] = ["feed-handler", "strategy", "risk", "execution-gateway", "recorder"];
/// Passes of 10 ms that a state is waited for: only a hang takes as many.
pub const PATIENCE: usize = 3_000;

/// An instance of stand-ins in folders of its own; everything of it ends with this value.
pub struct World {
    pub dir: tempfile::TempDir,
    name: String,
    pub supervisor: Option<Child>,
}

impl World {
    pub fn new(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let real = Path::new(env!("CARGO_BIN_EXE_tickway-supervisor"));
        let stand_in = real.with_file_name("examples").join("stand_in");
        // A link would be resolved by the kernel: the supervisor looks beside the file that it is.
        fs::copy(real, dir.path().join("tickway-supervisor")).unwrap();
        fs::copy(&stand_in, dir.path().join("tickway-risk")).unwrap();
        for role in ROLES.iter().filter(|role| **role != "risk") {
            fs::hard_link(dir.path().join("tickway-risk"), dir.path().join(format!("tickway-{role}"))).unwrap();
        }
        let name = format!("{name}-{}", std::process::id());
        let regions = format!("regions = \"/dev/shm/tickway-test-{name}\"");
        let text = DEMO
            .replace("instance = \"demo\"", &format!("instance = \"{name}\""))
            .replace("regions = \"\"", &regions)
            .replace("data = \"\"", &format!("data = \"/dev/shm/tickway-test-{name}-data\""))
            .replace("= 65536", "= 1024")
            .replace("= 16384", "= 1024");
        fs::write(dir.path().join("host.toml"), text).unwrap();
        Self { dir, name, supervisor: None }
    }

    pub fn regions(&self) -> PathBuf {
        PathBuf::from(format!("/dev/shm/tickway-test-{}", self.name))
    }

    /// In memory: what is tested here is not how long a disk takes to sync.
    pub fn data(&self) -> PathBuf {
        PathBuf::from(format!("/dev/shm/tickway-test-{}-data", self.name))
    }

    pub fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(self.dir.path().join("tickway-supervisor"));
        command.args(["run", "--foreground", "--host"]).arg(self.dir.path().join("host.toml")).args(more);
        command
    }

    pub fn start(&mut self, more: &[&str]) {
        let log = fs::File::options().create(true).append(true).open(self.dir.path().join("supervisor.log")).unwrap();
        let child = self.command(more).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        self.supervisor = Some(child);
        let pid = self.supervisor.as_ref().unwrap().id();
        self.until("the instance runs", |status| status["pid"] == pid && status["state"] != "starting");
    }

    pub fn ask(&self, request: &Value) -> Option<Value> {
        let mut stream = UnixStream::connect(self.regions().join("supervisor.sock")).ok()?;
        writeln!(stream, "{request}").ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }

    pub fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..PATIENCE {
            if let Some(status) = self.ask(&json!({"command": "status"})).filter(|status| wanted(status)) {
                return status;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{what}: not within the patience\n{}", self.logs());
    }

    pub fn logs(&self) -> String {
        fs::read_to_string(self.dir.path().join("supervisor.log")).unwrap_or_default()
    }

    /// Sends the supervisor a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.supervisor.as_ref().unwrap().id() as i32), signal).unwrap();
    }

    /// Ends the supervisor with a signal; its exit code.
    pub fn end(&mut self, signal: Signal) -> Option<i32> {
        self.signal(signal);
        self.supervisor.take().unwrap().wait().unwrap().code()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if self.supervisor.is_some() {
            self.end(Signal::SIGTERM);
        }
        // A test that failed between two supervisors leaves processes that nobody would end.
        for id in supervisor::strays::find(&self.data().join("host.toml")) {
            let _ = kill(Pid::from_raw(id.pid as i32), Signal::SIGKILL);
        }
        let _ = fs::remove_dir_all(self.regions());
        let _ = fs::remove_dir_all(self.data());
        let locks = format!("/dev/shm/tickway-{}", nix::unistd::getuid());
        let _ = fs::remove_file(Path::new(&locks).join(format!("{}.lock", self.name)));
        let _ = fs::remove_file(format!("{locks}-{}", self.name));
    }
}

pub fn process<'a>(status: &'a Value, role: &str) -> &'a Value {
    status["processes"].as_array().unwrap().iter().find(|process| process["role"] == role).unwrap()
}

pub fn pid_of(status: &Value, role: &str) -> Pid {
    Pid::from_raw(process(status, role)["pid"].as_i64().unwrap() as i32)
}

pub fn runs_again(status: &Value, role: &str, restarts: u64) -> bool {
    let process = process(status, role);
    process["state"] == "Running" && process["restarts"] == restarts
}

pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
