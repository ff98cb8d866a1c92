//! One instrument of the host's table, as this session has told of it.

use shm_layout::types::{BookValidity, InstrumentId, Nanos, Price, Qty, TradingStatus};

/// Everything of an instrument but its book.
#[derive(Clone, Copy, Debug)]
pub struct Instrument {
    /// Row of the host's table.
    pub id: InstrumentId,
    /// In this session's directory.
    pub listed: bool,
    /// An integrity fault happened in this session.
    pub untrusted: bool,
    /// Best bid at or above best ask after the last message: a crossing is a fault once, when it begins.
    pub crossed: bool,
    /// `Unknown` until an `H` came: treated as halted.
    pub trading_status: TradingStatus,
    /// Price of the last printed trade, 0 = none.
    pub last_px: Price,
    /// Quantity of the last printed trade.
    pub last_qty: Qty,
    /// BookResets since the start of the process.
    pub reset_count: u64,
    /// Sequence of the last message that concerned it.
    pub channel_sequence: u64,
    /// The venue's stamp of that message.
    pub exchange_ns: u64,
    /// Kernel receive stamp of that message's datagram.
    pub receive_ns: Nanos,
    /// Its image is due at the end of the step.
    pub dirty: bool,
    /// Its image was last written while something was missing.
    pub unsettled: bool,
}

impl Instrument {
    /// Before the session's directory.
    pub const fn new(id: InstrumentId, reset_count: u64) -> Self {
        Self {
            id,
            listed: false,
            untrusted: false,
            crossed: false,
            trading_status: TradingStatus::Unknown,
            last_px: Price::ZERO,
            last_qty: Qty::ZERO,
            reset_count,
            channel_sequence: 0,
            exchange_ns: 0,
            receive_ns: Nanos(0),
            dirty: false,
            unsettled: false,
        }
    }

    /// A fault outlasts a gap: filling it does not restore trust. A symbol that the directory does not have stays
    /// `Unknown`, however whole the channel is.
    pub const fn validity(&self, synchronized: bool) -> BookValidity {
        match (self.untrusted, synchronized, self.listed) {
            (true, _, _) => BookValidity::Untrusted,
            (false, false, _) => BookValidity::Recovering,
            (false, true, false) => BookValidity::Unknown,
            (false, true, true) => BookValidity::Trusted,
        }
    }
}
