//! A gateway in small writes a journal; the rebuild of it is the state that the gateway had.
#![forbid(unsafe_code)]

use journal::memory::{self, MemoryStore};
use journal::record::{FENCE_RINGS_MAX, Fence, Record, RingCursor, StartOfDayPosition};
use journal::tail::TailSnapshot;
use journal::{Flusher, Journal, Resume, TailWriter, Through, rebuild};
use orders::{Event, Order, OrderTable, OrdersState, Stamps};
use shm_layout::message::execution::{Checkpoint, Execution, ExecutionKind};
use shm_layout::message::order::{NewOrderSingle, OrderHeader, OrderKind, OrderRequest};
use shm_layout::ring::sync::SharedWords;
use shm_layout::types::{ClOrdId, InstrumentId, Nanos, OrdType, Price, Qty, RejectReason, Role, Side, TimeInForce};

struct Gateway {
    words: SharedWords,
    writer: TailWriter,
    flusher: Flusher<MemoryStore>,
    table: OrderTable,
    state: OrdersState,
}

fn fold() -> OrdersState {
    OrdersState::with_capacity(64, 4, 4)
}

impl Gateway {
    fn new() -> Self {
        let (words, config) = (memory::new_tail(1 << 16), memory::config(1 << 16, 4096));
        Self {
            writer: TailWriter::attach(words.clone(), memory::BOOT_STAMP, 1, 0).unwrap(),
            flusher: Flusher::new(words.clone(), MemoryStore::default(), config, &Resume::default()).unwrap(),
            words,
            table: OrderTable::with_capacity(64),
            state: fold(),
        }
    }

    fn write(&mut self, record: &Record) {
        self.writer.append(record).unwrap();
        self.flusher.poll(Nanos(1)).unwrap();
    }

    fn publish(&mut self, message: Option<Execution>) {
        let Some(message) = message else { return };
        self.write(&Record::execution(&message, 0, Nanos(1)));
        self.state.apply(&message).unwrap();
    }

    fn stamps(&self) -> Stamps {
        Stamps {
            journal_sequence: self.writer.next_sequence(),
            receive_ns: Nanos(0),
            gateway_delta_ns: 0,
            reason: RejectReason::None,
        }
    }

    fn enter(&mut self, strategy: u16, counter: u32, side: Side, qty: i64) -> ClOrdId {
        let cl_ord_id = ClOrdId::new(1, 1, strategy, counter).unwrap();
        let header = OrderHeader {
            kind: OrderKind::NewOrderSingle as u8,
            side: side as u8,
            ord_type: OrdType::Limit as u8,
            time_in_force: TimeInForce::Day as u8,
            strategy_id: strategy,
            cl_ord_id,
            instrument_id: InstrumentId(2),
            ..OrderHeader::default()
        };
        let intent_sequence = u64::from(counter) + 100;
        let request = NewOrderSingle {
            header,
            price: Price(50),
            order_qty: Qty(qty),
            intent_sequence,
            ..NewOrderSingle::default()
        };
        self.write(&Record::intent(&OrderRequest::NewOrderSingle(request), counter, 0, Nanos(1)));
        let order = Order::new(&request);
        self.table.insert(order).unwrap();
        let stamps = self.stamps();
        self.publish(order.execution(&order.pending_new(), &stamps));
        cl_ord_id
    }

    fn event(&mut self, id: ClOrdId, event: Event) {
        let row = self.table.find(id).unwrap();
        let outcome = self.table.apply(row, &event).unwrap();
        let stamps = self.stamps();
        let message = self.table.order(row).execution(&outcome, &stamps);
        self.publish(message);
    }

    fn checkpoint(&mut self, state_hash: u64) {
        let kind = ExecutionKind::Checkpoint as u8;
        let journal_sequence = self.writer.next_sequence();
        self.publish(Some(Execution::Checkpoint(Checkpoint {
            kind,
            journal_sequence,
            state_hash,
            ..Checkpoint::default()
        })));
    }

    fn fence(&mut self, epoch: u32) {
        let mut cursors = [RingCursor { ring: 0, reserved: 0, cursor: 0 }; FENCE_RINGS_MAX];
        cursors[0] = RingCursor { ring: 9, reserved: 0, cursor: 777 };
        let (role, index) = (Role::Strategy as u8, 1);
        self.write(&Record::Fence(Fence { role, index, reserved: 0, epoch, now_ns: Nanos(1), cursors }));
    }

    /// A day in small: two strategies, a fill, a fence in the middle, a cancel.
    fn day(&mut self) -> OrdersState {
        let start = StartOfDayPosition {
            strategy_id: 1,
            account_id: 0,
            instrument_id: InstrumentId(2),
            qty: Qty(40),
            px: Price(45),
            now_ns: Nanos(0),
        };
        self.write(&Record::StartOfDayPosition(start));
        self.state.start_of_day(1, InstrumentId(2), Qty(40), Price(45)).unwrap();
        let first = self.enter(0, 1, Side::Buy, 10);
        let second = self.enter(1, 1, Side::Sell, 20);
        self.event(first, Event::Accepted { order_qty: Qty(10), price: Price(50), dead: false });
        self.event(second, Event::Accepted { order_qty: Qty(20), price: Price(50), dead: false });
        self.event(second, Event::Executed { qty: Qty(5), px: Price(51) });
        self.checkpoint(self.state.hash());
        let at_fence = self.state.clone();
        self.fence(2);
        self.event(first, Event::CancelRequested { cl_ord_id: first });
        self.event(first, Event::Canceled { decrement: Qty(10) });
        self.enter(1, 2, Side::Buy, 3);
        self.checkpoint(self.state.hash());
        at_fence
    }
}

#[test]
fn the_rebuild_is_the_gateways_state_at_the_end_and_at_the_fence() {
    let mut gateway = Gateway::new();
    let at_fence = gateway.day();
    let tail = TailSnapshot::take(&gateway.words).unwrap();
    let segments = gateway.flusher.store().segments();
    let journal = Journal::new(&segments, Some(&tail));

    let mut state = fold();
    let rebuilt = rebuild(&journal, &mut state, Through::End).unwrap();
    assert_eq!((state.hash(), rebuilt.checkpoints), (gateway.state.hash(), 2));
    assert_eq!(rebuilt.last_cl_ord_ids[1], ClOrdId::new(1, 1, 1, 2).unwrap());
    assert_eq!((rebuilt.last_intent_sequences[1], rebuilt.last_user_ref_num), (102, 2));
    assert_eq!(state.position(1, InstrumentId(2)).qty, Qty(35));
    // 5 of the 40 carried in at 45 were sold at 51.
    assert_eq!(state.position(1, InstrumentId(2)).realised_pnl(), 30);

    let mut state = fold();
    let rebuilt = rebuild(&journal, &mut state, Through::Fence(Role::Strategy, 1, 2)).unwrap();
    assert_eq!(state.hash(), at_fence.hash());
    assert_eq!(rebuilt.fence.unwrap().cursors[0].cursor, 777);
    assert_eq!(rebuilt.last_cl_ord_ids[1], ClOrdId::new(1, 1, 1, 1).unwrap());
    assert!(rebuild(&journal, &mut fold(), Through::Fence(Role::Strategy, 1, 3)).is_err());
    let through = at_fence.through_journal_sequence();
    let mut state = fold();
    rebuild(&journal, &mut state, Through::Sequence(through)).unwrap();
    assert_eq!(state.hash(), at_fence.hash());

    // One strategy's own fold: the same by rebuild and by reading its stream.
    let mut own = OrdersState::for_strategy(Some(1), 64, 4);
    rebuild(&journal, &mut own, Through::End).unwrap();
    assert!(own.live_orders().all(|order| order.strategy_id == 1));
    assert_eq!(own.live_orders().count(), 2);
}

#[test]
fn a_checkpoint_that_differs_is_an_error() {
    let mut gateway = Gateway::new();
    gateway.enter(0, 1, Side::Buy, 10);
    gateway.checkpoint(gateway.state.hash() ^ 1);
    let segments = gateway.flusher.store().segments();
    let error = rebuild(&Journal::new(&segments, None), &mut fold(), Through::End).unwrap_err();
    assert_eq!(error, journal::rebuild::RebuildError::Hash(3));
}
