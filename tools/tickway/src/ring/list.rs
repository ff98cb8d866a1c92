//! `ring ls` and `ring stat`.

use crate::decode;
use crate::failure::{Failure, Finding, Outcome};
use crate::output::{self, or_dash};
use crate::place::{Place, Which};
use crate::regions::{Batch, Read, Regions, RingRegion};
use crate::ring::readers::{Reader, depth, readers};
use crate::ring::reading::Reading;
use crate::ring::source::{Opened, Source, open};
use clap::Args;
use runtime::clock::realtime_ns;
use serde_json::{Value, json};
use shm_layout::ring::Start;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `ring ls`.
#[derive(Args, Debug)]
pub struct ListArguments {
    #[command(flatten)]
    which: Which,
    /// Read this region file instead of an instance's
    #[arg(long, value_name = "PATH", conflicts_with = "regions")]
    file: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Arguments of `ring stat`.
#[derive(Args, Debug)]
pub struct StatArguments {
    #[command(flatten)]
    source: Source,
    /// Milliseconds over which the rate is measured
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    interval_ms: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn document(place: Option<&Place>, regions: &Regions, ring: &RingRegion) -> Value {
    let (published, readers) = (ring.published(), readers(place, regions, ring));
    json!({
        "name": ring.id.name(),
        "kind": ring.id.kind.snake_name(),
        "slots": ring.slots,
        "slot_bytes": ring.id.kind.slot_bytes(),
        "bytes": ring.header.spec().region_bytes(),
        "published": published,
        "depth": depth(published, &readers),
        "writer": {
            "role": ring.id.writer.folder(),
            "index": ring.id.index,
            "epoch": ring.header.writer_epoch(),
            "pid": ring.header.writer_pid(),
        },
        "readers": readers.iter().map(|reader| reader.to_json(published)).collect::<Vec<_>>(),
        "path": ring.path,
    })
}

impl ListArguments {
    /// Runs `ring ls`.
    ///
    /// # Errors
    /// When there is no such instance.
    pub fn run(&self) -> Outcome {
        let (place, regions) = open(&self.which, self.file.as_ref())?;
        let place = place.as_ref();
        if self.json {
            let rings: Vec<Value> = regions.rings.iter().map(|ring| document(place, &regions, ring)).collect();
            let instance = place.map(|place| place.instance.name().as_str());
            output::json(json!({ "instance": instance, "rings": rings, "faults": regions.fault_lines() }))?;
        } else {
            print_list(place, &regions)?;
        }
        Ok(if regions.faults.is_empty() { Finding::Good } else { Finding::Negative })
    }
}

fn print_list(place: Option<&Place>, regions: &Regions) -> Result<(), Failure> {
    let mut table = output::table(&["ring", "slots", "published", "depth", "writer", "epoch", "readers: lag (laps)"]);
    for ring in &regions.rings {
        let (published, readers) = (ring.published(), readers(place, regions, ring));
        let of = |reader: &Reader| {
            let laps = if reader.laps > 0 { format!(" ({})", reader.laps) } else { String::new() };
            format!("{} {}{laps}", reader.name(), or_dash(reader.lag(published)))
        };
        table.add_row([
            ring.id.name(),
            ring.slots.to_string(),
            published.to_string(),
            or_dash(depth(published, &readers)),
            format!("{}/{}", ring.id.writer.folder(), ring.id.index),
            ring.header.writer_epoch().to_string(),
            readers.iter().map(of).collect::<Vec<_>>().join(", "),
        ]);
    }
    output::print_table(&table)?;
    regions.fault_lines().into_iter().try_for_each(output::line)
}

impl StatArguments {
    /// Runs `ring stat`.
    ///
    /// # Errors
    /// When there is no such instance or ring.
    pub fn run(&self) -> Outcome {
        let Opened { place, regions, ring } = self.source.open()?;
        let (place, ring) = (place.as_ref(), &ring);
        let before = ring.published();
        let begin = realtime_ns();
        if !super::wait(Duration::from_millis(self.interval_ms)) {
            return Err(Failure::interrupted("before the interval was over", "a shorter one is --interval-ms"));
        }
        // By what it took: a busy machine sleeps longer than it was told.
        let took = u128::from(realtime_ns().saturating_sub(begin).max(1));
        let moved = u128::from(ring.published().saturating_sub(before));
        let per_second = (moved * 1_000_000_000 / took) as u64;
        let Held { kinds, oldest, damaged } = held(ring)?;
        let mut value = document(place, &regions, ring);
        value["messages_per_second"] = json!(per_second);
        value["oldest_sequence"] = json!(oldest);
        value["kinds"] = json!(kinds);
        value["damaged"] = json!(damaged);
        if self.json {
            output::json(value)?;
        } else {
            let mut table = output::table(&["ring", &ring.id.name()]);
            for (key, value) in value.as_object().into_iter().flatten().filter(|(key, _)| *key != "readers") {
                table.add_row([key.clone(), cell(value)]);
            }
            for reader in readers(place, &regions, ring) {
                table.add_row([reader.name(), decode::text(&reader.to_json(ring.published()))]);
            }
            output::print_table(&table)?;
        }
        Ok(if damaged == 0 { Finding::Good } else { Finding::Negative })
    }
}

/// A value for people: words bare, an object as `key=value`, a dash for what is not known.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Object(object) if object.is_empty() => "-".to_owned(),
        value => decode::text(value),
    }
}

/// What a ring holds.
#[derive(Debug, Default)]
struct Held {
    /// Messages by kind.
    kinds: BTreeMap<String, u64>,
    /// The oldest sequence among them.
    oldest: Option<u64>,
    /// Messages that were published and cannot be read.
    damaged: u64,
}

/// Messages that the ring still holds. A writer at work may publish for ever: what was there at the beginning is enough.
fn held(ring: &RingRegion) -> Result<Held, Failure> {
    let (mut reading, mut batch) = (Reading::begin(ring, Start::Oldest)?, Batch::default());
    let (mut held, end) = (Held::default(), ring.published());
    while !reading.is_at(end) {
        match reading.read(ring, end, &mut batch) {
            Read::Messages(_) => {
                held.oldest = held.oldest.or(Some(batch.first_sequence));
                for (_, words) in batch.messages() {
                    let value = decode::message(ring.id.kind, words);
                    let kind = value["kind"].as_str().unwrap_or("unreadable").to_owned();
                    *held.kinds.entry(kind).or_insert(0) += 1;
                }
            }
            Read::Damaged(_, missed) => held.damaged += missed,
            Read::Lapped(..) => {}
            Read::Nothing => break,
        }
    }
    Ok(held)
}
