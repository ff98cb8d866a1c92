//! The market that a venue runs: seeded, or of a file. Order entry sees only this.

use crate::instrument::PriceTicks;
use crate::itch_market::ItchMarket;
use crate::market::{MarketOut, NewOrder, Placed};
use crate::matching::crosses;
use crate::seeded_market::SeededMarket;
use shm_layout::types::Side;

/// One of the two markets.
#[derive(Debug)]
pub enum Market {
    /// Agents and the account in one book.
    Seeded(Box<SeededMarket>),
    /// The file's messages; the account's orders stay unseen.
    File(Box<ItchMarket>),
}

impl Market {
    /// Takes a new order of the account.
    pub fn enter(&mut self, order: &NewOrder, out: &mut MarketOut) -> Placed {
        match self {
            Self::Seeded(market) => market.enter(order, out),
            Self::File(market) => market.enter(order, out),
        }
    }

    /// Replaces a resting order of the account.
    pub fn replace(&mut self, original: u64, order: &NewOrder, out: &mut MarketOut) -> Placed {
        match self {
            Self::Seeded(market) => market.replace(original, order, out),
            Self::File(market) => market.replace(original, order, out),
        }
    }

    /// Takes shares off a resting order of the account; at all of them it is removed. Returns the shares taken off.
    pub fn reduce(&mut self, row: usize, reference: u64, shares: u32, out: &mut MarketOut) -> Option<u32> {
        match self {
            Self::Seeded(market) => market.reduce(row, reference, shares, out),
            Self::File(market) => market.reduce(reference, shares),
        }
    }

    /// True when an order would trade at once.
    #[must_use]
    pub fn is_marketable(&self, row: usize, side: Side, price: PriceTicks) -> bool {
        match self {
            Self::Seeded(market) => {
                let contra = market.book(row).best(side.opposite());
                contra.is_some_and(|(best, _)| crosses(side, price, best))
            }
            Self::File(market) => market.is_marketable(row, side, price),
        }
    }

    /// True when an instrument is open for orders.
    #[must_use]
    pub fn is_trading(&self, row: usize) -> bool {
        match self {
            Self::Seeded(_) => true,
            Self::File(market) => market.is_trading(row),
        }
    }
}
