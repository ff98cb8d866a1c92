//! The matching engine against a naive twin: a list of orders, searched from end to end.

use exchange_sim::matching::{Book, Fill, Order, Owner, Prevented};
use proptest::prelude::*;
use shm_layout::types::Side;

/// Orders in order of arrival; the best is found by looking at all of them.
#[derive(Default)]
struct Naive(Vec<Order>);

impl Naive {
    fn take(&mut self, side: Side, limit: u32, shares: u32, owner: Owner) -> (Vec<Fill>, u32, Option<Prevented>) {
        let mut fills = Vec::new();
        let mut left = shares;
        while left > 0 {
            let mut best: Option<usize> = None;
            for (index, order) in self.0.iter().enumerate() {
                let reaches =
                    order.side != side && if side == Side::Buy { order.price <= limit } else { order.price >= limit };
                let is_better = best.is_none_or(|best| {
                    let best = self.0[best].price;
                    if side == Side::Buy { order.price < best } else { order.price > best }
                });
                if reaches && is_better {
                    best = Some(index);
                }
            }
            let Some(best) = best else { break };
            let order = &mut self.0[best];
            if matches!(owner, Owner::Account(_)) && matches!(order.owner, Owner::Account(_)) {
                return (fills, left, Some(Prevented { price: order.price, shares: left.min(order.shares) }));
            }
            let traded = left.min(order.shares);
            left -= traded;
            order.shares -= traded;
            fills.push(Fill { reference: order.reference, owner: order.owner, price: order.price, shares: traded });
            self.0.retain(|order| order.shares > 0);
        }
        (fills, left, None)
    }
}

#[derive(Debug, Clone)]
enum Step {
    Enter { side: Side, price: u32, shares: u32, owner: Owner },
    Reduce { pick: usize, shares: u32 },
    Remove { pick: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let side = prop_oneof![Just(Side::Buy), Just(Side::Sell)];
    let owner = prop_oneof![Just(Owner::Maker(0)), Just(Owner::Taker), (1..9_u32).prop_map(Owner::Account)];
    prop_oneof![
        6 => (side, 95..106_u32, 1..20_u32, owner)
            .prop_map(|(side, price, shares, owner)| Step::Enter { side, price, shares, owner }),
        1 => (0..50_usize, 1..20_u32).prop_map(|(pick, shares)| Step::Reduce { pick, shares }),
        1 => (0..50_usize).prop_map(|pick| Step::Remove { pick }),
    ]
}

proptest! {
    #[test]
    fn it_agrees_with_its_naive_twin(steps in prop::collection::vec(step(), 1..200)) {
        let (mut book, mut naive) = (Book::default(), Naive::default());
        for (reference, step) in (1_u64..).zip(steps) {
            match step {
                Step::Enter { side, price, shares, owner } => {
                    let mut fills = Vec::new();
                    let taken = book.take(side, price, shares, owner, &mut fills);
                    let (naive_fills, left, prevented) = naive.take(side, price, shares, owner);
                    prop_assert_eq!((&fills, taken.left, taken.prevented), (&naive_fills, left, prevented));
                    // No share is made or lost, and every trade is at the resting order's price or better.
                    let traded: u32 = fills.iter().map(|fill| fill.shares).sum();
                    prop_assert_eq!(traded + left, shares);
                    let is_fair = |fill: &Fill| if side == Side::Buy { fill.price <= price } else { fill.price >= price };
                    prop_assert!(fills.iter().all(is_fair));
                    if left > 0 && prevented.is_none() {
                        let order = Order { reference, owner, side, price, shares: left };
                        book.rest(order);
                        naive.0.push(order);
                    }
                }
                Step::Reduce { pick, shares } => {
                    let Some(order) = naive.0.get(pick).copied() else { continue };
                    prop_assert_eq!(book.reduce(order.reference, shares), Some(shares.min(order.shares)));
                    naive.0[pick].shares -= shares.min(order.shares);
                    naive.0.retain(|order| order.shares > 0);
                }
                Step::Remove { pick } => {
                    let Some(order) = naive.0.get(pick).copied() else { continue };
                    prop_assert_eq!(book.remove(order.reference), Some(order));
                    naive.0.remove(pick);
                }
            }
            let mut expected = naive.0.clone();
            expected.sort_by_key(|order| order.reference);
            prop_assert_eq!(book.orders().copied().collect::<Vec<_>>(), expected);
            let best = |side| book.best(side).map(|(price, _)| price);
            if let (Some(bid), Some(ask)) = (best(Side::Buy), best(Side::Sell)) {
                prop_assert!(bid < ask, "crossed: {} {}", bid, ask);
            }
        }
    }
}
