//! Messages to a terminal, a stream or a file: text, NDJSON, CSV or pcapng, the same for rings and captures.
//!
//! A stream's line leaves at once; a file is buffered. It never changes a message: what cannot be decoded is written raw.

mod csv;
pub mod pcapng;

use crate::decode;
use crate::failure::{Failure, IO_ERROR};
use crate::output::SCHEMA_VERSION;
use serde_json::{Value, json};
use shm_layout::topology::RingId;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

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

/// Where events go.
pub struct Sink {
    format: Format,
    out: Box<dyn Write>,
    /// The file, to name it in an error; `None` = standard output.
    path: Option<PathBuf>,
    rings: Vec<RingId>,
    columns: Vec<&'static str>,
    /// Events written.
    pub written: u64,
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink").field("format", &self.format).field("path", &self.path).finish_non_exhaustive()
    }
}

impl Sink {
    /// Lines on standard output, each flushed.
    #[must_use]
    pub fn stream(json: bool) -> Self {
        let format = if json { Format::Ndjson } else { Format::Text };
        Self { format, out: Box::new(io::stdout()), path: None, rings: Vec::new(), columns: Vec::new(), written: 0 }
    }

    /// A file, or standard output for `-`, begun for messages of these rings.
    ///
    /// # Errors
    /// When the file cannot be created or written.
    pub fn create(format: Format, path: &Path, rings: &[RingId]) -> Result<Self, Failure> {
        let to_stdout = path == Path::new("-");
        let out: Box<dyn Write> = if to_stdout {
            Box::new(io::stdout())
        } else {
            Box::new(BufWriter::new(File::create(path).map_err(|error| Failure::file("create", path, &error))?))
        };
        let path = (!to_stdout).then(|| path.to_owned());
        let columns = csv::columns(rings);
        let mut sink = Self { format, out, path, rings: rings.to_vec(), columns, written: 0 };
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
            Format::Text => text(event).into_bytes(),
            Format::Ndjson => format!("{}\n", to_json(event)).into_bytes(),
            Format::Csv => csv::row(&self.columns, event).into_bytes(),
            Format::Pcapng => {
                let interface = self.rings.iter().position(|ring| *ring == event.ring);
                interface.map_or_else(Vec::new, |interface| pcapng::packet(interface as u32, event))
            }
        };
        self.written += 1;
        self.put(&bytes)?;
        if self.path.is_none() { self.flush() } else { Ok(()) }
    }

    /// Hands everything to the kernel.
    ///
    /// # Errors
    /// As [`Sink::write`].
    pub fn flush(&mut self) -> Result<(), Failure> {
        let flushed = self.out.flush();
        flushed.map_err(|error| self.refused(&error))
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = self.out.write_all(bytes);
        written.map_err(|error| self.refused(&error))
    }

    fn refused(&self, error: &io::Error) -> Failure {
        match &self.path {
            Some(path) => Failure::file("write", path, error),
            None if error.kind() == io::ErrorKind::BrokenPipe => Failure::closed_pipe(),
            None => Failure::new(IO_ERROR, format!("cannot write to standard output: {error}"), "free space there"),
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
        What::End => json!({ "kind": "end" }),
    };
    value["ring"] = json!(event.ring.name());
    value["sequence"] = json!(event.sequence);
    value["schema_version"] = json!(SCHEMA_VERSION);
    value
}

fn text(event: &Event<'_>) -> String {
    let Event { ring, sequence, .. } = event;
    match event.what {
        What::Message(words) => format!("{sequence} {}\n", decode::text(&decode::message(ring.kind, words))),
        What::Lapped(missed) => format!("{sequence} lapped {missed}: overwritten before they were read\n"),
        What::Gap(missed) => format!("{sequence} gap {missed}: missing in the capture of {}\n", ring.name()),
        What::End => format!("{sequence} end: {} is complete up to here\n", ring.name()),
    }
}

#[cfg(test)]
mod tests;
