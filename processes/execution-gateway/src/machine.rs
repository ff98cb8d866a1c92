//! The pure core: one order of events, one journal, one session.
//!
//! For each request the outputs are, in this order: the intent's journal record, the bytes for the venue, the journal
//! record of the report, the report. For each venue message: its raw record, the record of its effect, the report.

use crate::backlog::Backlog;
use crate::config::{Durability, Settings};
use crate::counters::Counters;
use crate::io::{Input, Output, SEND_BYTES, SendTag, Sending};
use crate::matches::Matches;
use crate::session::Session;
use crate::sweep::Sweeps;
use crate::user_refs::{UserRef, UserRefs};
use journal::Record;
use journal::record::{ArmChange, Fence, Kill, RingCursor, SessionEvent};
use machine::{Machine, Nanos};
use orders::order::{Event, Illegal, Order, Outcome};
use orders::report::Stamps;
use orders::state::OrdersState;
use orders::table::{OrderTable, Row};
use protocols::ouch::InboundRepr;
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::message::execution::{Checkpoint, Execution, ExecutionKind};
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::{ClOrdId, RejectReason, Role};
use std::collections::VecDeque;

/// Orders that one step of a sweep cancels.
pub(crate) const SWEEP_STEP: usize = 16;
/// Orders that one step takes off the backlog.
pub(crate) const BACKLOG_STEP: usize = 16;
/// Rows of the order table that one step of a sweep or of a walk looks at.
pub(crate) const ROWS_STEP: usize = 1024;
/// Outputs of one order of a sweep: mass cancel, intent, cancels of both numbers, record, report.
const OUTPUTS_PER_CANCEL: usize = 6;
/// Outputs of one order of the backlog: a replace that is void (record and report), cancels of both numbers.
const OUTPUTS_PER_BACKLOG: usize = 4;
/// Outputs of a timer beside orders: heartbeat, or the end of a session (disconnect, record) and the probe or the opening;
/// checkpoint (record and report); logout and end.
const OUTPUTS_BESIDE: usize = 8;
/// Outputs of one frame: an adopted order's raw record, its own, doubt (record and report), acceptance (record and report).
const OUTPUTS_PER_FRAME: usize = 6;
/// Frames that one read can complete: each is at least 3 bytes, the first may have begun before.
const FRAMES_MAX: usize = crate::io::RECEIVE_BYTES / 3 + 1;

/// An order that waits for its intent to be durable (L2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    pub user_ref_num: u32,
    pub intent_sequence: u64,
    pub message: InboundRepr,
}

/// The gateway.
#[derive(Debug)]
pub struct Gateway {
    pub(crate) settings: Settings,
    pub(crate) counters: Counters,
    pub(crate) journal_sequence: u64,
    pub(crate) journal_available: bool,
    /// Orders as the gateway knows them.
    pub(crate) orders: OrderTable,
    /// The fold of what was published: what everyone else knows. Its hash is the checkpoint's.
    pub(crate) published: OrdersState,
    pub(crate) refs: UserRefs,
    /// By row: first UserRefNum of the chain, and the one that works now.
    pub(crate) chains: Box<[Chain]>,
    pub(crate) matches: Matches,
    pub(crate) session: Session,
    pub(crate) sweeps: Sweeps,
    pub(crate) waiting: VecDeque<Waiting>,
    pub(crate) backlog: Backlog,
    pub(crate) kill_generation: u64,
    pub(crate) risk_held: bool,
    pub(crate) strategies: Box<[Owner]>,
    pub(crate) risk_epoch: u32,
    pub(crate) risk_sequence: u64,
    /// Last sequence of `order_entry` that was taken.
    entry_sequence: u64,
    pub(crate) capital_orders: u64,
    pub(crate) capital_notional: i128,
    pub(crate) stopping: bool,
    pub(crate) finished: bool,
    checkpoint_due: Nanos,
    checkpointed: u64,
}

/// UserRefNums of a replace chain, by row.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Chain {
    pub root: u32,
    pub working: u32,
    /// UserRefNum of the replace in flight; 0 = none.
    pub replacing: u32,
    /// The venue's next number, as first told after the order or its replace went into doubt; 0 = not told, not in doubt.
    pub venue_next: u32,
    /// Shares that self-match prevention took off: part of the total that a replace names.
    pub prevented: u32,
    /// When its last cancel was handed over, and on which session; 0 = none was.
    pub cancel_sent: Nanos,
    pub cancel_session: u32,
    /// Cancels handed over; it stays at 255.
    pub cancels: u8,
    /// The venue has told something of it since.
    pub told: bool,
}

/// What the gateway knows of a strategy.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Owner {
    pub held: bool,
    /// Epoch of its last fence: older ids are refused.
    pub epoch: u32,
    /// Greatest ClOrdID seen.
    pub last: ClOrdId,
}

impl Gateway {
    /// Most outputs of a timer, and of any input but [`Input::Received`].
    pub const TIMER_OUTPUTS_MAX: usize =
        SWEEP_STEP * OUTPUTS_PER_CANCEL + BACKLOG_STEP * OUTPUTS_PER_BACKLOG + OUTPUTS_BESIDE;
    /// Most messages to the venue among them: mass cancel and two cancels an order, two cancels an order; heartbeat, probe
    /// and logout.
    pub const TIMER_SENDS_MAX: usize = SWEEP_STEP * 3 + BACKLOG_STEP * 2 + 3;
    /// Most reports among them: one an order, and the checkpoint.
    pub const TIMER_REPORTS_MAX: usize = SWEEP_STEP + BACKLOG_STEP + 1;

    /// A gateway that continues a journal after `journal_sequence` (0: a new one).
    ///
    /// # Panics
    /// On settings with no order capacity.
    #[must_use]
    pub fn new(settings: Settings, journal_sequence: u64) -> Self {
        let (orders, instruments) = (settings.orders_max, settings.symbols.len());
        let published = OrdersState::with_capacity(orders, instruments.max(1), settings.strategies.max(1));
        Self::continuing(settings, published, journal_sequence)
    }

    /// A gateway that continues a journal after `journal_sequence`, whose records lead to `published`: its checkpoints are
    /// of the whole journal, as every reader folds it.
    ///
    /// # Panics
    /// On settings with no order capacity.
    #[must_use]
    pub fn continuing(settings: Settings, published: OrdersState, journal_sequence: u64) -> Self {
        let (orders, instruments) = (settings.orders_max, settings.symbols.len());
        Self {
            counters: Counters::default(),
            journal_sequence,
            journal_available: true,
            orders: OrderTable::with_capacity(orders),
            published,
            refs: UserRefs::with_capacity(orders * 4),
            chains: vec![Chain::default(); orders].into(),
            matches: Matches::with_capacity(orders * 4),
            session: Session::new(),
            sweeps: Sweeps::new(settings.strategies, instruments),
            waiting: VecDeque::with_capacity(orders),
            backlog: Backlog::default(),
            kill_generation: 0,
            risk_held: false,
            strategies: vec![Owner::default(); settings.strategies].into(),
            risk_epoch: 0,
            risk_sequence: 0,
            entry_sequence: 0,
            capital_orders: 0,
            capital_notional: 0,
            stopping: false,
            finished: false,
            checkpoint_due: Nanos(0),
            checkpointed: journal_sequence,
            settings,
        }
    }

    /// Its place in `order_entry` when it starts on a ring that a life before it has read: the last sequence taken.
    pub const fn start_after(&mut self, sequence: u64) {
        self.entry_sequence = sequence;
    }

    /// What it has counted.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Orders as it knows them.
    #[must_use]
    pub const fn orders(&self) -> &OrderTable {
        &self.orders
    }

    /// The fold of what it published.
    #[must_use]
    pub const fn published(&self) -> &OrdersState {
        &self.published
    }

    /// Sequence of the last journal record.
    #[must_use]
    pub const fn journal_sequence(&self) -> u64 {
        self.journal_sequence
    }

    /// True when new orders may be taken: logged in and reconciled.
    #[must_use]
    pub const fn session_open(&self) -> bool {
        self.session.is_open()
    }

    /// A stop was carried out.
    #[must_use]
    pub const fn finished(&self) -> bool {
        self.finished
    }

    pub(crate) fn journal(&mut self, record: Record, emit: &mut impl FnMut(Output)) -> u64 {
        self.journal_sequence += 1;
        emit(Output::Journal { sequence: self.journal_sequence, record });
        self.journal_sequence
    }

    /// Stamps of the next record, which no venue message caused.
    pub(crate) const fn stamps(&self, reason: RejectReason) -> Stamps {
        Stamps { journal_sequence: self.journal_sequence + 1, receive_ns: Nanos(0), gateway_delta_ns: 0, reason }
    }

    /// Journals and publishes what tells of an event; its stamps must be those of the next record. False when the fold
    /// refuses it: then nothing was done, because every reader would refuse it too, and the journal could not be folded.
    pub(crate) fn publish(
        &mut self,
        now: Nanos,
        execution: &Execution,
        match_number: u64,
        emit: &mut impl FnMut(Output),
    ) -> bool {
        debug_assert_eq!(execution.journal_sequence(), self.journal_sequence + 1);
        if self.published.apply(execution).is_err() {
            self.counters.fold_errors += 1;
            return false;
        }
        self.journal(Record::execution(execution, match_number, now), emit);
        emit(Output::Publish(*execution));
        true
    }

    /// Applies an event to an order, and tells of it. What cannot be told (a position over 64 bits) does not happen.
    pub(crate) fn apply(
        &mut self,
        now: Nanos,
        row: Row,
        event: &Event,
        stamps: &Stamps,
        match_number: u64,
        emit: &mut impl FnMut(Output),
    ) -> Result<Outcome, Illegal> {
        let before = *self.orders.order(row);
        let outcome = self.orders.apply(row, event)?;
        let stamps = Stamps { journal_sequence: self.journal_sequence + 1, ..*stamps };
        if let Some(execution) = self.orders.order(row).execution(&outcome, &stamps)
            && !self.publish(now, &execution, match_number, emit)
        {
            self.orders.write(row, before).expect("an order's own ids are free to it");
            return Err(Illegal::Quantity);
        }
        if let Outcome::Report { anomaly: Some(_), .. } = outcome {
            self.counters.anomalies += 1;
        }
        Ok(outcome)
    }

    /// As [`Gateway::apply`] where an illegal pair is the venue's or a race's doing: counted, without effect.
    pub(crate) fn apply_counted(
        &mut self,
        now: Nanos,
        row: Row,
        event: &Event,
        stamps: &Stamps,
        match_number: u64,
        emit: &mut impl FnMut(Output),
    ) -> Option<Outcome> {
        match self.apply(now, row, event, stamps, match_number, emit) {
            Ok(outcome) => Some(outcome),
            Err(_) => {
                self.counters.illegal += 1;
                None
            }
        }
    }

    /// The row of the order that a UserRefNum belongs to, if it is still held.
    pub(crate) fn row_of(&self, used: &UserRef) -> Option<Row> {
        let row = used.row as usize;
        if self.chains.get(row)?.root != used.root {
            return None;
        }
        self.orders.at(row).and_then(|order| self.orders.find(order.cl_ord_id))
    }

    /// The order and row of an id.
    pub(crate) fn found(&self, id: ClOrdId) -> Option<(Row, Order)> {
        self.orders.find(id).map(|row| (row, *self.orders.order(row)))
    }

    /// Frames an OUCH message; false when the session takes none.
    pub(crate) fn send(
        &mut self,
        now: Nanos,
        message: &InboundRepr,
        tag: SendTag,
        emit: &mut impl FnMut(Output),
    ) -> bool {
        let mut payload = [0; SEND_BYTES];
        let Ok(length) = message.encode_into(&mut payload) else { return false };
        if self.session.send(now, &payload[..length]).is_err() {
            return false;
        }
        self.flush(tag, emit);
        true
    }

    /// Hands what the session has framed to the shell.
    pub(crate) fn flush(&mut self, tag: SendTag, emit: &mut impl FnMut(Output)) {
        loop {
            let pending = self.session.out.pending();
            if pending.is_empty() {
                return;
            }
            let length = pending.len().min(SEND_BYTES);
            let mut bytes = [0; SEND_BYTES];
            bytes[..length].copy_from_slice(&pending[..length]);
            self.session.out.consume(length);
            emit(Output::Send(Sending { tag, length, bytes }));
        }
    }

    fn on_control(&mut self, now: Nanos, control: &Control, emit: &mut impl FnMut(Output)) {
        match control.kind() {
            ControlKind::Epoch => self.on_epoch(now, control, emit),
            kind @ (ControlKind::Arm | ControlKind::Disarm) => {
                let strategy = if control.role == 0 { u32::MAX } else { u32::from(control.index) };
                let armed = u32::from(kind == ControlKind::Arm);
                self.journal(Record::ArmChange(ArmChange { strategy, armed, now_ns: now }), emit);
            }
            ControlKind::CancelAll => self.sweeps.begin_all(self.refs.next(), now),
            ControlKind::Stop if control.role == 0 || control.role == Role::ExecutionGateway as u8 => {
                self.stopping = true;
                self.sweeps.begin_all(self.refs.next(), now);
                self.sweeps.stop_by = now.plus(2_000_000_000);
            }
            ControlKind::Stop | ControlKind::AllocateOnce => {}
        }
    }

    fn on_epoch(&mut self, now: Nanos, control: &Control, emit: &mut impl FnMut(Output)) {
        let Some(role @ (Role::Risk | Role::Strategy)) = Role::from_u8(control.role) else { return };
        let (index, epoch) = (control.index, control.epoch);
        if role == Role::Risk {
            // A greater epoch only: a control ring read again from its start fences nothing twice.
            if epoch <= self.risk_epoch {
                return;
            }
            (self.risk_epoch, self.risk_sequence) = (epoch, 0);
        } else {
            let Some(owner) = self.strategies.get_mut(usize::from(index)) else { return };
            if epoch <= owner.epoch {
                return;
            }
            owner.epoch = epoch;
            // What its dead predecessor left is cancelled, whether or not the lease was seen to lapse.
            self.sweeps.begin_strategy(usize::from(index), self.refs.next(), now);
        }
        self.counters.fences += 1;
        // What comes after this of the fenced one's requests is refused.
        let (kind, gateway) = (RingKind::OrderEntry, self.settings.gateway);
        let ring = RingId { kind, writer: Role::Risk, index: 0, gateway }.to_u32();
        let mut cursors = [RingCursor { ring: 0, reserved: 0, cursor: 0 }; journal::record::FENCE_RINGS_MAX];
        cursors[0] = RingCursor { ring, reserved: 0, cursor: self.entry_sequence };
        let fence = Fence { role: role as u8, index, reserved: 0, epoch, now_ns: now, cursors };
        let journal_sequence = self.journal(Record::Fence(fence), emit);
        emit(Output::FenceEcho { role, index, epoch, journal_sequence });
    }

    fn on_kill(&mut self, now: Nanos, generation: u64, emit: &mut impl FnMut(Output)) {
        if generation == self.kill_generation {
            return;
        }
        self.kill_generation = generation;
        let engaged = u64::from(generation != 0);
        self.counters.kills += engaged;
        let record = Record::Kill(Kill { generation_sum: generation, engaged, now_ns: now });
        let journal_sequence = self.journal(record, emit);
        emit(Output::KillEcho { generation, journal_sequence });
        if engaged != 0 {
            self.void_waiting(now, RejectReason::GatewayKilled);
            self.sweeps.begin_kill(self.refs.next(), now);
        }
    }

    /// What waits for a journal that takes no more would wait for ever: it is void.
    fn on_journal(&mut self, now: Nanos, available: bool) {
        self.journal_available = available;
        if !available {
            self.void_waiting(now, RejectReason::JournalUnavailable);
        }
    }

    fn on_lease(&mut self, now: Nanos, role: Role, index: u8, held: bool, emit: &mut impl FnMut(Output)) {
        let lease = match role {
            Role::Risk => Some(&mut self.risk_held),
            Role::Strategy => self.strategies.get_mut(usize::from(index)).map(|owner| &mut owner.held),
            _ => None,
        };
        let Some(lease) = lease else { return };
        if std::mem::replace(lease, held) == held {
            return;
        }
        let kind = if held { SessionEvent::LEASE_HELD } else { SessionEvent::LEASE_LOST };
        self.session_event(now, kind, role as u8, u64::from(index), emit);
        if held {
            return;
        }
        self.counters.leases_lost += 1;
        let next = self.refs.next();
        if role == Role::Risk {
            self.sweeps.begin_all(next, now);
        } else {
            self.sweeps.begin_strategy(usize::from(index), next, now);
        }
    }

    fn checkpoint(&mut self, now: Nanos, emit: &mut impl FnMut(Output)) {
        self.checkpoint_due = now.plus(self.settings.checkpoint_ns);
        if self.checkpointed == self.journal_sequence {
            return;
        }
        self.counters.checkpoints += 1;
        let checkpoint = Checkpoint {
            kind: ExecutionKind::Checkpoint as u8,
            journal_sequence: self.journal_sequence + 1,
            state_hash: self.published.hash(),
            ..Checkpoint::default()
        };
        self.publish(now, &Execution::Checkpoint(checkpoint), 0, emit);
        self.checkpointed = self.journal_sequence;
    }
}

impl Machine for Gateway {
    type Input = Input;
    type Output = Output;
    /// One read of the socket is the most: what concerns many orders is done by timers, a bounded number each.
    const OUTPUTS_MAX: usize = FRAMES_MAX * OUTPUTS_PER_FRAME + OUTPUTS_BESIDE;

    fn on_input(&mut self, now: Nanos, input: &Input, emit: &mut impl FnMut(Output)) {
        match input {
            Input::Entry { sequence, request } => {
                self.entry_sequence = *sequence;
                match request {
                    Ok(request) => self.on_request(now, request, emit),
                    Err(_) => self.counters.malformed_entries += 1,
                }
            }
            Input::Control(control) => self.on_control(now, control, emit),
            Input::Connected => self.on_connected(now, emit),
            Input::Disconnected => self.on_disconnected(now, emit),
            Input::Received(received) => self.on_received(now, received, emit),
            Input::Kill { generation } => self.on_kill(now, *generation, emit),
            Input::Lease { role, index, held } => self.on_lease(now, *role, *index, *held, emit),
            Input::Sent { user_ref_num, send_ns, write_ns } => {
                self.on_sent(now, *user_ref_num, (*send_ns, *write_ns), emit);
            }
            Input::CancelSent { user_ref_num, .. } => self.on_cancel_sent(now, *user_ref_num, emit),
            Input::NotSent { user_ref_num, reason } => self.on_not_sent(now, *user_ref_num, *reason, emit),
            Input::Durable { journal_sequence } => self.on_durable(now, *journal_sequence),
            Input::Journal { available } => self.on_journal(now, *available),
        }
    }

    fn on_timer(&mut self, now: Nanos, emit: &mut impl FnMut(Output)) {
        self.session_timer(now, emit);
        self.sweep(now, emit);
        self.work_off(now, emit);
        if now >= self.checkpoint_due {
            self.checkpoint(now, emit);
        }
        self.try_finish(now, emit);
    }

    fn deadline(&self) -> Option<Nanos> {
        if self.finished {
            return None;
        }
        let due = [self.session.deadline(), self.sweeps.deadline(), self.backlog_deadline(), Some(self.checkpoint_due)];
        due.into_iter().flatten().min()
    }
}

/// Whether an order waits for the durable watermark before it leaves.
pub(crate) const fn waits(durability: Durability) -> bool {
    matches!(durability, Durability::L2)
}
