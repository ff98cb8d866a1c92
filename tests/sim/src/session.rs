//! The execution gateway of the simulation: its machine, the journal's tail, `execution`, and its end of the stream.

use crate::bus::ProcessId;
use crate::env::{Env, Life};
use crate::exchange::{PASSWORD, USERNAME};
use crate::net::Connection;
use crate::scenario::MS;
use crate::taps::ControlTap;
use exchange_sim::instrument::Instrument;
use execution_gateway::config::{Capital, Durability, Settings};
use execution_gateway::{Gateway, Input, Output, Received, SendTag, Sending};
use journal::{TailState, TailWriter};
use machine::Stepper;
use protocols::Alpha;
use protocols::soupbintcp::{Password, Timing};
use shm_layout::message::WORDS_128;
use shm_layout::message::order::OrderRequest;
use shm_layout::ring::{RingReader, RingWriter};
use shm_layout::types::{Nanos, Notional, RejectReason, Role};
use std::collections::VecDeque;

const ME: ProcessId = ProcessId::Gateway;
/// Requests taken in one pass.
const BATCH: usize = 8;
/// Age of risk's heartbeat at which its lease is lost.
const RISK_LEASE_NS: u64 = 5 * MS;
/// Age of a strategy's heartbeat at which its lease is lost.
const STRATEGY_LEASE_NS: u64 = 15 * MS;
/// Tail that a pass may need: without it nothing new is looked at.
const PASS_BYTES: u64 = 64 * 1024;

/// What the kernel has for the gateway.
#[derive(Debug)]
enum Arrived {
    Connected(Connection),
    Bytes(Connection, Nanos, Vec<u8>),
    Closed(Connection),
}

/// The gateway's process.
#[derive(Debug)]
pub struct Session {
    stepper: Stepper<Gateway>,
    control: ControlTap,
    entries: RingReader<WORDS_128>,
    execution: RingWriter<WORDS_128>,
    journal: TailWriter,
    connection: Option<Connection>,
    arrived: VecDeque<Arrived>,
    kill_generation: u64,
    /// Risk, then the strategies.
    leases: Vec<bool>,
    journal_available: bool,
    durable_sequence: u64,
    outputs: Vec<Output>,
    /// Answers to what was handed to the socket: given once the step is over.
    answers: VecDeque<Input>,
    dead: bool,
}

impl Session {
    /// The one life of a gateway.
    #[must_use]
    pub fn start(env: &Env, instruments: &[Instrument], strategies: u8, durable: bool) -> Self {
        let settings = settings(instruments, strategies, durable);
        Self {
            stepper: Stepper::new(Gateway::new(settings, 0), env.now),
            control: ControlTap::attach(&env.bus.control),
            entries: env.bus.order_entry.gating_reader(None),
            execution: env.bus.execution.writer(),
            journal: env.archive.writer(),
            connection: None,
            arrived: VecDeque::new(),
            kill_generation: 0,
            leases: vec![false; 1 + usize::from(strategies)],
            journal_available: true,
            durable_sequence: 0,
            outputs: Vec::new(),
            answers: VecDeque::new(),
            dead: false,
        }
    }

    /// The machine, to read it.
    #[must_use]
    pub const fn machine(&self) -> &Gateway {
        &self.stepper.machine
    }

    /// Its connection, standing or on its way.
    #[must_use]
    pub const fn connection(&self) -> Option<Connection> {
        self.connection
    }

    /// The kernel learns that a connection stands.
    pub fn connected(&mut self, connection: Connection) {
        self.arrived.push_back(Arrived::Connected(connection));
    }

    /// The kernel receives bytes.
    pub fn receive(&mut self, now: Nanos, connection: Connection, bytes: Vec<u8>) {
        self.arrived.push_back(Arrived::Bytes(connection, now, bytes));
    }

    /// The kernel sees a connection's end.
    pub fn closed(&mut self, connection: Connection) {
        self.arrived.push_back(Arrived::Closed(connection));
    }

    /// One pass of its duty cycle.
    pub fn poll(&mut self, env: &mut Env) -> Life {
        self.pass(env);
        if self.dead { Life::Dead } else { Life::Alive }
    }

    fn pass(&mut self, env: &mut Env) {
        if self.journal.free_bytes() < PASS_BYTES {
            return;
        }
        self.timers(env);
        while let Some(control) = self.control.poll().expect("nobody laps the control ring") {
            self.input(env, &Input::Control(control));
        }
        if self.kill_generation != env.bus.kill_generation {
            self.kill_generation = env.bus.kill_generation;
            self.input(env, &Input::Kill { generation: self.kill_generation });
        }
        self.look_at_leases(env);
        self.look_at_journal(env);
        self.poll_entries(env);
        self.poll_socket(env);
        self.timers(env);
    }

    fn timers(&mut self, env: &mut Env) {
        while !self.dead {
            let Self { stepper, outputs, .. } = self;
            if stepper.timer(env.now, &mut |output| outputs.push(output)).is_none() {
                return;
            }
            self.act(env);
        }
    }

    fn look_at_leases(&mut self, env: &mut Env) {
        for place in 0..self.leases.len() {
            let held = is_held(env, place);
            if self.leases[place] != held {
                self.leases[place] = held;
                let (role, index) = if place == 0 { (Role::Risk, 0) } else { (Role::Strategy, place as u8 - 1) };
                self.input(env, &Input::Lease { role, index, held });
            }
        }
    }

    fn look_at_journal(&mut self, env: &mut Env) {
        let available = self.journal.state() == TailState::Flowing && self.journal.ready().is_ok();
        if available != self.journal_available {
            self.journal_available = available;
            self.input(env, &Input::Journal { available });
        }
        let durable = self.journal.durable_sequence();
        if durable > self.durable_sequence {
            self.durable_sequence = durable;
            self.input(env, &Input::Durable { journal_sequence: durable });
        }
    }

    fn poll_entries(&mut self, env: &mut Env) {
        let mut words = [[0; WORDS_128]; BATCH];
        // A lap of a writer that nobody gates does not happen here: this reader gates.
        let count = self.entries.read_batch(&mut words).expect("a gating reader is not lapped");
        let first = self.entries.next_sequence() - count as u64;
        for (index, words) in words[..count].iter().enumerate() {
            let request = OrderRequest::decode(words);
            self.input(env, &Input::Entry { sequence: first + index as u64, request });
        }
        if !self.dead {
            self.entries.commit();
        }
    }

    fn poll_socket(&mut self, env: &mut Env) {
        while let Some(arrived) = self.arrived.pop_front().filter(|_| !self.dead) {
            match arrived {
                Arrived::Connected(connection) if self.connection == Some(connection) => {
                    env.trace.bytes(env.now, "connected", &connection.to_le_bytes());
                    self.input(env, &Input::Connected);
                }
                Arrived::Closed(connection) if self.connection == Some(connection) => {
                    env.trace.bytes(env.now, "closed", &connection.to_le_bytes());
                    self.connection = None;
                    self.input(env, &Input::Disconnected);
                }
                Arrived::Bytes(connection, receive_ns, bytes) if self.connection == Some(connection) => {
                    let mut received = Received { receive_ns, length: bytes.len(), ..Received::default() };
                    received.bytes[..bytes.len()].copy_from_slice(&bytes);
                    self.input(env, &Input::Received(received));
                }
                // Of a connection that was given up.
                Arrived::Connected(_) | Arrived::Closed(_) | Arrived::Bytes(..) => {}
            }
        }
    }

    /// Gives an input, acts on what comes out, and gives the answers to that.
    fn input(&mut self, env: &mut Env, input: &Input) {
        if self.dead {
            return;
        }
        let Self { stepper, outputs, .. } = self;
        stepper.input(env.now, input, &mut |output| outputs.push(output));
        self.act(env);
        while let Some(answer) = self.answers.pop_front().filter(|_| !self.dead) {
            let Self { stepper, outputs, .. } = self;
            stepper.input(env.now, &answer, &mut |output| outputs.push(output));
            self.act(env);
        }
    }

    /// Executes the outputs strictly in order.
    fn act(&mut self, env: &mut Env) {
        for output in std::mem::take(&mut self.outputs) {
            if !env.survives(ME) {
                self.dead = true;
                return;
            }
            env.trace.output(env.now, "gateway", &output);
            match output {
                Output::Journal { sequence, record } => {
                    let Ok(appended) = self.journal.append(&record) else {
                        // The tail is full of what its flusher cannot write: it ends, and the venue cancels.
                        self.dead = true;
                        return;
                    };
                    assert_eq!(appended, sequence, "the machine counts as the journal does");
                    env.checker.journaled(&record);
                }
                Output::Publish(execution) => {
                    self.execution.push(&execution.encode()).expect("nobody gates execution");
                }
                Output::Send(sending) => self.send(env, &sending),
                Output::Connect => self.connection = Some(env.net.connect(env.now, &mut env.agenda)),
                Output::Disconnect => {
                    if let Some(connection) = self.connection.take() {
                        env.net.close(env.now, &mut env.agenda, connection);
                    }
                }
                Output::KillEcho { generation, .. } => assert_eq!(generation, self.kill_generation, "what it was told"),
                Output::FenceEcho { role, index, epoch, .. } => {
                    env.bus.fences.insert((role, index, epoch));
                }
                Output::Finished => unreachable!("nobody stops it"),
            }
        }
    }

    /// The last look, then the bytes.
    fn send(&mut self, env: &mut Env, sending: &Sending) {
        if let SendTag::Opening { user_ref_num, strategy } = sending.tag
            && let Some(reason) = self.refused(env, strategy)
        {
            self.answers.push_back(Input::NotSent { user_ref_num, reason });
            return;
        }
        let bytes = &sending.bytes[..sending.length];
        env.checker.sent(env.now, bytes);
        if let Some(connection) = self.connection {
            env.net.to_venue(env.now, &mut env.agenda, connection, bytes);
        }
        let send_ns = env.now;
        self.answers.push_back(match sending.tag {
            SendTag::Session => return,
            SendTag::Opening { user_ref_num, .. } => Input::Sent { user_ref_num, send_ns, write_ns: 1 },
            SendTag::Closing { user_ref_num } => Input::CancelSent { user_ref_num, send_ns },
        });
    }

    fn refused(&self, env: &Env, strategy: u16) -> Option<RejectReason> {
        if env.bus.kill_generation != self.kill_generation {
            Some(RejectReason::GatewayKilled)
        } else if !is_held(env, 0) {
            Some(RejectReason::RiskLease)
        } else if !is_held(env, 1 + usize::from(strategy)) {
            Some(RejectReason::StrategyLease)
        } else {
            None
        }
    }
}

/// Whether the lease of risk (0) or of a strategy (1 + index) is held, by its heartbeat.
fn is_held(env: &Env, place: usize) -> bool {
    let (process, lease_ns) = match place {
        0 => (ProcessId::Risk, RISK_LEASE_NS),
        place => (ProcessId::Strategy(place as u8 - 1), STRATEGY_LEASE_NS),
    };
    env.now.0 - env.bus.heartbeat[process.row()].0 <= lease_ns
}

fn settings(instruments: &[Instrument], strategies: u8, durable: bool) -> Settings {
    let alpha = "fits its field";
    Settings {
        gateway: 0,
        username: Alpha::padded(USERNAME).expect(alpha),
        password: Password(Alpha::padded(PASSWORD).expect(alpha)),
        firm: Alpha::padded(b"TICK").expect(alpha),
        symbols: instruments.iter().map(|instrument| Alpha(instrument.symbol)).collect(),
        strategies: usize::from(strategies),
        durability: if durable { Durability::L2 } else { Durability::L0 },
        capital: Capital { orders_max: Some(100_000), notional_max: Some(Notional(i128::MAX)) },
        orders_max: 256,
        checkpoint_ns: 10 * MS,
        reconnect_ns: 3 * MS,
        timing: Timing::default(),
    }
}
