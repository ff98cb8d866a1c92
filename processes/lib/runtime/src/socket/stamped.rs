//! `recvmsg` with the kernel's software receive stamp (SO_TIMESTAMPING).

use super::pair;
use crate::clock::realtime_ns;
use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::sockopt::Timestamping;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, TimestampingFlag, Timestamps, recvmsg, setsockopt};
use std::io::{self, IoSliceMut};
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
    control: Vec<u8>,
    missing: u64,
}

impl StampedReceive {
    /// Switches software receive stamps on.
    pub(super) fn enable(socket: &impl AsFd) -> io::Result<Self> {
        let flags = TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE | TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE;
        setsockopt(socket, Timestamping, &flags)?;
        Ok(Self { control: cmsg_space!(Timestamps), missing: 0 })
    }

    /// Datagrams that came without a kernel stamp, and were stamped here.
    pub(super) const fn missing(&self) -> u64 {
        self.missing
    }

    /// The next two datagrams, each into its buffer: without a second one nothing more waits.
    pub(super) fn receive_pair(
        &mut self,
        socket: &impl AsRawFd,
        buffers: [&mut [u8]; 2],
    ) -> io::Result<[Option<Datagram>; 2]> {
        pair::receive(socket, buffers, &mut self.missing)
    }

    /// The next datagram; `None` when there is none.
    pub(super) fn receive(&mut self, socket: &impl AsRawFd, buffer: &mut [u8]) -> io::Result<Option<Datagram>> {
        let mut slices = [IoSliceMut::new(buffer)];
        let control = Some(&mut self.control[..]);
        let message = match recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut slices, control, MsgFlags::MSG_DONTWAIT) {
            Ok(message) => message,
            // A connected socket also reports an earlier ICMP "port unreachable": the peer is not there yet.
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNREFUSED) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let stamp = message.cmsgs().ok().and_then(|mut messages| {
            messages.find_map(|control| match control {
                ControlMessageOwned::ScmTimestampsns(stamps) => {
                    Some(stamps.system.tv_sec() as u64 * 1_000_000_000 + stamps.system.tv_nsec() as u64)
                }
                _ => None,
            })
        });
        let source = message.address.map_or(SocketAddrV4::new(0.into(), 0), SocketAddrV4::from);
        let truncated = message.flags.contains(MsgFlags::MSG_TRUNC);
        let length_bytes = message.bytes;
        let realtime_ns = stamp.filter(|stamp| *stamp != 0).unwrap_or_else(|| {
            self.missing += 1;
            realtime_ns()
        });
        Ok(Some(Datagram { length_bytes, realtime_ns, source, truncated }))
    }
}
