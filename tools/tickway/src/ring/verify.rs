//! `ring verify`: is the region what an honest supervisor and writer leave? Each finding names file, slot and offset.
//!
//! It never repairs, and never takes a writer at work for a fault: what may change while it looks is judged by the bounds
//! of what was published before and after the look.

mod header;
pub mod slots;

use crate::decode;
use crate::failure::{DATA_ERROR, Failure, Finding, NO_INPUT, Outcome};
use crate::output;
use crate::place::Which;
use crate::regions::{Regions, RingRegion};
use clap::Args;
use serde_json::{Value, json};
use slots::{Slot, Slots, WRITING};
use std::path::{Path, PathBuf};

/// Findings told of one ring; more say nothing new.
const FINDINGS_MAX: usize = 100;

/// Arguments of `ring verify`.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The rings, such as market_data.0; without a name all
    rings: Vec<String>,
    #[command(flatten)]
    which: Which,
    /// Check this region file instead of an instance's
    #[arg(long, value_name = "PATH", conflicts_with_all = ["regions", "rings"])]
    file: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Something that is not as it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Byte in the region file.
    pub offset: u64,
    /// Slot; `None` for a header.
    pub slot: Option<u64>,
    /// What it is.
    pub what: String,
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// When there is no such instance, ring or file.
    pub fn run(&self) -> Outcome {
        let (files, regions) = self.files()?;
        if files.is_empty() {
            return Err(Failure::new(NO_INPUT, "there is no ring to verify", "see `tickway ring ls`"));
        }
        let (mut findings, mut messages) = (Vec::new(), 0);
        for file in &files {
            let (faults, checked) = match verify(file, &regions) {
                Ok(found) => found,
                // A file that is not there was named wrong; whatever else cannot be read is a finding, and the others are
                // checked all the same.
                Err(refused) if self.file.is_some() && refused.code != DATA_ERROR => return Err(refused),
                Err(refused) => (vec![unreadable(file, refused)], 0),
            };
            messages += checked;
            findings.extend(faults.into_iter().map(|fault| (file.clone(), fault)));
        }
        self.print(files.len(), messages, &findings)?;
        Ok(if findings.is_empty() { Finding::Good } else { Finding::Negative })
    }

    fn files(&self) -> Result<(Vec<PathBuf>, Regions), Failure> {
        if let Some(file) = &self.file {
            return Ok((vec![file.clone()], Regions::default()));
        }
        let place = self.which.find()?;
        let directory = place.instance.regions();
        let regions = Regions::open(directory)?;
        let named = |name: &String| directory.join(format!("{}.ring", name.strip_suffix(".ring").unwrap_or(name)));
        let mut files: Vec<PathBuf> = if self.rings.is_empty() {
            let entries = std::fs::read_dir(directory).map_err(|error| Failure::file("list", directory, &error))?;
            entries.flatten().map(|entry| entry.path()).filter(|path| is_ring(path)).collect()
        } else {
            self.rings.iter().map(named).collect()
        };
        files.sort();
        if let Some((name, _)) = self.rings.iter().zip(&files).find(|(_, file)| !file.is_file()) {
            regions.ring(Some(name))?;
        }
        Ok((files, regions))
    }

    fn print(&self, rings: usize, messages: u64, findings: &[(PathBuf, Fault)]) -> Result<(), Failure> {
        if self.json {
            let found = |(file, fault): &(PathBuf, Fault)| -> Value {
                json!({ "file": file, "slot": fault.slot, "offset": fault.offset, "what": fault.what })
            };
            let findings: Vec<Value> = findings.iter().map(found).collect();
            let sound = findings.is_empty();
            return output::json(json!({ "sound": sound, "rings": rings, "messages": messages, "findings": findings }));
        }
        for (file, fault) in findings {
            let slot = fault.slot.map_or_else(String::new, |slot| format!("slot {slot}: "));
            output::line(&format!("{}: offset {}: {slot}{}", file.display(), fault.offset, fault.what))?;
        }
        let verdict = if findings.is_empty() { "sound" } else { "NOT sound" };
        output::line(&format!("{rings} rings, {messages} messages checked: {verdict}"))
    }
}

fn is_ring(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "ring")
}

/// A file that is no ring, as a finding, which names the file itself.
fn unreadable(file: &Path, refused: Failure) -> Fault {
    let prefix = format!("{}: ", file.display());
    let what = refused.message.strip_prefix(&prefix).unwrap_or(&refused.message).to_owned();
    Fault { offset: 0, slot: None, what }
}

/// Checks a region file; what is wrong, and how many messages were checked.
fn verify(file: &Path, regions: &Regions) -> Result<(Vec<Fault>, u64), Failure> {
    let mut faults = header::faults(file)?;
    if !faults.is_empty() {
        return Ok((faults, 0));
    }
    let ring = RingRegion::open(file)?;
    let slots = Slots::of(&ring);
    header::reserved_words(&slots, &mut faults);
    header::writer(&ring, regions, &mut faults);
    let before = slots.published();
    stamp_faults(&slots, &mut faults);
    let mut messages = 0;
    for slot in (0..slots.count()).map(|index| slots.read(index)).filter(Slot::is_whole) {
        messages += 1;
        let value = decode::message(ring.id.kind, &slot.words);
        if let Some(error) = value["error"].as_str() {
            let what = format!("sequence {}: {error}", slot.sequence());
            faults.push(Fault { offset: slot.offset + 8, slot: Some(slot.index), what });
        }
    }
    if slots.published() < before {
        let what = format!("published went back from {before} to {}", slots.published());
        faults.push(Fault { offset: header::RING_WORDS, slot: None, what });
    }
    faults.truncate(FINDINGS_MAX);
    Ok((faults, messages))
}

/// Checks every stamp: strictly when the ring rests, else by what the writer may have done meanwhile.
fn stamp_faults(slots: &Slots, faults: &mut Vec<Fault>) {
    let before = slots.published();
    let stamps: Vec<u64> = (0..slots.count()).map(|index| slots.stamp(index)).collect();
    let after = slots.published();
    let rests = before == after && stamps.iter().zip(0..).all(|(stamp, index)| *stamp == slots.stamp(index));
    let last = stamps.iter().copied().filter(|stamp| stamp & WRITING == 0).max().unwrap_or(0);
    let bounds = Bounds { count: slots.count(), before, after, last: rests.then_some(last) };
    if rests && (before > last || last - before > slots.count()) {
        let what = format!("published says {before}, the newest stamp is {last}");
        faults.push(Fault { offset: header::RING_WORDS, slot: None, what });
    }
    for (index, stamp) in (0..).zip(stamps) {
        if !bounds.are_kept(index, stamp) {
            let what = format!("stamp 0x{stamp:016x} breaks the sequence: {}", bounds.expected(index));
            faults.push(Fault { offset: slots.read(index).offset, slot: Some(index), what });
        }
    }
}

/// What an honest writer may have left in a slot.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    count: u64,
    before: u64,
    after: u64,
    /// The newest message of a ring that rests.
    last: Option<u64>,
}

impl Bounds {
    fn are_kept(&self, index: u64, stamp: u64) -> bool {
        let Self { count, before, after, .. } = *self;
        let sequence = stamp & !WRITING;
        if stamp != 0 && sequence % count != index {
            return false;
        }
        if let Some(last) = self.last {
            let age = last.wrapping_sub(index) % count;
            let next = last + count - age;
            // A slot whose message does not exist yet was never written: 0.
            return stamp == WRITING | next || stamp == last.saturating_sub(age);
        }
        // The writer may be up to a ring beyond its hint.
        let newest = after.saturating_add(count);
        match stamp {
            0 => before < if index == 0 { count } else { index },
            _ if stamp & WRITING != 0 => sequence > before && sequence <= newest.saturating_add(count),
            _ => sequence + count > before && sequence <= newest,
        }
    }

    fn expected(&self, index: u64) -> String {
        match self.last {
            Some(last) => {
                let age = last.wrapping_sub(index) % self.count;
                let held = last.saturating_sub(age);
                format!("sequence {held} belongs there, after the newest {last}")
            }
            None => format!("published went from {} to {} meanwhile", self.before, self.after),
        }
    }
}
