//! What the gateway's machine is told, and what it asks of its shell.

use journal::Record;
use shm_layout::message::BadMessage;
use shm_layout::message::control::Control;
use shm_layout::message::execution::Execution;
use shm_layout::message::order::OrderRequest;
use shm_layout::types::{Nanos, RejectReason, Role};

/// Bytes of one read from the venue's socket.
pub const RECEIVE_BYTES: usize = 4096;
/// Bytes of one message to the venue, its SoupBinTCP frame included.
pub const SEND_BYTES: usize = 128;

/// Bytes read from the venue.
#[derive(Clone, Debug)]
pub struct Received {
    /// When they were read (TCP has no stamp per message).
    pub receive_ns: Nanos,
    /// Bytes used.
    pub length: usize,
    /// The bytes.
    pub bytes: [u8; RECEIVE_BYTES],
}

impl Default for Received {
    fn default() -> Self {
        Self { receive_ns: Nanos(0), length: 0, bytes: [0; RECEIVE_BYTES] }
    }
}

/// What the machine is told.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "the shell reuses one value for what it receives")]
pub enum Input {
    /// A message of `order_entry`.
    Entry {
        /// Its ring sequence.
        sequence: u64,
        /// The request, or why it is none.
        request: Result<OrderRequest, BadMessage>,
    },
    /// A message of `control`.
    Control(Control),
    /// The connection that [`Output::Connect`] asked for stands.
    Connected,
    /// It could not be made, or it ended.
    Disconnected,
    /// Bytes of the venue.
    Received(Received),
    /// The kill page changed: the newest latched generation, 0 = released.
    Kill {
        /// As [`shm_layout::kill_page::KillReader::generation`].
        generation: u64,
    },
    /// A lease changed.
    Lease {
        /// Risk or Strategy.
        role: Role,
        /// Its index.
        index: u8,
        /// Held or lost.
        held: bool,
    },
    /// The kernel took the last byte of an order message.
    Sent {
        /// Its UserRefNum.
        user_ref_num: u32,
        /// Return of the write.
        send_ns: Nanos,
        /// From the last look at kill and leases to there, in nanoseconds, saturated.
        write_ns: u32,
    },
    /// The kernel took the last byte of a cancel. It is told apart from [`Input::Sent`], because a cancel can leave while
    /// its order still waits, or never leaves.
    CancelSent {
        /// UserRefNum of the order.
        user_ref_num: u32,
        /// Return of the write.
        send_ns: Nanos,
    },
    /// The shell's last look refused an order message; no byte of it was written.
    NotSent {
        /// Its UserRefNum.
        user_ref_num: u32,
        /// Why.
        reason: RejectReason,
    },
    /// The journal is synced through this sequence (L2).
    Durable {
        /// Journal sequence.
        journal_sequence: u64,
    },
    /// The journal takes no more (or takes again) what opens risk.
    Journal {
        /// Whether it does.
        available: bool,
    },
}

/// What a message to the venue is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendTag {
    /// Login, heartbeat, query: of the session.
    Session,
    /// Opens risk (new order, replace): the shell looks at kill and leases once more, and answers Sent or NotSent.
    Opening {
        /// Its UserRefNum.
        user_ref_num: u32,
        /// Its owner.
        strategy: u16,
    },
    /// Closes risk (cancel): the shell answers Sent.
    Closing {
        /// UserRefNum of the order.
        user_ref_num: u32,
    },
}

/// Bytes for the venue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sending {
    /// What they are.
    pub tag: SendTag,
    /// Bytes used.
    pub length: usize,
    /// The bytes.
    pub bytes: [u8; SEND_BYTES],
}

/// What the shell does, strictly in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::large_enum_variant, reason = "a record is journaled by value; a box would allocate")]
pub enum Output {
    /// Append to the journal; sequences are consecutive.
    Journal {
        /// Sequence.
        sequence: u64,
        /// The record.
        record: Record,
    },
    /// Publish on `execution`.
    Publish(Execution),
    /// Hand to the socket.
    Send(Sending),
    /// Begin to connect.
    Connect,
    /// Drop the connection.
    Disconnect,
    /// Echo the kill in the status region: the record before this one is its journal record.
    KillEcho {
        /// Generation seen; 0 = released.
        generation: u64,
        /// Sequence of its journal record.
        journal_sequence: u64,
    },
    /// Echo a fence in the status region.
    FenceEcho {
        /// Role fenced.
        role: Role,
        /// Its index.
        index: u8,
        /// Its new epoch.
        epoch: u32,
        /// Sequence of the fence's journal record.
        journal_sequence: u64,
    },
    /// Everything is done after a stop.
    Finished,
}
