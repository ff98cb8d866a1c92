//! A stopped writer under a supervisor that died meanwhile: the next supervisor, which is not its parent, kills it by
//! pidfd, and nothing of it is repaired before its death is proven (design: zombies).
#![forbid(unsafe_code)]

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runtime::child::{ProcessId, is_alive, start_time};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const DEMO: &str = include_str!("../../../tuning/demo.toml");
const ROLES: [&str; 5] = ["feed-handler", "strategy", "risk", "execution-gateway", "recorder"];

struct World {
    dir: tempfile::TempDir,
    name: String,
    supervisor: Option<Child>,
}

impl World {
    fn new(name: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let real = Path::new(env!("CARGO_BIN_EXE_tickway-supervisor"));
        let stand_in = real.with_file_name("examples").join("stand_in");
        fs::copy(real, dir.path().join("tickway-supervisor")).expect("the supervisor is built");
        for role in ROLES {
            fs::copy(&stand_in, dir.path().join(format!("tickway-{role}"))).expect("the stand-in is built");
        }
        let name = format!("{name}-{}", std::process::id());
        let text = DEMO
            .replace("instance = \"demo\"", &format!("instance = \"{name}\""))
            .replace("regions = \"\"", &format!("regions = \"/dev/shm/tickway-test-{name}\""))
            .replace("data = \"\"", &format!("data = \"/dev/shm/tickway-test-{name}-data\""))
            .replace("= 65536", "= 1024")
            .replace("= 16384", "= 1024");
        fs::write(dir.path().join("host.toml"), text).expect("the folder takes files");
        Self { dir, name, supervisor: None }
    }

    fn folder(&self, suffix: &str) -> PathBuf {
        PathBuf::from(format!("/dev/shm/tickway-test-{}{suffix}", self.name))
    }

    fn start(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.dir.path().join("supervisor.log"));
        let mut command = Command::new(self.dir.path().join("tickway-supervisor"));
        command.args(["run", "--foreground", "--host"]).arg(self.dir.path().join("host.toml"));
        let child = command.stdout(Stdio::null()).stderr(log.expect("a log")).spawn().expect("it starts");
        let pid = child.id();
        self.supervisor = Some(child);
        self.until("the instance runs", |status| status["pid"] == pid && status["state"] != "starting");
    }

    fn ask(&self, request: &Value) -> Option<Value> {
        let mut stream = UnixStream::connect(self.folder("").join("supervisor.sock")).ok()?;
        writeln!(stream, "{request}").ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }

    /// Passes of 10 ms that a state is waited for: only a hang takes as many.
    fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..3_000 {
            if let Some(status) = self.ask(&json!({"command": "status"})).filter(|status| wanted(status)) {
                return status;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{what}: not within the patience\n{}", self.log());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("supervisor.log")).unwrap_or_default()
    }

    fn signal(&self, signal: Signal) {
        let child = self.supervisor.as_ref().expect("a supervisor runs");
        kill(Pid::from_raw(child.id() as i32), signal).expect("it is ours");
    }

    fn end(&mut self, signal: Signal) {
        self.signal(signal);
        self.supervisor.take().expect("it was signalled").wait().expect("it is our child");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if self.supervisor.is_some() {
            self.end(Signal::SIGTERM);
        }
        // A test that failed between two supervisors leaves processes that nobody would end.
        for id in supervisor::strays::find(&self.folder("-data").join("host.toml")) {
            let _ = kill(Pid::from_raw(id.pid as i32), Signal::SIGKILL);
        }
        let _ = fs::remove_dir_all(self.folder(""));
        let _ = fs::remove_dir_all(self.folder("-data"));
        let locks = format!("/dev/shm/tickway-{}", nix::unistd::getuid());
        let _ = fs::remove_file(Path::new(&locks).join(format!("{}.lock", self.name)));
        let _ = fs::remove_file(format!("{locks}-{}", self.name));
    }
}

fn process<'a>(status: &'a Value, role: &str) -> &'a Value {
    let rows = status["processes"].as_array().expect("processes are a list");
    rows.iter().find(|process| process["role"] == role).expect("every role has a row")
}

fn is_stopped(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
    stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" T"))
}

fn stop(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGSTOP).expect("it is of this instance");
    for _ in 0..3_000 {
        if is_stopped(pid) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("process {pid} does not stop");
}

#[test]
fn a_stopped_writer_is_proven_dead_by_the_next_supervisor_before_its_ring_is_taken_over() {
    let mut world = World::new("zombie");
    world.start();
    let before = world.until("all run", |status| ROLES.iter().all(|role| process(status, role)["state"] == "Running"));
    for role in ["strategy", "risk"] {
        let pid = process(&before, role)["pid"].as_i64().expect("a pid") as i32;
        let start_time = start_time(pid as u32).expect("it lives");
        let stopped = ProcessId { pid: pid as u32, start_time };
        // Stopped when its supervisor dies (which must not notice, and is stopped first): the kernel may hang it up and wake
        // it, and it lives. Then stopped for good.
        world.signal(Signal::SIGSTOP);
        stop(pid);
        world.end(Signal::SIGKILL);
        stop(pid);
        assert!(is_alive(stopped), "{role}: stopped, not dead\n{}", world.log());
        world.start();
        let after = world.until("its next life", |status| {
            let row = process(status, role);
            let lives = row["pid"].as_i64().is_some_and(|now| now != 0 && now != i64::from(pid));
            // Whenever a successor has a pid, the stopped one has ended, reaped or not.
            assert!(!lives || !is_alive(stopped), "{role}: a successor beside a stopped writer");
            lives && row["state"] == "Running"
        });
        assert_eq!(process(&after, role)["restarts"], 1, "{role}");
    }
    let epochs = fs::read_to_string(world.folder("-data").join("state/epochs")).expect("the epochs are kept");
    assert!(epochs.contains("strategy 0 2\n") && epochs.contains("risk 0 2\n"), "{epochs}");
}
