//! The order book beside its peers: one hot book, and a channel of 1,024 instruments.
//!
//! Every side runs the same flow of orders and reads best bid and offer after each operation; where a peer keeps quantities
//! at the best, its sum must equal ours. The peers' settings are those that their documentation recommends.
#![forbid(unsafe_code)]

use benches::micro::{Workload, compare, state_gain, state_ns};
use benches::work::book::BookWork;
use benches::work::flow::{FIRST_BASE, Flow, Order};
use lobster::{OrderBook, OrderType};
use shm_layout::types::Side;
use std::collections::{BTreeMap, HashMap};

/// A book that the flow can be run on.
trait Peer {
    fn add(&mut self, reference: u64, order: &Order);
    fn delete(&mut self, reference: u64) -> u32;
    /// Best bid and ask of an instrument, in ticks; 0 = none.
    fn best(&self, instrument: u32) -> (u64, u64);
}

/// A peer under the flow.
struct Run<P> {
    peer: P,
    flow: Flow,
    base: u64,
}

impl<P: Peer> Run<P> {
    fn new(mut peer: P, flow: &Flow) -> Self {
        for (reference, order) in &flow.opening {
            peer.add(*reference, order);
        }
        Self { peer, flow: flow.clone(), base: FIRST_BASE }
    }
}

impl<P: Peer> Workload for Run<P> {
    fn operations(&self) -> u64 {
        2 * self.flow.stride()
    }

    fn pass(&mut self) -> u64 {
        let Self { peer, flow, base } = self;
        let mut sum = 0_u64;
        for (step, reference) in flow.steps.iter().zip(*base..) {
            let instrument = peer.delete(base.wrapping_add_signed(step.leaves));
            let (bid, ask) = peer.best(instrument);
            sum = sum.wrapping_add(bid << 32 ^ ask);
            peer.add(reference, &step.comes);
            let (bid, ask) = peer.best(step.comes.instrument);
            sum = sum.wrapping_add(bid << 32 ^ ask);
        }
        self.base += flow.stride();
        sum
    }
}

/// What one writes first: a hash map of orders with the standard hasher, and a tree of levels for each side.
struct Maps {
    orders: HashMap<u64, Order>,
    sides: Vec<[BTreeMap<u32, (u64, u32)>; 2]>,
}

impl Maps {
    fn new(instruments: u32) -> Self {
        Self { orders: HashMap::new(), sides: (0..instruments).map(|_| Default::default()).collect() }
    }
}

impl Peer for Maps {
    fn add(&mut self, reference: u64, order: &Order) {
        self.orders.insert(reference, *order);
        let side = usize::from(order.side == Side::Sell);
        let level = self.sides[order.instrument as usize][side].entry(order.ticks).or_default();
        *level = (level.0 + u64::from(order.shares), level.1 + 1);
    }

    fn delete(&mut self, reference: u64) -> u32 {
        let order = self.orders.remove(&reference).expect("only live orders leave");
        let levels = &mut self.sides[order.instrument as usize][usize::from(order.side == Side::Sell)];
        let level = levels.get_mut(&order.ticks).expect("its level");
        *level = (level.0 - u64::from(order.shares), level.1 - 1);
        if level.1 == 0 {
            levels.remove(&order.ticks);
        }
        order.instrument
    }

    fn best(&self, instrument: u32) -> (u64, u64) {
        let [bids, asks] = &self.sides[instrument as usize];
        let price = |level: Option<(&u32, _)>| level.map_or(0, |(ticks, _)| u64::from(*ticks));
        (price(bids.last_key_value()), price(asks.first_key_value()))
    }
}

/// lobster: one matching book per instrument; it needs the instrument of a reference from a map beside it.
struct Lobster {
    books: Vec<OrderBook>,
    instruments: HashMap<u64, u32>,
}

impl Lobster {
    fn new(instruments: u32) -> Self {
        Self { books: (0..instruments).map(|_| OrderBook::default()).collect(), instruments: HashMap::new() }
    }
}

impl Peer for Lobster {
    fn add(&mut self, reference: u64, order: &Order) {
        let side = if order.side == Side::Buy { lobster::Side::Bid } else { lobster::Side::Ask };
        let (qty, price) = (u64::from(order.shares), u64::from(order.ticks));
        let event = OrderType::Limit { id: u128::from(reference), side, qty, price };
        std::hint::black_box(self.books[order.instrument as usize].execute(event));
        if self.books.len() > 1 {
            self.instruments.insert(reference, order.instrument);
        }
    }

    fn delete(&mut self, reference: u64) -> u32 {
        let one = self.books.len() == 1;
        let instrument = if one { 0 } else { self.instruments.remove(&reference).expect("only live orders leave") };
        let event = OrderType::Cancel { id: u128::from(reference) };
        std::hint::black_box(self.books[instrument as usize].execute(event));
        instrument
    }

    fn best(&self, instrument: u32) -> (u64, u64) {
        let book = &self.books[instrument as usize];
        (book.max_bid().unwrap_or(0), book.min_ask().unwrap_or(0))
    }
}

fn run(title: &str, promise: &str, flow: &Flow) {
    let mut ours = BookWork::new(flow);
    let mut maps = Run::new(Maps::new(flow.instruments), flow);
    let mut lobster = Run::new(Lobster::new(flow.instruments), flow);
    assert_eq!(maps.pass(), lobster.pass(), "the peers agree on every best price");
    ours.pass();
    let figures =
        compare(title, &mut [("tickway", &mut ours), ("HashMap and BTreeMap", &mut maps), ("lobster", &mut lobster)]);
    let [ours, maps, lobster] = figures.as_slice() else { unreachable!("three sides were measured") };
    state_ns(&format!("{promise}_ns"), ours);
    state_gain(&format!("{promise}_gain_over_maps"), ours, maps);
    state_gain(&format!("{promise}_gain_over_lobster"), ours, lobster);
}

fn main() {
    run("L3 book, one hot instrument, 1,024 live orders: add or delete, and best prices", "book_hot", &Flow::hot());
    run("L3 book, 1,024 instruments, 100,000 live orders", "book_many", &Flow::many());
}
