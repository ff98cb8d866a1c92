//! Text in shared words: ASCII, left-justified, zero-padded.
//!
//! A reader never trusts it: what a peer left there is cut at the first zero, and every byte that is not printable ASCII
//! reads as `?`, so that a label can go to a terminal as it is.

use crate::ring::sync::{Ordering, SharedWords};

/// The words of `text`; bytes that are not printable ASCII become `?`, what does not fit is cut.
pub(crate) fn to_words<const N: usize>(text: &str) -> [u64; N] {
    let mut words = [0; N];
    for (index, byte) in text.bytes().take(N * 8).enumerate() {
        words[index / 8] |= u64::from(printable(byte)) << (index % 8 * 8);
    }
    words
}

/// The text of words that anyone may have written.
pub(crate) fn from_words(words: &[u64]) -> String {
    let bytes = words.iter().flat_map(|word| word.to_le_bytes());
    bytes.take_while(|&byte| byte != 0).map(|byte| char::from(printable(byte))).collect()
}

/// The text of `count` words from `first` on.
pub(crate) fn load(words: &SharedWords, first: usize, count: usize) -> String {
    let copied: Vec<u64> = (first..first + count).map(|index| words.load(index, Ordering::Relaxed)).collect();
    from_words(&copied)
}

const fn printable(byte: u8) -> u8 {
    if byte == b' ' || byte.is_ascii_graphic() { byte } else { b'?' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_padded_and_sanitised() {
        assert_eq!(to_words::<2>("orders"), [u64::from_le_bytes(*b"orders\0\0"), 0]);
        assert_eq!(from_words(&to_words::<2>("orders")), "orders");
        assert_eq!(from_words(&to_words::<1>("more than eight")), "more tha");
        assert_eq!(from_words(&[u64::from_le_bytes(*b"a\x1b[31m\xffz")]), "a?[31m?z");
    }
}
