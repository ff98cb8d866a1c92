//! The supervisor's socket: one JSON request a line, one JSON reply a line.

use crate::failure::{Failure, SOFTWARE, UNAVAILABLE};
use runtime::instance::Instance;
use serde_json::{Value, json};
use shm_layout::types::Role;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// Longest wait for a reply: the supervisor answers once the command is published, and never waits for a process.
const PATIENCE: Duration = Duration::from_secs(5);

/// What may be asked of a supervisor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// Let a strategy open orders.
    Arm {
        /// Its index.
        strategy: u8,
    },
    /// Let it open none.
    Disarm {
        /// Its index.
        strategy: u8,
    },
    /// Cancel every open order.
    CancelAll,
    /// Stop the instance.
    Stop,
    /// Tell the whole state.
    Status,
    /// The kill was released by the operator; strategies stay disarmed.
    KillReleased,
    /// A process shall allocate once, to show that the counter counts.
    AllocateOnce {
        /// Its role.
        role: Role,
        /// Its index.
        index: u8,
    },
}

impl Request {
    /// The request's line.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Arm { strategy } => json!({ "command": "arm", "strategy": strategy }),
            Self::Disarm { strategy } => json!({ "command": "disarm", "strategy": strategy }),
            Self::CancelAll => json!({ "command": "cancel_all" }),
            Self::Stop => json!({ "command": "stop" }),
            Self::Status => json!({ "command": "status" }),
            Self::KillReleased => json!({ "command": "kill_released" }),
            Self::AllocateOnce { role, index } => {
                json!({ "command": "allocate_once", "role": role.folder(), "index": index })
            }
        }
    }
}

/// A connection to a supervisor.
#[derive(Debug)]
pub struct Supervisor {
    path: PathBuf,
    reader: BufReader<UnixStream>,
}

impl Supervisor {
    /// Connects to the supervisor of an instance.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(instance: &Instance) -> Result<Self, Failure> {
        Self::connect_within(instance, PATIENCE)
    }

    /// As [`Supervisor::connect`], waiting at most that long for each reply.
    ///
    /// # Errors
    /// As [`Supervisor::connect`].
    pub fn connect_within(instance: &Instance, patience: Duration) -> Result<Self, Failure> {
        let path = instance.socket();
        let refused = |error: std::io::Error| {
            let what = format!("{}: the supervisor does not listen: {error}", path.display());
            Failure::new(UNAVAILABLE, what, "start the instance with `tickway up`, or name another with --instance")
        };
        let stream = UnixStream::connect(&path).map_err(refused)?;
        let timed = stream.set_read_timeout(Some(patience)).and_then(|()| stream.set_write_timeout(Some(patience)));
        timed.map_err(refused)?;
        Ok(Self { reader: BufReader::new(stream), path })
    }

    /// Asks and waits for the reply.
    ///
    /// # Errors
    /// When the connection fails, or the supervisor refuses; its reason is in the message.
    pub fn ask(&mut self, request: &Request) -> Result<Value, Failure> {
        let failed = |error: std::io::Error| {
            let what = format!("{}: the supervisor does not answer: {error}", self.path.display());
            Failure::new(UNAVAILABLE, what, "see `tickway status` and its log")
        };
        let mut line = format!("{}\n", request.to_json());
        self.reader.get_ref().write_all(line.as_bytes()).map_err(failed)?;
        line.clear();
        if self.reader.read_line(&mut line).map_err(failed)? == 0 {
            return Err(failed(std::io::ErrorKind::UnexpectedEof.into()));
        }
        let reply: Value = serde_json::from_str(&line).map_err(|error| {
            let what = format!("{}: the reply is no JSON: {error}", self.path.display());
            Failure::new(SOFTWARE, what, "use one build for tool and supervisor")
        })?;
        if reply["ok"] == json!(true) {
            return Ok(reply);
        }
        let reason = reply["error"].as_str().unwrap_or("without a reason");
        Err(Failure::new(UNAVAILABLE, format!("the supervisor refused: {reason}"), "see `tickway status`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::supervisor::machine::Command;

    #[test]
    fn the_supervisor_reads_every_request() {
        let role = Role::Risk;
        let requests = [
            (Request::Arm { strategy: 3 }, Command::Arm { strategy: 3 }),
            (Request::Disarm { strategy: 3 }, Command::Disarm { strategy: 3 }),
            (Request::CancelAll, Command::CancelAll {}),
            (Request::Stop, Command::Stop {}),
            (Request::Status, Command::Status {}),
            (Request::KillReleased, Command::KillReleased {}),
            (Request::AllocateOnce { role, index: 1 }, Command::AllocateOnce { role, index: 1 }),
        ];
        for (request, command) in requests {
            assert_eq!(serde_json::from_value::<Command>(request.to_json()).ok(), Some(command), "{request:?}");
        }
    }
}
