//! ITCH 5.0 against vectors written by hand from the specification's tables.
#![forbid(unsafe_code)]

mod support;

use proptest::prelude::*;
use protocols::itch::binary_file::{FrameError, Reader, encode_frame};
use protocols::itch::*;
use protocols::{Alpha, Malformed, Unencodable};
use support::wire;

/// Type and length of every message, from the specification.
const LENGTHS: [(u8, usize); 23] = [
    (b'S', 12),
    (b'R', 39),
    (b'H', 25),
    (b'Y', 20),
    (b'L', 26),
    (b'V', 35),
    (b'W', 12),
    (b'K', 28),
    (b'J', 35),
    (b'h', 21),
    (b'A', 36),
    (b'F', 40),
    (b'E', 31),
    (b'C', 36),
    (b'X', 23),
    (b'D', 19),
    (b'U', 35),
    (b'P', 44),
    (b'Q', 40),
    (b'B', 19),
    (b'I', 50),
    (b'N', 20),
    (b'O', 48),
];

const STOCK: Stock = Alpha(*b"AAPL    ");
/// 09:30:00.000000001 as nanoseconds since midnight.
const OPEN_NS: u64 = 34_200_000_000_001;

/// Builds a repr with the header that every vector below has.
macro_rules! repr {
    ($variant:ident, $repr:ident { $($field:ident: $value:expr),* }) => {
        Repr::$variant($repr { stock_locate: 0x0102, tracking_number: 0x0304, timestamp_ns: OPEN_NS, $($field: $value),* })
    };
}

/// The vectors' bodies, from byte 11 on, and what they mean.
#[rustfmt::skip]
fn vectors() -> Vec<(&'static str, &'static str, Repr)> {
    vec![
        ("S", "'Q'", repr!(SystemEvent, SystemEventRepr { event_code: b'Q' })),
        ("R", "'AAPL    ' 'Q' 'N' 00000064 'N' 'C' 'Z ' 'P' 'N' ' ' '1' 'Y' 00000003 'Y'",
            repr!(StockDirectory, StockDirectoryRepr { stock: STOCK, market_category: b'Q', financial_status: b'N',
                round_lot_size: 100, round_lots_only: b'N', issue_classification: b'C', issue_sub_type: Alpha(*b"Z "),
                authenticity: b'P', short_sale_threshold: b'N', ipo_flag: b' ', luld_reference_price_tier: b'1',
                etp_flag: b'Y', etp_leverage_factor: 3, inverse_indicator: b'Y' })),
        ("H", "'AAPL    ' 'H' '.' 'T1  '", repr!(StockTradingAction, StockTradingActionRepr {
            stock: STOCK, trading_state: b'H', reserved: b'.', reason: Alpha(*b"T1  ") })),
        ("Y", "'AAPL    ' '1'", repr!(RegShoRestriction, RegShoRestrictionRepr { stock: STOCK, reg_sho_action: b'1' })),
        ("L", "'GSCO' 'AAPL    ' 'Y' 'N' 'A'", repr!(MarketParticipantPosition, MarketParticipantPositionRepr {
            mpid: Alpha(*b"GSCO"), stock: STOCK, primary_market_maker: b'Y', market_maker_mode: b'N',
            market_participant_state: b'A' })),
        ("V", "0000000000000001 0000000000000002 8000000000000003", repr!(MwcbDeclineLevel, MwcbDeclineLevelRepr {
            level_1: 1, level_2: 2, level_3: 0x8000_0000_0000_0003 })),
        ("W", "'2'", repr!(MwcbStatus, MwcbStatusRepr { breached_level: b'2' })),
        ("K", "'AAPL    ' 00008598 'A' 000186a0", repr!(IpoQuotingPeriod, IpoQuotingPeriodRepr {
            stock: STOCK, release_time_s: 34_200, release_qualifier: b'A', ipo_price: 100_000 })),
        ("J", "'AAPL    ' 00000001 00000002 00000003 00000004", repr!(LuldAuctionCollar, LuldAuctionCollarRepr {
            stock: STOCK, reference_price: 1, upper_price: 2, lower_price: 3, extension: 4 })),
        ("h", "'AAPL    ' 'Q' 'T'", repr!(OperationalHalt, OperationalHaltRepr {
            stock: STOCK, market_code: b'Q', action: b'T' })),
        ("A", "0000000000000009 'B' 00000064 'AAPL    ' 001e8480", repr!(AddOrder, AddOrderRepr {
            order_reference_number: 9, side: b'B', shares: 100, stock: STOCK, price: 2_000_000 })),
        ("F", "ffffffffffffffff 'S' ffffffff 'AAPL    ' fffffffe 'NITE'", repr!(AddOrderMpid, AddOrderMpidRepr {
            order_reference_number: u64::MAX, side: b'S', shares: u32::MAX, stock: STOCK, price: u32::MAX - 1,
            attribution: Alpha(*b"NITE") })),
        ("E", "0000000000000009 00000064 0000000000000abc", repr!(OrderExecuted, OrderExecutedRepr {
            order_reference_number: 9, executed_shares: 100, match_number: 0xabc })),
        ("C", "0000000000000009 00000064 0000000000000abc 'N' 001e8481",
            repr!(OrderExecutedWithPrice, OrderExecutedWithPriceRepr { order_reference_number: 9,
                executed_shares: 100, match_number: 0xabc, printable: b'N', execution_price: 2_000_001 })),
        ("X", "0000000000000009 0000000a", repr!(OrderCancel, OrderCancelRepr {
            order_reference_number: 9, cancelled_shares: 10 })),
        ("D", "0000000000000009", repr!(OrderDelete, OrderDeleteRepr { order_reference_number: 9 })),
        ("U", "0000000000000009 000000000000000a 00000032 001e8482", repr!(OrderReplace, OrderReplaceRepr {
            original_order_reference_number: 9, new_order_reference_number: 10, shares: 50, price: 2_000_002 })),
        ("P", "0000000000000000 'B' 00000064 'AAPL    ' 001e8480 0000000000000abd", repr!(Trade, TradeRepr {
            order_reference_number: 0, side: b'B', shares: 100, stock: STOCK, price: 2_000_000,
            match_number: 0xabd })),
        ("Q", "0000000100000000 'AAPL    ' 001e8480 0000000000000abe 'O'", repr!(CrossTrade, CrossTradeRepr {
            shares: 1 << 32, stock: STOCK, cross_price: 2_000_000, match_number: 0xabe, cross_type: b'O' })),
        ("B", "0000000000000abc", repr!(BrokenTrade, BrokenTradeRepr { match_number: 0xabc })),
        ("I", "0000000000000001 0000000000000002 'S' 'AAPL    ' 00000003 00000004 00000005 'C' 'L'",
            repr!(Noii, NoiiRepr { paired_shares: 1, imbalance_shares: 2, imbalance_direction: b'S', stock: STOCK,
                far_price: 3, near_price: 4, reference_price: 5, cross_type: b'C', price_variation_indicator: b'L' })),
        ("N", "'AAPL    ' 'A'", repr!(RetailPriceImprovement, RetailPriceImprovementRepr {
            stock: STOCK, interest_flag: b'A' })),
        ("O", "'AAPL    ' 'Y' 00000001 00000002 00000003 00001f1aced9f001 00000004 00000005",
            repr!(DirectListing, DirectListingRepr { stock: STOCK, open_eligibility: b'Y', minimum_price: 1,
                maximum_price: 2, near_execution_price: 3, near_execution_time_ns: OPEN_NS, lower_price_range: 4,
                upper_price_range: 5 })),
    ]
}

/// The whole message of a vector.
fn whole(message_type: &str, body: &str) -> Vec<u8> {
    wire(&format!("'{message_type}' 0102 0304 1f1aced9f001 {body}"))
}

#[test]
fn every_type_reads_and_writes_its_vector() {
    let vectors = vectors();
    assert_eq!(vectors.len(), LENGTHS.len());
    for ((message_type, body, repr), (type_byte, length)) in vectors.into_iter().zip(LENGTHS) {
        let bytes = whole(message_type, body);
        assert_eq!(
            (bytes[0], bytes.len()),
            (type_byte, length),
            "the vector of {message_type} is as long as the table"
        );
        let message = Message::parse(&bytes).expect(message_type);
        assert_eq!(message.repr(), Some(repr));
        assert_eq!(message.message_type(), type_byte);
        let mut out = [0; LENGTH_MAX];
        assert_eq!(repr.encode_into(&mut out), Ok(length));
        assert_eq!(out[..length], bytes);
        assert_eq!(repr.encode_into(&mut out[..length - 1]), Err(Unencodable::NoRoom { needed: length }));
    }
}

#[test]
fn the_table_of_lengths_is_the_specifications() {
    for message_type in 0..=u8::MAX {
        let expected = LENGTHS.iter().find(|(known, _)| *known == message_type).map(|(_, length)| *length);
        assert_eq!(min_length(message_type), expected);
    }
    assert_eq!(Message::TYPES.len(), LENGTHS.len());
}

#[test]
fn short_is_malformed_long_is_tolerated_and_unknown_is_passed_on() {
    assert_eq!(Message::parse(&[]), Err(Malformed::Empty));
    for (message_type, body, repr) in vectors() {
        let mut bytes = whole(message_type, body);
        for length in 1..bytes.len() {
            let malformed = Malformed::Short { message_type: bytes[0], length, needed: bytes.len() };
            assert_eq!(Message::parse(&bytes[..length]), Err(malformed));
        }
        bytes.extend_from_slice(b"later revision");
        assert_eq!(Message::parse(&bytes).unwrap().repr(), Some(repr));
    }
    assert_eq!(Message::parse(b"zebra"), Ok(Message::Unknown(b'z', b"zebra")));
    assert_eq!(AddOrder::new_checked(b"D"), Err(Malformed::Type { expected: b'A', found: b'D' }));
}

#[test]
fn the_header_is_read_from_known_and_unknown_messages() {
    let header = Header { stock_locate: 0x0102, tracking_number: 0x0304, timestamp_ns: OPEN_NS };
    assert_eq!(Header::read(&whole("D", "0000000000000009")), Some(header));
    assert_eq!(Header::read(&whole("z", "")), Some(header));
    assert_eq!(Header::read(&whole("z", "")[..10]), None);
}

#[test]
fn a_timestamp_beyond_48_bits_is_refused() {
    let mut repr =
        OrderDeleteRepr { stock_locate: 1, tracking_number: 0, timestamp_ns: (1 << 48) - 1, order_reference_number: 1 };
    let mut out = [0; OrderDeleteRepr::LENGTH];
    assert_eq!(repr.encode_into(&mut out), Ok(19));
    repr.timestamp_ns += 1;
    assert_eq!(repr.encode_into(&mut out), Err(Unencodable::Refused { field: "timestamp_ns" }));
}

#[test]
fn the_reader_gives_offsets_and_says_where_a_file_is_damaged() {
    let file = wire("0003 'abc' 0001 'd' 0002 'e'");
    let frames: Vec<_> = Reader::new(&file).collect();
    assert_eq!(frames[..2], [Ok((0, &b"abc"[..])), Ok((5, &b"d"[..]))]);
    assert_eq!(frames[2], Err(FrameError { offset: 8, what: "the file ends inside a message" }));
    assert_eq!(frames.len(), 3);

    let zero = wire("0001 'a' 0000 0001 'b'");
    let mut reader = Reader::new(&zero);
    assert_eq!(reader.next(), Some(Ok((0, &b"a"[..]))));
    let error = reader.next().unwrap().unwrap_err();
    assert_eq!((error.offset, error.what.contains("zero")), (3, true));
    assert_eq!(reader.next(), None);

    assert_eq!(Reader::new(&[]).count(), 0);
    let half = Reader::new(&[0]).next();
    assert_eq!(half, Some(Err(FrameError { offset: 0, what: "the file ends inside a length" })));
    assert_eq!(encode_frame(b"", &mut [0; 8]), None);
    assert_eq!(encode_frame(b"abc", &mut [0; 4]), None);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(message) = Message::parse(&bytes) {
            let _ = format!("{message:?}");
        }
    }

    /// The fields cover every byte, so any bytes of a known type come back as they were.
    #[test]
    fn every_byte_of_every_type_survives(index in 0..LENGTHS.len(), body in any::<[u8; 50]>()) {
        let (message_type, length) = LENGTHS[index];
        let mut bytes = body;
        bytes[0] = message_type;
        let repr = Message::parse(&bytes[..length]).unwrap().repr().unwrap();
        let mut out = [0; LENGTH_MAX];
        prop_assert_eq!(repr.encode_into(&mut out), Ok(length));
        prop_assert_eq!(&out[..length], &bytes[..length]);
    }

    #[test]
    fn frames_come_back_in_order_and_cuts_are_seen(
        messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..60), 0..20),
        cut in any::<proptest::sample::Index>(),
    ) {
        let mut file = Vec::new();
        for message in &messages {
            let mut frame = [0; 64];
            let length = encode_frame(message, &mut frame).unwrap();
            file.extend_from_slice(&frame[..length]);
        }
        let read: Vec<&[u8]> = Reader::new(&file).map(|frame| frame.unwrap().1).collect();
        prop_assert_eq!(&read, &messages);
        let cut = cut.index(file.len() + 1);
        let whole = Reader::new(&file[..cut]).filter(Result::is_ok).count();
        let bytes: usize = messages[..whole].iter().map(|message| 2 + message.len()).sum();
        let errors = Reader::new(&file[..cut]).filter(Result::is_err).count();
        prop_assert_eq!(errors, usize::from(bytes != cut));
    }

    #[test]
    fn the_reader_ends_on_any_bytes(bytes in proptest::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..300)) {
        let given: usize = Reader::new(&bytes).filter_map(Result::ok).map(|(_, message)| 2 + message.len()).sum();
        prop_assert!(given <= bytes.len());
    }
}
