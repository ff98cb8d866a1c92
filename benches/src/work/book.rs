//! The order book under a [`Flow`]: per operation one add or one delete, and the best bid and offer read after it.

use crate::micro::Workload;
use crate::work::flow::{FIRST_BASE, Flow, Order};
use book::{Book, Capacity};
use shm_layout::types::{InstrumentId, Price, Qty, UNITS};

/// One tick of 0.01, in 1e-8.
const TICK: i64 = UNITS / 100;

/// The product's book.
#[derive(Debug)]
pub struct BookWork {
    book: Book,
    flow: Flow,
    base: u64,
}

impl BookWork {
    /// A book of the size of a session, opened.
    ///
    /// # Panics
    /// When the book refuses an order of the flow.
    #[must_use]
    pub fn new(flow: &Flow) -> Self {
        let mut work = Self { book: Book::new(Capacity::SESSION), flow: flow.clone(), base: FIRST_BASE };
        for (reference, order) in &flow.opening {
            add(&mut work.book, *reference, order);
        }
        work
    }
}

fn add(book: &mut Book, reference: u64, order: &Order) -> u64 {
    let (price, qty) = (Price(i64::from(order.ticks) * TICK), Qty(i64::from(order.shares) * UNITS));
    let change = book.add(reference, InstrumentId(order.instrument), order.side, price, qty);
    change.expect("the flow's orders fit").level_qty.0 as u64
}

/// What a reader takes of the best levels, as one number.
fn best(book: &Book, instrument: InstrumentId) -> u64 {
    let bbo = book.bbo(instrument);
    let (bid, ask) = (bbo.bid.unwrap_or_default(), bbo.ask.unwrap_or_default());
    (bid.price.0 ^ ask.qty.0.rotate_left(17)).wrapping_add(bid.qty.0 ^ ask.price.0.rotate_left(9)) as u64
}

impl Workload for BookWork {
    fn operations(&self) -> u64 {
        2 * self.flow.stride()
    }

    fn pass(&mut self) -> u64 {
        let Self { book, flow, base } = self;
        let mut sum = 0_u64;
        for (step, reference) in flow.steps.iter().zip(*base..) {
            let change = book.delete(base.wrapping_add_signed(step.leaves)).expect("only live orders leave");
            sum = sum.wrapping_add(change.level_qty.0 as u64 ^ best(book, change.instrument));
            sum = sum.wrapping_add(add(book, reference, &step.comes));
            sum = sum.wrapping_add(best(book, InstrumentId(step.comes.instrument)));
        }
        self.base += flow.stride();
        sum
    }
}
