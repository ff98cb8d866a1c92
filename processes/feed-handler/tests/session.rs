//! Sessions: their change, their end, a sequence that goes back, and datagrams that belong to another one.
#![forbid(unsafe_code)]

mod world;

use feed_handler::{Config, Line};
use protocols::moldudp64::{COUNT_END_OF_SESSION, Session};
use shm_layout::message::market_data::{MarketData, MarketDataKind as Kind};
use shm_layout::types::{BookValidity, ChannelState, Nanos};
use world::venue::Venue;
use world::{MS, SESSION, World, control, packet};

const NEXT: Session = Session::padded(b"S2").unwrap();

/// A world that has the whole of `venue`.
fn synchronized(venue: &Venue) -> World {
    let mut world = World::new(Config { session_timeout_ms: 2_500, ..Config::default() });
    for sequence in 1..venue.next_sequence() {
        world.receive((9 + sequence) * MS, Line::A, &venue.packet(sequence, sequence + 1));
    }
    assert_eq!(world.channel.0, ChannelState::Synchronized);
    world
}

fn assert_empty(world: &World) {
    assert_eq!(world.machine().book().order_count(), 0);
    for image in world.images.values() {
        assert_eq!((image.bid_count, image.ask_count, image.last_px.0), (0, 0, 0));
        assert_ne!(image.validity(), BookValidity::Trusted);
    }
}

#[test]
fn a_foreign_session_is_dropped_while_the_current_one_lives() {
    let venue = Venue::random(1, 40);
    let mut world = synchronized(&venue);
    let (published, now) = (world.published.len(), 100 * MS);
    for line in Line::ALL {
        world.receive(now, line, &packet(NEXT, 1, &venue.messages[..3]));
        world.receive(now, line, &control(NEXT, 1000, 0));
    }
    assert_eq!(world.machine().counters().foreign_session, 6);
    assert_eq!(world.published.len(), published);
    assert_eq!(world.machine().expected_sequence(), venue.next_sequence());
    // It is no sign of life either; nor can a reply begin a session after any silence.
    world.receive(10_000 * MS, Line::Reply, &packet(NEXT, 1, &venue.messages[..3]));
    assert_eq!(world.machine().counters().sessions, 1);
}

#[test]
fn a_session_after_the_silence_of_the_old_one_resets_everything() {
    let venue = Venue::random(2, 40);
    let mut world = synchronized(&venue);
    let resets = world.count(Kind::BookReset);
    let now = 60_000 * MS;
    let step = world.receive(now, Line::A, &packet(NEXT, 1, &venue.messages[..1]));
    assert_empty(&world);
    assert_eq!(world.count(Kind::BookReset), resets + 2);
    assert!(matches!(step.last(), Some(MarketData::ChannelStatus(_))));
    assert_eq!(world.channel, (ChannelState::Synchronized, 1, Nanos(now - 1_000)));
    // The directory was forgotten with the session: an order without one is nobody's.
    let unmapped = world.machine().counters().unmapped;
    let order = venue.messages.iter().find(|m| m[0] == b'A').unwrap().clone();
    world.receive(now + MS, Line::A, &packet(NEXT, 2, &[order]));
    assert_eq!(world.machine().counters().unmapped, unmapped + 1);
    assert_empty(&world);
}

#[test]
fn a_new_session_joined_in_the_middle_is_recovered_in_silence() {
    let venue = Venue::random(3, 40);
    let mut world = synchronized(&venue);
    let before = world.events().len();
    let now = 60_000 * MS;
    world.receive(now, Line::A, &packet(NEXT, 30, &venue.messages[29..31]));
    assert_eq!(world.channel.0, ChannelState::Backfill);
    assert_empty(&world);
    assert_eq!(world.requests.last(), Some(&(NEXT, 1, 29)));
    world.receive(now + MS, Line::Reply, &packet(NEXT, 1, &venue.messages[..29]));
    assert_eq!((world.channel.0, world.channel.1), (ChannelState::Synchronized, 31));
    assert_eq!(world.events().len(), before);
    assert!(world.images.values().all(|image| image.validity() == BookValidity::Trusted));
    world.assert_conserved();
}

#[test]
fn a_sequence_that_goes_back_is_a_new_session_only_after_silence() {
    let venue = Venue::random(4, 40);
    let mut world = synchronized(&venue);
    let duplicates = world.machine().counters().duplicate;
    world.receive(100 * MS, Line::B, &venue.packet(1, 4));
    assert_eq!(world.machine().counters().duplicate, duplicates + 3);
    world.receive(60_000 * MS, Line::A, &venue.packet(1, 2));
    assert_eq!(world.machine().counters().sequence_rewinds, 1);
    assert_eq!(world.machine().expected_sequence(), 2);
    assert_empty(&world);
}

#[test]
fn the_end_asks_for_what_is_missing_first() {
    let venue = Venue::random(5, 40);
    let mut world = synchronized(&venue);
    let mut more = venue.clone();
    more.push(&world::venue::trading_action(0, b'H'));
    let now = 100 * MS;
    let end = control(SESSION, more.next_sequence(), COUNT_END_OF_SESSION);
    world.receive(now, Line::A, &end);
    assert_eq!(world.channel.0, ChannelState::GapFill);
    world.timers(Nanos(now + MS));
    assert_eq!(world.requests.last(), Some(&(SESSION, venue.next_sequence(), 1)));
    world.receive(now + 2 * MS, Line::Reply, &more.packet(venue.next_sequence(), more.next_sequence()));
    assert_eq!(world.channel.0, ChannelState::Ended);
    assert_eq!(world.states()[2..], [ChannelState::GapFill, ChannelState::Synchronized, ChannelState::Ended]);
    assert_eq!(world.events(), more.expected);

    // It ends once, nothing comes after it, and the next session needs no silence.
    world.receive(now + 3 * MS, Line::B, &end);
    assert_eq!(world.states().len(), 5);
    more.push(&world::venue::trading_action(0, b'T'));
    for line in Line::ALL {
        world.receive(now + 4 * MS, line, &more.packet(more.next_sequence() - 1, more.next_sequence()));
    }
    assert_eq!((world.machine().counters().after_end, world.channel.0), (3, ChannelState::Ended));
    world.receive(now + 5 * MS, Line::A, &control(NEXT, 1, 0));
    assert_eq!((world.channel.0, world.machine().counters().sessions), (ChannelState::Synchronized, 2));
    assert_empty(&world);
    world.assert_conserved();
}
