//! Newtypes with units, and the codes that stand in messages as single bytes.
//!
//! Money and quantity are `i64` in 1e-8 units with checked arithmetic. A value that is not exactly representable is
//! refused (`None`), never rounded. No float touches money.

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

/// Declares an enum whose values stand in messages as one byte; `from_u8` is the only way in from a peer's byte.
macro_rules! byte_code {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $value:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum $name { $($(#[$vmeta])* $variant = $value,)+ }

        impl $name {
            /// Every value, in order of its byte.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The value of a byte; `None` when the byte is not one of the table's.
            #[must_use]
            pub const fn from_u8(byte: u8) -> Option<Self> {
                match byte { $($value => Some(Self::$variant),)+ _ => None }
            }

            /// The name as it is written in code and in `--json`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)+ }
            }
        }
    };
}
pub(crate) use byte_code;

byte_code! {
    /// Side of an order or of the book (FIX 54).
    Side {
        /// Bid side of the book (FIX 54=1).
        Buy = 1,
        /// Ask side of the book (FIX 54=2).
        Sell = 2,
    }
}

impl Side {
    /// The other side.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// +1 for a buy, −1 for a sell: the sign of its effect on a position.
    #[must_use]
    pub const fn sign(self) -> i64 {
        match self {
            Self::Buy => 1,
            Self::Sell => -1,
        }
    }
}

byte_code! {
    /// Order type (FIX 40).
    OrdType {
        /// Market (FIX 40=1). No process of this version sends one.
        Market = 0x31,
        /// Limit (FIX 40=2).
        Limit = 0x32,
    }
}

byte_code! {
    /// Time in force (FIX 59).
    TimeInForce {
        /// Day (FIX 59=0).
        Day = 0x30,
        /// Immediate or cancel (FIX 59=3).
        ImmediateOrCancel = 0x33,
    }
}

byte_code! {
    /// Status of an order (FIX 39), and `Unknown`, which FIX has no code for: sent, and no evidence of its fate.
    OrdStatus {
        /// Working, nothing executed.
        New = 0x30,
        /// Working, some executed.
        PartiallyFilled = 0x31,
        /// All executed.
        Filled = 0x32,
        /// Cancelled, by us or by the venue.
        Canceled = 0x34,
        /// Working, a cancel in flight.
        PendingCancel = 0x36,
        /// Never worked.
        Rejected = 0x38,
        /// Journaled, the venue has not answered.
        PendingNew = 0x41,
        /// Ended by its time in force.
        Expired = 0x43,
        /// Working, a replace in flight.
        PendingReplace = 0x45,
        /// In doubt: may be live at the venue. Keeps its reservation until evidence comes.
        Unknown = 0x55,
    }
}

impl OrdStatus {
    /// True when the order can no longer execute.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Filled | Self::Canceled | Self::Rejected | Self::Expired)
    }
}

byte_code! {
    /// What happened to an order (FIX 150).
    ExecType {
        /// Accepted by the venue.
        New = 0x30,
        /// Cancelled.
        Canceled = 0x34,
        /// Replaced: `cl_ord_id` is the new id, `orig_cl_ord_id` the old one.
        Replaced = 0x35,
        /// A cancel was journaled for sending.
        PendingCancel = 0x36,
        /// Refused by risk, by the gateway or by the venue.
        Rejected = 0x38,
        /// Journaled for sending.
        PendingNew = 0x41,
        /// Ended by its time in force.
        Expired = 0x43,
        /// Restated by the venue without a request.
        Restated = 0x44,
        /// A replace was journaled for sending.
        PendingReplace = 0x45,
        /// Executed: `last_qty` at `last_px`.
        Trade = 0x46,
        /// A trade was broken: `last_qty` at `last_px` is taken back.
        TradeCancel = 0x48,
        /// State reported without a change, such as "in doubt" after a lost session.
        OrderStatus = 0x49,
    }
}

byte_code! {
    /// Trading status of an instrument (ITCH `H`), `Halted` until the venue has said otherwise.
    TradingStatus {
        /// Not yet told; treated as halted.
        Unknown = 0,
        /// Halted across the market (`H`).
        Halted = 1,
        /// Paused (`P`).
        Paused = 2,
        /// Quotation only (`Q`).
        QuotationOnly = 3,
        /// Trading (`T`).
        Trading = 4,
    }
}

byte_code! {
    /// Whether a book may be traded on (I6). Only `Trusted` may.
    BookValidity {
        /// Nothing received yet.
        Unknown = 0,
        /// Whole and current.
        Trusted = 1,
        /// A gap is being filled.
        Recovering = 2,
        /// An integrity fault without a gap: unknown reference, crossed book. Ends with a snapshot or a new session.
        Untrusted = 3,
    }
}

byte_code! {
    /// State of a market-data channel.
    ChannelState {
        /// Before the first packet.
        Unknown = 0,
        /// Joined in the middle; the past is being re-requested.
        Backfill = 1,
        /// Every sequence so far was delivered.
        Synchronized = 2,
        /// A gap is being filled.
        GapFill = 3,
        /// The venue ended the session.
        Ended = 4,
    }
}

byte_code! {
    /// Role of a process.
    Role {
        /// Creates the regions, starts and watches everyone, alone writes `control`.
        Supervisor = 1,
        /// Venue market data to `market_data` and the market image.
        FeedHandler = 2,
        /// Decides; writes `order_intent`.
        Strategy = 3,
        /// Approves or refuses; writes `order_entry`.
        Risk = 4,
        /// Sequencer of all that happens to orders; writes `execution` and the journal.
        ExecutionGateway = 5,
        /// Taps every ring into capture files.
        Recorder = 6,
        /// Operator's tools: read only, never registered.
        Tool = 7,
    }
}

impl Role {
    /// The name used in files, binaries and the host file: `feed-handler`.
    #[must_use]
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Supervisor => "supervisor",
            Self::FeedHandler => "feed-handler",
            Self::Strategy => "strategy",
            Self::Risk => "risk",
            Self::ExecutionGateway => "execution-gateway",
            Self::Recorder => "recorder",
            Self::Tool => "tool",
        }
    }

    /// The role of a folder name.
    #[must_use]
    pub fn from_folder(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|role| role.folder() == name)
    }
}

byte_code! {
    /// Why an order or a request was refused, by whom it is told by the range: 1–63 risk, 64–127 gateway, 128– venue.
    RejectReason {
        /// Not rejected.
        None = 0,
        /// Control 22: a kill word is latched.
        Killed = 1,
        /// No limit is configured for this instrument and strategy: missing means block.
        LimitMissing = 2,
        /// Control 15: the strategy may not trade this instrument.
        NotPermitted = 3,
        /// Control 17: the instrument is not trading.
        MarketState = 4,
        /// Control 18: the book is recovering, untrusted or its channel is stale.
        StaleMarketData = 5,
        /// Control 3: no reference price.
        ReferenceMissing = 6,
        /// Control 3: outside the price collar.
        PriceCollar = 7,
        /// Control 4: not a multiple of the tick, or outside the price domain.
        TickSize = 8,
        /// Control 4: not a multiple of the lot, zero or negative.
        LotSize = 9,
        /// Control 1: over the order quantity limit.
        OrderQty = 10,
        /// Control 2: over the notional limit, or the product overflows.
        OrderNotional = 11,
        /// Control 5: worst-case position over the cap.
        PositionLimit = 12,
        /// Control 11: message throttle.
        Throttle = 13,
        /// The intent was published before this risk process's epoch.
        StaleIntent = 14,
        /// The order to cancel or replace is not known, or not live.
        UnknownOrder = 15,
        /// The message is malformed: a code, a side or a reserved byte is not valid.
        Malformed = 16,
        /// A cancel or replace is already in flight.
        RequestInFlight = 17,
        /// A capacity of this process is exhausted (order table).
        Capacity = 18,

        /// The order's epoch is older than a journaled fence.
        Fenced = 64,
        /// The ClOrdID is not greater than the strategy's last.
        ClOrdIdNotGreater = 65,
        /// The risk token is not current: epoch, or a reservation sequence that does not increase.
        RiskToken = 66,
        /// Risk's lease has expired.
        RiskLease = 67,
        /// A kill word is latched, seen by the gateway.
        GatewayKilled = 68,
        /// The venue session is not logged in, or the gateway is cancel-only.
        SessionDown = 69,
        /// A capacity of the gateway is exhausted (order table, journal tail, send buffer).
        GatewayCapacity = 70,
        /// The order is not known to the gateway, or not live.
        GatewayUnknownOrder = 71,
        /// A value the venue's protocol cannot carry exactly.
        NotEncodable = 72,
        /// Control 19: the gateway's own capital counter.
        CapitalLimit = 73,
        /// The owning strategy's lease has expired.
        StrategyLease = 74,
        /// The gateway is stopping.
        Stopping = 75,
        /// The journal cannot take the intent (disk full, I/O error): new orders halt, cancels pass.
        JournalUnavailable = 76,

        /// The venue refused it; its own code is in the journal's venue message.
        Venue = 128,
        /// The venue says too late to cancel.
        TooLateToCancel = 129,
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
