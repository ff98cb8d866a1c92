//! A naive mean-reversion trader, who sees the book a millisecond late, must find enough to do.

mod common;

use common::{Desk, cancel, enter, seeded_venue};
use exchange_sim::instrument::symbol_text;
use exchange_sim::venue_market::Market;
use protocols::ouch::OutboundRepr;
use shm_layout::types::Side;

/// Best bid and ask of a row, in 1e-4.
fn touch(desk: &Desk, row: usize) -> (u32, u32) {
    let Market::Seeded(market) = desk.venue.market() else { panic!("a seeded venue") };
    let best = |side| market.book(row).best(side).expect("depth on both sides").0;
    (best(Side::Buy), best(Side::Sell))
}

/// Trades for ten seconds, at most one order per instrument in 50 ms; returns orders and fills.
fn trade(is_passive: bool) -> (u64, usize) {
    let mut desk = Desk::open(seeded_venue(11, 5_000, 4));
    let symbols: Vec<String> = desk.venue.instruments().iter().map(|i| symbol_text(&i.symbol)).collect();
    // Means in 1e-4 times 256; the weight of a millisecond is 1/512.
    let mut means: Vec<i64> = (0..4).map(|row| i64::from(touch(&desk, row).0) * 256).collect();
    let (mut number, mut waiting) = (0, [None; 4]);
    for ms in 0..10_000_u64 {
        let seen: Vec<(u32, u32)> = (0..4).map(|row| touch(&desk, row)).collect();
        desk.run_ms(1);
        for row in 0..4 {
            let (bid, ask) = seen[row];
            let mid = i64::from(bid + ask) * 128;
            means[row] += (mid - means[row]) / 512;
            let distance = (mid - means[row]) / 256;
            if ms % 50 != row as u64 || distance.abs() < 150 {
                continue;
            }
            if let Some(old) = waiting[row].take() {
                desk.request(&cancel(old, 0));
            }
            number += 1;
            let (code, near, far) = if distance > 0 { (b'S', ask, bid) } else { (b'B', bid, ask) };
            let (price, time_in_force) = if is_passive { (near, b'0') } else { (far, b'3') };
            let replies = desk.request(&enter(number, code, 100, &symbols[row], u64::from(price), time_in_force));
            assert!(matches!(replies[0], OutboundRepr::OrderAccepted(_)));
            waiting[row] = is_passive.then_some(number);
        }
    }
    (desk.venue.account().counts.accepted, desk.venue.account().fills().len())
}

#[test]
fn a_taker_and_a_maker_both_trade_often() {
    // A third of what thirty seconds must have: 1,000 orders and 300 fills.
    for is_passive in [false, true] {
        let (orders, fills) = trade(is_passive);
        println!("passive {is_passive}: {orders} orders, {fills} fills");
        assert!(orders > 334 && fills > 100, "passive {is_passive}: {orders} orders, {fills} fills");
    }
}
