//! Messages to a terminal, a stream or a file: text, NDJSON, CSV or pcapng, the same for rings and captures.
//!
//! A stream's line leaves at once; a file is buffered, and has its name only once it is whole. It never changes a message:
//! what cannot be decoded is written raw.

mod csv;
pub mod pcapng;
mod target;

use crate::decode;
use crate::failure::{Failure, IO_ERROR};
use crate::output::{self, SCHEMA_VERSION};
use runtime::config::HostFile;
use serde_json::{Value, json};
use shm_layout::topology::RingId;
use shm_layout::types::InstrumentId;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use target::Target;

/// How messages are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Format {
    /// One JSON object per line
    Ndjson,
    /// One line per message, a column per field
    Csv,
    /// A packet per message, for Wireshark with the dissector of `schema export --wireshark`
    Pcapng,
    /// Lines for people
    #[value(skip)]
    Text,
}

/// What stands at a place of a ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What<'a> {
    /// A message: its payload.
    Message(&'a [u64]),
    /// This many messages, from the event's sequence on, were overwritten before they could be read.
    Lapped(u64),
    /// This many messages, from the event's sequence on, are missing in the capture.
    Gap(u64),
    /// This many messages, from the event's sequence on, were published and cannot be read.
    Damaged(u64),
    /// The capture is complete up to the sequence before this.
    End,
}

/// One line of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event<'a> {
    /// The ring.
    pub ring: RingId,
    /// Its sequence.
    pub sequence: u64,
    /// Its stamp in nanoseconds, as the capture index knows it; 0 = none.
    pub stamp_ns: u64,
    /// What it is.
    pub what: What<'a>,
}

/// What a sink writes to.
#[derive(Debug)]
enum Out {
    Stream(io::Stdout),
    File(Target),
}

/// Where events go.
#[derive(Debug)]
pub struct Sink {
    format: Format,
    out: Out,
    rings: Vec<RingId>,
    columns: Vec<&'static str>,
    /// Text names ring and time too.
    of_many: bool,
    /// Whose instruments' symbols text tells.
    host: Option<HostFile>,
    /// Events written.
    pub written: u64,
}

impl Sink {
    /// Lines on standard output, each flushed.
    #[must_use]
    pub fn stream(json: bool) -> Self {
        let format = if json { Format::Ndjson } else { Format::Text };
        let (rings, columns) = (Vec::new(), Vec::new());
        Self { format, out: Out::Stream(io::stdout()), rings, columns, of_many: false, host: None, written: 0 }
    }

    /// Text tells the symbols of instruments too.
    #[must_use]
    pub fn with_symbols(self, host: Option<HostFile>) -> Self {
        Self { host, ..self }
    }

    /// As [`Self::stream`], of messages of several rings: each line of text names ring and time.
    #[must_use]
    pub fn stream_of_many(json: bool) -> Self {
        Self { of_many: true, ..Self::stream(json) }
    }

    /// A file, or standard output for `-`, begun for messages of these rings. `inputs` are the files that they are read
    /// from; until [`Self::finish`] there is nothing under the file's name.
    ///
    /// # Errors
    /// When the file is one of the inputs, or cannot be created or written.
    pub fn create(format: Format, path: &Path, rings: &[RingId], inputs: &[PathBuf]) -> Result<Self, Failure> {
        let to_stdout = path == Path::new("-");
        let out = if to_stdout { Out::Stream(io::stdout()) } else { Out::File(Target::begin(path, inputs)?) };
        let columns = csv::columns(rings);
        let mut sink = Self { format, out, rings: rings.to_vec(), columns, of_many: true, host: None, written: 0 };
        let head = match format {
            Format::Csv => csv::heading(&sink.columns).into_bytes(),
            Format::Pcapng => pcapng::head(rings),
            Format::Ndjson | Format::Text => Vec::new(),
        };
        sink.put(&head)?;
        Ok(sink)
    }

    /// Writes an event.
    ///
    /// # Errors
    /// When it cannot be written; a closed pipe ends the command without a word.
    pub fn write(&mut self, event: &Event<'_>) -> Result<(), Failure> {
        let bytes = match self.format {
            Format::Text => self.text(event).into_bytes(),
            Format::Ndjson => format!("{}\n", to_json(event)).into_bytes(),
            Format::Csv => csv::row(&self.columns, &to_json(event)).into_bytes(),
            Format::Pcapng => {
                let interface = self.rings.iter().position(|ring| *ring == event.ring);
                interface.map_or_else(Vec::new, |interface| pcapng::packet(interface as u32, event))
            }
        };
        self.written += 1;
        self.put(&bytes)?;
        match &mut self.out {
            Out::Stream(stdout) => stdout.flush().map_err(|error| self.refused(&error)),
            Out::File(_) => Ok(()),
        }
    }

    /// What a command ends with that a signal ended before its last message: a script must not take a part for the whole.
    /// A file has then nothing under its name.
    #[must_use]
    pub fn interrupted(&self) -> Failure {
        let what = format!("after {}", output::count(self.written, "message"));
        match &self.out {
            Out::File(target) if target.is_draft() => {
                Failure::interrupted(what, format!("{} was not written: run it again", target.path().display()))
            }
            _ => Failure::interrupted(what, "the rest was not written: run it again"),
        }
    }

    /// Ends the output: a file is whole and takes its name.
    ///
    /// # Errors
    /// As [`Sink::write`].
    pub fn finish(&mut self) -> Result<(), Failure> {
        let finished = match &mut self.out {
            Out::Stream(stdout) => stdout.flush(),
            Out::File(target) => target.finish(),
        };
        finished.map_err(|error| self.refused(&error))
    }

    /// A line for people. A stamp stands as `--from` and `--to` take it.
    fn text(&self, event: &Event<'_>) -> String {
        let what = match event.what {
            What::Message(words) => {
                let mut value = decode::message(event.ring.kind, words);
                let id = value["instrument_id"].as_u64().map(|id| InstrumentId(id as u32));
                if let Some(row) = id.zip(self.host.as_ref()).and_then(|(id, host)| host.instruments().get(id)) {
                    value["symbol"] = json!(row.symbol);
                }
                decode::text(&value)
            }
            What::Lapped(missed) => format!("lapped {missed}: overwritten before they were read"),
            What::Gap(missed) => format!("gap {missed}: missing in the capture"),
            What::Damaged(1) => "cannot be read: skipped".to_owned(),
            What::Damaged(missed) => format!("and the next {} cannot be read: skipped", missed - 1),
            What::End => "end: the capture is complete up to here".to_owned(),
        };
        let Event { ring, sequence, stamp_ns, .. } = event;
        if self.of_many {
            format!("{} {sequence} {stamp_ns}ns {what}\n", ring.name())
        } else {
            format!("{sequence} {what}\n")
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = match &mut self.out {
            Out::Stream(stdout) => stdout.write_all(bytes),
            Out::File(target) => target.write_all(bytes),
        };
        written.map_err(|error| self.refused(&error))
    }

    fn refused(&self, error: &io::Error) -> Failure {
        match &self.out {
            Out::File(target) => Failure::file("write", target.path(), error),
            Out::Stream(_) if error.kind() == io::ErrorKind::BrokenPipe => Failure::closed_pipe(),
            Out::Stream(_) => {
                Failure::new(IO_ERROR, format!("cannot write to standard output: {error}"), "free space there")
            }
        }
    }
}

/// An event as one JSON object.
#[must_use]
pub fn to_json(event: &Event<'_>) -> Value {
    let mut value = match event.what {
        What::Message(words) => decode::message(event.ring.kind, words),
        What::Lapped(missed) => json!({ "kind": "lapped", "missed": missed }),
        What::Gap(missed) => json!({ "kind": "gap", "missed": missed }),
        What::Damaged(missed) => json!({ "kind": "damaged", "missed": missed }),
        What::End => json!({ "kind": "end" }),
    };
    value["ring"] = json!(event.ring.name());
    value["sequence"] = json!(event.sequence);
    value["stamp_ns"] = if event.stamp_ns == 0 { Value::Null } else { json!(event.stamp_ns) };
    value["schema_version"] = json!(SCHEMA_VERSION);
    value
}

#[cfg(test)]
mod same;
#[cfg(test)]
mod tests;
