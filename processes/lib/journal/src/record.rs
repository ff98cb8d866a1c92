//! The records: types reserved from the first version, and the payloads of those in use.

use crate::frame::PAYLOAD_BYTES_MAX;
use shm_layout::message::execution::{Execution, ExecutionReport};
use shm_layout::message::order::{OrderKind, OrderRequest};
use shm_layout::message::{Words128, kind_of};
use shm_layout::types::{ClOrdId, InstrumentId, Nanos, Price, Qty};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Type of a record. Values are never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u16)]
pub enum RecordType {
    /// An order request that will be sent, before it is.
    Intent = 1,
    /// The socket took a request.
    Sent = 2,
    /// A request is known not to have reached the venue.
    NotSent = 3,
    /// Bytes of the venue, before their effect.
    VenueMessage = 4,
    /// An ExecutionReport, as published.
    Execution = 5,
    /// An OrderCancelReject, as published.
    CancelReject = 6,
    /// From here on requests of older epochs of (role, index) are refused.
    Fence = 7,
    /// The kill words changed.
    Kill = 8,
    /// A strategy was armed or disarmed.
    ArmChange = 9,
    /// Canonical hash of the orders state.
    Checkpoint = 10,
    /// Login, logout, end of session.
    SessionEvent = 11,
    /// The configuration in force.
    Config = 12,
    /// A position carried into the day.
    StartOfDayPosition = 13,
    /// Limits in force. Reserved.
    LimitVersion = 14,
    /// Leadership. Reserved.
    Term = 15,
    /// An order that the venue holds and the journal did not.
    Adopted = 16,
    /// What a standby has. Reserved.
    ReplicaMark = 17,
    /// Written by the flusher into files only: what was durable before it. Takes no sequence of its own.
    Sync = 0x7fff,
}

impl RecordType {
    /// Every type.
    pub const ALL: [Self; 18] = [
        Self::Intent,
        Self::Sent,
        Self::NotSent,
        Self::VenueMessage,
        Self::Execution,
        Self::CancelReject,
        Self::Fence,
        Self::Kill,
        Self::ArmChange,
        Self::Checkpoint,
        Self::SessionEvent,
        Self::Config,
        Self::StartOfDayPosition,
        Self::LimitVersion,
        Self::Term,
        Self::Adopted,
        Self::ReplicaMark,
        Self::Sync,
    ];

    /// The type of a header's number.
    #[must_use]
    pub const fn from_u16(value: u16) -> Option<Self> {
        Some(match value {
            1 => Self::Intent,
            2 => Self::Sent,
            3 => Self::NotSent,
            4 => Self::VenueMessage,
            5 => Self::Execution,
            6 => Self::CancelReject,
            7 => Self::Fence,
            8 => Self::Kill,
            9 => Self::ArmChange,
            10 => Self::Checkpoint,
            11 => Self::SessionEvent,
            12 => Self::Config,
            13 => Self::StartOfDayPosition,
            14 => Self::LimitVersion,
            15 => Self::Term,
            16 => Self::Adopted,
            17 => Self::ReplicaMark,
            0x7fff => Self::Sync,
            _ => return None,
        })
    }
}

// The numbers above are those of the variants.
const _: () = {
    let mut index = 0;
    while index < RecordType::ALL.len() {
        let number = RecordType::ALL[index] as u16;
        assert!(matches!(RecordType::from_u16(number), Some(found) if found as u16 == number));
        index += 1;
    }
};

/// A payload: fixed layout, no padding, every byte pattern readable.
macro_rules! payload {
    ($(#[$meta:meta])* $name:ident[$bytes:literal] { $($(#[$fmeta:meta])* $field:ident: $type:ty,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
        #[repr(C)]
        pub struct $name { $($(#[$fmeta])* pub $field: $type,)+ }
        const _: () = assert!(size_of::<$name>() == $bytes);
    };
}

payload! {
    /// An order request, as it came from risk, and what the gateway adds.
    Intent[136] {
        /// [`OrderRequest`], encoded.
        request: Words128,
        /// UserRefNum that it is sent under (OUCH 5.0); 0 = none.
        user_ref_num: u32,
        /// [`Intent::FROM_GATEWAY`], else 0.
        flags: u32,
        /// When it was journaled.
        now_ns: Nanos,
    }
}

impl Intent {
    /// The gateway made the request itself: cancels for a dead owner, a kill, a stop.
    pub const FROM_GATEWAY: u32 = 1;
}

payload! {
    /// The socket took a request.
    Sent[32] {
        /// Id of the request.
        cl_ord_id: ClOrdId,
        /// UserRefNum that it was sent under.
        user_ref_num: u32,
        /// From the gateway's last look, right before the write, to `send_ns`; `u32::MAX` = that or longer, 0 = not
        /// recorded (it was reserved before).
        write_ns: u32,
        /// Return of the write.
        send_ns: Nanos,
        /// Receive stamp of the market data that caused it; 0 = a timer.
        receive_ns: Nanos,
    }
}

payload! {
    /// A request is known not to have reached the venue.
    NotSent[24] {
        /// Id of the request.
        cl_ord_id: ClOrdId,
        /// UserRefNum that it had.
        user_ref_num: u32,
        /// `RejectReason` told to its owner.
        reason: u32,
        /// When that became known.
        now_ns: Nanos,
    }
}

payload! {
    /// Bytes of the venue.
    VenueMessage[152] {
        /// Sequence in the venue's session (SoupBinTCP, counted; FIX MsgSeqNum).
        venue_sequence: u64,
        /// Receive stamp.
        receive_ns: Nanos,
        /// Bytes used of `bytes`.
        length_bytes: u32,
        /// Bytes of the whole message, when it was longer.
        full_length_bytes: u32,
        /// The message, then zeros.
        bytes: [u8; 128],
    }
}

impl VenueMessage {
    /// A message of the venue; what is beyond 128 bytes is not kept.
    #[must_use]
    pub fn new(venue_sequence: u64, receive_ns: Nanos, message: &[u8]) -> Self {
        let kept = message.len().min(128);
        let mut bytes = [0; 128];
        bytes[..kept].copy_from_slice(&message[..kept]);
        let full_length_bytes = u32::try_from(message.len()).unwrap_or(u32::MAX);
        Self { venue_sequence, receive_ns, length_bytes: kept as u32, full_length_bytes, bytes }
    }

    /// The bytes kept.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.bytes[..(self.length_bytes as usize).min(self.bytes.len())]
    }
}

payload! {
    /// A report, as published on `execution`.
    ExecutionRecord[128] {
        /// The report; its `journal_sequence` is this record's sequence.
        report: ExecutionReport,
        /// The venue's match number; 0 = none. Distinguishes executions (FIX ExecID, ITCH and OUCH match number).
        match_number: u64,
    }
}

/// Rings whose cursor a fence can state.
pub const FENCE_RINGS_MAX: usize = 32;

payload! {
    /// How far a ring was read at a fence.
    RingCursor[16] {
        /// `RingId::to_u32`; 0 = unused entry.
        ring: u32,
        /// Zero.
        reserved: u32,
        /// Last sequence that the gateway had taken.
        cursor: u64,
    }
}

payload! {
    /// From here on requests of older epochs of (role, index) are refused.
    Fence[528] {
        /// `Role`.
        role: u8,
        /// Index of that role.
        index: u8,
        /// Zero.
        reserved: u16,
        /// Its new epoch.
        epoch: u32,
        /// When.
        now_ns: Nanos,
        /// The gateway's place in the rings that it takes requests from; unused entries are zero.
        cursors: [RingCursor; FENCE_RINGS_MAX],
    }
}

payload! {
    /// The kill words changed.
    Kill[24] {
        /// Sum of the latched generations.
        generation_sum: u64,
        /// 1 = killed, 0 = released.
        engaged: u64,
        /// When the gateway saw it.
        now_ns: Nanos,
    }
}

payload! {
    /// A strategy was armed or disarmed.
    ArmChange[16] {
        /// Strategy; `u32::MAX` = all.
        strategy: u32,
        /// 1 = armed, 0 = disarmed.
        armed: u32,
        /// When.
        now_ns: Nanos,
    }
}

payload! {
    /// Canonical hash of the orders state through this record.
    CheckpointRecord[16] {
        /// `OrdersState::hash`.
        state_hash: u64,
        /// When.
        now_ns: Nanos,
    }
}

payload! {
    /// Login, logout, end of session.
    SessionEvent[40] {
        /// [`SessionEvent::LOGIN`] and so on.
        kind: u8,
        /// The venue's reason byte; 0 = none.
        reason: u8,
        /// Session name, padded with spaces.
        session: [u8; 10],
        /// Next UserRefNum that we will use.
        next_user_ref_num: u32,
        /// Next inbound sequence that we expect.
        next_sequence: u64,
        /// Next outbound sequence, where the protocol has one.
        next_outbound_sequence: u64,
        /// When.
        now_ns: Nanos,
    }
}

impl SessionEvent {
    /// Logged in.
    pub const LOGIN: u8 = 1;
    /// Login refused.
    pub const REFUSED: u8 = 2;
    /// The connection ended.
    pub const LOST: u8 = 3;
    /// The venue ended the session.
    pub const ENDED: u8 = 4;
    /// Orders in doubt were resolved; new orders are accepted.
    pub const RECONCILED: u8 = 5;
    /// A lease is held again: `reason` is the `Role`, `next_outbound_sequence` its index.
    pub const LEASE_HELD: u8 = 6;
    /// A lease was lost, fields as in `LEASE_HELD`: its owner's orders are cancelled.
    pub const LEASE_LOST: u8 = 7;
}

payload! {
    /// The configuration in force.
    Config[32] {
        /// Hash of the host file.
        config_hash: u64,
        /// Hash of the instrument table.
        instrument_table_hash: u64,
        /// Durability level, 0–3.
        durability: u64,
        /// When.
        now_ns: Nanos,
    }
}

payload! {
    /// A position carried into the day.
    StartOfDayPosition[32] {
        /// Strategy.
        strategy_id: u16,
        /// Account.
        account_id: u16,
        /// Instrument.
        instrument_id: InstrumentId,
        /// Quantity, negative when short.
        qty: Qty,
        /// Valuation price.
        px: Price,
        /// When it was taken.
        now_ns: Nanos,
    }
}

payload! {
    /// An order that the venue holds and the journal did not.
    Adopted[144] {
        /// A `NewOrderSingle` with what is known, encoded.
        request: Words128,
        /// UserRefNum at the venue.
        user_ref_num: u32,
        /// Zero.
        reserved: u32,
        /// The venue's order reference number.
        order_reference_number: u64,
        /// When.
        now_ns: Nanos,
    }
}

/// A record. The variants are those of [`RecordType`].
// A fence is the largest and the rarest; a box would be an allocation on the gateway's path.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Record {
    /// See [`Intent`].
    Intent(Intent),
    /// See [`Sent`].
    Sent(Sent),
    /// See [`NotSent`].
    NotSent(NotSent),
    /// See [`VenueMessage`].
    VenueMessage(VenueMessage),
    /// An ExecutionReport.
    Execution(ExecutionRecord),
    /// An OrderCancelReject.
    CancelReject(ExecutionRecord),
    /// See [`Fence`].
    Fence(Fence),
    /// See [`Kill`].
    Kill(Kill),
    /// See [`ArmChange`].
    ArmChange(ArmChange),
    /// See [`CheckpointRecord`].
    Checkpoint(CheckpointRecord),
    /// See [`SessionEvent`].
    SessionEvent(SessionEvent),
    /// See [`Config`].
    Config(Config),
    /// See [`StartOfDayPosition`].
    StartOfDayPosition(StartOfDayPosition),
    /// See [`Adopted`].
    Adopted(Adopted),
    /// A type or version that this build does not read: its number.
    Reserved(u16),
}

/// Reads a payload of a type; its length must be the type's.
pub(crate) fn payload_of<T: FromBytes>(payload: &[u8], number: RecordType) -> Result<T, BadPayload> {
    T::read_from_bytes(payload).map_err(|_| BadPayload { record_type: number as u16, bytes: payload.len() })
}

/// A payload that does not fit its type.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("payload of {bytes} bytes is not one of record type {record_type}")]
pub struct BadPayload {
    /// Type of the record.
    pub record_type: u16,
    /// Bytes of the payload.
    pub bytes: usize,
}

impl Record {
    /// The type.
    ///
    /// # Panics
    /// On [`Record::Reserved`], which only a reader makes.
    #[must_use]
    pub fn record_type(&self) -> RecordType {
        match self {
            Self::Intent(_) => RecordType::Intent,
            Self::Sent(_) => RecordType::Sent,
            Self::NotSent(_) => RecordType::NotSent,
            Self::VenueMessage(_) => RecordType::VenueMessage,
            Self::Execution(_) => RecordType::Execution,
            Self::CancelReject(_) => RecordType::CancelReject,
            Self::Fence(_) => RecordType::Fence,
            Self::Kill(_) => RecordType::Kill,
            Self::ArmChange(_) => RecordType::ArmChange,
            Self::Checkpoint(_) => RecordType::Checkpoint,
            Self::SessionEvent(_) => RecordType::SessionEvent,
            Self::Config(_) => RecordType::Config,
            Self::StartOfDayPosition(_) => RecordType::StartOfDayPosition,
            Self::Adopted(_) => RecordType::Adopted,
            Self::Reserved(number) => panic!("record type {number} is not written by this build"),
        }
    }

    /// The payload's bytes; none for [`Record::Reserved`].
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        match self {
            Self::Intent(payload) => payload.as_bytes(),
            Self::Sent(payload) => payload.as_bytes(),
            Self::NotSent(payload) => payload.as_bytes(),
            Self::VenueMessage(payload) => payload.as_bytes(),
            Self::Execution(payload) | Self::CancelReject(payload) => payload.as_bytes(),
            Self::Fence(payload) => payload.as_bytes(),
            Self::Kill(payload) => payload.as_bytes(),
            Self::ArmChange(payload) => payload.as_bytes(),
            Self::Checkpoint(payload) => payload.as_bytes(),
            Self::SessionEvent(payload) => payload.as_bytes(),
            Self::Config(payload) => payload.as_bytes(),
            Self::StartOfDayPosition(payload) => payload.as_bytes(),
            Self::Adopted(payload) => payload.as_bytes(),
            Self::Reserved(_) => &[],
        }
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`BadPayload`] when its length is not that of its type.
    pub fn decode(record_type: u16, version: u16, payload: &[u8]) -> Result<Self, BadPayload> {
        let known = RecordType::from_u16(record_type).filter(|_| version == crate::frame::VERSION);
        Ok(match known {
            Some(number @ RecordType::Intent) => Self::Intent(payload_of(payload, number)?),
            Some(number @ RecordType::Sent) => Self::Sent(payload_of(payload, number)?),
            Some(number @ RecordType::NotSent) => Self::NotSent(payload_of(payload, number)?),
            Some(number @ RecordType::VenueMessage) => Self::VenueMessage(payload_of(payload, number)?),
            Some(number @ RecordType::Execution) => Self::Execution(payload_of(payload, number)?),
            Some(number @ RecordType::CancelReject) => Self::CancelReject(payload_of(payload, number)?),
            Some(number @ RecordType::Fence) => Self::Fence(payload_of(payload, number)?),
            Some(number @ RecordType::Kill) => Self::Kill(payload_of(payload, number)?),
            Some(number @ RecordType::ArmChange) => Self::ArmChange(payload_of(payload, number)?),
            Some(number @ RecordType::Checkpoint) => Self::Checkpoint(payload_of(payload, number)?),
            Some(number @ RecordType::SessionEvent) => Self::SessionEvent(payload_of(payload, number)?),
            Some(number @ RecordType::Config) => Self::Config(payload_of(payload, number)?),
            Some(number @ RecordType::StartOfDayPosition) => Self::StartOfDayPosition(payload_of(payload, number)?),
            Some(number @ RecordType::Adopted) => Self::Adopted(payload_of(payload, number)?),
            Some(RecordType::LimitVersion | RecordType::Term | RecordType::ReplicaMark | RecordType::Sync) | None => {
                Self::Reserved(record_type)
            }
        })
    }

    /// An order request that will be sent.
    #[must_use]
    pub fn intent(request: &OrderRequest, user_ref_num: u32, flags: u32, now_ns: Nanos) -> Self {
        Self::Intent(Intent { request: request.encode(), user_ref_num, flags, now_ns })
    }

    /// The record of a message of `execution`.
    #[must_use]
    pub fn execution(message: &Execution, match_number: u64, now_ns: Nanos) -> Self {
        match *message {
            Execution::Report(report) => Self::Execution(ExecutionRecord { report, match_number }),
            Execution::CancelReject(report) => Self::CancelReject(ExecutionRecord { report, match_number }),
            Execution::Checkpoint(c) => Self::Checkpoint(CheckpointRecord { state_hash: c.state_hash, now_ns }),
        }
    }

    /// True when the record makes new risk: such a record is refused first when the journal is in trouble.
    #[must_use]
    pub fn opens_risk(&self) -> bool {
        match self {
            Self::Intent(intent) => kind_of(intent.request[0]) != OrderKind::OrderCancelRequest as u8,
            _ => false,
        }
    }
}

const _: () = assert!(size_of::<Fence>() <= PAYLOAD_BYTES_MAX);
