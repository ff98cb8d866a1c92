//! The venue's sockets, polled in one loop that naps when it is idle: it shares two cores with those it serves.
//!
//! Nothing is dropped silently: a datagram that the kernel has no room for is offered again, bytes to a slow client
//! wait, and what cannot be sent at all ends the process with the reason.

use crate::fault::Faults;
use crate::itch_file::ItchFileError;
use crate::mold::{DATAGRAM_MAX, MoldStore, Packetiser};
use crate::pace::Replay;
use crate::report::{Addresses, BareCounts};
use crate::venue::{ConnectionId, Input, Phase, Venue, VenueOut};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

/// How long the loop sleeps when nothing happened.
pub const NAP: Duration = Duration::from_micros(120);
/// How long a send without room waits before it is tried again.
const SEND_RETRY: Duration = Duration::from_micros(50);
/// Passes between two looks for new connections: they may wait a few milliseconds, the feed may not.
const PASSES_PER_ACCEPT: u64 = 16;
/// Send buffer asked for, in bytes: a burst of the opening must fit.
const SEND_BUFFER: usize = 4 << 20;
/// Most re-requests answered in one pass, so that one asker cannot hold up the feed.
const REQUESTS_MAX: usize = 64;
/// Bytes of one read from a client.
const RECEIVE_BYTES: usize = 16_384;

/// Why the shell stopped. The cause is not in the text: who prints the chain would print it twice.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    /// A socket could not be set up.
    #[error("{what}")]
    Setup {
        /// What was tried.
        what: String,
        /// The cause.
        source: io::Error,
    },
    /// The feed could not be sent.
    #[error("cannot send the feed to {group}")]
    Send {
        /// The multicast group.
        group: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// The file changed after it was scanned.
    #[error(transparent)]
    File(#[from] ItchFileError),
}

/// Where to listen and send.
#[derive(Debug, Clone, Copy)]
pub struct Endpoints {
    /// Multicast group of the feed.
    pub group: SocketAddrV4,
    /// Interface that the feed is sent on, and that the servers listen on.
    pub interface: Ipv4Addr,
    /// TCP port of order entry; 0 for any.
    pub order_port: u16,
    /// UDP port of the re-request server; 0 for any.
    pub request_port: u16,
}

struct Client {
    stream: TcpStream,
    /// Bytes not yet written.
    pending: Vec<u8>,
    /// Set when the venue wants it closed: it is, once `pending` is written.
    is_closing: bool,
}

/// Sockets around a venue.
pub struct Shell {
    /// The machine.
    pub venue: Venue,
    out: VenueOut,
    replay: Option<Replay>,
    store: MoldStore,
    packetiser: Packetiser,
    faults: Faults,
    bare: BareCounts,
    feed: UdpSocket,
    requests: UdpSocket,
    listener: TcpListener,
    addresses: Addresses,
    clients: BTreeMap<ConnectionId, Client>,
    next_id: ConnectionId,
    passes: u64,
    /// For what is received: zeros on every pass would push everybody else's memory out of the core's cache.
    buffer: Box<[u8]>,
}

fn setup<T>(what: impl std::fmt::Display, result: io::Result<T>) -> Result<T, ShellError> {
    result.map_err(|source| ShellError::Setup { what: what.to_string(), source })
}

/// A multicast sender bound to an explicit interface (without it the kernel may have no route for the group), and the
/// send buffer that it was given.
fn feed_socket(endpoints: &Endpoints) -> io::Result<(UdpSocket, usize)> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_multicast_if_v4(&endpoints.interface)?;
    socket.set_multicast_loop_v4(true)?;
    // One hop: the feed never leaves the local network.
    socket.set_multicast_ttl_v4(1)?;
    // As much as the host allows, which the first line tells; a smaller buffer only means more retries.
    let _ = socket.set_send_buffer_size(SEND_BUFFER);
    let send_buffer_bytes = socket.send_buffer_size()?;
    socket.bind(&SocketAddr::from((endpoints.interface, 0)).into())?;
    socket.set_nonblocking(true)?;
    Ok((socket.into(), send_buffer_bytes))
}

impl Shell {
    /// Opens the sockets of a venue; nothing is sent before the market opens but heartbeats.
    ///
    /// # Errors
    /// What the operating system refused.
    pub fn new(
        venue: Venue,
        store: MoldStore,
        faults: Faults,
        replay: Option<Replay>,
        endpoints: &Endpoints,
    ) -> Result<Self, ShellError> {
        let interface = endpoints.interface;
        let (feed, send_buffer_bytes) = setup(format!("multicast on {interface}"), feed_socket(endpoints))?;
        let request_at = SocketAddr::from((interface, endpoints.request_port));
        let requests = setup(format!("re-request server on {request_at}"), UdpSocket::bind(request_at))?;
        let order_at = SocketAddr::from((interface, endpoints.order_port));
        let listener = setup(format!("order entry on {order_at}"), TcpListener::bind(order_at))?;
        setup("re-request server", requests.set_nonblocking(true))?;
        setup("order entry", listener.set_nonblocking(true))?;
        let addresses = Addresses {
            group: endpoints.group.into(),
            request: setup("re-request server", requests.local_addr())?,
            order: setup("order entry", listener.local_addr())?,
            send_buffer_bytes,
        };
        Ok(Self {
            venue,
            out: VenueOut::default(),
            replay,
            store,
            packetiser: Packetiser::new(),
            faults,
            bare: BareCounts::default(),
            feed,
            requests,
            listener,
            addresses,
            clients: BTreeMap::new(),
            next_id: 1,
            passes: 0,
            buffer: vec![0; RECEIVE_BYTES].into(),
        })
    }

    /// Where the venue can be reached.
    #[must_use]
    pub const fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The faults so far.
    #[must_use]
    pub const fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Datagrams beside the data so far.
    #[must_use]
    pub const fn bare_counts(&self) -> BareCounts {
        self.bare
    }

    /// The file being played.
    #[must_use]
    pub const fn replay(&self) -> Option<&Replay> {
        self.replay.as_ref()
    }

    /// Opens or ends the market.
    pub fn command(&mut self, now_ns: u64, input: Input<'_>) {
        self.venue.step(now_ns, input, &mut self.out);
    }

    /// One pass over everything; returns how much was done, 0 when the loop may nap.
    ///
    /// # Errors
    /// The feed cannot be sent, or the file changed.
    pub fn duty_cycle(&mut self, now_ns: u64) -> Result<usize, ShellError> {
        self.passes += 1;
        let mut work = self.receive(now_ns);
        if self.passes.is_multiple_of(PASSES_PER_ACCEPT) {
            work += self.accept(now_ns);
        }
        if let (Some(replay), Phase::Open { since_ns }) = (&mut self.replay, self.venue.phase()) {
            let elapsed_ns = now_ns.saturating_sub(since_ns);
            work += replay.play(now_ns, elapsed_ns, &mut self.venue, &mut self.out)? as usize;
        }
        self.venue.step(now_ns, Input::Timer, &mut self.out);
        work += self.out.itch.len();
        for message in self.out.itch.drain(..) {
            self.store.push(&message);
        }
        work += self.write();
        work += self.answer()?;
        // Last, so that the core is free for a receiver at once.
        work += self.send_feed(now_ns)?;
        Ok(work)
    }

    fn accept(&mut self, now_ns: u64) -> usize {
        let mut count = 0;
        // Any error but "none waiting" concerns one connection that is gone already.
        while let Ok((stream, _)) = self.listener.accept() {
            let is_ready = stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true)).is_ok();
            if is_ready {
                let id = self.next_id;
                self.next_id += 1;
                self.clients.insert(id, Client { stream, pending: Vec::new(), is_closing: false });
                self.venue.step(now_ns, Input::Connected(id), &mut self.out);
            }
            count += 1;
        }
        count
    }

    fn receive(&mut self, now_ns: u64) -> usize {
        let buffer = &mut self.buffer;
        let mut count = 0;
        let mut gone = Vec::new();
        for (&id, client) in &mut self.clients {
            match client.stream.read(&mut buffer[..]) {
                Ok(0) => gone.push(id),
                Ok(length) => {
                    count += 1;
                    self.venue.step(now_ns, Input::Received(id, &buffer[..length]), &mut self.out);
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(_) => gone.push(id),
            }
        }
        for id in gone {
            self.drop_client(now_ns, id);
            count += 1;
        }
        count
    }

    fn drop_client(&mut self, now_ns: u64, id: ConnectionId) {
        self.clients.remove(&id);
        self.venue.step(now_ns, Input::Disconnected(id), &mut self.out);
    }

    /// Hands the venue's bytes to the connections, as much as they take.
    fn write(&mut self) -> usize {
        let count = self.out.ouch.len() + self.out.close.len();
        for (id, bytes) in self.out.ouch.drain(..) {
            if let Some(client) = self.clients.get_mut(&id) {
                client.pending.extend_from_slice(&bytes);
            }
        }
        for id in self.out.close.drain(..) {
            if let Some(client) = self.clients.get_mut(&id) {
                client.is_closing = true;
            }
        }
        self.clients.retain(|_, client| {
            while !client.pending.is_empty() {
                match client.stream.write(&client.pending) {
                    Ok(length) => drop(client.pending.drain(..length)),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                    // The read side will see the loss; a client that the venue closed has no read side any more.
                    Err(_) => client.pending.clear(),
                }
            }
            !client.is_closing
        });
        count
    }

    fn send_feed(&mut self, now_ns: u64) -> Result<usize, ShellError> {
        let mut buffer = [0; DATAGRAM_MAX];
        let mut count = 0;
        let (feed, group) = (&self.feed, self.addresses.group);
        let mut failure = None;
        while let Some(datagram) = self.packetiser.next(now_ns, &self.store, false, &mut buffer) {
            self.faults.pass(datagram, &mut |bytes| {
                if let Err(error) = send(feed, bytes, group) {
                    failure.get_or_insert(error);
                }
            });
            count += 1;
        }
        let is_ended = self.venue.phase() == Phase::Ended;
        if let Some(bare) = self.packetiser.bare(now_ns, &self.store, is_ended) {
            let counter = if is_ended { &mut self.bare.ends } else { &mut self.bare.heartbeats };
            *counter += 1;
            if let Err(error) = send(feed, &bare, group) {
                failure.get_or_insert(error);
            }
        }
        match failure {
            Some(source) => Err(ShellError::Send { group, source }),
            None => Ok(count),
        }
    }

    fn answer(&mut self) -> Result<usize, ShellError> {
        let (mut request, mut buffer) = ([0; 64], [0; DATAGRAM_MAX]);
        for count in 0..REQUESTS_MAX {
            let (length, from) = match self.requests.recv_from(&mut request) {
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(count),
                // A reply to an asker that is gone comes back as an error here; it concerns nobody else.
                Err(_) => continue,
            };
            self.bare.requests += 1;
            if let Some(reply) = self.store.answer(&request[..length], &mut buffer) {
                // An asker that cannot be reached asks again, or is gone.
                if send(&self.requests, reply, from).is_ok() {
                    self.bare.replies += 1;
                }
            }
        }
        Ok(REQUESTS_MAX)
    }
}

/// Sends one datagram; waits while the kernel has no room.
fn send(socket: &UdpSocket, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
    /// Linux's ENOBUFS: the device queue is full, which passes like a full buffer.
    const ENOBUFS: i32 = 105;
    loop {
        match socket.send_to(bytes, to) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock || error.raw_os_error() == Some(ENOBUFS) => {
                std::thread::sleep(SEND_RETRY);
            }
            Err(error) => return Err(error),
        }
    }
}
