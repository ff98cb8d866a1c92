//! Measures the ring between two cores, by its public interface alone, as multiples of the cache-line ping-pong A.
//!
//! ```text
//! ring_speed [processes|threads] [seconds] [slots] [batch]
//! ```
//!
//! Every slice lasts milliseconds and has A measured before and after it, in the same processes; a slice whose anchors
//! disagree is discarded and counted. Virtual cores change their placement while a program runs: NEAR and FAR (A below or
//! above 120 ns) are kept apart. It never prints a tail above p99: on a virtual machine that means nothing.
#![forbid(unsafe_code)]

use runtime::affinity::pin;
use runtime::clock::{monotonic_ns, tsc};
use runtime::mmap::{Access, create_region, map_region};
use shm_layout::ring::sync::{Ordering, SharedWords};
use shm_layout::ring::{Gate, RingReader, RingWriter, Start, ring_words};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Words of the area before the rings: command, acknowledgement, ping, pong, checksum; each on two lines of its own.
const CONTROL_WORDS: usize = 4096;
const COMMAND: usize = 0;
const DONE: usize = 32;
const PING: usize = 64;
const PONG: usize = 96;
const CHECKSUM: usize = 128;
/// Nanoseconds that the peer spent on its core.
const PEER_CPU: usize = 160;
const CURSORS: usize = 1024;
/// Readers of each ring, all gating: one forward and one back per slot width, the last ones for broadcast.
const READERS: [usize; 7] = [1, 1, 1, 1, 2, 4, 8];
/// Anchors further apart than this share discard the slice between them.
const ANCHORS_AGREE: f64 = 0.06;

/// What the peer does next; its count is in the low half of the command word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    Anchor = 1,
    Echo = 2,
    EchoWide = 3,
    Drain = 4,
    DrainWide = 5,
    Broadcast2 = 6,
    Broadcast4 = 7,
    Broadcast8 = 8,
    EchoTapped = 9,
    End = 10,
}

const WORKS: [Work; 10] = [
    Work::Anchor,
    Work::Echo,
    Work::EchoWide,
    Work::Drain,
    Work::DrainWide,
    Work::Broadcast2,
    Work::Broadcast4,
    Work::Broadcast8,
    Work::EchoTapped,
    Work::End,
];

/// The shared area and the rings in it.
#[derive(Clone)]
struct Area {
    words: SharedWords,
    slots: usize,
    batch: usize,
}

impl Area {
    fn words_needed(slots: usize) -> usize {
        CONTROL_WORDS + READERS.len() * ring_words(16, slots)
    }

    fn ring(&self, ring: usize) -> SharedWords {
        let words = ring_words(16, self.slots);
        self.words.slice(CONTROL_WORDS + ring * words, words)
    }

    /// The cursor of a reader of a ring, on two lines of its own.
    fn cursor(&self, ring: usize, reader: usize) -> SharedWords {
        self.words.slice(CURSORS + (ring * 8 + reader) * 16, 1)
    }

    fn writer<const W: usize>(&self, ring: usize) -> RingWriter<W> {
        let mut writer = RingWriter::create(self.ring(ring), self.slots).expect("a fresh area");
        for reader in 0..READERS[ring] {
            writer.add_gate(Gate { cursor: self.cursor(ring, reader).read_only(), parked: None });
        }
        writer
    }

    fn reader<const W: usize>(&self, ring: usize, reader: usize) -> RingReader<W> {
        let attached = RingReader::attach(self.ring(ring).read_only(), self.slots, Start::Oldest);
        attached.expect("the geometry is the writer's").with_cursor(self.cursor(ring, reader))
    }

    fn tap(&self, ring: usize) -> RingReader<7> {
        RingReader::attach(self.ring(ring).read_only(), self.slots, Start::Oldest)
            .expect("the geometry is the writer's")
    }

    fn wait(&self, word: usize, value: u64) {
        while self.words.load(word, Ordering::Acquire) != value {}
    }
}

/// One cache line there and back, `count` times; the last value says that it is over.
fn pong(area: &Area, count: u64) {
    for round in 1..=count {
        area.wait(PING, round);
        area.words.store(PONG, round, Ordering::Release);
    }
}

fn ping(area: &Area, count: u64, times: &mut Vec<u64>) {
    for round in 1..=count {
        let sent = tsc();
        area.words.store(PING, round, Ordering::Release);
        area.wait(PONG, round);
        times.push(tsc() - sent);
    }
}

/// Waits for one message, as a polling process does, and folds it into the sum.
#[inline(always)]
fn receive<const W: usize>(reader: &mut RingReader<W>, batch: &mut [[u64; W]]) -> [u64; W] {
    loop {
        match reader.read_batch(batch) {
            Ok(0) => {}
            Ok(_) => {
                reader.commit();
                return batch[0];
            }
            Err(lapped) => panic!("{lapped}"),
        }
    }
}

fn echo<const W: usize>(
    count: u64,
    batch_max: usize,
    from: &mut RingReader<W>,
    to: &mut RingWriter<W>,
    tap: Option<&mut RingReader<7>>,
) {
    let mut batch = [[0; W]; 16];
    let batch = &mut batch[..batch_max.min(16)];
    let mut seen = [[0; 7]; 16];
    let mut tap = tap;
    for _ in 0..count {
        let message = receive(from, batch);
        to.push(&message).expect("one message at a time");
        if let Some(tap) = &mut tap {
            let _ = std::hint::black_box(tap.read_batch(&mut seen));
        }
    }
}

fn call<const W: usize>(
    count: u64,
    batch_max: usize,
    to: &mut RingWriter<W>,
    from: &mut RingReader<W>,
    times: &mut Vec<u64>,
) {
    let mut batch = [[0; W]; 16];
    let batch = &mut batch[..batch_max.min(16)];
    for round in 1..=count {
        let sent = tsc();
        to.push(&[round; W]).expect("one message at a time");
        let message = receive(from, batch);
        times.push(tsc() - sent);
        assert_eq!(message, [round; W]);
    }
}

/// Reads `count` messages by each reader in turn and returns the sum of all their words, so that a torn, lost or doubled
/// message changes it.
fn drain<const W: usize>(count: u64, readers: &mut [RingReader<W>], batch_max: usize) -> u64 {
    let mut batch = [[0; W]; 256];
    let batch = &mut batch[..batch_max];
    let mut sum = 0_u64;
    let last = readers[0].next_sequence() + count;
    while readers.iter().any(|reader| reader.next_sequence() < last) {
        for reader in readers.iter_mut() {
            let found = reader.read_batch(batch).expect("a gating reader is never lapped");
            if found > 0 {
                sum = batch[..found].iter().flatten().fold(sum, |sum, word| sum.wrapping_add(*word));
                reader.commit();
            }
        }
    }
    sum
}

fn stream<const W: usize>(count: u64, writer: &mut RingWriter<W>, batch: usize) {
    let mut sent = 0;
    while sent < count {
        let Ok(mut claim) = writer.claim(batch) else {
            continue;
        };
        for index in 0..batch {
            claim.write(index, &[sent + index as u64; W]);
        }
        claim.publish();
        sent += batch as u64;
    }
}

/// The peer: does as it is told until it is told to end.
fn serve(area: &Area, core: usize) {
    pin(core).expect("a second core");
    area.wait(DONE, 1);
    let (mut narrow, mut wide) = (area.reader::<7>(0, 0), area.reader::<15>(2, 0));
    let mut tap = area.tap(0);
    let (mut narrow_back, mut wide_back) = (area.writer::<7>(1), area.writer::<15>(3));
    let broadcast = |ring: usize| (0..READERS[ring]).map(|reader| area.reader::<7>(ring, reader)).collect::<Vec<_>>();
    let (mut two, mut four, mut eight) = (broadcast(4), broadcast(5), broadcast(6));
    let mut number = 1;
    let cpu_before = cpu_ns();
    area.words.store(DONE, 2, Ordering::Release);
    loop {
        number += 1;
        while area.words.load(COMMAND, Ordering::Acquire) >> 48 != number & 0xffff {}
        let command = area.words.load(COMMAND, Ordering::Acquire);
        let count = command & 0xffff_ffff;
        match WORKS[(command >> 32 & 0xffff) as usize - 1] {
            Work::Anchor => pong(area, count),
            Work::Echo => echo(count, area.batch, &mut narrow, &mut narrow_back, None),
            Work::EchoTapped => {
                tap.seek(narrow.next_sequence() - 1);
                echo(count, area.batch, &mut narrow, &mut narrow_back, Some(&mut tap));
            }
            Work::EchoWide => echo(count, area.batch, &mut wide, &mut wide_back, None),
            Work::Drain => add(area, drain(count, std::slice::from_mut(&mut narrow), area.batch * 2)),
            Work::DrainWide => add(area, drain(count, std::slice::from_mut(&mut wide), area.batch * 2)),
            Work::Broadcast2 => add(area, drain(count, &mut two, area.batch * 2)),
            Work::Broadcast4 => add(area, drain(count, &mut four, area.batch * 2)),
            Work::Broadcast8 => add(area, drain(count, &mut eight, area.batch * 2)),
            Work::End => {
                area.words.store(PEER_CPU, cpu_ns() - cpu_before, Ordering::Release);
                return;
            }
        }
        area.words.store(DONE, number + 1, Ordering::Release);
    }
}

/// Nanoseconds that this thread has spent on a core, as the kernel counts them (to a tick).
fn cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts a thread's run time");
    text.split(' ').next().and_then(|first| first.parse().ok()).expect("run time comes first")
}

fn add(area: &Area, sum: u64) {
    area.words.fetch_add(CHECKSUM, sum, Ordering::Relaxed);
}

/// The median of the means of eight round trips: the counter's step of about 10 ns is too coarse for single ones.
fn median_of_eights(times: &[u64]) -> f64 {
    let mut means: Vec<u64> = times.chunks_exact(8).map(|eight| eight.iter().sum()).collect();
    means.sort_unstable();
    percentile(&means, 0.5) / 8.0
}

/// A share of sorted samples.
fn percentile(times: &[u64], share: f64) -> f64 {
    times[((times.len() - 1) as f64 * share) as usize] as f64
}

/// The measuring side.
struct Driver {
    area: Area,
    number: u64,
    ns_per_tick: f64,
    narrow: RingWriter<7>,
    narrow_back: RingReader<7>,
    wide: RingWriter<15>,
    wide_back: RingReader<15>,
    broadcast: [RingWriter<7>; 3],
    times: Vec<u64>,
    expected_sum: u64,
}

impl Driver {
    fn start(area: &Area) -> Self {
        area.words.store(COMMAND, 1 << 48, Ordering::Relaxed);
        let (narrow, wide) = (area.writer(0), area.writer(2));
        let broadcast = [4, 5, 6].map(|ring| area.writer(ring));
        area.words.store(DONE, 1, Ordering::Release);
        area.wait(DONE, 2);
        let (from, ticks) = (monotonic_ns(), tsc());
        while monotonic_ns() < from + 50_000_000 {}
        let ns_per_tick = (monotonic_ns() - from) as f64 / (tsc() - ticks) as f64;
        let (narrow_back, wide_back) = (area.reader(1, 0), area.reader(3, 0));
        let times = Vec::with_capacity(1 << 20);
        let area = area.clone();
        Self { area, number: 1, ns_per_tick, narrow, narrow_back, wide, wide_back, broadcast, times, expected_sum: 0 }
    }

    fn command(&mut self, work: Work, count: u64) {
        self.number += 1;
        let word = (self.number & 0xffff) << 48 | (work as u64) << 32 | count;
        self.area.words.store(COMMAND, word, Ordering::Release);
    }

    /// One way, median, in ns.
    fn anchor(&mut self) -> f64 {
        self.area.words.store(PONG, 0, Ordering::Relaxed);
        self.area.words.store(PING, 0, Ordering::Relaxed);
        self.command(Work::Anchor, 4000);
        self.times.clear();
        ping(&self.area, 4000, &mut self.times);
        self.area.wait(DONE, self.number + 1);
        median_of_eights(&self.times) * self.ns_per_tick / 2.0
    }

    /// Median and p99 of one way, in ns.
    fn latency(&mut self, work: Work, count: u64) -> (f64, f64) {
        self.command(work, count);
        self.times.clear();
        match work {
            Work::EchoWide => call(count, self.area.batch, &mut self.wide, &mut self.wide_back, &mut self.times),
            _ => call(count, self.area.batch, &mut self.narrow, &mut self.narrow_back, &mut self.times),
        }
        self.area.wait(DONE, self.number + 1);
        let median = median_of_eights(&self.times);
        self.times.sort_unstable();
        let ns = self.ns_per_tick / 2.0;
        (median * ns, percentile(&self.times, 0.99) * ns)
    }

    /// Messages per microsecond (M/s), until the last reader has the last one; the checksum is compared at the end.
    fn throughput(&mut self, work: Work, count: u64) -> f64 {
        // Words that all readers together receive of each message.
        let words = match work {
            Work::DrainWide => 15,
            Work::Broadcast2 => 2 * 7,
            Work::Broadcast4 => 4 * 7,
            Work::Broadcast8 => 8 * 7,
            _ => 7,
        };
        let batch = self.area.batch;
        self.command(work, count);
        let start = tsc();
        match work {
            Work::Drain => stream(count, &mut self.narrow, batch),
            Work::DrainWide => stream(count, &mut self.wide, batch),
            Work::Broadcast2 => stream(count, &mut self.broadcast[0], batch),
            Work::Broadcast4 => stream(count, &mut self.broadcast[1], batch),
            _ => stream(count, &mut self.broadcast[2], batch),
        }
        self.area.wait(DONE, self.number + 1);
        let ns = (tsc() - start) as f64 * self.ns_per_tick;
        self.expected_sum = self.expected_sum.wrapping_add(words * (count * (count - 1) / 2));
        count as f64 * 1000.0 / ns
    }
}

/// Values of agreeing slices by name and placement.
type Results = BTreeMap<(usize, &'static str), (&'static str, Vec<f64>)>;

fn measure(driver: &mut Driver, seconds: u64) -> (Results, Vec<f64>, u64) {
    let works = [
        (Work::Echo, "64 B one way", 8_000),
        (Work::EchoTapped, "64 B one way, tapped", 8_000),
        (Work::EchoWide, "128 B one way", 8_000),
        (Work::Drain, "64 B throughput", 1 << 20),
        (Work::DrainWide, "128 B throughput", 1 << 20),
        (Work::Broadcast2, "64 B lossless N=2", 1 << 20),
        (Work::Broadcast4, "64 B lossless N=4", 1 << 20),
        (Work::Broadcast8, "64 B lossless N=8", 1 << 20),
    ];
    let end = monotonic_ns() + seconds * 1_000_000_000;
    let (mut results, mut anchors, mut discarded) = (Results::new(), Vec::new(), 0);
    let mut put = |order: usize, name, placement, value| {
        results.entry((order, placement)).or_insert_with(|| (name, Vec::new())).1.push(value);
    };
    while monotonic_ns() < end {
        for (order, (work, name, count)) in works.into_iter().enumerate() {
            let before = driver.anchor();
            let latency = matches!(work, Work::Echo | Work::EchoWide | Work::EchoTapped);
            let (value, p99) =
                if latency { driver.latency(work, count) } else { (driver.throughput(work, count), 0.0) };
            let after = driver.anchor();
            let anchor = (before + after) / 2.0;
            if (before - after).abs() > anchor * ANCHORS_AGREE {
                discarded += 1;
                continue;
            }
            anchors.push(anchor);
            let placement = if anchor < 120.0 { "NEAR" } else { "FAR" };
            put(order * 2, name, placement, if latency { value / anchor } else { value });
            if latency {
                put(order * 2 + 1, "  its p99", placement, p99 / anchor);
            }
        }
    }
    (results, anchors, discarded)
}

fn report(results: Results, mut anchors: Vec<f64>, discarded: u64) {
    anchors.sort_by(f64::total_cmp);
    let slices = anchors.len();
    for (name, far) in [("NEAR", false), ("FAR", true)] {
        let of: Vec<f64> = anchors.iter().copied().filter(|a| (*a >= 120.0) == far).collect();
        if !of.is_empty() {
            println!("A {name}: median {:.1} ns, {} slices", of[of.len() / 2], of.len());
        }
    }
    println!("{slices} slices kept, {discarded} discarded; latencies in A, throughput in M/s");
    println!("{:24} {:5} {:>7} {:>8} {:>8} {:>8}", "what", "place", "slices", "p10", "median", "p90");
    for ((_, placement), (name, mut values)) in results {
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values[((values.len() - 1) as f64 * share) as usize];
        println!("{name:24} {placement:5} {:7} {:8.3} {:8.3} {:8.3}", values.len(), at(0.1), at(0.5), at(0.9));
    }
}

/// A file that is removed at the end.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn map(path: &Path, slots: usize, batch: usize) -> Area {
    let bytes = Area::words_needed(slots) as u64 * 8;
    let mapped = map_region(path, Access::ReadWrite, Some(bytes)).expect("the scratch file");
    Area { words: mapped.words, slots, batch }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let argument = |index: usize, or: &str| arguments.get(index).cloned().unwrap_or_else(|| or.to_owned());
    let number = |index: usize, or: &str| argument(index, or).parse::<usize>().expect("a number");
    let (mode, seconds, slots, batch) = (argument(1, "processes"), number(2, "10"), number(3, "4096"), number(4, "64"));
    assert!(batch.is_power_of_two() && batch <= 128, "batches are powers of two up to 128");
    if mode == "peer" {
        return serve(&map(Path::new(&argument(5, "")), slots, batch), 1);
    }
    let scratch = Scratch(PathBuf::from(format!("/dev/shm/ring_speed.{}", std::process::id())));
    create_region(&scratch.0, Area::words_needed(slots) as u64 * 8, 0o600).expect("room in /dev/shm");
    let area = map(&scratch.0, slots, batch);
    let mut child = None;
    let mut thread = None;
    if mode == "processes" {
        let this = std::env::current_exe().expect("this program");
        let (slots, batch) = (slots.to_string(), batch.to_string());
        let path = scratch.0.display().to_string();
        let mut command = std::process::Command::new(this);
        child = Some(command.args(["peer", "0", &slots, &batch, &path]).spawn().expect("a second process"));
    } else {
        let area = area.clone();
        thread = Some(std::thread::spawn(move || serve(&area, 1)));
    }
    std::thread::sleep(Duration::from_millis(20));
    pin(0).expect("a first core");
    let mut driver = Driver::start(&area);
    let (wall, cpu) = (monotonic_ns(), cpu_ns());
    let (results, anchors, discarded) = measure(&mut driver, seconds as u64);
    let (wall, cpu) = ((monotonic_ns() - wall) as f64, (cpu_ns() - cpu) as f64);
    driver.command(Work::End, 0);
    if let Some(child) = &mut child {
        child.wait().expect("a child of ours");
    }
    if let Some(thread) = thread {
        thread.join().expect("the peer returns");
    }
    assert_eq!(area.words.load(CHECKSUM, Ordering::Relaxed), driver.expected_sum, "a message was torn");
    println!("two {mode}, {slots} slots, batches of {batch}");
    let peer_cpu = area.words.load(PEER_CPU, Ordering::Acquire) as f64;
    println!("CPU time: {:.3} of wall time, the peer {:.3}", cpu / wall, peer_cpu / wall);
    if cpu.min(peer_cpu) < 0.97 * wall {
        println!("DISCARD THIS RUN: the cores were shared");
    }
    report(results, anchors, discarded);
}
