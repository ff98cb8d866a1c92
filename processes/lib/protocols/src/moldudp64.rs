//! MoldUDP64: numbered messages in UDP packets.
//!
//! ```text
//! downstream   0            10           18       20
//!              | session/10 | sequence/8 | count/2 | (length/2 message/length) × count |
//! request      the same 20 bytes, nothing after them
//! ```
//!
//! `sequence` is that of the packet's first message. A heartbeat has count 0 and carries the *next expected*
//! sequence; the end of the session has count 0xFFFF and carries it too (the last chance to re-request). A message
//! of length zero is legal and takes a sequence.
//!
//! A packet is checked whole before it gives a single message, so that a malformed one is dropped whole. Sessions,
//! gaps and the choice between lines are not here: they belong to the feed handler.

use crate::{Alpha, Malformed, Unencodable, Wire};

/// Where each header field stands.
pub mod field {
    use std::ops::Range;
    /// Session, 10 bytes of text.
    pub const SESSION: Range<usize> = 0..10;
    /// Sequence of the first message, or the next expected one.
    pub const SEQUENCE: Range<usize> = 10..18;
    /// Number of messages, 0 for a heartbeat, 0xFFFF at the end of the session.
    pub const COUNT: Range<usize> = 18..20;
}

/// Bytes of the header.
pub const HEADER_LENGTH: usize = 20;
/// Bytes of the length before each message.
pub const PREFIX_LENGTH: usize = 2;
/// Count of a heartbeat.
pub const COUNT_HEARTBEAT: u16 = 0;
/// Count at the end of the session.
pub const COUNT_END_OF_SESSION: u16 = 0xFFFF;
/// Largest UDP payload that fits an Ethernet frame of 1500 bytes over IPv4.
pub const PAYLOAD_MAX: usize = 1472;

const _: () = assert!(field::COUNT.end == HEADER_LENGTH);

/// Name of a session.
pub type Session = Alpha<10>;

/// The header's values. As a packet of its own it is a heartbeat, an end of session, or a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Session.
    pub session: Session,
    /// Sequence of the first message, the next expected one, or the first one requested.
    pub sequence: u64,
    /// Number of messages, or one of the two special counts.
    pub count: u16,
}

impl Header {
    fn read(bytes: &[u8; HEADER_LENGTH]) -> Self {
        Self {
            session: Session::read(&bytes[field::SESSION]),
            sequence: u64::read(&bytes[field::SEQUENCE]),
            count: u16::read(&bytes[field::COUNT]),
        }
    }

    /// Writes the 20 bytes to the start of `out` and returns 20.
    ///
    /// # Errors
    /// Too little room.
    pub fn encode_into(&self, out: &mut [u8]) -> Result<usize, Unencodable> {
        let needed = HEADER_LENGTH;
        let out = out.get_mut(..needed).ok_or(Unencodable::NoRoom { needed })?;
        out[field::SESSION].copy_from_slice(&self.session.0);
        out[field::SEQUENCE].copy_from_slice(&self.sequence.to_be_bytes());
        out[field::COUNT].copy_from_slice(&self.count.to_be_bytes());
        Ok(needed)
    }
}

/// A downstream packet, checked whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    header: Header,
    blocks: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Checks the header, that every length block lies inside, and that nothing follows the last one.
    ///
    /// # Errors
    /// Any of these is not so, or the last message's sequence would pass 64 bits; the packet is to be dropped whole.
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let content = |offset, what| Malformed::Content { offset, what };
        let (header, blocks) =
            bytes.split_first_chunk().ok_or(content(bytes.len(), "the packet ends inside its header"))?;
        let packet = Self { header: Header::read(header), blocks };
        let mut rest = blocks;
        for _ in 0..packet.message_count() {
            let offset = bytes.len() - rest.len();
            (_, rest) = split_block(rest).ok_or(content(offset, "the packet ends inside a message block"))?;
        }
        if !rest.is_empty() {
            return Err(content(bytes.len() - rest.len(), "bytes after the last message"));
        }
        match packet.header.sequence.checked_add(u64::from(packet.message_count())) {
            Some(_) => Ok(packet),
            None => Err(content(field::SEQUENCE.start, "sequence overflows")),
        }
    }

    /// Session.
    #[must_use]
    pub const fn session(&self) -> Session {
        self.header.session
    }

    /// Sequence of the first message; without messages, the next expected one.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.header.sequence
    }

    /// The header's values.
    #[must_use]
    pub const fn header(&self) -> Header {
        self.header
    }

    /// Number of messages in the packet (0 for a heartbeat and at the end of the session).
    #[must_use]
    pub const fn message_count(&self) -> u16 {
        if self.is_end_of_session() { 0 } else { self.header.count }
    }

    /// Sequence of the message after the packet's last one.
    #[must_use]
    pub const fn next_sequence(&self) -> u64 {
        self.header.sequence + self.message_count() as u64
    }

    /// Whether it only tells the next expected sequence.
    #[must_use]
    pub const fn is_heartbeat(&self) -> bool {
        self.header.count == COUNT_HEARTBEAT
    }

    /// Whether the session is over.
    #[must_use]
    pub const fn is_end_of_session(&self) -> bool {
        self.header.count == COUNT_END_OF_SESSION
    }

    /// The messages with their sequences, in order.
    #[must_use]
    pub const fn messages(&self) -> Messages<'a> {
        Messages { rest: self.blocks, sequence: self.header.sequence, remaining: self.message_count() }
    }
}

/// Takes one length block off `rest`: `(message, what follows)`.
#[inline]
fn split_block(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let (prefix, rest) = rest.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*prefix)))
}

/// Messages of one packet: `(sequence, message bytes)`.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
    sequence: u64,
    remaining: u16,
}

impl<'a> Iterator for Messages<'a> {
    type Item = (u64, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.remaining = self.remaining.checked_sub(1)?;
        let (message, rest) = split_block(self.rest)?;
        let sequence = self.sequence;
        self.rest = rest;
        self.sequence += 1;
        Some((sequence, message))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::from(self.remaining), Some(usize::from(self.remaining)))
    }
}

impl ExactSizeIterator for Messages<'_> {}

/// A request for messages of the session, sent to a re-request server. The answer is a downstream packet, possibly
/// with fewer messages than asked for, so the asker loops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Session.
    pub session: Session,
    /// First sequence wanted.
    pub sequence: u64,
    /// Number of messages wanted.
    pub count: u16,
}

impl Request {
    /// Reads a request packet.
    ///
    /// # Errors
    /// Not exactly 20 bytes.
    pub fn new_checked(bytes: &[u8]) -> Result<Self, Malformed> {
        let header: &[u8; HEADER_LENGTH] = bytes
            .try_into()
            .map_err(|_| Malformed::Content { offset: bytes.len(), what: "a request packet has 20 bytes" })?;
        let Header { session, sequence, count } = Header::read(header);
        Ok(Self { session, sequence, count })
    }

    /// Writes the 20 bytes to the start of `out` and returns 20.
    ///
    /// # Errors
    /// Too little room.
    pub fn encode_into(&self, out: &mut [u8]) -> Result<usize, Unencodable> {
        let Self { session, sequence, count } = *self;
        Header { session, sequence, count }.encode_into(out)
    }
}

/// Writes one downstream packet into a caller's buffer, message after message.
#[derive(Debug)]
pub struct PacketBuilder<'a> {
    out: &'a mut [u8],
    header: Header,
    length: usize,
}

impl<'a> PacketBuilder<'a> {
    /// Starts an empty packet whose first message will have `sequence`. `out` is as long as the packet may grow:
    /// [`PAYLOAD_MAX`] on Ethernet.
    ///
    /// # Errors
    /// `out` is shorter than the header.
    pub fn new(out: &'a mut [u8], session: Session, sequence: u64) -> Result<Self, Unencodable> {
        let header = Header { session, sequence, count: 0 };
        let length = header.encode_into(out)?;
        Ok(Self { out, header, length })
    }

    /// Appends a message; false when it does not fit any more, and the packet is as before.
    #[must_use]
    pub fn push(&mut self, message: &[u8]) -> bool {
        let Ok(message_length) = u16::try_from(message.len()) else { return false };
        let end = self.length + PREFIX_LENGTH + message.len();
        let Some(block) = self.out.get_mut(self.length..end) else { return false };
        // One more would read as the end of the session.
        if self.header.count == COUNT_END_OF_SESSION - 1 {
            return false;
        }
        let (prefix, body) = block.split_at_mut(PREFIX_LENGTH);
        prefix.copy_from_slice(&message_length.to_be_bytes());
        body.copy_from_slice(message);
        self.length = end;
        self.header.count += 1;
        self.out[field::COUNT].copy_from_slice(&self.header.count.to_be_bytes());
        true
    }

    /// Messages so far.
    #[must_use]
    pub const fn count(&self) -> u16 {
        self.header.count
    }

    /// Bytes so far, from the start of the buffer. With no message it is a heartbeat.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.length
    }

    /// The finished packet.
    #[must_use]
    pub fn finish(self) -> &'a [u8] {
        &self.out[..self.length]
    }
}
