//! The ring: one writer, any number of gating and tap readers, over words that other processes map.
//!
//! Its area begins after the region's header, 128-byte aligned:
//!
//! ```text
//! word 0            published: sequence of the last published message; a hint for joiners and tools
//! words 1..16       zero
//! words 16..        slots, W + 1 words each (8 or 16): the stamp, then W words of payload
//! ```
//!
//! Sequences start at 1; sequence s lives in slot s mod slots. A slot's stamp is 0 (never written), s (published), or
//! WRITING | s (its payload is being replaced by message s):
//!
//! ```text
//! writer   slot by slot: stamp = WRITING | s (release) ─ release fence ─ payload, relaxed words
//!          then, slot by slot: stamp = s (release) ─ published (release)
//! reader   stamp (acquire) == s? ─ payload, relaxed words ─ acquire fence ─ stamp still s? deliver : lapped
//! ```
//!
//! Whoever sees a payload word of message s' also sees a stamp of at least WRITING | s' after the fence, so a torn copy
//! is always noticed. A writer that dies anywhere leaves slots that are published whole or not at all.
//!
//! A reader never trusts a word of the ring: geometry comes from the caller and is checked once, indices are masked, and
//! a stamp that no honest writer leaves is counted as corrupt. All `unsafe` of this crate is in this room.
#![allow(unsafe_code)]

pub mod cursor;
pub mod reader;
pub mod slot;
pub mod sync;
pub mod writer;

#[cfg(all(test, not(loom)))]
mod tests;

pub use cursor::Gate;
pub use reader::{Lapped, RingReader, Start};
pub use slot::{HEADER_WORDS, ring_words};
pub use writer::{Claim, FAILPOINTS, Full, RingWriter};

/// Why a ring cannot be created or attached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RingError {
    /// The count of slots is not a power of two of at least 2.
    Slots(usize),
    /// The view holds fewer words than the slots need.
    TooShort {
        /// Words that the ring needs.
        needed: usize,
        /// Words in view.
        found: usize,
    },
    /// The view does not begin on a 128-byte boundary.
    Misaligned,
    /// A writer was given a read-only view.
    ReadOnly,
    /// A ring was to be created over words that are not zero.
    NotEmpty,
    /// A stamp that no writer leaves, in this slot: the ring cannot be continued.
    Corrupt {
        /// Index of the slot.
        slot: usize,
    },
}

impl std::fmt::Display for RingError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Slots(slots) => write!(f, "a ring has a power of two of at least 2 slots, not {slots}"),
            Self::TooShort { needed, found } => write!(f, "the ring needs {needed} words, its region has {found}"),
            Self::Misaligned => write!(f, "the ring does not begin on a 128-byte boundary"),
            Self::ReadOnly => write!(f, "a ring's writer needs a writable mapping"),
            Self::NotEmpty => write!(f, "the ring to create is not zeroed: attach to it instead"),
            Self::Corrupt { slot } => write!(f, "slot {slot} has a stamp that no writer leaves: recreate the ring"),
        }
    }
}

impl std::error::Error for RingError {}
