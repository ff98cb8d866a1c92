//! The seeded market: deterministic, lively, plausible, and told to the feed exactly.

mod common;

use common::{Desk, MS, START, enter, login, seeded_venue, unsequenced};
use exchange_sim::matching::Book;
use exchange_sim::venue::{Input, Venue, VenueOut};
use exchange_sim::venue_market::Market;
use protocols::itch::Message;
use shm_layout::types::Side;
use std::collections::BTreeMap;

fn book(venue: &Venue, row: usize) -> &Book {
    match venue.market() {
        Market::Seeded(market) => market.book(row),
        Market::File(_) => panic!("a seeded venue"),
    }
}

/// A book rebuilt from messages alone: reference to (locate, side, shares, price).
#[derive(Default)]
struct Rebuilt(BTreeMap<u64, (u16, u8, u32, u32)>);

impl Rebuilt {
    fn shrink(&mut self, reference: u64, shares: u32) {
        let order = self.0.get_mut(&reference).expect("a known reference");
        order.2 = order.2.checked_sub(shares).expect("no more than it has");
        if order.2 == 0 {
            self.0.remove(&reference);
        }
    }

    fn apply(&mut self, bytes: &[u8]) {
        match Message::parse(bytes).expect("whole ITCH") {
            Message::AddOrder(m) => {
                let order = (m.stock_locate(), m.side(), m.shares(), m.price());
                assert!(self.0.insert(m.order_reference_number(), order).is_none(), "a new reference");
            }
            Message::OrderExecuted(m) => self.shrink(m.order_reference_number(), m.executed_shares()),
            Message::OrderCancel(m) => self.shrink(m.order_reference_number(), m.cancelled_shares()),
            Message::OrderDelete(m) => {
                self.0.remove(&m.order_reference_number()).expect("a known reference");
            }
            Message::OrderReplace(m) => {
                let old = self.0.remove(&m.original_order_reference_number()).expect("a known reference");
                self.0.insert(m.new_order_reference_number(), (old.0, old.1, m.shares(), m.price()));
            }
            _ => {}
        }
    }
}

#[test]
fn the_feed_rebuilds_every_book_and_no_book_is_ever_crossed() {
    let mut desk = Desk::open(seeded_venue(7, 5_000, 4));
    let mut rebuilt = Rebuilt::default();
    let mut user_ref_num = 0;
    for round in 0..3_000_u64 {
        if round % 7 == 0 {
            user_ref_num += 1;
            let (side, code) = if round % 2 == 0 { (Side::Sell, b'B') } else { (Side::Buy, b'S') };
            if let Some((price, _)) = book(&desk.venue, 1).best(side) {
                desk.request(&enter(user_ref_num, code, 150, "BRAVO", u64::from(price), b'0'));
            }
        }
        desk.run_ms(1);
        for message in desk.itch.drain(..) {
            rebuilt.apply(&message);
        }
        for row in 0..4 {
            let (bid, ask) = (book(&desk.venue, row).best(Side::Buy), book(&desk.venue, row).best(Side::Sell));
            assert!(bid.zip(ask).is_none_or(|(bid, ask)| bid.0 < ask.0), "row {row} at {round}: {bid:?} {ask:?}");
        }
    }
    let orders = (0..4).flat_map(|row| {
        let side = |side| if side == Side::Buy { b'B' } else { b'S' };
        let orders = book(&desk.venue, row).orders();
        orders.map(move |o| (o.reference, (row as u16 + 1, side(o.side), o.shares, o.price)))
    });
    assert_eq!(rebuilt.0, orders.collect::<BTreeMap<_, _>>());
    assert!(desk.venue.account().fills().len() > 100, "the account traded in it");
}

#[test]
fn the_market_is_lively_and_plausible() {
    let mut desk = Desk::open(seeded_venue(1, 5_000, 4));
    let (mut spreads, mut samples) = (BTreeMap::<u32, u32>::new(), 0_u32);
    for _ in 0..10_000 {
        desk.run_ms(1);
        for row in 0..4 {
            let book = book(&desk.venue, row);
            let (bids, asks) = (book.levels(Side::Buy), book.levels(Side::Sell));
            assert!(bids.len() >= 2 && asks.len() >= 2, "depth on both sides: {} {}", bids.len(), asks.len());
            *spreads.entry((asks[0].0 - bids[0].0) / 100).or_default() += 1;
            samples += 1;
        }
    }
    let messages = desk.venue.itch_messages();
    // Ten seconds at 5,000 a second; the directory and the first ladders come on top.
    assert!((50_000..52_000).contains(&messages), "{messages} messages");
    let executed = desk.venue.by_type()[&b'E'];
    assert!(executed > 3_000, "{executed} executions in ten seconds");
    let usual: u32 = spreads.range(1..=5).map(|(_, count)| count).sum();
    assert!(usual * 100 >= samples * 97, "spreads in ticks: {spreads:?}");
    assert!(
        b"ADEUX".iter().all(|t| desk.venue.by_type().get(t).is_some_and(|count| *count > 300)),
        "{:?}",
        desk.venue.by_type()
    );
}

/// The mid must leave its mean by several ticks and come back, or no mean reversion can trade.
#[test]
fn prices_revert_to_a_drifting_mean() {
    let mut desk = Desk::open(seeded_venue(3, 5_000, 4));
    let mut returns = [0_u32; 4];
    let mut above = [None; 4];
    for _ in 0..10_000 {
        desk.run_ms(1);
        for row in 0..4 {
            let book = book(&desk.venue, row);
            let mid = i64::from(book.best(Side::Buy).unwrap().0 + book.best(Side::Sell).unwrap().0) / 2;
            let reference = i64::from(desk.venue.instruments()[row].reference_price);
            // Crossings of a band of four ticks, outward and back.
            let side = if mid > reference + 200 {
                Some(true)
            } else if mid < reference - 200 {
                Some(false)
            } else {
                None
            };
            if side.is_some() && side != above[row] {
                above[row] = side;
                returns[row] += 1;
            }
        }
    }
    assert!(returns.iter().sum::<u32>() >= 12, "swings in ten seconds: {returns:?}");
}

#[test]
fn the_same_seed_and_log_give_the_same_bytes() {
    let log: Vec<Vec<u8>> = (1..=40_u32)
        .map(|n| unsequenced(&enter(n, if n % 2 == 0 { b'B' } else { b'S' }, 100, "ALFA", 1_000_000, b'0')))
        .collect();
    let run = |seed: u64| {
        let mut venue = seeded_venue(seed, 5_000, 3);
        let mut out = VenueOut::default();
        venue.step(START, Input::Open, &mut out);
        venue.step(START, Input::Connected(1), &mut out);
        venue.step(START + 1, Input::Received(1, &login(b"tick", b"way", b"", 1)), &mut out);
        for (turn, bytes) in log.iter().enumerate() {
            let now_ns = START + turn as u64 * 17 * MS;
            venue.step(now_ns, Input::Timer, &mut out);
            venue.step(now_ns + 3, Input::Received(1, bytes), &mut out);
        }
        venue.step(START + 900 * MS, Input::End, &mut out);
        out
    };
    let (once, again, other) = (run(42), run(42), run(43));
    assert!(once == again);
    assert!(once.itch != other.itch);
    assert!(once.itch.len() > 3_000 && once.ouch.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > 40 * 60);
}

#[test]
fn the_day_has_its_system_events_in_order() {
    let mut desk = Desk::open(seeded_venue(1, 1_000, 2));
    desk.run_ms(50);
    desk.step(Input::End);
    let types: Vec<u8> = desk.itch.iter().map(|message| message[0]).collect();
    assert_eq!(types[..9], *b"SRHYRHYSS");
    let codes = desk.itch.iter().filter(|m| m[0] == b'S').map(|message| message[11]);
    assert_eq!(codes.collect::<Vec<_>>(), b"OSQMEC");
    let before = desk.itch.len();
    desk.run_ms(50);
    assert_eq!(desk.itch.len(), before, "nothing after the end");
}
