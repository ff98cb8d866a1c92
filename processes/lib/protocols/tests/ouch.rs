//! OUCH 5.0 against vectors written by hand from the specification's tables.
#![forbid(unsafe_code)]

mod support;

use proptest::prelude::*;
use protocols::ouch::*;
use protocols::{Alpha, Malformed, Unencodable};
use support::wire;

/// Type, length to the end of AL, and whether AL may be absent, from the specification.
const INBOUND: [(u8, usize, bool); 8] = [
    (b'O', 47, false),
    (b'U', 40, false),
    (b'X', 11, true),
    (b'M', 12, false),
    (b'C', 19, false),
    (b'D', 11, false),
    (b'E', 11, false),
    (b'Q', 3, false),
];

/// The same for the other direction; `S` is apart, for it has no AL.
const OUTBOUND: [(u8, usize, bool); 16] = [
    (b'A', 64, false),
    (b'U', 68, false),
    (b'C', 20, true),
    (b'D', 34, true),
    (b'E', 36, false),
    (b'B', 38, true),
    (b'J', 31, true),
    (b'P', 15, true),
    (b'I', 15, true),
    (b'T', 32, true),
    (b'M', 20, true),
    (b'R', 16, false),
    (b'X', 27, false),
    (b'G', 19, false),
    (b'K', 19, false),
    (b'Q', 15, true),
];

const SYMBOL: Symbol = Alpha(*b"AAPL    ");
const CL_ORD_ID: ClOrdId = Alpha(*b"0ABCDEFGHIJKL ");
const FIRM: Firm = Alpha(*b"TICK");
/// What every outbound vector begins with: 09:30:00.000000001 as nanoseconds since midnight.
const OPEN_NS: u64 = 34_200_000_000_001;

/// Inbound vectors with an empty appendage, and what they mean.
#[rustfmt::skip]
fn inbound() -> Vec<(&'static str, InboundRepr)> {
    vec![
        ("'O' 00000001 'B' 00000064 'AAPL    ' 00000000001e8480 '0' 'Y' 'P' 'N' 'N' '0ABCDEFGHIJKL ' 0000",
            InboundRepr::EnterOrder(EnterOrderRepr { user_ref_num: 1, side: b'B', quantity: 100, symbol: SYMBOL,
                price: 2_000_000, time_in_force: b'0', display: b'Y', capacity: b'P', intermarket_sweep: b'N',
                cross_type: b'N', cl_ord_id: CL_ORD_ID })),
        ("'U' 00000001 00000002 000f423f 000000007735939c '3' 'N' 'Y' '0ABCDEFGHIJKL ' 0000",
            InboundRepr::ReplaceOrder(ReplaceOrderRepr { orig_user_ref_num: 1, user_ref_num: 2, quantity: 999_999,
                price: 1_999_999_900, time_in_force: b'3', display: b'N', intermarket_sweep: b'Y',
                cl_ord_id: CL_ORD_ID })),
        ("'X' fffffffe 00000000 0000",
            InboundRepr::CancelOrder(CancelOrderRepr { user_ref_num: u32::MAX - 1, quantity: 0 })),
        ("'M' 00000001 'T' 00000032 0000",
            InboundRepr::ModifyOrder(ModifyOrderRepr { user_ref_num: 1, side: b'T', quantity: 50 })),
        ("'C' 00000003 'TICK' 'AAPL    ' 0000",
            InboundRepr::MassCancel(MassCancelRepr { user_ref_num: 3, firm: FIRM, symbol: SYMBOL })),
        ("'D' 00000004 'TICK' 0000",
            InboundRepr::DisableOrderEntry(DisableOrderEntryRepr { user_ref_num: 4, firm: FIRM })),
        ("'E' 00000005 'TICK' 0000",
            InboundRepr::EnableOrderEntry(EnableOrderEntryRepr { user_ref_num: 5, firm: FIRM })),
        ("'Q' 0000", InboundRepr::AccountQuery(AccountQueryRepr {})),
    ]
}

/// Builds an outbound repr with the vectors' timestamp.
macro_rules! repr {
    ($variant:ident, $repr:ident { $($field:ident: $value:expr),* }) => {
        OutboundRepr::$variant($repr { timestamp_ns: OPEN_NS, $($field: $value),* })
    };
}

/// Outbound vectors after type and timestamp, with an empty appendage.
#[rustfmt::skip]
fn outbound() -> Vec<(&'static str, &'static str, OutboundRepr)> {
    vec![
        ("A", "00000001 'B' 00000064 'AAPL    ' 00000000001e8480 '0' 'Y' 0000000000000009 'P' 'N' 'O' 'L' '0ABCDEFGHIJKL ' 0000",
            repr!(OrderAccepted, OrderAcceptedRepr { user_ref_num: 1, side: b'B', quantity: 100, symbol: SYMBOL,
                price: 2_000_000, time_in_force: b'0', display: b'Y', order_reference_number: 9, capacity: b'P',
                intermarket_sweep: b'N', cross_type: b'O', order_state: b'L', cl_ord_id: CL_ORD_ID })),
        ("U", "00000001 00000002 'S' 00000063 'AAPL    ' 00000000001e8481 '3' 'N' 000000000000000a 'A' 'Y' 'N' 'D' '0ABCDEFGHIJKL ' 0000",
            repr!(OrderReplaced, OrderReplacedRepr { orig_user_ref_num: 1, user_ref_num: 2, side: b'S', quantity: 99,
                symbol: SYMBOL, price: 2_000_001, time_in_force: b'3', display: b'N', order_reference_number: 10,
                capacity: b'A', intermarket_sweep: b'Y', cross_type: b'N', order_state: b'D',
                cl_ord_id: CL_ORD_ID })),
        ("C", "00000001 00000032 'U' 0000",
            repr!(OrderCanceled, OrderCanceledRepr { user_ref_num: 1, decrement: 50, reason: b'U' })),
        ("D", "00000001 00000032 'Q' 00000031 00000000001e8480 'A' 'D' 0000",
            repr!(AiqCanceled, AiqCanceledRepr { user_ref_num: 1, decrement: 50, reason: b'Q',
                quantity_prevented: 49, execution_price: 2_000_000, liquidity_flag: b'A', aiq_strategy: b'D' })),
        ("E", "00000001 0000000a 00000000001e8480 'R' 0000000000000abc 0000",
            repr!(OrderExecuted, OrderExecutedRepr { user_ref_num: 1, quantity: 10, price: 2_000_000,
                liquidity_flag: b'R', match_number: 0xabc })),
        ("B", "00000001 0000000000000abc 'E' '0ABCDEFGHIJKL ' 0000",
            repr!(BrokenTrade, BrokenTradeRepr { user_ref_num: 1, match_number: 0xabc, reason: b'E',
                cl_ord_id: CL_ORD_ID })),
        ("J", "00000001 0102 '0ABCDEFGHIJKL ' 0000",
            repr!(OrderRejected, OrderRejectedRepr { user_ref_num: 1, reason: 0x0102, cl_ord_id: CL_ORD_ID })),
        ("P", "00000001 0000", repr!(CancelPending, CancelPendingRepr { user_ref_num: 1 })),
        ("I", "00000001 0000", repr!(CancelReject, CancelRejectRepr { user_ref_num: 1 })),
        ("T", "00000001 00000000001e8480 'Y' 000000000000000b 0000",
            repr!(OrderPriorityUpdate, OrderPriorityUpdateRepr { user_ref_num: 1, price: 2_000_000, display: b'Y',
                order_reference_number: 11 })),
        ("M", "00000001 'E' 00000032 0000",
            repr!(OrderModified, OrderModifiedRepr { user_ref_num: 1, side: b'E', quantity: 50 })),
        ("R", "00000001 'R' 0000", repr!(OrderRestated, OrderRestatedRepr { user_ref_num: 1, reason: b'R' })),
        ("X", "00000003 'TICK' 'AAPL    ' 0000",
            repr!(MassCancelResponse, MassCancelResponseRepr { user_ref_num: 3, firm: FIRM, symbol: SYMBOL })),
        ("G", "00000004 'TICK' 0000",
            repr!(DisableOrderEntryResponse, DisableOrderEntryResponseRepr { user_ref_num: 4, firm: FIRM })),
        ("K", "00000005 'TICK' 0000",
            repr!(EnableOrderEntryResponse, EnableOrderEntryResponseRepr { user_ref_num: 5, firm: FIRM })),
        ("Q", "00000006 0000",
            repr!(AccountQueryResponse, AccountQueryResponseRepr { next_user_ref_num: 6 })),
    ]
}

fn whole(message_type: &str, rest: &str) -> Vec<u8> {
    wire(&format!("'{message_type}' 00001f1aced9f001 {rest}"))
}

#[test]
fn every_inbound_type_reads_and_writes_its_vector() {
    assert_eq!(inbound().len(), INBOUND.len());
    for ((drawing, repr), (message_type, length, al_optional)) in inbound().into_iter().zip(INBOUND) {
        let bytes = wire(drawing);
        assert_eq!((bytes[0], bytes.len()), (message_type, length), "{drawing}");
        let parse = |bytes: &[u8]| Inbound::parse(bytes).map(|message| message.repr());
        assert_eq!(parse(&bytes), Ok(Some(repr)));
        let mut out = [0; 64];
        assert_eq!(repr.encode_into(&mut out), Ok(length));
        assert_eq!(out[..length], bytes);
        assert_eq!(repr.encode_into(&mut out[..length - 1]), Err(Unencodable::NoRoom { needed: length }));
        for cut in 0..length {
            let expected = if al_optional && cut == length - 2 { Some(Some(repr)) } else { None };
            assert_eq!(parse(&bytes[..cut]).ok(), expected, "{drawing} cut at {cut}");
        }
    }
}

#[test]
fn every_outbound_type_reads_and_writes_its_vector() {
    assert_eq!(outbound().len(), OUTBOUND.len());
    for ((name, rest, repr), (message_type, length, al_optional)) in outbound().into_iter().zip(OUTBOUND) {
        let bytes = whole(name, rest);
        assert_eq!((bytes[0], bytes.len()), (message_type, length), "{name}");
        let parse = |bytes: &[u8]| Outbound::parse(bytes).map(|message| message.repr());
        assert_eq!(parse(&bytes), Ok(Some(repr)));
        let mut out = [0; 80];
        assert_eq!(repr.encode_into(&mut out), Ok(length));
        assert_eq!(out[..length], bytes);
        assert_eq!(repr.encode_into(&mut out[..length - 1]), Err(Unencodable::NoRoom { needed: length }));
        for cut in 0..length {
            let expected = if al_optional && cut == length - 2 { Some(Some(repr)) } else { None };
            assert_eq!(parse(&bytes[..cut]).ok(), expected, "{name} cut at {cut}");
        }
    }
}

#[test]
fn the_system_event_has_no_appendage() {
    let bytes = whole("S", "'E'");
    assert_eq!(bytes.len(), 10);
    let repr = SystemEventRepr { timestamp_ns: OPEN_NS, event_code: b'E' };
    assert_eq!(Outbound::parse(&bytes).unwrap().repr(), Some(OutboundRepr::SystemEvent(repr)));
    let mut out = [0; 10];
    assert_eq!(repr.encode_into(&mut out), Ok(10));
    assert_eq!(out[..], bytes);
    assert!(Outbound::parse(&bytes[..9]).is_err());
}

#[test]
fn unknown_types_are_passed_on_and_empty_is_malformed() {
    assert_eq!(Inbound::parse(b"zz"), Ok(Inbound::Unknown(b'z', b"zz")));
    assert_eq!(Outbound::parse(b"z"), Ok(Outbound::Unknown(b'z', b"z")));
    assert_eq!(Inbound::parse(b""), Err(Malformed::Empty));
    assert_eq!((Inbound::TYPES.len(), Outbound::TYPES.len()), (8, 17));
    let least = |length: usize, al_optional: bool| Some(if al_optional { length - 2 } else { length });
    for (message_type, length, al_optional) in INBOUND {
        assert_eq!(Inbound::min_length(message_type), least(length, al_optional));
    }
    for (message_type, length, al_optional) in OUTBOUND {
        assert_eq!(Outbound::min_length(message_type), least(length, al_optional));
    }
}

#[test]
fn an_appendage_carries_typed_and_opaque_tags() {
    let InboundRepr::EnterOrder(order) = inbound()[0].1 else { unreachable!() };
    let tags = [
        TagValue::Firm(FIRM),
        TagValue::MinQty(100),
        TagValue::PostOnly(b'P'),
        TagValue::Opaque { tag: 7, value: &[0xFF, 0xFF, 0xFF, 0x9C] },
        TagValue::Opaque { tag: 29, value: &[] },
    ];
    let mut out = [0; 80];
    let length = order.encode_with(&tags, &mut out).unwrap();
    assert_eq!(out[45..length], wire("0017 05 02 'TICK' 05 03 00000064 02 0c 'P' 05 07 ffffff9c 01 1d"));
    let view = EnterOrder::new_checked(&out[..length]).unwrap();
    assert_eq!(view.repr(), order);
    assert_eq!(view.appendage().tag_values().collect::<Vec<_>>(), tags);
    assert_eq!(tags.map(|field| field.tag()), [2, 3, 12, 7, 29]);
    let appendage = view.appendage();
    assert_eq!((appendage.firm(), appendage.min_qty(), appendage.post_only()), (Some(FIRM), Some(100), Some(b'P')));
    for cut in 0..length {
        assert!(EnterOrder::new_checked(&out[..cut]).is_err(), "cut at {cut}");
    }
    for room in 0..length {
        assert_eq!(order.encode_with(&tags, &mut [0; 80][..room]), Err(Unencodable::NoRoom { needed: length }));
    }
}

#[test]
fn an_appendage_that_contradicts_itself_is_refused() {
    let cancel = |appendage: &str| wire(&format!("'X' 00000001 00000000 {appendage}"));
    for (appendage, why) in [
        ("00", "half of AL"),
        ("0001", "AL beyond the message"),
        ("0000 01", "bytes after the appendage"),
        ("0001 00", "a field without a tag"),
        ("0002 02 01", "a field longer than its appendage"),
        ("0005 04 02 'TIC'", "a firm of three letters"),
        ("0007 06 03 0000000064", "a minimum quantity of five bytes"),
        ("0002 01 0c", "post only without a value"),
    ] {
        assert!(CancelOrder::new_checked(&cancel(appendage)).is_err(), "{why}");
    }
    let order = CancelOrderRepr { user_ref_num: 1, quantity: 0 };
    let refused = Err(Unencodable::Refused { field: "appendage" });
    let mut out = vec![0; 70_000];
    assert_eq!(order.encode_with(&[TagValue::Opaque { tag: 2, value: b"TIC" }], &mut out), refused);
    assert_eq!(order.encode_with(&[TagValue::Opaque { tag: 99, value: &[0; 255] }], &mut out), refused);
    let longest = TagValue::Opaque { tag: 99, value: &[0; 254] };
    assert_eq!(order.encode_with(&[longest], &mut out), Ok(11 + 256));
    assert_eq!(order.encode_with(&[longest; 256], &mut out), refused, "AL has 16 bits");
}

#[test]
fn the_price_trap_and_impossible_quantities_are_refused() {
    let InboundRepr::EnterOrder(order) = inbound()[0].1 else { unreachable!() };
    let mut out = [0; 64];
    let price = |price: u64, out: &mut [u8]| EnterOrderRepr { price, ..order }.encode_into(out);
    assert_eq!(price(1_999_999_900, &mut out), Ok(47));
    for trap in [1_999_999_901, 2_000_000_000, u64::from(u32::MAX), 0x7FFF_FFFF, u64::MAX, i64::MAX as u64] {
        assert_eq!(price(trap, &mut out), Err(Unencodable::Refused { field: "price" }), "{trap}");
    }
    let quantity = |quantity: u32, out: &mut [u8]| EnterOrderRepr { quantity, ..order }.encode_into(out);
    assert_eq!((quantity(1, &mut out), quantity(999_999, &mut out)), (Ok(47), Ok(47)));
    for wrong in [0, 1_000_000, u32::MAX] {
        assert_eq!(quantity(wrong, &mut out), Err(Unencodable::Refused { field: "quantity" }), "{wrong}");
        let InboundRepr::ReplaceOrder(replace) = inbound()[1].1 else { unreachable!() };
        assert!(ReplaceOrderRepr { quantity: wrong, ..replace }.encode_into(&mut out).is_err());
        assert!(ModifyOrderRepr { user_ref_num: 1, side: b'S', quantity: wrong }.encode_into(&mut out).is_err());
    }
    let InboundRepr::ReplaceOrder(replace) = inbound()[1].1 else { unreachable!() };
    assert!(ReplaceOrderRepr { price: 2_000_000_000, ..replace }.encode_into(&mut out).is_err());
    assert!(CancelOrderRepr { user_ref_num: 1, quantity: 1_000_000 }.encode_into(&mut out).is_err());
}

/// Optional fields with owned values.
fn tags() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    let field = prop_oneof![
        Just(2_u8).prop_flat_map(|tag| (Just(tag), proptest::collection::vec(any::<u8>(), 4))),
        Just(3_u8).prop_flat_map(|tag| (Just(tag), proptest::collection::vec(any::<u8>(), 4))),
        Just(12_u8).prop_flat_map(|tag| (Just(tag), proptest::collection::vec(any::<u8>(), 1))),
        (13_u8.., proptest::collection::vec(any::<u8>(), 0..20)),
    ];
    proptest::collection::vec(field, 0..8)
}

/// Puts a quantity at `offset` into what an order may have.
fn tame_quantity(bytes: &mut [u8], offset: usize) {
    let quantity = u32::from_be_bytes(bytes[offset..offset + 4].try_into().unwrap()) % 999_999 + 1;
    bytes[offset..offset + 4].copy_from_slice(&quantity.to_be_bytes());
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..100)) {
        let _ = Inbound::parse(&bytes).map(|message| format!("{message:?}"));
        let _ = Outbound::parse(&bytes).map(|message| format!("{message:?}"));
    }

    /// Known types with a small random appendage, which arbitrary bytes hardly ever reach.
    #[test]
    fn arbitrary_appendages_never_panic(
        index in 0..INBOUND.len(),
        body in any::<[u8; 45]>(),
        rest in proptest::collection::vec(prop_oneof![4 => 0_u8..6, 1 => any::<u8>()], 0..30),
        honest in any::<bool>(),
    ) {
        let (message_type, length, _) = INBOUND[index];
        let mut bytes = body[..length - 2].to_vec();
        bytes[0] = message_type;
        if honest {
            bytes.extend_from_slice(&(rest.len() as u16).to_be_bytes());
        }
        bytes.extend_from_slice(&rest);
        if let Ok(Inbound::EnterOrder(view)) = Inbound::parse(&bytes) {
            let spelled: usize = view.appendage().tag_values().map(|field| match field {
                TagValue::Firm(_) | TagValue::MinQty(_) => 6,
                TagValue::PostOnly(_) => 3,
                TagValue::Opaque { value, .. } => 2 + value.len(),
            }).sum();
            prop_assert_eq!(47 + spelled, bytes.len(), "the fields cover the appendage");
        }
    }

    /// The fields cover every byte, so any bytes of a known type come back as they were.
    #[test]
    fn every_byte_of_every_outbound_type_survives(index in 0..OUTBOUND.len(), body in any::<[u8; 66]>()) {
        let (message_type, length, _) = OUTBOUND[index];
        let mut bytes = body[..length - 2].to_vec();
        bytes[0] = message_type;
        bytes.extend_from_slice(&[0, 0]);
        let repr = Outbound::parse(&bytes).unwrap().repr().unwrap();
        let mut out = [0; 80];
        prop_assert_eq!(repr.encode_into(&mut out), Ok(length));
        prop_assert_eq!(&out[..length], &bytes[..]);
    }

    #[test]
    fn every_byte_of_every_inbound_type_survives(index in 0..INBOUND.len(), body in any::<[u8; 45]>()) {
        let (message_type, length, _) = INBOUND[index];
        let mut bytes = body[..length - 2].to_vec();
        bytes[0] = message_type;
        bytes.extend_from_slice(&[0, 0]);
        match message_type {
            b'O' => {
                tame_quantity(&mut bytes, 6);
                bytes[18..23].fill(0);
            }
            b'U' => {
                tame_quantity(&mut bytes, 9);
                bytes[13..18].fill(0);
            }
            b'X' => tame_quantity(&mut bytes, 5),
            b'M' => tame_quantity(&mut bytes, 6),
            _ => {}
        }
        let repr = Inbound::parse(&bytes).unwrap().repr().unwrap();
        let mut out = [0; 64];
        prop_assert_eq!(repr.encode_into(&mut out), Ok(length));
        prop_assert_eq!(&out[..length], &bytes[..]);
    }

    /// The encoder writes exactly the orders that the venue reads as limit orders.
    #[test]
    fn the_encoder_refuses_exactly_what_is_no_limit_order(
        price in prop_oneof![0..4_000_000_000_u64, any::<u64>()],
        quantity in prop_oneof![0..2_000_000_u32, any::<u32>()],
    ) {
        let InboundRepr::EnterOrder(order) = inbound()[0].1 else { unreachable!() };
        let fine = price <= 1_999_999_900 && (1..1_000_000).contains(&quantity);
        let written = EnterOrderRepr { price, quantity, ..order }.encode_into(&mut [0; 64]);
        prop_assert_eq!(written.is_ok(), fine);
    }

    #[test]
    fn appendages_come_back(tags in tags()) {
        let fields: Vec<TagValue<'_>> = tags.iter().map(|(tag, value)| match (tag, value.as_slice()) {
            (2, [a, b, c, d]) => TagValue::Firm(Alpha([*a, *b, *c, *d])),
            (3, [a, b, c, d]) => TagValue::MinQty(u32::from_be_bytes([*a, *b, *c, *d])),
            (12, [code]) => TagValue::PostOnly(*code),
            (tag, value) => TagValue::Opaque { tag: *tag, value },
        }).collect();
        let cancel = CancelOrderRepr { user_ref_num: 1, quantity: 0 };
        let mut out = [0; 256];
        let length = cancel.encode_with(&fields, &mut out).unwrap();
        let mut expected = wire("'X' 00000001 00000000");
        let al: usize = tags.iter().map(|(_, value)| 2 + value.len()).sum();
        expected.extend_from_slice(&(al as u16).to_be_bytes());
        for (tag, value) in &tags {
            expected.push(value.len() as u8 + 1);
            expected.push(*tag);
            expected.extend_from_slice(value);
        }
        prop_assert_eq!(&out[..length], &expected[..]);
        let view = CancelOrder::new_checked(&out[..length]).unwrap();
        prop_assert_eq!(view.appendage().tag_values().collect::<Vec<_>>(), fields);
    }
}
