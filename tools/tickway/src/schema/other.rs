//! Messages of `control`, `step` and `wire`. Offsets and meanings only; it never reads a message.

use super::Repr::{Bytes, Code, Instrument, Nanos, Reserved, Ring, Signed, Unsigned};
use super::{Field, MessageType, codes, field};
use shm_layout::message::control::ControlKind;
use shm_layout::message::step::StepKind;
use shm_layout::message::wire::WireKind;
use shm_layout::topology::RingKind;
use shm_layout::types::Role;

codes! {
    CONTROL_KIND = ControlKind;
    STEP_KIND = StepKind;
    WIRE_KIND = WireKind;
    ROLE = Role;
}

const CONTROL: &[Field] = &[
    field("kind", 0, 1, Code(&CONTROL_KIND), "what is to be done"),
    field("role", 1, 1, Code(&ROLE), "role that it is about; 0 = all"),
    field("index", 2, 1, Unsigned, "index of that role"),
    field("reserved", 3, 1, Reserved, "none"),
    field("epoch", 4, 4, Unsigned, "Epoch: the new epoch of (role, index)"),
    field("request_id", 8, 8, Unsigned, "id of the operator's command; 0 = the supervisor's own"),
    field("now_ns", 16, 8, Nanos, "when it was published"),
    field("value", 24, 16, Unsigned, "meaning by kind"),
    field("reserved_tail", 40, 16, Reserved, "none"),
];

const STEP: &[Field] = &[
    field("kind", 0, 1, Code(&STEP_KIND), "what the machine was given"),
    field("code", 1, 1, Unsigned, "meaning by kind"),
    field("index", 2, 2, Unsigned, "meaning by kind"),
    field("ring", 4, 4, Ring, "ring of the inputs (Poll)"),
    field("through_sequence", 8, 8, Unsigned, "last ring sequence consumed (Poll); Reference: channel sequence"),
    field("now_ns", 16, 8, Nanos, "the machine's `now` for this step"),
    field("count", 24, 4, Unsigned, "inputs consumed (Poll); 0 for a timer"),
    field("instrument_id", 28, 4, Instrument, "Reference; else 0"),
    field("value", 32, 24, Signed, "meaning by kind"),
];

const WIRE: &[Field] = &[
    field("kind", 0, 1, Code(&WIRE_KIND), "what the bytes are"),
    field("flags", 1, 1, Unsigned, "1 = first, 2 = last chunk of a datagram or read"),
    field("length", 2, 2, Unsigned, "bytes used in data"),
    field("line", 4, 4, Unsigned, "feed line, request socket or venue session"),
    field("receive_ns", 8, 8, Nanos, "kernel receive stamp, else the read's or write's own"),
    field("read_ns", 16, 8, Nanos, "the machine's `now` when it was given the bytes"),
    field("data", 24, 96, Bytes, "the bytes; the rest zero"),
];

/// A type whose ring has one layout.
const fn of(
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
    of(
        &[RingKind::Step],
        1,
        "Poll",
        &[STEP],
        "a batch of messages of a ring, ending at through_sequence; count 0: lapped, value[0] are lost",
    ),
    of(&[RingKind::Step], 2, "Timer", &[STEP], "the machine's deadline was reached"),
    of(
        &[RingKind::Step],
        3,
        "Kill",
        &[STEP],
        "the kill page changed: value[0] = newest latched generation, 0 = released",
    ),
    of(&[RingKind::Step], 4, "Lease", &[STEP], "a lease changed: code = Role, index, value[0] = 1 held, 0 lost"),
    of(
        &[RingKind::Step],
        5,
        "Reference",
        &[STEP],
        "read from the market image: code = BookValidity, index = TradingStatus, value = bid, ask, receive_ns",
    ),
    of(&[RingKind::Step], 6, "Start", &[STEP], "the machine was constructed: value = epoch, through_journal_sequence"),
    of(&[RingKind::Step], 7, "Opaque", &[STEP], "state was reloaded that the log does not hold: replay ends here"),
    of(
        &[RingKind::Step],
        8,
        "Effect",
        &[STEP],
        "the shell's answer to an output; code and values are the gateway's own",
    ),
    of(&[RingKind::Wire], 1, "DatagramReceived", &[WIRE], "a datagram received"),
    of(&[RingKind::Wire], 2, "StreamReceived", &[WIRE], "bytes read from a stream"),
    of(&[RingKind::Wire], 3, "StreamSent", &[WIRE], "bytes handed to a stream's socket"),
    of(&[RingKind::Wire], 4, "Connected", &[WIRE], "the stream connected"),
    of(&[RingKind::Wire], 5, "Disconnected", &[WIRE], "the stream ended"),
    of(&[RingKind::Wire], 6, "DatagramSent", &[WIRE], "a datagram sent"),
];
