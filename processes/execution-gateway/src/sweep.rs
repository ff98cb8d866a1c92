//! Sweeps: cancelling many orders, a bounded number a step, until nothing of them is live.
//!
//! A kill, a stop, a lost lease, a fence and the operator's cancel-all are the same work over different owners. A sweep goes
//! round the table of orders, at once again while there is something to cancel, then now and then until all have ended.
//!
//! An order is cancelled **once a session**: the connection loses nothing, so a second cancel could tell the venue nothing
//! new. It is cancelled again only on another session, or when the venue has said something of it since (a cancel can
//! overtake its order, or be refused), then after 100 ms, which doubles with each further cancel up to 12.8 s. So an order
//! that the venue never speaks of costs one cancel a session, however long it stays `Unknown`.

use crate::io::{Output, SendTag};
use crate::machine::{Chain, Gateway, ROWS_STEP, SWEEP_STEP};
use crate::requests::{FROM_GATEWAY, own_cancel};
use machine::Nanos;
use orders::order::Order;
use protocols::ouch::{InboundRepr, MassCancelRepr};

/// Least time between two cancels of an order on one session, in nanoseconds; it doubles with each.
const REPEAT_NS: u64 = 100_000_000;
/// Most doublings of it.
const REPEAT_DOUBLINGS: u8 = 7;
/// Time between two rounds that had something to do, or that a stop waits for, in nanoseconds.
const ROUND_NS: u64 = REPEAT_NS / 10;

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
    /// The row of the round that comes next, orders found live in the round, and of these cancelled.
    row: usize,
    live: usize,
    done: usize,
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
            row: 0,
            live: 0,
            done: 0,
            next_at: None,
            stop_by: Nanos(0),
        }
    }

    /// Begins to cancel every order whose chain began below `next_user_ref_num`.
    pub fn begin_all(&mut self, next_user_ref_num: u32, now: Nanos) {
        self.all_below = self.all_below.max(next_user_ref_num);
        self.begin_round(now);
    }

    /// The same of one strategy.
    pub fn begin_strategy(&mut self, strategy: usize, next_user_ref_num: u32, now: Nanos) {
        self.strategies_below[strategy] = self.strategies_below[strategy].max(next_user_ref_num);
        self.begin_round(now);
    }

    /// The same of all, by instrument first.
    pub fn begin_kill(&mut self, next_user_ref_num: u32, now: Nanos) {
        self.mass.fill(true);
        self.begin_all(next_user_ref_num, now);
    }

    /// A session stands again: a round that waits, waits no longer.
    pub const fn wake(&mut self, now: Nanos) {
        if self.next_at.is_some() {
            self.begin_round(now);
        }
    }

    const fn begin_round(&mut self, now: Nanos) {
        (self.row, self.live, self.done, self.next_at) = (0, 0, 0, Some(now));
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
    /// One step of a round: up to [`SWEEP_STEP`] cancels among up to [`ROWS_STEP`] rows.
    pub(crate) fn sweep(&mut self, now: Nanos, emit: &mut impl FnMut(Output)) {
        if self.sweeps.next_at.is_none_or(|at| now < at) {
            return;
        }
        let rows = if self.orders.live_count() == 0 { 0 } else { self.orders.capacity() };
        let last = rows.min(self.sweeps.row + ROWS_STEP);
        let mut left = SWEEP_STEP;
        while self.sweeps.row < last && left > 0 {
            if self.sweep_row(now, self.sweeps.row, emit) {
                self.sweeps.done += 1;
                left -= 1;
            }
            self.sweeps.row += 1;
        }
        if self.sweeps.row < rows {
            self.sweeps.next_at = Some(now);
        } else if self.sweeps.live == 0 {
            self.sweeps.end();
        } else {
            let idle = self.sweeps.done == 0 && !self.stopping;
            self.sweeps.begin_round(now.plus(if idle { REPEAT_NS } else { ROUND_NS }));
        }
    }

    /// Cancels the order of a row if it is to be cancelled and is due; true when it was.
    fn sweep_row(&mut self, now: Nanos, row: usize, emit: &mut impl FnMut(Output)) -> bool {
        let Some(row) = self.live_at(row) else { return false };
        let order = *self.orders.order(row);
        let chain = self.chains[row.index()];
        // An order of a session that is gone has no number to cancel it by.
        if chain.working == 0 || !self.sweeps.covers(&order, chain.root) {
            return false;
        }
        self.sweeps.live += 1;
        if !self.session.is_logged_in() || !self.is_due(now, &chain) {
            return false;
        }
        self.mass_cancel(now, &order, emit);
        if order.cancel.is_none() {
            self.counters.own_cancels += 1;
            let _ = self.cancel(now, row, &own_cancel(&order), FROM_GATEWAY, emit);
        } else {
            self.send_cancels(now, row, emit);
        }
        true
    }

    fn is_due(&self, now: Nanos, chain: &Chain) -> bool {
        let wait_ns = REPEAT_NS << chain.cancels.saturating_sub(1).min(REPEAT_DOUBLINGS);
        let waited = now.0.saturating_sub(chain.cancel_sent.0) >= wait_ns;
        chain.cancel_session != self.session.number() || (chain.told && waited)
    }

    /// An order came to light whose owner may have none: it is swept too.
    pub(crate) fn sweep_adopted(&mut self, now: Nanos, strategy: usize) {
        let next = self.refs.next();
        if self.kill_generation != 0 || self.stopping || !self.risk_held {
            self.sweeps.begin_all(next, now);
        } else if !self.strategies[strategy].held {
            self.sweeps.begin_strategy(strategy, next, now);
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
