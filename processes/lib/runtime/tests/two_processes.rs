//! A ring between two processes over one region: the writer is killed at random moments, a second one takes over, and the reader
//! checks that no message is false, torn, doubled or lost.
//!
//! The test binary starts itself again as the writer: the test `writer_process` does nothing unless it was told to.
#![forbid(unsafe_code)]

use runtime::mmap::{Access, MODE_PRIVATE, create_region, map_region};
use shm_layout::ring::sync::{Ordering, SharedWords};
use shm_layout::ring::{Full, Gate, Lapped, RingReader, RingWriter, Start, ring_words};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

const SLOTS: usize = 256;
const RING: usize = ring_words(8, SLOTS);
/// The reader's cursor lies after the ring, on a line of its own; after it, the word that tells the writer to stop.
const CURSOR: usize = RING.next_multiple_of(16);
const STOP: usize = CURSOR + 16;
const WORDS: usize = STOP + 16;

/// Tells the re-executed test binary to be a writer: `path seed incarnation gated|open`.
const WRITER: &str = "TICKWAY_TEST_RING_WRITER";

/// Maps the whole region, writable.
fn map(path: &Path) -> SharedWords {
    map_region(path, Access::ReadWrite, Some(WORDS as u64 * 8)).expect("the region can be mapped").words
}

fn next_random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// The message `sequence` of writer `incarnation`: any mixture of two messages differs from it.
fn payload(sequence: u64, incarnation: u64) -> [u64; 7] {
    let mix =
        |word: u64| (sequence ^ incarnation << 48).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(word as u32 * 9);
    [sequence, incarnation, mix(2), mix(3), mix(4), mix(5), mix(6)]
}

/// The writer's process: takes the ring over and writes batches of 1 to 40 until killed or told to stop.
#[test]
fn writer_process() {
    let Ok(order) = std::env::var(WRITER) else { return };
    let mut parts = order.split(' ');
    let mut part = || parts.next().expect("four parts");
    let (path, seed, incarnation, gated) = (part(), part(), part(), part() == "gated");
    let words = map(Path::new(path));
    let mut random = seed.parse::<u64>().expect("a seed") | 1;
    let incarnation = incarnation.parse().expect("an incarnation");
    let mut writer = RingWriter::<7>::attach(words.slice(0, RING), SLOTS).expect("honest remains");
    if gated {
        writer.add_gate(Gate { cursor: words.slice(CURSOR, 1).read_only(), parked: None });
    }
    while words.load(STOP, Ordering::Relaxed) == 0 {
        let first = writer.published() + 1;
        let count = 1 + next_random(&mut random) % 40;
        match writer.claim(count as usize) {
            Ok(mut claim) => {
                (0..count).for_each(|index| claim.write(index as usize, &payload(first + index, incarnation)));
                claim.publish();
            }
            Err(Full) => std::thread::yield_now(),
        }
    }
}

fn start_writer(path: &Path, seed: u64, incarnation: u64, mode: &str) -> Child {
    Command::new(std::env::current_exe().expect("this test's path"))
        .args(["--exact", "writer_process", "--test-threads=1"])
        .env(WRITER, format!("{} {seed} {incarnation} {mode}", path.display()))
        .stdout(Stdio::null())
        .spawn()
        .expect("this test can start itself")
}

/// What the reader found so far.
#[derive(Default)]
struct Found {
    read: u64,
    missed: u64,
    incarnation: u64,
}

impl Found {
    /// Reads one batch of random length and checks every message of it.
    fn poll(&mut self, reader: &mut RingReader<7>, random: &mut u64) {
        let mut out = [[0; 7]; 64];
        let length = 1 + (next_random(random) % 64) as usize;
        let first = reader.next_sequence();
        match reader.read_batch(&mut out[..length]) {
            Ok(0) => std::thread::yield_now(),
            Ok(count) => {
                for (sequence, message) in (first..).zip(&out[..count]) {
                    let incarnation = message[1];
                    assert_eq!(*message, payload(sequence, incarnation), "message {sequence}");
                    assert!(incarnation >= self.incarnation, "a dead writer's message after its successor's");
                    self.incarnation = incarnation;
                }
                self.read += count as u64;
                reader.commit();
            }
            Err(Lapped { missed }) => self.missed += missed,
        }
        assert_eq!(reader.corrupt(), 0);
        assert_eq!(self.read + self.missed, reader.next_sequence() - 1, "every message is read or said to be missed");
    }
}

/// Kills `writers` writers in a row at random moments, lets one more stop by itself, and reads all the while.
fn run(mode: &str, writers: u64, seed: u64) -> Found {
    let scratch = TempDir::new().expect("a scratch folder");
    let path = scratch.path().join("ring");
    create_region(&path, WORDS as u64 * 8, MODE_PRIVATE).expect("room for the ring");
    let words = map(&path);
    drop(RingWriter::<7>::create(words.slice(0, RING), SLOTS).expect("zeroed words"));
    let mut reader =
        RingReader::<7>::attach(words.slice(0, RING).read_only(), SLOTS, Start::Oldest).expect("geometry fits");
    if mode == "gated" {
        reader = reader.with_cursor(words.slice(CURSOR, 1));
    }
    let mut random = seed | 1;
    let mut found = Found::default();
    for incarnation in 1..=writers + 1 {
        let mut child = start_writer(&path, seed + incarnation, incarnation, mode);
        // Alive and writing before the random moment is awaited.
        while found.incarnation < incarnation {
            found.poll(&mut reader, &mut random);
            assert!(child.try_wait().expect("a child of ours").is_none(), "the writer failed");
        }
        let until = found.read + next_random(&mut random) % 20_000;
        while found.read < until {
            found.poll(&mut reader, &mut random);
            assert!(child.try_wait().expect("a child of ours").is_none(), "the writer failed");
        }
        if incarnation <= writers {
            child.kill().expect("a child of ours");
            assert!(!child.wait().expect("a child of ours").success());
        } else {
            words.store(STOP, 1, Ordering::Relaxed);
            assert!(child.wait().expect("a child of ours").success(), "the last writer stops by itself");
        }
        // What the dead published is still there; its half-written slots are not.
        let hint = words.load(0, Ordering::Acquire);
        while reader.depth() > 0 {
            found.poll(&mut reader, &mut random);
        }
        assert!(reader.next_sequence() > hint, "nothing below the published word is withheld");
    }
    found
}

#[test]
fn a_gating_reader_gets_every_message_of_every_writer() {
    for seed in [0xA11CE, 0xB0B, 0xC0FFEE] {
        let found = run("gated", 8, seed);
        assert_eq!(found.missed, 0, "a gating reader is never lapped");
        assert_eq!(found.incarnation, 9);
    }
}

#[test]
fn a_tap_is_told_of_every_message_that_it_missed() {
    for seed in [0xDEAD, 0xFEED] {
        let found = run("open", 8, seed);
        assert!(found.read > 0);
        assert_eq!(found.incarnation, 9);
    }
}
