//! Values that check themselves while they are read, so that the error carries the span of the very value.

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use shm_layout::types::{Price, Qty};
use std::fmt;
use std::marker::PhantomData;

/// A price written as a decimal string, `"101.25"`: exactly representable in 1e-8, else refused. No float touches money.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DecimalPrice(pub Price);

/// A quantity written as a decimal string, `"100"`: exactly representable in 1e-8, else refused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DecimalQty(pub Qty);

/// What the two decimal newtypes share.
trait Decimal: Sized {
    fn parse(text: &str) -> Option<Self>;
}

impl Decimal for DecimalPrice {
    fn parse(text: &str) -> Option<Self> {
        Price::parse(text).map(Self)
    }
}

impl Decimal for DecimalQty {
    fn parse(text: &str) -> Option<Self> {
        Qty::parse(text).map(Self)
    }
}

struct DecimalVisitor<T>(PhantomData<T>);

impl<T: Decimal> Visitor<'_> for DecimalVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a decimal string with at most 8 decimal places, such as \"101.25\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::parse(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

macro_rules! decimal_serde {
    ($name:ident) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(DecimalVisitor(PhantomData))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self.0)
            }
        }
    };
}

decimal_serde!(DecimalPrice);
decimal_serde!(DecimalQty);

/// An integer in `MIN..=MAX`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Within<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Within<MIN, MAX> {
    /// A value for a default.
    ///
    /// # Panics
    /// When it is outside `MIN..=MAX`.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        assert!(MIN <= value && value <= MAX, "a default outside its own range");
        Self(value)
    }

    /// The value.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Within<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = i64::deserialize(deserializer)?;
        match u64::try_from(value) {
            Ok(inside) if (MIN..=MAX).contains(&inside) => Ok(Self(inside)),
            _ => Err(D::Error::custom(format_args!("invalid value: {value} is outside {MIN} to {MAX}"))),
        }
    }
}

impl<const MIN: u64, const MAX: u64> Serialize for Within<MIN, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

/// Fewest slots of a ring: a burst and its reserve must fit.
pub const SLOTS_MIN: u64 = 64;
/// Most slots of a ring: 2 GiB of 128-byte slots.
pub const SLOTS_MAX: u64 = 1 << 24;

/// Slots of a ring: a power of two in [`SLOTS_MIN`]`..=`[`SLOTS_MAX`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Slots(u32);

impl Slots {
    /// A value for a default.
    ///
    /// # Panics
    /// When it is not a power of two in range.
    #[must_use]
    pub const fn new(slots: u32) -> Self {
        assert!(slots.is_power_of_two() && SLOTS_MIN <= slots as u64 && slots as u64 <= SLOTS_MAX);
        Self(slots)
    }

    /// The number of slots.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Slots {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = i64::deserialize(deserializer)?;
        let slots = u64::try_from(value).unwrap_or(0);
        if !(SLOTS_MIN..=SLOTS_MAX).contains(&slots) {
            let message = format_args!("invalid value: {value} slots is outside {SLOTS_MIN} to {SLOTS_MAX}");
            return Err(D::Error::custom(message));
        }
        if !slots.is_power_of_two() {
            let (below, above) = (slots.next_power_of_two() / 2, slots.next_power_of_two());
            let message = format_args!("invalid value: {value} is not a power of two (near: {below}, {above})");
            return Err(D::Error::custom(message));
        }
        Ok(Self(slots as u32))
    }
}

impl Serialize for Slots {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.0)
    }
}
