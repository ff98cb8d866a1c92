//! The recorder's shell over real regions: deaths, torn files, other boots, gates and stops.
#![forbid(unsafe_code)]

mod world;

use recorder::capture::{CaptureError, Entry, messages, reader, scan};
use runtime::duty_cycle::Agent;
use shm_layout::control_page::RecorderMode;
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::ring::Full;
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::Role;
use std::fs::{self, OpenOptions};
use std::io::Write;
use world::{BOOT, Random, World, ring};

const MARKET_DATA: RingId = ring(RingKind::MarketData, Role::FeedHandler);
const WIRE: RingId = ring(RingKind::Wire, Role::FeedHandler);
const INTENT: RingId = ring(RingKind::OrderIntent, Role::Strategy);
const CONTROL: RingId = ring(RingKind::Control, Role::Supervisor);

/// What was captured of a ring is what was published, in order, or said to be missing.
fn assert_ring(world: &World, ring: RingId, published: u64) {
    let mut expected = 1;
    for entry in messages(&world.capture(), ring, Some(BOOT)).unwrap() {
        match entry.unwrap() {
            Entry::Message { sequence, words } => {
                assert_eq!(sequence, expected, "{}", ring.name());
                assert!(words.iter().all(|word| *word == world::payload(sequence)), "{} {sequence}", ring.name());
                expected += 1;
            }
            Entry::Gap { first_sequence, missed } => {
                assert_eq!(first_sequence, expected);
                expected += missed;
            }
            Entry::End { next_sequence } => assert_eq!(next_sequence, expected),
        }
    }
    assert_eq!(expected, published + 1, "{}: published = captured + missing", ring.name());
    let ranges = scan(&world.capture(), Some(BOOT)).unwrap()[&ring];
    assert_eq!(ranges.captured + ranges.missed, published);
}

#[test]
fn deaths_and_laps_lose_nothing_silently() {
    for seed in 0..5 {
        let mut random = Random(seed);
        let world = World::new(&format!("{}", 2_000 + random.below(20_000)));
        let mut narrow = world.writer::<7>(MARKET_DATA);
        let mut wide = world.writer::<15>(WIRE);
        let mut shell = world.shell();
        for _ in 0..200 {
            for _ in 0..random.below(40) {
                narrow.push(&[world::payload(narrow.published() + 1); 7]).unwrap();
            }
            for _ in 0..random.below(90) {
                wide.push(&[world::payload(wide.published() + 1); 15]).unwrap();
            }
            if random.below(100) < 80 {
                shell.duty_cycle(world.now());
            }
            if random.below(100) < 4 {
                // What is buffered dies with it.
                drop(shell);
                shell = world.shell();
            }
        }
        shell.stop();
        while !shell.finished() {
            shell.duty_cycle(world.now());
        }
        shell.end().unwrap();
        assert_ring(&world, MARKET_DATA, narrow.published());
        assert_ring(&world, WIRE, wide.published());
        let rings = scan(&world.capture(), None).unwrap();
        assert!(rings.values().all(|ranges| ranges.ended));
        assert!(rings[&WIRE].missed > 0, "90 messages a pass lap a ring of 64");
        assert!(reader::files(&world.capture()).unwrap().len() > 2, "files were rotated");
        assert_eq!(world.counter("drained"), Some(1));
    }
}

#[test]
fn a_torn_tail_is_cut_and_corruption_elsewhere_is_refused() {
    let world = World::new("67108864");
    let mut writer = world.writer::<7>(MARKET_DATA);
    let mut publish = |count| {
        (0..count).for_each(|_| {
            writer.push(&[world::payload(writer.published() + 1); 7]).unwrap();
        })
    };
    let mut shell = world.shell();
    publish(20);
    shell.duty_cycle(world.now());
    shell.duty_cycle(world.now());
    publish(30);
    shell.duty_cycle(world.now());
    shell.duty_cycle(world.now());
    drop(shell);
    let file = reader::files(&world.capture()).unwrap().pop().unwrap();
    let whole = fs::metadata(&file).unwrap().len();
    OpenOptions::new().write(true).open(&file).unwrap().set_len(whole - 100).unwrap();
    let shell = world.shell();
    assert_eq!(fs::metadata(&file).unwrap().len(), 64 + 40 + 20 * 56, "the torn block is cut");
    drop(shell);
    let mut shell = world.shell();
    publish(5);
    shell.stop();
    while !shell.finished() {
        shell.duty_cycle(world.now());
    }
    assert_ring(&world, MARKET_DATA, 55);
    assert_eq!(scan(&world.capture(), None).unwrap()[&MARKET_DATA].missed, 0, "the ring still held what was cut");
    let mut bytes = fs::read(&file).unwrap();
    bytes[64 + 40] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let error = world.try_shell().expect_err("the first file is not what was written").to_string();
    assert!(error.contains("000001.capture") && error.contains("CRC"), "{error}");
}

#[test]
fn a_header_that_was_never_written_leaves_no_file() {
    let world = World::new("67108864");
    world.shell().duty_cycle(world.now());
    let torn = world.capture().join("000002.capture");
    OpenOptions::new().create_new(true).write(true).open(&torn).unwrap().write_all(b"TICKCAP").unwrap();
    assert_eq!(scan(&world.capture(), None).unwrap().len(), 0);
    let mut shell = world.shell();
    shell.duty_cycle(world.now());
    assert_eq!(fs::metadata(&torn).unwrap().len(), 64, "the index is used again");
}

#[test]
fn another_boot_numbers_from_one_and_overwrites_no_file() {
    let world = World::new("67108864");
    let mut writer = world.writer::<7>(MARKET_DATA);
    (0..9).for_each(|_| assert!(writer.push(&[0; 7]).is_ok()));
    let mut shell = world.shell();
    shell.duty_cycle(world.now());
    shell.duty_cycle(world.now());
    drop((shell, writer));
    let first = fs::read(world.capture().join("000001.capture")).unwrap();

    let world = world.next_boot();
    let mut writer = world.writer::<7>(MARKET_DATA);
    (0..4).for_each(|_| assert!(writer.push(&[0; 7]).is_ok()));
    let mut shell = world.shell();
    shell.duty_cycle(world.now());
    shell.duty_cycle(world.now());
    assert_eq!(fs::read(world.capture().join("000001.capture")).unwrap(), first);
    let captured = |boot| scan(&world.capture(), boot).unwrap()[&MARKET_DATA].captured;
    assert_eq!((captured(Some(BOOT)), captured(Some(BOOT + 1)), captured(None)), (9, 4, 4));
}

#[test]
fn a_gating_recorder_holds_its_writers_until_the_messages_are_in_a_file() {
    let world = World::new("67108864");
    world.page.set_recorder_mode(RecorderMode::Gating);
    let mut shell = world.shell();
    let mut writer = world.writer::<15>(INTENT);
    // Risk reads nothing here: park it, so that only the recorder gates.
    world.park(Role::Risk);
    while writer.push(&[world::payload(writer.published() + 1); 15]).is_ok() {}
    assert_eq!(writer.published(), 64);
    shell.duty_cycle(world.now());
    let captured = scan(&world.capture(), None).unwrap()[&INTENT].captured;
    assert_eq!(captured, 64, "what the writer may overwrite is in a file");
    writer.push(&[world::payload(65); 15]).unwrap();
    // A dead recorder goes on where it stood, and the writer has waited for it.
    drop(shell);
    while writer.push(&[world::payload(writer.published() + 1); 15]).is_ok() {}
    assert_eq!(writer.push(&[0; 15]), Err(Full));
    let mut shell = world.shell();
    shell.duty_cycle(world.now());
    assert_ring(&world, INTENT, 128);
    assert_eq!(scan(&world.capture(), None).unwrap()[&INTENT].missed, 0);
}

#[test]
fn it_obeys_a_stop_that_is_meant_for_this_life() {
    let world = World::new("67108864");
    let mut control = world.writer::<7>(CONTROL);
    let message = |kind: ControlKind, epoch| Control {
        kind: kind as u8,
        role: Role::Recorder as u8,
        epoch,
        ..Control::default()
    };
    control.push(&message(ControlKind::Stop, 0).encode()).unwrap();
    control.push(&message(ControlKind::Epoch, 3).encode()).unwrap();
    let mut shell = world.shell();
    for _ in 0..10 {
        shell.duty_cycle(world.now());
    }
    assert!(!shell.finished(), "that stop was an earlier life's");
    control.push(&Control { role: Role::Risk as u8, ..message(ControlKind::Stop, 0) }.encode()).unwrap();
    shell.duty_cycle(world.now());
    shell.duty_cycle(world.now());
    assert!(!shell.finished(), "that stop was for risk");
    control.push(&Control { role: 0, ..message(ControlKind::Stop, 0) }.encode()).unwrap();
    for _ in 0..3 {
        shell.duty_cycle(world.now());
    }
    assert!(shell.finished());
    let ranges = scan(&world.capture(), None).unwrap()[&CONTROL];
    assert_eq!((ranges.captured, ranges.ended), (4, true));
    assert_eq!(world.counter("ring.control.captured"), Some(4));
}

#[test]
fn a_corrupt_file_ends_the_messages_with_an_error() {
    let world = World::new("1024");
    let mut writer = world.writer::<7>(MARKET_DATA);
    let mut shell = world.shell();
    for _ in 0..40 {
        writer.push(&[world::payload(writer.published() + 1); 7]).unwrap();
        shell.duty_cycle(world.now());
    }
    shell.duty_cycle(world.now());
    let files = reader::files(&world.capture()).unwrap();
    assert!(files.len() > 3);
    let mut bytes = fs::read(&files[1]).unwrap();
    bytes[110] ^= 1;
    fs::write(&files[1], bytes).unwrap();
    let entries: Vec<_> = messages(&world.capture(), MARKET_DATA, None).unwrap().collect();
    let (last, before) = entries.split_last().unwrap();
    assert!(matches!(last, Err(CaptureError::Corrupt { at_end: false, .. })), "{last:?}");
    assert!(!before.is_empty() && before.iter().all(Result::is_ok));
}
