//! The market image: beside its ring, a feed handler keeps the present state of every instrument, so that a reader that
//! was lapped or restarted reloads it, and risk takes its references from it.
//!
//! Offsets in the body (after the region header): one 128-byte line for the channel, then 256 bytes per instrument. Both
//! are stamped groups: mark WRITING, payload, count; see `stamped`.
//!
//! ```text
//! 0     channel           stamp u64, state u8 in a word (ChannelState), channel_sequence u64, receive_ns u64
//! 32    reserved          [u8; 96]
//! 128   entries           [instruments]  stamp u64, then the payload of 248 bytes
//!
//! an entry's payload:
//! 0     validity          u8   BookValidity
//! 1     trading_status    u8   TradingStatus
//! 2     bid_count         u8   bid levels used
//! 3     ask_count         u8   ask levels used
//! 4     instrument_id     u32
//! 8     channel_sequence  u64  last sequence that changed the entry
//! 16    exchange_ns       u64  its venue stamp, ns since the venue's midnight
//! 24    receive_ns        u64  its kernel receive stamp
//! 32    last_px           i64  last trade
//! 40    last_qty          i64
//! 48    reset_count       u64  BookResets of this instrument
//! 56    bids              [(price i64, qty i64); 6]  best first, unused zero
//! 152   asks              [(price i64, qty i64); 6]
//! ```
//!
//! A reader never waits for the writer: an entry in the middle of a write is `Busy`, and the caller decides.

use crate::layout::{Field, fields_fit, hash_image_entry, page_hash};
use crate::ring::sync::{Ordering, SharedWords};
use crate::stamped;
use crate::types::{BookValidity, ChannelState, InstrumentId, Nanos, Price, Qty, Side, TradingStatus};
use std::mem::{offset_of, size_of};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, transmute};

/// Levels per side in an entry.
pub const IMAGE_LEVELS: usize = 6;
/// Words of an entry's payload.
pub const IMAGE_WORDS: usize = 31;

/// A price level.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Level {
    /// Price, 0 when unused.
    pub price: Price,
    /// Displayed quantity.
    pub qty: Qty,
}

/// The present state of one instrument.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ImageEntry {
    /// [`BookValidity`].
    pub validity: u8,
    /// [`TradingStatus`].
    pub trading_status: u8,
    /// Bid levels used.
    pub bid_count: u8,
    /// Ask levels used.
    pub ask_count: u8,
    /// Row of the instrument table.
    pub instrument_id: InstrumentId,
    /// Last channel sequence that changed the entry.
    pub channel_sequence: u64,
    /// Its venue stamp, nanoseconds since the venue's midnight.
    pub exchange_ns: u64,
    /// Its kernel receive stamp.
    pub receive_ns: Nanos,
    /// Price of the last trade, 0 = none.
    pub last_px: Price,
    /// Quantity of the last trade.
    pub last_qty: Qty,
    /// BookResets of this instrument.
    pub reset_count: u64,
    /// Best first.
    pub bids: [Level; IMAGE_LEVELS],
    /// Best first.
    pub asks: [Level; IMAGE_LEVELS],
}

const _: () = {
    assert!(size_of::<ImageEntry>() == IMAGE_WORDS * 8);
    assert!(offset_of!(ImageEntry, channel_sequence) == 8);
    assert!(offset_of!(ImageEntry, bids) == 56);
    assert!(offset_of!(ImageEntry, asks) == 152);
};

impl ImageEntry {
    /// Validity; `Unknown` for a byte that is none of the table's.
    #[must_use]
    pub fn validity(&self) -> BookValidity {
        BookValidity::from_u8(self.validity).unwrap_or(BookValidity::Unknown)
    }

    /// Trading status; `Unknown` for a byte that is none of the table's.
    #[must_use]
    pub fn trading_status(&self) -> TradingStatus {
        TradingStatus::from_u8(self.trading_status).unwrap_or(TradingStatus::Unknown)
    }

    /// The used levels of a side, best first; a count over the array is cut to it.
    #[must_use]
    pub fn levels(&self, side: Side) -> &[Level] {
        let (levels, count) = match side {
            Side::Buy => (&self.bids, self.bid_count),
            Side::Sell => (&self.asks, self.ask_count),
        };
        &levels[..usize::from(count).min(IMAGE_LEVELS)]
    }
}

/// Words before the first entry.
const CHANNEL_WORDS: usize = 16;
/// Words of an entry: stamp and payload.
const ENTRY_WORDS: usize = 1 + IMAGE_WORDS;

const FIELDS: &[Field] =
    &[("channel stamp state channel_sequence receive_ns", 0, 4), ("entries stamp payload", CHANNEL_WORDS, ENTRY_WORDS)];

/// Layout hash of the image region.
pub const LAYOUT_HASH: u64 = hash_image_entry(page_hash("image", FIELDS));

const _: () = {
    assert!(fields_fit(FIELDS, image_words(1)));
    assert!(CHANNEL_WORDS * 8 == 128 && ENTRY_WORDS * 8 == 256);
};

/// Words of an image region's body.
#[must_use]
pub const fn image_words(instruments: usize) -> usize {
    CHANNEL_WORDS + instruments * ENTRY_WORDS
}

/// State of the channel that the image was built from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ImageChannel {
    /// State of the channel.
    pub state: ChannelState,
    /// Last channel sequence in the image.
    pub channel_sequence: u64,
    /// Kernel receive stamp of its datagram.
    pub receive_ns: Nanos,
}

/// Why an entry cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ImageMiss {
    /// The image has no such row.
    OutOfRange,
    /// Nothing was ever written there.
    Unwritten,
    /// Being written, or its writer died while it wrote: try again later, or take the book as unknown.
    Busy,
    /// The row holds another instrument's id: not written by a feed handler.
    Malformed,
}

/// The feed handler's side.
#[derive(Debug)]
pub struct ImageWriter {
    words: SharedWords,
}

impl ImageWriter {
    /// A writer over an image's body.
    ///
    /// # Panics
    /// When `body` is no image's length or not writable.
    #[must_use]
    pub fn new(body: &SharedWords) -> Self {
        assert!(body.is_writable(), "the image's writer needs a writable view");
        assert!(is_image_length(body.len()), "{} words are no image", body.len());
        Self { words: body.clone() }
    }

    /// Instruments of the image.
    #[must_use]
    pub fn instruments(&self) -> usize {
        instruments(&self.words)
    }

    /// Replaces the entry of `entry.instrument_id`.
    ///
    /// # Panics
    /// When the image has no such row.
    pub fn write(&mut self, entry: &ImageEntry) {
        let index = entry.instrument_id.index();
        assert!(index < self.instruments(), "instrument {index} of {}", self.instruments());
        let payload: [u64; IMAGE_WORDS] = transmute!(*entry);
        stamped::write(&self.words, entry_word(index), &payload);
    }

    /// Replaces the channel's state.
    pub fn write_channel(&mut self, state: ChannelState, channel_sequence: u64, receive_ns: Nanos) {
        stamped::write(&self.words, 0, &[state as u64, channel_sequence, receive_ns.0]);
    }
}

/// Everyone else's side: loads only, bounded, tolerant of garbage.
#[derive(Clone, Debug)]
pub struct ImageReader {
    words: SharedWords,
}

impl ImageReader {
    /// A reader of an image's body.
    ///
    /// # Panics
    /// When `body` is no image's length.
    #[must_use]
    pub fn new(body: &SharedWords) -> Self {
        assert!(is_image_length(body.len()), "{} words are no image", body.len());
        Self { words: body.read_only() }
    }

    /// Instruments of the image.
    #[must_use]
    pub fn instruments(&self) -> usize {
        instruments(&self.words)
    }

    /// The entry of an instrument, never torn.
    ///
    /// # Errors
    /// [`ImageMiss`]; none of them is a fault of the reader's.
    pub fn read(&self, instrument_id: InstrumentId) -> Result<ImageEntry, ImageMiss> {
        let index = instrument_id.index();
        if index >= self.instruments() {
            return Err(ImageMiss::OutOfRange);
        }
        match stamped::read::<IMAGE_WORDS>(&self.words, entry_word(index)) {
            Err(stamped::Busy) => Err(ImageMiss::Busy),
            Ok((0, _)) => Err(ImageMiss::Unwritten),
            Ok((_, payload)) => {
                let entry: ImageEntry = transmute!(payload);
                if entry.instrument_id == instrument_id { Ok(entry) } else { Err(ImageMiss::Malformed) }
            }
        }
    }

    /// How often an entry was written, to see a change without copying it; `None` when out of range or being written.
    #[must_use]
    pub fn stamp(&self, instrument_id: InstrumentId) -> Option<u64> {
        let index = instrument_id.index();
        let in_range = index < self.instruments();
        let stamp = in_range.then(|| self.words.load(entry_word(index), Ordering::Acquire))?;
        (stamp & stamped::WRITING == 0).then_some(stamp)
    }

    /// The channel's state; `None` when never written, being written, or garbage.
    #[must_use]
    pub fn channel(&self) -> Option<ImageChannel> {
        let (stamp, [state, channel_sequence, receive_ns]) = stamped::read(&self.words, 0).ok()?;
        let state = u8::try_from(state).ok().and_then(ChannelState::from_u8)?;
        (stamp != 0).then_some(ImageChannel { state, channel_sequence, receive_ns: Nanos(receive_ns) })
    }
}

const fn is_image_length(words: usize) -> bool {
    words >= CHANNEL_WORDS && (words - CHANNEL_WORDS).is_multiple_of(ENTRY_WORDS)
}

const fn instruments(words: &SharedWords) -> usize {
    (words.len() - CHANNEL_WORDS) / ENTRY_WORDS
}

const fn entry_word(index: usize) -> usize {
    CHANNEL_WORDS + index * ENTRY_WORDS
}
