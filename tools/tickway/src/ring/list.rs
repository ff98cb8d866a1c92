//! `ring ls` and `ring stat`.

use crate::decode;
use crate::failure::{Failure, Finding, Outcome};
use crate::output::{self, or_dash};
use crate::place::{Place, Which};
use crate::regions::{Read, Regions, RingRegion};
use clap::Args;
use runtime::ports::wiring;
use serde_json::{Value, json};
use shm_layout::control_page::RecorderMode;
use shm_layout::ring::Start;
use shm_layout::topology::Attach;
use shm_layout::types::Role;
use std::collections::BTreeMap;
use std::time::Duration;

/// Arguments of `ring ls`.
#[derive(Args, Debug)]
pub struct ListArguments {
    #[command(flatten)]
    which: Which,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Arguments of `ring stat`.
#[derive(Args, Debug)]
pub struct StatArguments {
    /// The ring, such as market_data.0
    #[arg(value_name = "RING")]
    ring: Option<String>,
    #[command(flatten)]
    which: Which,
    /// Milliseconds over which the rate is measured
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    interval_ms: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// A reader of a ring.
struct Reader {
    role: Role,
    index: u8,
    gating: bool,
    /// Next sequence that it will read; `None` when it does not say.
    next_sequence: Option<u64>,
    laps: u64,
    missed: u64,
    parked: bool,
}

impl Reader {
    fn name(&self) -> String {
        format!("{}/{}", self.role.folder(), self.index)
    }

    fn lag(&self, published: u64) -> Option<u64> {
        self.next_sequence.map(|next| published.saturating_sub(next.saturating_sub(1)))
    }

    fn to_json(&self, published: u64) -> Value {
        json!({
            "role": self.role.folder(),
            "index": self.index,
            "attach": if self.gating { "gating" } else { "tap" },
            "next_sequence": self.next_sequence,
            "lag": self.lag(published),
            "laps": self.laps,
            "missed": self.missed,
            "parked": self.parked,
        })
    }
}

fn readers(place: &Place, regions: &Regions, ring: &RingRegion) -> Vec<Reader> {
    let counts = regions.counts();
    let recorder_gates = place.control().is_some_and(|page| page.recorder_mode() == RecorderMode::Gating);
    let reader = |(role, index, attach): (Role, u8, Attach)| {
        let position = regions.process(role, index)?.status.positions().find(|position| position.ring == ring.id);
        let consumed = regions.gating_cursor(role, index, recorder_gates, ring.id);
        let slot = wiring::roster_slot(counts, role, index);
        let parked = place
            .control()
            .zip(slot)
            .is_some_and(|(page, slot)| page.parked_word(slot).load(0, shm_layout::ring::sync::Ordering::Acquire) != 0);
        Some(Reader {
            role,
            index,
            gating: attach == Attach::Gating,
            next_sequence: consumed.map(|last| last + 1).or(position.map(|position| position.next_sequence)),
            laps: position.map_or(0, |position| position.laps),
            missed: position.map_or(0, |position| position.missed),
            parked: parked && attach == Attach::Gating,
        })
    };
    wiring::readers(counts, recorder_gates, ring.id).into_iter().filter_map(reader).collect()
}

/// Messages that the slowest reader who may hold the writer back has not consumed; `None` when nobody may.
fn depth(published: u64, readers: &[Reader]) -> Option<u64> {
    readers.iter().filter(|reader| reader.gating && !reader.parked).filter_map(|reader| reader.lag(published)).max()
}

fn document(place: &Place, regions: &Regions, ring: &RingRegion) -> Value {
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
        let place = self.which.find()?;
        let regions = Regions::open(place.instance.regions())?;
        if self.json {
            let rings: Vec<Value> = regions.rings.iter().map(|ring| document(&place, &regions, ring)).collect();
            let instance = place.instance.name().as_str();
            output::json(json!({ "instance": instance, "rings": rings, "faults": regions.faults }))?;
        } else {
            print_list(&place, &regions)?;
        }
        Ok(if regions.faults.is_empty() { Finding::Good } else { Finding::Negative })
    }
}

fn print_list(place: &Place, regions: &Regions) -> Result<(), Failure> {
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
    regions.faults.iter().try_for_each(|fault| output::line(fault))
}

impl StatArguments {
    /// Runs `ring stat`.
    ///
    /// # Errors
    /// When there is no such instance or ring.
    pub fn run(&self) -> Outcome {
        let place = super::place(&self.which, self.ring.as_deref())?;
        let regions = Regions::open(place.instance.regions())?;
        let ring = regions.ring(self.ring.as_deref())?;
        let before = ring.published();
        std::thread::sleep(Duration::from_millis(self.interval_ms));
        let per_second = ring.published().saturating_sub(before) * 1_000 / self.interval_ms;
        let (kinds, oldest) = held(ring)?;
        let mut value = document(&place, &regions, ring);
        value["messages_per_second"] = json!(per_second);
        value["oldest_sequence"] = json!(oldest);
        value["kinds"] = json!(kinds);
        if self.json {
            output::json(value)?;
        } else {
            let mut table = output::table(&["ring", &ring.id.name()]);
            for (key, value) in value.as_object().into_iter().flatten().filter(|(key, _)| *key != "readers") {
                table.add_row([key.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)]);
            }
            for reader in readers(&place, &regions, ring) {
                table.add_row([reader.name(), decode::text(&reader.to_json(ring.published()))]);
            }
            output::print_table(&table)?;
        }
        Ok(Finding::Good)
    }
}

/// Messages that the ring still holds, by kind, and the oldest sequence among them.
fn held(ring: &RingRegion) -> Result<(BTreeMap<String, u64>, Option<u64>), Failure> {
    let mut tap = ring.attach(Start::Oldest)?;
    let (mut kinds, mut oldest) = (BTreeMap::new(), None);
    // A writer at work may publish for ever: one ring's worth is enough.
    let end = tap.next_sequence() + ring.slots as u64;
    while tap.next_sequence() < end {
        match tap.read() {
            Read::Messages(first, messages) => {
                oldest = oldest.or(Some(first));
                for words in messages {
                    let value = decode::message(ring.id.kind, &words);
                    let kind = value["kind"].as_str().unwrap_or("unreadable").to_owned();
                    *kinds.entry(kind).or_insert(0) += 1;
                }
            }
            Read::Lapped(..) => {}
            Read::Nothing => break,
        }
    }
    Ok((kinds, oldest))
}
