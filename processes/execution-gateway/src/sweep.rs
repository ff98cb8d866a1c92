//! Sweeps: cancelling many orders, a bounded number a step, again and again until nothing of them is live.
//!
//! A kill, a stop, a lost lease, a fence and the operator's cancel-all are the same work over different owners.

use crate::io::{Output, SendTag};
use crate::machine::{Gateway, SWEEP_STEP};
use crate::requests::{FROM_GATEWAY, own_cancel};
use machine::Nanos;
use orders::order::Order;
use protocols::ouch::{InboundRepr, MassCancelRepr};

/// A cancel that has no answer for so long is sent again.
const REPEAT_NS: u64 = 100_000_000;

/// What is being cancelled: orders whose chain began before a number. Orders that came later are wanted, and a sweep that
/// an order in doubt keeps going must not reach them.
#[derive(Debug)]
pub(crate) struct Sweeps {
    /// Chains below this number; 0 = none.
    all_below: u32,
    /// The same, by strategy.
    strategies_below: Box<[u32]>,
    /// Instruments still to be mass-cancelled (a kill).
    mass: Box<[bool]>,
    next_at: Option<Nanos>,
    /// When a stop gives up waiting.
    pub stop_by: Nanos,
}

impl Sweeps {
    pub fn new(strategies: usize, instruments: usize) -> Self {
        Self {
            all_below: 0,
            strategies_below: vec![0; strategies].into(),
            mass: vec![false; instruments].into(),
            next_at: None,
            stop_by: Nanos(0),
        }
    }

    /// Begins to cancel every order whose chain began below `next_user_ref_num`.
    pub fn begin_all(&mut self, next_user_ref_num: u32, now: Nanos) {
        self.all_below = self.all_below.max(next_user_ref_num);
        self.next_at = Some(now);
    }

    /// The same of one strategy.
    pub fn begin_strategy(&mut self, strategy: usize, next_user_ref_num: u32, now: Nanos) {
        self.strategies_below[strategy] = self.strategies_below[strategy].max(next_user_ref_num);
        self.next_at = Some(now);
    }

    /// The same of all, by instrument first.
    pub fn begin_kill(&mut self, next_user_ref_num: u32, now: Nanos) {
        self.mass.fill(true);
        self.begin_all(next_user_ref_num, now);
    }

    pub const fn deadline(&self) -> Option<Nanos> {
        self.next_at
    }

    fn covers(&self, order: &Order, root: u32) -> bool {
        let below = self.strategies_below.get(usize::from(order.strategy_id)).copied().unwrap_or(0);
        root < self.all_below.max(below)
    }

    fn end(&mut self) {
        self.all_below = 0;
        self.strategies_below.fill(0);
        self.mass.fill(false);
        self.next_at = None;
    }
}

impl Gateway {
    /// One step: up to [`SWEEP_STEP`] cancels; then at once again, or after a while for what is unanswered.
    pub(crate) fn sweep(&mut self, now: Nanos, emit: &mut impl FnMut(Output)) {
        if self.sweeps.next_at.is_none_or(|at| now < at) {
            return;
        }
        let mut left = 0;
        let mut done = 0;
        let mut next = self.orders.next_live(None);
        while let Some(row) = next {
            next = self.orders.next_live(Some(row));
            let order = *self.orders.order(row);
            if !self.sweeps.covers(&order, self.chains[row.index()].root) {
                continue;
            }
            left += 1;
            let repeat = now.0.saturating_sub(self.chains[row.index()].cancel_sent.0) >= REPEAT_NS;
            let due = order.cancel.is_none() || repeat;
            if !due || !self.session.is_logged_in() || done == SWEEP_STEP {
                continue;
            }
            done += 1;
            self.mass_cancel(now, &order, emit);
            if order.cancel.is_none() {
                self.counters.own_cancels += 1;
                let _ = self.cancel(now, row, &own_cancel(&order), FROM_GATEWAY, emit);
            } else {
                self.send_cancels(now, row, emit);
            }
        }
        match (left, done) {
            // A stop or a lost lease holds until it is over; both end here once nothing is live.
            (0, _) => self.sweeps.end(),
            (_, SWEEP_STEP) => self.sweeps.next_at = Some(now),
            _ => self.sweeps.next_at = Some(now.plus(REPEAT_NS / 10)),
        }
    }

    fn mass_cancel(&mut self, now: Nanos, order: &Order, emit: &mut impl FnMut(Output)) {
        let index = order.instrument_id.index();
        if !std::mem::take(&mut self.sweeps.mass[index]) {
            return;
        }
        let Ok(user_ref_num) = self.next_user_ref_num() else { return };
        self.refs.take_session(user_ref_num);
        let (firm, symbol) = (self.settings.firm, self.symbol(order.instrument_id));
        let message = InboundRepr::MassCancel(MassCancelRepr { user_ref_num, firm, symbol });
        if self.send(now, &message, SendTag::Session, emit) {
            self.counters.mass_cancels_sent += 1;
        }
    }
}
