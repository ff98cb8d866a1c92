//! The strategy machine: keeps books, orders and positions, and turns a strategy's wants into order requests.
//!
//! At most one order works in an instrument at a time, so a position can never pass its limit whatever is in flight. It
//! never opens an order while an earlier epoch's is live: the gateway cancels those, and the machine waits.

use crate::book::{Book, View};
use crate::config::{INSTRUMENTS_MAX, Settings};
use crate::registry::{self, Strategy, Want};
use crate::working::{Decision, Working};
use machine::Machine;
use orders::report::order_key;
use orders::{Applied, FoldError, OrdersState};
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::message::execution::{Execution, ExecutionReport};
use shm_layout::message::market_data::MarketData;
use shm_layout::message::order::{
    NewOrderSingle, OrderCancelReplaceRequest, OrderCancelRequest, OrderHeader, OrderKind, OrderRequest,
};
use shm_layout::message::step::Reference;
use shm_layout::types::{ChannelState, ClOrdId, ExecType, Nanos, OrdType, Price, Qty, Role, Side, TimeInForce};

/// Ids that only cancels may use: a strategy that has used up its others can still withdraw.
pub const CANCEL_IDS: u32 = 1 << 16;

/// What a strategy can be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input {
    /// A message of `market_data`.
    MarketData(MarketData),
    /// An instrument's state in the market image, at the start and after a reload was asked for.
    Reference(Reference),
    /// Messages of `market_data` were lost to a lap.
    MarketDataLapped,
    /// A message of `execution`.
    Execution(Execution),
    /// A message of `control`.
    Control(Control),
}

/// What a strategy asks its shell to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    /// Publish on `order_intent`.
    Intent {
        /// Gateway that it is for.
        gateway: u8,
        /// The request.
        request: OrderRequest,
    },
    /// Read the market image for every instrument that it trades, and give each as an [`Input::Reference`].
    Reload,
}

/// What the strategy counts; the shell publishes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// New orders sent.
    pub orders: u64,
    /// Cancels sent.
    pub cancels: u64,
    /// Replaces sent.
    pub replaces: u64,
    /// Executions of its orders.
    pub fills: u64,
    /// Orders refused by risk, gateway or venue.
    pub rejects: u64,
    /// Cancels and replaces refused.
    pub cancel_rejects: u64,
    /// Reloads asked for.
    pub reloads: u64,
    /// Times that it disarmed itself because its ids are used up.
    pub ids_exhausted: u64,
    /// Executions that the order state refused to fold: it disarmed itself.
    pub fold_errors: u64,
}

/// What caused a request: its stamps.
#[derive(Clone, Copy, Debug, Default)]
struct Cause {
    cause_sequence: u64,
    receive_ns: Nanos,
    feed_delta_ns: u32,
}

/// One instrument that it trades.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    book: Book,
    working: Option<Working>,
    /// No new order before this.
    quiet_until: Nanos,
    /// When to look at it again without any input.
    wake: Option<Nanos>,
}

/// The strategy machine.
#[derive(Debug)]
pub struct StrategyMachine {
    settings: Settings,
    strategy: Box<dyn Strategy>,
    state: OrdersState,
    slots: Box<[Slot]>,
    /// Slot of an instrument id.
    slot_of: Box<[Option<u8>]>,
    armed: bool,
    /// It may not be armed again: stopped, superseded, or its state no longer follows the journal.
    retired: bool,
    void: Option<FoldError>,
    reload_due: bool,
    term: u32,
    epoch: u32,
    last_counter: u32,
    counters: Counters,
}

impl StrategyMachine {
    /// A machine with the orders state rebuilt from the journal (or an empty one,
    /// [`StrategyMachine::orders_state`]), in its (term, epoch). Disarmed; its first output is a reload.
    ///
    /// # Panics
    /// When `settings` name more instruments than [`INSTRUMENTS_MAX`], or term and epoch do not fit a ClOrdID.
    #[must_use]
    pub fn restore(settings: Settings, state: OrdersState, term: u32, epoch: u32) -> Self {
        assert!(settings.instruments.len() <= INSTRUMENTS_MAX, "too many instruments for one strategy");
        assert!(ClOrdId::new(term, epoch, settings.strategy_id, 0).is_some(), "term or epoch does not fit a ClOrdID");
        let mut slot_of = vec![None; settings.instrument_count];
        for (slot, instrument) in settings.instruments.iter().enumerate() {
            slot_of[instrument.index()] = Some(slot as u8);
        }
        let slots = settings.instruments.len();
        Self {
            strategy: registry::build(settings.kind, &settings.parameters, slots),
            slots: vec![Slot::default(); slots].into(),
            slot_of: slot_of.into(),
            state,
            armed: false,
            retired: false,
            void: None,
            reload_due: true,
            term,
            epoch,
            last_counter: 0,
            counters: Counters::default(),
            settings,
        }
    }

    /// The empty orders state for `settings`, to fold a journal into or to start from.
    #[must_use]
    pub fn orders_state(settings: &Settings) -> OrdersState {
        OrdersState::for_strategy(Some(settings.strategy_id), settings.orders_max, settings.instrument_count)
    }

    /// Counters since the start.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Its orders and positions as the journal tells them.
    #[must_use]
    pub const fn orders(&self) -> &OrdersState {
        &self.state
    }

    /// True while it may open orders.
    #[must_use]
    pub const fn is_armed(&self) -> bool {
        self.armed
    }

    /// Why its state no longer follows the journal: it is disarmed for good, and the shell restarts the process.
    #[must_use]
    pub const fn void(&self) -> Option<FoldError> {
        self.void
    }

    fn slot_index(&self, instrument: usize) -> Option<usize> {
        self.slot_of.get(instrument).copied().flatten().map(usize::from)
    }

    fn position(&self, slot: usize) -> Qty {
        self.state.position(self.settings.strategy_id, self.settings.instruments[slot]).qty
    }

    fn on_market_data(&mut self, now: Nanos, message: &MarketData, emit: &mut impl FnMut(Output)) {
        let header = message.header();
        let cause = Cause {
            cause_sequence: header.channel_sequence,
            receive_ns: header.receive_ns,
            feed_delta_ns: header.feed_delta_ns,
        };
        if let MarketData::ChannelStatus(_) = message {
            let synchronized = header.channel_state() == ChannelState::Synchronized;
            for slot in 0..self.slots.len() {
                self.slots[slot].book.set_synchronized(synchronized);
                self.on_book(now, slot, cause, emit);
            }
            return;
        }
        let Some(slot) = self.slot_index(header.instrument_id.index()) else { return };
        if let MarketData::BookReset(_) = message {
            self.slots[slot].book.forget();
            self.reload(emit);
        } else {
            if !self.slots[slot].book.apply(message) {
                return;
            }
        }
        self.on_book(now, slot, cause, emit);
    }

    fn reload(&mut self, emit: &mut impl FnMut(Output)) {
        self.reload_due = false;
        self.counters.reloads += 1;
        emit(Output::Reload);
    }

    /// A book changed: shows it to the strategy and looks at the order.
    fn on_book(&mut self, now: Nanos, slot: usize, cause: Cause, emit: &mut impl FnMut(Output)) {
        match self.slots[slot].book.view() {
            View::Moving => return,
            View::Tradable(bbo) => self.strategy.on_bbo(now, slot, Some(bbo)),
            View::Closed => self.strategy.on_bbo(now, slot, None),
        }
        self.reconcile(now, slot, cause, emit);
    }

    fn on_lapped(&mut self, now: Nanos, emit: &mut impl FnMut(Output)) {
        self.reload(emit);
        for slot in 0..self.slots.len() {
            self.slots[slot].book.forget();
            self.on_book(now, slot, Cause::default(), emit);
        }
    }

    fn on_execution(&mut self, now: Nanos, execution: &Execution, emit: &mut impl FnMut(Output)) {
        match self.state.apply(execution) {
            Ok(Applied::Old | Applied::Filtered | Applied::Checkpoint { .. }) => return,
            Ok(Applied::Report { .. } | Applied::CancelReject { .. }) => {}
            Err(error) => {
                self.counters.fold_errors += 1;
                self.void.get_or_insert(error);
                self.retire(now, emit);
            }
        }
        match execution {
            Execution::Report(report) => self.on_report(now, report, emit),
            Execution::CancelReject(reject) => self.on_cancel_reject(now, reject, emit),
            Execution::Checkpoint(_) => {}
        }
    }

    fn on_report(&mut self, now: Nanos, report: &ExecutionReport, emit: &mut impl FnMut(Output)) {
        let Some(slot) = self.slot_index(report.instrument_id.index()) else { return };
        let exec_type = report.exec_type();
        if exec_type == Some(ExecType::Trade) {
            self.counters.fills += 1;
            self.strategy.on_fill(now, slot, report.side(), report.last_qty);
        }
        let parameters = &self.settings.parameters;
        let place = &mut self.slots[slot];
        if let Some(working) = place.working.as_mut().filter(|working| working.cl_ord_id == order_key(report)) {
            if report.ord_status().is_terminal() {
                let rejected = exec_type == Some(ExecType::Rejected);
                self.counters.rejects += u64::from(rejected);
                let pause = if rejected { parameters.reject_backoff_ns } else { parameters.cooldown_ns };
                place.working = None;
                place.quiet_until = now.plus(pause);
            } else {
                working.report(report);
            }
        }
        self.reconcile(now, slot, Cause::default(), emit);
    }

    fn on_cancel_reject(&mut self, now: Nanos, reject: &ExecutionReport, emit: &mut impl FnMut(Output)) {
        self.counters.cancel_rejects += 1;
        let Some(slot) = self.slot_index(reject.instrument_id.index()) else { return };
        let retry_at = now.plus(self.settings.parameters.reprice_ns);
        if let Some(working) = &mut self.slots[slot].working {
            working.cancel_reject(reject, retry_at);
        }
        self.reconcile(now, slot, Cause::default(), emit);
    }

    fn on_control(&mut self, now: Nanos, control: &Control, emit: &mut impl FnMut(Output)) {
        let index = u8::try_from(self.settings.strategy_id).unwrap_or(u8::MAX);
        if !control.is_for(Role::Strategy, index) {
            return;
        }
        match control.kind() {
            ControlKind::Arm => self.armed = !self.retired && self.ids_left() > 0,
            ControlKind::Disarm => self.disarm(now, emit),
            ControlKind::Stop => self.retire(now, emit),
            // A newer process has this identity: this one is a leftover.
            ControlKind::Epoch if control.epoch > self.epoch && control.role != 0 => self.retire(now, emit),
            ControlKind::Epoch | ControlKind::CancelAll | ControlKind::AllocateOnce => {}
        }
    }

    fn retire(&mut self, now: Nanos, emit: &mut impl FnMut(Output)) {
        self.retired = true;
        self.disarm(now, emit);
    }

    /// Opens nothing more and cancels what works.
    fn disarm(&mut self, now: Nanos, emit: &mut impl FnMut(Output)) {
        self.armed = false;
        for slot in 0..self.slots.len() {
            self.reconcile(now, slot, Cause::default(), emit);
        }
    }

    /// Brings the working order of an instrument towards what is wanted: at most one output.
    fn reconcile(&mut self, now: Nanos, slot: usize, cause: Cause, emit: &mut impl FnMut(Output)) {
        let position = self.position(slot);
        let want = if self.armed { self.strategy.wants(slot, position) } else { None };
        let place = &mut self.slots[slot];
        place.wake = None;
        let Some(working) = place.working else {
            match want {
                Some(_) if now < place.quiet_until => place.wake = Some(place.quiet_until),
                Some(want) if !self.has_stray(slot) => self.open(now, slot, &want, cause, emit),
                _ => {}
            }
            return;
        };
        match working.decide(now, want.as_ref(), position, &self.settings.parameters) {
            Decision::Keep(at) => self.slots[slot].wake = at.filter(|at| *at > now),
            Decision::Cancel => self.cancel(now, slot, &working, cause, emit),
            Decision::Replace(price) => self.replace(now, slot, &working, price, cause, emit),
        }
    }

    /// True while an order of an earlier epoch may be live in the instrument.
    fn has_stray(&self, slot: usize) -> bool {
        let instrument = self.settings.instruments[slot];
        self.state.live_orders().any(|order| order.instrument_id == instrument)
    }

    fn ids_left(&self) -> u32 {
        (ClOrdId::COUNTER_MAX - CANCEL_IDS).saturating_sub(self.last_counter)
    }

    /// The next id; `None` when they are used up, of orders before those of cancels.
    fn next_id(&mut self, kind: OrderKind) -> Option<ClOrdId> {
        if kind != OrderKind::OrderCancelRequest && self.ids_left() == 0 {
            self.counters.ids_exhausted += 1;
            self.armed = false;
            return None;
        }
        let id = ClOrdId::new(self.term, self.epoch, self.settings.strategy_id, self.last_counter.checked_add(1)?)?;
        self.last_counter += 1;
        Some(id)
    }

    fn header(&mut self, now: Nanos, kind: OrderKind, slot: usize, side: Side, cause: Cause) -> Option<OrderHeader> {
        let cl_ord_id = self.next_id(kind)?;
        let terms = |code: u8| if kind == OrderKind::OrderCancelRequest { 0 } else { code };
        Some(OrderHeader {
            kind: kind as u8,
            side: side as u8,
            ord_type: terms(OrdType::Limit as u8),
            time_in_force: terms(TimeInForce::Day as u8),
            venue_id: self.settings.venue_id,
            strategy_id: self.settings.strategy_id,
            account_id: self.settings.account_id,
            cl_ord_id,
            instrument_id: self.settings.instruments[slot],
            cause_sequence: cause.cause_sequence,
            receive_ns: cause.receive_ns,
            feed_delta_ns: cause.feed_delta_ns,
            strategy_delta_ns: if cause.receive_ns.0 == 0 { 0 } else { now.delta_from(cause.receive_ns) },
            ..OrderHeader::default()
        })
    }

    fn open(&mut self, now: Nanos, slot: usize, want: &Want, cause: Cause, emit: &mut impl FnMut(Output)) {
        let Some(header) = self.header(now, OrderKind::NewOrderSingle, slot, want.side, cause) else { return };
        let Want { side, price, order_qty } = *want;
        self.slots[slot].working = Some(Working {
            cl_ord_id: header.cl_ord_id,
            side,
            price,
            order_qty,
            leaves_qty: order_qty,
            accepted: false,
            cancel: None,
            replace: None,
            acted_at: now,
            retry_at: Nanos(0),
        });
        self.slots[slot].wake = Some(now.plus(self.settings.parameters.order_timeout_ns));
        self.counters.orders += 1;
        let order = NewOrderSingle { header, price, order_qty, ..NewOrderSingle::default() };
        self.send(OrderRequest::NewOrderSingle(order), emit);
    }

    fn cancel(&mut self, now: Nanos, slot: usize, working: &Working, cause: Cause, emit: &mut impl FnMut(Output)) {
        let kind = OrderKind::OrderCancelRequest;
        let Some(header) = self.header(now, kind, slot, working.side, cause) else { return };
        self.slots[slot].working = Some(Working { cancel: Some(header.cl_ord_id), ..*working });
        self.counters.cancels += 1;
        let orig_cl_ord_id = working.cl_ord_id;
        let cancel = OrderCancelRequest { header, orig_cl_ord_id, ..OrderCancelRequest::default() };
        self.send(OrderRequest::OrderCancelRequest(cancel), emit);
    }

    fn replace(
        &mut self,
        now: Nanos,
        slot: usize,
        working: &Working,
        price: Price,
        cause: Cause,
        emit: &mut impl FnMut(Output),
    ) {
        let kind = OrderKind::OrderCancelReplaceRequest;
        let Some(header) = self.header(now, kind, slot, working.side, cause) else { return };
        let replace = Some(header.cl_ord_id);
        self.slots[slot].working = Some(Working { replace, price, acted_at: now, ..*working });
        self.slots[slot].wake = Some(now.plus(self.settings.parameters.order_timeout_ns));
        self.counters.replaces += 1;
        self.send(
            OrderRequest::OrderCancelReplaceRequest(OrderCancelReplaceRequest {
                header,
                price,
                order_qty: working.order_qty,
                orig_cl_ord_id: working.cl_ord_id,
                ..OrderCancelReplaceRequest::default()
            }),
            emit,
        );
    }

    fn send(&self, request: OrderRequest, emit: &mut impl FnMut(Output)) {
        emit(Output::Intent { gateway: self.settings.venue_id as u8, request });
    }
}

impl Machine for StrategyMachine {
    type Input = Input;
    type Output = Output;
    /// A request for each instrument, and a reload.
    const OUTPUTS_MAX: usize = INSTRUMENTS_MAX + 1;

    fn on_input(&mut self, now: Nanos, input: &Input, emit: &mut impl FnMut(Output)) {
        match input {
            Input::MarketData(message) => self.on_market_data(now, message, emit),
            Input::Reference(reference) => {
                if let Some(slot) = self.slot_index(reference.instrument_id.index()) {
                    self.slots[slot].book.load(reference);
                    self.on_book(now, slot, Cause::default(), emit);
                }
            }
            Input::MarketDataLapped => self.on_lapped(now, emit),
            Input::Execution(execution) => self.on_execution(now, execution, emit),
            Input::Control(control) => self.on_control(now, control, emit),
        }
    }

    fn on_timer(&mut self, now: Nanos, emit: &mut impl FnMut(Output)) {
        if self.reload_due {
            self.reload(emit);
        }
        let sampled = self.strategy.deadline().is_some_and(|deadline| deadline <= now);
        if sampled {
            self.strategy.on_timer(now);
        }
        for slot in 0..self.slots.len() {
            let due = self.slots[slot].wake.is_some_and(|wake| wake <= now);
            if sampled || due {
                self.reconcile(now, slot, Cause::default(), emit);
            }
        }
    }

    fn deadline(&self) -> Option<Nanos> {
        if self.reload_due {
            return Some(Nanos(0));
        }
        self.slots.iter().filter_map(|slot| slot.wake).chain(self.strategy.deadline()).min()
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
