//! Background flow of one instrument: a fair value that wanders and returns, makers who quote ladders around it, and
//! takers who trade through the quotes.
//!
//! Agents decide; they never touch the book. Each decision is one [`Action`] that the market carries out. Integers
//! only: fair values are in thousandths of a tick.

use crate::dice::Dice;
use crate::instrument::{Instrument, PriceTicks};
use crate::matching::Book;
use shm_layout::types::Side;

/// Makers per instrument.
pub const MAKERS: usize = 3;
/// Levels that a maker quotes on each side.
pub const LEVELS: usize = 6;
/// Time between two steps of the fair value: 5 ms.
pub const FAIR_STEP_NS: u64 = 5_000_000;
/// Most steps made up after a pause, so that a stalled host does not pay for its whole sleep at once.
const FAIR_STEPS_MAX: u64 = 400;

/// Thousandths of a tick in a tick.
const MILLI: i64 = 1_000;
/// Reach of each of the two throws of a step, in thousandths: together a standard deviation of 0.61 ticks a step, 8.7 a square-root second.
const NOISE_REACH: u32 = 750;
/// Share of its distance to the anchor that the fair value gives back in a step: 1.5 a second, a half-life of 0.46 s
/// and a stationary deviation of about five ticks.
const PULL_DIVISOR: i64 = 133;
/// Reach of the anchor's noise: a slow drift of about one tick a square-root second.
const ANCHOR_REACH: u32 = 86;
/// Pull of the anchor to the reference price, so that a long session stays in the price domain.
const ANCHOR_PULL_DIVISOR: i64 = 20_000;
// The noise must be able to leave the spread, or nobody would ever trade through a quote.
const _: () = assert!(NOISE_REACH as i64 * PULL_DIVISOR > 5 * MILLI);

/// The wandering value, in thousandths of a tick.
#[derive(Debug, Clone)]
pub struct FairValue {
    value: i64,
    anchor: i64,
    reference: i64,
    steps_done: u64,
}

impl FairValue {
    /// Starts at the instrument's reference price.
    #[must_use]
    pub fn new(instrument: &Instrument) -> Self {
        let reference = i64::from(instrument.reference_price / instrument.tick_size) * MILLI;
        Self { value: reference, anchor: reference, reference, steps_done: 0 }
    }

    /// Advances to `elapsed_ns` after the open.
    pub fn advance(&mut self, elapsed_ns: u64, dice: &mut Dice) {
        let due = elapsed_ns / FAIR_STEP_NS;
        let steps = due.saturating_sub(self.steps_done).min(FAIR_STEPS_MAX);
        self.steps_done = due.max(self.steps_done);
        for _ in 0..steps {
            self.anchor += dice.around(ANCHOR_REACH) + (self.reference - self.anchor) / ANCHOR_PULL_DIVISOR;
            let noise = dice.around(NOISE_REACH) + dice.around(NOISE_REACH);
            self.value += noise + (self.anchor - self.value) / PULL_DIVISOR;
            // Eight ticks is the least that leaves room for a ladder below.
            self.value = self.value.max(2 * LEVELS as i64 * MILLI);
        }
    }

    /// The value in whole ticks, rounded down.
    #[must_use]
    pub fn ticks(&self) -> i64 {
        self.value.div_euclid(MILLI)
    }
}

/// What an agent wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A maker adds a passive order.
    Add {
        /// Index of the maker.
        maker: usize,
        /// Side.
        side: Side,
        /// Price, in 1e-4.
        price: PriceTicks,
        /// Shares.
        shares: u32,
    },
    /// A maker moves a resting order.
    Move {
        /// Index of the maker.
        maker: usize,
        /// Reference of the order to move.
        reference: u64,
        /// New price, in 1e-4.
        price: PriceTicks,
        /// New shares.
        shares: u32,
    },
    /// A maker takes some shares off a resting order.
    Reduce {
        /// Reference of the order.
        reference: u64,
        /// Shares to take off.
        shares: u32,
    },
    /// A maker cancels a resting order.
    Cancel {
        /// Reference of the order.
        reference: u64,
    },
    /// A taker trades at once up to a price.
    Take {
        /// Side of the taker.
        side: Side,
        /// Worst price accepted, in 1e-4.
        limit: PriceTicks,
        /// Shares wanted.
        shares: u32,
    },
}

/// One market maker: the references of its resting orders, bids then asks.
#[derive(Debug, Clone, Default)]
pub struct Maker {
    resting: [Vec<u64>; 2],
}

const fn ladder(side: Side) -> usize {
    match side {
        Side::Buy => 0,
        Side::Sell => 1,
    }
}

/// The agents of one instrument.
#[derive(Debug, Clone)]
pub struct Agents {
    /// The value that they quote around.
    pub fair: FairValue,
    makers: [Maker; MAKERS],
    tick_size: PriceTicks,
    round_lot: u32,
}

impl Agents {
    /// Agents of an instrument, with no order yet.
    #[must_use]
    pub fn new(instrument: &Instrument) -> Self {
        Self {
            fair: FairValue::new(instrument),
            makers: std::array::from_fn(|_| Maker::default()),
            tick_size: instrument.tick_size,
            round_lot: instrument.round_lot,
        }
    }

    /// Tells a maker that its order rests.
    pub fn resting(&mut self, maker: usize, side: Side, reference: u64) {
        self.makers[maker].resting[ladder(side)].push(reference);
    }

    /// The next action of somebody, or `None` when whoever was asked is content.
    pub fn decide(&mut self, book: &Book, dice: &mut Dice) -> Option<Action> {
        if dice.chance(10, 100) {
            return self.noise_take(book, dice);
        }
        if dice.chance(30, 100)
            && let Some(action) = self.informed_take(book, dice)
        {
            return Some(action);
        }
        let maker = dice.below(MAKERS as u32) as usize;
        let side = if dice.chance(1, 2) { Side::Buy } else { Side::Sell };
        self.quote(maker, side, book, dice)
    }

    /// One step of a maker towards its ladder of a side: the window of [`LEVELS`] prices from its best downwards.
    pub fn quote(&mut self, maker: usize, side: Side, book: &Book, dice: &mut Dice) -> Option<Action> {
        let best = self.quote_ticks(maker, side, book);
        let resting = &mut self.makers[maker].resting[ladder(side)];
        resting.retain(|&reference| book.order(reference).is_some());
        // Depth of a resting order in the window: 0 is the best price, below 0 or from LEVELS on is outside.
        let tick_size = i64::from(self.tick_size);
        let depth_of = |reference: u64| {
            let ticks = book.order(reference).map_or(0, |order| i64::from(order.price) / tick_size);
            (best - ticks) * side.sign()
        };
        let mut used = [false; LEVELS];
        let mut outside = None;
        for &reference in resting.iter() {
            let depth = depth_of(reference);
            let seat = usize::try_from(depth).ok().and_then(|depth| used.get_mut(depth));
            match seat {
                Some(seat) if !*seat => *seat = true,
                _ => outside = Some(reference),
            }
        }
        let missing = used.iter().position(|used| !used);
        let price_at = |depth: usize| u32::try_from((best - side.sign() * depth as i64) * tick_size).ok();
        let shares = self.round_lot * (1 + dice.below(4 + maker as u32 * 2));
        match (outside, missing) {
            (Some(reference), Some(depth)) => {
                Some(Action::Move { maker, reference, price: price_at(depth).filter(|&p| p > 0)?, shares })
            }
            (Some(reference), None) => Some(Action::Cancel { reference }),
            (None, Some(depth)) => {
                Some(Action::Add { maker, side, price: price_at(depth).filter(|&p| p > 0)?, shares })
            }
            (None, None) => fidget(resting, book, self.round_lot, dice),
        }
    }

    /// Best price that a maker wants on a side, in ticks, moved back where it would cross the book.
    fn quote_ticks(&self, maker: usize, side: Side, book: &Book) -> i64 {
        let offset = [0, 1, 1][maker % 3];
        let tick_size = i64::from(self.tick_size);
        let contra = book.best(side.opposite()).map(|(price, _)| i64::from(price));
        match side {
            Side::Buy => {
                let wanted = self.fair.ticks() - offset;
                contra.map_or(wanted, |ask| wanted.min((ask - 1).div_euclid(tick_size)))
            }
            Side::Sell => {
                let wanted = self.fair.ticks() + 1 + offset;
                contra.map_or(wanted, |bid| wanted.max(bid.div_euclid(tick_size) + 1))
            }
        }
    }

    /// Somebody who needs to trade, whatever the price: through the best quote, sometimes one tick deeper.
    fn noise_take(&self, book: &Book, dice: &mut Dice) -> Option<Action> {
        let side = if dice.chance(1, 2) { Side::Buy } else { Side::Sell };
        let (best, _) = book.best(side.opposite())?;
        let reach = dice.below(2) * self.tick_size;
        let limit = match side {
            Side::Buy => best.checked_add(reach)?,
            Side::Sell => best.checked_sub(reach)?,
        };
        let lots = [1, 1, 1, 2, 2, 3, 5, 8][dice.below(8) as usize];
        // One order in five is an odd lot.
        let odd = if dice.chance(1, 5) { dice.below(self.round_lot) } else { 0 };
        Some(Action::Take { side, limit, shares: lots * self.round_lot - odd })
    }

    /// Somebody who knows the fair value takes quotes that have fallen behind it.
    fn informed_take(&self, book: &Book, dice: &mut Dice) -> Option<Action> {
        let fair = self.fair.ticks();
        let tick_size = i64::from(self.tick_size);
        let shares = self.round_lot * (1 + dice.below(6));
        let ask = book.best(Side::Sell).map(|(price, _)| i64::from(price));
        if ask.is_some_and(|ask| ask < fair * tick_size) {
            return Some(Action::Take { side: Side::Buy, limit: u32::try_from(fair * tick_size).ok()?, shares });
        }
        let bid = book.best(Side::Buy).map(|(price, _)| i64::from(price));
        if bid.is_some_and(|bid| bid > (fair + 1) * tick_size) {
            return Some(Action::Take { side: Side::Sell, limit: u32::try_from((fair + 1) * tick_size).ok()?, shares });
        }
        None
    }
}

/// What a maker does with a ladder that is in place: now and then it takes some shares off, or pulls an order that it
/// will quote again.
fn fidget(resting: &[u64], book: &Book, round_lot: u32, dice: &mut Dice) -> Option<Action> {
    let reference = *resting.get(dice.below(resting.len() as u32) as usize)?;
    let order = book.order(reference)?;
    if order.shares > round_lot && dice.chance(1, 2) {
        return Some(Action::Reduce { reference, shares: round_lot });
    }
    Some(Action::Cancel { reference })
}
