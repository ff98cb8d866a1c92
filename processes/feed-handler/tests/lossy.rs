//! A lossy, duplicating, reordering, corrupting network changes nothing but when things are known: what is published, per
//! sequence and in order, and the final books, are those of a naive book that saw every message.
#![forbid(unsafe_code)]

mod world;

use feed_handler::{Config, Line};
use proptest::prelude::*;
use shm_layout::image::IMAGE_LEVELS;
use shm_layout::types::{ChannelState, InstrumentId, Side};
use std::collections::BTreeMap;
use world::venue::{SYMBOLS, Venue};
use world::{MS, Random, SESSION, World, control, packet};

/// Chances in percent, per datagram and line.
#[derive(Clone, Copy, Debug)]
struct Network {
    lines: usize,
    loss: u64,
    duplication: u64,
    /// Up to this much delay, in nanoseconds: with 1 µs between datagrams, more means reordering.
    jitter_ns: u64,
    corruption: u64,
    hold_datagrams: usize,
}

/// Datagrams in flight by arrival: `(time, number)`.
type Flight = BTreeMap<(u64, u64), (Line, Vec<u8>)>;

fn send(flight: &mut Flight, network: &Network, random: &mut Random, at: u64, line: Line, bytes: &[u8]) {
    let copies = 1 + usize::from(random.percent(network.duplication));
    for _ in 0..copies {
        if random.percent(network.loss) {
            continue;
        }
        let mut bytes = bytes.to_vec();
        if random.percent(network.corruption) {
            // What a damaged length does; a checksum keeps damaged content away.
            let cut = 1 + random.below(bytes.len() as u64 - 1) as usize;
            bytes.truncate(cut);
        }
        let arrival = at + 1_000 + random.below(network.jitter_ns + 1);
        let number = flight.len() as u64 + random.below(1 << 40) * 1_000_000;
        flight.insert((arrival, number), (line, bytes));
    }
}

/// The venue's lines, then heartbeats until the feed handler has all; a server answers requests in part.
fn run(venue: &Venue, network: &Network, seed: u64) -> World {
    let mut random = Random(seed ^ 0xfeed);
    let mut flight = Flight::new();
    let mut at = 10 * MS;
    // Sent until it arrives, so that the session is joined at its start.
    let mut sequence = 1;
    while sequence < venue.next_sequence() {
        let next = (sequence + 1 + random.below(6)).min(venue.next_sequence());
        for line in &Line::ALL[..network.lines] {
            send(&mut flight, network, &mut random, at, *line, &venue.packet(sequence, next));
        }
        at += 1_000 + random.below(20_000);
        sequence = next;
    }
    let mut world = World::new(Config { hold_datagrams: network.hold_datagrams, ..Config::default() });
    world.receive(9 * MS, Line::A, &control(SESSION, 1, 0));
    let mut answered = 0;
    for _ in 0..2_000 {
        while let Some(((at, _), (line, bytes))) = flight.pop_first() {
            world.receive(at.max(world.stepper.now().0), line, &bytes);
            for (session, sequence, count) in world.requests.split_off(answered) {
                assert!(session == SESSION && count > 0 && sequence + u64::from(count) <= venue.next_sequence());
                let part = sequence + 1 + random.below(u64::from(count).min(20));
                let now = world.stepper.now().0;
                send(&mut flight, network, &mut random, now, Line::Reply, &venue.packet(sequence, part));
            }
            answered = world.requests.len();
        }
        if world.machine().expected_sequence() == venue.next_sequence() {
            break;
        }
        let now = world.stepper.now().0 + 300 * MS;
        world.timers(shm_layout::types::Nanos(now));
        send(&mut flight, network, &mut random, now, Line::A, &control(SESSION, venue.next_sequence(), 0));
    }
    world
}

fn assert_identical(venue: &Venue, world: &World) {
    assert_eq!(world.machine().expected_sequence(), venue.next_sequence(), "everything was delivered");
    assert_eq!(world.machine().channel_state(), ChannelState::Synchronized);
    assert_eq!(world.events(), venue.expected);
    world.assert_conserved();
    assert_eq!(world.machine().counters().faults.iter().sum::<u64>(), 0);
    assert!(world.machine().book().is_sound());
    for (row, (_, id)) in SYMBOLS[..2].iter().enumerate() {
        let image = world.images[id];
        let row = InstrumentId(row as u32);
        assert_eq!(world.machine().book().bbo(row), venue.book.bbo(row));
        for side in [Side::Buy, Side::Sell] {
            let expected: Vec<_> =
                venue.book.all_levels(row, side).iter().take(IMAGE_LEVELS).map(|l| (l.price, l.qty)).collect();
            let levels: Vec<_> = image.levels(side).iter().map(|l| (l.price, l.qty)).collect();
            assert_eq!(levels, expected, "the image is the book's top");
        }
        assert_eq!(image.validity(), shm_layout::types::BookValidity::Trusted);
    }
}

#[test]
fn a_clean_line_publishes_what_the_naive_book_says() {
    let venue = Venue::random(1, 2_000);
    let clean = Network { lines: 1, loss: 0, duplication: 0, jitter_ns: 0, corruption: 0, hold_datagrams: 16 };
    let world = run(&venue, &clean, 1);
    assert_identical(&venue, &world);
    let counters = world.machine().counters();
    assert_eq!((counters.gaps, counters.requests, counters.recovered, counters.duplicate), (0, 0, 0, 0));
    assert_eq!(counters.in_order, venue.messages.len() as u64);
    assert_eq!(counters.unknown_symbols, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_bad_network_changes_nothing_but_the_time(
        seed in any::<u64>(),
        lines in 1..=2_usize,
        loss in prop_oneof![Just(0), 1..40_u64],
        duplication in prop_oneof![Just(0), 1..50_u64],
        jitter_ns in prop_oneof![Just(0), 1_000..400_000_u64],
        corruption in prop_oneof![Just(0), 1..20_u64],
        hold_datagrams in prop_oneof![1..8_usize, Just(64)],
    ) {
        let venue = Venue::random(seed, 150);
        let network = Network { lines, loss, duplication, jitter_ns, corruption, hold_datagrams };
        let world = run(&venue, &network, seed);
        assert_identical(&venue, &world);
    }

    /// Two lines that lose different datagrams need no request, however long the wait.
    #[test]
    fn the_other_line_closes_a_gap(seed in any::<u64>()) {
        let venue = Venue::random(seed, 100);
        let mut random = Random(seed);
        let mut world = World::new(Config::default());
        let (mut now, mut sequence) = (10 * MS, 1);
        while sequence < venue.next_sequence() {
            let next = (sequence + 1 + random.below(4)).min(venue.next_sequence());
            let bytes = packet(SESSION, sequence, &venue.messages[sequence as usize - 1..next as usize - 1]);
            let lost = random.below(3);
            if lost != 1 || sequence == 1 {
                world.receive(now, Line::A, &bytes);
            }
            if lost != 2 {
                world.receive(now + 50_000, Line::B, &bytes);
            }
            (now, sequence) = (now + 100_000, next);
        }
        world.receive(now, Line::A, &control(SESSION, venue.next_sequence(), 0));
        assert_identical(&venue, &world);
        prop_assert_eq!(world.machine().counters().requests, 0);
    }
}
