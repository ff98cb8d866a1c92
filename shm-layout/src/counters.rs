//! The self-describing counter table of a status region: a tool shows the counters of a process that it knows nothing of.
//!
//! ```text
//! 0     value  u64       set or added to by one thread
//! 8     label  [u8; 56]  printable ASCII, zero-padded; empty = not in use
//! ```
//! [`COUNTERS`] such entries, each on a cache line of its own. Values are independent of each other: a reader must not
//! expect two of them to be of the same moment.

use crate::ascii;
use crate::ring::sync::{Ordering, SharedWords};

/// Counters of a table.
pub const COUNTERS: usize = 192;
/// Longest label, in bytes.
pub const LABEL_BYTES: usize = LABEL_WORDS * 8;
/// Words of the whole table.
pub const COUNTER_TABLE_WORDS: usize = COUNTERS * COUNTER_WORDS;

const COUNTER_WORDS: usize = 8;
const LABEL_WORDS: usize = 7;

const _: () = assert!(LABEL_BYTES == 56 && COUNTER_WORDS == 1 + LABEL_WORDS);

/// A table, in the owner's view or in a reader's.
#[derive(Clone, Debug)]
pub struct CounterTable {
    words: SharedWords,
}

impl CounterTable {
    /// The table that is `words`.
    ///
    /// # Panics
    /// When `words` is not [`COUNTER_TABLE_WORDS`] long.
    #[must_use]
    pub fn new(words: SharedWords) -> Self {
        assert_eq!(words.len(), COUNTER_TABLE_WORDS, "a counter table has {COUNTERS} counters");
        Self { words }
    }

    /// Names the counter at `index` and sets it to zero.
    ///
    /// # Panics
    /// When the index is not below [`COUNTERS`], or the label is empty, too long or not printable ASCII.
    pub fn define(&self, index: usize, label: &str) {
        assert!(index < COUNTERS, "counter {index} of {COUNTERS}: {label}");
        assert!(!label.is_empty() && label.len() <= LABEL_BYTES, "label of 1 to {LABEL_BYTES} bytes: {label:?}");
        assert!(label.bytes().all(|b| b == b' ' || b.is_ascii_graphic()), "label not printable ASCII: {label:?}");
        self.set(index, 0);
        let words: [u64; LABEL_WORDS] = ascii::to_words(label);
        for (offset, word) in words.into_iter().enumerate() {
            self.words.store(index * COUNTER_WORDS + 1 + offset, word, Ordering::Relaxed);
        }
    }

    /// Adds to a counter. One thread owns each counter, so this is a load and a store, not a locked instruction.
    pub fn add(&self, index: usize, value: u64) {
        self.set(index, self.get(index).wrapping_add(value));
    }

    /// Sets a counter.
    pub fn set(&self, index: usize, value: u64) {
        self.words.store(index * COUNTER_WORDS, value, Ordering::Relaxed);
    }

    /// A counter's value.
    ///
    /// # Panics
    /// When the index is not below [`COUNTERS`].
    #[must_use]
    pub fn get(&self, index: usize) -> u64 {
        self.words.load(index * COUNTER_WORDS, Ordering::Relaxed)
    }

    /// The counters in use: label (printable ASCII, whatever lies there) and value, in order of index.
    pub fn iter(&self) -> impl Iterator<Item = (String, u64)> + '_ {
        (0..COUNTERS).filter_map(|index| {
            let label = ascii::load(&self.words, index * COUNTER_WORDS + 1, LABEL_WORDS);
            (!label.is_empty()).then(|| (label, self.get(index)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_describe_themselves() {
        let words = SharedWords::heap(COUNTER_TABLE_WORDS);
        let table = CounterTable::new(words.clone());
        table.define(0, "orders_sent");
        table.define(COUNTERS - 1, &"x".repeat(LABEL_BYTES));
        table.add(0, 3);
        table.add(0, 4);
        table.set(COUNTERS - 1, u64::MAX);
        table.add(COUNTERS - 1, 1);
        let reader = CounterTable::new(words.read_only());
        let seen: Vec<_> = reader.iter().collect();
        assert_eq!(seen, [("orders_sent".to_owned(), 7), ("x".repeat(56), 0)]);
        // value at byte 0, label from byte 8 on
        assert_eq!(words.load(0, Ordering::Relaxed), 7);
        assert_eq!(words.load(1, Ordering::Relaxed).to_le_bytes(), *b"orders_s");
    }

    #[test]
    fn a_garbage_label_is_sanitised() {
        let words = SharedWords::heap(COUNTER_TABLE_WORDS);
        words.store(9, u64::from_le_bytes(*b"\x1b[2Jhi\xf0\n"), Ordering::Relaxed);
        assert_eq!(CounterTable::new(words).iter().next(), Some(("?[2Jhi??".to_owned(), 0)));
    }
}
