//! What the codecs share: the two errors, big-endian fields, and the macros that turn a table of offsets into a view
//! and an encoder.
//!
//! A message is declared as its table: `PRICE 32..36 => price: u32,`. The compiler checks that the ranges follow each
//! other without hole or overlap from the type byte to the stated length, and that each is as wide as its type. Views
//! hold an array of exactly that length, so no getter can go out of bounds.

use crate::Alpha;
use std::ops::Range;

/// A peer's bytes that are not what they claim to be. Nothing of such a message is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// No bytes at all where a message was expected.
    #[error("empty message")]
    Empty,
    /// Shorter than its type's table.
    #[error("type {:?}: {length} bytes, its table has {needed}", char::from(*.message_type))]
    Short {
        /// Type byte.
        message_type: u8,
        /// Bytes given.
        length: usize,
        /// Bytes that the table asks for.
        needed: usize,
    },
    /// Another type than the view asked for.
    #[error("type {:?} where {:?} was expected", char::from(*.found), char::from(*.expected))]
    Type {
        /// Type byte of the view.
        expected: u8,
        /// Type byte of the message.
        found: u8,
    },
    /// Lengths inside the message contradict each other.
    #[error("at offset {offset}: {what}")]
    Content {
        /// Offset in the bytes given.
        offset: usize,
        /// What is wrong there.
        what: &'static str,
    },
}

/// Values that an encoder refuses to write. What the output then holds is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unencodable {
    /// The output is too short.
    #[error("{needed} bytes of room needed")]
    NoRoom {
        /// Bytes that the message takes.
        needed: usize,
    },
    /// The protocol has no such value, or gives it another meaning.
    #[error("{field} is outside of what the protocol allows")]
    Refused {
        /// The field's name.
        field: &'static str,
    },
}

/// A value with a big-endian form of fixed width.
pub trait Wire: Copy {
    /// Narrowest form, in bytes.
    const WIDTH_MIN: usize;
    /// Widest form, in bytes.
    const WIDTH_MAX: usize;

    /// Reads `bytes`, whose length the message table has proved to be one of the widths.
    fn read(bytes: &[u8]) -> Self;

    /// Writes into all of `out`; false when the value does not fit that width.
    #[must_use]
    fn write(self, out: &mut [u8]) -> bool;
}

macro_rules! wire_integer {
    ($($integer:ty: $width:literal),*) => {$(
        impl Wire for $integer {
            const WIDTH_MIN: usize = $width;
            const WIDTH_MAX: usize = $width;

            #[inline]
            fn read(bytes: &[u8]) -> Self {
                bytes.first_chunk().map_or(0, |chunk| Self::from_be_bytes(*chunk))
            }

            #[inline]
            fn write(self, out: &mut [u8]) -> bool {
                out.copy_from_slice(&self.to_be_bytes());
                true
            }
        }
    )*};
}
wire_integer!(u8: 1, u16: 2, u32: 4);

/// 8 bytes, or 6 for ITCH's nanoseconds since midnight.
impl Wire for u64 {
    const WIDTH_MIN: usize = 6;
    const WIDTH_MAX: usize = 8;

    #[inline]
    fn read(bytes: &[u8]) -> Self {
        // Whole words where the width is that of one of the two: a fold over the bytes takes three times the instructions.
        match (bytes.first_chunk::<8>(), bytes.split_first_chunk::<4>()) {
            (Some(all), _) => Self::from_be_bytes(*all),
            (None, Some((high, &[low_0, low_1]))) => {
                Self::from(u32::from_be_bytes(*high)) << 16 | Self::from(u16::from_be_bytes([low_0, low_1]))
            }
            _ => bytes.iter().fold(0, |value, byte| value << 8 | Self::from(*byte)),
        }
    }

    #[inline]
    fn write(self, out: &mut [u8]) -> bool {
        let bytes = self.to_be_bytes();
        let (high, low) = bytes.split_at(bytes.len() - out.len());
        out.copy_from_slice(low);
        high.iter().all(|byte| *byte == 0)
    }
}

impl<const N: usize> Wire for Alpha<N> {
    const WIDTH_MIN: usize = N;
    const WIDTH_MAX: usize = N;

    #[inline]
    fn read(bytes: &[u8]) -> Self {
        bytes.first_chunk().map_or(Self::BLANK, |chunk| Self(*chunk))
    }

    #[inline]
    fn write(self, out: &mut [u8]) -> bool {
        out.copy_from_slice(&self.0);
        true
    }
}

/// Whether the fields fill bytes 1 to `length` in order, without hole or overlap.
pub(crate) const fn tiles(ranges: &[Range<usize>], length: usize) -> bool {
    let mut end = 1;
    let mut index = 0;
    while index < ranges.len() {
        if ranges[index].start != end || ranges[index].end <= end {
            return false;
        }
        end = ranges[index].end;
        index += 1;
    }
    end == length
}

/// Whether a value of type `T` has a form as wide as `range`.
pub(crate) const fn fits<T: Wire>(range: &Range<usize>) -> bool {
    let width = range.end - range.start;
    width >= T::WIDTH_MIN && width <= T::WIDTH_MAX
}

/// The first `LENGTH` bytes of a message of type `message_type`, and what follows them.
#[inline]
pub(crate) fn split<const LENGTH: usize>(bytes: &[u8], message_type: u8) -> Result<(&[u8; LENGTH], &[u8]), Malformed> {
    let found = *bytes.first().ok_or(Malformed::Empty)?;
    if found != message_type {
        return Err(Malformed::Type { expected: message_type, found });
    }
    bytes.split_first_chunk().ok_or(Malformed::Short { message_type, length: bytes.len(), needed: LENGTH })
}

/// The parts that every message has: offsets, their proof, getters, `Repr` and its encoder of the fixed part.
macro_rules! message_fields {
    (
        $(#[$doc:meta])*
        $module:ident: $view:ident, $repr:ident = $type:literal, $length:literal {
            $( $(#[$field_doc:meta])* $name:ident $range:expr => $getter:ident: $ty:ty $(where $check:path)?, )*
        }
    ) => {
        #[doc = concat!("Byte offsets of [`", stringify!($view), "`].")]
        pub mod $module {
            /// Where each field stands, from the type byte on.
            pub mod field {
                $( $(#[$field_doc])* pub const $name: ::std::ops::Range<usize> = $range; )*
            }
        }

        const _: () = {
            assert!($crate::codec::tiles(&[$($range),*], $length));
            $( assert!($crate::codec::fits::<$ty>(&$module::field::$name)); )*
        };

        impl $view<'_> {
            /// Type byte.
            pub const TYPE: u8 = $type;
            /// Bytes of the fixed part.
            pub const LENGTH: usize = $length;

            $(
                $(#[$field_doc])*
                #[inline]
                #[must_use]
                pub fn $getter(&self) -> $ty {
                    <$ty as $crate::codec::Wire>::read(&self.bytes[$module::field::$name])
                }
            )*

            /// All fields as plain values.
            #[must_use]
            pub fn repr(&self) -> $repr {
                $repr { $( $getter: self.$getter() ),* }
            }
        }

        impl ::std::fmt::Debug for $view<'_> {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                self.repr().fmt(f)
            }
        }

        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $repr {
            $( $(#[$field_doc])* pub $getter: $ty, )*
        }

        impl $repr {
            /// Type byte.
            pub const TYPE: u8 = $type;
            /// Bytes of the fixed part.
            pub const LENGTH: usize = $length;

            /// Writes the fixed part to the start of `out`.
            fn encode_fixed(&self, out: &mut [u8]) -> Result<usize, $crate::Unencodable> {
                let needed = Self::LENGTH;
                let out = out.get_mut(..needed).ok_or($crate::Unencodable::NoRoom { needed })?;
                out[0] = $type;
                $(
                    $( if !$check(self.$getter) {
                        return Err($crate::Unencodable::Refused { field: stringify!($getter) });
                    } )?
                    if !<$ty as $crate::codec::Wire>::write(self.$getter, &mut out[$module::field::$name]) {
                        return Err($crate::Unencodable::Refused { field: stringify!($getter) });
                    }
                )*
                Ok(needed)
            }
        }
    };
}

/// A message that is its table and nothing more; a longer one is read by its table and the rest is ignored.
macro_rules! fixed_message {
    (
        $(#[$doc:meta])*
        $module:ident: $view:ident, $repr:ident = $type:literal, $length:literal { $($fields:tt)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub struct $view<'a> {
            bytes: &'a [u8; $length],
        }

        impl<'a> $view<'a> {
            /// Shortest whole message, in bytes.
            pub const LENGTH_MIN: usize = $length;

            /// Checks type and length; afterwards no getter can fail.
            ///
            /// # Errors
            /// Another type, or fewer bytes than the table.
            #[inline]
            pub fn new_checked(bytes: &'a [u8]) -> Result<Self, $crate::Malformed> {
                let (bytes, _) = $crate::codec::split(bytes, $type)?;
                Ok(Self { bytes })
            }
        }

        impl $repr {
            /// Writes the message to the start of `out` and returns its length in bytes.
            ///
            /// # Errors
            /// Too little room, or a value that the protocol does not allow.
            pub fn encode_into(&self, out: &mut [u8]) -> Result<usize, $crate::Unencodable> {
                self.encode_fixed(out)
            }
        }

        message_fields! { $(#[$doc])* $module: $view, $repr = $type, $length { $($fields)* } }
    };
}

/// The message types of one direction of a protocol: an enum of views, an enum of reprs, and the parser.
macro_rules! message_enum {
    (
        $(#[$doc:meta])*
        $message:ident, $repr:ident { $( $variant:ident($variant_repr:ident), )* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $message<'a> {
            $(
                #[doc = concat!("See [`", stringify!($variant), "`].")]
                $variant($variant<'a>),
            )*
            /// A type that the table does not have: its type byte, and the whole message with that byte.
            Unknown(u8, &'a [u8]),
        }

        impl<'a> $message<'a> {
            /// Every type byte of the table.
            pub const TYPES: &'static [u8] = &[$( $variant::TYPE ),*];

            /// Reads one whole message. Unknown types are not an error.
            ///
            /// # Errors
            /// Empty, or a known type whose bytes contradict its table.
            #[inline]
            pub fn parse(bytes: &'a [u8]) -> Result<Self, $crate::Malformed> {
                let message_type = *bytes.first().ok_or($crate::Malformed::Empty)?;
                match message_type {
                    $( $variant::TYPE => $variant::new_checked(bytes).map(Self::$variant), )*
                    _ => Ok(Self::Unknown(message_type, bytes)),
                }
            }

            /// The type byte.
            #[must_use]
            pub const fn message_type(&self) -> u8 {
                match self {
                    $( Self::$variant(_) => $variant::TYPE, )*
                    Self::Unknown(message_type, _) => *message_type,
                }
            }

            /// Shortest whole message of a known type, in bytes.
            #[must_use]
            pub const fn min_length(message_type: u8) -> Option<usize> {
                match message_type {
                    $( $variant::TYPE => Some($variant::LENGTH_MIN), )*
                    _ => None,
                }
            }

            /// All fields as plain values; `None` for an unknown type.
            #[must_use]
            pub fn repr(&self) -> Option<$repr> {
                match self {
                    $( Self::$variant(view) => Some($repr::$variant(view.repr())), )*
                    Self::Unknown(..) => None,
                }
            }
        }

        #[doc = concat!("Any message of [`", stringify!($message), "`] as plain values.")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $repr {
            $(
                #[doc = concat!("See [`", stringify!($variant), "`].")]
                $variant($variant_repr),
            )*
        }

        impl $repr {
            /// Writes the message to the start of `out` and returns its length in bytes.
            ///
            /// # Errors
            /// Too little room, or a value that the protocol does not allow.
            pub fn encode_into(&self, out: &mut [u8]) -> Result<usize, $crate::Unencodable> {
                match self {
                    $( Self::$variant(repr) => repr.encode_into(out), )*
                }
            }
        }
    };
}
