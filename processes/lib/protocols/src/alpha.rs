//! Fixed-width text: left-justified, padded on the right with spaces (numbers are padded on the left).

use std::fmt;

/// `N` bytes of text as they stand on the wire, padding included.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Alpha<const N: usize>(pub [u8; N]);

impl<const N: usize> Alpha<N> {
    /// Spaces only: "not given" in most fields.
    pub const BLANK: Self = Self([b' '; N]);

    /// Pads `text` with spaces on the right; `None` when it is longer than `N` or holds anything but printable ASCII.
    #[must_use]
    pub const fn padded(text: &[u8]) -> Option<Self> {
        if text.len() > N {
            return None;
        }
        let mut out = [b' '; N];
        let mut index = 0;
        while index < text.len() {
            if text[index] < b' ' || text[index] > b'~' {
                return None;
            }
            out[index] = text[index];
            index += 1;
        }
        Some(Self(out))
    }

    /// Decimal digits of `value`, padded with spaces on the left; `None` when they don't fit.
    #[must_use]
    pub const fn number(value: u64) -> Option<Self> {
        let mut out = [b' '; N];
        let mut rest = value;
        let mut index = N;
        loop {
            if index == 0 {
                return None;
            }
            index -= 1;
            out[index] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                return Some(Self(out));
            }
        }
    }

    /// The decimal number in the field, whichever side its spaces are on; `None` when blank, not a number or too big.
    #[must_use]
    pub fn to_number(&self) -> Option<u64> {
        let digits = self.0.trim_ascii();
        if digits.is_empty() {
            return None;
        }
        digits.iter().try_fold(0_u64, |value, byte| {
            let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
            value.checked_mul(10)?.checked_add(u64::from(digit))
        })
    }

    /// The text without its trailing spaces.
    #[must_use]
    pub fn trimmed(&self) -> &[u8] {
        let end = self.0.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
        &self.0[..end]
    }

    /// Whether it holds spaces only.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.trimmed().is_empty()
    }

    /// The trimmed text as `str`; `None` when a peer put anything but ASCII there.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self.trimmed()).ok().filter(|text| text.is_ascii())
    }
}

impl<const N: usize> fmt::Debug for Alpha<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl<const N: usize> fmt::Display for Alpha<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.trimmed().escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_padded_on_the_right_and_numbers_on_the_left() {
        assert_eq!(Alpha::<8>::padded(b"AAPL"), Some(Alpha(*b"AAPL    ")));
        assert_eq!(Alpha::<4>::padded(b"GOOGL"), None);
        assert_eq!(Alpha::<4>::padded(b"A\0"), None);
        assert_eq!(Alpha(*b"AAPL    ").trimmed(), b"AAPL");
        assert_eq!(Alpha(*b" A B ").trimmed(), b" A B");
        assert!(Alpha::<3>::BLANK.is_blank());
        assert_eq!(Alpha::<5>::number(42), Some(Alpha(*b"   42")));
        assert_eq!(Alpha::<5>::number(0), Some(Alpha(*b"    0")));
        assert_eq!(Alpha::<2>::number(100), None);
        assert_eq!(Alpha::<20>::number(u64::MAX).and_then(|a| a.to_number()), Some(u64::MAX));
    }

    #[test]
    fn a_number_is_digits_and_nothing_else() {
        assert_eq!(Alpha(*b"   42").to_number(), Some(42));
        assert_eq!(Alpha(*b"42   ").to_number(), Some(42));
        assert_eq!(Alpha(*b"00042").to_number(), Some(42));
        assert_eq!(Alpha(*b"     ").to_number(), None);
        assert_eq!(Alpha(*b"4 2  ").to_number(), None);
        assert_eq!(Alpha(*b"  -42").to_number(), None);
        assert_eq!(Alpha(*b"99999999999999999999").to_number(), None);
        assert_eq!(Alpha(*b"\xff\xfe").as_str(), None);
    }
}
