//! A flow of order events in its steady state: a venue's orders come and go, and as many live at the end as at the start.
//!
//! Each step takes one live order away and adds a new one. The flow is written once, with references relative to a base
//! that grows with every pass, so that it can be run for ever without a reset, on any book.

use crate::work::seed::Seed;
use shm_layout::types::Side;

/// One step: `leaves` is deleted, then an order is added.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Reference of the order that goes, from the pass's base; negative when an earlier pass added it.
    pub leaves: i64,
    /// The order that comes; its reference is the base plus the step's index.
    pub comes: Order,
}

/// An order that comes.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// Row of its instrument.
    pub instrument: u32,
    /// Side.
    pub side: Side,
    /// Price in ticks of 0.01; every price is positive.
    pub ticks: u32,
    /// Whole shares.
    pub shares: u32,
}

/// A flow over `instruments` instruments.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Rows `0..instruments`.
    pub instruments: u32,
    /// Orders to add first, with their references: what a pass before the first would have left.
    pub opening: Vec<(u64, Order)>,
    /// The steps of a pass.
    pub steps: Vec<Step>,
}

/// Base of the first pass; a venue's references are unique over the day and rise.
pub const FIRST_BASE: u64 = 1 << 20;
/// Middle of every market, in ticks.
const MIDDLE: u32 = 10_000;

impl Flow {
    /// One busy book: 1,024 live orders in one instrument.
    #[must_use]
    pub fn hot() -> Self {
        Self::new(1, 1024, 1 << 15, 1)
    }

    /// A whole channel: 100,000 live orders in 1,024 instruments, half of the traffic in 32 of them.
    #[must_use]
    pub fn many() -> Self {
        Self::new(1024, 100_000, 1 << 18, 2)
    }

    fn new(instruments: u32, live: usize, steps: usize, seed: u64) -> Self {
        assert!(steps as u64 + live as u64 <= FIRST_BASE, "the opening's references lie below the first base");
        let mut seed = Seed(seed);
        let mut places: Vec<(i64, Order)> =
            (0..live as i64).map(|place| (place - FIRST_BASE as i64, order(&mut seed, instruments))).collect();
        let made: Vec<(usize, Order)> =
            (0..steps).map(|_| (seed.below(live as u64) as usize, order(&mut seed, instruments))).collect();
        // The opening is what an earlier pass leaves: then each pass finds the book as the one before it did.
        for (index, (place, comes)) in made.iter().enumerate() {
            places[*place] = (index as i64 - steps as i64, *comes);
        }
        let opening = places.iter().map(|(at, order)| (FIRST_BASE.wrapping_add_signed(*at), *order)).collect();
        let steps = made.iter().zip(0..).map(|((place, comes), index)| {
            let (leaves, _) = std::mem::replace(&mut places[*place], (index, *comes));
            Step { leaves, comes: *comes }
        });
        Self { instruments, opening, steps: steps.collect() }
    }

    /// How far the base moves with each pass.
    #[must_use]
    pub fn stride(&self) -> u64 {
        self.steps.len() as u64
    }
}

/// Prices gather at the touch: half of the orders stand within two ticks of the best price, few beyond twenty.
fn order(seed: &mut Seed, instruments: u32) -> Order {
    let busy = u64::from(instruments.min(32));
    let instrument = if seed.below(2) == 0 { seed.below(busy) } else { seed.below(u64::from(instruments)) } as u32;
    let side = if seed.below(2) == 0 { Side::Buy } else { Side::Sell };
    let away = 1 + seed.run(75, 60) as u32;
    let ticks = if side == Side::Buy { MIDDLE - away } else { MIDDLE + away };
    Order { instrument, side, ticks, shares: 1 + seed.below(999) as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_pass_finds_and_leaves_the_same_orders() {
        let flow = Flow::hot();
        let mut live: BTreeMap<u64, u32> = flow.opening.iter().map(|(id, order)| (*id, order.ticks)).collect();
        assert_eq!(live.len(), 1024, "references are unique");
        let prices = |live: &BTreeMap<u64, u32>| {
            let mut prices: Vec<_> = live.values().copied().collect();
            prices.sort_unstable();
            prices
        };
        let before = prices(&live);
        for pass in 0..3 {
            let base = FIRST_BASE + pass * flow.stride();
            for (step, reference) in flow.steps.iter().zip(base..) {
                assert!(live.remove(&base.wrapping_add_signed(step.leaves)).is_some(), "only live orders leave");
                assert_eq!(live.insert(reference, step.comes.ticks), None);
            }
            assert_eq!(prices(&live), before);
        }
    }
}
