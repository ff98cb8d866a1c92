//! The sequenced feed: a store that keeps every message of the session, a packetiser, and the re-request server's
//! answers. No socket is opened here.

use protocols::moldudp64::{
    COUNT_END_OF_SESSION, COUNT_HEARTBEAT, HEADER_LENGTH, Header, PREFIX_LENGTH, PacketBuilder, Request, Session,
};

/// Largest datagram the venue sends, in bytes: fits an Ethernet frame with room for tunnels.
pub const DATAGRAM_MAX: usize = 1_400;
/// Longest that a message waits for company before its packet is sent: half of the promised millisecond, so that a
/// nap of the loop still fits.
pub const FLUSH_NS: u64 = 500_000;
/// Time without a packet after which a heartbeat is due.
pub const HEARTBEAT_NS: u64 = 1_000_000_000;
/// Time between two repetitions of the end of session.
pub const END_REPEAT_NS: u64 = 200_000_000;
// A message of the longest length that the store accepts must fit a packet alone.
const _: () = assert!(MESSAGE_MAX + PREFIX_LENGTH + HEADER_LENGTH <= DATAGRAM_MAX);

/// Longest message that the store accepts, in bytes.
pub const MESSAGE_MAX: usize = 1_024;

/// Every message of the session; the first has sequence 1.
#[derive(Debug)]
pub struct MoldStore {
    session: Session,
    bytes: Vec<u8>,
    /// End of each message in `bytes`.
    ends: Vec<usize>,
}

impl MoldStore {
    /// An empty session.
    #[must_use]
    pub const fn new(session: Session) -> Self {
        Self { session, bytes: Vec::new(), ends: Vec::new() }
    }

    /// Appends a message.
    ///
    /// # Panics
    /// When it is longer than [`MESSAGE_MAX`]: readers of files refuse such a message before it comes here.
    pub fn push(&mut self, message: &[u8]) {
        assert!(message.len() <= MESSAGE_MAX, "a message of {} bytes fits no packet", message.len());
        self.bytes.extend_from_slice(message);
        self.ends.push(self.bytes.len());
    }

    /// The sequence that the next message will have.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.ends.len() as u64 + 1
    }

    /// The message of a sequence.
    #[must_use]
    pub fn message(&self, sequence: u64) -> Option<&[u8]> {
        let index = usize::try_from(sequence.checked_sub(1)?).ok()?;
        let end = *self.ends.get(index)?;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        Some(&self.bytes[start..end])
    }

    /// Builds the packet that starts at `sequence`, of at most `count_max` messages, and returns its bytes and how
    /// many messages it holds.
    pub fn packet<'a>(&self, sequence: u64, count_max: u64, out: &'a mut [u8; DATAGRAM_MAX]) -> (&'a [u8], u64) {
        let mut builder = PacketBuilder::new(out, self.session, sequence).expect("a datagram holds a header");
        let mut count = 0;
        while count < count_max {
            let Some(message) = self.message(sequence + count) else { break };
            if !builder.push(message) {
                break;
            }
            count += 1;
        }
        (builder.finish(), count)
    }

    /// A packet without messages: heartbeat or end of session, with the next expected sequence.
    #[must_use]
    pub fn bare_packet(&self, end_of_session: bool) -> [u8; HEADER_LENGTH] {
        let count = if end_of_session { COUNT_END_OF_SESSION } else { COUNT_HEARTBEAT };
        let header = Header { session: self.session, sequence: self.next_sequence(), count };
        let mut out = [0; HEADER_LENGTH];
        header.encode_into(&mut out).expect("20 bytes hold a header");
        out
    }

    /// The answer to a request packet: as many of the messages as fit one packet. `None` for bytes that are no
    /// request, a foreign session, or messages that are not there: a re-request server is silent then.
    pub fn answer<'a>(&self, request: &[u8], out: &'a mut [u8; DATAGRAM_MAX]) -> Option<&'a [u8]> {
        let request = Request::new_checked(request).ok()?;
        if request.session != self.session || request.count == 0 || self.message(request.sequence).is_none() {
            return None;
        }
        Some(self.packet(request.sequence, u64::from(request.count), out).0)
    }
}

/// Cuts the store's messages into datagrams as they come.
#[derive(Debug)]
pub struct Packetiser {
    /// Sequence of the first message not yet sent.
    next_to_send: u64,
    /// When the oldest unsent message was first seen.
    waiting_since: Option<u64>,
    last_packet_ns: u64,
}

impl Packetiser {
    /// Starts at sequence 1; the first heartbeat is due at once.
    #[must_use]
    pub const fn new() -> Self {
        Self { next_to_send: 1, waiting_since: None, last_packet_ns: 0 }
    }

    /// The next datagram that should be sent now: full packets at once, others when their first message has waited
    /// [`FLUSH_NS`] or when `flush` is set.
    pub fn next<'a>(
        &mut self,
        now_ns: u64,
        store: &MoldStore,
        flush: bool,
        out: &'a mut [u8; DATAGRAM_MAX],
    ) -> Option<&'a [u8]> {
        let unsent = store.next_sequence() - self.next_to_send;
        if unsent == 0 {
            return None;
        }
        let since = *self.waiting_since.get_or_insert(now_ns);
        let (packet, count) = store.packet(self.next_to_send, u64::MAX, out);
        let is_full = count < unsent;
        if !is_full && !flush && now_ns.saturating_sub(since) < FLUSH_NS {
            return None;
        }
        self.next_to_send += count;
        // What is left of a full packet has waited no longer than what was sent: its wait starts now.
        self.waiting_since = if is_full { Some(now_ns) } else { None };
        self.last_packet_ns = now_ns;
        Some(packet)
    }

    /// The heartbeat or end of session that is due now.
    pub fn bare(&mut self, now_ns: u64, store: &MoldStore, ended: bool) -> Option<[u8; HEADER_LENGTH]> {
        let every = if ended { END_REPEAT_NS } else { HEARTBEAT_NS };
        if store.next_sequence() != self.next_to_send || now_ns.saturating_sub(self.last_packet_ns) < every {
            return None;
        }
        self.last_packet_ns = now_ns;
        Some(store.bare_packet(ended))
    }
}

impl Default for Packetiser {
    fn default() -> Self {
        Self::new()
    }
}
