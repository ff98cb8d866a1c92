//! Live orders by reference, in pages: a venue counts its references up, so neighbours in reference share a page, and a
//! page is found by open addressing, at most half full.
//!
//! ```text
//! keys    [page number, page, live] …   one probe for sixteen references
//! pages   [row × 16] …                  a cache line each; an emptied page is the next one taken
//! rows    [reference, qty, level] …     a freed row is the next one taken, so that what is busy stays in the cache
//! ```
//! Deletion of a page's last order shifts the rest of the probe run back, so that there are no tombstones and a session of
//! any length probes as quickly as its first minute. It never iterates for a result: the order of its slots shows nowhere.

use crate::levels::NONE;

/// A live order.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// ITCH order reference number.
    pub reference: u64,
    /// Quantity left, 1e-8; positive.
    pub qty: i64,
    /// Slot of its level; of a free row the next free one.
    pub level: u32,
}

/// References of a page.
const PAGE: usize = 16;

/// Rows by the lower bits of the reference; of a free page the first is the next free one.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Page([u32; PAGE]);

const _: () = assert!(size_of::<Page>() == 64);

/// A page in use.
#[derive(Clone, Copy, Debug)]
struct Key {
    /// Reference without its lower bits; [`NO_NUMBER`] marks an empty slot.
    number: u64,
    page: u32,
    /// Live orders of the page; positive.
    live: u32,
}

/// No reference is so great that this is its page.
const NO_NUMBER: u64 = u64::MAX;
const EMPTY: Key = Key { number: NO_NUMBER, page: NONE, live: 0 };

/// Where a live order was found; valid until the next insertion or removal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    slot: usize,
    row: u32,
}

/// The table.
#[derive(Debug)]
pub struct OrderTable {
    keys: Box<[Key]>,
    pages: Box<[Page]>,
    rows: Box<[Order]>,
    /// First free page; as many pages as rows, since each order may be alone in its page.
    free_page: u32,
    /// First free row.
    free_row: u32,
    /// 64 − log2(keys): the hash is the top bits of a product.
    shift: u32,
    count: usize,
}

impl OrderTable {
    /// Room for `capacity` orders.
    pub fn new(capacity: usize) -> Self {
        assert!(capacity < NONE as usize, "rows are 32 bits");
        // Two slots at least, since a shift by 64 bits is none.
        let slots = (capacity * 2).next_power_of_two().max(2);
        let next = |index: usize| if index + 1 < capacity { index as u32 + 1 } else { NONE };
        let free = if capacity == 0 { NONE } else { 0 };
        let pages = (0..capacity).map(|page| {
            let mut rows = [NONE; PAGE];
            rows[0] = next(page);
            Page(rows)
        });
        Self {
            keys: vec![EMPTY; slots].into_boxed_slice(),
            pages: pages.collect(),
            rows: (0..capacity).map(|row| Order { reference: 0, qty: 0, level: next(row) }).collect(),
            free_page: free,
            free_row: free,
            shift: 64 - slots.trailing_zeros(),
            count: 0,
        }
    }

    /// Live orders.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// True when no further order fits.
    pub const fn is_full(&self) -> bool {
        self.free_row == NONE
    }

    const fn home(&self, number: u64) -> usize {
        (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }

    const fn mask(&self) -> usize {
        self.keys.len() - 1
    }

    /// `Ok` with the order, or `Err` with the slot where it would be inserted.
    #[inline]
    pub fn find(&self, reference: u64) -> Result<Found, usize> {
        let number = reference / PAGE as u64;
        let mut slot = self.home(number);
        loop {
            let key = &self.keys[slot];
            if key.number == number {
                let row = self.pages[key.page as usize].0[reference as usize % PAGE];
                return if row == NONE { Err(slot) } else { Ok(Found { slot, row }) };
            }
            if key.number == NO_NUMBER {
                return Err(slot);
            }
            slot = (slot + 1) & self.mask();
        }
    }

    /// The order that [`Self::find`] found.
    #[inline]
    pub const fn get(&self, found: Found) -> &Order {
        &self.rows[found.row as usize]
    }

    /// Sets what is left of an order.
    #[inline]
    pub const fn set_qty(&mut self, found: Found, qty: i64) {
        self.rows[found.row as usize].qty = qty;
    }

    /// Puts an order into the slot that [`Self::find`] gave for its reference.
    #[inline]
    pub fn insert(&mut self, slot: usize, order: Order) {
        let row = self.free_row;
        assert!(row != NONE && order.level != NONE, "the caller asked is_full");
        let (number, place) = (order.reference / PAGE as u64, order.reference as usize % PAGE);
        self.free_row = std::mem::replace(&mut self.rows[row as usize], order).level;
        let key = &mut self.keys[slot];
        if key.number != number {
            assert!(key.number == NO_NUMBER, "the slot is the page's own or empty");
            let page = self.free_page;
            self.free_page = std::mem::replace(&mut self.pages[page as usize].0[0], NONE);
            *key = Key { number, page, live: 0 };
        }
        key.live += 1;
        self.pages[key.page as usize].0[place] = row;
        self.count += 1;
    }

    /// Takes an order out; its page goes with its last order.
    #[inline]
    pub fn remove(&mut self, found: Found) {
        let row = &mut self.rows[found.row as usize];
        let place = row.reference as usize % PAGE;
        row.level = std::mem::replace(&mut self.free_row, found.row);
        self.count -= 1;
        let key = &mut self.keys[found.slot];
        key.live -= 1;
        self.pages[key.page as usize].0[place] = NONE;
        if key.live == 0 {
            self.close(found.slot);
        }
    }

    /// Frees an empty page and closes the hole among the keys: a later key of the run moves back when the hole lies between
    /// its home and it.
    fn close(&mut self, slot: usize) {
        let page = self.keys[slot].page;
        self.pages[page as usize].0[0] = std::mem::replace(&mut self.free_page, page);
        let mask = self.mask();
        let mut hole = slot;
        let mut next = (slot + 1) & mask;
        while self.keys[next].number != NO_NUMBER {
            let home = self.home(self.keys[next].number);
            if next.wrapping_sub(home) & mask >= next.wrapping_sub(hole) & mask {
                self.keys[hole] = self.keys[next];
                hole = next;
            }
            next = (next + 1) & mask;
        }
        self.keys[hole] = EMPTY;
    }

    /// Removes every order that `belongs` says; walks the whole table.
    pub fn remove_where(&mut self, belongs: impl Fn(&Order) -> bool) {
        let mut slot = 0;
        while slot < self.keys.len() {
            let Key { number, page, .. } = self.keys[slot];
            if number == NO_NUMBER {
                slot += 1;
                continue;
            }
            for row in self.pages[page as usize].0 {
                // The last removal of a page moves another key here, or none: the rows are this page's copy.
                if row != NONE && belongs(&self.rows[row as usize]) {
                    self.remove(Found { slot, row });
                }
            }
            // What shifted into this slot is looked at next; what wrapped from the front was looked at before.
            slot += usize::from(self.keys[slot].number == number);
        }
    }

    /// Every live order, in no meaningful order: for conservation checks.
    pub fn iter(&self) -> impl Iterator<Item = &Order> {
        let used = self.keys.iter().filter(|key| key.number != NO_NUMBER);
        let rows = used.flat_map(|key| self.pages[key.page as usize].0);
        rows.filter(|row| *row != NONE).map(|row| &self.rows[row as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Some references share a page, pages are few, and their numbers differ in high bits too.
    const fn reference_of(key: u64) -> u64 {
        key << 60 | (key % 3) << 4 | key % 16
    }

    proptest! {
        /// References that are few and close collide, wrap and shift all the time in a table of 32 slots.
        #[test]
        fn agrees_with_a_map(operations in proptest::collection::vec((any::<bool>(), 0..24_u64), 1..300)) {
            let mut table = OrderTable::new(16);
            let mut map = BTreeMap::new();
            for (index, (insert, key)) in operations.into_iter().enumerate() {
                let reference = reference_of(key);
                match (table.find(reference), insert) {
                    (Err(slot), true) if !table.is_full() => {
                        table.insert(slot, Order { reference, qty: index as i64, level: 1 });
                        map.insert(reference, index as i64);
                    }
                    (Ok(found), false) => {
                        table.remove(found);
                        map.remove(&reference);
                    }
                    _ => {}
                }
                prop_assert_eq!(table.count(), map.len());
                let mut found: Vec<_> = table.iter().map(|o| (o.reference, o.qty)).collect();
                found.sort_unstable();
                prop_assert!(found.iter().copied().eq(map.iter().map(|(k, v)| (*k, *v))));
                for (reference, qty) in &map {
                    let found = table.find(*reference).expect("live");
                    prop_assert_eq!(table.get(found).qty, *qty);
                }
            }
            table.remove_where(|order| order.qty % 2 == 0);
            map.retain(|_, qty| *qty % 2 != 0);
            for key in 0..24_u64 {
                let reference = reference_of(key);
                prop_assert_eq!(table.find(reference).is_ok(), map.contains_key(&reference));
            }
        }
    }
}
