//! What the strategy does, told only through its machine's inputs.

mod market;

use machine::{Machine, Stepper};
use market::{CENT, MS, Market, ONE, START, SYMBOLS, settings, table};
use proptest::prelude::*;
use shm_layout::message::control::ControlKind;
use shm_layout::message::market_data::{MarketData, MarketDataKind, StatusChange};
use shm_layout::message::order::{OrderKind, OrderRequest};
use shm_layout::types::*;
use strategy::config::StrategyConfig;
use strategy::machine::{Input, Output, StrategyMachine};

/// A pseudo-random sequence (Lehmer, Park and Miller 1988): the same in every run.
struct Lehmer(u64);

impl Lehmer {
    fn below(&mut self, bound: u64) -> i64 {
        self.0 = self.0 * 48_271 % 2_147_483_647;
        (self.0 % bound) as i64
    }
}

/// Lets the mids wander around 100.00 with a pull back to it, every 2 ms, for `seconds`.
fn wander(market: &mut Market, seconds: u64, each: impl FnMut(&Market)) {
    wander_every(market, seconds, 4, each);
}

/// The same, where a mid moves once in `pause` steps of 2 ms.
fn wander_every(market: &mut Market, seconds: u64, pause: u64, mut each: impl FnMut(&Market)) {
    let mut random = Lehmer(20_240_607);
    let mut offsets = [0_i64; SYMBOLS.len()];
    for _ in 0..seconds * 500 {
        for (instrument, offset) in offsets.iter_mut().enumerate() {
            if random.below(pause) == 0 {
                *offset += random.below(3) - 1 - (*offset * 2 / 15).clamp(-1, 1) * i64::from(random.below(3) == 0);
                let mid = 100 * ONE + *offset * CENT;
                market.quote(instrument, mid - CENT, mid + CENT);
            }
        }
        market.settle();
        market.match_orders();
        market.settle();
        market.advance(2 * MS);
        each(market);
    }
}

/// Fills the window with a mid that alternates by a cent, then moves the mid of instrument 0 by `cents`.
fn stretched(market: &mut Market, cents: i64) {
    for sample in 0..40 {
        let mid = 100 * ONE + (sample % 2) * 2 * CENT;
        market.quote(0, mid - CENT, mid + CENT);
        market.settle();
        market.advance(20 * MS);
    }
    market.outputs.clear();
    let mid = 100 * ONE + cents * CENT;
    market.quote(0, mid - CENT, mid + CENT);
}

fn intents(market: &Market) -> Vec<OrderRequest> {
    let request = |output: &Output| match output {
        Output::Intent { request, .. } => Some(*request),
        Output::Reload => None,
    };
    market.outputs.iter().filter_map(request).collect()
}

/// A market that does not alternate in its warm-up: armed only once the window is full.
fn warmed(cents: i64) -> Market {
    let mut market = Market::new(settings());
    market.timers();
    market.references();
    stretched(&mut market, 0);
    market.control(ControlKind::Arm);
    market.settle();
    market.outputs.clear();
    let mid = 100 * ONE + cents * CENT;
    market.quote(0, mid - CENT, mid + CENT);
    market
}

#[test]
fn disarmed_it_sends_nothing() {
    let mut market = Market::new(settings());
    market.timers();
    market.references();
    wander(&mut market, 2, |_| {});
    assert_eq!(intents(&market), []);
}

#[test]
fn it_is_lively_and_stays_within_its_limits() {
    let mut market = Market::armed(settings());
    let position_max = settings().parameters.position_max.0;
    wander(&mut market, 30, |market| market.assert_within_limits(position_max));
    let counters = *market.machine().counters();
    let sent = counters.orders + counters.replaces + counters.cancels;
    assert!((50 * 30..=400 * 30).contains(&sent), "{counters:?}");
    assert!(counters.fills >= 300, "{counters:?}");
    assert!(counters.replaces >= 100 && counters.cancels >= 100, "{counters:?}");
    assert_eq!((market.machine().void(), counters.rejects), (None, 0));
}

/// A market whose mids move some twenty times a second.
#[test]
fn a_slow_market_is_traded_too() {
    let mut market = Market::armed(settings());
    wander_every(&mut market, 30, 25, |_| {});
    let counters = *market.machine().counters();
    assert!(counters.orders + counters.replaces + counters.cancels >= 50 * 30, "{counters:?}");
    assert!(counters.fills >= 300, "{counters:?}");
}

#[test]
fn far_from_the_mean_it_trades_towards_it() {
    // The window's samples are 100.00 and 100.02: mean 100.01, deviation one cent.
    for (cents, side) in [(6, Side::Sell), (-6, Side::Buy)] {
        let market = warmed(cents);
        let sent = intents(&market);
        let [OrderRequest::NewOrderSingle(order)] = sent[..] else { panic!("{sent:?}") };
        let mid = 100 * ONE + cents * CENT;
        // Six deviations: it crosses the spread.
        let price = if side == Side::Sell { mid - CENT } else { mid + CENT };
        assert_eq!((order.header.side(), order.price, order.order_qty), (side, Price(price), Qty(10 * ONE)));
        assert_eq!((order.header.feed_delta_ns, order.header.strategy_delta_ns), (700, 1500));
        assert_ne!(order.header.cause_sequence, 0);
    }
}

#[test]
fn an_order_that_nothing_comes_of_is_cancelled_in_time() {
    let mut market = warmed(6);
    market.settle();
    market.outputs.clear();
    market.advance(settings().parameters.order_timeout_ns - 1);
    let early = intents(&market);
    market.advance(1);
    let sent = intents(&market);
    assert_eq!(early, []);
    let [OrderRequest::OrderCancelRequest(cancel)] = sent[..] else { panic!("{sent:?}") };
    assert_eq!((cancel.header.receive_ns, cancel.header.cause_sequence), (Nanos(0), 0), "a timer caused it");
    assert_eq!(cancel.orig_cl_ord_id, market.orders[0].order.cl_ord_id);
    market.settle();
    assert_eq!(market.orders[0].leaves, 0);
}

#[test]
fn a_moved_touch_is_followed_by_a_replace() {
    let mut market = warmed(6);
    market.settle();
    market.outputs.clear();
    let mid = 100 * ONE + 8 * CENT;
    market.quote(0, mid - CENT, mid + CENT);
    assert_eq!(intents(&market), [], "not before reprice_ms");
    market.advance(settings().parameters.reprice_ns);
    let sent = intents(&market);
    let [OrderRequest::OrderCancelReplaceRequest(replace)] = sent[..] else { panic!("{sent:?}") };
    assert_eq!((replace.price, replace.order_qty), (Price(mid - CENT), Qty(10 * ONE)));
}

#[test]
fn an_untrusted_or_halted_book_is_left_alone() {
    let bad = [
        (BookValidity::Untrusted, TradingStatus::Trading),
        (BookValidity::Recovering, TradingStatus::Trading),
        (BookValidity::Trusted, TradingStatus::Halted),
        (BookValidity::Trusted, TradingStatus::QuotationOnly),
    ];
    for (validity, trading_status) in bad {
        let mut market = warmed(6);
        market.settle();
        market.outputs.clear();
        market.status(0, validity, trading_status);
        let sent = intents(&market);
        assert!(matches!(sent[..], [OrderRequest::OrderCancelRequest(_)]), "what works is withdrawn: {sent:?}");
        market.settle();
        market.outputs.clear();
        for _ in 0..100 {
            market.advance(20 * MS);
            market.settle();
        }
        assert_eq!(intents(&market), []);
    }
}

/// A lossy feed has a gap every few samples: each closes the book for a moment, and none may cost the samples before it.
#[test]
fn short_gaps_do_not_keep_it_from_trading() {
    let mut market = Market::new(settings());
    market.timers();
    market.references();
    market.control(ControlKind::Arm);
    for sample in 0..80 {
        let mid = 100 * ONE + (sample % 2) * 2 * CENT;
        market.quote(0, mid - CENT, mid + CENT);
        market.settle();
        market.advance(20 * MS);
        market.status(0, BookValidity::Recovering, TradingStatus::Trading);
        market.settle();
        market.advance(MS);
        market.status(0, BookValidity::Trusted, TradingStatus::Trading);
    }
    market.quote(0, 100 * ONE - 20 * CENT, 100 * ONE - 18 * CENT);
    market.settle();
    assert!(market.sent(OrderKind::NewOrderSingle) > 0);
}

#[test]
fn after_a_lap_it_reloads_and_waits() {
    let mut market = warmed(6);
    market.settle();
    market.outputs.clear();
    market.call(Some(Input::MarketDataLapped));
    assert_eq!(market.outputs[0], Output::Reload);
    assert!(matches!(intents(&market)[..], [OrderRequest::OrderCancelRequest(_)]));
    market.settle();
    market.outputs.clear();
    for step in 0..60 {
        market.quote(0, 100 * ONE + step % 7 * CENT, 100 * ONE + (step % 7 + 2) * CENT);
        market.advance(20 * MS);
        market.settle();
    }
    assert_eq!(market.outputs, [], "no reference came");
    market.references();
    wander(&mut market, 3, |_| {});
    assert_ne!(intents(&market), []);
}

#[test]
fn a_message_that_the_reference_contains_is_ignored() {
    let mut market = warmed(0);
    market.settle();
    let mut header = market.market_header(MarketDataKind::TopOfBook, 0);
    market.references();
    market.outputs.clear();
    header.side = Side::Buy as u8;
    header.validity = BookValidity::Untrusted as u8;
    let old = shm_layout::message::market_data::TopOfBook { header, price: Price(1), qty: Qty(1) };
    let before = format!("{:?}", market.machine());
    market.call(Some(Input::MarketData(MarketData::TopOfBook(old))));
    assert_eq!(format!("{:?}", market.machine()), before);
}

#[test]
fn a_reset_book_is_reloaded() {
    let mut market = warmed(6);
    market.settle();
    market.outputs.clear();
    let header = market.market_header(MarketDataKind::BookReset, 0);
    market.call(Some(Input::MarketData(MarketData::BookReset(StatusChange { header, reserved: [0; 2] }))));
    assert_eq!(market.outputs[0], Output::Reload);
    assert_eq!(market.sent(OrderKind::OrderCancelRequest), 1);
}

#[test]
fn disarm_and_stop_withdraw_everything() {
    for kind in [ControlKind::Disarm, ControlKind::Stop] {
        let mut market = Market::armed(settings());
        wander(&mut market, 3, |_| {});
        // Whatever works is withdrawn, also what the venue has not confirmed yet.
        market.control(kind);
        market.settle();
        assert!(market.orders.iter().all(|held| held.leaves == 0));
        market.outputs.clear();
        wander(&mut market, 1, |_| {});
        assert_eq!(intents(&market), []);
        market.control(ControlKind::Arm);
        wander(&mut market, 3, |_| {});
        assert_eq!(intents(&market).is_empty(), kind == ControlKind::Stop, "stopped is for good");
    }
}

#[test]
fn a_refused_order_is_not_repeated_at_once() {
    let mut market = warmed(6);
    market.gateway(true);
    market.deliver();
    market.outputs.clear();
    market.advance(settings().parameters.reject_backoff_ns - 1);
    assert_eq!((intents(&market), market.machine().counters().rejects), (vec![], 1));
    market.quote(0, 100 * ONE + 9 * CENT, 100 * ONE + 11 * CENT);
    market.advance(1);
    assert_eq!(market.sent(OrderKind::NewOrderSingle), 1);
}

#[test]
fn a_restarted_machine_waits_for_its_old_orders_and_to_be_armed() {
    let mut market = warmed(6);
    market.gateway(false);
    market.venue(false);
    market.report();
    while !market.executions.is_empty() {
        market.deliver();
    }
    assert_eq!(market.machine().orders().live_orders().count(), 1);
    let rebuilt = market.machine().orders().clone();
    let mut restarted = Market::new(settings());
    restarted.stepper = Stepper::new(StrategyMachine::restore(settings(), rebuilt, 1, 2), START);
    restarted.timers();
    restarted.references();
    stretched(&mut restarted, 6);
    assert_eq!(intents(&restarted), [], "disarmed");
    restarted.control(ControlKind::Arm);
    restarted.advance(100 * MS);
    let in_old = |request: &OrderRequest| request.header().instrument_id == InstrumentId(0);
    assert!(!intents(&restarted).iter().any(in_old), "the old order may be live");
}

/// What may happen next in a random stream.
#[derive(Clone, Debug)]
enum Action {
    Quote(usize, i64, i64),
    Status(usize, bool),
    Advance(u64),
    Gateway(bool),
    Venue(bool),
    Fill(usize, i64),
    Report,
    Deliver,
    Control(ControlKind),
    Lapped,
    References,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => (0..4_usize, -12..=12_i64, 1..=4_i64).prop_map(|(slot, offset, spread)| Action::Quote(slot, offset, spread)),
        1 => (0..4_usize, any::<bool>()).prop_map(|(slot, good)| Action::Status(slot, good)),
        8 => (1..15 * MS).prop_map(Action::Advance),
        6 => (0..10_u8).prop_map(|odd| Action::Gateway(odd == 0)),
        6 => (0..10_u8).prop_map(|odd| Action::Venue(odd == 0)),
        6 => (any::<usize>(), 1..=10_i64).prop_map(|(pick, qty)| Action::Fill(pick, qty * ONE)),
        8 => Just(Action::Report),
        12 => Just(Action::Deliver),
        1 => prop_oneof![4 => Just(ControlKind::Arm), 1 => Just(ControlKind::Disarm)].prop_map(Action::Control),
        1 => (0..6_u8).prop_map(|odd| if odd == 0 { Action::Lapped } else { Action::References }),
    ]
}

fn small() -> StrategyConfig {
    let position_max = "30".to_owned();
    let mut config = market::config();
    (config.window, config.sample_interval_ms, config.position_max) = (4, 2, position_max);
    (config.order_timeout_ms, config.reprice_ms, config.cooldown_ms, config.reject_backoff_ms) = (20, 4, 1, 10);
    config
}

fn act(market: &mut Market, action: &Action) {
    match *action {
        Action::Quote(slot, offset, spread) => {
            let bid = 100 * ONE + offset * CENT;
            market.quote(slot, bid, bid + spread * CENT);
        }
        Action::Status(slot, good) => {
            let validity = if good { BookValidity::Trusted } else { BookValidity::Recovering };
            market.status(slot, validity, TradingStatus::Trading);
        }
        Action::Advance(ns) => market.advance(ns),
        Action::Gateway(refuse) => market.gateway(refuse),
        Action::Venue(refuse) => market.venue(refuse),
        Action::Fill(pick, qty) => {
            let live: Vec<usize> = (0..market.orders.len()).filter(|index| market.orders[*index].leaves > 0).collect();
            if !live.is_empty() {
                market.fill(live[pick % live.len()], qty);
            }
        }
        Action::Report => market.report(),
        Action::Deliver => market.deliver(),
        Action::Control(kind) => market.control(kind),
        Action::Lapped => market.call(Some(Input::MarketDataLapped)),
        Action::References => market.references(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// In any interleaving with a venue: one order per instrument, no position past its limit, ids that grow (asserted
    /// with every output); and the same inputs at the same times give the same outputs.
    #[test]
    fn any_stream_stays_within_limits_and_replays(stream in prop::collection::vec(action(), 1..500)) {
        let settings = small().resolve(0, &table()).unwrap();
        let mut market = Market::armed(settings.clone());
        for action in &stream {
            act(&mut market, action);
            market.assert_within_limits(settings.parameters.position_max.0);
        }
        market.settle();
        prop_assert_eq!(market.machine().void(), None);
        for instrument in 0..SYMBOLS.len() {
            let folded = market.machine().orders().position(0, InstrumentId(instrument as u32)).qty.0;
            prop_assert_eq!(folded, market.position(instrument));
        }
        let state = StrategyMachine::orders_state(&settings);
        let mut again = StrategyMachine::restore(settings, state, 1, 2);
        let mut outputs = Vec::new();
        for (now, input) in &market.calls {
            match input {
                Some(input) => again.on_input(*now, input, &mut |output| outputs.push(output)),
                None => again.on_timer(*now, &mut |output| outputs.push(output)),
            }
        }
        prop_assert_eq!(&outputs, &market.outputs);
    }
}

#[test]
fn the_host_file_is_read_strictly() {
    let settings = settings();
    assert_eq!((settings.account_id, settings.instruments.len()), (9, 4));
    assert_eq!(settings.parameters.order_qty, Qty(10 * ONE));
    let text = "kind = \"mean_reversion\"\naccount_id = 1\ninstruments = [\"AAAA\"]\n";
    for (extra, says) in [
        ("order_qty = \"0.5\"", "lot_size"),
        ("order_qty = \"ten\"", "order_qty"),
        ("window = 1", "window"),
        ("order_timeout_ms = 0", "order_timeout_ms"),
    ] {
        let wrong: StrategyConfig = toml::from_str(&format!("{text}{extra}")).unwrap();
        let error = wrong.resolve(0, &table()).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    assert!(toml::from_str::<StrategyConfig>(&format!("{text}windows = 3")).is_err());
    assert!(toml::from_str::<StrategyConfig>(&text.replace("mean_", "kind_")).is_err());
    let unknown: StrategyConfig = toml::from_str(&text.replace("AAAA", "ZZZZ")).unwrap();
    assert!(unknown.resolve(0, &table()).unwrap_err().to_string().contains("ZZZZ"));
}
