//! Messages as words: golden bytes written by hand from the tables, arbitrary words, every refusal.
#![forbid(unsafe_code)]

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use shm_layout::message::BadMessage;
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::message::execution::{Execution, ExecutionKind, ExecutionReport};
use shm_layout::message::market_data::{MarketData, MarketDataHeader, MarketDataKind, TopOfBook};
use shm_layout::message::order::{NewOrderSingle, OrderHeader, OrderKind, OrderRequest};
use shm_layout::message::step::{Step, StepKind};
use shm_layout::message::wire::{WIRE_DATA_LEN, WireChunk, WireKind};
use shm_layout::types::{BookValidity, ClOrdId, ExecType, InstrumentId, Nanos, OrdStatus, OrdType, Price, Qty};
use shm_layout::types::{RejectReason, Side, TimeInForce, TradingStatus};
use std::collections::BTreeSet;

/// Words of hand-written bytes.
fn words<const N: usize>(bytes: &[u8]) -> [u64; N] {
    assert_eq!(bytes.len(), N * 8);
    std::array::from_fn(|index| u64::from_le_bytes(bytes[index * 8..index * 8 + 8].try_into().unwrap()))
}

#[rustfmt::skip]
const TOP_OF_BOOK: [u8; 56] = [
    1, 2, 1, 4,                    // TopOfBook, Sell, Trusted, Trading
    0x2A, 0, 0, 0,                 // instrument 42
    8, 7, 6, 5, 4, 3, 2, 1,        // receive_ns 0x0102030405060708
    0x10, 0x27, 0, 0, 0, 0, 0, 0,  // channel_sequence 10000
    0, 0xE8, 0x76, 0x48, 0x17, 0, 0, 0, // exchange_ns 100_000_000_000
    0x39, 0x30, 0, 0,              // feed_delta_ns 12345
    0, 0, 0, 0,                    // detail
    0x40, 0x3D, 0x7F, 0x5B, 2, 0, 0, 0, // price 10_125_000_000 = 101.25
    0, 0xE4, 0x0B, 0x54, 2, 0, 0, 0, // qty 10_000_000_000 = 100
];

#[rustfmt::skip]
const NEW_ORDER_SINGLE: [u8; 120] = [
    1, 1, 0x32, 0x30,              // NewOrderSingle, Buy, Limit, Day
    2, 0, 3, 0,                    // venue 2, strategy 3
    4, 0, 0, 0,                    // account 4, not rejected
    5, 0, 0, 0,                    // limit_version 5
    0x09, 0, 0, 0xC0, 0, 7, 0, 4,  // cl_ord_id: term 1, epoch 7, strategy 3, counter 9
    0x2A, 0, 0, 0,                 // instrument 42
    6, 0, 0, 0,                    // risk_epoch 6
    7, 0, 0, 0, 0, 0, 0, 0,        // risk_sequence 7
    0x10, 0x27, 0, 0, 0, 0, 0, 0,  // cause_sequence 10000
    0, 0x1F, 0x0A, 0xFA, 0xFF, 0xFF, 0xFF, 0xFF, // exposure_before -100_000_000 = -1
    8, 7, 6, 5, 4, 3, 2, 1,        // receive_ns
    1, 0, 0, 0,                    // feed_delta_ns 1
    2, 0, 0, 0,                    // strategy_delta_ns 2
    0xFF, 0xFF, 0xFF, 0xFF,        // risk_delta_ns saturated
    0, 0, 0, 0,                    // parent_id
    0x40, 0x3D, 0x7F, 0x5B, 2, 0, 0, 0, // price 101.25
    0, 0xE4, 0x0B, 0x54, 2, 0, 0, 0, // order_qty 100
    0, 0, 0, 0, 0, 0, 0, 0,        // reserved
    0x0B, 0, 0, 0, 0, 0, 0, 0,     // intent_sequence 11
    0, 0xE1, 0xF5, 0x05, 0, 0, 0, 0, // reference_price 1
];

#[rustfmt::skip]
const EXECUTION_REPORT: [u8; 120] = [
    1, 2, 0x31, 0x46,              // ExecutionReport, Sell, PartiallyFilled, Trade
    2, 0, 3, 0,                    // venue 2, strategy 3
    4, 0, 0, 0,                    // account 4, no reason
    5, 0, 0, 0,                    // limit_version 5
    0x09, 0, 0, 0xC0, 0, 7, 0, 4,  // cl_ord_id as above
    0x2A, 0, 0, 0,                 // instrument 42
    6, 0, 0, 0,                    // risk_epoch 6
    7, 0, 0, 0, 0, 0, 0, 0,        // risk_sequence 7
    0x10, 0x27, 0, 0, 0, 0, 0, 0,  // cause_sequence 10000
    0xE8, 3, 0, 0, 0, 0, 0, 0,     // journal_sequence 1000
    8, 7, 6, 5, 4, 3, 2, 1,        // receive_ns
    0x39, 0x30, 0, 0,              // gateway_delta_ns 12345
    0x0D, 0, 0, 0,                 // parent_id 13
    0x08, 0, 0, 0xC0, 0, 7, 0, 4,  // orig_cl_ord_id: counter 8
    0x40, 0x3D, 0x7F, 0x5B, 2, 0, 0, 0, // price 101.25
    0, 0xC2, 0xEB, 0x0B, 0, 0, 0, 0, // leaves_qty 2
    0, 0xE1, 0xF5, 0x05, 0, 0, 0, 0, // cum_qty 1
    0, 0xE1, 0xF5, 0x05, 0, 0, 0, 0, // last_qty 1
    0x40, 0x3D, 0x7F, 0x5B, 2, 0, 0, 0, // last_px 101.25
];

#[test]
fn top_of_book_is_the_bytes_drawn() {
    let expected = MarketData::TopOfBook(TopOfBook {
        header: MarketDataHeader {
            kind: MarketDataKind::TopOfBook as u8,
            side: Side::Sell as u8,
            validity: BookValidity::Trusted as u8,
            trading_status: TradingStatus::Trading as u8,
            instrument_id: InstrumentId(42),
            receive_ns: Nanos(0x0102_0304_0506_0708),
            channel_sequence: 10_000,
            exchange_ns: 100_000_000_000,
            feed_delta_ns: 12_345,
            detail: 0,
        },
        price: Price::parse("101.25").unwrap(),
        qty: Qty::parse("100").unwrap(),
    });
    assert_eq!(MarketData::decode(&words(&TOP_OF_BOOK)), Ok(expected));
    assert_eq!(expected.encode(), words(&TOP_OF_BOOK));
}

#[test]
fn new_order_single_is_the_bytes_drawn() {
    let expected = OrderRequest::NewOrderSingle(NewOrderSingle {
        header: OrderHeader {
            kind: OrderKind::NewOrderSingle as u8,
            side: Side::Buy as u8,
            ord_type: OrdType::Limit as u8,
            time_in_force: TimeInForce::Day as u8,
            venue_id: 2,
            strategy_id: 3,
            account_id: 4,
            reject_reason: RejectReason::None as u16,
            limit_version: 5,
            cl_ord_id: ClOrdId::new(1, 7, 3, 9).unwrap(),
            instrument_id: InstrumentId(42),
            risk_epoch: 6,
            risk_sequence: 7,
            cause_sequence: 10_000,
            exposure_before: Qty::parse("-1").unwrap(),
            receive_ns: Nanos(0x0102_0304_0506_0708),
            feed_delta_ns: 1,
            strategy_delta_ns: 2,
            risk_delta_ns: u32::MAX,
            parent_id: 0,
        },
        price: Price::parse("101.25").unwrap(),
        order_qty: Qty::parse("100").unwrap(),
        reserved: 0,
        intent_sequence: 11,
        reference_price: Price::parse("1").unwrap(),
    });
    assert_eq!(OrderRequest::decode(&words(&NEW_ORDER_SINGLE)), Ok(expected));
    assert_eq!(expected.encode(), words(&NEW_ORDER_SINGLE));
}

#[test]
fn execution_report_is_the_bytes_drawn() {
    let expected = Execution::Report(ExecutionReport {
        kind: ExecutionKind::ExecutionReport as u8,
        side: Side::Sell as u8,
        ord_status: OrdStatus::PartiallyFilled as u8,
        exec_type: ExecType::Trade as u8,
        venue_id: 2,
        strategy_id: 3,
        account_id: 4,
        reason: 0,
        limit_version: 5,
        cl_ord_id: ClOrdId::new(1, 7, 3, 9).unwrap(),
        instrument_id: InstrumentId(42),
        risk_epoch: 6,
        risk_sequence: 7,
        cause_sequence: 10_000,
        journal_sequence: 1000,
        receive_ns: Nanos(0x0102_0304_0506_0708),
        gateway_delta_ns: 12_345,
        parent_id: 13,
        orig_cl_ord_id: ClOrdId::new(1, 7, 3, 8).unwrap(),
        price: Price::parse("101.25").unwrap(),
        leaves_qty: Qty::parse("2").unwrap(),
        cum_qty: Qty::parse("1").unwrap(),
        last_qty: Qty::parse("1").unwrap(),
        last_px: Price::parse("101.25").unwrap(),
    });
    assert_eq!(Execution::decode(&words(&EXECUTION_REPORT)), Ok(expected));
    assert_eq!(expected.encode(), words(&EXECUTION_REPORT));
}

/// The golden bytes with some replaced.
fn with<const N: usize, const B: usize>(golden: [u8; B], changes: &[(usize, u8)]) -> [u64; N] {
    let mut bytes = golden;
    for &(offset, byte) in changes {
        bytes[offset] = byte;
    }
    words(&bytes)
}

#[test]
fn each_bad_code_is_named() {
    let market = |changes: &[(usize, u8)]| MarketData::decode(&with(TOP_OF_BOOK, changes)).unwrap_err();
    assert_eq!(market(&[(0, 0)]), BadMessage::Kind(0));
    assert_eq!(market(&[(1, 3)]), BadMessage::Code("side", 3));
    assert_eq!(market(&[(2, 9)]), BadMessage::Code("validity", 9));
    assert_eq!(market(&[(3, 5)]), BadMessage::Code("trading_status", 5));
    // A BookReset (5) has no side, price or quantity; a ChannelStatus (7) has a state in `detail`.
    assert_eq!(market(&[(0, 5)]), BadMessage::Code("side", 2));
    assert_eq!(market(&[(0, 5), (1, 0)]), BadMessage::Reserved);
    assert_eq!(market(&[(0, 7), (1, 0), (36, 9)]), BadMessage::Code("detail", 9));

    let order = |changes: &[(usize, u8)]| OrderRequest::decode(&with(NEW_ORDER_SINGLE, changes)).unwrap_err();
    assert_eq!(order(&[(0, 4)]), BadMessage::Kind(4));
    assert_eq!(order(&[(1, 0)]), BadMessage::Code("side", 0));
    assert_eq!(order(&[(2, 2)]), BadMessage::Code("ord_type", 2));
    assert_eq!(order(&[(3, 0)]), BadMessage::Code("time_in_force", 0));
    assert_eq!(order(&[(10, 63)]), BadMessage::Code("reject_reason", 63));
    assert_eq!(order(&[(11, 1)]), BadMessage::Code("reject_reason", 0));
    assert_eq!(order(&[(96, 1)]), BadMessage::Reserved);
    // A cancel has neither type nor time in force.
    assert_eq!(order(&[(0, 2)]), BadMessage::Reserved);

    let report = |changes: &[(usize, u8)]| Execution::decode(&with(EXECUTION_REPORT, changes)).unwrap_err();
    assert_eq!(report(&[(0, 9)]), BadMessage::Kind(9));
    assert_eq!(report(&[(1, 0)]), BadMessage::Code("side", 0));
    assert_eq!(report(&[(2, 0)]), BadMessage::Code("ord_status", 0));
    assert_eq!(report(&[(3, 0)]), BadMessage::Code("exec_type", 0));
    assert_eq!(report(&[(10, 200)]), BadMessage::Code("reason", 200));
    // A cancel reject names an OrderKind there; a checkpoint has only its sequence and hash.
    assert_eq!(report(&[(0, 2)]), BadMessage::Code("exec_type", 0x46));
    assert_eq!(report(&[(0, 3)]), BadMessage::Reserved);
}

/// Each of `offsets` alone set makes an all-zero message of `kind` refused as reserved; without it the message is good.
fn assert_reserved<const N: usize, T: std::fmt::Debug>(
    decode: fn(&[u64; N]) -> Result<T, BadMessage>,
    first_bytes: &[u8],
    offsets: impl Iterator<Item = usize>,
) {
    let mut bytes = vec![0; N * 8];
    bytes[..first_bytes.len()].copy_from_slice(first_bytes);
    assert!(decode(&words(&bytes)).is_ok(), "{:?}", decode(&words(&bytes)));
    for offset in offsets {
        bytes[offset] = 0x80;
        assert_eq!(decode(&words(&bytes)).map(|_| ()), Err(BadMessage::Reserved), "byte {offset}");
        bytes[offset] = 0;
    }
}

#[test]
fn every_reserved_byte_is_checked() {
    for kind in [4, 5, 6, 7] {
        assert_reserved(MarketData::decode, &[kind], 40..56);
    }
    assert_reserved(OrderRequest::decode, &[1, 1, 0x32, 0x30], 96..104);
    assert_reserved(OrderRequest::decode, &[2, 1], (2..4).chain(80..96).chain(112..120));
    assert_reserved(Execution::decode, &[3], (1..48).chain(64..120));
    assert_reserved(Control::decode, &[1], (3..4).chain(40..56));
}

/// Words that often decode: small code bytes, FIX letters, many zeros; and words that hardly ever do.
fn likely_words<const N: usize>() -> impl Strategy<Value = [u64; N]> {
    let code = || prop_oneof![0_u8..9, prop::sample::select(vec![0_u8, 0x30, 0x31, 0x32, 0x33, 0x41, 0x46])];
    let first = prop_oneof![
        8 => (0_u8..9, code(), code(), code(), any::<u32>()).prop_map(|(a, b, c, d, rest)| {
            u64::from(u32::from_le_bytes([a, b, c, d])) | u64::from(rest & 0x0000_FFFF) << 32
        }),
        2 => (0_u8..9).prop_map(u64::from),
        1 => any::<u64>(),
    ];
    let word = || {
        prop_oneof![
            6 => Just(0_u64), 2 => any::<u64>(), 1 => any::<u8>().prop_map(|b| u64::from(b) << 16), 1 => 0_u64..5 << 32,
        ]
    };
    let quiet = any::<bool>();
    (first, prop::collection::vec(word(), N - 1), quiet).prop_map(|(first, rest, quiet)| {
        // Half of the messages have nothing but their codes, so that kinds full of reserved words decode too.
        std::array::from_fn(|index| {
            if index == 0 {
                first
            } else if quiet {
                0
            } else {
                rest[index - 1]
            }
        })
    })
}

/// Decoding never panics; what decodes encodes to the same words; every kind of the table does decode.
fn assert_round_trips<const N: usize, T: std::fmt::Debug>(
    decode: fn(&[u64; N]) -> Result<T, BadMessage>,
    encode: fn(&T) -> [u64; N],
    kinds: impl Iterator<Item = u8>,
) {
    let mut decoded = BTreeSet::new();
    let mut runner = TestRunner::new_with_rng(
        Config { cases: 20_000, failure_persistence: None, ..Config::default() },
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let seen = std::cell::RefCell::new(&mut decoded);
    runner
        .run(&likely_words::<N>(), |words| {
            match decode(&words) {
                Ok(message) => {
                    prop_assert_eq!(encode(&message), words);
                    seen.borrow_mut().insert(words[0] as u8);
                }
                Err(bad) => prop_assert!(!bad.to_string().is_empty()),
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(decoded, kinds.collect::<BTreeSet<u8>>(), "kinds that decoded");
}

#[test]
fn arbitrary_words_decode_to_what_they_are_or_not_at_all() {
    assert_round_trips(MarketData::decode, MarketData::encode, MarketDataKind::ALL.iter().map(|&kind| kind as u8));
    assert_round_trips(OrderRequest::decode, OrderRequest::encode, OrderKind::ALL.iter().map(|&kind| kind as u8));
    assert_round_trips(Execution::decode, Execution::encode, ExecutionKind::ALL.iter().map(|&kind| kind as u8));
    assert_round_trips(Control::decode, Control::encode, ControlKind::ALL.iter().map(|&kind| kind as u8));
    assert_round_trips(Step::decode, Step::encode, StepKind::ALL.iter().map(|&kind| kind as u8));
    assert_round_trips(WireChunk::decode, WireChunk::encode, WireKind::ALL.iter().map(|&kind| kind as u8));
}

#[test]
fn typed_getters_do_not_panic_on_what_decoded() {
    let mut runner = TestRunner::deterministic();
    runner
        .run(&(likely_words::<7>(), likely_words::<15>()), |(short, long)| {
            if let Ok(message) = MarketData::decode(&short) {
                let header = message.header();
                let _ = (header.validity(), header.trading_status(), header.channel_state());
                if matches!(message, MarketData::TopOfBook(_) | MarketData::DepthChange(_) | MarketData::Trade(_)) {
                    let _ = header.side();
                }
            }
            let _ = Control::decode(&short).map(|message| message.kind());
            let _ = Step::decode(&short).map(|message| message.kind());
            let _ = OrderRequest::decode(&long).map(|m| (m.header().side(), m.header().reject_reason()));
            if let Ok(Execution::Report(report) | Execution::CancelReject(report)) = Execution::decode(&long) {
                let _ = (report.side(), report.ord_status(), report.exec_type());
            }
            let _ = WireChunk::decode(&long).map(|chunk| chunk.bytes().len());
            Ok(())
        })
        .unwrap();
}

proptest! {
    #[test]
    fn chunks_join_to_the_bytes_split(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let chunks: Vec<_> = WireChunk::split(WireKind::DatagramReceived, 3, Nanos(1), Nanos(2), &bytes).collect();
        prop_assert_eq!(chunks.len(), bytes.len().div_ceil(WIRE_DATA_LEN).max(1));
        let joined: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.bytes().to_vec()).collect();
        prop_assert_eq!(joined, bytes);
        let flags: Vec<u8> = chunks.iter().map(|chunk| chunk.flags).collect();
        prop_assert!(flags[0] & 1 == 1 && flags[flags.len() - 1] & 2 == 2);
        prop_assert!(flags[1..].iter().all(|flags| flags & 1 == 0));
        prop_assert!(flags[..flags.len() - 1].iter().all(|flags| flags & 2 == 0));
        for chunk in chunks {
            prop_assert_eq!(WireChunk::decode(&chunk.encode()), Ok(chunk));
            prop_assert!(chunk.data[usize::from(chunk.length)..].iter().all(|&byte| byte == 0));
        }
    }
}
