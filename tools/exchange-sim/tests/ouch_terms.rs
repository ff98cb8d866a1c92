//! What quantities mean over a replace chain, and requests at the edge of their terms.

mod common;

use common::{Desk, cancel, enter, replace, replies, unsequenced, venue};
use exchange_sim::account::OrderState;
use exchange_sim::instrument::seeded_instruments;
use exchange_sim::venue::{Input, MarketKind};
use proptest::prelude::*;
use protocols::Alpha;
use protocols::itch::{AddOrderRepr, Repr, TradeRepr};
use protocols::ouch::{EnterOrderRepr, InboundRepr, ModifyOrderRepr, Outbound, OutboundRepr, TagValue};

const PRICE: u64 = 1_000_000;

fn quiet() -> Desk {
    Desk::open(venue(MarketKind::File, seeded_instruments(1)))
}

fn file_message(desk: &mut Desk, repr: Repr) -> Vec<OutboundRepr> {
    let mut bytes = [0; 64];
    let length = repr.encode_into(&mut bytes).unwrap();
    replies(&desk.step(Input::FileMessage(&bytes[..length])))
}

/// The file trades some shares below our buy at [`PRICE`].
fn trade_below(desk: &mut Desk, shares: u32) -> Vec<OutboundRepr> {
    let (stock_locate, tracking_number, timestamp_ns) = (1, 0, 0);
    let (order_reference_number, side, match_number) = (0, b'B', 1);
    let (stock, price) = (Alpha(*b"ALFA    "), PRICE as u32 - 100);
    file_message(
        desk,
        Repr::Trade(TradeRepr {
            stock_locate,
            tracking_number,
            timestamp_ns,
            order_reference_number,
            side,
            shares,
            stock,
            price,
            match_number,
        }),
    )
}

#[test]
fn a_chain_of_500_with_100_executed_that_is_replaced_by_600_leaves_500_open() {
    let mut desk = quiet();
    desk.request(&enter(1, b'B', 500, "ALFA", PRICE, b'0'));
    trade_below(&mut desk, 100);
    let reply = desk.request(&replace(1, 2, 600, PRICE));
    assert!(matches!(reply[..], [OutboundRepr::OrderReplaced(u)] if u.quantity == 500), "{reply:?}");
    trade_below(&mut desk, 50);
    // A cancel names the new total of the chain: 150 are executed, so 400 leaves 250.
    let reply = desk.request(&cancel(2, 400));
    assert!(matches!(reply[..], [OutboundRepr::OrderCanceled(c)] if c.decrement == 200), "{reply:?}");
    assert_eq!(desk.venue.account().order(2).unwrap().open, 250);
    assert!(desk.request(&cancel(2, 400)).is_empty(), "a cancel to the same total changes nothing");
    let reply = desk.request(&cancel(2, 120));
    assert!(matches!(reply[..], [OutboundRepr::OrderCanceled(c)] if c.decrement == 250), "{reply:?}");
    let order = desk.venue.account().order(2).unwrap();
    assert_eq!((order.state, order.executed_before, order.executed), (OrderState::Canceled, 100, 50));
}

#[test]
fn a_replacement_of_no_more_than_the_executed_or_with_invalid_terms_cancels_and_leaves_its_number_unused() {
    for bad in [replace(1, 2, 100, PRICE), replace(1, 2, 600, PRICE + 1)] {
        let mut desk = quiet();
        desk.request(&enter(1, b'B', 500, "ALFA", PRICE, b'0'));
        trade_below(&mut desk, 100);
        let reply = desk.request(&bad);
        assert!(
            matches!(reply[..], [OutboundRepr::OrderCanceled(c)] if (c.user_ref_num, c.decrement) == (1, 400)),
            "{reply:?}"
        );
        assert!(desk.request(&replace(1, 2, 600, PRICE)).is_empty(), "the order is gone");
        let reply = desk.request(&enter(2, b'B', 100, "ALFA", PRICE, b'0'));
        assert!(matches!(reply[..], [OutboundRepr::OrderAccepted(_)]), "{reply:?}");
    }
}

#[test]
fn a_post_only_order_that_would_take_is_dead_on_arrival() {
    let mut desk = quiet();
    let (stock_locate, tracking_number, timestamp_ns) = (1, 0, 0);
    let stock = Alpha(*b"ALFA    ");
    let (order_reference_number, side, shares, price) = (9, b'S', 100, PRICE as u32);
    file_message(
        &mut desk,
        Repr::AddOrder(AddOrderRepr {
            stock_locate,
            tracking_number,
            timestamp_ns,
            order_reference_number,
            side,
            shares,
            stock,
            price,
        }),
    );
    let mut post_only = |user_ref_num, price| {
        let InboundRepr::EnterOrder(repr) = enter(user_ref_num, b'B', 100, "ALFA", price, b'0') else { unreachable!() };
        let mut bytes = vec![0; 3];
        bytes.resize(130, 0);
        let length = EnterOrderRepr::encode_with(&repr, &[TagValue::PostOnly(b'P')], &mut bytes[3..]).unwrap();
        bytes[..2].copy_from_slice(&(length as u16 + 1).to_be_bytes());
        bytes[2] = b'U';
        let reply = replies(&desk.step(Input::Received(1, &bytes[..length + 3])));
        let [OutboundRepr::OrderAccepted(a)] = reply[..] else { panic!("{reply:?}") };
        a.order_state
    };
    assert_eq!(post_only(1, PRICE), b'D');
    assert_eq!(post_only(2, PRICE - 100), b'L');
    assert_eq!(desk.venue.account().order(1).unwrap().state, OrderState::Canceled);
}

#[test]
fn a_modification_shrinks_and_changes_only_between_kinds_of_sale() {
    let mut desk = quiet();
    desk.request(&enter(1, b'S', 500, "ALFA", PRICE, b'0'));
    let modify = |side, quantity| InboundRepr::ModifyOrder(ModifyOrderRepr { user_ref_num: 1, side, quantity });
    let reply = desk.request(&modify(b'T', 300));
    assert!(matches!(reply[..], [OutboundRepr::OrderModified(m)] if (m.side, m.quantity) == (b'T', 300)), "{reply:?}");
    assert!(desk.request(&modify(b'B', 300)).is_empty());
    let reply = desk.request(&modify(b'E', 900));
    assert!(matches!(reply[..], [OutboundRepr::OrderModified(m)] if m.quantity == 300), "never larger: {reply:?}");
}

#[test]
fn quantities_beyond_the_protocol_are_rejected() {
    // The encoder refuses such an order, so its bytes are made by hand.
    for (offset, bytes) in
        [(6, 0_u64.to_be_bytes()), (6, (1_000_000_u64 << 32).to_be_bytes()), (18, u64::MAX.to_be_bytes())]
    {
        let mut desk = quiet();
        let mut frame = unsequenced(&enter(1, b'B', 100, "ALFA", PRICE, b'0'));
        let width = if offset == 6 { 4 } else { 8 };
        frame[3 + offset..3 + offset + width].copy_from_slice(&bytes[..width]);
        let reply = replies(&desk.step(Input::Received(1, &frame)));
        assert!(matches!(reply[..], [OutboundRepr::OrderRejected(_)]), "{reply:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    /// Requests of the right shape with any contents, and some of the wrong shape: every reply is whole OUCH, and the
    /// venue goes on.
    #[test]
    fn random_requests_never_stop_the_venue(
        requests in prop::collection::vec((0..9_usize, 0..30_u32, any::<[u8; 60]>(), any::<bool>(), 0..20_u8), 1..60),
    ) {
        // Type and whole length, the appendage's length included.
        const SHAPES: [(u8, usize); 9] =
            [(b'O', 47), (b'U', 40), (b'X', 11), (b'M', 12), (b'C', 19), (b'D', 11), (b'E', 11), (b'Q', 3), (b'?', 9)];
        let mut desk = quiet();
        for (kind, user_ref_num, noise, is_sane, cut) in requests {
            let (message_type, length) = SHAPES[kind];
            let mut message = [&[message_type][..], &noise[..length - 1]].concat();
            message[length - 2..].fill(0);
            if length > 5 {
                message[1..5].copy_from_slice(&user_ref_num.to_be_bytes());
            }
            if message_type == b'O' && is_sane {
                message[5] = b"BS"[usize::from(noise[0] % 2)];
                message[6..10].copy_from_slice(&u32::from(noise[1]).to_be_bytes());
                message[10..18].copy_from_slice(b"ALFA    ");
                message[18..26].copy_from_slice(&(PRICE + 100 * u64::from(noise[2] % 4)).to_be_bytes());
                message[26..31].copy_from_slice(b"0YPNN");
            }
            // One in twenty is cut short.
            message.truncate(if cut == 0 { length / 2 } else { length });
            let frame = [&(message.len() as u16 + 1).to_be_bytes()[..], b"U", &message].concat();
            for (_, sent) in desk.step(Input::Received(1, &frame)) {
                for (_, payload) in common::packets(&sent) {
                    prop_assert!(Outbound::parse(&payload).is_ok());
                }
            }
        }
        prop_assert!(desk.out.close.is_empty());
        for order in desk.venue.account().orders().filter(|order| order.state != OrderState::Rejected) {
            let done = order.executed_before + order.executed + order.canceled + order.open;
            prop_assert!(done == order.qty || order.state == OrderState::Replaced, "{:?}", order);
        }
    }
}
