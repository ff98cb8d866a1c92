//! Executions of the day by (UserRefNum, match number): each is applied once (I4), and a broken one, which names no
//! quantity and no price, is found again.
//!
//! A set-associative table: the oldest of eight in a set gives way. Should an execution have been forgotten, the
//! session's sequence still keeps it from being applied twice.

use shm_layout::types::{Price, Qty};

/// Places of one set.
const WAYS: usize = 8;

/// An execution.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Execution {
    /// UserRefNum of the order; 0 = unused place.
    pub user_ref_num: u32,
    /// It was broken.
    pub broken: bool,
    /// The venue's match number; both sides of a trade have the same one.
    pub match_number: u64,
    /// Quantity.
    pub qty: Qty,
    /// Price.
    pub px: Price,
}

/// The table.
#[derive(Debug)]
pub struct Matches {
    sets: Box<[[Execution; WAYS]]>,
    /// Place that gives way next, by set.
    turn: Box<[u8]>,
}

impl Matches {
    /// A table for about `executions`, rounded up.
    #[must_use]
    pub fn with_capacity(executions: usize) -> Self {
        let sets = executions.div_ceil(WAYS).next_power_of_two();
        Self { sets: vec![[Execution::default(); WAYS]; sets].into(), turn: vec![0; sets].into() }
    }

    fn set(&self, user_ref_num: u32, match_number: u64) -> usize {
        let mixed = (match_number ^ u64::from(user_ref_num) << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 32) as usize & (self.sets.len() - 1)
    }

    /// The execution of a number and a match.
    #[must_use]
    pub fn find(&self, user_ref_num: u32, match_number: u64) -> Option<&Execution> {
        let set = &self.sets[self.set(user_ref_num, match_number)];
        set.iter().find(|e| user_ref_num != 0 && e.user_ref_num == user_ref_num && e.match_number == match_number)
    }

    /// Remembers an execution.
    pub fn insert(&mut self, execution: Execution) {
        let set = self.set(execution.user_ref_num, execution.match_number);
        let turn = usize::from(self.turn[set]) % WAYS;
        self.sets[set][turn] = execution;
        self.turn[set] = (turn as u8 + 1) % WAYS as u8;
    }

    /// Forgets every execution, for another session.
    pub fn clear(&mut self) {
        self.sets.fill([Execution::default(); WAYS]);
        self.turn.fill(0);
    }

    /// Marks an execution as broken.
    pub fn mark_broken(&mut self, user_ref_num: u32, match_number: u64) {
        let set = self.set(user_ref_num, match_number);
        for execution in &mut self.sets[set] {
            if execution.user_ref_num == user_ref_num && execution.match_number == match_number {
                execution.broken = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_of_a_self_trade_are_two_executions() {
        let mut matches = Matches::with_capacity(64);
        let buy = Execution { user_ref_num: 1, match_number: 9, qty: Qty(5), px: Price(7), broken: false };
        matches.insert(buy);
        assert_eq!(matches.find(1, 9), Some(&buy));
        assert_eq!(matches.find(2, 9), None);
        matches.insert(Execution { user_ref_num: 2, ..buy });
        matches.mark_broken(2, 9);
        assert_eq!(matches.find(1, 9), Some(&buy));
        assert!(matches.find(2, 9).unwrap().broken);
        assert_eq!(matches.find(0, 0), None);
    }

    #[test]
    fn the_oldest_of_a_set_gives_way() {
        let mut matches = Matches::with_capacity(8);
        for number in 1..=9 {
            matches.insert(Execution { user_ref_num: number, match_number: 1, ..Execution::default() });
        }
        assert_eq!(matches.find(1, 1), None);
        assert!((2..=9).all(|number| matches.find(number, 1).is_some()));
    }
}
