//! The simulated venue as a child: commands to its standard input, JSON lines from its standard output.
//!
//! It ends with its standard input, so it cannot outlive the demo.

use super::cleanup;
use crate::failure::{Failure, INTERRUPTED, SOFTWARE, UNAVAILABLE};
use runtime::child::{ProcessId, binary_path, start_time};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::str::FromStr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// Longest wait for a line: a large file is scanned before the first.
const FIRST: Duration = Duration::from_secs(600);
/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Looks at whether it has ended, before it is killed.
const DROP_LOOKS: u32 = 200;
/// Nap between two looks at a scan.
const SCAN_NAP: Duration = Duration::from_millis(20);
/// Nap between two of them.
const DROP_NAP: Duration = Duration::from_millis(10);

/// The running venue.
#[derive(Debug)]
pub struct Venue {
    child: Child,
    commands: Option<ChildStdin>,
    lines: Receiver<Value>,
    log: PathBuf,
}

/// Terms of the venue's, read as it reads them, before anything is started; they are handed on as they were given.
///
/// # Errors
/// As the venue says it.
pub fn terms<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<String, String> {
    text.parse::<T>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// What a scan of an ITCH file finds, as the venue prints it.
///
/// # Errors
/// When the file cannot be read or is no ITCH file.
pub fn scan(file: &Path) -> Result<Value, Failure> {
    let binary = binary_path("exchange-sim")?;
    let mut command = Command::new(&binary);
    command.arg("--itch").arg(file).arg("--scan").stdin(Stdio::null()).process_group(0);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.map_err(|error| Failure::file("run", &binary, &error))?;
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    let waiting = std::thread::spawn(move || child.wait_with_output());
    while !waiting.is_finished() {
        if runtime::signal::stop_requested() {
            // Not reaped before `waiting` is joined: the number is still its own.
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
            let _ = waiting.join();
            return Err(Failure::new(INTERRUPTED, "interrupted while the file was scanned", "start it again"));
        }
        std::thread::sleep(SCAN_NAP);
    }
    let run = waiting.join().unwrap_or_else(|_| Err(std::io::Error::other("its reader panicked")));
    let run = run.map_err(|error| Failure::file("run", &binary, &error))?;
    if !run.status.success() {
        let words = String::from_utf8_lossy(&run.stderr);
        let word = last_word(&words).unwrap_or("the scan failed");
        return Err(Failure::new(crate::failure::DATA_ERROR, word, "name a Nasdaq ITCH 5.0 BinaryFILE"));
    }
    serde_json::from_slice(&run.stdout).map_err(|error| not_json(&error.to_string()))
}

/// What a venue that ended said: its last line.
fn last_word(text: &str) -> Option<&str> {
    text.lines().last().map(|line| line.trim_start_matches("exchange-sim: "))
}

fn not_json(what: &str) -> Failure {
    Failure::new(SOFTWARE, format!("exchange-sim printed what is no JSON: {what}"), "use one build for both")
}

impl Venue {
    /// Starts the venue and waits for its first line, which says where it listens.
    ///
    /// # Errors
    /// When it does not start or ends; its last words are in the message.
    pub fn start(arguments: &[String], log: &Path) -> Result<(Self, Value), Failure> {
        let binary = binary_path("exchange-sim")?;
        let stderr = File::create(log).map_err(|error| Failure::file("create", log, &error))?;
        let mut command = Command::new(&binary);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr).process_group(0);
        let making = cleanup::making();
        let mut child = command.spawn().map_err(|error| Failure::file("start", &binary, &error))?;
        if let Some(start_time) = start_time(child.id()) {
            making.venue(ProcessId { pid: child.id(), start_time });
        }
        let commands = child.stdin.take();
        let output = child.stdout.take().expect("standard output is piped");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let Ok(line) = line else { break };
                let Ok(value) = serde_json::from_str(&line) else { continue };
                if sender.send(value).is_err() {
                    break;
                }
            }
        });
        let mut venue = Self { child, commands, lines, log: log.to_owned() };
        let listening = venue.line("listening", FIRST)?;
        Ok((venue, listening))
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Gives a command that has no answer.
    ///
    /// # Errors
    /// When the venue is gone.
    pub fn tell(&mut self, command: &str) -> Result<(), Failure> {
        let written = self.commands.as_mut().is_some_and(|commands| writeln!(commands, "{command}").is_ok());
        if written { Ok(()) } else { Err(self.gone()) }
    }

    /// Gives a command and waits for its answer, the line with this event.
    ///
    /// # Errors
    /// When the venue is gone or does not answer.
    pub fn ask(&mut self, command: &str) -> Result<Value, Failure> {
        self.tell(command)?;
        self.line(command, ANSWER)
    }

    fn line(&mut self, event: &str, patience: Duration) -> Result<Value, Failure> {
        loop {
            match self.lines.recv_timeout(patience) {
                Ok(value) if value["event"] == *event => return Ok(value),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => {
                    let what = format!("the venue does not answer {event:?} within {} s", patience.as_secs());
                    return Err(Failure::new(UNAVAILABLE, what, format!("its log is {}", self.log.display())));
                }
                Err(RecvTimeoutError::Disconnected) => return Err(self.gone()),
            }
        }
    }

    fn gone(&mut self) -> Failure {
        // It may be still about to end: its pipe closes first.
        let ended = self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let word = last_word(&text).unwrap_or("without a word");
        Failure::new(
            UNAVAILABLE,
            format!("the venue ended ({ended}): {word}"),
            format!("its log is {}", self.log.display()),
        )
    }
}

impl Drop for Venue {
    /// Ends it by closing its standard input; kills it when that does not do.
    fn drop(&mut self) {
        self.commands = None;
        for _ in 0..DROP_LOOKS {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(DROP_NAP);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
