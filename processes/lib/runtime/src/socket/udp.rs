//! UDP: the multicast side of a feed and its request channel.

use super::stamped::{Datagram, StampedReceive};
use crate::error::RuntimeError;
use nix::sys::socket::{setsockopt, sockopt::RcvBufForce};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};

/// What became of the wish for a receive buffer, in bytes of payload and bookkeeping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReceiveBuffer {
    /// Asked for.
    pub wanted_bytes: usize,
    /// Granted by the kernel, which counts its bookkeeping in: less than twice the wish is short of it.
    pub granted_bytes: usize,
}

impl ReceiveBuffer {
    /// A line for the operator when the kernel gave less than was asked for.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        (self.granted_bytes < self.wanted_bytes).then(|| {
            let (granted, wanted) = (self.granted_bytes, self.wanted_bytes);
            format!("receive buffer: {granted} of {wanted} bytes granted; raise net.core.rmem_max")
        })
    }
}

fn set_receive_buffer(socket: &Socket, wanted_bytes: usize) -> io::Result<ReceiveBuffer> {
    // With CAP_NET_ADMIN the limit does not hold; without, the kernel cuts the wish to it.
    if setsockopt(socket, RcvBufForce, &wanted_bytes).is_err() {
        socket.set_recv_buffer_size(wanted_bytes)?;
    }
    Ok(ReceiveBuffer { wanted_bytes, granted_bytes: socket.recv_buffer_size()? })
}

/// Receives one multicast group on one interface.
#[derive(Debug)]
pub struct MulticastReceiver {
    socket: Socket,
    receive: StampedReceive,
    buffer: ReceiveBuffer,
}

impl MulticastReceiver {
    /// Joins `group` on the interface of that address (never the kernel's choice), with a receive buffer of
    /// `buffer_bytes` if the kernel grants it.
    ///
    /// # Errors
    /// When the socket cannot be made, bound or joined.
    pub fn join(group: SocketAddrV4, interface: Ipv4Addr, buffer_bytes: usize) -> Result<Self, RuntimeError> {
        Self::try_join(group, interface, buffer_bytes).map_err(|error| {
            let port = group.port();
            let cure = match error.kind() {
                io::ErrorKind::AddrInUse => format!(
                    "another process holds UDP port {port} (`ss -lunp` names it): end it, or change venues.group_port"
                ),
                _ => "check the venue's group, group_port and interface in the host file".to_owned(),
            };
            RuntimeError::system(format!("join multicast {group} on {interface}"), error, cure)
        })
    }

    fn try_join(group: SocketAddrV4, interface: Ipv4Addr, buffer_bytes: usize) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        let buffer = set_receive_buffer(&socket, buffer_bytes)?;
        let receive = StampedReceive::enable(&socket)?;
        // Without this Linux also delivers groups that other sockets of the host joined.
        socket.set_multicast_all_v4(false)?;
        socket.bind(&SocketAddr::V4(group).into())?;
        socket.join_multicast_v4(group.ip(), &interface)?;
        Ok(Self { socket, receive, buffer })
    }

    /// The receive buffer wanted and granted.
    #[must_use]
    pub const fn buffer(&self) -> ReceiveBuffer {
        self.buffer
    }

    /// Datagrams without a kernel stamp, which were stamped on receipt instead.
    #[must_use]
    pub const fn stamps_missing(&self) -> u64 {
        self.receive.missing()
    }

    /// The next two datagrams, each into its buffer: where the second is `None`, nothing more waited.
    ///
    /// # Errors
    /// What the kernel says of a socket that cannot go on.
    pub fn receive(&mut self, buffers: [&mut [u8]; 2]) -> io::Result<[Option<Datagram>; 2]> {
        self.receive.receive(&self.socket, buffers)
    }
}

/// Asks one server for datagrams (re-requests) and receives its answers.
#[derive(Debug)]
pub struct UdpRequester {
    socket: UdpSocket,
    receive: StampedReceive,
}

impl UdpRequester {
    /// A socket on `interface` that talks to `server` alone: the kernel drops what others send.
    ///
    /// # Errors
    /// When the socket cannot be made, bound or connected.
    pub fn connect(server: SocketAddr, interface: Ipv4Addr) -> Result<Self, RuntimeError> {
        Self::try_connect(server, interface).map_err(|error| {
            let cure = "check the venue's request_address and interface in the host file";
            RuntimeError::system(format!("open a request socket from {interface} to {server}"), error, cure)
        })
    }

    fn try_connect(server: SocketAddr, interface: Ipv4Addr) -> io::Result<Self> {
        let socket = UdpSocket::bind((interface, 0))?;
        socket.set_nonblocking(true)?;
        socket.connect(server)?;
        let receive = StampedReceive::enable(&socket)?;
        Ok(Self { socket, receive })
    }

    /// Sends one request. False when the kernel had no room for it, or the server was not there: the caller's timeout
    /// asks again.
    ///
    /// # Errors
    /// What the kernel says of a socket that cannot go on.
    pub fn send(&self, request: &[u8]) -> io::Result<bool> {
        match self.socket.send(request) {
            Ok(_) => Ok(true),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionRefused | io::ErrorKind::Interrupted => Ok(false),
                _ => Err(error),
            },
        }
    }

    /// The next answer, into `buffer`; `None` when there is none.
    ///
    /// # Errors
    /// What the kernel says of a socket that cannot go on.
    pub fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<Datagram>> {
        let [datagram] = self.receive.receive(&self.socket, [buffer])?;
        Ok(datagram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::time::Duration;

    fn patiently(mut receive: impl FnMut() -> Option<Datagram>) -> Datagram {
        for _ in 0..2_000 {
            if let Some(datagram) = receive() {
                return datagram;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("nothing came");
    }

    #[test]
    fn multicast_arrives_stamped_on_loopback() {
        let probe = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = probe.local_addr().unwrap().port();
        let octet = (std::process::id() % 250) as u8 + 1;
        let group = SocketAddrV4::new(Ipv4Addr::new(239, 255, 77, octet), port);
        let mut receiver = match MulticastReceiver::join(group, Ipv4Addr::LOCALHOST, 1 << 18) {
            Ok(receiver) => receiver,
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "skipped: no multicast on loopback here: {error}");
                return;
            }
        };
        assert!(receiver.buffer().granted_bytes > 0);
        let sender = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        sender.set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
        let before = crate::clock::realtime_ns();
        let (mut one, mut two) = ([0; 64], [0; 64]);
        // Until both wait when they are looked for: the kernel may be late with what loopback carries.
        let together = (0..50).any(|_| {
            sender.send_to(b"abc", &SocketAddr::V4(group).into()).unwrap();
            sender.send_to(&[7; 65], &SocketAddr::V4(group).into()).unwrap();
            let mut second = None;
            let first = patiently(|| {
                let [first, other] = receiver.receive([&mut one, &mut two]).unwrap();
                second = other;
                first
            });
            let together = second.is_some();
            let second = second.unwrap_or_else(|| patiently(|| receiver.receive([&mut two, &mut []]).unwrap()[0]));
            assert_eq!((&one[..first.length_bytes], first.truncated), (&b"abc"[..], false));
            assert_eq!((two, second.length_bytes, second.truncated), ([7; 64], 64, true));
            for datagram in [first, second] {
                assert!(datagram.realtime_ns.abs_diff(before) < 10_000_000_000, "a stamp of now, in nanoseconds");
                assert_eq!(*datagram.source.ip(), Ipv4Addr::LOCALHOST);
            }
            together
        });
        assert!(together, "two that wait come by one call");
        assert_eq!(receiver.receive([&mut one, &mut two]).unwrap(), [None, None]);
    }

    #[test]
    fn requests_are_answered_by_the_server_alone() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let mut requester = UdpRequester::connect(address, Ipv4Addr::LOCALHOST).unwrap();
        assert!(requester.send(b"again").unwrap());
        let mut buffer = [0; 64];
        let (length, from) = server.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"again");
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        stranger.send_to(b"forged", from).unwrap();
        server.send_to(b"answer", from).unwrap();
        let datagram = patiently(|| requester.receive(&mut buffer).unwrap());
        assert_eq!(&buffer[..datagram.length_bytes], b"answer");
        assert_eq!(SocketAddr::V4(datagram.source), address);
        assert_eq!(requester.receive(&mut buffer).unwrap(), None);
    }

    #[test]
    fn a_server_that_is_gone_is_not_an_error() {
        let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut requester = UdpRequester::connect(address, Ipv4Addr::LOCALHOST).unwrap();
        for _ in 0..10 {
            requester.send(b"anyone").unwrap();
            assert_eq!(requester.receive(&mut [0; 8]).unwrap(), None);
        }
    }

    #[test]
    fn an_interface_of_another_host_is_refused_by_name() {
        let group = SocketAddrV4::new(Ipv4Addr::new(239, 255, 1, 1), 0);
        let error = MulticastReceiver::join(group, Ipv4Addr::new(203, 0, 113, 9), 1 << 16).unwrap_err().to_string();
        assert!(error.contains("203.0.113.9") && error.contains("host file"), "{error}");
    }
}
