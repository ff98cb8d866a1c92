//! TCP order entry: a non-blocking client with TCP_NODELAY.
//!
//! `write` returns how many bytes the kernel took: what it took may reach the venue whatever happens next, what it did
//! not take has never left. It never buffers on its own, so that the journal's word stays true.

use crate::error::RuntimeError;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;

/// Send buffer asked of the kernel, in bytes. Small on purpose: what the kernel holds for a venue that does not read is
/// beyond recall, and no kill reaches it.
const SEND_BUFFER_BYTES: usize = 32 << 10;

/// How far a connection is.
#[derive(Debug)]
pub enum ConnectState {
    /// The handshake is under way.
    Connecting,
    /// Open.
    Connected,
    /// Refused, unreachable or timed out.
    Failed(io::Error),
}

/// What a read gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Received {
    /// This many bytes, at least one.
    Bytes(usize),
    /// Nothing now.
    Empty,
    /// The peer closed its side: nothing will come any more.
    Closed,
}

/// One client connection.
#[derive(Debug)]
pub struct TcpConnection {
    stream: TcpStream,
    connected: bool,
}

impl TcpConnection {
    /// Begins to connect and returns at once.
    ///
    /// # Errors
    /// When the socket cannot be made, or the address is refused outright.
    pub fn start(server: SocketAddr) -> Result<Self, RuntimeError> {
        Self::try_start(server).map_err(|error| {
            let cure = "check the venue's order_entry_address in the host file";
            RuntimeError::system(format!("connect to {server}"), error, cure)
        })
    }

    fn try_start(server: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(server), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        // No pacing between the write and the wire, whatever the host's default (BBR has a timer there). Reno is in every
        // kernel; a sandbox that forbids the choice only leaves the default.
        let _ = socket.set_tcp_congestion(b"reno");
        socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
        match socket.connect(&server.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
            Err(error) => return Err(error),
        }
        Ok(Self { stream: socket.into(), connected: false })
    }

    /// Looks how far the handshake is.
    pub fn poll_connect(&mut self) -> ConnectState {
        if self.connected {
            return ConnectState::Connected;
        }
        let mut fds = [PollFd::new(self.stream.as_fd(), PollFlags::POLLOUT)];
        match poll(&mut fds, PollTimeout::ZERO) {
            Ok(0) | Err(nix::errno::Errno::EINTR) => return ConnectState::Connecting,
            Ok(_) => {}
            Err(error) => return ConnectState::Failed(error.into()),
        }
        match self.stream.take_error() {
            Ok(None) => {
                self.connected = true;
                ConnectState::Connected
            }
            Ok(Some(error)) | Err(error) => ConnectState::Failed(error),
        }
    }

    /// Reads what there is into `buffer`.
    ///
    /// # Errors
    /// When the connection was reset or cannot go on.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        match self.stream.read(buffer) {
            Ok(0) if buffer.is_empty() => Ok(Received::Empty),
            Ok(0) => Ok(Received::Closed),
            Ok(length_bytes) => Ok(Received::Bytes(length_bytes)),
            Err(error) if is_not_now(&error) => Ok(Received::Empty),
            Err(error) => Err(error),
        }
    }

    /// Hands bytes to the kernel and returns how many it took; 0 = none now.
    ///
    /// # Errors
    /// When the connection is broken; then no byte of this call was taken.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.stream.write(bytes) {
            Err(error) if is_not_now(&error) => Ok(0),
            taken => taken,
        }
    }

    /// Closes the sending side: the peer reads to the end of what was taken.
    ///
    /// # Errors
    /// When it is not connected any more.
    pub fn finish(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }
}

fn is_not_now(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::time::Duration;

    fn settled(connection: &mut TcpConnection) -> ConnectState {
        for _ in 0..2_000 {
            match connection.poll_connect() {
                ConnectState::Connecting => std::thread::sleep(Duration::from_millis(1)),
                state => return state,
            }
        }
        panic!("still connecting");
    }

    fn read_patiently(connection: &mut TcpConnection, buffer: &mut [u8]) -> Received {
        for _ in 0..2_000 {
            match connection.read(buffer).unwrap() {
                Received::Empty => std::thread::sleep(Duration::from_millis(1)),
                received => return received,
            }
        }
        panic!("nothing came");
    }

    #[test]
    fn connects_writes_reads_and_sees_the_end() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpConnection::start(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        assert!(matches!(settled(&mut client), ConnectState::Connected));
        assert!(client.stream.nodelay().unwrap());
        assert_eq!(client.write(b"hello").unwrap(), 5);
        let mut bytes = [0; 5];
        server.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"hello");
        assert_eq!(client.read(&mut bytes).unwrap(), Received::Empty);
        server.write_all(b"yes").unwrap();
        assert_eq!(read_patiently(&mut client, &mut bytes), Received::Bytes(3));
        drop(server);
        assert_eq!(read_patiently(&mut client, &mut bytes), Received::Closed);
    }

    #[test]
    fn a_full_kernel_takes_part_then_none_and_everything_taken_arrives() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpConnection::start(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        assert!(matches!(settled(&mut client), ConnectState::Connected));
        let block = vec![0x5A; 1 << 20];
        let mut taken = 0;
        loop {
            match client.write(&block).unwrap() {
                0 => break,
                bytes => taken += bytes,
            }
        }
        assert!(taken > 0);
        client.finish().unwrap();
        let mut all = Vec::new();
        server.read_to_end(&mut all).unwrap();
        assert_eq!(all.len(), taken);
    }

    #[test]
    fn a_closed_port_fails_and_a_reset_is_an_error() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        if let Ok(mut client) = TcpConnection::start(address) {
            assert!(matches!(settled(&mut client), ConnectState::Failed(_)));
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpConnection::start(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        assert!(matches!(settled(&mut client), ConnectState::Connected));
        Socket::from(server).set_linger(Some(Duration::ZERO)).unwrap();
        let broken = (0..2_000).any(|_| {
            std::thread::sleep(Duration::from_millis(1));
            client.write(b"x").is_err()
        });
        assert!(broken);
    }
}
