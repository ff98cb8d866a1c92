//! Messages of `step`: the bytes of one struct, by what they mean on each kind. Offsets and meanings only; it never reads a
//! message.

use super::Repr::{self, Bool, Code, Instrument, Nanos, Price, Reserved, Ring, Signed, Unsigned};
use super::other::of;
use super::{Field, MessageType, codes, field};
use shm_layout::message::step::StepKind;
use shm_layout::topology::RingKind;
use shm_layout::types::{BookValidity, TradingStatus};

codes! {
    KIND = StepKind;
    VALIDITY = BookValidity;
    STATUS = TradingStatus;
}

const RINGS: &[RingKind] = &[RingKind::Step];

const HEAD: &[Field] = &[field("kind", 0, 1, Code(&KIND), "what the machine was given")];
const NOW: &[Field] = &[field("now_ns", 16, 8, Nanos, "the machine's `now` for this step")];

const NO_CODE: &[Field] = &[field("reserved", 1, 3, Reserved, "none")];
const CODE: &[Field] =
    &[field("code", 1, 1, Unsigned, "the gateway's own"), field("index", 2, 2, Unsigned, "the gateway's own")];
const PROCESS: &[Field] =
    &[field("role", 1, 1, Repr::Role, "role of the lease's holder"), field("index", 2, 2, Unsigned, "its index")];
const STATE: &[Field] = &[
    field("validity", 1, 1, Code(&VALIDITY), "whether the book may be traded on"),
    field("trading_status", 2, 2, Code(&STATUS), "of the instrument"),
];

const NO_RING: &[Field] = &[field("reserved", 4, 4, Reserved, "none")];
const INPUT_RING: &[Field] = &[field("input_ring", 4, 4, Ring, "ring of the inputs")];

const NO_THROUGH: &[Field] = &[field("reserved", 8, 8, Reserved, "none")];
const THROUGH: &[Field] = &[field("through_sequence", 8, 8, Unsigned, "last ring sequence consumed")];
const CHANNEL: &[Field] = &[field("channel_sequence", 8, 8, Unsigned, "channel sequence that the entry stood at")];

const NO_COUNT: &[Field] = &[field("reserved", 24, 4, Reserved, "none")];
const COUNT: &[Field] = &[field("count", 24, 4, Unsigned, "inputs consumed")];

const NO_INSTRUMENT: &[Field] = &[field("reserved", 28, 4, Reserved, "none")];
const INSTRUMENT: &[Field] = &[field("instrument_id", 28, 4, Instrument, "the instrument")];

const NO_VALUE: &[Field] = &[field("reserved", 32, 24, Reserved, "none")];
const VALUE: &[Field] = &[field("value", 32, 24, Signed, "the gateway's own")];
const LOST: &[Field] = &[
    field("lost", 32, 8, Unsigned, "messages that were overwritten before they were read; count is then 0"),
    field("reserved", 40, 16, Reserved, "none"),
];
const GENERATION: &[Field] = &[
    field("generation", 32, 8, Unsigned, "newest latched generation, 0 = released"),
    field("reserved", 40, 16, Reserved, "none"),
];
const HELD: &[Field] = &[field("held", 32, 8, Bool, "held, or lost"), field("reserved", 40, 16, Reserved, "none")];
const QUOTE: &[Field] = &[
    field("bid", 32, 8, Price, "best bid; 0 = none"),
    field("ask", 40, 8, Price, "best ask; 0 = none"),
    field("receive_ns", 48, 8, Nanos, "last kernel receive stamp of the channel"),
];
const BEGIN: &[Field] = &[
    field("epoch", 32, 8, Unsigned, "restart epoch of the process"),
    field("through_journal_sequence", 40, 8, Unsigned, "last journal sequence that its snapshot holds"),
    field("reserved", 48, 8, Reserved, "none"),
];

/// Every type.
pub static TYPES: &[MessageType] = &[
    of(
        RINGS,
        1,
        "Poll",
        &[HEAD, NO_CODE, INPUT_RING, THROUGH, NOW, COUNT, NO_INSTRUMENT, LOST],
        "a batch of messages of a ring, ending at through_sequence; count 0: lapped, so many are lost",
    ),
    of(
        RINGS,
        2,
        "Timer",
        &[HEAD, NO_CODE, NO_RING, NO_THROUGH, NOW, NO_COUNT, NO_INSTRUMENT, NO_VALUE],
        "the machine's deadline was reached",
    ),
    of(
        RINGS,
        3,
        "Kill",
        &[HEAD, NO_CODE, NO_RING, NO_THROUGH, NOW, COUNT, NO_INSTRUMENT, GENERATION],
        "the kill page changed",
    ),
    of(RINGS, 4, "Lease", &[HEAD, PROCESS, NO_RING, NO_THROUGH, NOW, NO_COUNT, NO_INSTRUMENT, HELD], "a lease changed"),
    of(
        RINGS,
        5,
        "Reference",
        &[HEAD, STATE, NO_RING, CHANNEL, NOW, COUNT, INSTRUMENT, QUOTE],
        "an instrument's state as it was read from the market image",
    ),
    of(
        RINGS,
        6,
        "Start",
        &[HEAD, NO_CODE, NO_RING, NO_THROUGH, NOW, NO_COUNT, NO_INSTRUMENT, BEGIN],
        "the machine was constructed",
    ),
    of(
        RINGS,
        7,
        "Opaque",
        &[HEAD, CODE, NO_RING, THROUGH, NOW, NO_COUNT, NO_INSTRUMENT, VALUE],
        "state was reloaded that the log does not hold: replay ends here",
    ),
    of(
        RINGS,
        8,
        "Effect",
        &[HEAD, CODE, NO_RING, THROUGH, NOW, NO_COUNT, NO_INSTRUMENT, VALUE],
        "the shell's answer to an output; code and values are the gateway's own",
    ),
];
