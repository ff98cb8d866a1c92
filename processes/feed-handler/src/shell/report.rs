//! The counters under the labels that tools know.
//!
//! One walk gives labels and values in the same order, so that neither can name the other's place.

use crate::counters::FAULT_COUNT;
use crate::machine::FeedHandler;
use protocols::itch::Message;
use shm_layout::status::StatusWriter;
use shm_layout::types::ChannelState;

/// Names of [`crate::datagram::Malformed`], by index.
const MALFORMED: [&str; crate::datagram::Malformed::COUNT] = ["oversize", "packet", "sequence", "message"];
/// Names of the lines, by index.
const LINES: [&str; crate::datagram::Line::ALL.len()] = ["a", "b", "reply"];
/// Names of `IntegrityFault`, by code; code 0 is none.
const FAULTS: [&str; FAULT_COUNT] =
    ["none", "unknown_reference", "crossed", "duplicate_reference", "over_execution", "capacity", "not_representable"];

/// What the sockets count beside the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Socket {
    /// Datagrams without a kernel stamp.
    pub stamps_missing: u64,
    /// Requests that the kernel would not take.
    pub requests_refused: u64,
}

/// Visits every counter as (label, rest of the label, value).
fn each(machine: &FeedHandler, socket: &Socket, mut visit: impl FnMut(&str, &str, u64)) {
    let c = machine.counters();
    visit("messages_in_order", "", c.in_order);
    visit("messages_recovered", "", c.recovered);
    visit("duplicates_dropped", "", c.duplicate);
    visit("datagrams", "", c.datagrams.iter().sum());
    visit("foreign_session", "", c.foreign_session);
    visit("gaps", "", c.gaps);
    visit("request_sent", "", c.requests);
    visit("request_timeouts", "", c.request_timeouts);
    visit("requests_refused", "", socket.requests_refused);
    visit("expected_sequence", "", machine.expected_sequence());
    visit("channel_state", "", machine.channel_state() as u64);
    visit("session_ended", "", u64::from(machine.channel_state() == ChannelState::Ended));
    visit("sessions", "", c.sessions);
    visit("sequence_rewinds", "", c.sequence_rewinds);
    visit("after_end", "", c.after_end);
    visit("messages_received", "", c.received);
    visit("messages_empty", "", c.empty_messages);
    visit("hold_overflowed", "", c.overflowed);
    visit("hold_discarded", "", c.discarded);
    visit("heartbeats_lost", "", c.heartbeats_lost);
    visit("unknown_symbol", "", c.unknown_symbols);
    visit("unmapped", "", c.unmapped);
    visit("trades_withheld", "", c.trades_withheld);
    visit("stamps_missing", "", socket.stamps_missing);
    for (name, count) in LINES.into_iter().zip(c.datagrams) {
        visit("datagrams.", name, count);
    }
    for (name, count) in LINES.into_iter().zip(c.first_by_line) {
        visit("messages_first.", name, count);
    }
    for (name, count) in LINES.into_iter().zip(c.missed_by_line) {
        visit("messages_missed.", name, count);
    }
    for (name, count) in MALFORMED.into_iter().zip(c.malformed) {
        visit("malformed.", name, count);
    }
    for (name, count) in FAULTS.into_iter().zip(c.faults).skip(1) {
        visit("integrity.", name, count);
    }
    for (letter, count) in Message::TYPES.chunks(1).zip(c.by_type) {
        visit("by_type.", std::str::from_utf8(letter).unwrap_or("?"), count);
    }
    visit("by_type.", "other", c.by_type[Message::TYPES.len()]);
}

/// Names the counters; the only place that allocates.
pub fn define(status: &StatusWriter, machine: &FeedHandler) {
    let mut index = 0;
    each(machine, &Socket::default(), |label, rest, _| {
        status.counters().define(index, &format!("{label}{rest}"));
        index += 1;
    });
}

/// Stores every value.
pub fn publish(status: &StatusWriter, machine: &FeedHandler, socket: &Socket) {
    let mut index = 0;
    each(machine, socket, |_, _, value| {
        status.counters().set(index, value);
        index += 1;
    });
}
