//! Messages of `market_data`. Offsets and meanings only; it never reads a message.

use super::Repr::{Ascii, Code, Instrument, Nanos, Price, Qty, Reserved, Unsigned};
use super::{Field, MessageType, codes, field};
use shm_layout::message::market_data::{IntegrityFault, MarketDataKind};
use shm_layout::topology::RingKind;
use shm_layout::types::{BookValidity, ChannelState, Side, TradingStatus};

codes! {
    KIND = MarketDataKind;
    SIDE = Side;
    VALIDITY = BookValidity;
    STATUS = TradingStatus;
    FAULT = IntegrityFault;
    CHANNEL = ChannelState;
}

const RINGS: &[RingKind] = &[RingKind::MarketData];

const KIND_FIELD: Field = field("kind", 0, 1, Code(&KIND), "what the message says");
const SIDED: &[Field] = &[KIND_FIELD, field("side", 1, 1, Code(&SIDE), "side of the book")];
const SIDELESS: &[Field] = &[KIND_FIELD, field("side", 1, 1, Reserved, "none")];

const HEADER: &[Field] = &[
    field("validity", 2, 1, Code(&VALIDITY), "of the instrument after this message"),
    field("trading_status", 3, 1, Code(&STATUS), "of the instrument after this message"),
    field("instrument_id", 4, 4, Instrument, "the instrument; all for ChannelStatus"),
    field("receive_ns", 8, 8, Nanos, "kernel receive stamp of the causing datagram"),
    field("channel_sequence", 16, 8, Unsigned, "MoldUDP64 sequence of the causing message"),
    field("exchange_ns", 24, 8, Unsigned, "the venue's own stamp, since its midnight"),
    field("feed_delta_ns", 32, 4, Unsigned, "receive_ns to the feed handler's read, saturating"),
];

const NO_DETAIL: &[Field] = &[field("detail", 36, 4, Reserved, "none")];
const ORDERS: &[Field] = &[field("order_count", 36, 4, Unsigned, "orders left at the level")];
const REASON: &[Field] = &[field("reason", 36, 4, Ascii, "the venue's reason")];
const INTEGRITY: &[Field] = &[field("integrity_fault", 36, 4, Code(&FAULT), "why the book is not trusted")];
const CHANNEL_STATE: &[Field] = &[field("channel_state", 36, 4, Code(&CHANNEL), "state of the channel")];

const PRICED: &[Field] =
    &[field("price", 40, 8, Price, "price of the level or execution"), field("qty", 48, 8, Qty, "quantity at it")];
const EMPTY: &[Field] = &[field("reserved", 40, 16, Reserved, "none")];

/// Every type.
pub static TYPES: &[MessageType] = &[
    MessageType {
        name: "TopOfBook",
        rings: RINGS,
        kind: 1,
        parts: &[SIDED, HEADER, NO_DETAIL, PRICED],
        about: "the best level of one side changed; price 0 = the side is empty",
    },
    MessageType {
        name: "DepthChange",
        rings: RINGS,
        kind: 2,
        parts: &[SIDED, HEADER, ORDERS, PRICED],
        about: "one price level changed; qty 0 = the level is gone",
    },
    MessageType {
        name: "Trade",
        rings: RINGS,
        kind: 3,
        parts: &[SIDED, HEADER, NO_DETAIL, PRICED],
        about: "an execution at the venue; side is the resting order's",
    },
    MessageType {
        name: "TradingStatus",
        rings: RINGS,
        kind: 4,
        parts: &[SIDELESS, HEADER, REASON, EMPTY],
        about: "the instrument's trading status changed",
    },
    MessageType {
        name: "BookReset",
        rings: RINGS,
        kind: 5,
        parts: &[SIDELESS, HEADER, NO_DETAIL, EMPTY],
        about: "the book was rebuilt: reload it from the market image",
    },
    MessageType {
        name: "BookStatus",
        rings: RINGS,
        kind: 6,
        parts: &[SIDELESS, HEADER, INTEGRITY, EMPTY],
        about: "the instrument's validity changed",
    },
    MessageType {
        name: "ChannelStatus",
        rings: RINGS,
        kind: 7,
        parts: &[SIDELESS, HEADER, CHANNEL_STATE, EMPTY],
        about: "the channel's state changed, for every instrument at once",
    },
];
