//! What cannot be reached through inputs in a test's time: a billion ids.

use super::*;
use crate::config::{Instrument, StrategyConfig};

fn machine() -> StrategyMachine {
    let config: StrategyConfig =
        toml::from_str("kind = \"mean_reversion\"\naccount_id = 1\ninstruments = [\"AAAA\"]").unwrap();
    let table = [Instrument { symbol: "AAAA".to_owned(), lot_size: Qty(1) }];
    let settings = config.resolve(3, &table).unwrap();
    let state = StrategyMachine::orders_state(&settings);
    StrategyMachine::restore(settings, state, 0, 1)
}

#[test]
fn the_last_ids_are_kept_for_cancels_and_no_id_wraps() {
    let mut machine = machine();
    machine.last_counter = ClOrdId::COUNTER_MAX - CANCEL_IDS - 1;
    machine.armed = true;
    let order = machine.next_id(OrderKind::NewOrderSingle).unwrap();
    assert_eq!((order.counter(), order.strategy()), (ClOrdId::COUNTER_MAX - CANCEL_IDS, 3));
    assert_eq!(machine.next_id(OrderKind::NewOrderSingle), None);
    assert_eq!((machine.armed, machine.counters.ids_exhausted), (false, 1));
    let cancel = machine.next_id(OrderKind::OrderCancelRequest).unwrap();
    assert!(cancel > order);
    machine.last_counter = ClOrdId::COUNTER_MAX;
    assert_eq!(machine.next_id(OrderKind::OrderCancelRequest), None);
    let arm = Control { kind: ControlKind::Arm as u8, ..Control::default() };
    machine.on_input(Nanos(1), &Input::Control(arm), &mut |_| {});
    assert!(!machine.is_armed(), "overflow refuses to arm");
}
