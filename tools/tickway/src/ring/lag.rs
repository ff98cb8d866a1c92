//! `ring lag`: how far each reader is behind, sampled over an interval; bars for people.
//!
//! Positions are the readers' own words: a gating reader's is exact, a tap publishes its own about each millisecond. The
//! high-water mark is the greatest lag that this command saw, looking each millisecond: at least so much was published and
//! not read at that moment, and what came between two looks is not in it. It never asks a process for anything.

use crate::failure::{Failure, Finding, Outcome};
use crate::output::{self, or_dash};
use crate::place::{Ending, Place, Which};
use crate::regions::{Regions, RingRegion};
use crate::ring::readers::{Reader, depth, readers};
use crate::ring::stamps;
use clap::Args;
use runtime::signal::stop_requested;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Time between two samples.
const SAMPLE: Duration = Duration::from_millis(1);
/// Cells of a bar.
const CELLS: u64 = 20;

/// Arguments of `ring lag`.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The ring, such as execution.0; without a name all
    ring: Option<String>,
    #[command(flatten)]
    which: Which,
    /// Milliseconds over which rates and high-water marks are measured
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    interval_ms: u64,
    /// Show it again and again until the instance ends, the high-water marks since the beginning
    #[arg(short, long)]
    follow: bool,
    /// Print one JSON object (per interval)
    #[arg(long)]
    json: bool,
}

/// What was seen of a reader.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    high_water: u64,
    /// Position at the interval's begin.
    begin: Option<u64>,
}

/// High-water marks and positions by ring and reader.
type Marks = BTreeMap<(String, String), Seen>;

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// When there is no such instance or ring.
    pub fn run(&self) -> Outcome {
        let place = self.which.find()?;
        let regions = Regions::open(place.instance.regions())?;
        let rings: Vec<&RingRegion> = match &self.ring {
            Some(name) => vec![regions.ring(Some(name))?],
            None => regions.rings.iter().collect(),
        };
        let (mut marks, mut ending) = (Marks::new(), Ending::of(Some(&place)));
        loop {
            let live = place.is_live();
            let before: Vec<u64> = rings.iter().map(|ring| ring.published()).collect();
            let took = self.sample(&place, &regions, &rings, &mut marks);
            if !self.follow && stop_requested() {
                return Err(Failure::interrupted("before the interval was over", "a shorter one is --interval-ms"));
            }
            let per_second = |messages: u64| (u128::from(messages) * 1_000_000_000 / took.as_nanos().max(1)) as u64;
            let documents: Vec<Value> = rings
                .iter()
                .zip(before)
                .map(|(ring, before)| document(&place, &regions, ring, live, before, &marks, &per_second))
                .collect();
            if self.json {
                output::json(json!({ "instance": place.instance.name().as_str(), "live": live, "rings": documents }))?;
            } else {
                print(&documents)?;
            }
            // With --follow a signal is the end that was asked for.
            if !self.follow || stop_requested() {
                return Ok(Finding::Good);
            }
            if ending.has_come() {
                eprintln!("tickway: the instance has ended");
                return Ok(Finding::Good);
            }
        }
    }

    /// Looks at every reader each millisecond for the interval; returns how long that took.
    fn sample(&self, place: &Place, regions: &Regions, rings: &[&RingRegion], marks: &mut Marks) -> Duration {
        let begin = runtime::clock::realtime_ns();
        let mut first = true;
        loop {
            for ring in rings {
                // Published first: a reader may only get nearer to it, so a lag is never told greater than it was.
                let published = ring.published();
                for reader in readers(Some(place), regions, ring) {
                    let seen = marks.entry((ring.id.name(), reader.name())).or_default();
                    seen.high_water = seen.high_water.max(reader.lag(published).unwrap_or(0));
                    if first {
                        seen.begin = reader.next_sequence;
                    }
                }
            }
            first = false;
            let took = Duration::from_nanos(runtime::clock::realtime_ns().saturating_sub(begin));
            if took.as_millis() as u64 >= self.interval_ms || stop_requested() {
                return took;
            }
            std::thread::sleep(SAMPLE);
        }
    }
}

fn document(
    place: &Place,
    regions: &Regions,
    ring: &RingRegion,
    live: bool,
    before: u64,
    marks: &Marks,
    per_second: &impl Fn(u64) -> u64,
) -> Value {
    // Published first, as in a sample.
    let published = ring.published();
    let readers = readers(Some(place), regions, ring);
    // Of a dead instance the newest stamp is the last that is known of time.
    let now = if live { Some(place.now().0) } else { stamps::before(ring, published + 1) };
    let of = |reader: &Reader| {
        let seen = marks.get(&(ring.id.name(), reader.name())).copied().unwrap_or_default();
        let moved = reader.next_sequence.zip(seen.begin).map_or(0, |(next, begin)| next.saturating_sub(begin));
        let mut value = reader.to_json(published);
        value["lag_us"] = json!(lag_us(ring, reader, published, now));
        value["high_water"] = json!(seen.high_water.max(reader.lag(published).unwrap_or(0)));
        value["messages_per_second"] = json!(per_second(moved));
        value
    };
    json!({
        "name": ring.id.name(),
        "slots": ring.slots,
        "published": published,
        "depth": depth(published, &readers),
        "writer": {
            "role": ring.id.writer.folder(),
            "index": ring.id.index,
            "epoch": ring.header.writer_epoch(),
            "pid": ring.header.writer_pid(),
            "messages_per_second": per_second(published.saturating_sub(before)),
        },
        "readers": readers.iter().map(of).collect::<Vec<_>>(),
    })
}

/// Age of the oldest message that the reader has not read, in microseconds; 0 when it has read all. A message without a
/// stamp is as old as the next one that has a stamp, else as the last one before; one that is no longer held is at least
/// as old as the oldest held. `None` when the ring holds no stamp at all.
fn lag_us(ring: &RingRegion, reader: &Reader, published: u64, now: Option<u64>) -> Option<u64> {
    if reader.lag(published)? == 0 {
        return Some(0);
    }
    let next = reader.next_sequence?;
    let unread = stamps::at_or_after(ring, next).or_else(|| stamps::before(ring, next))?;
    Some(now?.saturating_sub(unread) / 1_000)
}

/// Filled cells for a lag of a ring of so many slots: any lag shows.
fn bar(lag: u64, slots: u64) -> String {
    let filled = (lag.min(slots) * CELLS).div_ceil(slots.max(1));
    (0..CELLS).map(|cell| if cell < filled { '█' } else { '·' }).collect()
}

fn print(documents: &[Value]) -> Result<(), Failure> {
    let headings = ["ring", "reader", "lag of the ring", "lag", "us", "high water", "laps", "messages/s"];
    let mut table = output::table(&headings);
    let text = |value: &Value| or_dash(value.as_u64());
    for ring in documents {
        let name = ring["name"].as_str().unwrap_or("?").to_owned();
        let writer = &ring["writer"];
        let who = |of: &Value| format!("{}/{}", of["role"].as_str().unwrap_or("?"), of["index"]);
        let epoch = format!("writer, epoch {}", writer["epoch"]);
        let empty = String::new;
        let published = format!("at {}", ring["published"]);
        let rate = text(&writer["messages_per_second"]);
        table.add_row([name, who(writer), epoch, published, empty(), empty(), empty(), rate]);
        for reader in ring["readers"].as_array().into_iter().flatten() {
            let how = if reader["parked"] == true { "parked" } else { reader["attach"].as_str().unwrap_or("?") };
            let bar = reader["lag"]
                .as_u64()
                .map_or_else(|| "-".to_owned(), |lag| bar(lag, ring["slots"].as_u64().unwrap_or(1)));
            let keys = ["lag", "lag_us", "high_water", "laps", "messages_per_second"].map(|key| text(&reader[key]));
            let [lag, us, high_water, laps, rate] = keys;
            table.add_row([String::new(), format!("{} {how}", who(reader)), bar, lag, us, high_water, laps, rate]);
        }
    }
    output::print_table(&table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_lag_shows_and_none_overflows() {
        let filled = |lag, slots| bar(lag, slots).chars().filter(|cell| *cell == '█').count();
        assert_eq!((filled(0, 64), filled(1, 65_536), filled(32, 64), filled(64, 64)), (0, 1, 10, 20));
        assert_eq!(filled(1 << 40, 64), 20, "a lapped reader's bar is full");
    }
}
