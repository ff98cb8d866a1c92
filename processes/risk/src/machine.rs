//! The risk machine: one verdict per request, every control in one mask, one branch.
//!
//! It never lets a request pass that it could not account for, and never answers in another order's name: a request whose
//! ClOrdID is not its sender's to use is dropped and counted, not refused.

use crate::counters::Counters;
use crate::exposure::{Exposures, Oddity, negated_for_sell};
use crate::limits::{Limit, RejectMask, Settings};
use crate::market::{Collar, Market};
use crate::reservations::Reservation;
use crate::row::{InstrumentState, Row};
use crate::throttle::Throttle;
use machine::Machine;
use orders::{Applied, FoldError, OrdersState};
use shm_layout::message::BadMessage;
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::message::execution::Execution;
use shm_layout::message::order::{
    NewOrderSingle, OrderCancelReplaceRequest, OrderCancelRequest, OrderHeader, OrderRequest,
};
use shm_layout::message::step::Reference;
use shm_layout::types::{ClOrdId, Nanos, OrdType, Price, Qty, RejectReason, Role, Side};

/// What risk can be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input {
    /// A slot of a strategy's `order_intent` ring.
    Intent {
        /// Strategy that writes the ring.
        strategy: u8,
        /// Sequence in the ring.
        sequence: u64,
        /// The slot's message, or why it is none.
        request: Result<OrderRequest, BadMessage>,
    },
    /// A message of `execution`.
    Execution(Execution),
    /// A message of `control`.
    Control(Control),
    /// An instrument's state in the market image changed.
    Reference(Reference),
    /// The kill page changed.
    Kill {
        /// Sum of the latched generations: non-zero is killed.
        generation_sum: u64,
    },
}

/// What risk asks its shell to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    /// Publish on `order_entry`: approved with its token, or refused with `reject_reason` set.
    Entry {
        /// Gateway whose ring it goes to.
        gateway: u8,
        /// The request with risk's fields filled in.
        request: OrderRequest,
    },
}

/// Where a strategy's intent ring stands when risk starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RingStart {
    /// Highest sequence that was forwarded before (in `order_entry` or in the journal): those are ignored.
    pub resume_after: u64,
    /// Highest sequence published before this epoch: what was not forwarded is refused, never forwarded (B9).
    pub fence: u64,
}

/// What risk keeps of a strategy beside its exposures.
#[derive(Clone, Copy, Debug, Default)]
struct StrategyState {
    throttle: Throttle,
    ring: RingStart,
    /// Last id of an order or replace: the next must be greater.
    cl_ord_id: ClOrdId,
    /// Its epoch by `control`; orders of an older one are stale.
    epoch: u32,
    /// Disarmed by `control`, until armed again.
    disarmed: bool,
}

/// A comparison point for invariant I9.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CheckpointHash {
    /// Journal sequence of the checkpoint.
    pub journal_sequence: u64,
    /// Canonical hash of risk's orders state there.
    pub state_hash: u64,
    /// The gateway's hash there.
    pub gateway_hash: u64,
}

/// The risk machine.
#[derive(Debug)]
pub struct Risk {
    settings: Settings,
    epoch: u32,
    risk_sequence: u64,
    killed: bool,
    exposures: Exposures,
    state: OrdersState,
    strategies: Box<[StrategyState]>,
    instruments: Box<[InstrumentState]>,
    /// By strategy, then instrument, as the limits.
    rows: Box<[Row]>,
    void: Option<FoldError>,
    checkpoint: Option<CheckpointHash>,
    counters: Counters,
}

/// Where an order stands: its row, if the tables have one, and what is at risk there on its side.
struct Standing {
    instrument: usize,
    row: Option<usize>,
    side: Side,
    /// Worst-case position, counted towards its side.
    worst: i128,
}

impl Standing {
    /// Control 5: whether `added` more on this side could become more than the limit, long or short.
    #[inline]
    fn exceeds(&self, added: i64, limit: &Limit) -> bool {
        self.worst + i128::from(added) > i128::from(limit.position_max.0)
    }
}

/// The parts of an order that the controls look at; a replace is judged as the order that it would make.
struct Candidate {
    price: Price,
    order_qty: Qty,
    /// What approving it adds to the reserved quantity.
    added: i64,
    /// Reasons that were found while it was put together.
    mask: RejectMask,
}

impl Risk {
    /// Risk with an orders state rebuilt from the journal (or an empty one, [`Risk::orders_state`]) at `epoch`, and where
    /// each strategy's ring stands, by strategy. The throttles start exhausted.
    ///
    /// # Panics
    /// When the tables of `settings` do not have one size, or the state does not fit them: the configuration that made
    /// the journal is another one.
    #[must_use]
    pub fn restore(settings: Settings, state: OrdersState, epoch: u32, rings: &[RingStart], now: Nanos) -> Self {
        let (strategies, instruments) = (settings.throttles.len(), settings.domains.len());
        assert!(settings.limits.len() == strategies * instruments, "limits are a full table");
        assert!(rings.len() == strategies, "one ring start per strategy");
        assert!(settings.gateways == 1, "risk follows the execution stream of one gateway");
        let mut exposures = Exposures::with_capacity(strategies, instruments, settings.orders_max);
        let mut known: Box<[StrategyState]> = (rings.iter().zip(&settings.throttles))
            .map(|(ring, limit)| StrategyState {
                ring: *ring,
                throttle: Throttle::exhausted(limit, now),
                ..StrategyState::default()
            })
            .collect();
        for (strategy, instrument, position) in state.positions() {
            let row = exposures.row(usize::from(strategy), instrument.index()).expect("the journal's configuration");
            exposures.add_position(row, position.qty);
        }
        for order in state.live_orders() {
            let strategy = usize::from(order.strategy_id);
            let row = exposures.row(strategy, order.instrument_id.index()).expect("the journal's configuration");
            let replace = order.replace;
            let fits = exposures.reserve(Reservation {
                cl_ord_id: order.cl_ord_id,
                row: row as u32,
                side: order.side,
                leaves_qty: order.leaves_qty.0,
                cum_qty: order.cum_qty.0,
                replace_cl_ord_id: replace.map_or(ClOrdId::NONE, |replace| replace.cl_ord_id),
                replace_order_qty: replace.map_or(0, |replace| replace.order_qty.0),
                risk_sequence: 0,
            });
            assert!(fits, "orders_max is below the number of live orders");
            let last = replace.map_or(order.cl_ord_id, |replace| replace.cl_ord_id.max(order.cl_ord_id));
            known[strategy].cl_ord_id = known[strategy].cl_ord_id.max(last);
        }
        Self {
            epoch,
            risk_sequence: 0,
            killed: false,
            exposures,
            state,
            strategies: known,
            instruments: (settings.domains.iter())
                .map(|domain| InstrumentState { market: Market::default(), domain: *domain })
                .collect(),
            rows: settings.limits.iter().map(|limit| Row { limit: *limit, collar: Collar::SHUT }).collect(),
            void: None,
            checkpoint: None,
            counters: Counters::default(),
            settings,
        }
    }

    /// The empty orders state for `settings`, to fold a journal into or to start from.
    #[must_use]
    pub fn orders_state(settings: &Settings) -> OrdersState {
        OrdersState::with_capacity(settings.orders_max, settings.domains.len(), settings.throttles.len())
    }

    /// Counters since the start.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Positions and reservations.
    #[must_use]
    pub const fn exposures(&self) -> &Exposures {
        &self.exposures
    }

    /// Orders and positions as the journal tells them.
    #[must_use]
    pub const fn orders(&self) -> &OrdersState {
        &self.state
    }

    /// The last checkpoint, for the shell to publish and compare.
    #[must_use]
    pub const fn checkpoint(&self) -> Option<CheckpointHash> {
        self.checkpoint
    }

    /// Why the state no longer follows the journal: nothing new passes any more, and the shell restarts the process.
    #[must_use]
    pub const fn void(&self) -> Option<FoldError> {
        self.void
    }

    /// Reservation sequence of the last request forwarded.
    #[must_use]
    pub const fn risk_sequence(&self) -> u64 {
        self.risk_sequence
    }

    fn on_intent(
        &mut self,
        now: Nanos,
        strategy: u8,
        sequence: u64,
        request: &OrderRequest,
        emit: &mut impl FnMut(Output),
    ) {
        let strategy = usize::from(strategy);
        let Some(known) = self.strategies.get_mut(strategy) else {
            self.counters.misidentified += 1;
            return;
        };
        if sequence <= known.ring.resume_after {
            self.counters.already_forwarded += 1;
            return;
        }
        let header = request.header();
        let cancel = matches!(request, OrderRequest::OrderCancelRequest(_));
        let id = header.cl_ord_id;
        if usize::from(header.strategy_id) != strategy
            || usize::from(id.strategy()) != strategy
            || (!cancel && id <= known.cl_ord_id)
        {
            self.counters.misidentified += 1;
            return;
        }
        known.cl_ord_id = known.cl_ord_id.max(id);
        let stale = sequence <= known.ring.fence || id.epoch() < known.epoch;
        let early = RejectMask::when(stale, RejectReason::StaleIntent)
            .or(RejectMask::when(header.reject_reason != 0, RejectReason::Malformed))
            .or(RejectMask::when(header.venue_id >= u16::from(self.settings.gateways), RejectReason::Malformed));
        // The one copy of the message: the verdict is written into it.
        let mut output = Output::Entry { gateway: 0, request: *request };
        let Output::Entry { request, .. } = &mut output;
        match request {
            OrderRequest::NewOrderSingle(order) => self.on_new(now, strategy, sequence, order, early),
            OrderRequest::OrderCancelReplaceRequest(replace) => {
                self.on_replace(now, strategy, sequence, replace, early);
            }
            OrderRequest::OrderCancelRequest(cancel) => self.on_cancel(now, strategy, sequence, cancel),
        }
        emit(output);
    }

    #[inline]
    fn on_new(&mut self, now: Nanos, strategy: usize, sequence: u64, order: &mut NewOrderSingle, early: RejectMask) {
        let standing = self.standing(strategy, &order.header);
        let candidate = Candidate {
            price: order.price,
            order_qty: order.order_qty,
            added: order.order_qty.0.max(0),
            mask: early
                .or(RejectMask::when(order.header.ord_type != OrdType::Limit as u8, RejectReason::Malformed))
                .or(RejectMask::when(self.exposures.is_full() | self.void.is_some(), RejectReason::Capacity)),
        };
        order.intent_sequence = sequence;
        order.reference_price = self.reference_price(standing.instrument);
        let mask = self.judge(now, strategy, &standing, &candidate);
        self.stamp(now, &mut order.header, &standing, mask);
        if let (RejectMask::NONE, Some(row)) = (mask, standing.row) {
            self.counters.approved += 1;
            self.strategies[strategy].throttle.take(&self.settings.throttles[strategy], now);
            self.exposures.approve_new(row, order);
        }
    }

    fn on_replace(
        &mut self,
        now: Nanos,
        strategy: usize,
        sequence: u64,
        replace: &mut OrderCancelReplaceRequest,
        early: RejectMask,
    ) {
        let standing = self.standing(strategy, &replace.header);
        let own = self.exposures.reservation(replace.orig_cl_ord_id);
        let known = own.filter(|own| Some(own.row as usize) == standing.row);
        let mut candidate = Candidate {
            price: replace.price,
            order_qty: replace.order_qty,
            added: 0,
            mask: early
                .or(RejectMask::when(replace.header.ord_type != OrdType::Limit as u8, RejectReason::Malformed))
                .or(RejectMask::when(self.void.is_some(), RejectReason::Capacity))
                .or(RejectMask::when(known.is_none(), RejectReason::UnknownOrder)),
        };
        if let Some(own) = known {
            let new = replace.order_qty.0.saturating_sub(own.cum_qty);
            candidate.added = new.saturating_sub(own.reserved()).max(0);
            candidate.mask = candidate
                .mask
                .or(RejectMask::when(own.replace_cl_ord_id != ClOrdId::NONE, RejectReason::RequestInFlight))
                .or(RejectMask::when(own.side != standing.side, RejectReason::Malformed));
        }
        replace.intent_sequence = sequence;
        replace.reference_price = self.reference_price(standing.instrument);
        let mask = self.judge(now, strategy, &standing, &candidate);
        self.stamp(now, &mut replace.header, &standing, mask);
        if mask == RejectMask::NONE {
            self.counters.approved += 1;
            self.strategies[strategy].throttle.take(&self.settings.throttles[strategy], now);
            self.exposures.approve_replace(replace);
        }
    }

    /// A cancel passes every control: it can only lower what the venue holds. It is refused when it names an order that
    /// risk knows to be another strategy's.
    fn on_cancel(&mut self, now: Nanos, strategy: usize, sequence: u64, cancel: &mut OrderCancelRequest) {
        let header = &cancel.header;
        let foreign = usize::from(cancel.orig_cl_ord_id.strategy()) != strategy;
        let mask = RejectMask::when(foreign, RejectReason::UnknownOrder)
            .or(RejectMask::when(header.reject_reason != 0, RejectReason::Malformed))
            .or(RejectMask::when(header.venue_id >= u16::from(self.settings.gateways), RejectReason::Malformed));
        let standing = self.standing(strategy, header);
        cancel.intent_sequence = sequence;
        self.stamp(now, &mut cancel.header, &standing, mask);
        if mask == RejectMask::NONE {
            self.counters.cancels += 1;
            self.strategies[strategy].throttle.take(&self.settings.throttles[strategy], now);
        }
    }

    #[inline]
    fn standing(&self, strategy: usize, header: &OrderHeader) -> Standing {
        let (instrument, side) = (header.instrument_id.index(), header.side());
        let row = self.exposures.row(strategy, instrument);
        let worst = row.map_or(0, |row| self.exposures.exposure(row).worst_towards(side));
        Standing { instrument, row, side, worst }
    }

    /// Every control at once.
    #[inline]
    fn judge(&self, now: Nanos, strategy: usize, standing: &Standing, candidate: &Candidate) -> RejectMask {
        let known = &self.strategies[strategy];
        let throttled = !known.throttle.admits_order(&self.settings.throttles[strategy], now);
        let general = candidate
            .mask
            .or(RejectMask::when(self.killed, RejectReason::Killed))
            .or(RejectMask::when(known.disarmed, RejectReason::NotPermitted))
            .or(RejectMask::when(throttled, RejectReason::Throttle));
        let Some(row) = standing.row else {
            return general.or(RejectMask::of(RejectReason::LimitMissing));
        };
        let Row { limit, collar } = &self.rows[row];
        let InstrumentState { market, domain } = &self.instruments[standing.instrument];
        let (price, qty) = (candidate.price, candidate.order_qty);
        general
            .or(limit.blocked)
            .or(market.mask(now))
            .or(RejectMask::when(collar.excludes(price), RejectReason::PriceCollar))
            .or(RejectMask::when(
                !domain.tick.divides_positive(price.0) | (price.0 > domain.price_max.0),
                RejectReason::TickSize,
            ))
            .or(RejectMask::when(!domain.lot.divides_positive(qty.0), RejectReason::LotSize))
            .or(RejectMask::when(
                (qty.0 > limit.order_qty_max.0) | (qty.0 > domain.order_qty_max.0),
                RejectReason::OrderQty,
            ))
            .or(RejectMask::when(exceeds_notional(price, qty, limit), RejectReason::OrderNotional))
            .or(RejectMask::when(standing.exceeds(candidate.added, limit), RejectReason::PositionLimit))
    }

    #[inline]
    fn reference_price(&self, instrument: usize) -> Price {
        self.instruments.get(instrument).map_or(Price::ZERO, |known| known.market.reference_price)
    }

    /// Fills in risk's fields: the token, the inputs of the verdict, the reason, the hop. Every message forwarded takes a
    /// sequence, so that the gateway sees one strictly increasing stream.
    #[inline]
    fn stamp(&mut self, now: Nanos, header: &mut OrderHeader, standing: &Standing, mask: RejectMask) {
        self.risk_sequence += 1;
        let exposure = negated_for_sell(standing.side, standing.worst);
        let saturated = if exposure < 0 { i64::MIN } else { i64::MAX };
        header.limit_version = self.settings.limit_version;
        header.risk_epoch = self.epoch;
        header.risk_sequence = self.risk_sequence;
        header.exposure_before = Qty(i64::try_from(exposure).unwrap_or(saturated));
        header.risk_delta_ns = if header.receive_ns.0 == 0 { 0 } else { now.delta_from(header.receive_ns) };
        header.reject_reason = RejectReason::None as u16;
        if mask != RejectMask::NONE {
            let reason = mask.reason();
            header.reject_reason = reason as u16;
            self.counters.rejected[reason as usize] += 1;
        }
    }

    fn on_execution(&mut self, execution: &Execution) {
        match self.state.apply(execution) {
            Ok(Applied::Old) => {
                self.counters.executions_repeated += 1;
                return;
            }
            Ok(Applied::Checkpoint { journal_sequence, state_hash }) => {
                self.checkpoint =
                    Some(CheckpointHash { journal_sequence, state_hash: self.state.hash(), gateway_hash: state_hash });
            }
            Ok(_) => {}
            Err(error) => {
                self.counters.fold_errors += 1;
                self.void.get_or_insert(error);
            }
        }
        self.counters.executions += 1;
        match self.exposures.apply(execution) {
            Some(Oddity::Unattributed) => self.counters.unattributed += 1,
            Some(Oddity::Adopted) => self.counters.adopted += 1,
            Some(Oddity::NoRoom) => self.counters.no_room += 1,
            Some(Oddity::ForeignReject) => self.counters.foreign_rejects += 1,
            None => {}
        }
    }

    fn on_control(&mut self, control: &Control) {
        for (index, known) in self.strategies.iter_mut().enumerate() {
            if !u8::try_from(index).is_ok_and(|index| control.is_for(Role::Strategy, index)) {
                continue;
            }
            match control.kind() {
                ControlKind::Arm => known.disarmed = false,
                ControlKind::Disarm => known.disarmed = true,
                ControlKind::Epoch => known.epoch = known.epoch.max(control.epoch),
                ControlKind::CancelAll | ControlKind::Stop | ControlKind::AllocateOnce => {}
            }
        }
    }

    fn on_reference(&mut self, reference: &Reference) {
        let instrument = reference.instrument_id.index();
        let count = self.instruments.len();
        let Some(known) = self.instruments.get_mut(instrument) else {
            self.counters.references_unknown += 1;
            return;
        };
        let before = known.market.reference_price;
        known.market = Market::from_reference(reference, self.settings.channel_stale_ns);
        let reference_price = known.market.reference_price;
        if reference_price == before {
            return;
        }
        for row in self.rows.iter_mut().skip(instrument).step_by(count) {
            row.collar = Collar::around(reference_price, row.limit.collar);
        }
    }
}

/// Control 2; a negative product cannot pass, because its quantity or price does not.
fn exceeds_notional(price: Price, qty: Qty, limit: &Limit) -> bool {
    shm_layout::types::Notional::of(price, qty) > limit.order_notional_max
}

impl Machine for Risk {
    type Input = Input;
    type Output = Output;
    const OUTPUTS_MAX: usize = 1;

    fn on_input(&mut self, now: Nanos, input: &Input, emit: &mut impl FnMut(Output)) {
        match input {
            Input::Intent { strategy, sequence, request: Ok(request) } => {
                self.on_intent(now, *strategy, *sequence, request, emit);
            }
            Input::Intent { request: Err(_), .. } => self.counters.malformed += 1,
            Input::Execution(execution) => self.on_execution(execution),
            Input::Control(control) => self.on_control(control),
            Input::Reference(reference) => self.on_reference(reference),
            Input::Kill { generation_sum } => self.killed = *generation_sum != 0,
        }
    }

    fn on_timer(&mut self, _now: Nanos, _emit: &mut impl FnMut(Output)) {}

    /// Risk wants no timer: staleness and throttle are compared when an order comes.
    fn deadline(&self) -> Option<Nanos> {
        None
    }
}
