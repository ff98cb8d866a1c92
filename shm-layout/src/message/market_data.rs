//! Messages of `market_data`, 56 bytes each: a 40-byte header and two 8-byte fields.
//!
//! ```text
//! 0     kind              u8   MarketDataKind
//! 1     side              u8   Side, 0 where the kind has none
//! 2     validity          u8   BookValidity of the instrument after this message
//! 3     trading_status    u8   TradingStatus of the instrument after this message
//! 4     instrument_id     u32  row of the instrument table, ALL for ChannelStatus
//! 8     receive_ns        u64  kernel receive stamp of the causing datagram
//! 16    channel_sequence  u64  MoldUDP64 sequence of the causing message
//! 24    exchange_ns       u64  the venue's own stamp, ns since its midnight
//! 32    feed_delta_ns     u32  receive_ns to the feed handler's read of the datagram, saturating
//! 36    detail            u32  meaning by kind, else 0
//! 40    price             i64  1e-8 of the quote currency, meaning by kind
//! 48    qty               i64  1e-8 of the instrument's unit, meaning by kind
//! ```

use super::{BadMessage, Words64, kind_of};
use crate::types::{BookValidity, ChannelState, InstrumentId, Nanos, Price, Qty, Side, TradingStatus, byte_code};
use std::mem::{offset_of, size_of};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, transmute};

byte_code! {
    /// Kind of a market-data message.
    MarketDataKind {
        /// The best level of one side changed.
        TopOfBook = 1,
        /// One price level changed.
        DepthChange = 2,
        /// An execution at the venue.
        Trade = 3,
        /// The instrument's trading status changed.
        TradingStatus = 4,
        /// The book was rebuilt: reload it from the market image.
        BookReset = 5,
        /// The instrument's validity changed.
        BookStatus = 6,
        /// The channel's state changed, for every instrument at once.
        ChannelStatus = 7,
    }
}

/// What every market-data message begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct MarketDataHeader {
    /// [`MarketDataKind`].
    pub kind: u8,
    /// [`Side`], 0 where the kind has none.
    pub side: u8,
    /// [`BookValidity`] of the instrument after this message.
    pub validity: u8,
    /// [`TradingStatus`] of the instrument after this message.
    pub trading_status: u8,
    /// Row of the instrument table; [`InstrumentId::ALL`] for `ChannelStatus`.
    pub instrument_id: InstrumentId,
    /// Kernel receive stamp of the causing datagram.
    pub receive_ns: Nanos,
    /// MoldUDP64 sequence of the causing message.
    pub channel_sequence: u64,
    /// The venue's own stamp, nanoseconds since its midnight (ITCH timestamp).
    pub exchange_ns: u64,
    /// `receive_ns` to the feed handler's read of the datagram, saturating.
    pub feed_delta_ns: u32,
    /// `DepthChange`: orders left at the level. `BookStatus`: [`IntegrityFault`]. `ChannelStatus`: [`ChannelState`].
    /// `TradingStatus`: the venue's reason, four ASCII bytes. Else 0.
    pub detail: u32,
}

/// One side's new best level. `price` and `qty` are 0 when the side is empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TopOfBook {
    /// Common header; `side` says which side changed.
    pub header: MarketDataHeader,
    /// Best price of the side.
    pub price: Price,
    /// Displayed quantity at it.
    pub qty: Qty,
}

/// A price level's new total. `qty` 0 means that the level is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct DepthChange {
    /// Common header; `detail` is the number of orders left at the level.
    pub header: MarketDataHeader,
    /// The level.
    pub price: Price,
    /// Displayed quantity left at it.
    pub qty: Qty,
}

/// An execution at the venue. `side` is the resting order's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Trade {
    /// Common header.
    pub header: MarketDataHeader,
    /// Price of the execution.
    pub price: Price,
    /// Quantity executed.
    pub qty: Qty,
}

/// A message whose whole content is in its header (`TradingStatus`, `BookReset`, `BookStatus`, `ChannelStatus`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct StatusChange {
    /// Common header.
    pub header: MarketDataHeader,
    /// Zero.
    pub reserved: [u64; 2],
}

const _: () = {
    assert!(size_of::<MarketDataHeader>() == 40);
    assert!(offset_of!(MarketDataHeader, instrument_id) == 4);
    assert!(offset_of!(MarketDataHeader, receive_ns) == 8);
    assert!(offset_of!(MarketDataHeader, channel_sequence) == 16);
    assert!(offset_of!(MarketDataHeader, exchange_ns) == 24);
    assert!(offset_of!(MarketDataHeader, feed_delta_ns) == 32);
    assert!(size_of::<TopOfBook>() == 56);
    assert!(offset_of!(TopOfBook, price) == 40);
    assert!(offset_of!(TopOfBook, qty) == 48);
    assert!(size_of::<DepthChange>() == 56);
    assert!(size_of::<Trade>() == 56);
    assert!(size_of::<StatusChange>() == 56);
};

byte_code! {
    /// Why a book is untrusted although no sequence is missing (`BookStatus.detail`).
    IntegrityFault {
        /// None: trust was restored.
        None = 0,
        /// An execution, cancel, delete or replace named an order that is not in the book.
        UnknownReference = 1,
        /// Best bid at or above best ask.
        Crossed = 2,
        /// An order with a reference that is already in the book.
        DuplicateReference = 3,
        /// An execution or cancel of more than the order's quantity.
        OverExecution = 4,
        /// A capacity of the book is exhausted.
        Capacity = 5,
        /// A value that is not exactly representable.
        NotRepresentable = 6,
    }
}

/// A checked market-data message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MarketData {
    /// The best level of one side changed.
    TopOfBook(TopOfBook),
    /// One price level changed.
    DepthChange(DepthChange),
    /// An execution at the venue.
    Trade(Trade),
    /// The instrument's trading status changed.
    TradingStatus(StatusChange),
    /// The book was rebuilt.
    BookReset(StatusChange),
    /// The instrument's validity changed.
    BookStatus(StatusChange),
    /// The channel's state changed.
    ChannelStatus(StatusChange),
}

impl MarketData {
    /// Checks the words of a slot.
    ///
    /// # Errors
    /// [`BadMessage`] when a kind, a code or a reserved word is wrong.
    pub fn decode(words: &Words64) -> Result<Self, BadMessage> {
        let byte = kind_of(words[0]);
        let kind = MarketDataKind::from_u8(byte).ok_or(BadMessage::Kind(byte))?;
        let status: StatusChange = transmute!(*words);
        status.header.check(kind)?;
        let header_only = |made: fn(StatusChange) -> Self| {
            if status.reserved == [0; 2] { Ok(made(status)) } else { Err(BadMessage::Reserved) }
        };
        match kind {
            MarketDataKind::TopOfBook => Ok(Self::TopOfBook(transmute!(*words))),
            MarketDataKind::DepthChange => Ok(Self::DepthChange(transmute!(*words))),
            MarketDataKind::Trade => Ok(Self::Trade(transmute!(*words))),
            MarketDataKind::TradingStatus => header_only(Self::TradingStatus),
            MarketDataKind::BookReset => header_only(Self::BookReset),
            MarketDataKind::BookStatus => header_only(Self::BookStatus),
            MarketDataKind::ChannelStatus => header_only(Self::ChannelStatus),
        }
    }

    /// The words of a slot.
    #[must_use]
    pub fn encode(&self) -> Words64 {
        match *self {
            Self::TopOfBook(message) => transmute!(message),
            Self::DepthChange(message) => transmute!(message),
            Self::Trade(message) => transmute!(message),
            Self::TradingStatus(message)
            | Self::BookReset(message)
            | Self::BookStatus(message)
            | Self::ChannelStatus(message) => transmute!(message),
        }
    }

    /// The common header.
    #[must_use]
    pub const fn header(&self) -> &MarketDataHeader {
        match self {
            Self::TopOfBook(m) => &m.header,
            Self::DepthChange(m) => &m.header,
            Self::Trade(m) => &m.header,
            Self::TradingStatus(m) | Self::BookReset(m) | Self::BookStatus(m) | Self::ChannelStatus(m) => &m.header,
        }
    }
}

impl MarketDataHeader {
    fn check(&self, kind: MarketDataKind) -> Result<(), BadMessage> {
        let sided = matches!(kind, MarketDataKind::TopOfBook | MarketDataKind::DepthChange | MarketDataKind::Trade);
        if sided && Side::from_u8(self.side).is_none() || !sided && self.side != 0 {
            return Err(BadMessage::Code("side", self.side));
        }
        if BookValidity::from_u8(self.validity).is_none() {
            return Err(BadMessage::Code("validity", self.validity));
        }
        if TradingStatus::from_u8(self.trading_status).is_none() {
            return Err(BadMessage::Code("trading_status", self.trading_status));
        }
        if kind == MarketDataKind::ChannelStatus
            && u8::try_from(self.detail).ok().and_then(ChannelState::from_u8).is_none()
        {
            return Err(BadMessage::Code("detail", self.detail as u8));
        }
        Ok(())
    }

    /// The side of a sided message.
    ///
    /// # Panics
    /// On a header that did not come out of [`MarketData::decode`] with a sided kind.
    #[must_use]
    pub fn side(&self) -> Side {
        Side::from_u8(self.side).expect("decode checked the side")
    }

    /// Validity of the instrument after this message; `Unknown` for a byte that decode would refuse.
    #[must_use]
    pub fn validity(&self) -> BookValidity {
        BookValidity::from_u8(self.validity).unwrap_or(BookValidity::Unknown)
    }

    /// Trading status after this message; `Unknown` for a byte that decode would refuse.
    #[must_use]
    pub fn trading_status(&self) -> TradingStatus {
        TradingStatus::from_u8(self.trading_status).unwrap_or(TradingStatus::Unknown)
    }

    /// Channel state of a `ChannelStatus`; `Unknown` otherwise.
    #[must_use]
    pub fn channel_state(&self) -> ChannelState {
        u8::try_from(self.detail).ok().and_then(ChannelState::from_u8).unwrap_or(ChannelState::Unknown)
    }
}
