//! UserRefNum (OUCH 5.0) to request: a ring of the last numbers, so that a venue message finds its order in one step.
//!
//! Numbers grow strictly within a session's day and are never given twice; a number whose place is still held by a live
//! order is skipped.

use shm_layout::types::{ClOrdId, InstrumentId, Nanos, Side};

/// What a number was used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefKind {
    /// A new order.
    New,
    /// A replace.
    Replace,
    /// A session request without an order: mass cancel, probe.
    Session,
}

/// A number that was used. What is needed to attribute evidence stands here too, because the order's row may be reused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UserRef {
    /// The number; 0 = unused place.
    pub user_ref_num: u32,
    /// Number of the first order of the replace chain: names the order in its row.
    pub root: u32,
    /// Row in the order table.
    pub row: u32,
    /// What it was used for.
    pub kind: RefKind,
    /// Side of the order.
    pub side: Side,
    /// The socket took it.
    pub sent: bool,
    /// Owner.
    pub strategy_id: u16,
    /// Account.
    pub account_id: u16,
    /// Instrument.
    pub instrument_id: InstrumentId,
    /// Id of the request.
    pub cl_ord_id: ClOrdId,
    /// Receive stamp of the market data that caused it; 0 = a timer.
    pub receive_ns: Nanos,
}

impl UserRef {
    const UNUSED: Self = Self {
        user_ref_num: 0,
        root: 0,
        row: 0,
        kind: RefKind::Session,
        side: Side::Buy,
        sent: false,
        strategy_id: 0,
        account_id: 0,
        instrument_id: InstrumentId(0),
        cl_ord_id: ClOrdId::NONE,
        receive_ns: Nanos(0),
    };
}

/// Places looked at for a free one.
const SKIP_MAX: u32 = 64;

/// The ring.
#[derive(Debug)]
pub struct UserRefs {
    places: Box<[UserRef]>,
    next: u32,
}

impl UserRefs {
    /// A ring of `places`, rounded up to a power of two; the first number is 1.
    #[must_use]
    pub fn with_capacity(places: usize) -> Self {
        let places = places.max(SKIP_MAX as usize).next_power_of_two();
        Self { places: vec![UserRef::UNUSED; places].into(), next: 1 }
    }

    /// The number that would be used next, were its place free.
    #[must_use]
    pub const fn next(&self) -> u32 {
        self.next
    }

    /// The next number whose place is not `busy`; `None` when none of the next 64 is free, or numbers have run out.
    #[must_use]
    pub fn available(&self, busy: impl Fn(&UserRef) -> bool) -> Option<u32> {
        let last = self.next.checked_add(SKIP_MAX)?;
        (self.next..last).find(|number| !busy(&self.places[self.index(*number)]))
    }

    /// Uses a number up.
    ///
    /// # Panics
    /// On a number below the next: numbers are never given twice.
    pub fn take(&mut self, used: UserRef) {
        assert!(used.user_ref_num >= self.next && used.user_ref_num < u32::MAX, "UserRefNum used twice");
        self.next = used.user_ref_num + 1;
        let index = self.index(used.user_ref_num);
        self.places[index] = used;
    }

    /// Remembers a number that the venue knows and we did not use in this life (adopted orders).
    pub fn learn(&mut self, used: UserRef) {
        let index = self.index(used.user_ref_num);
        self.places[index] = used;
        self.advance(used.user_ref_num.saturating_add(1));
    }

    /// Numbers below `next` are used up.
    pub fn advance(&mut self, next: u32) {
        self.next = self.next.max(next);
    }

    /// Uses up a number that names no order.
    pub fn take_session(&mut self, user_ref_num: u32) {
        self.take(UserRef { user_ref_num, root: user_ref_num, ..UserRef::UNUSED });
    }

    /// What a number was used for; `None` when it is unknown or too long ago.
    #[must_use]
    pub fn get(&self, user_ref_num: u32) -> Option<&UserRef> {
        let place = &self.places[self.index(user_ref_num)];
        (user_ref_num != 0 && place.user_ref_num == user_ref_num).then_some(place)
    }

    /// Forgets every number, for another session.
    pub fn clear(&mut self) {
        self.places.fill(UserRef::UNUSED);
        self.next = 1;
    }

    /// The socket took it.
    pub fn mark_sent(&mut self, user_ref_num: u32) {
        let index = self.index(user_ref_num);
        let place = &mut self.places[index];
        place.sent |= place.user_ref_num == user_ref_num;
    }

    fn index(&self, user_ref_num: u32) -> usize {
        user_ref_num as usize & (self.places.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(user_ref_num: u32) -> UserRef {
        UserRef { user_ref_num, root: user_ref_num, kind: RefKind::New, ..UserRef::UNUSED }
    }

    #[test]
    fn numbers_grow_skip_busy_places_and_forget_the_oldest() {
        let mut refs = UserRefs::with_capacity(64);
        for number in 1..=64 {
            assert_eq!(refs.available(|_| false), Some(number));
            refs.take(used(number));
        }
        // 65 would take the place of 1, which is busy: 66 is next.
        assert_eq!(refs.available(|place| place.user_ref_num == 1), Some(66));
        refs.take(used(66));
        assert_eq!(refs.get(1), Some(&used(1)));
        assert_eq!(refs.get(2), None);
        assert_eq!(refs.get(65), None);
        assert_eq!(refs.get(0), None);
        assert_eq!(refs.available(|_| true), None);
    }

    #[test]
    #[should_panic(expected = "used twice")]
    fn a_number_is_never_given_twice() {
        let mut refs = UserRefs::with_capacity(64);
        refs.take(used(5));
        refs.take(used(5));
    }
}
