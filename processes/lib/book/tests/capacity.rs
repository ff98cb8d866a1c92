//! The stated size: 2 million operations of a session at 200,000 live orders, then one more than fits.
#![forbid(unsafe_code)]

use book::{Book, Capacity, Error};
use shm_layout::types::{InstrumentId, Price, Qty, Side};

/// SplitMix64: a seeded stream without a dependency.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % bound
    }
}

fn add(book: &mut Book, random: &mut Random, reference: u64) -> Result<i64, Error> {
    let instrument = InstrumentId(random.below(1024) as u32);
    let (side, base) = if random.below(2) == 0 { (Side::Buy, 10_000) } else { (Side::Sell, 10_101) };
    let price = base + if side == Side::Buy { -(random.below(45) as i64) } else { random.below(45) as i64 };
    let qty = 1 + random.below(1000) as i64;
    book.add(reference, instrument, side, Price(price), Qty(qty)).map(|_| qty)
}

#[test]
fn two_million_operations_at_two_hundred_thousand_live_orders() {
    let capacity = Capacity::SESSION;
    let mut book = Book::new(capacity);
    let mut random = Random(7);
    let mut live: Vec<(u64, i64)> = Vec::with_capacity(capacity.orders);
    let (mut added, mut removed) = (0_i128, 0_i128);
    let mut next = 1;
    for _ in 0..capacity.orders {
        let qty = add(&mut book, &mut random, next).expect("within the stated capacity");
        added += i128::from(qty);
        live.push((next, qty));
        next += 1;
    }
    assert_eq!(add(&mut book, &mut random, next), Err(Error::Capacity), "refused, not grown");
    assert_eq!(book.order_count(), capacity.orders);

    for _ in capacity.orders..2_000_000 {
        if live.len() == capacity.orders || random.below(2) == 0 && !live.is_empty() {
            let index = random.below(live.len() as u64) as usize;
            let (reference, qty) = live[index];
            let part = 1 + random.below(qty as u64) as i64;
            let taken = match random.below(3) {
                0 => book.delete(reference).map(|_| qty),
                1 => book.execute(reference, Qty(part)).map(|_| part),
                _ => book.cancel(reference, Qty(part)).map(|_| part),
            };
            let taken = taken.expect("live");
            removed += i128::from(taken);
            live[index].1 -= taken;
            if live[index].1 == 0 {
                live.swap_remove(index);
            }
        } else {
            let qty = add(&mut book, &mut random, next).expect("within the stated capacity");
            added += i128::from(qty);
            live.push((next, qty));
            next += 1;
        }
    }
    assert!(book.is_sound(), "level totals are those of the orders");
    assert_eq!(book.order_count(), live.len());
    let left: i128 = live.iter().map(|(_, qty)| i128::from(*qty)).sum();
    assert_eq!(left, added - removed);
    for (reference, qty) in &live {
        assert_eq!(book.order(*reference).map(|o| o.3), Some(Qty(*qty)));
    }
    book.clear_all();
    assert_eq!(book.order_count(), 0);
    assert!(book.is_sound());
}

/// One side with as many levels as there are: every search leaves the list for the tree.
#[test]
fn a_deep_side_stays_sorted_and_exhausts_cleanly() {
    const LEVELS: usize = 5000;
    let mut book = Book::new(Capacity { orders: LEVELS + 10, levels: LEVELS, instruments: 1 });
    let mut prices: Vec<i64> = (1..=LEVELS as i64).collect();
    let mut random = Random(3);
    for index in (1..prices.len()).rev() {
        prices.swap(index, random.below(index as u64 + 1) as usize);
    }
    for (index, price) in prices.iter().enumerate() {
        book.add(index as u64, InstrumentId(0), Side::Sell, Price(*price), Qty(1)).unwrap();
    }
    let beyond = Price(LEVELS as i64 + 1);
    assert_eq!(book.add(9_999, InstrumentId(0), Side::Sell, beyond, Qty(1)), Err(Error::Capacity));
    assert_eq!(book.add(9_999, InstrumentId(1), Side::Sell, Price(1), Qty(1)), Err(Error::Capacity));
    book.replace(0, 9_998, beyond, Qty(1)).expect("the level that it leaves is the one that it takes");
    book.add(9_999, InstrumentId(0), Side::Sell, beyond, Qty(1)).expect("an existing level takes more orders");
    let mut out = vec![book::Level::default(); LEVELS];
    assert_eq!(book.levels(InstrumentId(0), Side::Sell, &mut out), LEVELS);
    assert!(out.is_sorted_by_key(|level| level.price));
    assert!(book.is_sound());
    for reference in 1..LEVELS as u64 {
        book.delete(reference).unwrap();
    }
    assert!(book.is_sound());
    assert_eq!(book.bbo(InstrumentId(0)).ask.map(|l| (l.price, l.orders)), Some((beyond, 2)));
}
