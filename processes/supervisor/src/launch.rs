//! Starting a supervisor in the background: it is started again as a child that stays, and waited for until it says that
//! every process runs, or ends.

use crate::shell::StartError;
use anyhow::Context as _;
use runtime::child::Child;
use runtime::config::HostFile;
use runtime::instance::Instance;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

const STEP: Duration = Duration::from_millis(20);
/// Longest wait for an answer of a living supervisor.
const ANSWER_PATIENCE: Duration = Duration::from_secs(2);

/// A line on standard output; a reader that went away is no fault.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Starts a supervisor of `host` and returns once every process runs.
///
/// # Errors
/// Its last words, and its exit code.
pub fn in_background(host: &Path, replace: bool, keep_regions: bool) -> Result<(), StartError> {
    let file = HostFile::load(host).map_err(anyhow::Error::from)?;
    let instance = Instance::of(&file);
    let in_use = |error: runtime::RuntimeError| StartError { code: 75, error: error.into() };
    runtime::instance::InstanceLock::check_free(&instance).map_err(in_use)?;
    instance.create_directories(file.counts().gateways).map_err(anyhow::Error::from)?;
    let own = std::env::current_exe().context("this binary")?;
    let mut words = vec!["run".to_owned(), "--foreground".to_owned(), "--host".to_owned(), host.display().to_string()];
    words.extend(replace.then(|| "--replace".to_owned()));
    words.extend(keep_regions.then(|| "--keep-regions".to_owned()));
    let log = instance.log().join("supervisor.0.log");
    let before = std::fs::metadata(&log).map_or(0, |metadata| metadata.len());
    let mut child = Child::spawn(&own, &words, &log).map_err(anyhow::Error::from)?;
    loop {
        if let Some(status) = child.reap().map_err(anyhow::Error::from)? {
            let code = status.code().and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0).unwrap_or(70);
            return Err(StartError {
                code,
                error: anyhow::anyhow!("{} (see {})", last_words(&log, before), log.display()),
            });
        }
        if let Some(status) = ask(&instance.socket()).filter(|status| status["pid"] == child.id().pid)
            && status["state"] != "starting"
        {
            let state = status["state"].as_str().unwrap_or("unknown");
            say(&format!("instance {} is {state} (pid {})", instance.name(), child.id().pid));
            return Ok(());
        }
        std::thread::sleep(STEP);
    }
}

/// The last line that was written to the log beyond `from`.
fn last_words(log: &Path, from: u64) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let new = text.get(from as usize..).unwrap_or_default();
    let text = String::from_utf8_lossy(new);
    let own = text.lines().rev().find_map(|line| line.strip_prefix("tickway-supervisor: "));
    own.or_else(|| text.lines().next_back()).unwrap_or("it ended without a word").to_owned()
}

/// The status that the supervisor at that socket gives; `None` when there is none.
fn ask(socket: &Path) -> Option<Value> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(ANSWER_PATIENCE)).ok()?;
    stream.write_all(b"{\"command\":\"status\"}\n").ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    serde_json::from_str(&line).ok()
}
