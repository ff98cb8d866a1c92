//! The feed handler of the simulation: its machine, the market image and the `market_data` ring.

use crate::bus::ProcessId;
use crate::env::{Env, Life};
use crate::net::Event;
use exchange_sim::instrument::Instrument;
use feed_handler::{Config, Datagram, FeedHandler, Input, Line, Output};
use machine::Stepper;
use protocols::Alpha;
use protocols::moldudp64::Request;
use shm_layout::image::ImageWriter;
use shm_layout::message::WORDS_64;
use shm_layout::ring::RingWriter;
use shm_layout::types::{InstrumentId, Nanos};
use std::collections::VecDeque;
use zerocopy::IntoBytes;

const ME: ProcessId = ProcessId::Feed;
/// Datagrams taken in one pass.
const BATCH: usize = 8;

/// The feed handler's process.
#[derive(Debug)]
pub struct Feed {
    stepper: Stepper<FeedHandler>,
    market_data: RingWriter<WORDS_64>,
    image: ImageWriter,
    /// The kernel's socket buffer.
    received: VecDeque<(Line, Nanos, Vec<u8>)>,
    outputs: Vec<Output>,
}

impl Feed {
    /// A new life, which starts from nothing.
    ///
    /// # Panics
    /// Never: the configuration is the default one, made smaller.
    #[must_use]
    pub fn start(env: &Env, instruments: &[Instrument]) -> Self {
        let config = Config { hold_datagrams: 64, order_capacity: 4096, level_capacity: 4096, ..Config::default() };
        let table: Vec<_> =
            instruments.iter().enumerate().map(|(id, i)| (Alpha(i.symbol), InstrumentId(id as u32))).collect();
        let machine = FeedHandler::new(&config, &table).expect("a valid configuration");
        Self {
            stepper: Stepper::new(machine, env.now),
            market_data: env.bus.market_data.writer(),
            image: env.bus.image_writer(),
            received: VecDeque::new(),
            outputs: Vec::new(),
        }
    }

    /// The machine, to read it.
    #[must_use]
    pub const fn machine(&self) -> &FeedHandler {
        &self.stepper.machine
    }

    /// The kernel receives a datagram.
    pub fn receive(&mut self, now: Nanos, line: Line, bytes: Vec<u8>) {
        self.received.push_back((line, now, bytes));
    }

    /// One pass of its duty cycle.
    pub fn poll(&mut self, env: &mut Env) -> Life {
        if self.timers(env) == Life::Dead {
            return Life::Dead;
        }
        for _ in 0..BATCH {
            let Some((line, receive_ns, bytes)) = self.received.pop_front() else { break };
            let input = Input::Datagram(Datagram::new(line, receive_ns, &bytes));
            let Self { stepper, outputs, .. } = self;
            stepper.input(env.now, &input, &mut |output| outputs.push(output));
            if self.act(env) == Life::Dead || self.timers(env) == Life::Dead {
                return Life::Dead;
            }
        }
        Life::Alive
    }

    fn timers(&mut self, env: &mut Env) -> Life {
        loop {
            let Self { stepper, outputs, .. } = self;
            if stepper.timer(env.now, &mut |output| outputs.push(output)).is_none() {
                return Life::Alive;
            }
            if self.act(env) == Life::Dead {
                return Life::Dead;
            }
        }
    }

    fn act(&mut self, env: &mut Env) -> Life {
        for output in self.outputs.drain(..) {
            if !env.survives(ME) {
                return Life::Dead;
            }
            match &output {
                Output::MarketData(message) => {
                    env.trace.bytes(env.now, "feed", message.encode().as_bytes());
                    self.market_data.push(&message.encode()).expect("nobody gates market_data");
                }
                Output::Image(entry) => {
                    env.trace.bytes(env.now, "image", entry.as_bytes());
                    self.image.write(entry);
                }
                Output::Channel { state, channel_sequence, receive_ns } => {
                    self.image.write_channel(*state, *channel_sequence, *receive_ns);
                }
                Output::Request { session, sequence, count } => {
                    env.trace.output(env.now, "feed", &output);
                    let mut bytes = [0; 64];
                    let request = Request { session: Alpha(*session), sequence: *sequence, count: *count };
                    let length = request.encode_into(&mut bytes).expect("room for a request");
                    env.net.datagram(env.now, &mut env.agenda, &bytes[..length], Event::Request);
                }
            }
        }
        Life::Alive
    }
}
