//! The fold of reports agrees with the machine that made them.

use super::*;
use crate::order::{Event, Outcome};
use crate::report::{Stamps, refusal};
use crate::snapshot::{Capacity, GatewayState, IntentRing, Snapshot, SnapshotError};
use proptest::prelude::*;
use shm_layout::message::execution::{Checkpoint, ExecutionKind};
use shm_layout::message::order::{NewOrderSingle, OrderHeader, OrderRequest};
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::{Nanos, RejectReason, Role, Side};
use std::collections::BTreeMap;

const ORDERS: usize = 16;
const INSTRUMENTS: usize = 3;
const STRATEGIES: usize = 2;

/// A gateway in small: the table, and the stream that it publishes.
struct Gateway {
    table: OrderTable,
    sequence: u64,
    stream: Vec<Execution>,
    next_id: u64,
    /// Σ LastQty net of broken trades, per (strategy, instrument), kept apart from the code under test.
    net: BTreeMap<(u16, u32), (i128, i128)>,
}

impl Gateway {
    fn new() -> Self {
        Self {
            table: OrderTable::with_capacity(ORDERS),
            sequence: 0,
            stream: Vec::new(),
            next_id: 0,
            net: BTreeMap::new(),
        }
    }

    fn stamps(&mut self) -> Stamps {
        self.sequence += 3;
        Stamps {
            journal_sequence: self.sequence,
            receive_ns: Nanos(self.sequence * 10),
            gateway_delta_ns: 1,
            reason: RejectReason::None,
        }
    }

    fn id(&mut self) -> ClOrdId {
        self.next_id += 1;
        ClOrdId(self.next_id)
    }

    fn enter(&mut self, strategy: u16, instrument: u32, side: Side, qty: i64) {
        let cl_ord_id = self.id();
        let header = OrderHeader {
            cl_ord_id,
            strategy_id: strategy,
            instrument_id: InstrumentId(instrument),
            side: side as u8,
            risk_sequence: self.next_id,
            ..OrderHeader::default()
        };
        let request = NewOrderSingle { header, price: Price(100), order_qty: Qty(qty), ..NewOrderSingle::default() };
        let order = Order::new(&request);
        let stamps = self.stamps();
        let message = match self.table.insert(order) {
            Ok(_) => order.execution(&order.pending_new(), &stamps),
            Err(_) => Some(refusal(&OrderRequest::NewOrderSingle(request), None, &stamps)),
        };
        self.stream.extend(message);
    }

    fn event(&mut self, pick: usize, event: &Event) {
        let ids: Vec<ClOrdId> = self.table.live().chain(self.table.terminal()).map(|(_, o)| o.cl_ord_id).collect();
        if ids.is_empty() {
            return;
        }
        let row = self.table.find(ids[pick % ids.len()]).unwrap();
        let Ok(outcome) = self.table.apply(row, event) else { return };
        let order = *self.table.order(row);
        if let Outcome::Report { exec_type: ExecType::Trade | ExecType::TradeCancel, last_qty, last_px, .. } = outcome {
            let sign = if matches!(event, Event::Broken { .. }) { -1 } else { 1 } * i128::from(order.side.sign());
            let sums = self.net.entry((order.strategy_id, order.instrument_id.0)).or_default();
            sums.0 += sign * i128::from(last_qty.0);
            sums.1 -= sign * i128::from(last_qty.0) * i128::from(last_px.0);
        }
        let stamps = self.stamps();
        self.stream.extend(order.execution(&outcome, &stamps));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Enter(u16, u32, Side, i64),
    Cancel(usize),
    Replace(usize, i64),
    Event(usize, Event),
}

fn event() -> impl Strategy<Value = Event> {
    use OrderKind::{NewOrderSingle as New, OrderCancelReplaceRequest as Replace, OrderCancelRequest as Cancel};
    let amount = || (1..60_i64).prop_map(Qty);
    let price = || (90..110_i64).prop_map(Price);
    let kind = prop_oneof![Just(New), Just(Cancel), Just(Replace)];
    prop_oneof![
        2 => kind.clone().prop_map(Event::Sent),
        1 => kind.clone().prop_map(Event::NotSent),
        6 => (amount(), price(), any::<u8>())
            .prop_map(|(order_qty, price, d)| Event::Accepted { order_qty, price, dead: d < 16 }),
        1 => Just(Event::Rejected),
        3 => amount().prop_map(|decrement| Event::Canceled { decrement }),
        1 => Just(Event::Expired),
        4 => (0..60_i64, price(), any::<u8>())
            .prop_map(|(leaves, price, d)| Event::Replaced { leaves_qty: Qty(leaves), price, dead: d < 32 }),
        2 => kind.prop_map(Event::CancelRejected),
        8 => (amount(), price()).prop_map(|(qty, px)| Event::Executed { qty, px }),
        2 => (amount(), price(), any::<bool>())
            .prop_map(|(qty, px, reinstated)| Event::Broken { qty, px, reinstated }),
        1 => (amount(), price()).prop_map(|(leaves_qty, price)| Event::Restated { leaves_qty, price }),
        1 => Just(Event::SessionLost),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let side = prop_oneof![Just(Side::Buy), Just(Side::Sell)];
    prop_oneof![
        3 => (0..STRATEGIES as u16, 0..INSTRUMENTS as u32, side, 1..60_i64)
            .prop_map(|(s, i, side, qty)| Step::Enter(s, i, side, qty)),
        2 => any::<usize>().prop_map(Step::Cancel),
        2 => (any::<usize>(), 1..90_i64).prop_map(|(pick, qty)| Step::Replace(pick, qty)),
        12 => (any::<usize>(), event()).prop_map(|(pick, event)| Step::Event(pick, event)),
    ]
}

fn run(steps: &[Step]) -> Gateway {
    let mut gateway = Gateway::new();
    for step in steps {
        match step {
            Step::Enter(strategy, instrument, side, qty) => gateway.enter(*strategy, *instrument, *side, *qty),
            Step::Cancel(pick) => {
                let cl_ord_id = gateway.id();
                gateway.event(*pick, &Event::CancelRequested { cl_ord_id });
            }
            Step::Replace(pick, qty) => {
                let cl_ord_id = gateway.id();
                let event = Event::ReplaceRequested { cl_ord_id, order_qty: Qty(*qty), price: Price(101) };
                gateway.event(*pick, &event);
            }
            Step::Event(pick, event) => gateway.event(*pick, event),
        }
    }
    gateway
}

/// What the sender alone knows does not travel.
fn as_published(order: &Order) -> Order {
    Order {
        sent: false,
        cancel: order.cancel.map(|cancel| PendingCancel { sent: false, ..cancel }),
        replace: order.replace.map(|replace| PendingReplace { sent: false, ..replace }),
        ..*order
    }
}

fn folded_all(stream: &[Execution]) -> OrdersState {
    let mut state = OrdersState::with_capacity(ORDERS, INSTRUMENTS, STRATEGIES);
    for message in stream {
        // Through the wire form, so that what is folded is what a ring carries.
        let message = Execution::decode(&message.encode()).expect("a report is a valid message");
        state.apply(&message).unwrap_or_else(|error| panic!("{error}: {message:?}"));
    }
    state
}

proptest! {
    #[test]
    fn the_fold_of_the_reports_is_the_gateways_table(steps in proptest::collection::vec(step(), 1..250)) {
        let gateway = run(&steps);
        let state = folded_all(&gateway.stream);
        let ours: Vec<Order> = gateway.table.live().chain(gateway.table.terminal()).map(|(_, o)| as_published(o)).collect();
        let folded: Vec<Order> = state.table.live().chain(state.table.terminal()).map(|(_, o)| *o).collect();
        prop_assert_eq!(ours, folded);
        // Conservation: positions are the net executions, and so is the cash.
        for strategy in 0..STRATEGIES as u16 {
            for instrument in 0..INSTRUMENTS as u32 {
                let position = state.position(strategy, InstrumentId(instrument));
                let (net, cash) = gateway.net.get(&(strategy, instrument)).copied().unwrap_or_default();
                prop_assert_eq!(i128::from(position.qty.0), net);
                prop_assert_eq!(position.bought_qty - position.sold_qty, net);
                prop_assert_eq!(position.cash_flow(), cash);
            }
        }
        // The same messages again are old.
        let (mut again, hash) = (state.clone(), state.hash());
        for message in &gateway.stream {
            prop_assert_eq!(again.apply(message), Ok(Applied::Old));
        }
        prop_assert_eq!(again.hash(), hash);
    }

    #[test]
    fn a_filtered_fold_and_a_snapshot_agree_with_the_whole(
        steps in proptest::collection::vec(step(), 1..200), cut in any::<prop::sample::Index>()
    ) {
        let gateway = run(&steps);
        let cut = cut.index(gateway.stream.len() + 1);
        for filter in [None, Some(0), Some(1)] {
            let new = || match filter {
                None => OrdersState::with_capacity(ORDERS, INSTRUMENTS, STRATEGIES),
                Some(_) => OrdersState::for_strategy(filter, ORDERS, INSTRUMENTS),
            };
            let mut straight = new();
            gateway.stream.iter().for_each(|message| { straight.apply(message).unwrap(); });
            let mut first = new();
            gateway.stream[..cut].iter().for_each(|message| { first.apply(message).unwrap(); });
            let snapshot = Snapshot {
                role: Role::Strategy,
                index: 1,
                epoch: 7,
                last_cl_ord_id: ClOrdId(9),
                intent_rings: vec![],
                gateways: vec![GatewayState { gateway: 0, state: first.clone() }],
            };
            let capacity = Capacity { orders: ORDERS, instruments: INSTRUMENTS, strategies: STRATEGIES };
            let read = Snapshot::decode(&snapshot.encode(), &capacity).unwrap();
            let mut second = read.gateways.into_iter().next().unwrap().state;
            prop_assert_eq!(second.hash(), first.hash());
            prop_assert_eq!(second.through_journal_sequence(), first.through_journal_sequence());
            // Terminal orders are not carried: a late event of one is first heard of, and only then may they differ.
            let late = gateway.stream[cut..].iter().any(|message| second.apply(message).is_err());
            if !late {
                prop_assert_eq!(second.hash(), straight.hash());
            }
            if let Some(only) = filter {
                prop_assert!(straight.live_orders().all(|order| order.strategy_id == only));
                let whole = folded_all(&gateway.stream);
                let own = whole.live_orders().filter(|order| order.strategy_id == only).count();
                prop_assert_eq!(straight.live_orders().count(), own);
                prop_assert_eq!(straight.position(only, InstrumentId(1)), whole.position(only, InstrumentId(1)));
            }
        }
    }

    #[test]
    fn any_damage_to_a_snapshot_is_refused(steps in proptest::collection::vec(step(), 1..60), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let state = folded_all(&run(&steps).stream);
        let ring = RingId { kind: RingKind::OrderIntent, writer: Role::Strategy, index: 1, gateway: 0 };
        let snapshot = Snapshot {
            role: Role::Risk,
            index: 0,
            epoch: 3,
            last_cl_ord_id: ClOrdId::NONE,
            intent_rings: vec![IntentRing { ring, resume_after: 5, fence: 8 }],
            gateways: vec![GatewayState { gateway: 2, state }],
        };
        let bytes = snapshot.encode();
        let capacity = Capacity { orders: ORDERS, instruments: INSTRUMENTS, strategies: STRATEGIES };
        let read = Snapshot::decode(&bytes, &capacity).unwrap();
        prop_assert_eq!(&read.intent_rings, &snapshot.intent_rings);
        prop_assert_eq!(read.encode(), bytes.clone());
        let mut damaged = bytes.clone();
        damaged[at.index(bytes.len())] ^= 1 << bit;
        prop_assert!(Snapshot::decode(&damaged, &capacity).is_err());
        prop_assert!(Snapshot::decode(&bytes[..at.index(bytes.len())], &capacity).is_err());
    }

    #[test]
    fn any_message_is_folded_or_refused(reports in proptest::collection::vec(any_report(), 1..60)) {
        let mut state = OrdersState::with_capacity(2, 2, 2);
        for report in reports {
            let message = Execution::decode(&Execution::Report(report).encode()).expect("codes are valid");
            let (before, through) = (state.hash(), state.through_journal_sequence());
            if state.apply(&message).is_err() {
                prop_assert_eq!((state.hash(), state.through_journal_sequence()), (before, through));
            }
            state.live_orders().for_each(Order::check);
        }
    }
}

/// A report with valid codes and anything else: small numbers that collide, and the largest.
fn any_report() -> impl Strategy<Value = ExecutionReport> {
    let number = || prop_oneof![4 => 0..4_i64, 1 => Just(i64::MAX), 1 => Just(i64::MIN), 1 => any::<i64>()];
    let codes = (1..3_u8, prop::sample::select(OrdStatus::ALL), prop::sample::select(ExecType::ALL), 1..3_u8);
    let ids = (0..4_u64, 0..4_u64, 1..9_u64, 0..3_u32, 0..3_u16);
    (codes, ids, number(), number(), number(), number(), number()).prop_map(
        |((kind, ord_status, exec_type, side), (id, orig, sequence, instrument, strategy_id), a, b, c, d, e)| {
            ExecutionReport {
                kind,
                side,
                ord_status: ord_status as u8,
                exec_type: if kind == 1 { exec_type as u8 } else { side + 1 },
                strategy_id,
                cl_ord_id: ClOrdId(id),
                orig_cl_ord_id: ClOrdId(orig),
                instrument_id: InstrumentId(instrument),
                journal_sequence: sequence,
                price: Price(a),
                leaves_qty: Qty(b),
                cum_qty: Qty(c),
                last_qty: Qty(d),
                last_px: Price(e),
                ..ExecutionReport::default()
            }
        },
    )
}

#[test]
fn what_does_not_follow_is_refused() {
    let mut gateway = Gateway::new();
    gateway.enter(0, 0, Side::Buy, 10);
    gateway.event(0, &Event::Accepted { order_qty: Qty(10), price: Price(100), dead: false });
    gateway.event(0, &Event::Executed { qty: Qty(4), px: Price(100) });
    gateway.event(0, &Event::Executed { qty: Qty(3), px: Price(100) });
    let mut state = folded_all(&gateway.stream[..2]);
    let hash = state.hash();
    let error = state.apply(&gateway.stream[3]).unwrap_err();
    assert_eq!(error, FoldError::Inconsistent { journal_sequence: 12, what: "executed quantity does not follow" });
    assert_eq!((state.hash(), state.through_journal_sequence()), (hash, 6));
}

#[test]
fn a_checkpoint_states_the_hash_and_moves_the_sequence() {
    let mut gateway = Gateway::new();
    gateway.enter(0, 0, Side::Buy, 10);
    let mut state = folded_all(&gateway.stream);
    let checkpoint = Checkpoint {
        kind: ExecutionKind::Checkpoint as u8,
        journal_sequence: 9,
        state_hash: state.hash(),
        ..Checkpoint::default()
    };
    let expected = Applied::Checkpoint { journal_sequence: 9, state_hash: state.hash() };
    assert_eq!(state.apply(&Execution::Checkpoint(checkpoint)), Ok(expected));
    assert_eq!(state.through_journal_sequence(), 9);
    assert_eq!(state.hash(), checkpoint.state_hash);
}

#[test]
fn a_snapshot_is_drawn_as_in_the_readme() {
    let mut gateway = Gateway::new();
    gateway.enter(1, 2, Side::Sell, 10);
    gateway.event(0, &Event::Accepted { order_qty: Qty(10), price: Price(100), dead: false });
    gateway.event(0, &Event::Executed { qty: Qty(4), px: Price(101) });
    gateway.event(0, &Event::CancelRequested { cl_ord_id: ClOrdId(77) });
    let state = folded_all(&gateway.stream);
    let hash = state.hash();
    let bytes = Snapshot {
        role: Role::Strategy,
        index: 1,
        epoch: 6,
        last_cl_ord_id: ClOrdId(77),
        intent_rings: vec![],
        gateways: vec![GatewayState { gateway: 3, state }],
    }
    .encode();
    assert_eq!(bytes.len(), 64 + 64 + 144 + 112);
    let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    assert_eq!(&bytes[..24], b"TKWSNAP\x01\x02\0\0\0\x03\x01\x01\0\x06\0\0\0\0\0\0\0");
    assert_eq!((u64_at(24), u64_at(32)), (77, 384));
    assert_eq!((u64_at(64), u64_at(72)), (0xffff_ffff_0000_0003, 12));
    // 4 reports, no reject, 1 trade, no break; then the hash, 1 order, 1 position.
    assert_eq!([80, 88, 96, 104, 112, 120].map(u64_at), [4, 0, 1, 0, hash, 1 << 32 | 1]);
    let order = 128;
    assert_eq!((u64_at(order), bytes[order + 26], bytes[order + 27], bytes[order + 28]), (1, 2, 3, 1 | 4));
    assert_eq!([64, 72, 80, 88, 96, 112].map(|at| u64_at(order + at)), [100, 10, 6, 4, 404, 77]);
    let position = order + 144;
    assert_eq!([0, 8, 32, 64, 96].map(|at| u64_at(position + at)), [1 | 2 << 32, -4_i64 as u64, 1, 4, 404]);
}

#[test]
fn capacity_is_refused_by_name() {
    let mut gateway = Gateway::new();
    gateway.enter(0, 0, Side::Buy, 10);
    gateway.enter(0, 0, Side::Buy, 10);
    let mut small = OrdersState::with_capacity(1, 1, 1);
    small.apply(&gateway.stream[0]).unwrap();
    assert_eq!(small.apply(&gateway.stream[1]), Err(FoldError::Orders));
    let snapshot = Snapshot {
        role: Role::Risk,
        index: 0,
        epoch: 1,
        last_cl_ord_id: ClOrdId::NONE,
        intent_rings: vec![],
        gateways: vec![GatewayState { gateway: 0, state: folded_all(&gateway.stream) }],
    };
    let capacity = Capacity { orders: 1, instruments: 1, strategies: 1 };
    assert_eq!(Snapshot::decode(&snapshot.encode(), &capacity).unwrap_err(), SnapshotError::Capacity("orders"));
}
