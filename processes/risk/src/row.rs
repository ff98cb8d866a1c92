//! What a verdict reads of a row and of an instrument, each together in its own cache lines: an order then touches one
//! line of limits, two of its instrument and its exposure, wherever the tables end.

use crate::limits::{Domain, Limit};
use crate::market::{Collar, Market};

/// What binds one strategy in one instrument.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct Row {
    /// Its limits.
    pub limit: Limit,
    /// The prices that they let pass around the last reference.
    pub collar: Collar,
}

const _: () = assert!(size_of::<Row>() == 64);

/// One instrument, for every strategy.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct InstrumentState {
    /// As of the last reference.
    pub market: Market,
    /// What its prices and quantities can be.
    pub domain: Domain,
}

const _: () = assert!(size_of::<InstrumentState>() == 128);
