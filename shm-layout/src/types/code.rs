//! The codes that stand in messages as single bytes.

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
