//! Replays a recorded capture through the pure machines, and compares what they put out with the captured rings, to the
//! byte.
//!
//! ```text
//!  capture files ─▶ step ring of a process ─▶ its machine ─▶ outputs ═?═ captured output rings
//!                    │ Poll, Timer, Reference, Kill, …
//!                    └─▶ the inputs: captured rings, and the wire ring for what came from a socket
//! ```
//!
//! What a capture does not hold ends the replay of that process, which then says so: a gap, an opaque step, a life that
//! starts from a snapshot. It never guesses an input, and never skips an output.
#![forbid(unsafe_code)]

pub mod capture;
pub mod feed;
pub mod gateway;
pub mod journals;
pub mod outputs;
pub mod process;
pub mod report;
pub mod risk;
pub mod strategy;

pub use report::{Difference, ProcessReport, Report, Stop};

use anyhow::Context;
use capture::Capture;
use journals::JournalFiles;
use runtime::config::HostFile;
use std::path::Path;

/// Replays every process of the newest boot in `capture_folder`, configured as `host_file` says (the effective one, that
/// the instance ran with).
///
/// # Errors
/// A capture or a host file that cannot be read. What differs, or cannot be replayed, is in the report.
pub fn verify(capture_folder: &Path, host_file: &Path) -> anyhow::Result<Report> {
    let host = HostFile::load(host_file)?;
    let capture = Capture::read(capture_folder)
        .with_context(|| format!("the capture in {} cannot be read", capture_folder.display()))?;
    let journal = capture_folder.parent().map(|data| data.join("journal"));
    verify_capture(&capture, &host, journal.as_deref())
}

/// As [`verify`], of a capture that was read; the gateways' journals are compared when `journal` is their folder.
///
/// # Errors
/// A table of the host file that a process cannot work with.
pub fn verify_capture(capture: &Capture, host: &HostFile, journal: Option<&Path>) -> anyhow::Result<Report> {
    let counts = host.counts();
    let mut processes = Vec::new();
    for index in 0..counts.gateways {
        processes.push(process::replay(&feed::FeedSubject::new(host, index)?, capture));
    }
    for index in 0..counts.strategies {
        processes.push(process::replay(&strategy::StrategySubject::new(host, index, journal)?, capture));
    }
    processes.push(process::replay(&risk::RiskSubject::new(host)?, capture));
    for index in 0..counts.gateways {
        let subject = gateway::GatewaySubject::new(host, index, JournalFiles::read(journal, index)?)?;
        processes.push(process::replay(&subject, capture));
    }
    Ok(Report { processes })
}
