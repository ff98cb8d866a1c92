//! Messages of `control` and `wire`. Offsets and meanings only; it never reads a message.

use super::Repr::{self, Bit, Bytes, Code, Nanos, Reserved, Unsigned};
use super::{Field, MessageType, codes, field};
use shm_layout::message::control::ControlKind;
use shm_layout::message::wire::WireKind;
use shm_layout::topology::RingKind;

codes! {
    CONTROL_KIND = ControlKind;
    WIRE_KIND = WireKind;
}

const CONTROL: &[Field] = &[
    field("kind", 0, 1, Code(&CONTROL_KIND), "what is to be done"),
    field("role", 1, 1, Repr::Role, "role that it is about; 0 = all"),
    field("index", 2, 1, Unsigned, "index of that role"),
    field("reserved", 3, 1, Reserved, "none"),
    field("epoch", 4, 4, Unsigned, "Epoch: the new epoch of (role, index)"),
    field("request_id", 8, 8, Unsigned, "id of the operator's command; 0 = the supervisor's own"),
    field("now_ns", 16, 8, Nanos, "when it was published"),
    field("value", 24, 16, Unsigned, "meaning by kind"),
    field("reserved_tail", 40, 16, Reserved, "none"),
];

const WIRE: &[Field] = &[
    field("kind", 0, 1, Code(&WIRE_KIND), "what the bytes are"),
    field("first", 1, 1, Bit(0), "first chunk of a datagram or read (bit 0 of flags)"),
    field("last", 1, 1, Bit(1), "last chunk of it (bit 1 of flags)"),
    field("length", 2, 2, Unsigned, "bytes used in data"),
    field("line", 4, 4, Unsigned, "feed line, request socket or venue session"),
    field("receive_ns", 8, 8, Nanos, "kernel receive stamp, else the read's or write's own"),
    field("read_ns", 16, 8, Nanos, "the machine's `now` when it was given the bytes"),
    field("data", 24, 96, Bytes(2), "the bytes, as many as length says; the rest zero"),
];

/// A type.
pub(super) const fn of(
    rings: &'static [RingKind],
    kind: u8,
    name: &'static str,
    parts: &'static [&'static [Field]],
    about: &'static str,
) -> MessageType {
    MessageType { name, rings, kind, parts, about }
}

/// Every type.
pub static TYPES: &[MessageType] = &[
    of(&[RingKind::Control], 1, "Epoch", &[CONTROL], "(role, index) restarts with epoch"),
    of(&[RingKind::Control], 2, "Arm", &[CONTROL], "strategy `index` may trade"),
    of(&[RingKind::Control], 3, "Disarm", &[CONTROL], "strategy `index` may open no order"),
    of(&[RingKind::Control], 4, "CancelAll", &[CONTROL], "the gateway cancels every open order"),
    of(&[RingKind::Control], 5, "Stop", &[CONTROL], "finish: flush and end"),
    of(&[RingKind::Control], 6, "AllocateOnce", &[CONTROL], "allocate once, to show that the counter counts"),
    of(&[RingKind::Wire], 1, "DatagramReceived", &[WIRE], "a datagram received"),
    of(&[RingKind::Wire], 2, "StreamReceived", &[WIRE], "bytes read from a stream"),
    of(&[RingKind::Wire], 3, "StreamSent", &[WIRE], "bytes handed to a stream's socket"),
    of(&[RingKind::Wire], 4, "Connected", &[WIRE], "the stream connected"),
    of(&[RingKind::Wire], 5, "Disconnected", &[WIRE], "the stream ended"),
    of(&[RingKind::Wire], 6, "DatagramSent", &[WIRE], "a datagram sent"),
];
