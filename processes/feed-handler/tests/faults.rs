//! What no missing sequence explains: inconsistent messages, malformed datagrams, and bytes that mean nothing.
#![forbid(unsafe_code)]

mod world;

use feed_handler::datagram::Malformed;
use feed_handler::{Config, Counters, Line};
use proptest::prelude::*;
use protocols::itch::Repr;
use shm_layout::message::market_data::{IntegrityFault, MarketData, MarketDataKind as Kind};
use shm_layout::types::{BookValidity, ChannelState, InstrumentId, TradingStatus};
use world::venue::{Venue, add, bytes_of, cancel, delete, executed, locate, replace, trading_action};
use world::{MS, SESSION, World, control, packet};

/// A world with an open market and one order, reference 1: 100 bought at 99.00.
fn opened(config: Config) -> (World, u64) {
    let mut venue = Venue::opened();
    venue.push(&add(0, 1, b'B', 100, 990_000));
    let mut world = World::new(config);
    world.receive(10 * MS, Line::A, &venue.packet(1, venue.next_sequence()));
    (world, venue.next_sequence())
}

fn validity(world: &World, id: u32) -> BookValidity {
    world.images[&id].validity()
}

/// After `message`, exactly `fault` is told and counted, once, and only for its instrument.
fn assert_fault(config: Config, message: &Repr, fault: IntegrityFault) {
    let (mut world, next) = opened(config);
    let step = world.receive(11 * MS, Line::A, &packet(SESSION, next, &[bytes_of(message)]));
    let told: Vec<_> = step.iter().filter(|m| matches!(m, MarketData::BookStatus(_))).collect();
    assert_eq!(told.len(), 1, "{fault:?}");
    assert_eq!(told[0].header().detail, fault as u32);
    assert_eq!(told[0].header().validity(), BookValidity::Untrusted);
    assert_eq!(world.machine().counters().fault(fault), 1);
    assert_eq!(world.machine().counters().faults.iter().sum::<u64>(), 1);
    assert_eq!((validity(&world, 7), validity(&world, 3)), (BookValidity::Untrusted, BookValidity::Trusted));
    assert!(world.requests.is_empty() && world.channel.0 == ChannelState::Synchronized, "nothing is re-requested");

    // A gap that is filled does not bring trust back; a second fault is counted and not told.
    world.receive(12 * MS, Line::A, &control(SESSION, next + 2, 0));
    let missing = packet(SESSION, next + 1, &[bytes_of(&delete(0, 77))]);
    world.receive(13 * MS, Line::Reply, &missing);
    assert_eq!((validity(&world, 7), world.channel.0), (BookValidity::Untrusted, ChannelState::Synchronized));
    assert_eq!(world.machine().counters().faults.iter().sum::<u64>(), 2);
    assert_eq!(world.count(Kind::BookStatus), 3, "two listings, one fault");

    // A new session does.
    let next_session = protocols::moldudp64::Session::padded(b"S9").unwrap();
    world.receive(60_000 * MS, Line::A, &packet(next_session, 1, &Venue::opened().messages));
    assert_eq!(validity(&world, 7), BookValidity::Trusted);
}

#[test]
fn every_integrity_fault_is_told_by_its_reason() {
    let config = Config::default();
    assert_fault(config, &delete(0, 2), IntegrityFault::UnknownReference);
    assert_fault(config, &executed(0, 2, 1), IntegrityFault::UnknownReference);
    assert_fault(config, &cancel(0, 2, 1), IntegrityFault::UnknownReference);
    assert_fault(config, &replace(0, 2, 3, 1, 990_000), IntegrityFault::UnknownReference);
    assert_fault(config, &add(0, 1, b'B', 1, 990_000), IntegrityFault::DuplicateReference);
    assert_fault(config, &executed(0, 1, 101), IntegrityFault::OverExecution);
    assert_fault(config, &add(0, 2, b'S', 1, 990_000), IntegrityFault::Crossed);
    assert_fault(config, &add(0, 2, b'S', 0, 1_000_000), IntegrityFault::NotRepresentable);
    assert_fault(config, &add(0, 2, b'?', 1, 1_000_000), IntegrityFault::NotRepresentable);
    assert_fault(Config { order_capacity: 1, ..config }, &add(0, 2, b'B', 1, 980_000), IntegrityFault::Capacity);
    assert_fault(Config { level_capacity: 1, ..config }, &add(0, 2, b'B', 1, 980_000), IntegrityFault::Capacity);
}

/// An order of one instrument, named by another's message, is as unknown as none.
#[test]
fn an_order_of_another_instrument_is_unknown() {
    let (mut world, next) = opened(Config::default());
    world.receive(11 * MS, Line::A, &packet(SESSION, next, &[bytes_of(&delete(1, 1))]));
    assert_eq!((validity(&world, 7), validity(&world, 3)), (BookValidity::Trusted, BookValidity::Untrusted));
    assert_eq!(world.machine().book().order_count(), 1);
}

#[test]
fn a_crossed_book_is_a_fault_only_while_trading() {
    let (mut world, next) = opened(Config::default());
    let auction = [bytes_of(&trading_action(0, b'Q')), bytes_of(&add(0, 2, b'S', 10, 980_000))];
    world.receive(11 * MS, Line::A, &packet(SESSION, next, &auction));
    assert_eq!(validity(&world, 7), BookValidity::Trusted);
    assert_eq!(world.images[&7].trading_status(), TradingStatus::QuotationOnly);
    let uncrossed = [bytes_of(&executed(0, 2, 10)), bytes_of(&trading_action(0, b'T'))];
    world.receive(12 * MS, Line::A, &packet(SESSION, next + 2, &uncrossed));
    assert_eq!(
        (validity(&world, 7), world.machine().counters().faults.iter().sum::<u64>()),
        (BookValidity::Trusted, 0)
    );
}

/// A symbol without an `H` is treated as halted; one without an `R` is not trusted at all.
#[test]
fn what_the_venue_has_not_said_is_not_assumed() {
    let mut venue = Venue::new();
    venue.push(&world::venue::directory(0));
    let mut world = World::new(Config::default());
    world.receive(10 * MS, Line::A, &venue.packet(1, 2));
    assert_eq!((validity(&world, 7), validity(&world, 3)), (BookValidity::Trusted, BookValidity::Unknown));
    assert_eq!(world.images[&7].trading_status(), TradingStatus::Unknown);
    let odd = bytes_of(&trading_action(0, b'z'));
    world.receive(11 * MS, Line::A, &packet(SESSION, 2, &[bytes_of(&trading_action(0, b'T')), odd]));
    assert_eq!(world.images[&7].trading_status(), TradingStatus::Unknown, "a state that the table does not have");
}

/// Trade, then depth, then the best; the stamps are the datagram's, the venue's and the step's.
#[test]
fn one_execution_in_full() {
    let (mut world, next) = opened(Config::default());
    let step = world.receive(11 * MS, Line::A, &packet(SESSION, next, &[bytes_of(&executed(0, 1, 40))]));
    let kinds: Vec<_> = step.iter().map(|m| m.header().kind).collect();
    assert_eq!(kinds, [Kind::Trade as u8, Kind::DepthChange as u8, Kind::TopOfBook as u8]);
    for message in &step {
        let h = message.header();
        assert_eq!((h.instrument_id, h.channel_sequence, h.side), (InstrumentId(7), next, 1));
        assert_eq!((h.receive_ns.0, h.feed_delta_ns, h.exchange_ns), (11 * MS - 1_000, 1_000, 34_200_000_000_000));
        assert_eq!((h.validity(), h.trading_status()), (BookValidity::Trusted, TradingStatus::Trading));
    }
    let MarketData::Trade(trade) = step[0] else { panic!() };
    assert_eq!((trade.price.to_string(), trade.qty.to_string()), ("99".into(), "40".into()));
    let MarketData::DepthChange(depth) = step[1] else { panic!() };
    assert_eq!((depth.qty.to_string(), depth.header.detail), ("60".into(), 1));
    let image = world.images[&7];
    assert_eq!((image.last_px.to_string(), image.last_qty.to_string()), ("99".into(), "40".into()));
}

fn malformed(counters: &Counters, reason: Malformed) -> u64 {
    counters.malformed[reason.index()]
}

#[test]
fn a_malformed_datagram_is_dropped_whole_and_counted_once() {
    let (mut world, next) = opened(Config::default());
    let good = packet(SESSION, next, &[bytes_of(&executed(0, 1, 40)), bytes_of(&delete(0, 1))]);
    let mut trailing = good.clone();
    trailing.push(0);
    let mut short = bytes_of(&delete(0, 1));
    short.pop();
    let bad = [
        (good[..19].to_vec(), Malformed::Packet),
        (good[..good.len() - 1].to_vec(), Malformed::Packet),
        (trailing, Malformed::Packet),
        (vec![], Malformed::Packet),
        (control(SESSION, 0, 0), Malformed::Sequence),
        (packet(SESSION, next, &[bytes_of(&executed(0, 1, 40)), short]), Malformed::Message),
        (vec![0; 2049], Malformed::Oversize),
    ];
    let (published, mut total) = (world.published.len(), 0);
    for (bytes, reason) in bad {
        let before = malformed(world.machine().counters(), reason);
        world.receive(11 * MS, Line::A, &bytes);
        total += 1;
        assert_eq!(malformed(world.machine().counters(), reason), before + 1);
        assert_eq!(world.machine().counters().malformed.iter().sum::<u64>(), total);
    }
    assert_eq!((world.published.len(), world.machine().expected_sequence()), (published, next));
    world.receive(12 * MS, Line::A, &good);
    assert_eq!(world.machine().book().order_count(), 0);
    world.assert_conserved();
}

/// Unknown types, longer known types and empty messages take their sequence and do no harm.
#[test]
fn what_is_legal_but_unknown_is_tolerated() {
    let (mut world, next) = opened(Config::default());
    let mut longer = bytes_of(&executed(0, 1, 40));
    longer.extend([1, 2, 3]);
    let messages = [vec![], b"~whatever".to_vec(), longer, vec![b'z']];
    world.receive(11 * MS, Line::A, &packet(SESSION, next, &messages));
    assert_eq!(world.machine().expected_sequence(), next + 4);
    let counters = world.machine().counters();
    assert_eq!((counters.empty_messages, counters.by_type[Counters::type_index(b'~')]), (1, 2));
    assert_eq!(counters.faults.iter().sum::<u64>(), 0);
    world.assert_conserved();
}

/// The channel believes a sequence that was heard, however large: it stays recovering, and asks in portions.
#[test]
fn the_largest_sequence_overflows_nothing() {
    let (mut world, next) = opened(Config::default());
    for (wait, line) in [(11, Line::A), (12, Line::B), (13, Line::A)] {
        world.receive(wait * MS, line, &control(SESSION, u64::MAX, 0));
        world.receive(wait * MS, line, &control(SESSION, 1, 0));
    }
    assert_eq!(world.channel.0, ChannelState::GapFill);
    assert_eq!(world.requests[0], (SESSION, next, 0xFFFE));
    let last = packet(SESSION, u64::MAX - 1, &[bytes_of(&delete(0, 1))]);
    world.receive(14 * MS, Line::A, &last);
    assert_eq!((world.machine().held_messages(), world.machine().expected_sequence()), (1, next));
}

/// Bytes of one message: a true type and a known locate code, so that they get as far as possible, and then anything.
fn wild_message() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop::sample::select(protocols::itch::Message::TYPES.to_vec());
    (prop_oneof![8 => kind, 1 => any::<u8>()], 0..4_usize, prop::collection::vec(any::<u8>(), 49), 0..4_u8).prop_map(
        |(kind, symbol, mut body, reference)| {
            body[..2].copy_from_slice(&locate(symbol).to_be_bytes());
            // References 0 to 3, so that orders are found again.
            body[10..18].copy_from_slice(&u64::from(reference).to_be_bytes());
            [vec![kind], body].concat()
        },
    )
}

fn wild_datagram() -> impl Strategy<Value = Vec<u8>> {
    let session = prop_oneof![9 => Just(SESSION), 1 => Just(protocols::moldudp64::Session::padded(b"S2").unwrap())];
    let sequence = prop_oneof![8 => 1..60_u64, 1 => any::<u64>()];
    let messages = (session, sequence, prop::collection::vec(wild_message(), 0..12))
        .prop_map(|(session, sequence, messages)| packet(session, sequence, &messages));
    let ends = (1..60_u64).prop_map(|sequence| control(SESSION, sequence, 0xFFFF));
    prop_oneof![12 => messages, 1 => ends, 2 => prop::collection::vec(any::<u8>(), 0..2100)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// A peer's bytes never panic, never hang, never break the book or the accounts.
    #[test]
    fn arbitrary_datagrams_do_no_harm(
        datagrams in prop::collection::vec((wild_datagram(), 0..3_usize, 0..3_000_u64), 1..60)
    ) {
        let config = Config { order_capacity: 3, level_capacity: 3, hold_datagrams: 4, ..Config::default() };
        let (mut world, _) = opened(config);
        let mut now = 20 * MS;
        for (bytes, line, wait_ms) in datagrams {
            now += wait_ms * MS / 4;
            world.receive(now, Line::ALL[line], &bytes);
            prop_assert!(world.machine().book().is_sound());
            world.assert_conserved();
        }
        let sequences: Vec<_> = world.published.iter().map(|m| m.header().channel_sequence).collect();
        prop_assert!(sequences.is_sorted() || world.machine().counters().sessions > 1, "never back within a session");
    }
}
