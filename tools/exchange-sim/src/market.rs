//! What a market says: ITCH events for everyone, and executions for the account. The seeded market and the file
//! market speak through the same [`MarketOut`].

use crate::instrument::PriceTicks;
use crate::matching::Prevented;
use shm_layout::types::Side;

/// A market-data event before it has bytes. Prices are in 1e-4, quantities in shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarketEvent {
    /// ITCH `S`: a system event code.
    System(u8),
    /// ITCH `R`, `H` (trading) and `Y` are made from the instrument of this row.
    Directory(usize),
    /// ITCH `A`: an order rests.
    Add {
        /// Row of the instrument.
        row: usize,
        /// Order reference number.
        reference: u64,
        /// Side.
        side: Side,
        /// Shares.
        shares: u32,
        /// Limit price.
        price: PriceTicks,
    },
    /// ITCH `E`: a resting order traded at its own price.
    Executed {
        /// Row of the instrument.
        row: usize,
        /// Order reference number.
        reference: u64,
        /// Shares traded.
        shares: u32,
        /// Match number.
        match_number: u64,
    },
    /// ITCH `X`: shares taken off a resting order.
    Cancel {
        /// Row of the instrument.
        row: usize,
        /// Order reference number.
        reference: u64,
        /// Shares taken off.
        shares: u32,
    },
    /// ITCH `D`: a resting order left the book.
    Delete {
        /// Row of the instrument.
        row: usize,
        /// Order reference number.
        reference: u64,
    },
    /// ITCH `U`: a resting order was replaced and lost its priority.
    Replace {
        /// Row of the instrument.
        row: usize,
        /// Reference of the order that left.
        original: u64,
        /// Reference of the order that rests in its place.
        reference: u64,
        /// Shares.
        shares: u32,
        /// Limit price.
        price: PriceTicks,
    },
}

/// An execution of an order of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execution {
    /// The order's UserRefNum.
    pub user_ref_num: u32,
    /// Price of the trade, in 1e-4.
    pub price: PriceTicks,
    /// Shares traded.
    pub shares: u32,
    /// Match number, unique over the session.
    pub match_number: u64,
    /// True when the order took liquidity, false when it was resting.
    pub aggressor: bool,
}

/// What happened in a market, in order.
#[derive(Debug, Default)]
pub struct MarketOut {
    /// For the feed.
    pub events: Vec<MarketEvent>,
    /// For the account.
    pub executions: Vec<Execution>,
}

/// An order of the account as a market takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewOrder {
    /// UserRefNum.
    pub user_ref_num: u32,
    /// Row of the instrument.
    pub row: usize,
    /// Side.
    pub side: Side,
    /// Limit price, in 1e-4.
    pub price: PriceTicks,
    /// Shares to trade.
    pub shares: u32,
    /// True when what does not trade at once is canceled.
    pub immediate: bool,
}

/// What became of a new order, beside its executions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// The order reference number given to it.
    pub reference: u64,
    /// Shares that now rest.
    pub resting: u32,
    /// Shares canceled at once: the rest of an immediate order, or self-match prevention.
    pub canceled: u32,
    /// Set when `canceled` is due to self-match prevention.
    pub prevented: Option<Prevented>,
}

/// Numbers that a market gives out, each once in a session.
#[derive(Debug, Clone)]
pub struct Numbers {
    reference: u64,
    match_number: u64,
}

impl Numbers {
    /// Starts after the given ones.
    #[must_use]
    pub const fn after(reference: u64, match_number: u64) -> Self {
        Self { reference, match_number }
    }

    /// The next order reference number.
    pub fn reference(&mut self) -> u64 {
        self.reference += 1;
        self.reference
    }

    /// The next match number.
    pub fn match_number(&mut self) -> u64 {
        self.match_number += 1;
        self.match_number
    }
}
