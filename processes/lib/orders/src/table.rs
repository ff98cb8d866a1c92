//! A table of orders of fixed capacity, found by ClOrdID: the order's own id, its id before the last replace, and the
//! ids of the requests in flight.
//!
//! Rows never move, so a [`Row`] may index arrays beside the table (the gateway's `user_ref_num`) until its order is
//! evicted. Only the oldest terminal order is ever evicted, to make room: a table of live orders is [`Insert::Full`].

use crate::order::{Event, Illegal, Order, Outcome};
use shm_layout::types::ClOrdId;
use std::hint::black_box;

/// A row of the table, valid until the order in it is evicted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Row(u32);

impl Row {
    /// The row as an index below the table's capacity.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Why an order was not inserted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Insert {
    /// Every order in the table is live.
    #[error("order table full of live orders")]
    Full,
    /// The id is none, or names an order already.
    #[error("ClOrdID is none or already in use")]
    Duplicate,
}

impl From<Insert> for Illegal {
    fn from(_: Insert) -> Self {
        Self::ClOrdId
    }
}

impl From<Insert> for &'static str {
    fn from(_: Insert) -> Self {
        "ClOrdID already in use"
    }
}

/// End of a list, or no row.
const NIL: u32 = u32::MAX;
/// Ids that one order may be found by: its own, its previous, a pending cancel's, a pending replace's.
const KEYS_PER_ORDER: usize = 4;

/// A doubly linked list of rows, threaded through [`Links`].
#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    last: u32,
    count: usize,
}

const EMPTY: List = List { first: NIL, last: NIL, count: 0 };

#[derive(Clone, Copy, Debug)]
struct Links {
    previous: u32,
    next: u32,
}

#[derive(Clone, Copy, Debug)]
struct Key {
    /// The id; 0 = empty.
    id: u64,
    row: u32,
}

const NO_KEY: Key = Key { id: 0, row: NIL };

/// The table.
#[derive(Clone, Debug)]
pub struct OrderTable {
    rows: Box<[Option<Order>]>,
    links: Box<[Links]>,
    /// Live orders, oldest first.
    live: List,
    /// Terminal orders, in the order in which they ended.
    terminal: List,
    free: List,
    /// Open addressing, linear probing, deletion by shifting back; at most half full.
    keys: Box<[Key]>,
    /// What is left of a 64-bit product to index `keys`.
    keys_shift: u32,
}

impl OrderTable {
    /// A table of `capacity` orders.
    ///
    /// # Panics
    /// On a capacity of zero or over 2²⁴.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        assert!((1..=1 << 24).contains(&capacity), "order table of {capacity} rows");
        // Half full at most, so that a probe is short.
        let keys = (capacity * KEYS_PER_ORDER * 2).next_power_of_two();
        let mut table = Self {
            rows: vec![None; capacity].into(),
            links: vec![Links { previous: NIL, next: NIL }; capacity].into(),
            live: EMPTY,
            terminal: EMPTY,
            free: EMPTY,
            keys: vec![NO_KEY; keys].into(),
            keys_shift: 64 - keys.trailing_zeros(),
        };
        for row in 0..capacity as u32 {
            push(&mut table.free, &mut table.links, row);
        }
        table
    }

    /// Orders that fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.rows.len()
    }

    /// Live orders.
    #[must_use]
    pub const fn live_count(&self) -> usize {
        self.live.count
    }

    /// Terminal orders still held.
    #[must_use]
    pub const fn terminal_count(&self) -> usize {
        self.terminal.count
    }

    /// True when the next insert would succeed (with an id not in use).
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.live.count < self.rows.len()
    }

    /// The row that an id names.
    #[must_use]
    pub fn find(&self, id: ClOrdId) -> Option<Row> {
        if id == ClOrdId::NONE {
            return None;
        }
        let key = self.keys[self.slot_of(id.0)];
        (key.id == id.0).then_some(Row(key.row))
    }

    /// The order that an id names.
    #[must_use]
    pub fn get(&self, id: ClOrdId) -> Option<&Order> {
        self.find(id).map(|row| self.order(row))
    }

    /// The order of a row.
    ///
    /// # Panics
    /// When the row holds none: the caller kept it past an eviction.
    #[must_use]
    pub fn order(&self, row: Row) -> &Order {
        self.rows[row.index()].as_ref().expect("row of an evicted order")
    }

    /// The order of a row number, `None` when it holds none.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<&Order> {
        self.rows.get(index).and_then(Option::as_ref)
    }

    /// Live orders, oldest first.
    pub fn live(&self) -> impl Iterator<Item = (Row, &Order)> {
        self.walk(self.live.first)
    }

    /// The live order after `row`, or the oldest one; so that a caller can change orders between the steps of a walk.
    #[must_use]
    pub fn next_live(&self, row: Option<Row>) -> Option<Row> {
        let next = row.map_or(self.live.first, |row| self.links[row.index()].next);
        (next != NIL).then_some(Row(next))
    }

    /// Terminal orders still held, in the order in which they ended.
    pub fn terminal(&self) -> impl Iterator<Item = (Row, &Order)> {
        self.walk(self.terminal.first)
    }

    fn walk(&self, first: u32) -> impl Iterator<Item = (Row, &Order)> {
        let mut next = first;
        std::iter::from_fn(move || {
            let row = (next != NIL).then_some(Row(next))?;
            next = self.links[row.index()].next;
            Some((row, self.order(row)))
        })
    }

    /// The row that the next insert takes; `None` in a table of live orders.
    #[must_use]
    pub fn next_row(&self) -> Option<Row> {
        let row = if self.free.count > 0 { self.free.first } else { self.terminal.first };
        (row != NIL).then_some(Row(row))
    }

    /// Reads most of what an insert under `id` will touch, while there is nothing to insert: the table is larger than any
    /// cache.
    pub fn rehearse(&self, id: ClOrdId) {
        let row = self.next_row().map(Row::index);
        let next = row.and_then(|row| self.links.get(row)).map(|links| links.next);
        let linked = [next, Some(self.live.last)].map(|row| self.links.get(row? as usize).copied());
        black_box((self.find(id), linked, row.and_then(|row| self.rows.get(row)).copied()));
    }

    /// Inserts an order, evicting the terminal order that ended first when there is no free row.
    ///
    /// # Errors
    /// [`Insert`]; nothing was changed.
    pub fn insert(&mut self, order: Order) -> Result<Row, Insert> {
        let ids = ids(&order);
        if order.cl_ord_id == ClOrdId::NONE || ids.iter().any(|id| self.is_named(*id)) {
            return Err(Insert::Duplicate);
        }
        if self.free.count == 0 {
            let oldest = self.terminal.first;
            if oldest == NIL {
                return Err(Insert::Full);
            }
            self.evict(Row(oldest));
        }
        let row = self.free.first;
        unlink(&mut self.free, &mut self.links, row);
        self.rows[row as usize] = Some(order);
        push(if order.is_terminal() { &mut self.terminal } else { &mut self.live }, &mut self.links, row);
        for id in ids {
            self.add_key(id, row);
        }
        Ok(Row(row))
    }

    /// Applies an event to the order of a row.
    ///
    /// # Errors
    /// [`Illegal`], to be counted; nothing was changed.
    ///
    /// # Panics
    /// When the row holds no order.
    pub fn apply(&mut self, row: Row, event: &Event) -> Result<Outcome, Illegal> {
        self.change(row, |order| {
            let outcome = order.step(event)?;
            order.check();
            Ok(outcome)
        })
    }

    /// Writes the next state of the order of a row, and finds it by its new ids from now on.
    ///
    /// # Errors
    /// [`Insert::Duplicate`] when one of them names another order; nothing was changed.
    ///
    /// # Panics
    /// When the row holds no order.
    pub fn write(&mut self, row: Row, next: Order) -> Result<(), Insert> {
        self.change(row, |order| {
            *order = next;
            Ok(())
        })
    }

    /// Changes the order of a row where it lies, and finds it by its new ids from now on. On an error, of `change` or of
    /// the table, the order is as it was.
    ///
    /// # Panics
    /// When the row holds no order.
    pub(crate) fn change<T, E: From<Insert>>(
        &mut self,
        row: Row,
        change: impl FnOnce(&mut Order) -> Result<T, E>,
    ) -> Result<T, E> {
        let order = self.rows[row.index()].as_mut().expect("row of an evicted order");
        let before = *order;
        let changed = change(order);
        let (is_none, is_terminal, new_ids) = (order.cl_ord_id == ClOrdId::NONE, order.is_terminal(), ids(order));
        let old_ids = ids(&before);
        let taken = |id: &u64| self.find(ClOrdId(*id)).is_some_and(|other| other != row);
        let refused = match changed {
            Ok(_) if old_ids != new_ids && (is_none || new_ids.iter().any(taken)) => Err(Insert::Duplicate.into()),
            changed => changed,
        };
        if refused.is_err() {
            self.rows[row.index()] = Some(before);
            return refused;
        }
        if old_ids != new_ids {
            old_ids.iter().filter(|id| !new_ids.contains(id)).for_each(|id| self.remove_key(*id));
            new_ids.iter().filter(|id| !old_ids.contains(id)).for_each(|id| self.add_key(*id, row.0));
        }
        if before.is_terminal() != is_terminal {
            let (from, to) =
                if is_terminal { (&mut self.live, &mut self.terminal) } else { (&mut self.terminal, &mut self.live) };
            unlink(from, &mut self.links, row.0);
            push(to, &mut self.links, row.0);
        }
        refused
    }

    fn evict(&mut self, row: Row) {
        let order = self.order(row);
        assert!(order.is_terminal(), "only a terminal order is evicted");
        ids(order).iter().for_each(|id| self.remove_key(*id));
        unlink(&mut self.terminal, &mut self.links, row.0);
        self.rows[row.index()] = None;
        push(&mut self.free, &mut self.links, row.0);
    }

    /// Where a probe for `id` begins: Fibonacci hashing, because ids of one strategy differ in their low bits only.
    fn home(&self, id: u64) -> usize {
        (id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.keys_shift) as usize
    }

    #[inline]
    fn is_named(&self, id: u64) -> bool {
        id != 0 && self.keys[self.slot_of(id)].id == id
    }

    /// The slot that holds `id`, or the empty one where its probe ends.
    fn slot_of(&self, id: u64) -> usize {
        let mask = self.keys.len() - 1;
        let mut slot = self.home(id);
        while self.keys[slot].id != 0 && self.keys[slot].id != id {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn add_key(&mut self, id: u64, row: u32) {
        if id != 0 {
            let slot = self.slot_of(id);
            self.keys[slot] = Key { id, row };
        }
    }

    /// Empties the slot of `id` and moves back every later key of the same run that may move (Knuth 6.4, algorithm R).
    fn remove_key(&mut self, id: u64) {
        let mask = self.keys.len() - 1;
        let mut hole = self.slot_of(id);
        if id == 0 || self.keys[hole].id != id {
            return;
        }
        let mut slot = hole;
        loop {
            slot = (slot + 1) & mask;
            let key = self.keys[slot];
            if key.id == 0 {
                break;
            }
            let distance_home = slot.wrapping_sub(self.home(key.id)) & mask;
            let distance_hole = slot.wrapping_sub(hole) & mask;
            if distance_home >= distance_hole {
                self.keys[hole] = key;
                hole = slot;
            }
        }
        self.keys[hole] = NO_KEY;
    }
}

/// The ids that an order is found by; 0 = none. Doubles (a cancel by the gateway itself) are harmless.
fn ids(order: &Order) -> [u64; KEYS_PER_ORDER] {
    [
        order.cl_ord_id.0,
        order.orig_cl_ord_id.0,
        order.cancel.map_or(0, |cancel| cancel.cl_ord_id.0),
        order.replace.map_or(0, |replace| replace.cl_ord_id.0),
    ]
}

fn push(list: &mut List, links: &mut [Links], row: u32) {
    links[row as usize] = Links { previous: list.last, next: NIL };
    if list.last == NIL {
        list.first = row;
    } else {
        links[list.last as usize].next = row;
    }
    list.last = row;
    list.count += 1;
}

fn unlink(list: &mut List, links: &mut [Links], row: u32) {
    let Links { previous, next } = links[row as usize];
    if previous == NIL {
        list.first = next;
    } else {
        links[previous as usize].next = next;
    }
    if next == NIL {
        list.last = previous;
    } else {
        links[next as usize].previous = previous;
    }
    list.count -= 1;
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
