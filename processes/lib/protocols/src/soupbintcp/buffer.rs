//! The two buffers between a byte stream and a session: frames out of what was received, bytes still to be sent.
//!
//! Both have a fixed capacity and allocate once. A peer can neither make them grow nor make them wait for a frame
//! that could never fit.

use super::packet::{PACKET_LENGTH_MAX, PREFIX_LENGTH};
use crate::Malformed;

/// Why bytes were not taken for sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsent {
    /// No room now; there will be once the buffer was written to the connection.
    #[error("the send buffer is full")]
    Full,
    /// Longer than any frame or than the whole buffer.
    #[error("the packet is longer than a frame or the send buffer can be")]
    TooLong,
    /// Nobody is logged in.
    #[error("no login")]
    NotLoggedIn,
    /// The session has counted to the end of 64 bits.
    #[error("the session's sequences are used up")]
    Exhausted,
}

/// Bytes of one connection on their way in, cut into frames.
#[derive(Debug)]
pub struct FrameBuffer {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
    damaged: Option<Malformed>,
}

impl FrameBuffer {
    /// A buffer for frames of up to `capacity` bytes, their length included; a peer's longer frame is refused.
    ///
    /// # Panics
    /// `capacity` cannot hold a frame with a type byte.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        assert!(capacity > PREFIX_LENGTH);
        Self { bytes: vec![0; capacity].into(), start: 0, end: 0, damaged: None }
    }

    /// Room to receive into; tell [`FrameBuffer::commit`] how much was used. It is never empty after
    /// [`FrameBuffer::next_frame`] said that no frame is complete.
    pub fn spare(&mut self) -> &mut [u8] {
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        &mut self.bytes[self.end..]
    }

    /// `length` bytes were received into [`FrameBuffer::spare`].
    ///
    /// # Panics
    /// More than there was room for.
    pub fn commit(&mut self, length: usize) {
        assert!(length <= self.bytes.len() - self.end);
        self.end += length;
    }

    /// Copies as much of `bytes` as there is room for and returns how much that was.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let spare = self.spare();
        let length = bytes.len().min(spare.len());
        spare[..length].copy_from_slice(&bytes[..length]);
        self.commit(length);
        length
    }

    /// The next whole frame, from its type byte on; `None` until more bytes come.
    ///
    /// # Errors
    /// A length that no frame can have. The stream has lost its framing: every later call says the same, and the
    /// connection is to be closed.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, Malformed> {
        if let Some(malformed) = self.damaged {
            return Err(malformed);
        }
        let received = &self.bytes[self.start..self.end];
        let Some((prefix, rest)) = received.split_first_chunk() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes(*prefix));
        let what = match length {
            0 => Some("a frame of length zero has no type"),
            _ if PREFIX_LENGTH + length > self.bytes.len() => Some("a frame longer than the receive buffer"),
            _ => None,
        };
        if let Some(what) = what {
            let malformed = Malformed::Content { offset: 0, what };
            self.damaged = Some(malformed);
            return Err(malformed);
        }
        if rest.len() < length {
            return Ok(None);
        }
        let from = self.start + PREFIX_LENGTH;
        self.start = from + length;
        Ok(Some(&self.bytes[from..self.start]))
    }

    /// Bytes received that were not given out as a frame yet.
    #[must_use]
    pub const fn pending(&self) -> usize {
        self.end - self.start
    }

    /// Forgets everything, for a new connection.
    pub fn clear(&mut self) {
        (self.start, self.end, self.damaged) = (0, 0, None);
    }
}

/// Bytes of one connection on their way out.
#[derive(Debug)]
pub struct SendBuffer {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl SendBuffer {
    /// A buffer of `capacity` bytes.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { bytes: vec![0; capacity].into(), start: 0, end: 0 }
    }

    /// Bytes to write to the connection; tell [`SendBuffer::consume`] how much was written.
    #[must_use]
    pub fn pending(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// `length` bytes of [`SendBuffer::pending`] were written.
    ///
    /// # Panics
    /// More than were pending.
    pub fn consume(&mut self, length: usize) {
        assert!(length <= self.end - self.start);
        self.start += length;
        if self.start == self.end {
            self.clear();
        }
    }

    /// Forgets everything, for a new connection.
    pub const fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Appends one frame, whole or not at all.
    ///
    /// # Errors
    /// [`Unsent::Full`] or [`Unsent::TooLong`].
    pub fn append(&mut self, packet_type: u8, payload: &[u8]) -> Result<(), Unsent> {
        let packet_length = 1 + payload.len();
        let frame_length = PREFIX_LENGTH + packet_length;
        if packet_length > PACKET_LENGTH_MAX || frame_length > self.bytes.len() {
            return Err(Unsent::TooLong);
        }
        if frame_length > self.bytes.len() - (self.end - self.start) {
            return Err(Unsent::Full);
        }
        if frame_length > self.bytes.len() - self.end {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let frame = &mut self.bytes[self.end..self.end + frame_length];
        frame[..PREFIX_LENGTH].copy_from_slice(&(packet_length as u16).to_be_bytes());
        frame[PREFIX_LENGTH] = packet_type;
        frame[PREFIX_LENGTH + 1..].copy_from_slice(payload);
        self.end += frame_length;
        Ok(())
    }
}
