//! Each control alone: an order that passes, and the same order with one thing wrong.

mod world;

use machine::Machine;
use risk::machine::{Input, RingStart, Risk};
use shm_layout::message::BadMessage;
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::message::order::*;
use shm_layout::message::step::Reference;
use shm_layout::types::*;
use world::{CENT, ONE, ask, config, fresh, header, instruments, limit_row, new_order, reference, settings};

const NOW: Nanos = Nanos(1_000_000_000_000);

/// Risk with a reference of 99.99 / 100.01 in every instrument.
fn ready() -> Risk {
    let mut risk = fresh(settings(), NOW);
    for instrument in 0..3 {
        tell(&mut risk, NOW, Input::Reference(reference(instrument, 9_999 * CENT, 10_001 * CENT, NOW)));
    }
    risk
}

fn tell(risk: &mut Risk, now: Nanos, input: Input) {
    risk.on_input(now, &input, &mut |_| panic!("not an intent"));
}

/// Buys 10 AAAA at 100 after `change` to the market.
fn verdict_after(change: impl FnOnce(&mut Risk), request: OrderRequest) -> RejectReason {
    let mut risk = ready();
    change(&mut risk);
    ask(&mut risk, NOW, 1, request).unwrap().header().reject_reason()
}

fn buy() -> OrderRequest {
    new_order(0, 1, 0, Side::Buy, 10 * ONE, 100 * ONE)
}

fn buy_at(qty: i64, price: i64) -> OrderRequest {
    new_order(0, 1, 0, Side::Buy, qty, price)
}

fn cancel(counter: u32, orig: ClOrdId) -> OrderRequest {
    OrderRequest::OrderCancelRequest(OrderCancelRequest {
        header: header(OrderKind::OrderCancelRequest, 0, counter, 0, Side::Buy),
        orig_cl_ord_id: orig,
        ..OrderCancelRequest::default()
    })
}

#[test]
fn an_order_within_every_limit_carries_its_token_and_the_inputs_of_its_verdict() {
    let mut risk = ready();
    let mut request = buy();
    request.header_mut().receive_ns = Nanos(NOW.0 - 700);
    let Some(OrderRequest::NewOrderSingle(order)) = ask(&mut risk, NOW, 41, request) else { panic!("an order") };
    let header = order.header;
    assert_eq!(header.reject_reason(), RejectReason::None);
    assert_eq!((header.limit_version, header.risk_epoch, header.risk_sequence), (7, 5, 1));
    assert_eq!((header.exposure_before, header.risk_delta_ns), (Qty(0), 700));
    assert_eq!((order.reference_price, order.intent_sequence), (Price(100 * ONE), 41));
    assert_eq!(OrderRequest::decode(&OrderRequest::NewOrderSingle(order).encode()).map(|r| *r.header()), Ok(header));
    let second = ask(&mut risk, NOW, 42, new_order(0, 2, 0, Side::Buy, 5 * ONE, 100 * ONE)).unwrap();
    assert_eq!((second.header().risk_sequence, second.header().exposure_before), (2, Qty(10 * ONE)));
    let third = ask(&mut risk, NOW, 43, new_order(0, 3, 0, Side::Sell, 5 * ONE, 100 * ONE)).unwrap();
    assert_eq!((third.header().risk_sequence, third.header().exposure_before), (3, Qty(0)));
}

#[test]
fn each_control_refuses_with_its_own_reason() {
    use RejectReason::*;
    let none = |_: &mut Risk| {};
    let expected: [(OrderRequest, RejectReason); 15] = [
        (new_order(0, 1, 2, Side::Buy, 10 * ONE, 100 * ONE), LimitMissing),
        (new_order(0, 1, 77, Side::Buy, 10 * ONE, 100 * ONE), LimitMissing),
        (new_order(0, 1, 1, Side::Buy, 10 * ONE, 100 * ONE), NotPermitted),
        // The collar is 5 % of the mid: 95.00 to 105.00, both included.
        (buy_at(10 * ONE, 9_500 * CENT), None),
        (buy_at(10 * ONE, 9_499 * CENT), PriceCollar),
        (buy_at(10 * ONE, 10_500 * CENT), None),
        (buy_at(10 * ONE, 10_501 * CENT), PriceCollar),
        (buy_at(10 * ONE, 100 * ONE + 1), TickSize),
        (buy_at(10 * ONE + ONE / 2, 100 * ONE), LotSize),
        (buy_at(0, 100 * ONE), LotSize),
        (buy_at(-ONE, 100 * ONE), LotSize),
        (buy_at(51 * ONE, 100 * ONE), OrderQty),
        // 45 × 100 is the limit of 4,500.
        (buy_at(45 * ONE, 100 * ONE), None),
        (buy_at(45 * ONE, 100 * ONE + CENT), OrderNotional),
        (buy_at(i64::MAX, i64::MAX), PriceCollar),
    ];
    for (request, reason) in expected {
        assert_eq!(verdict_after(none, request), reason, "{request:?}");
    }
    let mut market = buy();
    market.header_mut().ord_type = OrdType::Market as u8;
    assert_eq!(verdict_after(none, market), Malformed);
    let mut elsewhere = buy();
    elsewhere.header_mut().venue_id = 3;
    assert_eq!(verdict_after(none, elsewhere), Malformed);
}

#[test]
fn the_market_must_trade_be_trusted_fresh_and_priced() {
    use RejectReason::{MarketState, None, ReferenceMissing, StaleMarketData};
    let good = reference(0, 9_999 * CENT, 10_001 * CENT, NOW);
    let status = |trading_status| Reference { trading_status, ..good };
    let validity = |validity| Reference { validity, ..good };
    let stale_ns = world::STALE_MS * 1_000_000;
    for (told, reason) in [
        (good, None),
        (status(TradingStatus::Unknown), MarketState),
        (status(TradingStatus::Halted), MarketState),
        (status(TradingStatus::Paused), MarketState),
        (status(TradingStatus::QuotationOnly), MarketState),
        (validity(BookValidity::Unknown), StaleMarketData),
        (validity(BookValidity::Recovering), StaleMarketData),
        (validity(BookValidity::Untrusted), StaleMarketData),
        (Reference { receive_ns: Nanos(NOW.0 - stale_ns), ..good }, None),
        (Reference { receive_ns: Nanos(NOW.0 - stale_ns - 1), ..good }, StaleMarketData),
        (Reference { bid: Price(0), ..good }, ReferenceMissing),
        (Reference { ask: Price(0), ..good }, ReferenceMissing),
        (Reference { bid: good.ask, ..good }, ReferenceMissing),
    ] {
        assert_eq!(verdict_after(|risk| tell(risk, NOW, Input::Reference(told)), buy()), reason, "{told:?}");
    }
    let mut unpriced = fresh(settings(), NOW);
    let refused = ask(&mut unpriced, NOW, 1, buy()).unwrap();
    assert_eq!(refused.header().reject_reason(), MarketState, "nothing was heard of the instrument yet");
}

#[test]
fn the_worst_case_position_is_limited_on_each_side() {
    let mut risk = ready();
    let mut counter = 0;
    let mut verdict = |side, qty| {
        counter += 1;
        let request = new_order(0, counter, 0, side, qty, 100 * ONE);
        ask(&mut risk, NOW.plus(u64::from(counter) * 700_000), u64::from(counter), request)
            .unwrap()
            .header()
            .reject_reason()
    };
    assert_eq!(verdict(Side::Buy, 45 * ONE), RejectReason::None);
    assert_eq!(verdict(Side::Buy, 45 * ONE), RejectReason::None);
    assert_eq!(verdict(Side::Buy, 11 * ONE), RejectReason::PositionLimit);
    assert_eq!(verdict(Side::Sell, 45 * ONE), RejectReason::None, "open buys do not help or hurt a sale");
    assert_eq!(verdict(Side::Buy, 10 * ONE), RejectReason::StaleMarketData, "the reference is 3.5 ms old by now");
}

#[test]
fn nothing_but_another_owner_blocks_a_cancel() {
    let mut risk = fresh(settings(), NOW);
    tell(&mut risk, NOW, Input::Kill { generation_sum: 1 });
    let disarm = Control { kind: ControlKind::Disarm as u8, ..Control::default() };
    tell(&mut risk, NOW, Input::Control(disarm));
    let own = ClOrdId::new(0, 1, 0, 1).unwrap();
    // Killed, disarmed, no reference, no such order, and a thousand at once: each one passes.
    for counter in 1..=1000_u32 {
        let passed = ask(&mut risk, NOW, u64::from(counter), cancel(counter, own)).unwrap();
        assert_eq!(passed.header().reject_reason(), RejectReason::None);
        assert_eq!(passed.header().risk_sequence, u64::from(counter));
        assert!(OrderRequest::decode(&passed.encode()).is_ok(), "reserved bytes stay zero");
    }
    let other = ClOrdId::new(0, 1, 1, 1).unwrap();
    let refused = ask(&mut risk, NOW, 1001, cancel(1001, other)).unwrap();
    assert_eq!(refused.header().reject_reason(), RejectReason::UnknownOrder);
    // All of those cancels took tokens: an order has to wait.
    tell(&mut risk, NOW, Input::Kill { generation_sum: 0 });
    tell(&mut risk, NOW, Input::Control(Control { kind: ControlKind::Arm as u8, ..Control::default() }));
    tell(&mut risk, NOW, Input::Reference(reference(0, 9_999 * CENT, 10_001 * CENT, NOW)));
    let order = ask(&mut risk, NOW, 1002, new_order(0, 1002, 0, Side::Buy, ONE, 100 * ONE)).unwrap();
    assert_eq!(order.header().reject_reason(), RejectReason::Throttle);
}

#[test]
fn a_killed_or_disarmed_strategy_opens_nothing() {
    let kill = |risk: &mut Risk| tell(risk, NOW, Input::Kill { generation_sum: 3 });
    assert_eq!(verdict_after(kill, buy()), RejectReason::Killed);
    let control = |kind, index| {
        move |risk: &mut Risk| {
            let role = Role::Strategy as u8;
            tell(risk, NOW, Input::Control(Control { kind: kind as u8, role, index, epoch: 2, ..Control::default() }));
        }
    };
    assert_eq!(verdict_after(control(ControlKind::Disarm, 0), buy()), RejectReason::NotPermitted);
    assert_eq!(verdict_after(control(ControlKind::Disarm, 1), buy()), RejectReason::None);
    // The strategy restarted with epoch 2; this order is of epoch 1.
    assert_eq!(verdict_after(control(ControlKind::Epoch, 0), buy()), RejectReason::StaleIntent);
    assert_eq!(verdict_after(control(ControlKind::Epoch, 1), buy()), RejectReason::None);
}

#[test]
fn a_restarted_risk_forwards_no_old_intent() {
    let rings = [RingStart { resume_after: 10, fence: 12 }, RingStart::default()];
    let mut risk = Risk::restore(settings(), Risk::orders_state(&settings()), 6, &rings, NOW);
    let later = NOW.plus(1_000_000_000);
    tell(&mut risk, later, Input::Reference(reference(0, 9_999 * CENT, 10_001 * CENT, later)));
    assert_eq!(ask(&mut risk, later, 10, buy()), None, "forwarded before: the gateway has it");
    for (sequence, reason) in
        [(11, RejectReason::StaleIntent), (12, RejectReason::StaleIntent), (13, RejectReason::None)]
    {
        let request = new_order(0, sequence as u32, 0, Side::Buy, ONE, 100 * ONE);
        assert_eq!(ask(&mut risk, later, sequence, request).unwrap().header().reject_reason(), reason);
    }
    assert_eq!(risk.counters().already_forwarded, 1);
    assert_eq!(risk.counters().rejected_for(RejectReason::StaleIntent), 2);
}

#[test]
fn a_restarted_risk_starts_without_tokens() {
    let mut risk = Risk::restore(settings(), Risk::orders_state(&settings()), 6, &[RingStart::default(); 2], NOW);
    tell(&mut risk, NOW, Input::Reference(reference(0, 9_999 * CENT, 10_001 * CENT, NOW)));
    assert_eq!(ask(&mut risk, NOW, 1, buy()).unwrap().header().reject_reason(), RejectReason::Throttle);
}

#[test]
fn what_cannot_be_answered_is_dropped_and_counted() {
    let mut risk = ready();
    let other = new_order(1, 1, 0, Side::Buy, ONE, 100 * ONE);
    let mut mixed = buy();
    mixed.header_mut().strategy_id = 1;
    for request in [Err(BadMessage::Kind(9)), Ok(other), Ok(mixed)] {
        tell(&mut risk, NOW, Input::Intent { strategy: 0, sequence: 1, request });
    }
    tell(&mut risk, NOW, Input::Intent { strategy: 200, sequence: 1, request: Ok(buy()) });
    assert!(ask(&mut risk, NOW, 1, buy()).is_some());
    assert_eq!(ask(&mut risk, NOW, 2, buy()), None, "its id does not grow");
    assert_eq!((risk.counters().malformed, risk.counters().misidentified), (1, 4));
    assert_eq!(risk.risk_sequence(), 1);
}

#[test]
fn the_host_file_is_read_strictly() {
    let text = r#"
        lease_ms = 100
        channel_stale_ms = 3000
        [[limits]]
        strategy = 0
        symbol = "*"
        order_qty_max = "1000"
        order_notional_max = "1000000"
        position_max = "2000"
        price_collar_pct = "2.5"
        messages_per_second = 2000
        burst = 200
        [[restrictions]]
        symbol = "CCCC"
    "#;
    let parsed: risk::config::RiskConfig = toml::from_str(text).unwrap();
    let settings = parsed.resolve(&instruments(), 2, 1).unwrap();
    assert_eq!((settings.limit_version, settings.channel_stale_ns), (1, 3_000_000_000));
    let limit = settings.limit(0, 1);
    assert_eq!((limit.order_qty_max, limit.position_max, limit.collar), (Qty(1000 * ONE), Qty(2000 * ONE), 2_500_000));
    assert_eq!(limit.order_notional_max, Notional::of(Price(1_000_000 * ONE), Qty(ONE)));
    assert_eq!(settings.limit(0, 2).blocked.reason(), RejectReason::NotPermitted);
    assert_eq!(settings.limit(1, 0).blocked.reason(), RejectReason::LimitMissing);
    assert_eq!(settings.throttles[0].interval_ns, 500_000);
    assert!(toml::from_str::<risk::config::RiskConfig>(&text.replace("burst", "brust")).is_err());
    for (from, to, says) in [
        ("\"1000\"", "\"1e3\"", "order_qty_max"),
        ("\"2000\"", "\"0\"", "position_max"),
        ("\"2.5\"", "\"101\"", "price_collar_pct"),
        ("symbol = \"*\"", "symbol = \"ZZZZ\"", "ZZZZ"),
        ("strategy = 0", "strategy = 2", "strategy 2"),
        ("burst = 200", "burst = 0", "burst"),
    ] {
        let wrong: risk::config::RiskConfig = toml::from_str(&text.replace(from, to)).unwrap();
        let error = wrong.resolve(&instruments(), 2, 1).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn a_named_symbol_stands_before_every_symbol_in_any_order() {
    let mut everywhere = limit_row(0, "*");
    everywhere.position_max = "7".to_owned();
    for rows in [vec![everywhere.clone(), limit_row(0, "AAAA")], vec![limit_row(0, "AAAA"), everywhere.clone()]] {
        let settings = risk::config::RiskConfig { limits: rows, ..config() }.resolve(&instruments(), 2, 1).unwrap();
        assert_eq!(settings.limit(0, 0).position_max, Qty(100 * ONE));
        assert_eq!(settings.limit(0, 2).position_max, Qty(7 * ONE));
    }
    let twice = risk::config::RiskConfig { limits: vec![everywhere.clone(), everywhere], ..config() };
    assert!(twice.resolve(&instruments(), 2, 1).is_err());
}
