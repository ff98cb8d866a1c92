//! A TCP proxy between gateway and venue that forwards a few bytes at a time, and stops in the middle of a frame if asked.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

/// The proxy; moved on by [`Self::poll`].
pub struct Proxy {
    listener: TcpListener,
    /// Where it connects to.
    pub venue: Option<SocketAddr>,
    /// Towards the gateway and towards the venue.
    streams: Option<[TcpStream; 2]>,
    waiting: [VecDeque<u8>; 2],
    /// Most bytes forwarded each way per poll.
    pub piece: usize,
    /// Bytes forwarded to the venue so far.
    pub forwarded: usize,
    /// Bytes to the venue after which both connections end.
    pub cut_at: Option<usize>,
}

impl Proxy {
    pub fn listen(piece: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let (streams, waiting) = (None, [VecDeque::new(), VecDeque::new()]);
        Self { listener, venue: None, streams, waiting, piece, forwarded: 0, cut_at: None }
    }

    /// Puts itself in the place of the venue that a host file names.
    pub fn between(&mut self, text: &str) -> String {
        let (_, rest) = text.split_once("order_entry_address = \"").unwrap();
        let address = rest.split('"').next().unwrap();
        self.venue = Some(address.parse().unwrap());
        text.replacen(address, &self.listener.local_addr().unwrap().to_string(), 1)
    }

    /// True while it forwards.
    pub fn connected(&self) -> bool {
        self.streams.is_some()
    }

    /// Accepts, takes what came, and forwards a piece each way.
    pub fn poll(&mut self) {
        if let Ok((gateway, _)) = self.listener.accept() {
            let streams = [gateway, TcpStream::connect(self.venue.unwrap()).unwrap()];
            for stream in &streams {
                stream.set_nonblocking(true).unwrap();
                stream.set_nodelay(true).unwrap();
            }
            (self.streams, self.waiting) = (Some(streams), Default::default());
        }
        let Some(streams) = &mut self.streams else { return };
        let mut bytes = [0; 4096];
        let mut ended = false;
        for from in [0, 1] {
            match streams[from].read(&mut bytes) {
                Ok(0) => ended = true,
                Ok(length) => self.waiting[1 - from].extend(&bytes[..length]),
                Err(_) => {}
            }
        }
        for to in [0, 1] {
            let most = if to == 1 { self.cut_at.map_or(self.piece, |end| end - self.forwarded) } else { self.piece };
            let count = self.piece.min(most).min(self.waiting[to].len());
            let piece: Vec<u8> = self.waiting[to].drain(..count).collect();
            streams[to].write_all(&piece).unwrap_or_default();
            self.forwarded += if to == 1 { count } else { 0 };
        }
        if ended || self.cut_at == Some(self.forwarded) {
            (self.streams, self.cut_at) = (None, None);
        }
    }
}
