//! Reservations by ClOrdID: what the venue may hold of each of our orders. Open addressing with linear probing and
//! backward-shift deletion, fixed capacity, no allocation after construction.

use shm_layout::types::{ClOrdId, Side};

/// What one order may still become: one cache line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(align(64))]
pub struct Reservation {
    /// The order (FIX 11). [`ClOrdId::NONE`] marks a free place.
    pub cl_ord_id: ClOrdId,
    /// Row of the exposure table: strategy and instrument.
    pub row: u32,
    /// Side.
    pub side: Side,
    /// Quantity left (FIX 151) that it is reserved for, in 1e-8 units.
    pub leaves_qty: i64,
    /// Quantity executed so far (FIX 14).
    pub cum_qty: i64,
    /// Request id of a replace in flight; `NONE` without one.
    pub replace_cl_ord_id: ClOrdId,
    /// Its new total quantity (FIX 38); 0 without one.
    pub replace_order_qty: i64,
    /// Reservation sequence of its approval; 0 when it was rebuilt or adopted.
    pub risk_sequence: u64,
}

impl Reservation {
    const FREE: Self = Self {
        cl_ord_id: ClOrdId::NONE,
        row: 0,
        side: Side::Buy,
        leaves_qty: 0,
        cum_qty: 0,
        replace_cl_ord_id: ClOrdId::NONE,
        replace_order_qty: 0,
        risk_sequence: 0,
    };

    /// Reserved quantity: max(old, new) while a replace is in flight.
    #[inline]
    #[must_use]
    pub fn reserved(&self) -> i64 {
        self.leaves_qty.max(self.replace_order_qty.saturating_sub(self.cum_qty)).max(0)
    }
}

/// The table.
#[derive(Debug)]
pub struct Reservations {
    places: Box<[Reservation]>,
    count: usize,
    count_max: usize,
    /// 64 − log2(places).
    shift: u32,
}

impl Reservations {
    /// Room for `count_max` orders; at least twice as many places, so that probes stay short.
    #[must_use]
    pub fn with_capacity(count_max: usize) -> Self {
        let places = (count_max.max(1) * 2).next_power_of_two();
        let shift = 64 - places.trailing_zeros();
        Self { places: vec![Reservation::FREE; places].into_boxed_slice(), count: 0, count_max, shift }
    }

    /// Orders in it.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// True when no further order fits.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.count >= self.count_max
    }

    fn home(&self, id: ClOrdId) -> usize {
        // Fibonacci hashing: ids grow by one, their product spreads over the high bits.
        id.0.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_shr(self.shift) as usize
    }

    fn find(&self, id: ClOrdId) -> Option<usize> {
        if id == ClOrdId::NONE {
            return None;
        }
        let mask = self.places.len() - 1;
        let mut place = self.home(id);
        loop {
            match self.places[place].cl_ord_id {
                found if found == id => return Some(place),
                ClOrdId::NONE => return None,
                _ => place = (place + 1) & mask,
            }
        }
    }

    /// The reservation of an order.
    #[must_use]
    pub fn get(&self, id: ClOrdId) -> Option<&Reservation> {
        self.find(id).map(|place| &self.places[place])
    }

    /// The reservation of an order, to change it (not its id).
    pub fn get_mut(&mut self, id: ClOrdId) -> Option<&mut Reservation> {
        self.find(id).map(|place| &mut self.places[place])
    }

    /// Adds an order; false when the table is full.
    ///
    /// # Panics
    /// When the id is none or already there: the caller looked first.
    #[inline]
    pub fn insert(&mut self, reservation: Reservation) -> bool {
        assert!(reservation.cl_ord_id != ClOrdId::NONE, "a reservation needs an id");
        let mask = self.places.len() - 1;
        let mut place = self.home(reservation.cl_ord_id);
        while self.places[place].cl_ord_id != ClOrdId::NONE {
            assert!(self.places[place].cl_ord_id != reservation.cl_ord_id, "a reservation is made once");
            place = (place + 1) & mask;
        }
        if self.is_full() {
            return false;
        }
        self.places[place] = reservation;
        self.count += 1;
        true
    }

    /// Takes an order out.
    pub fn remove(&mut self, id: ClOrdId) -> Option<Reservation> {
        let mask = self.places.len() - 1;
        let mut hole = self.find(id)?;
        let removed = self.places[hole];
        self.count -= 1;
        let mut place = (hole + 1) & mask;
        while self.places[place].cl_ord_id != ClOrdId::NONE {
            // A later entry may move into the hole unless its home lies strictly after the hole.
            let home = self.home(self.places[place].cl_ord_id);
            if place.wrapping_sub(home) & mask >= place.wrapping_sub(hole) & mask {
                self.places[hole] = self.places[place];
                hole = place;
            }
            place = (place + 1) & mask;
        }
        self.places[hole] = Reservation::FREE;
        Some(removed)
    }

    /// Every reservation, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = &Reservation> {
        self.places.iter().filter(|place| place.cl_ord_id != ClOrdId::NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn agrees_with_a_map(steps in prop::collection::vec((any::<bool>(), 1..40_u64), 0..400)) {
            let mut table = Reservations::with_capacity(16);
            let mut map = BTreeMap::new();
            for (insert, id) in steps {
                // Spread over both the low and the high bits, as epochs and counters do.
                let cl_ord_id = ClOrdId((id << 40) | (id % 3));
                if insert && !map.contains_key(&cl_ord_id) {
                    let fits = table.insert(Reservation { cl_ord_id, leaves_qty: id as i64, ..Reservation::FREE });
                    prop_assert_eq!(fits, map.len() < 16);
                    if fits {
                        map.insert(cl_ord_id, id as i64);
                    }
                } else if !insert {
                    prop_assert_eq!(table.remove(cl_ord_id).map(|r| r.leaves_qty), map.remove(&cl_ord_id));
                }
                prop_assert_eq!(table.count(), map.len());
                prop_assert_eq!(table.iter().count(), map.len());
                for (id, leaves) in &map {
                    prop_assert_eq!(table.get(*id).map(|r| r.leaves_qty), Some(*leaves));
                }
            }
        }
    }
}
