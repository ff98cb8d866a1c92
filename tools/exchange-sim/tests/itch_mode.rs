//! The market of a file: exactly its messages, and our orders against its visible book.

mod common;

use common::{Desk, cancel, enter, venue};
use exchange_sim::account::OrderState;
use exchange_sim::instrument::{Instrument, symbol_of, symbol_text};
use exchange_sim::itch_file::{ItchFile, scan, scan_frames};
use exchange_sim::venue::{Input, MarketKind};
use protocols::Alpha;
use protocols::itch::{
    AddOrderRepr, OrderCancelRepr, OrderDeleteRepr, OrderExecutedRepr, OrderReplaceRepr, Repr, TradeRepr,
};
use protocols::ouch::OutboundRepr;
use std::io::Write as _;
use std::path::PathBuf;

fn bytes(repr: Repr) -> Vec<u8> {
    let mut bytes = vec![0; 64];
    let length = repr.encode_into(&mut bytes).unwrap();
    bytes.truncate(length);
    bytes
}

fn add(order_reference_number: u64, side: u8, shares: u32, price: u32) -> Vec<u8> {
    let stock = Alpha(*b"TEST    ");
    let (stock_locate, tracking_number, timestamp_ns) = (1, 0, order_reference_number);
    let repr = AddOrderRepr {
        stock_locate,
        tracking_number,
        timestamp_ns,
        order_reference_number,
        side,
        shares,
        stock,
        price,
    };
    bytes(Repr::AddOrder(repr))
}

fn executed(order_reference_number: u64, executed_shares: u32) -> Vec<u8> {
    let (stock_locate, tracking_number, timestamp_ns, match_number) = (1, 0, 50, 1);
    bytes(Repr::OrderExecuted(OrderExecutedRepr {
        stock_locate,
        tracking_number,
        timestamp_ns,
        order_reference_number,
        executed_shares,
        match_number,
    }))
}

fn replaced(original: u64, new: u64, shares: u32, price: u32) -> Vec<u8> {
    bytes(Repr::OrderReplace(OrderReplaceRepr {
        stock_locate: 1,
        tracking_number: 0,
        timestamp_ns: 60,
        original_order_reference_number: original,
        new_order_reference_number: new,
        shares,
        price,
    }))
}

fn trade(shares: u32, price: u32) -> Vec<u8> {
    bytes(Repr::Trade(TradeRepr {
        stock_locate: 1,
        tracking_number: 0,
        timestamp_ns: 70,
        order_reference_number: 0,
        side: b'B',
        shares,
        stock: Alpha(*b"TEST    "),
        price,
        match_number: 2,
    }))
}

fn desk(messages: &[Vec<u8>]) -> Desk {
    let symbol = symbol_of("TEST").unwrap();
    let instrument = Instrument { symbol, stock_locate: 1, tick_size: 100, round_lot: 100, reference_price: 100_000 };
    let mut desk = Desk::open(venue(MarketKind::File, vec![instrument]));
    for message in messages {
        desk.step(Input::FileMessage(message));
    }
    desk
}

/// Executions as (UserRefNum, shares, price).
fn fills(replies: &[OutboundRepr]) -> Vec<(u32, u32, u64)> {
    let fill = |reply: &OutboundRepr| match reply {
        OutboundRepr::OrderExecuted(e) => Some((e.user_ref_num, e.quantity, e.price)),
        _ => None,
    };
    replies.iter().filter_map(fill).collect()
}

#[test]
fn an_aggressive_order_takes_displayed_size_at_its_price_and_each_share_once() {
    let mut desk = desk(&[add(1, b'S', 100, 100_100), add(2, b'S', 200, 100_200), add(3, b'S', 50, 100_100)]);
    let first = desk.request(&enter(1, b'B', 220, "TEST", 100_200, b'3'));
    // Best price first, oldest first.
    assert_eq!(fills(&first), [(1, 100, 100_100), (1, 50, 100_100), (1, 70, 100_200)]);
    let second = desk.request(&enter(2, b'B', 220, "TEST", 100_200, b'3'));
    assert_eq!(fills(&second), [(2, 130, 100_200)]);
    let third = desk.request(&enter(3, b'B', 220, "TEST", 100_200, b'3'));
    assert!(fills(&third).is_empty(), "taken shares stay taken");
    // A replacement shows the same shares again: only what is new can be taken.
    desk.step(Input::FileMessage(&replaced(2, 9, 230, 100_200)));
    assert_eq!(fills(&desk.request(&enter(4, b'B', 500, "TEST", 100_200, b'3'))), [(4, 30, 100_200)]);
    // The file executes what we took already: still nothing is left for us.
    desk.step(Input::FileMessage(&executed(1, 60)));
    assert!(fills(&desk.request(&enter(5, b'B', 500, "TEST", 100_100, b'3'))).is_empty());
}

#[test]
fn a_resting_order_fills_when_the_market_passes_through_its_price() {
    let mut desk = desk(&[add(1, b'B', 100, 99_900), add(2, b'S', 100, 100_100)]);
    desk.request(&enter(1, b'B', 300, "TEST", 100_000, b'0'));
    let mut say = |message: Vec<u8>| fills(&common::replies(&desk.step(Input::FileMessage(&message))));
    assert!(say(trade(100, 100_000)).is_empty(), "a trade at the price is not through it");
    assert!(say(add(3, b'S', 100, 100_000)).is_empty(), "nor is an order at it");
    assert_eq!(say(trade(120, 99_900)), [(1, 120, 100_000)]);
    assert_eq!(say(executed(1, 40)), [(1, 40, 100_000)]);
    assert_eq!(say(add(4, b'S', 90, 99_900)), [(1, 90, 100_000)]);
    assert_eq!(say(replaced(2, 5, 500, 99_800)), [(1, 50, 100_000)]);
    assert_eq!(desk.venue.account().order(1).unwrap().state, OrderState::Filled);
    // The 90 shares of order 4 are ours already, and 50 of order 5's 500.
    let rest = desk.request(&enter(2, b'B', 900, "TEST", 99_900, b'3'));
    assert_eq!(fills(&rest), [(2, 450, 99_800)]);
}

#[test]
fn our_orders_never_appear_on_the_feed() {
    let messages = [add(1, b'S', 100, 100_100), executed(1, 30), add(2, b'B', 10, 99_000)];
    let mut desk = desk(&messages[..2]);
    desk.request(&enter(1, b'B', 50, "TEST", 100_100, b'0'));
    desk.request(&enter(2, b'B', 50, "TEST", 99_000, b'0'));
    desk.request(&cancel(2, 0));
    desk.run_ms(10);
    desk.step(Input::FileMessage(&messages[2]));
    desk.step(Input::End);
    assert_eq!(desk.itch, messages);
    assert_eq!(desk.venue.account().filled_quantity(), 50);
}

#[test]
fn unknown_references_and_removed_orders_are_no_liquidity() {
    let cancel = |reference, shares| {
        bytes(Repr::OrderCancel(OrderCancelRepr {
            stock_locate: 1,
            tracking_number: 0,
            timestamp_ns: 1,
            order_reference_number: reference,
            cancelled_shares: shares,
        }))
    };
    let delete = bytes(Repr::OrderDelete(OrderDeleteRepr {
        stock_locate: 1,
        tracking_number: 0,
        timestamp_ns: 1,
        order_reference_number: 2,
    }));
    let mut desk = desk(&[
        add(1, b'S', 100, 100_100),
        add(2, b'S', 100, 100_100),
        cancel(1, 40),
        delete,
        cancel(77, 1),
        executed(78, 5),
        replaced(79, 80, 10, 100_100),
    ]);
    assert_eq!(fills(&desk.request(&enter(1, b'B', 500, "TEST", 100_100, b'3'))), [(1, 60, 100_100)]);
}

fn framed(messages: &[Vec<u8>]) -> Vec<u8> {
    messages.iter().flat_map(|m| [&(m.len() as u16).to_be_bytes()[..], m].concat()).collect()
}

fn scan_bytes(bytes: &[u8]) -> Result<exchange_sim::itch_file::Scan, String> {
    scan_frames(ItchFile::new(PathBuf::from("day.itch"), bytes)).map_err(|error| error.to_string())
}

#[test]
fn a_scan_finds_symbols_and_refuses_broken_framing_by_name_and_offset() {
    let good = framed(&[add(1, b'S', 100, 100_150), executed(1, 60), trade(5, 99_900)]);
    let found = scan_bytes(&good).unwrap();
    assert_eq!((found.messages, found.first_timestamp_ns, found.last_timestamp_ns), (3, 1, 70));
    let symbol = &found.symbols[0];
    assert_eq!((symbol.first_price, symbol.min_price, symbol.max_price), (Some(100_150), Some(99_900), Some(100_150)));
    assert_eq!((symbol.messages, symbol.has_subpenny), (3, true));
    assert_eq!(found.instruments()[0].tick_size, 1);
    assert_eq!(scan_bytes(&[&good[..], &[0, 0]].concat()).unwrap().messages, 3, "a zero length ends a session");

    let second = 38; // The first frame has 2 + 36 bytes.
    let cases = [
        (good[..good.len() - 1].to_vec(), 38 + 33, "ends inside a message"),
        (good[..=second].to_vec(), second, "ends inside a length"),
        ([&good[..second], &[0, 0], &good[second..]].concat(), second, "zero"),
        ([&good[..second], &[0, 5, b'A', 0, 0, 0, 0]].concat(), second, "its table has 36"),
        ([&good[..second], &[0xFF, 0xFF], &[b'A'; 70_000]].concat(), second, "65535"),
        (vec![], 0, "no message"),
    ];
    for (bytes, offset, what) in cases {
        let error = scan_bytes(&bytes).unwrap_err();
        assert!(error.starts_with(&format!("day.itch: offset {offset}: ")) && error.contains(what), "{error}");
    }
}

/// Files that nobody on this project wrote, where they lie beside the checkout.
fn shared(name: &str) -> Option<PathBuf> {
    let ancestors = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let found = ancestors.ancestors().map(|dir| dir.join("shared/data").join(name)).find(|path| path.is_file());
    if found.is_none() {
        let _ = writeln!(std::io::stderr(), "skipped: no {name} beside the checkout");
    }
    found
}

#[test]
fn a_real_file_is_played_message_by_message() {
    let Some(path) = shared("ritch_reframed.itch50") else { return };
    let found = scan(&path).unwrap();
    assert_eq!(found.messages, 12_012);
    let counts = [(b'A', 4_997), (b'F', 3), (b'E', 198), (b'D', 1_745), (b'P', 5_000), (b'U', 12), (b'X', 45)];
    assert!(counts.iter().all(|(message_type, count)| found.by_type[message_type] == *count), "{:?}", found.by_type);
    let mut desk = Desk::open(venue(MarketKind::File, found.instruments()));
    let mut file = ItchFile::open(&path).unwrap();
    let (mut sent, mut number) = (Vec::new(), 0);
    while let Some(message) = file.next_message().unwrap() {
        sent.push(message.to_vec());
        desk.step(Input::FileMessage(message));
        if sent.len() % 100 == 0 {
            let row = number as usize % desk.venue.instruments().len();
            let (price, symbol) = {
                let instrument = &desk.venue.instruments()[row];
                (u64::from(instrument.reference_price), symbol_text(&instrument.symbol))
            };
            number += 1;
            desk.request(&enter(number, if number % 2 == 0 { b'B' } else { b'S' }, 100, &symbol, price, b'0'));
        }
    }
    assert_eq!(desk.itch, sent, "exactly the file's messages");
    assert!(desk.venue.account().filled_quantity() > 0);
}

#[test]
fn the_malformed_real_file_is_refused() {
    let Some(path) = shared("ritch_ex20101224.TEST_ITCH_50") else { return };
    let error = scan(&path).unwrap_err().to_string();
    assert!(error.contains("ritch_ex20101224") && error.contains("offset 0: message length is zero"), "{error}");
}
