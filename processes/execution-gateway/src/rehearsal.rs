//! What the next order will look at, looked at while there is nothing to do.
//!
//! Milliseconds lie between two orders, and in them whoever shares the CPU pushes their lines out of its cache: of the 2 us
//! that a gateway took for an order, more than one was spent waiting for memory. A rehearsal reads; it changes nothing and
//! decides nothing.

use crate::machine::Gateway;
use shm_layout::types::ClOrdId;
use std::hint::black_box;

impl Gateway {
    /// Reads what admission, numbers and table will read for the next new order of each strategy.
    pub fn rehearse(&self) {
        for (strategy, owner) in (0..).zip(&self.strategies) {
            self.orders.rehearse(ClOrdId(owner.last.0.wrapping_add(1)));
            black_box(self.refused_now(strategy));
        }
        let _ = black_box(self.next_user_ref_num());
        black_box(self.orders.next_row().and_then(|row| self.chains.get(row.index()).copied()));
        black_box((self.capital_notional, self.risk_sequence, self.risk_epoch));
    }
}
