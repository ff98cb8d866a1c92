//! Gaps: told in the same step, waited for, asked for, filled in parts, and the whole past after a restart.
#![forbid(unsafe_code)]

mod world;

use feed_handler::{Config, Line};
use shm_layout::message::market_data::{MarketData, MarketDataKind as Kind};
use shm_layout::types::{BookValidity, ChannelState, InstrumentId, Nanos};
use world::venue::{Event, Venue};
use world::{MS, SESSION, World, control};

const US: u64 = 1_000;

/// Delivers the messages up to `next` in one datagram each.
fn join(venue: &Venue, world: &mut World, next: u64) -> u64 {
    let mut now = 10 * MS;
    for sequence in 1..next {
        world.receive(now, Line::A, &venue.packet(sequence, sequence + 1));
        now += US;
    }
    now
}

#[test]
fn a_gap_is_told_in_the_step_that_sees_it_and_cleared_when_whole() {
    let venue = Venue::random(5, 60);
    let mut world = World::new(Config::default());
    let now = join(&venue, &mut world, 40);
    assert_eq!(world.channel.0, ChannelState::Synchronized);

    let step = world.receive(now, Line::A, &venue.packet(41, 43));
    let [MarketData::ChannelStatus(status)] = step[..] else { panic!("one message: {step:?}") };
    assert_eq!(status.header.channel_state(), ChannelState::GapFill);
    assert_eq!((status.header.channel_sequence, status.header.instrument_id), (39, InstrumentId::ALL));
    assert_eq!(world.channel.0, ChannelState::GapFill, "and the image in the same step");

    // What arrives of the gap is published, and says that it is not the whole.
    let step = world.receive(now + US, Line::A, &venue.packet(40, 41));
    let valid =
        |m: &MarketData| matches!(m, MarketData::ChannelStatus(_)) || m.header().validity() == BookValidity::Recovering;
    assert!(step.iter().all(valid));
    // The held datagram follows by a timer that is due at once.
    assert_eq!(world.channel, (ChannelState::Synchronized, 42, Nanos(now)));
    assert_eq!(world.states().last(), Some(&ChannelState::Synchronized));
    assert!(world.images.values().all(|image| image.validity() == BookValidity::Trusted));
    let counters = world.machine().counters();
    assert_eq!((counters.gaps, counters.requests, counters.in_order, counters.recovered), (1, 0, 39, 3));
}

#[test]
fn a_gap_waits_then_asks_then_repeats_with_back_off() {
    let venue = Venue::random(6, 60);
    let config = Config { gap_wait_us: 200, request_timeout_ms: 20, ..Config::default() };
    let mut world = World::new(config);
    let now = join(&venue, &mut world, 40);
    world.receive(now, Line::A, &venue.packet(50, 52));
    world.timers(Nanos(now + 199 * US));
    assert!(world.requests.is_empty());
    world.timers(Nanos(now + 200 * US));
    assert_eq!(world.requests, [(SESSION, 40, 10)]);
    let asked = now + 200 * US;
    for (wait_ms, count) in [(19, 1), (20, 2), (59, 2), (60, 3), (139, 3), (140, 4)] {
        world.timers(Nanos(asked + wait_ms * MS));
        assert_eq!(world.requests.len(), count, "after {wait_ms} ms");
    }
    assert_eq!(world.machine().counters().request_timeouts, 3);

    // A partial reply: the rest is asked for in the same step.
    let now = asked + 150 * MS;
    world.receive(now, Line::Reply, &venue.packet(40, 44));
    assert_eq!(world.requests.last(), Some(&(SESSION, 44, 6)));
    world.receive(now + MS, Line::Reply, &venue.packet(44, 45));
    assert_eq!(world.requests.last(), Some(&(SESSION, 45, 5)));
    // A late duplicate brings nothing, and causes nothing.
    let requests = world.requests.len();
    world.receive(now + 2 * MS, Line::Reply, &venue.packet(40, 44));
    assert_eq!(world.requests.len(), requests);
    world.receive(now + 3 * MS, Line::Reply, &venue.packet(45, 50));
    assert_eq!(world.channel.0, ChannelState::Synchronized);
    assert_eq!(world.machine().expected_sequence(), 52);
    world.timers(Nanos(now + 1_000 * MS));
    assert_eq!(world.requests.len(), requests, "nothing more is missing");
    world.assert_conserved();
}

#[test]
fn a_heartbeat_shows_a_gap_at_the_tail() {
    let venue = Venue::random(7, 60);
    let mut world = World::new(Config::default());
    let now = join(&venue, &mut world, 40);
    assert_eq!(world.receive(now, Line::A, &control(SESSION, 40, 0)), [], "nothing is missing");
    let step = world.receive(now + US, Line::A, &control(SESSION, 43, 0));
    assert_eq!(step[0].header().channel_state(), ChannelState::GapFill);
    world.timers(Nanos(now + MS));
    assert_eq!(world.requests, [(SESSION, 40, 3)]);
    world.receive(now + 2 * MS, Line::Reply, &venue.packet(40, 43));
    assert_eq!(world.channel, (ChannelState::Synchronized, 42, Nanos(now)), "a reply does not make a line fresh");
}

#[test]
fn silence_counts_heartbeats_and_asks_for_nothing() {
    let venue = Venue::random(8, 20);
    let mut world = World::new(Config { heartbeat_timeout_ms: 1_500, ..Config::default() });
    let now = join(&venue, &mut world, 10) - US;
    world.timers(Nanos(now + 1_499 * MS));
    assert_eq!(world.machine().counters().heartbeats_lost, 0);
    world.timers(Nanos(now + 4_500 * MS));
    assert_eq!(world.machine().counters().heartbeats_lost, 3);
    assert_eq!(world.channel.2, Nanos(now - US), "the age of the channel is for its readers to judge");
    assert!(world.requests.is_empty());
}

#[test]
fn an_overflowing_window_asks_again_for_what_it_dropped() {
    let venue = Venue::random(9, 60);
    let mut world = World::new(Config { hold_datagrams: 2, ..Config::default() });
    let mut now = join(&venue, &mut world, 40);
    for sequence in 41..46 {
        now += US;
        world.receive(now, Line::A, &venue.packet(sequence, sequence + 1));
    }
    assert_eq!(world.machine().counters().overflowed, 3);
    world.receive(now + MS, Line::Reply, &venue.packet(40, 41));
    assert_eq!(world.machine().expected_sequence(), 43);
    assert_eq!(world.channel.0, ChannelState::GapFill);
    world.timers(Nanos(now + 2 * MS));
    assert_eq!(world.requests.last(), Some(&(SESSION, 43, 3)));
    world.receive(now + 3 * MS, Line::Reply, &venue.packet(43, 46));
    assert_eq!(world.channel.0, ChannelState::Synchronized);
    world.assert_conserved();
}

/// A restarted feed handler rebuilds in silence and never publishes an old sequence again (B5).
#[test]
fn a_restart_in_the_middle_publishes_resets_and_nothing_old() {
    let venue = Venue::random(10, 300);
    let mut world = World::new(Config::default());
    let mut now = 10 * MS;
    world.receive(now, Line::A, &venue.packet(200, 203));
    assert_eq!(world.channel.0, ChannelState::Backfill);
    assert_eq!(world.requests, [(SESSION, 1, 199)], "asked at once: no line has the past");
    assert!(world.images.is_empty(), "the predecessor's images stay until there are better ones");
    while world.channel.0 == ChannelState::Backfill {
        let (_, sequence, count) = *world.requests.last().unwrap();
        now += MS;
        world.receive(now, Line::A, &venue.packet(203, 204));
        world.receive(now, Line::Reply, &venue.packet(sequence, sequence + u64::from(count.min(30))));
    }
    assert_eq!(world.channel.0, ChannelState::Synchronized);
    assert_eq!(world.machine().expected_sequence(), 204);
    assert_eq!(world.events(), [], "no old sequence");
    assert_eq!((world.count(Kind::BookReset), world.published.len()), (2, 5));
    let states = [ChannelState::Unknown, ChannelState::Backfill, ChannelState::Synchronized];
    assert_eq!(world.states(), states);
    for image in world.images.values() {
        assert_eq!((image.validity(), image.reset_count), (BookValidity::Trusted, 1));
    }
    // From here on, exactly what the naive book says of the sequences that follow.
    now += MS;
    world.receive(now, Line::A, &venue.packet(204, 230));
    let following: Vec<Event> = venue.expected.iter().filter(|e| (204..230).contains(&e.0)).copied().collect();
    assert_eq!(world.events(), following);
    world.assert_conserved();
}

#[test]
fn a_heartbeat_is_enough_to_join() {
    let venue = Venue::random(11, 20);
    let mut world = World::new(Config::default());
    world.receive(10 * MS, Line::B, &control(SESSION, venue.next_sequence(), 0));
    assert_eq!(world.requests, [(SESSION, 1, venue.messages.len() as u16)]);
    world.receive(11 * MS, Line::Reply, &venue.packet(1, venue.next_sequence()));
    assert_eq!(world.channel.0, ChannelState::Synchronized);
    assert!(world.events().is_empty());

    let mut world = World::new(Config::default());
    world.receive(10 * MS, Line::B, &control(SESSION, 1, 0));
    assert_eq!(world.channel.0, ChannelState::Synchronized, "before the first message nothing is missing");
}

/// Which line is the worse one: what each skipped, and what each brought first.
#[test]
fn lines_are_counted_apart() {
    let venue = Venue::random(12, 60);
    let mut world = World::new(Config::default());
    let now = join(&venue, &mut world, 10);
    world.receive(now, Line::B, &venue.packet(10, 13));
    world.receive(now + US, Line::A, &venue.packet(12, 14));
    world.receive(now + 2 * US, Line::B, &control(SESSION, 15, 0));
    let counters = world.machine().counters();
    assert_eq!(counters.missed_by_line, [2, 2], "A skipped 10 and 11, B skipped 13 and 14");
    assert_eq!(counters.first_by_line, [9 + 1, 3, 0]);
}

/// Lines cut their packets as they like: overlaps ahead of a gap are all kept, and each sequence is still delivered once.
#[test]
fn overlapping_datagrams_ahead_of_a_gap_are_kept() {
    let venue = Venue::random(13, 60);
    let mut world = World::new(Config::default());
    let now = join(&venue, &mut world, 40);
    world.receive(now, Line::A, &venue.packet(41, 42));
    world.receive(now + US, Line::B, &venue.packet(41, 45));
    world.receive(now + 2 * US, Line::A, &venue.packet(43, 47));
    world.receive(now + 3 * US, Line::B, &venue.packet(39, 42));
    assert_eq!((world.machine().expected_sequence(), world.channel.0), (47, ChannelState::Synchronized));
    world.timers(Nanos(now + 100 * MS));
    assert!(world.requests.is_empty());
    assert_eq!(world.events(), venue.expected.iter().filter(|e| e.0 < 47).copied().collect::<Vec<_>>());
    assert_eq!(world.machine().counters().duplicate, 1 + 1 + 2 + 1);
    world.assert_conserved();
}
