//! `tickway capture`: what the recorder wrote, found by its index. It only reads: an index that is torn or missing is made
//! again in memory.

mod list;
mod search;

use crate::failure::{DATA_ERROR, Failure, Finding, IO_ERROR, NO_INPUT, Outcome};
use crate::output::hex;
use crate::place::{Place, Which};
use clap::{Args, Subcommand};
use recorder::capture::CaptureError;
use recorder::capture::query::{IndexedFile, indexed_past_damage};
use recorder::capture::reader::{Boot, boots};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Captures of the recorder
///
/// Exit code 1: a file is damaged. Each damage is told with file and offset; what lies before it and in the other files is
/// read all the same.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// List boots; of one boot the files, and of each ring its sequences, times and gaps
    Ls(list::Arguments),
    /// Search by ring, sequence, time and content
    ///
    /// A line is ring, sequence, time and message. The order is the recorder's: each ring's messages by sequence; rings
    /// mixed as their batches were taken, so that between rings the times are only roughly in order.
    Grep(search::GrepArguments),
    /// Write messages as NDJSON, CSV or pcapng
    ///
    /// The order is that of `capture grep`.
    ///
    /// stamp_ns and a packet's time are the message's own receive_ns (on control and step now_ns); where that is 0 or missing,
    /// the time of the last message before it in its ring that has one, and before the first of a file the file's created_ns.
    Export(search::ExportArguments),
}

/// The capture, as every command of it lets it be named.
#[derive(Args, Debug)]
pub struct Source {
    #[command(flatten)]
    which: Which,
    /// Read the capture files of this directory instead of an instance's
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Of this boot of the instance, by its stamp as `capture ls` prints it, instead of the newest
    #[arg(long, value_name = "STAMP", value_parser = boot_stamp)]
    boot: Option<u64>,
}

fn boot_stamp(text: &str) -> Result<u64, String> {
    let read = text.strip_prefix("0x").map_or_else(|| text.parse().ok(), |digits| u64::from_str_radix(digits, 16).ok());
    read.ok_or_else(|| "a boot stamp is a number, such as 0x00000000000000ff".to_owned())
}

/// The files of a capture.
#[derive(Debug)]
pub struct Opened {
    /// The instance; `None` for a directory of which nothing else is said.
    pub place: Option<Place>,
    /// Every boot of the directory, the newest last.
    pub boots: Vec<Boot>,
    /// The files of the boot that is meant, in order.
    pub files: Vec<IndexedFile>,
    /// Where they lie.
    pub directory: PathBuf,
    /// What of them does not hold, as far as is known without reading what an index covers.
    pub damaged: Vec<CaptureError>,
}

impl Command {
    /// Runs the command.
    ///
    /// # Errors
    /// When there is no capture, or it cannot be read.
    pub fn run(&self) -> Outcome {
        runtime::signal::install(runtime::signal::HangUp::Stops)?;
        match self {
            Self::Ls(arguments) => arguments.run(),
            Self::Grep(arguments) => arguments.run(),
            Self::Export(arguments) => arguments.run(),
        }
    }
}

impl Source {
    fn open(&self) -> Result<Opened, Failure> {
        let is_named = self.which.instance.is_some() || self.which.data.is_some() || self.which.regions.is_some();
        let place = if self.dir.is_none() || is_named { Some(self.which.find()?) } else { None };
        let of_place = || place.as_ref().map(|place| place.instance.capture());
        let directory = self.dir.clone().or_else(of_place).expect("a directory or a place was said");
        let mut found = boots(&directory).map_err(failure)?;
        let Some(boot) = found.find(self.boot) else {
            if let Some(damage) = found.damaged.first().filter(|_| found.boots.is_empty()) {
                return Err(Failure::new(DATA_ERROR, damage, "no other capture file is there"));
            }
            let directory = directory.display();
            let Some(stamp) = self.boot.filter(|_| !found.boots.is_empty()) else {
                let what = format!("{directory}: holds no capture");
                return Err(Failure::new(NO_INPUT, what, "correct --dir or --data"));
            };
            let stamps: Vec<String> = found.boots.iter().map(|boot| hex(boot.stamp)).collect();
            let what = format!("{directory}: holds nothing of boot {}", hex(stamp));
            return Err(Failure::new(NO_INPUT, what, format!("its boots are: {}", stamps.join(", "))));
        };
        let (files, damaged) = indexed_past_damage(&boot.files).map_err(failure)?;
        found.damaged.extend(damaged);
        Ok(Opened { place, boots: found.boots, files, directory, damaged: found.damaged })
    }
}

/// Says on standard error what of a capture does not hold.
fn report(damaged: &[CaptureError]) -> Finding {
    for damage in damaged {
        eprintln!("tickway: damaged: {damage}: what follows was not read, up to the next stretch or file that holds");
    }
    if damaged.is_empty() { Finding::Good } else { Finding::Negative }
}

/// What does not hold, as JSON.
fn damage_to_json(damage: &CaptureError) -> Value {
    match damage {
        CaptureError::Corrupt { file, offset, what, .. } => json!({ "file": file, "offset": offset, "what": what }),
        CaptureError::Io(file, error) => json!({ "file": file, "offset": null, "what": error.to_string() }),
    }
}

/// A capture that cannot be read.
fn failure(error: CaptureError) -> Failure {
    match error {
        CaptureError::Io(path, error) if error.kind() == std::io::ErrorKind::NotFound => {
            Failure::file("read", &path, &error)
        }
        CaptureError::Io(path, error) => {
            Failure::new(IO_ERROR, format!("{}: {error}", path.display()), "check the file and its mode")
        }
        corrupt => Failure::new(DATA_ERROR, corrupt, "copy the file from where it was whole"),
    }
}
