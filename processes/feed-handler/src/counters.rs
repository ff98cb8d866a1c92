//! What the feed handler counts. Plain numbers, which the shell copies to its counter page.
//!
//! Messages are conserved: of the datagrams that were accepted,
//! `received = in_order + recovered + duplicate + overflowed + discarded + (held now)`.

use crate::datagram::{Line, Malformed};
use protocols::itch;
use shm_layout::message::market_data::IntegrityFault;

/// Slots of [`Counters::by_type`]: the types of the table, and one for all others.
pub const TYPE_COUNT: usize = itch::Message::TYPES.len() + 1;
/// Slots of [`Counters::faults`].
pub const FAULT_COUNT: usize = IntegrityFault::ALL.len();

/// All counters, from zero at the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Datagrams received, by [`Line`], malformed and foreign ones too.
    pub datagrams: [u64; Line::ALL.len()],
    /// Datagrams dropped whole, by [`Malformed`].
    pub malformed: [u64; Malformed::COUNT],
    /// Datagrams of a session that is not the current one.
    pub foreign_session: u64,
    /// Datagrams after the end of their session that go beyond it.
    pub after_end: u64,
    /// Messages in accepted datagrams.
    pub received: u64,
    /// Messages delivered from a line while nothing was missing.
    pub in_order: u64,
    /// Messages delivered from a reply, or while something was missing.
    pub recovered: u64,
    /// Messages dropped because their sequence had been delivered.
    pub duplicate: u64,
    /// Messages dropped because the hold window was full; requested again later.
    pub overflowed: u64,
    /// Messages held when their session was given up.
    pub discarded: u64,
    /// Messages delivered, by the [`Line`] that brought them first.
    pub first_by_line: [u64; Line::ALL.len()],
    /// Messages that [`Line`] A or B did not bring when their turn was there: lost on that line, or overtaken.
    pub missed_by_line: [u64; 2],
    /// Gaps: times that the channel left `Synchronized` because a sequence was missing.
    pub gaps: u64,
    /// Requests sent, repetitions too.
    pub requests: u64,
    /// Requests repeated because no reply brought the missing sequence in time.
    pub request_timeouts: u64,
    /// Sessions begun, the first one too.
    pub sessions: u64,
    /// Sessions begun because the sequence went back under the same name.
    pub sequence_rewinds: u64,
    /// Times that nothing was heard for a heartbeat's time-out.
    pub heartbeats_lost: u64,
    /// Delivered messages by ITCH type, in the order of `itch::Message::TYPES`, then all unknown types together.
    pub by_type: [u64; TYPE_COUNT],
    /// Delivered messages of length zero.
    pub empty_messages: u64,
    /// Directory entries whose symbol is not in the host's instrument table.
    pub unknown_symbols: u64,
    /// Delivered messages of an instrument that is not in the host's table; not published.
    pub unmapped: u64,
    /// Integrity faults, by [`IntegrityFault`].
    pub faults: [u64; FAULT_COUNT],
    /// Trades that are not published: a side or a price that is none, or not printable.
    pub trades_withheld: u64,
}

impl Counters {
    /// Index in [`Self::by_type`].
    #[must_use]
    pub const fn type_index(message_type: u8) -> usize {
        INDEX_OF_TYPE[message_type as usize] as usize
    }

    /// Messages delivered: each sequence once.
    #[must_use]
    pub const fn delivered(&self) -> u64 {
        self.in_order + self.recovered
    }

    /// Integrity faults of one reason.
    #[must_use]
    pub const fn fault(&self, fault: IntegrityFault) -> u64 {
        self.faults[fault as usize]
    }
}

const INDEX_OF_TYPE: [u8; 256] = {
    let mut table = [(TYPE_COUNT - 1) as u8; 256];
    let mut index = 0;
    while index < itch::Message::TYPES.len() {
        table[itch::Message::TYPES[index] as usize] = index as u8;
        index += 1;
    }
    table
};
