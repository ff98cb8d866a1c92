//! Sockets with the kernel's software receive stamp (SO_TIMESTAMPING).

use super::batch;
use nix::sys::socket::sockopt::Timestamping;
use nix::sys::socket::{TimestampingFlag, setsockopt};
use std::io;
use std::net::SocketAddrV4;
use std::os::fd::{AsFd, AsRawFd};

/// A received datagram, whose bytes are in the caller's buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Datagram {
    /// Bytes received.
    pub length_bytes: usize,
    /// Kernel receive stamp, CLOCK_REALTIME nanoseconds; see `Clock::from_realtime`.
    pub realtime_ns: u64,
    /// Where it came from.
    pub source: SocketAddrV4,
    /// True when the buffer was too short: the rest is lost and the datagram must not be used.
    pub truncated: bool,
}

/// The receive side of a stamped socket.
#[derive(Debug)]
pub(super) struct StampedReceive {
    missing: u64,
}

impl StampedReceive {
    /// Switches software receive stamps on.
    pub(super) fn enable(socket: &impl AsFd) -> io::Result<Self> {
        let flags = TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE | TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE;
        setsockopt(socket, Timestamping, &flags)?;
        Ok(Self { missing: 0 })
    }

    /// Datagrams that came without a kernel stamp, and were stamped here.
    pub(super) const fn missing(&self) -> u64 {
        self.missing
    }

    /// The next datagrams, each into its buffer, in order; where the last is `None`, nothing more waited.
    pub(super) fn receive<const PLACES: usize>(
        &mut self,
        socket: &impl AsRawFd,
        buffers: [&mut [u8]; PLACES],
    ) -> io::Result<[Option<Datagram>; PLACES]> {
        batch::receive(socket, buffers, &mut self.missing)
    }
}
