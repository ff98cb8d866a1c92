//! The feed handler's replay: datagrams out of its wire ring, `market_data` and requests compared.

use crate::capture::Capture;
use crate::outputs::Published;
use crate::process::{Subject, polled, ring_of, unexpected};
use crate::report::Stop;
use feed_handler::{Config, Datagram, FeedHandler, Input, Line, Output};
use protocols::Alpha;
use protocols::itch::Stock;
use protocols::moldudp64::{HEADER_LENGTH, Request};
use runtime::config::HostFile;
use shm_layout::message::WORDS_128;
use shm_layout::message::step::{Step, StepKind};
use shm_layout::message::wire::{WIRE_FIRST, WIRE_LAST, WireChunk, WireKind};
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::{InstrumentId, Role};

/// A feed handler.
#[derive(Debug)]
pub struct FeedSubject {
    index: u8,
    config: Config,
    instruments: Vec<(Stock, InstrumentId)>,
}

impl FeedSubject {
    /// The feed handler of a row of `[[venues]]`.
    ///
    /// # Errors
    /// A table of the host file that it cannot work with.
    pub fn new(host: &HostFile, index: u8) -> anyhow::Result<Self> {
        let config = if host.has_table("feed-handler") { host.table("feed-handler")? } else { Config::default() };
        let rows = host.instruments().rows().iter();
        let instruments = rows.filter_map(|row| Some((Stock::padded(row.symbol.as_bytes())?, row.id))).collect();
        Ok(Self { index, config, instruments })
    }

    const fn ring(&self, kind: RingKind) -> RingId {
        RingId { kind, writer: Role::FeedHandler, index: self.index, gateway: 0 }
    }
}

impl Subject for FeedSubject {
    type Machine = FeedHandler;

    fn identity(&self) -> (Role, u8) {
        (Role::FeedHandler, self.index)
    }

    fn start(&self, _step: &Step, _life: u64) -> Result<FeedHandler, Stop> {
        // Every life starts from nothing.
        FeedHandler::new(&self.config, &self.instruments).map_err(|error| Stop::Unreadable(error.to_string()))
    }

    fn inputs(&self, capture: &Capture, step: &Step) -> Result<Vec<Input>, Stop> {
        let ring = ring_of(step)?;
        if step.kind() != StepKind::Poll || ring != self.ring(RingKind::Wire) {
            return Err(unexpected(step));
        }
        let (mut inputs, mut bytes) = (Vec::new(), Vec::new());
        for (sequence, words) in polled::<WORDS_128>(capture, ring, step)? {
            let bad = |what: &str| Stop::Unreadable(format!("{} sequence {sequence}: {what}", ring.name()));
            let chunk = WireChunk::decode(words).map_err(|error| bad(&error.to_string()))?;
            if chunk.kind != WireKind::DatagramReceived as u8 || (chunk.flags & WIRE_FIRST != 0) != bytes.is_empty() {
                return Err(bad("not the next chunk of a datagram received"));
            }
            bytes.extend_from_slice(chunk.bytes());
            if chunk.flags & WIRE_LAST != 0 {
                let line = Line::ALL.get(chunk.line as usize).copied().ok_or_else(|| bad("an unknown line"))?;
                inputs.push(Input::Datagram(Datagram::new(line, chunk.receive_ns, &bytes)));
                bytes.clear();
            }
        }
        Ok(inputs)
    }

    fn publish(&self, step: &Step, output: &Output) -> Vec<Published> {
        match output {
            Output::MarketData(message) => {
                vec![Published { ring: self.ring(RingKind::MarketData), words: message.encode().to_vec() }]
            }
            Output::Request { session, sequence, count } => {
                let request = Request { session: Alpha(*session), sequence: *sequence, count: *count };
                let mut bytes = [0; HEADER_LENGTH];
                request.encode_into(&mut bytes).expect("20 bytes hold a request");
                let line = Line::Reply.index() as u32;
                let chunks = WireChunk::split(WireKind::DatagramSent, line, step.now_ns, step.now_ns, &bytes);
                let ring = self.ring(RingKind::Wire);
                chunks.map(|chunk| Published { ring, words: chunk.encode().to_vec() }).collect()
            }
            // A page, not a ring: it holds the present only.
            Output::Image(_) | Output::Channel { .. } => Vec::new(),
        }
    }

    fn writes(&self) -> Vec<RingId> {
        vec![self.ring(RingKind::MarketData), self.ring(RingKind::Wire)]
    }
}
