//! Newtypes with units; and, from their own files, the codes that stand in messages as single bytes (`code`) and the
//! identity of an order request (`cl_ord_id`).
//!
//! Money and quantity are `i64` in 1e-8 units with checked arithmetic. A value that is not exactly representable is
//! refused (`None`), never rounded. No float touches money.

mod cl_ord_id;
mod code;

pub use cl_ord_id::ClOrdId;
pub(crate) use code::byte_code;
pub use code::{
    BookValidity, ChannelState, ExecType, OrdStatus, OrdType, RejectReason, Role, Side, TimeInForce, TradingStatus,
};
use std::fmt;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Units of a [`Price`] or [`Qty`] in one: 1e8.
pub const UNITS: i64 = 100_000_000;
/// Decimal places of a [`Price`] or [`Qty`].
pub const DECIMALS: u32 = 8;

/// A price, in 1e-8 of the quote currency. Zero in a message means "none".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct Price(pub i64);

/// A quantity, in 1e-8 of the instrument's unit (a share is 100,000,000).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct Qty(pub i64);

/// Price times quantity, in 1e-16 of the quote currency; `i128`, so that no sum of a session's orders can overflow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Notional(pub i128);

/// Nanoseconds since the Unix epoch on the instance's one time line (the supervisor's anchor), unless a field says
/// otherwise.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(transparent)]
pub struct Nanos(pub u64);

/// Row of the host's instrument table. Ids are never reused; row 0 is the first instrument.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(transparent)]
pub struct InstrumentId(pub u32);

impl InstrumentId {
    /// Stands for "every instrument of the channel" in channel-wide messages.
    pub const ALL: Self = Self(u32::MAX);

    /// The row as an index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Parses `"123.45"` into 1e-8 units; `None` when it is not a plain decimal or not exactly representable.
fn parse_decimal(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(fraction) || (digits.contains('.') && fraction.is_empty()) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > DECIMALS as usize {
        return None;
    }
    let mut value: i64 = whole.parse().ok()?;
    value = value.checked_mul(UNITS)?;
    if !fraction.is_empty() {
        let scale = 10_i64.pow(DECIMALS - fraction.len() as u32);
        value = value.checked_add(fraction.parse::<i64>().ok()?.checked_mul(scale)?)?;
    }
    Some(if negative { -value } else { value })
}

fn write_decimal(value: i64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let magnitude = value.unsigned_abs();
    let (whole, fraction) = (magnitude / UNITS as u64, magnitude % UNITS as u64);
    let sign = if value < 0 { "-" } else { "" };
    if fraction == 0 {
        return f.pad(&format!("{sign}{whole}"));
    }
    let digits = format!("{fraction:08}");
    f.pad(&format!("{sign}{whole}.{}", digits.trim_end_matches('0')))
}

const fn scale_up(value: i64, decimals: u32) -> Option<i64> {
    if decimals > DECIMALS {
        return None;
    }
    value.checked_mul(10_i64.pow(DECIMALS - decimals))
}

const fn scale_down(value: i64, decimals: u32) -> Option<i64> {
    if decimals > DECIMALS {
        return None;
    }
    let unit = 10_i64.pow(DECIMALS - decimals);
    if value % unit == 0 { Some(value / unit) } else { None }
}

macro_rules! decimal_newtype {
    ($name:ident) => {
        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);

            /// From an integer with `decimals` decimal places (ITCH and OUCH prices have 4); `None` on overflow.
            #[must_use]
            pub const fn from_decimals(value: i64, decimals: u32) -> Option<Self> {
                match scale_up(value, decimals) {
                    Some(units) => Some(Self(units)),
                    None => None,
                }
            }

            /// As an integer with `decimals` decimal places; `None` when that would round.
            #[must_use]
            pub const fn to_decimals(self, decimals: u32) -> Option<i64> {
                scale_down(self.0, decimals)
            }

            /// From a plain decimal such as `101.25`; `None` when it is not one or would round.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                parse_decimal(text).map(Self)
            }

            /// Sum, `None` on overflow.
            #[must_use]
            pub const fn checked_add(self, other: Self) -> Option<Self> {
                match self.0.checked_add(other.0) {
                    Some(units) => Some(Self(units)),
                    None => None,
                }
            }

            /// Difference, `None` on overflow.
            #[must_use]
            pub const fn checked_sub(self, other: Self) -> Option<Self> {
                match self.0.checked_sub(other.0) {
                    Some(units) => Some(Self(units)),
                    None => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_decimal(self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

decimal_newtype!(Price);
decimal_newtype!(Qty);

impl Notional {
    /// `price` times `qty`; an `i64` product always fits an `i128`.
    #[must_use]
    pub const fn of(price: Price, qty: Qty) -> Self {
        Self(price.0 as i128 * qty.0 as i128)
    }
}

impl Nanos {
    /// `self - earlier`, as the saturating `u32` that messages carry for a hop; zero when `earlier` is later.
    #[must_use]
    pub const fn delta_from(self, earlier: Self) -> u32 {
        let delta = self.0.saturating_sub(earlier.0);
        if delta > u32::MAX as u64 { u32::MAX } else { delta as u32 }
    }

    /// Saturating sum of a time and a duration in nanoseconds.
    #[must_use]
    pub const fn plus(self, duration_ns: u64) -> Self {
        Self(self.0.saturating_add(duration_ns))
    }
}

/// FNV-1a over bytes, 64 bits: layout hashes, instrument-table hash, configuration hash. Not cryptographic.
#[must_use]
pub const fn fnv1a64(bytes: &[u8]) -> u64 {
    fnv1a64_more(0xcbf2_9ce4_8422_2325, bytes)
}

/// Continues an FNV-1a hash.
#[must_use]
pub const fn fnv1a64_more(mut hash: u64, bytes: &[u8]) -> u64 {
    let mut index = 0;
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        index += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_are_exact_or_refused() {
        assert_eq!(Price::parse("101.25"), Some(Price(10_125_000_000)));
        assert_eq!(Price::parse("-0.00000001"), Some(Price(-1)));
        assert_eq!(Price::parse("0.000000001"), None);
        assert_eq!(Price::parse("1e5"), None);
        assert_eq!(Price::parse("."), None);
        assert_eq!(Price::parse("1."), None);
        assert_eq!(Price::parse("92233720369"), None);
        assert_eq!(Price::from_decimals(1_234_567, 4).and_then(|p| p.to_decimals(4)), Some(1_234_567));
        assert_eq!(Price(1).to_decimals(4), None);
        assert_eq!(Price(10_125_000_000).to_string(), "101.25");
        assert_eq!(Qty(-150_000_000).to_string(), "-1.5");
    }

    #[test]
    fn fnv_matches_the_published_vector() {
        // Landon Curt Noll's test vectors for FNV-1a 64.
        assert_eq!(fnv1a64(b""), 0xcbf29ce484222325);
        assert_eq!(fnv1a64(b"foobar"), 0x85944171f73967e8);
    }

    proptest! {
        #[test]
        fn cl_ord_id_text_round_trips_and_orders(a in any::<u64>(), b in any::<u64>()) {
            let (x, y) = (ClOrdId(a), ClOrdId(b));
            prop_assert_eq!(ClOrdId::from_text(&x.to_text()), Some(x));
            prop_assert_eq!(x.cmp(&y), x.to_text().cmp(&y.to_text()));
        }

        #[test]
        fn cl_ord_id_parts_round_trip(t in 0..=63_u32, e in 0..=262_143_u32, s in 0..=1023_u16, c in 0..=1_073_741_823_u32) {
            let id = ClOrdId::new(t, e, s, c).unwrap();
            prop_assert_eq!((id.term(), id.epoch(), id.strategy(), id.counter()), (t, e, s, c));
        }

        #[test]
        fn decimal_text_round_trips(v in any::<i32>()) {
            let p = Price(i64::from(v) * 37);
            prop_assert_eq!(Price::parse(&p.to_string()), Some(p));
        }
    }
}
