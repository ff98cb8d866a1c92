//! The canonical hash of orders and positions: a sum, modulo 2⁶⁴, of one mixed hash per item. A sum does not depend on
//! the order of its terms, so it is kept up to date by subtracting an item's old hash and adding its new one.

use crate::order::{LiveState, Order};
use crate::position::Position;

/// Mixes one word into a hash: the finalizer of SplitMix64 over the running value.
const fn mix(hash: u64, word: u64) -> u64 {
    let mut x = (hash ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Hash of a sequence of words.
#[must_use]
pub fn words(tag: u64, words: &[u64]) -> u64 {
    words.iter().fold(mix(tag, words.len() as u64), |hash, word| mix(hash, *word))
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
