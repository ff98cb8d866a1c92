//! Messages of `execution`, the only way back, 120 bytes each. The gateway alone writes it; strategy, risk, recorder and
//! journal see one ordered stream, and [`ExecutionReport`] is at once the journal's record of the event.
//!
//! ```text
//! 0     kind              u8   ExecutionKind
//! 1     side              u8   Side (FIX 54)
//! 2     ord_status        u8   OrdStatus (FIX 39) of the order after the event
//! 3     exec_type         u8   ExecType (FIX 150); on a cancel reject the OrderKind refused (FIX 434)
//! 4     venue_id          u16
//! 6     strategy_id       u16
//! 8     account_id        u16
//! 10    reason            u16  RejectReason, 0 = none
//! 12    limit_version     u32
//! 16    cl_ord_id         u64  (FIX 11) the order; on a cancel reject the refused request; on PendingCancel and
//!                              PendingReplace the request
//! 24    instrument_id     u32
//! 28    risk_epoch        u32
//! 32    risk_sequence     u64
//! 40    cause_sequence    u64
//! 48    journal_sequence  u64  sequence of the journal record of this event; serves as ExecID (FIX 17)
//! 56    receive_ns        u64  kernel or read stamp of the venue's bytes; 0 when no venue message caused it
//! 64    gateway_delta_ns  u32  receive_ns to the gateway's read, saturating
//! 68    parent_id         u32
//! 72    orig_cl_ord_id    u64  (FIX 41) previous id on Replaced; on a cancel reject, PendingCancel and PendingReplace the
//!                              order itself; else 0. Where it is set, it finds the order in a table that has not yet
//!                              taken the message
//! 80    price             i64  working limit price (FIX 44)
//! 88    leaves_qty        i64  (FIX 151)
//! 96    cum_qty           i64  (FIX 14)
//! 104   last_qty          i64  (FIX 32) on Trade and TradeCancel; on PendingReplace the total quantity asked for; else 0
//! 112   last_px           i64  (FIX 31) on Trade and TradeCancel; on PendingReplace the price asked for; else 0
//! ```

use super::{BadMessage, Words128, kind_of};
use crate::types::{ClOrdId, ExecType, InstrumentId, Nanos, OrdStatus, Price, Qty, RejectReason, Side, byte_code};
use std::mem::{offset_of, size_of};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, transmute};

byte_code! {
    /// Kind of an execution message.
    ExecutionKind {
        /// FIX `8`.
        ExecutionReport = 1,
        /// FIX `9`.
        OrderCancelReject = 2,
        /// The journal wrote a checkpoint: publish (journal_sequence, state hash) for comparison (I9).
        Checkpoint = 3,
    }
}

/// ExecutionReport (FIX `8`); OrderCancelReject (FIX `9`) has the same layout.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ExecutionReport {
    /// [`ExecutionKind`].
    pub kind: u8,
    /// [`Side`] (FIX 54).
    pub side: u8,
    /// [`OrdStatus`] (FIX 39) of the order after the event.
    pub ord_status: u8,
    /// [`ExecType`] (FIX 150); on a cancel reject the [`super::order::OrderKind`] refused (FIX 434).
    pub exec_type: u8,
    /// Row of the host file's venues.
    pub venue_id: u16,
    /// Strategy that owns the order.
    pub strategy_id: u16,
    /// Account.
    pub account_id: u16,
    /// [`RejectReason`]; 0 = none.
    pub reason: u16,
    /// Version of the limits that judged the order.
    pub limit_version: u32,
    /// The order (FIX 11); on a cancel reject the refused request.
    pub cl_ord_id: ClOrdId,
    /// Row of the instrument table.
    pub instrument_id: InstrumentId,
    /// Epoch of the risk process that approved the order.
    pub risk_epoch: u32,
    /// Reservation sequence of the approval.
    pub risk_sequence: u64,
    /// Channel sequence of the market data that caused the order.
    pub cause_sequence: u64,
    /// Sequence of the journal record of this event; serves as ExecID (FIX 17).
    pub journal_sequence: u64,
    /// Stamp of the venue's bytes; 0 when no venue message caused the event.
    pub receive_ns: Nanos,
    /// `receive_ns` to the gateway's read, saturating.
    pub gateway_delta_ns: u32,
    /// Parent order; 0 = none.
    pub parent_id: u32,
    /// Previous id on a replace (FIX 41); on a cancel reject the order that lives on.
    pub orig_cl_ord_id: ClOrdId,
    /// Working limit price (FIX 44), in 1e-8 of the quote currency.
    pub price: Price,
    /// Quantity left (FIX 151), in 1e-8 of the instrument's unit; 0 when terminal.
    pub leaves_qty: Qty,
    /// Quantity executed so far (FIX 14).
    pub cum_qty: Qty,
    /// Quantity of this execution (FIX 32).
    pub last_qty: Qty,
    /// Price of this execution (FIX 31).
    pub last_px: Price,
}

/// A checkpoint of the journal: compare state hashes at `journal_sequence`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Checkpoint {
    /// [`ExecutionKind::Checkpoint`].
    pub kind: u8,
    /// Zero.
    pub reserved: [u8; 7],
    /// Zero.
    pub reserved_words: [u64; 5],
    /// Sequence of the checkpoint record; same offset as in [`ExecutionReport`].
    pub journal_sequence: u64,
    /// Canonical hash of the gateway's orders state there.
    pub state_hash: u64,
    /// Zero.
    pub reserved_tail: [u64; 7],
}

const _: () = {
    assert!(size_of::<ExecutionReport>() == 120);
    assert!(offset_of!(ExecutionReport, cl_ord_id) == 16);
    assert!(offset_of!(ExecutionReport, instrument_id) == 24);
    assert!(offset_of!(ExecutionReport, journal_sequence) == 48);
    assert!(offset_of!(ExecutionReport, receive_ns) == 56);
    assert!(offset_of!(ExecutionReport, orig_cl_ord_id) == 72);
    assert!(offset_of!(ExecutionReport, price) == 80);
    assert!(offset_of!(ExecutionReport, last_px) == 112);
    assert!(size_of::<Checkpoint>() == 120);
    assert!(offset_of!(Checkpoint, journal_sequence) == 48);
};

/// A checked execution message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Execution {
    /// FIX `8`.
    Report(ExecutionReport),
    /// FIX `9`.
    CancelReject(ExecutionReport),
    /// Compare hashes.
    Checkpoint(Checkpoint),
}

impl Execution {
    /// Checks the words of a slot.
    ///
    /// # Errors
    /// [`BadMessage`] when a kind, a code or a reserved word is wrong.
    pub fn decode(words: &Words128) -> Result<Self, BadMessage> {
        let byte = kind_of(words[0]);
        let kind = ExecutionKind::from_u8(byte).ok_or(BadMessage::Kind(byte))?;
        if kind == ExecutionKind::Checkpoint {
            let checkpoint: Checkpoint = transmute!(*words);
            let zero = checkpoint.reserved == [0; 7]
                && checkpoint.reserved_words == [0; 5]
                && checkpoint.reserved_tail == [0; 7];
            return if zero { Ok(Self::Checkpoint(checkpoint)) } else { Err(BadMessage::Reserved) };
        }
        let report: ExecutionReport = transmute!(*words);
        report.check(kind)?;
        Ok(if kind == ExecutionKind::ExecutionReport { Self::Report(report) } else { Self::CancelReject(report) })
    }

    /// The words of a slot.
    #[must_use]
    pub fn encode(&self) -> Words128 {
        match *self {
            Self::Report(message) | Self::CancelReject(message) => transmute!(message),
            Self::Checkpoint(message) => transmute!(message),
        }
    }

    /// Sequence of the journal record that this message tells of.
    #[must_use]
    pub const fn journal_sequence(&self) -> u64 {
        match self {
            Self::Report(m) | Self::CancelReject(m) => m.journal_sequence,
            Self::Checkpoint(m) => m.journal_sequence,
        }
    }
}

impl ExecutionReport {
    fn check(&self, kind: ExecutionKind) -> Result<(), BadMessage> {
        if Side::from_u8(self.side).is_none() {
            return Err(BadMessage::Code("side", self.side));
        }
        if OrdStatus::from_u8(self.ord_status).is_none() {
            return Err(BadMessage::Code("ord_status", self.ord_status));
        }
        let known = match kind {
            ExecutionKind::ExecutionReport => ExecType::from_u8(self.exec_type).is_some(),
            _ => super::order::OrderKind::from_u8(self.exec_type).is_some(),
        };
        if !known {
            return Err(BadMessage::Code("exec_type", self.exec_type));
        }
        if u8::try_from(self.reason).ok().and_then(RejectReason::from_u8).is_none() {
            return Err(BadMessage::Code("reason", self.reason as u8));
        }
        Ok(())
    }

    /// The side.
    ///
    /// # Panics
    /// On a report that did not come out of [`Execution::decode`].
    #[must_use]
    pub fn side(&self) -> Side {
        Side::from_u8(self.side).expect("decode checked the side")
    }

    /// Status of the order after the event.
    ///
    /// # Panics
    /// On a report that did not come out of [`Execution::decode`].
    #[must_use]
    pub fn ord_status(&self) -> OrdStatus {
        OrdStatus::from_u8(self.ord_status).expect("decode checked the status")
    }

    /// What happened; `None` on a cancel reject.
    #[must_use]
    pub fn exec_type(&self) -> Option<ExecType> {
        if self.kind == ExecutionKind::ExecutionReport as u8 { ExecType::from_u8(self.exec_type) } else { None }
    }
}
