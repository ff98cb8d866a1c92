//! Live orders by reference: open addressing with linear probing over a power of two, at most half full.
//!
//! The orders of a probe run lie in the order of their homes. A deletion shifts the displaced ones behind it back, so that
//! there are no tombstones and a session of any length probes as quickly as its first minute; and it stops at the first
//! that lies at home, since whatever follows has its home there or later: mostly at the next slot. It never iterates for a
//! result: the order of its slots shows nowhere.
//!
//! An order lies in its slot, not behind an index: in a channel of a thousand instruments almost every lookup leaves the
//! core's cache, and an index over pages or rows, though half the work in one hot book, would leave it two or three times.

use crate::levels::NONE;

/// A live order.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// ITCH order reference number.
    pub reference: u64,
    /// Quantity left, 1e-8; positive.
    pub qty: i64,
    /// Slot of its level; [`NONE`] marks an empty slot of the table.
    pub level: u32,
}

/// References whose homes are neighbours.
const BLOCK: u64 = 16;

const EMPTY: Order = Order { reference: 0, qty: 0, level: NONE };

/// The table. Slots are valid until the next insertion or removal.
#[derive(Debug)]
pub struct OrderTable {
    slots: Box<[Order]>,
    /// 64 − log2(blocks): the hash of a block is the top bits of a product.
    shift: u32,
    count: usize,
    capacity: usize,
}

impl OrderTable {
    /// Room for `capacity` orders.
    pub fn new(capacity: usize) -> Self {
        // Two blocks at least, since a shift by 64 bits is none.
        let slots = (capacity * 2).next_power_of_two().max(2 * BLOCK as usize);
        let shift = 64 - slots.trailing_zeros() + BLOCK.trailing_zeros();
        Self { slots: vec![EMPTY; slots].into_boxed_slice(), shift, count: 0, capacity }
    }

    /// Live orders.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// True when no further order fits.
    pub const fn is_full(&self) -> bool {
        self.count >= self.capacity
    }

    /// Multiplicative hash of all but the last bits: a venue counts its references up, so that [`BLOCK`] neighbours share
    /// a few cache lines, while blocks land far apart and long-lived orders cannot grow one endless run.
    #[inline]
    const fn home(&self, reference: u64) -> usize {
        let block = (reference / BLOCK).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let block = block.wrapping_shr(self.shift);
        ((block << BLOCK.trailing_zeros()) | (reference % BLOCK)) as usize
    }

    const fn mask(&self) -> usize {
        self.slots.len() - 1
    }

    /// `Ok` with the slot of the order, or `Err` with the slot where it would be inserted.
    #[inline]
    pub fn find(&self, reference: u64) -> Result<usize, usize> {
        let mut slot = self.home(reference);
        loop {
            let order = &self.slots[slot];
            if order.level == NONE {
                return Err(slot);
            }
            if order.reference == reference {
                return Ok(slot);
            }
            slot = (slot + 1) & self.mask();
        }
    }

    /// The order in a slot that [`Self::find`] gave.
    #[inline]
    pub const fn get(&self, slot: usize) -> &Order {
        &self.slots[slot]
    }

    /// Sets what is left of the order in `slot`.
    #[inline]
    pub const fn set_qty(&mut self, slot: usize, qty: i64) {
        self.slots[slot].qty = qty;
    }

    /// Puts an order into the table, given the free slot that [`Self::find`] gave for its reference: there, or, when orders
    /// of later homes lie between its home and that slot, before them.
    #[inline]
    pub fn insert(&mut self, slot: usize, order: Order) {
        assert!(!self.is_full(), "a probe ends at a free slot: the caller checks that one is left");
        assert!(self.slots[slot].level == NONE && order.level != NONE, "the slot that find gave is free");
        let home = self.home(order.reference);
        let slot = if slot == home { slot } else { self.make_room(slot, home) };
        self.slots[slot] = order;
        self.count += 1;
    }

    /// Moves the hole at `slot` down past every order whose home is later than `home`.
    #[inline(never)]
    fn make_room(&mut self, slot: usize, home: usize) -> usize {
        let mask = self.mask();
        let mut hole = slot;
        while hole != home {
            let before = hole.wrapping_sub(1) & mask;
            let order = self.slots[before];
            let distance = before.wrapping_sub(self.home(order.reference)) & mask;
            if distance >= before.wrapping_sub(home) & mask {
                break;
            }
            self.slots[hole] = order;
            hole = before;
        }
        hole
    }

    /// Empties a slot and closes the hole: the displaced orders behind it move back by one.
    #[inline]
    pub fn remove(&mut self, slot: usize) {
        let mask = self.mask();
        let mut hole = slot;
        loop {
            let next = (hole + 1) & mask;
            let order = self.slots[next];
            if order.level == NONE || self.home(order.reference) == next {
                break;
            }
            self.slots[hole] = order;
            hole = next;
        }
        self.slots[hole] = EMPTY;
        self.count -= 1;
    }

    /// Removes every order that `belongs` says; walks the whole table.
    pub fn remove_where(&mut self, belongs: impl Fn(&Order) -> bool) {
        let mut slot = 0;
        while slot < self.slots.len() {
            if self.slots[slot].level != NONE && belongs(&self.slots[slot]) {
                // What shifts into this slot is looked at next; what wraps from the front was looked at before.
                self.remove(slot);
            } else {
                slot += 1;
            }
        }
    }

    /// Whether every order can be found, and every run lies in the order of its homes: for tests.
    pub fn is_sound(&self) -> bool {
        let mask = self.mask();
        let distance = |slot: usize| slot.wrapping_sub(self.home(self.slots[slot].reference)) & mask;
        (0..self.slots.len()).filter(|slot| self.slots[*slot].level != NONE).all(|slot| {
            let before = slot.wrapping_sub(1) & mask;
            // A displaced order has a neighbour before it whose home is not later than its own.
            distance(slot) == 0 || (self.slots[before].level != NONE && distance(slot) <= distance(before) + 1)
        })
    }

    /// Every live order, in no meaningful order: for conservation checks.
    pub fn iter(&self) -> impl Iterator<Item = &Order> {
        self.slots.iter().filter(|order| order.level != NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// References that are few and close collide, wrap and shift all the time in a table of 32 slots.
        #[test]
        fn agrees_with_a_map(operations in proptest::collection::vec((any::<bool>(), 0..24_u64), 1..300)) {
            let mut table = OrderTable::new(16);
            let mut map = BTreeMap::new();
            for (index, (insert, key)) in operations.into_iter().enumerate() {
                let reference = key << 58 | key;
                match (table.find(reference), insert) {
                    (Err(slot), true) if !table.is_full() => {
                        table.insert(slot, Order { reference, qty: index as i64, level: 1 });
                        map.insert(reference, index as i64);
                    }
                    (Ok(slot), false) => {
                        table.remove(slot);
                        map.remove(&reference);
                    }
                    _ => {}
                }
                prop_assert_eq!(table.count(), map.len());
                prop_assert!(table.is_sound());
                let mut found: Vec<_> = table.iter().map(|o| (o.reference, o.qty)).collect();
                found.sort_unstable();
                prop_assert!(found.iter().copied().eq(map.iter().map(|(k, v)| (*k, *v))));
                for (reference, qty) in &map {
                    let slot = table.find(*reference).expect("live");
                    prop_assert_eq!(table.get(slot).qty, *qty);
                }
            }
            table.remove_where(|order| order.qty % 2 == 0);
            map.retain(|_, qty| *qty % 2 != 0);
            prop_assert!(table.is_sound());
            for key in 0..24_u64 {
                let reference = key << 58 | key;
                prop_assert_eq!(table.find(reference).is_ok(), map.contains_key(&reference));
            }
        }
    }
}
