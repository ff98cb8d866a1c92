//! The identity of an order request.

use std::fmt;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Identity of an order request: term 6 bits, epoch 18, strategy 10, counter 30, from the most significant bit down.
///
/// A strategy's ids grow strictly within one (term, epoch), so that a gateway can refuse a repeated one with a single
/// compare. Zero means "none".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct ClOrdId(pub u64);

/// Two base-36 digits of every number below 36².
static DIGIT_PAIRS: [[u8; 2]; 1296] = {
    const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut pairs = [[0; 2]; 1296];
    let mut number = 0;
    while number < pairs.len() {
        pairs[number] = [DIGITS[number / 36], DIGITS[number % 36]];
        number += 1;
    }
    pairs
};

impl ClOrdId {
    /// No order.
    pub const NONE: Self = Self(0);
    /// Largest leadership term.
    pub const TERM_MAX: u32 = (1 << 6) - 1;
    /// Largest restart epoch of a strategy.
    pub const EPOCH_MAX: u32 = (1 << 18) - 1;
    /// Largest strategy id.
    pub const STRATEGY_MAX: u16 = (1 << 10) - 1;
    /// Largest counter within one epoch.
    pub const COUNTER_MAX: u32 = (1 << 30) - 1;
    /// Characters of the printed form: base 36, upper case, zero-padded (fits OUCH's 14, FIX, crypto ids).
    pub const TEXT_LEN: usize = 13;

    /// Composes an id; `None` when a part does not fit its bits: overflow refuses to start, it never wraps.
    #[must_use]
    pub const fn new(term: u32, epoch: u32, strategy: u16, counter: u32) -> Option<Self> {
        if term > Self::TERM_MAX
            || epoch > Self::EPOCH_MAX
            || strategy > Self::STRATEGY_MAX
            || counter > Self::COUNTER_MAX
        {
            return None;
        }
        Some(Self((term as u64) << 58 | (epoch as u64) << 40 | (strategy as u64) << 30 | counter as u64))
    }

    /// Leadership term (bits 58–63).
    #[must_use]
    pub const fn term(self) -> u32 {
        (self.0 >> 58) as u32
    }

    /// Restart epoch of the strategy (bits 40–57).
    #[must_use]
    pub const fn epoch(self) -> u32 {
        (self.0 >> 40) as u32 & Self::EPOCH_MAX
    }

    /// Strategy id (bits 30–39).
    #[must_use]
    pub const fn strategy(self) -> u16 {
        (self.0 >> 30) as u16 & Self::STRATEGY_MAX
    }

    /// Counter within the epoch (bits 0–29).
    #[must_use]
    pub const fn counter(self) -> u32 {
        self.0 as u32 & Self::COUNTER_MAX
    }

    /// The 13 base-36 characters.
    #[must_use]
    pub const fn to_text(self) -> [u8; Self::TEXT_LEN] {
        // Every order is written once: two digits a step, of numbers below 36⁶, which fit 32 bits.
        const SIX_DIGITS: u64 = 36_u64.pow(6);
        let (high, low) = (self.0 / SIX_DIGITS, (self.0 % SIX_DIGITS) as u32);
        let (top, middle) = (high / SIX_DIGITS, (high % SIX_DIGITS) as u32);
        let [[_, t], [a, b], [c, d], [e, f], [g, h], [i, j], [k, l]] = [
            DIGIT_PAIRS[top as usize],
            DIGIT_PAIRS[(middle / 1296 / 1296) as usize],
            DIGIT_PAIRS[(middle / 1296 % 1296) as usize],
            DIGIT_PAIRS[(middle % 1296) as usize],
            DIGIT_PAIRS[(low / 1296 / 1296) as usize],
            DIGIT_PAIRS[(low / 1296 % 1296) as usize],
            DIGIT_PAIRS[(low % 1296) as usize],
        ];
        [t, a, b, c, d, e, f, g, h, i, j, k, l]
    }

    /// Reads the 13 characters back; `None` on another length, another character, or a value over 64 bits.
    #[must_use]
    pub fn from_text(text: &[u8]) -> Option<Self> {
        if text.len() != Self::TEXT_LEN {
            return None;
        }
        let mut value: u64 = 0;
        for &byte in text {
            let digit = match byte {
                b'0'..=b'9' => byte - b'0',
                b'A'..=b'Z' => byte - b'A' + 10,
                _ => return None,
            };
            value = value.checked_mul(36)?.checked_add(u64::from(digit))?;
        }
        Some(Self(value))
    }
}

impl fmt::Display for ClOrdId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(std::str::from_utf8(&self.to_text()).expect("base 36 is ASCII"))
    }
}

impl fmt::Debug for ClOrdId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClOrdId({self})")
    }
}
