//! Lines of text that come from outside a process: commands to the supervisor, the file of its epochs, and what names a
//! stage to a host of several.

use crate::bytes::Bytes;
use machine::{Machine, Nanos};
use runtime::hash::fnv1a64;
use runtime::placement::Placement;
use shm_layout::types::Role;
use supervisor::config::Config;
use supervisor::machine::{Command, Input, Output, Slot, Supervisor};

/// Words that get a line past the parts that look for them.
const WORDS: [&str; 16] = [
    "command",
    "arm",
    "disarm",
    "strategy",
    "risk",
    "feed-handler",
    "execution-gateway",
    "allocate_once",
    "role",
    "--host",
    "--index",
    "--epoch",
    "--core",
    "--wait",
    "yield",
    "0",
];

/// A word of the table, or a few bytes of the input as text.
fn word(input: &mut Bytes<'_>) -> String {
    let choice = usize::from(input.u8());
    match WORDS.get(choice % (2 * WORDS.len())) {
        Some(word) => (*word).to_owned(),
        None => String::from_utf8_lossy(input.take(choice / 32)).into_owned(),
    }
}

/// Each line of the input as a command, as the socket hands it over: a core that is asked for it answers it once.
pub fn command(input: &[u8]) {
    let processes = [(Role::ExecutionGateway, 0), (Role::Risk, 0), (Role::Strategy, 0), (Role::Strategy, 63)];
    let slots = processes.iter().map(|(role, index)| Slot::new(*role, *index, 1, 0)).collect();
    // They run, and the operator has armed what there is.
    let mut core = Supervisor::adopt(Config::default().timing(), slots, &[], 1 | 1 << 63);
    for (request_id, line) in (1..).zip(input.split(|byte| *byte == b'\n')) {
        let line = String::from_utf8_lossy(line);
        let command = match serde_json::from_str::<Command>(&line) {
            Ok(command) => command,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                continue;
            }
        };
        if command == (Command::Status {}) {
            // The shell answers it without the core.
            continue;
        }
        let mut replies = Vec::new();
        core.on_input(Nanos(request_id), &Input::Command { request_id, command }, &mut |output| {
            if let Output::Reply { request_id, .. } = output {
                replies.push(request_id);
            }
        });
        assert_eq!(replies, [request_id], "{command:?}");
    }
}

/// The input as the file of the epochs, then as the lines of one under a good checksum: what is read is written back.
pub fn epochs(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    read_epochs(&text);
    let mut lines = Bytes::new(input);
    let mut body = "tickway-epochs 1\n".to_owned();
    while !lines.is_empty() {
        let role = Role::from_u8(lines.u8() % 8).map_or("nobody", Role::folder);
        body += &match lines.u8() % 8 {
            0 => format!("{}\n", word(&mut lines)),
            1 => format!("{role} {} {}\n", lines.u16(), lines.u64()),
            _ => format!("{role} {} {}\n", lines.u8(), lines.u32()),
        };
    }
    read_epochs(&format!("{body}fnv1a64 {:016x}\n", fnv1a64(body.as_bytes())));
}

fn read_epochs(text: &str) {
    match supervisor::epochs::parse(text) {
        Ok(used) => {
            let again = supervisor::epochs::parse(&supervisor::epochs::render(&used));
            assert_eq!(again, Ok(used), "what was read is written so that it is read again");
        }
        Err(what) => assert!(!what.is_empty()),
    }
}

/// The input as the line that names a stage, then as the words of one.
pub fn stage(input: &[u8]) {
    read_stage(&String::from_utf8_lossy(input));
    let mut input = Bytes::new(input);
    let mut words = Vec::new();
    while !input.is_empty() && words.len() < 32 {
        words.push(word(&mut input));
    }
    read_stage(&serde_json::Value::from(words).to_string());
}

fn read_stage(line: &str) {
    match fused::parse(line) {
        Ok((role, _)) => assert!(Placement::Fused.host_of(role).is_some(), "{role:?} is hosted"),
        Err(error) => {
            let text = error.to_string();
            assert!(text.starts_with("no stage: ") && text.lines().count() == 1, "one line says why: {text:?}");
        }
    }
}
