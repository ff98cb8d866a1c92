//! The simulated venue as a process of the test's own: it lives on when an instance goes down, and knows the account by
//! itself.

use crate::Bench;
use runtime::child::binary_path;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The demo's host file, into which the venue's addresses are filled.
const HOST: &str = include_str!("../../../tuning/demo.toml");

/// A running venue with one instrument; it ends with the value.
#[derive(Debug)]
pub struct Venue {
    child: Child,
    commands: ChildStdin,
    lines: BufReader<ChildStdout>,
    listening: Value,
}

impl Venue {
    /// Starts it with this seed and waits until it says where it listens. The market stays closed until `open`.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(bench: &Bench, seed: u64) -> Self {
        let mut command = Command::new(binary_path("exchange-sim").unwrap_or_else(|error| panic!("{error}")));
        let pid = std::process::id();
        let group = format!("239.255.{}.{}", pid >> 8 & 0xff, (pid & 0xff).clamp(1, 254));
        command.args(["--symbols", "1", "--username", "TICK01", "--password", "TICKWAY", "--group", &group]);
        command.args(["--group-port", &(20_000 + pid % 20_000).to_string(), "--seed", &seed.to_string()]);
        // It also puts the test's folder into the command line, by which the bench knows what is its own.
        command.arg("--account-file").arg(bench.folder().join("account.json"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the venue starts");
        let commands = child.stdin.take().expect("standard input is piped");
        let lines = BufReader::new(child.stdout.take().expect("standard output is piped"));
        let mut venue = Self { child, commands, lines, listening: Value::Null };
        venue.listening = venue.line("listening");
        venue
    }

    /// Gives a command that has no answer.
    ///
    /// # Panics
    /// When the venue is gone.
    pub fn tell(&mut self, command: &str) {
        writeln!(self.commands, "{command}").expect("the venue lives");
    }

    /// All that the venue knows of the account.
    ///
    /// # Panics
    /// When the venue is gone.
    #[must_use]
    pub fn account(&mut self) -> Value {
        self.tell("account");
        self.line("account")
    }

    /// The next line with this event.
    fn line(&mut self, event: &str) -> Value {
        loop {
            let mut line = String::new();
            let read = self.lines.read_line(&mut line).expect("standard output of the venue can be read");
            assert!(read > 0, "the venue ended before it said {event:?}");
            let value: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            if value["event"] == *event {
                return value;
            }
        }
    }

    /// The demo's host file as one of the bench's instance, its data directory and this venue; `extra` at its end.
    ///
    /// # Panics
    /// When the demo's host file does not have what is filled in.
    #[must_use]
    pub fn host_file(&self, bench: &Bench, extra: &str) -> String {
        let said = |key: &str| self.listening[key].as_str().unwrap_or_else(|| panic!("{}", self.listening)).to_owned();
        let symbol = self.listening["instruments"][0]["symbol"].as_str().expect("it lists its instrument");
        let fields = [
            ("instance = \"demo\"", format!("instance = {:?}\nallow_failpoints = true", bench.name())),
            ("data = \"\"", format!("data = {:?}", bench.data().display().to_string())),
            ("group = \"239.255.0.1\"", format!("group = {:?}", said("group"))),
            ("group_port = 0", format!("group_port = {}", self.listening["group_port"])),
            ("request_address = \"127.0.0.1:0\"", format!("request_address = {:?}", said("request_addr"))),
            ("order_entry_address = \"127.0.0.1:0\"", format!("order_entry_address = {:?}", said("order_addr"))),
            // Whoever got no CPU for seconds must not be taken for dead: a test of this venue says itself who dies.
            ("heartbeat_timeout_ms = 1000", "heartbeat_timeout_ms = 60000\nstart_timeout_ms = 60000".to_owned()),
            ("symbol = \"AAAA\"", format!("symbol = {symbol:?}")),
            ("instruments = [\"AAAA\"]", format!("instruments = [{symbol:?}]")),
        ];
        let mut text = HOST.to_owned();
        for (own, filled) in fields {
            assert!(text.contains(own), "the demo's host file has {own}");
            text = text.replacen(own, &filled, 1);
        }
        format!("{text}\n{extra}")
    }
}

impl Drop for Venue {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
