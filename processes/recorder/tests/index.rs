//! The index against a full scan, its drawing, kills and torn ends.
#![forbid(unsafe_code)]

mod world;

use recorder::capture::index::{ENTRY_BYTES, GROUP_HEADER_BYTES, INDEX_HEADER_BYTES};
use recorder::capture::query::{Found, FoundWhat, IndexedFile, Origin, Selection, indexed, open, search};
use recorder::capture::reader::{files, read_file};
use recorder::capture::{BlockKind, CaptureError};
use runtime::duty_cycle::Agent;
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::Role;
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use world::{BOOT, Random, World, ring};

const MARKET_DATA: RingId = ring(RingKind::MarketData, Role::FeedHandler);
const WIRE: RingId = ring(RingKind::Wire, Role::FeedHandler);
const INTENT: RingId = ring(RingKind::OrderIntent, Role::Strategy);

/// Ring, sequence, stamp, kind of thing, first payload word or count missing.
type Line = (RingId, u64, u64, u8, u64);

/// Everything by the index.
fn by_index(files: &[IndexedFile], selection: &Selection) -> (Vec<Line>, u64) {
    let mut lines = Vec::new();
    let cost = search(files, selection, |found: &Found<'_>| {
        let (kind, word) = match found.what {
            FoundWhat::Message(words) => (1, words[0]),
            FoundWhat::Gap(missed) => (2, missed),
            FoundWhat::End => (3, 0),
        };
        lines.push((found.ring, found.sequence, found.stamp_ns, kind, word));
        ControlFlow::Continue(())
    });
    (lines, cost.unwrap().bytes_read)
}

/// The naive twin: reads every file from end to end, carries stamps in a map, filters last.
fn by_scan(folder: &Path, selection: &Selection) -> Vec<Line> {
    let mut lines = Vec::new();
    for file in files(folder).unwrap() {
        let mut carried: BTreeMap<RingId, u64> = BTreeMap::new();
        let bytes = fs::read(&file).unwrap();
        // A life that ended before its first write.
        let Some(created) = bytes.get(24..32) else { continue };
        let created = u64::from_le_bytes(created.try_into().unwrap());
        let visited = read_file(&file, |block, kind, ring, payload| {
            let stamp = carried.entry(ring).or_insert(created);
            // Where each kind of ring has its stamp, in bytes: the README of shm-layout.
            let offset = if ring.kind == RingKind::MarketData || ring.kind == RingKind::Wire { 8 } else { 56 };
            match kind {
                BlockKind::Messages => {
                    for (sequence, payload) in (block.first_sequence()..).zip(payload.chunks(block.payload_bytes())) {
                        let word = |at: usize| u64::from_le_bytes(payload[at..at + 8].try_into().unwrap());
                        if word(offset) != 0 {
                            *stamp = word(offset);
                        }
                        lines.push((ring, sequence, *stamp, 1, word(0)));
                    }
                }
                BlockKind::Gap => lines.push((ring, block.first_sequence(), *stamp, 2, block.missed())),
                BlockKind::End => lines.push((ring, block.first_sequence(), *stamp, 3, 0)),
            }
        });
        assert!(visited.is_ok() || matches!(visited, Err(CaptureError::Corrupt { at_end: true, .. })));
    }
    lines.retain(|(ring, sequence, stamp, kind, word)| {
        let last = if *kind == 2 { sequence + word - 1 } else { *sequence };
        (selection.rings.is_empty() || selection.rings.contains(ring))
            && *sequence <= *selection.sequences.end()
            && last >= *selection.sequences.start()
            && selection.times.contains(stamp)
    });
    lines
}

/// Some hundred kilobytes of three rings, with laps, deaths, messages without a stamp, and stamps that go back.
fn capture(seed: u64, segment_bytes: u64) -> World {
    let mut random = Random(seed);
    let world = World::new(&segment_bytes.to_string());
    world.park(Role::Risk);
    let mut narrow = world.writer::<7>(MARKET_DATA);
    let mut wide = world.writer::<15>(WIRE);
    let mut intent = world.writer::<15>(INTENT);
    let mut shell = world.shell();
    for round in 0..400_u64 {
        let stamp = |random: &mut Random| if random.below(4) == 0 { 0 } else { 1_000 * round + random.below(3_000) };
        for _ in 0..random.below(30) {
            let words: [u64; 7] = [narrow.published() + 1, stamp(&mut random), 3, 4, 5, 6, 7];
            narrow.push(&words).unwrap();
        }
        for _ in 0..random.below(80) {
            let mut words = [round; 15];
            words[1] = stamp(&mut random);
            wide.push(&words).unwrap();
        }
        if random.below(10) == 0 {
            let mut words = [round; 15];
            words[7] = stamp(&mut random);
            let _ = intent.push(&words);
        }
        if random.below(100) < 90 {
            shell.duty_cycle(world.now());
        }
        if random.below(100) < 2 {
            drop(shell);
            shell = world.shell();
        }
    }
    if seed.is_multiple_of(2) {
        shell.stop();
        while !shell.finished() {
            shell.duty_cycle(world.now());
        }
    }
    drop(shell);
    world
}

fn index_of(capture: &Path) -> PathBuf {
    capture.with_extension("index")
}

#[test]
fn what_the_index_finds_is_what_a_full_scan_finds() {
    for seed in 0..4 {
        let world = capture(seed, [1 << 20, 90_000][seed as usize % 2]);
        let found = indexed(&world.capture(), Some(BOOT)).unwrap();
        let mut random = Random(seed + 100);
        let total: u64 = found.iter().map(|file| file.bytes).sum();
        assert!(total > 400_000, "{total} bytes make several groups");
        let mut least = total;
        for round in 0..60 {
            let rings = [vec![], vec![MARKET_DATA], vec![INTENT, WIRE]][random.below(3) as usize].clone();
            let (from, time) = (random.below(6_000), random.below(400_000));
            let sequences = if round % 3 == 1 { 0..=u64::MAX } else { from..=from + random.below(500) };
            let times = if round % 3 == 0 { 0..=u64::MAX } else { time..=time + random.below(20_000) };
            let selection = Selection { rings, sequences, times };
            let (lines, read) = by_index(&found, &selection);
            assert_eq!(lines, by_scan(&world.capture(), &selection), "seed {seed}, {selection:?}");
            least = least.min(read);
        }
        assert_eq!(by_index(&found, &Selection::default()).0, by_scan(&world.capture(), &Selection::default()));
        assert!(least < total / 4, "a narrow selection reads little: {least} of {total}");
    }
}

#[test]
fn the_files_are_whole_after_deaths_and_small() {
    let world = capture(2, 1 << 20);
    let all = indexed(&world.capture(), Some(BOOT)).unwrap();
    assert!(all.len() > 2, "several lives");
    assert!(
        all.iter().filter(|file| file.groups.is_empty()).all(|file| file.bytes == 64),
        "only empty files have none"
    );
    for file in all.iter().filter(|file| !file.groups.is_empty()) {
        assert_eq!(
            file.origin,
            Origin::Whole,
            "{}: repaired by the next life, or closed in order",
            file.path.display()
        );
        let expected: usize =
            file.groups.iter().map(|group| GROUP_HEADER_BYTES + group.entries.len() * ENTRY_BYTES).sum();
        let length = fs::metadata(index_of(&file.path)).unwrap().len();
        assert_eq!(length as usize, INDEX_HEADER_BYTES + expected);
    }
}

#[test]
fn a_missing_torn_or_foreign_index_is_made_again() {
    let world = capture(4, 1 << 20);
    let all = files(&world.capture()).unwrap();
    let longest = all.iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let whole = open(longest, false).unwrap();
    let (index, bytes) = (index_of(longest), fs::read(index_of(longest)).unwrap());
    assert!(whole.groups.len() > 2);
    let groups_are_same = |expected: Option<Origin>| {
        let found = open(longest, false).unwrap();
        assert_eq!(found.groups, whole.groups);
        assert!(expected.is_none_or(|origin| found.origin == origin), "{:?}", found.origin);
    };
    fs::remove_file(&index).unwrap();
    groups_are_same(Some(Origin::Rebuilt));
    for cut in (0..bytes.len()).step_by(37) {
        fs::write(&index, &bytes[..cut]).unwrap();
        groups_are_same(None);
    }
    for at in (0..bytes.len()).step_by(11) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x20;
        fs::write(&index, &flipped).unwrap();
        groups_are_same(None);
    }
    let other = all.iter().find(|path| *path != longest).unwrap();
    fs::copy(index_of(other), &index).unwrap();
    groups_are_same(Some(Origin::Rebuilt));
}

#[test]
fn a_torn_capture_is_cut_and_its_index_follows() {
    let world = World::new("67108864");
    let mut writer = world.writer::<7>(MARKET_DATA);
    let mut shell = world.shell();
    for _ in 0..2_000 {
        (0..40).for_each(|_| assert!(writer.push(&[1; 7]).is_ok()));
        shell.duty_cycle(world.now());
    }
    shell.duty_cycle(world.now());
    drop(shell);
    let file = files(&world.capture()).unwrap().pop().unwrap();
    // A cut far below what the index covers, in the middle of a block.
    OpenOptions::new().write(true).open(&file).unwrap().set_len(1_000_001).unwrap();
    let before = indexed(&world.capture(), Some(BOOT)).unwrap();
    assert_eq!(by_index(&before, &Selection::default()).0, by_scan(&world.capture(), &Selection::default()));
    drop(world.shell());
    assert!(fs::metadata(&file).unwrap().len() < 1_000_001);
    assert_eq!(open(&file, false).unwrap().origin, Origin::Whole);
    let after = indexed(&world.capture(), Some(BOOT)).unwrap();
    assert_eq!(by_index(&after, &Selection::default()).0, by_index(&before, &Selection::default()).0);
}

#[test]
fn an_index_begins_with_the_readmes_bytes() {
    let world = capture(6, 1 << 20);
    let file = &files(&world.capture()).unwrap()[0];
    let (capture, index) = (fs::read(file).unwrap(), fs::read(index_of(file)).unwrap());
    assert_eq!(&index[..16], b"TICKIDX\0\x01\0\0\0\x01\0\0\0");
    assert_eq!(index[16..40], capture[16..40], "boot_stamp, created_ns, config_hash");
    assert_eq!(index[60..64], crc32c::crc32c(&index[..60]).to_le_bytes());
    let u32_at = |at: usize| u32::from_le_bytes(index[at..at + 4].try_into().unwrap());
    let u64_at = |at: usize| u64::from_le_bytes(index[at..at + 8].try_into().unwrap());
    assert_eq!(&index[64..68], b"GRP1");
    assert_eq!(u64_at(72), 64, "the first group begins at the first block");
    let count = u32_at(68) as usize;
    let group = &index[64..64 + 32 + count * 64];
    let mut unsealed = group.to_vec();
    unsealed[28..32].fill(0);
    assert_eq!(u32_at(92), crc32c::crc32c(&unsealed));
    assert_eq!(u32_at(96), u32::from_le_bytes(capture[64 + 8..64 + 12].try_into().unwrap()), "ring of the first block");
    assert_eq!(u64_at(104), u64::from_le_bytes(capture[64 + 16..64 + 24].try_into().unwrap()), "its first sequence");
}
