//! The command, run as a process.

use serde_json::Value;
use std::process::Command;

/// What a run of the command came to.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Run {
    /// Standard output as one JSON object.
    pub fn json(&self) -> Value {
        let value: Value = serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        assert_eq!(value["schema_version"], 1, "{self:?}");
        value
    }

    /// Standard error as the one line that an error is.
    pub fn line(&self) -> &str {
        let text = self.err.trim_end();
        assert!(!text.is_empty() && !text.contains('\n'), "not one line: {self:?}");
        text
    }
}

/// Runs the command.
pub fn tickway(arguments: &[&str]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_tickway")).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}
