//! What one step began and later ones go on with, a bounded number of orders each: a lost session, a kill or a
//! reconciliation may concern every order held, and no step may cause more than the shell has room for.
//!
//! An input only says what is to be done; timers do it, as soon as the shell lets them fire. The order is fixed: what waits
//! for the journal is voided before it could go into doubt, and nothing connects before all doubts are told.

use crate::io::{Output, SendTag};
use crate::machine::{BACKLOG_STEP, Gateway, ROWS_STEP};
use crate::user_refs::UserRef;
use machine::Nanos;
use orders::table::Row;
use shm_layout::message::order::OrderCancelReplaceRequest;
use shm_layout::types::RejectReason;

/// What is done with each live order, once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Walk {
    /// The session was lost: what was in flight is in doubt.
    Doubt,
    /// The venue told its next number: what is in doubt notes it.
    Survey {
        /// The venue's next UserRefNum.
        venue_next: u32,
        /// Some order is in doubt.
        doubts: bool,
    },
    /// The probe was answered: what the venue never took is void.
    Resolve,
}

/// The work left.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    /// Orders that wait for the journal, up to this intent, are void, and why.
    void: Option<(u64, RejectReason)>,
    /// The journal is durable through this sequence (L2).
    durable_through: u64,
    /// A walk over the live orders, and the row that comes next.
    walk: Option<(Walk, usize)>,
    /// A replace that the life before journaled and may have sent, and told nobody of: its number, and what it asks for.
    pub untold: Option<(u32, OrderCancelReplaceRequest)>,
    /// When it was last touched.
    at: Nanos,
}

impl Backlog {
    /// True when nothing is left that a new session must wait for.
    pub const fn is_idle(&self) -> bool {
        self.void.is_none() && self.walk.is_none()
    }

    pub const fn durable_through(&self) -> u64 {
        self.durable_through
    }

    /// Begins a walk; one that was under way is over.
    pub const fn begin(&mut self, now: Nanos, walk: Walk) {
        (self.walk, self.at) = (Some((walk, 0)), now);
    }
}

impl Gateway {
    pub(crate) fn backlog_deadline(&self) -> Option<Nanos> {
        (!self.backlog.is_idle() || self.next_durable().is_some()).then_some(self.backlog.at)
    }

    /// Whatever waits for the journal now is void.
    pub(crate) fn void_waiting(&mut self, now: Nanos, reason: RejectReason) {
        if let Some(last) = self.waiting.back() {
            (self.backlog.void, self.backlog.at) = (Some((last.intent_sequence, reason)), now);
        }
    }

    /// L2: the journal is durable through a sequence.
    pub(crate) fn on_durable(&mut self, now: Nanos, journal_sequence: u64) {
        let backlog = &mut self.backlog;
        (backlog.durable_through, backlog.at) = (backlog.durable_through.max(journal_sequence), now);
    }

    /// One step: at most [`BACKLOG_STEP`] orders.
    pub(crate) fn work_off(&mut self, now: Nanos, emit: &mut impl FnMut(Output)) {
        self.backlog.at = now;
        let mut left = BACKLOG_STEP;
        while left > 0 && self.void_next(now, emit) {
            left -= 1;
        }
        while left > 0 && self.send_durable(now, emit) {
            left -= 1;
        }
        if self.backlog.void.is_none() {
            self.walk(now, left, emit);
        }
    }

    /// Voids the first of what waits; false when there is no more to void.
    fn void_next(&mut self, now: Nanos, emit: &mut impl FnMut(Output)) -> bool {
        let Some((through, reason)) = self.backlog.void else { return false };
        let Some(first) = self.waiting.pop_front_if(|first| first.intent_sequence <= through) else {
            self.backlog.void = None;
            return false;
        };
        self.on_not_sent(now, first.user_ref_num, reason, emit);
        true
    }

    fn next_durable(&self) -> Option<crate::machine::Waiting> {
        self.waiting.front().copied().filter(|first| first.intent_sequence <= self.backlog.durable_through)
    }

    /// Hands the first of what waits to the socket if it is durable and still may leave; false when it must wait.
    fn send_durable(&mut self, now: Nanos, emit: &mut impl FnMut(Output)) -> bool {
        let Some(first) = self.next_durable() else { return false };
        self.waiting.pop_front();
        let Some(used) = self.refs.get(first.user_ref_num).copied() else { return true };
        let refused = self.refused_now(used.strategy_id).or_else(|| self.fenced(&used));
        if let Some(reason) = refused.or_else(|| self.overtaken(&used)) {
            self.on_not_sent(now, first.user_ref_num, reason, emit);
            return true;
        }
        let tag = SendTag::Opening { user_ref_num: first.user_ref_num, strategy: used.strategy_id };
        if !self.send(now, &first.message, tag, emit) {
            self.on_not_sent(now, first.user_ref_num, RejectReason::SessionDown, emit);
        }
        true
    }

    /// The cancel of an order that waits does not wait: the venue has ignored it, so the order must not follow it.
    fn overtaken(&self, used: &UserRef) -> Option<RejectReason> {
        let order = self.orders.order(self.row_of(used)?);
        (order.cancel.is_some() || order.is_terminal()).then_some(RejectReason::RequestInFlight)
    }

    fn fenced(&self, used: &UserRef) -> Option<RejectReason> {
        let owner = self.strategies.get(usize::from(used.strategy_id))?;
        let risk_epoch = self.row_of(used).map(|row| self.orders.order(row).risk_epoch)?;
        (used.cl_ord_id.epoch() < owner.epoch || risk_epoch < self.risk_epoch).then_some(RejectReason::Fenced)
    }

    fn walk(&mut self, now: Nanos, mut left: usize, emit: &mut impl FnMut(Output)) {
        let Some((mut walk, first)) = self.backlog.walk else { return };
        let rows = if self.orders.live_count() == 0 { 0 } else { self.orders.capacity() };
        let last = rows.min(first + ROWS_STEP);
        let mut row = first;
        while row < last && left > 0 {
            if let Some(row) = self.live_at(row) {
                left -= 1;
                self.visit(now, row, &mut walk, emit);
            }
            row += 1;
        }
        self.backlog.walk = (row < rows).then_some((walk, row));
        if row >= rows {
            self.walked(now, walk, emit);
        }
    }

    fn visit(&mut self, now: Nanos, row: Row, walk: &mut Walk, emit: &mut impl FnMut(Output)) {
        match walk {
            Walk::Doubt => self.doubt(now, row, emit),
            Walk::Survey { venue_next, doubts } => *doubts |= self.survey(row, *venue_next),
            Walk::Resolve => self.resolve(now, row, emit),
        }
    }

    fn walked(&mut self, now: Nanos, walk: Walk, emit: &mut impl FnMut(Output)) {
        match walk {
            Walk::Doubt => {}
            Walk::Survey { doubts, .. } => self.on_surveyed(now, doubts, emit),
            Walk::Resolve => self.open(now, emit),
        }
    }

    /// The live order in a place of the table. Places, unlike the list of live orders, stay put between steps.
    pub(crate) fn live_at(&self, row: usize) -> Option<Row> {
        self.orders.at(row).filter(|order| !order.is_terminal()).and_then(|order| self.orders.find(order.cl_ord_id))
    }
}
