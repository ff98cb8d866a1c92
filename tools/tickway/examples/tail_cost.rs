//! What `ring tail --follow` costs the writer: its throughput without and with a tail, in turns.
//!
//! `cargo build --release -p tickway --example tail_cost && target/release/examples/tail_cost [SECONDS] [RATE]`
//! RATE is messages per second, 10 million by default; 0 = as fast as the writer can. The tail is the `tickway` beside.
#![forbid(unsafe_code)]

use runtime::clock::realtime_ns;
use runtime::mmap::{Access, create_region, map_region};
use shm_layout::message::market_data::{MarketData, MarketDataHeader, TopOfBook};
use shm_layout::region::{RegionHeader, RegionSpec};
use shm_layout::ring::{RingWriter, ring_words};
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::{Nanos, Role};
use std::path::Path;
use std::process::{Command, Stdio};

/// Slots of the ring: 4 MiB, the demo's.
const SLOTS: usize = 65_536;
/// Messages published together.
const BATCH: usize = 16;
/// Turns of each kind.
const TURNS: usize = 5;
const RING: RingId = RingId { kind: RingKind::MarketData, writer: Role::FeedHandler, index: 0, gateway: 0 };

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>().expect("a number"));
    let seconds = arguments.next().unwrap_or(2);
    let rate = arguments.next().unwrap_or(10_000_000);
    let path = std::env::temp_dir().join(format!("tail_cost.{}.ring", std::process::id()));
    let path =
        if Path::new("/dev/shm").is_dir() { Path::new("/dev/shm").join(path.file_name().unwrap()) } else { path };
    let spec = RegionSpec::ring(RING, SLOTS as u64, ring_words(8, SLOTS), 1, Nanos(realtime_ns()));
    create_region(&path, spec.region_bytes() as u64, 0o600).expect("a region");
    let mapped = map_region(&path, Access::ReadWrite, None).expect("a map");
    let header = RegionHeader::create(&mapped.words, spec);
    header.set_writer(1, std::process::id());
    let mut writer = RingWriter::<7>::create(header.body(), SLOTS).expect("a ring");
    produce(&mut writer, seconds.min(1), rate);
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        without.push(produce(&mut writer, seconds, rate));
        let mut tail = tail(&path);
        std::thread::sleep(std::time::Duration::from_millis(100));
        with.push(produce(&mut writer, seconds, rate));
        let _ = tail.kill();
        let _ = tail.wait();
        println!("turn {turn}: {} messages/s without a tail, {} with", without[turn], with[turn]);
    }
    let _ = std::fs::remove_file(&path);
    let (without, with) = (median(without), median(with));
    let percent = (with as i64 - without as i64) as f64 * 100.0 / without as f64;
    println!("median: {without} without, {with} with: {percent:+.2} %");
}

fn tail(path: &Path) -> std::process::Child {
    let beside = std::env::current_exe().expect("this program's path");
    let command = beside.parent().and_then(Path::parent).expect("target/<profile>/examples").join("tickway");
    Command::new(command)
        .args(["ring", "tail", "--follow", "--json", "--where", "kind=Trade", "--file"])
        .arg(path)
        .stdout(Stdio::null())
        .spawn()
        .expect("tickway lies beside the examples: build it too")
}

/// Publishes for so long at a rate; messages per second that were reached.
fn produce(writer: &mut RingWriter<7>, seconds: u64, rate: u64) -> u64 {
    let begin = realtime_ns();
    let end = begin + seconds * 1_000_000_000;
    let (mut published, mut now) = (0_u64, begin);
    while now < end {
        let due = if rate == 0 { u64::MAX } else { ((now - begin) as u128 * rate as u128 / 1_000_000_000) as u64 };
        if published < due {
            let mut claim = writer.claim(BATCH).expect("no reader gates");
            for index in 0..BATCH {
                claim.write(index, &message(published + index as u64, now));
            }
            claim.publish();
            published += BATCH as u64;
        }
        now = realtime_ns();
    }
    (u128::from(published) * 1_000_000_000 / u128::from(now - begin)) as u64
}

/// Every sixteenth a trade, which the tail prints.
fn message(count: u64, now: u64) -> [u64; 7] {
    let kind = if count.is_multiple_of(16) { 3 } else { 1 };
    let header = MarketDataHeader { kind, side: 1, receive_ns: Nanos(now), ..MarketDataHeader::default() };
    let mut words = MarketData::TopOfBook(TopOfBook { header, ..TopOfBook::default() }).encode();
    words[5] = count;
    words
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values[values.len() / 2]
}
