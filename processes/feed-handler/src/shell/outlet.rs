//! Where the machine's outputs go: image and request socket at once, `market_data` at the end of the step.
//!
//! Messages of a step become readable together, and after the images that they tell of. It never drops one: while a
//! gating reader leaves no room they stay here, and the shell gives the machine nothing new.

use crate::datagram::Line;
use crate::machine::{FeedHandler, Output};
use machine::Machine;
use protocols::moldudp64::{HEADER_LENGTH, Request};
use runtime::process::WireTap;
use runtime::socket::UdpRequester;
use shm_layout::image::ImageWriter;
use shm_layout::message::WORDS_64;
use shm_layout::message::wire::WireKind;
use shm_layout::ring::RingWriter;
use shm_layout::types::Nanos;
use std::io;

/// Messages of one claim: no ring has fewer slots.
const CLAIM: usize = 64;

/// Ring, image, request socket and wire tap.
#[derive(Debug)]
pub struct Outlet {
    market_data: RingWriter<WORDS_64>,
    image: ImageWriter,
    /// Also receives the answers.
    pub requester: UdpRequester,
    /// The tap of what was received and sent.
    pub wire: WireTap,
    /// Messages of the step that are not published yet.
    pending: Vec<[u64; WORDS_64]>,
    /// Of them, those that are.
    published: usize,
    requests_refused: u64,
    /// When the last request left.
    requested: Nanos,
    failure: Option<io::Error>,
}

impl Outlet {
    /// Takes all memory that a step's outputs can need.
    pub fn new(market_data: RingWriter<WORDS_64>, image: ImageWriter, requester: UdpRequester, wire: WireTap) -> Self {
        let pending = Vec::with_capacity(FeedHandler::OUTPUTS_MAX);
        Self {
            market_data,
            image,
            requester,
            wire,
            pending,
            published: 0,
            requests_refused: 0,
            requested: Nanos(0),
            failure: None,
        }
    }

    /// Messages wait for room in the ring.
    pub const fn is_behind(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Takes one output of the step at `now`.
    pub fn take(&mut self, now: Nanos, output: &Output) {
        match output {
            Output::MarketData(message) => self.pending.push(message.encode()),
            Output::Image(entry) => self.image.write(entry),
            Output::Channel { state, channel_sequence, receive_ns } => {
                self.image.write_channel(*state, *channel_sequence, *receive_ns);
            }
            Output::Request { session, sequence, count } => {
                let request = Request { session: protocols::Alpha(*session), sequence: *sequence, count: *count };
                self.send(now, &request);
            }
        }
    }

    fn send(&mut self, now: Nanos, request: &Request) {
        let mut bytes = [0; HEADER_LENGTH];
        request.encode_into(&mut bytes).expect("20 bytes hold a request");
        match self.requester.send(&bytes) {
            Ok(sent) => self.requests_refused += u64::from(!sent),
            Err(error) => self.failure = Some(error),
        }
        self.requested = now;
        self.wire.record(WireKind::DatagramSent, Line::Reply.index() as u32, now, now, &bytes);
    }

    /// Publishes what the ring has room for; returns how many messages.
    pub fn publish(&mut self) -> usize {
        let before = self.published;
        while self.published < self.pending.len() {
            let rest = &self.pending[self.published..];
            let count = rest.len().min(CLAIM);
            let Ok(mut claim) = self.market_data.claim(count) else { return self.published - before };
            for (index, words) in rest[..count].iter().enumerate() {
                claim.write(index, words);
            }
            claim.publish();
            self.published += count;
        }
        let count = self.published - before;
        self.pending.clear();
        self.published = 0;
        count
    }

    /// A request left in the last `patience_ns` nanoseconds: its answer may be there at any moment.
    pub const fn awaits_reply(&self, now: Nanos, patience_ns: u64) -> bool {
        now.0.saturating_sub(self.requested.0) <= patience_ns
    }

    /// Requests that the kernel would not take; the machine's timer asks again.
    pub const fn requests_refused(&self) -> u64 {
        self.requests_refused
    }

    /// What the request socket ended with.
    pub const fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }
}
