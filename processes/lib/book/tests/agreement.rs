//! The fast book and the naive one agree after every operation of every random stream.
#![forbid(unsafe_code)]

use book::naive::NaiveBook;
use book::{Book, Capacity, Change, Changes, Error, Level};
use proptest::prelude::*;
use shm_layout::types::{InstrumentId, Price, Qty, Side};

const CAPACITY: Capacity = Capacity { orders: 40, levels: 24, instruments: 3 };

#[derive(Clone, Copy, Debug)]
enum Operation {
    Add(u64, u32, Side, i64, i64),
    Execute(u64, i64),
    Cancel(u64, i64),
    Delete(u64),
    Replace(u64, u64, i64, i64),
    Clear(u32),
    ClearAll,
}

/// Few references, prices and instruments, so that levels fill, empty, repeat and overflow the capacities.
fn operation() -> impl Strategy<Value = Operation> {
    let reference = || 0..64_u64;
    let price = || prop_oneof![12 => 1..24_i64, 1 => Just(0), 1 => Just(i64::MAX)];
    let qty = || prop_oneof![20 => 1..10_i64, 1 => Just(0), 1 => Just(-3), 1 => Just(i64::MAX - 5)];
    let side = prop_oneof![Just(Side::Buy), Just(Side::Sell)];
    prop_oneof![
        40 => (reference(), 0..4_u32, side, price(), qty()).prop_map(|(r, i, s, p, q)| Operation::Add(r, i, s, p, q)),
        12 => (reference(), qty()).prop_map(|(r, q)| Operation::Execute(r, q)),
        8 => (reference(), qty()).prop_map(|(r, q)| Operation::Cancel(r, q)),
        8 => reference().prop_map(Operation::Delete),
        20 => (reference(), reference(), price(), qty()).prop_map(|(o, n, p, q)| Operation::Replace(o, n, p, q)),
        1 => (0..4_u32).prop_map(Operation::Clear),
        1 => Just(Operation::ClearAll),
    ]
}

fn one(change: Result<Change, Error>) -> Option<Result<Changes, Error>> {
    Some(change.map(|first| Changes { first, second: None }))
}

/// The same body for both books: they share method names, not a trait.
macro_rules! apply {
    ($book:expr, $operation:expr) => {
        match $operation {
            Operation::Add(r, i, s, p, q) => one($book.add(r, InstrumentId(i), s, Price(p), Qty(q))),
            Operation::Execute(r, q) => one($book.execute(r, Qty(q))),
            Operation::Cancel(r, q) => one($book.cancel(r, Qty(q))),
            Operation::Delete(r) => one($book.delete(r)),
            Operation::Replace(o, n, p, q) => Some($book.replace(o, n, Price(p), Qty(q))),
            Operation::Clear(i) => {
                $book.clear(InstrumentId(i));
                None
            }
            Operation::ClearAll => {
                $book.clear_all();
                None
            }
        }
    };
}

fn levels(book: &Book, instrument: InstrumentId, side: Side, most: usize) -> Vec<Level> {
    let mut out = vec![Level::default(); most];
    let count = book.levels(instrument, side, &mut out);
    out.truncate(count);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn fast_and_naive_agree(operations in proptest::collection::vec(operation(), 1..250)) {
        let mut fast = Book::new(CAPACITY);
        let mut naive = NaiveBook::new(CAPACITY);
        for operation in operations {
            prop_assert_eq!(apply!(fast, operation), apply!(naive, operation), "{:?}", operation);
            prop_assert_eq!(fast.order_count(), naive.orders.len());
            prop_assert!(fast.is_sound());
            for instrument in (0..4).map(InstrumentId) {
                prop_assert_eq!(fast.bbo(instrument), naive.bbo(instrument));
                prop_assert_eq!(fast.is_crossed(instrument), naive.bbo(instrument).is_crossed());
                for side in [Side::Buy, Side::Sell] {
                    let all = naive.all_levels(instrument, side);
                    prop_assert_eq!(levels(&fast, instrument, side, 100), all.clone());
                    prop_assert_eq!(levels(&fast, instrument, side, 3), &all[..all.len().min(3)]);
                }
            }
        }
        for reference in 0..64 {
            let naive = naive.orders.get(&reference).map(|o| (o.instrument, o.side, o.price, o.qty));
            prop_assert_eq!(fast.order(reference), naive);
        }
    }
}

/// The venue's own rules, told by hand on the smallest book (ITCH 5.0, §1.4–1.6 of its specification).
#[test]
fn operations_mean_what_itch_says() {
    let i = InstrumentId(0);
    let mut book = Book::new(CAPACITY);
    let add = book.add(1, i, Side::Buy, Price(100), Qty(10)).unwrap();
    assert!(add.bbo_changed && add.level_orders == 1);
    assert!(!book.add(2, i, Side::Buy, Price(99), Qty(5)).unwrap().bbo_changed, "behind the best");
    book.add(3, i, Side::Sell, Price(101), Qty(7)).unwrap();
    assert!(!book.is_crossed(i));

    // E: at the displayed price; the level keeps the rest.
    let executed = book.execute(1, Qty(4)).unwrap();
    assert_eq!((executed.price, executed.level_qty, executed.level_orders), (Price(100), Qty(6), 1));
    assert_eq!(book.execute(1, Qty(7)), Err(Error::OverExecution));
    assert_eq!(book.order(1).unwrap().3, Qty(6), "unchanged by the error");

    // U: inherits side and instrument, the old reference is gone.
    let replaced = book.replace(1, 9, Price(98), Qty(20)).unwrap();
    assert_eq!((replaced.first.price, replaced.first.level_qty), (Price(100), Qty(0)));
    assert_eq!(replaced.second.map(|c| (c.price, c.level_qty, c.side)), Some((Price(98), Qty(20), Side::Buy)));
    assert!(replaced.first.bbo_changed);
    assert_eq!(book.delete(1), Err(Error::UnknownReference));
    assert_eq!(book.bbo(i).bid.unwrap().price, Price(99));

    // U at the same price and quantity: one change, and the best is what it was.
    let same = book.replace(2, 10, Price(99), Qty(5)).unwrap();
    assert!(same.second.is_none() && !same.first.bbo_changed && same.first.level_qty == Qty(5));

    // X to nothing removes; D removes; a crossing order is kept and reported.
    assert_eq!(book.cancel(10, Qty(5)).unwrap().level_orders, 0);
    assert_eq!(book.delete(9).unwrap().level_qty, Qty(0));
    assert_eq!(book.bbo(i).bid, None);
    book.add(11, i, Side::Buy, Price(101), Qty(1)).unwrap();
    assert!(book.is_crossed(i));
}
