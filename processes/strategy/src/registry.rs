//! What a strategy is to the machine, and the table of the ones there are.

use crate::book::Bbo;
use crate::config::{Kind, Parameters};
use crate::mean_reversion::MeanReversion;
use shm_layout::types::{Nanos, Price, Qty, Side};

/// An order that a strategy would like to have working in an instrument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Want {
    /// Side.
    pub side: Side,
    /// Limit price.
    pub price: Price,
    /// Quantity of a new order; one that works keeps its own.
    pub order_qty: Qty,
}

/// A strategy: it is shown markets and executions and says what it wants; it never sees an order.
///
/// `slot` is the place of an instrument in the strategy's own list.
pub trait Strategy: std::fmt::Debug + Send {
    /// The best prices changed; `None`: the book may not be traded on.
    fn on_bbo(&mut self, now: Nanos, slot: usize, bbo: Option<Bbo>);

    /// One of its orders was executed.
    fn on_fill(&mut self, now: Nanos, slot: usize, side: Side, last_qty: Qty);

    /// Its deadline was reached.
    fn on_timer(&mut self, now: Nanos);

    /// When it next wants [`Strategy::on_timer`]; it moves forward with every timer that fires.
    fn deadline(&self) -> Option<Nanos>;

    /// The order that it wants to have working now, with `position` held; `None`: none.
    fn wants(&self, slot: usize, position: Qty) -> Option<Want>;
}

/// The strategy of a kind.
#[must_use]
pub fn build(kind: Kind, parameters: &Parameters, slots: usize) -> Box<dyn Strategy> {
    match kind {
        Kind::MeanReversion => Box::new(MeanReversion::new(parameters, slots)),
    }
}
