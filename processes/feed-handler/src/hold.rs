//! Datagrams that arrived ahead of a gap, kept whole and in order of their first sequence.
//!
//! All memory is taken at construction. It never decides what is missing: that is [`crate::channel::Channel`]'s.

use crate::datagram::Datagram;
use std::collections::VecDeque;

/// A held datagram's place: `[sequence, next_sequence)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held {
    /// First sequence.
    pub sequence: u64,
    /// One after the last sequence.
    pub next_sequence: u64,
    slot: u32,
}

impl Held {
    /// Messages in it.
    pub const fn message_count(&self) -> u64 {
        self.next_sequence - self.sequence
    }
}

/// What became of a datagram that was offered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offer {
    /// It is held.
    Kept,
    /// One with the same first sequence, and at least as long, is held already.
    Duplicate,
    /// No room.
    Overflow,
}

/// The window.
#[derive(Debug)]
pub struct HoldWindow {
    datagrams: Box<[Datagram]>,
    free: Vec<u32>,
    /// Ascending by sequence.
    held: VecDeque<Held>,
}

impl HoldWindow {
    /// Room for `capacity` datagrams.
    pub fn new(capacity: usize) -> Self {
        Self {
            datagrams: vec![Datagram::default(); capacity].into_boxed_slice(),
            free: (0..capacity as u32).rev().collect(),
            held: VecDeque::with_capacity(capacity),
        }
    }

    /// Keeps a copy of a datagram with the sequences `[sequence, next_sequence)`.
    pub fn offer(&mut self, datagram: &Datagram, sequence: u64, next_sequence: u64) -> Offer {
        let index = self.held.partition_point(|held| held.sequence < sequence);
        if self.held.get(index).is_some_and(|held| held.sequence == sequence && held.next_sequence >= next_sequence) {
            return Offer::Duplicate;
        }
        let Some(slot) = self.free.pop() else { return Offer::Overflow };
        self.datagrams[slot as usize].clone_from(datagram);
        self.held.insert(index, Held { sequence, next_sequence, slot });
        Offer::Kept
    }

    /// The one with the lowest sequence.
    pub fn first(&self) -> Option<Held> {
        self.held.front().copied()
    }

    /// The first stretch from `sequence` on that is not held: `[from, until)`, with `until` where the next held one
    /// begins, `None` when none follows.
    pub fn missing_from(&self, sequence: u64) -> (u64, Option<u64>) {
        // An earlier one may reach over `sequence`; those before it end no later than the next begins, but for overlaps
        // that a second line cut otherwise: they cost a duplicate.
        let index = self.held.partition_point(|held| held.sequence < sequence).saturating_sub(1);
        let mut from = sequence;
        for held in self.held.iter().skip(index) {
            if held.sequence > from {
                return (from, Some(held.sequence));
            }
            from = from.max(held.next_sequence);
        }
        (from, None)
    }

    /// Takes the first one out; [`Self::datagram`] stays valid until the next offer.
    pub fn pop_first(&mut self) -> Option<Held> {
        let held = self.held.pop_front()?;
        self.free.push(held.slot);
        Some(held)
    }

    /// The bytes of a held datagram.
    pub fn datagram(&self, held: Held) -> &Datagram {
        &self.datagrams[held.slot as usize]
    }

    /// Messages held.
    pub fn message_count(&self) -> u64 {
        self.held.iter().map(Held::message_count).sum()
    }

    /// Forgets everything; returns the number of messages forgotten.
    pub fn clear(&mut self) -> u64 {
        let mut count = 0;
        while let Some(held) = self.pop_first() {
            count += held.message_count();
        }
        count
    }
}
