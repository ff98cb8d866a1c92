//! The canonical hash of orders and positions: a sum, modulo 2⁶⁴, of one mixed hash per item. A sum does not depend on
//! the order of its terms, so it is kept up to date by subtracting an item's old hash and adding its new one.

use crate::order::{LiveState, Order};
use crate::position::Position;

/// The finalizer of SplitMix64: every bit of the result depends on every bit of `word`, and no two words have the same one.
const fn mix(word: u64) -> u64 {
    let x = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Most words of one hash.
const WORDS_MAX: usize = 18;

/// An odd factor for each place, by SplitMix64 from seed 0: its outputs with the lowest bit set.
const FACTORS: [u64; WORDS_MAX] = {
    let mut factors = [0; WORDS_MAX];
    let mut place = 0;
    while place < WORDS_MAX {
        factors[place] = mix((place as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1;
        place += 1;
    }
    factors
};

/// Hash of words: the finalizer of `tag` plus the sum of each word, its upper half folded into its lower, times the odd
/// factor of its place. Each step is reversible, so one word that differs always makes another hash; and no word waits for
/// the one before, as it would in a chain of mixes.
#[must_use]
pub fn words<const N: usize>(tag: u64, words: &[u64; N]) -> u64 {
    const { assert!(N <= WORDS_MAX) };
    let mut sum = tag;
    for (word, factor) in words.iter().zip(&FACTORS) {
        sum = sum.wrapping_add((word ^ (word >> 32)).wrapping_mul(*factor));
    }
    mix(sum)
}

const fn halves(value: i128) -> [u64; 2] {
    [value as u64, (value >> 64) as u64]
}

/// Hash of a live order, 0 for a terminal one: terminal orders are not part of the canonical state. What only the sender
/// knows (`sent`) is not part of it either.
#[must_use]
pub fn order(order: &Order) -> u64 {
    if order.is_terminal() {
        return 0;
    }
    let [low, high] = halves(order.cum_notional.0);
    let cancel = order.cancel.map_or(0, |cancel| cancel.cl_ord_id.0);
    let replace = order.replace.map_or([0; 3], |r| [r.cl_ord_id.0, r.order_qty.0 as u64, r.price.0 as u64]);
    debug_assert!(order.state as u8 <= LiveState::Working as u8);
    words(
        1,
        &[
            order.cl_ord_id.0,
            order.orig_cl_ord_id.0,
            u64::from(order.instrument_id.0) << 32 | u64::from(order.venue_id) << 16 | u64::from(order.strategy_id),
            u64::from(order.account_id) << 24
                | (order.side as u64) << 16
                | (order.state as u64) << 8
                | u64::from(order.accepted),
            u64::from(order.limit_version) << 32 | u64::from(order.parent_id),
            u64::from(order.risk_epoch),
            order.risk_sequence,
            order.cause_sequence,
            order.price.0 as u64,
            order.order_qty.0 as u64,
            order.leaves_qty.0 as u64,
            order.cum_qty.0 as u64,
            low,
            high,
            cancel,
            replace[0],
            replace[1],
            replace[2],
        ],
    )
}

/// Hash of a position, 0 for one that never moved.
#[must_use]
pub fn position(strategy: u16, instrument: u32, position: &Position) -> u64 {
    if *position == Position::default() {
        return 0;
    }
    let [bought_low, bought_high] = halves(position.bought_qty);
    let [sold_low, sold_high] = halves(position.sold_qty);
    let [buy_low, buy_high] = halves(position.buy_notional.0);
    let [sell_low, sell_high] = halves(position.sell_notional.0);
    words(
        2,
        &[
            u64::from(strategy) << 32 | u64::from(instrument),
            position.qty.0 as u64,
            position.start_qty.0 as u64,
            position.start_px.0 as u64,
            bought_low,
            bought_high,
            sold_low,
            sold_high,
            buy_low,
            buy_high,
            sell_low,
            sell_high,
            position.fills,
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_the_outputs_of_splitmix64() {
        // The first three outputs of SplitMix64 from seed 0, as its reference implementation prints them.
        assert_eq!(FACTORS[..3], [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f5, 0x06c4_5d18_8009_454f]);
        let distinct: std::collections::BTreeSet<u64> = FACTORS.into_iter().collect();
        assert_eq!(distinct.len(), WORDS_MAX);
    }

    #[test]
    fn every_bit_of_every_word_counts_and_so_does_its_place() {
        let base: [u64; WORDS_MAX] = std::array::from_fn(|place| place as u64 * 100);
        let mut seen = std::collections::BTreeSet::from([words(1, &base), words(2, &base)]);
        for place in 0..WORDS_MAX {
            for bit in 0..64 {
                let mut other = base;
                other[place] ^= 1 << bit;
                assert!(seen.insert(words(1, &other)), "word {place}, bit {bit}");
            }
            for other_place in place + 1..WORDS_MAX {
                let mut other = base;
                other.swap(place, other_place);
                assert!(seen.insert(words(1, &other)), "words {place} and {other_place} swapped");
            }
        }
    }
}
