//! The whole system on one thread, in virtual time, from a seed: every event is one process's pass, one arrival, or one
//! fault, and the invariants are looked at after each.

use crate::archive::Archive;
use crate::bus::{Bus, ProcessId};
use crate::checker::{Checker, Counts};
use crate::desk::Desk;
use crate::dice::Dice;
use crate::env::{Env, Fuse, Life};
use crate::exchange::Exchange;
use crate::feed::Feed;
use crate::net::{Agenda, Event, Net, Weather};
use crate::scenario::{Fault, MS, Scenario};
use crate::session::Session;
use crate::settings;
use crate::supervisor::{Phase, Supervisor};
use crate::trace::Trace;
use crate::trader::Trader;
use risk::machine::{RingStart, Risk};
use shm_layout::types::Nanos;
use strategy::machine::StrategyMachine;

/// Half past nine, in nanoseconds since midnight.
pub const START: Nanos = Nanos(34_200_000 * MS);
/// Time that everything has to come to rest after the trading is over.
const SETTLE_NS: u64 = 20_000 * MS;
/// Time after a journaled kill in which the venue's orders must be gone, as long as the network carries.
pub const KILL_NS: u64 = 60 * MS;

/// The simulated system.
#[derive(Debug)]
pub struct World {
    pub(crate) scenario: Scenario,
    pub(crate) env: Env,
    pub(crate) exchange: Exchange,
    pub(crate) feed: Option<Feed>,
    pub(crate) strategies: Vec<Option<Trader>>,
    pub(crate) risk: Option<Desk>,
    pub(crate) gateway: Option<Session>,
    pub(crate) supervisor: Supervisor,
    /// Life number of each process; a poll of an earlier life is void.
    lives: Vec<u32>,
    /// A stopped process acts again then.
    stalled_until: Vec<Nanos>,
    /// When quiescence began.
    pub(crate) quiet_since: Option<Nanos>,
    /// The network has carried everything since.
    pub(crate) connected_since: Nanos,
    kill_seen_at: Option<Nanos>,
}

impl World {
    /// A system that is started, before its market opens.
    #[must_use]
    pub fn new(scenario: Scenario) -> Self {
        let strategies = usize::from(scenario.strategies);
        let mut env = Env {
            now: START,
            bus: Bus::new(scenario.slots, strategies, usize::from(scenario.instruments)),
            archive: Archive::default(),
            net: Net::new(scenario.weather, scenario.seed),
            agenda: Agenda::default(),
            dice: Dice::new(scenario.seed, 3),
            trace: Trace::default(),
            checker: Checker::default(),
            fuse: None,
        };
        let exchange = Exchange::new(scenario.seed, scenario.rate, scenario.instruments);
        let supervisor = Supervisor::new(&mut env, scenario.strategies);
        let mut world = Self {
            env,
            exchange,
            feed: None,
            strategies: (0..strategies).map(|_| None).collect(),
            risk: None,
            gateway: None,
            supervisor,
            lives: vec![0; 3 + strategies],
            stalled_until: vec![Nanos(0); 3 + strategies],
            quiet_since: None,
            connected_since: START,
            kill_seen_at: None,
            scenario,
        };
        world.start_all();
        world
    }

    fn start_all(&mut self) {
        let gateway =
            Session::start(&self.env, self.exchange.instruments(), self.scenario.strategies, self.scenario.durable);
        self.gateway = Some(gateway);
        let risk = settings::risk(self.scenario.strategies, self.exchange.instruments());
        let rings = vec![RingStart::default(); usize::from(self.scenario.strategies)];
        self.risk = Some(Desk::start(&self.env, risk.clone(), Risk::orders_state(&risk), 1, &rings));
        self.feed = Some(Feed::start(&self.env, self.exchange.instruments()));
        for index in 0..self.scenario.strategies {
            let settings = settings::strategy(index, self.exchange.instruments());
            let state = StrategyMachine::orders_state(&settings);
            self.strategies[usize::from(index)] = Some(Trader::start(&self.env, settings, state, 1));
        }
        for row in 0..self.supervisor.children.len() {
            self.plan_poll(self.supervisor.children[row].process);
        }
        self.exchange.open(&mut self.env);
        self.supervisor.arm_all(&mut self.env, true);
        let Self { env, scenario, .. } = self;
        env.agenda.at(START.plus(300_000), Event::Supervise);
        env.agenda.at(START.plus(200_000), Event::Flush);
        for (place, (at, _)) in scenario.faults.iter().enumerate() {
            env.agenda.at(START.plus(*at), Event::Fault(place));
        }
        env.agenda.at(START.plus(scenario.trade_ns), Event::Quiesce);
    }

    /// Runs to rest, and checks what must be equal there.
    ///
    /// # Panics
    /// When an invariant does not hold, or the system does not come to rest.
    pub fn run(&mut self) {
        while let Some((now, event)) = self.env.agenda.pop() {
            self.env.now = now;
            let supervise = event == Event::Supervise;
            self.on_event(event);
            let Some(quiet) = self.quiet_since.filter(|_| supervise) else { continue };
            match self.unsettled() {
                None => return,
                Some(what) => {
                    let over = now.0 - quiet.0 > SETTLE_NS;
                    assert!(!over, "not at rest {SETTLE_NS} ns after the end of trading: {what}");
                }
            }
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Poll(process, life) => self.on_poll(process, life),
            Event::VenueTimer => self.exchange.on_timer(&mut self.env),
            Event::Flush => self.on_flush(),
            Event::Datagram(line, bytes) => {
                if let Some(feed) = &mut self.feed {
                    feed.receive(self.env.now, line, bytes);
                }
            }
            Event::Request(bytes) => self.exchange.on_request(&mut self.env, &bytes),
            Event::Accepted(connection) => self.exchange.on_accepted(&mut self.env, connection),
            Event::ToVenue(connection, bytes) => {
                self.exchange.on_bytes(&mut self.env, connection, &bytes);
                self.env.checker.venue(self.exchange.venue().account());
            }
            Event::VenueClosed(connection) => self.exchange.on_closed(&mut self.env, connection),
            Event::Connected(connection) => {
                if let Some(gateway) = &mut self.gateway {
                    gateway.connected(connection);
                }
            }
            Event::ToGateway(connection, bytes) => {
                let arrives = self.env.net.arrives(self.env.now, connection, false);
                if let Some(gateway) = self.gateway.as_mut().filter(|_| arrives) {
                    gateway.receive(self.env.now, connection, bytes);
                }
            }
            Event::GatewayClosed(connection) => {
                if let Some(gateway) = &mut self.gateway {
                    gateway.closed(connection);
                }
            }
            Event::Supervise => self.on_supervise(),
            Event::Fault(place) => self.on_fault(self.scenario.faults[place].1),
            Event::Quiesce => self.quiesce(),
        }
        self.check();
    }

    /// I3 and the kill's promise, after every event.
    fn check(&mut self) {
        let account = self.exchange.venue().account();
        if let (Some(risk), Some(_)) = (&self.risk, &self.gateway) {
            self.env.checker.risk_covers(self.env.now, account, risk.machine());
        }
        let killed = self.env.checker.is_killed() && self.gateway.is_some();
        self.kill_seen_at = killed.then(|| self.kill_seen_at.unwrap_or(self.env.now));
        let since =
            self.kill_seen_at.map(|at| at.max(self.connected_since).max(self.stalled_until[ProcessId::Gateway.row()]));
        if since.is_some_and(|since| self.env.now.0 > since.0 + KILL_NS) {
            let live = account.live();
            assert!(live.is_empty(), "I8: the venue holds {live:?} {KILL_NS} ns after a kill");
        }
    }

    fn plan_poll(&mut self, process: ProcessId) {
        let longest = if self.quiet_since.is_some() { 400_000 } else { 60_000 };
        let pause = self.env.dice.between(4_000, longest);
        self.env.agenda.at(self.env.now.plus(pause), Event::Poll(process, self.lives[process.row()]));
    }

    fn on_poll(&mut self, process: ProcessId, life: u32) {
        let row = process.row();
        if life != self.lives[row] {
            return;
        }
        if self.env.now < self.stalled_until[row] {
            self.env.agenda.at(self.stalled_until[row], Event::Poll(process, life));
            return;
        }
        self.env.bus.heartbeat[row] = self.env.now;
        let env = &mut self.env;
        let lives = match process {
            ProcessId::Feed => self.feed.as_mut().map(|feed| feed.poll(env)),
            ProcessId::Risk => self.risk.as_mut().map(|risk| risk.poll(env)),
            ProcessId::Gateway => self.gateway.as_mut().map(|gateway| gateway.poll(env)),
            ProcessId::Strategy(index) => self.strategies[usize::from(index)].as_mut().map(|trader| trader.poll(env)),
        };
        match lives {
            Some(Life::Alive) => self.plan_poll(process),
            Some(Life::Dead) => self.drop_process(process),
            None => {}
        }
    }

    /// The flusher is a thread of the gateway: it stops and dies with it.
    fn on_flush(&mut self) {
        if self.gateway.is_some() && self.env.now >= self.stalled_until[ProcessId::Gateway.row()] {
            self.env.archive.flush(self.env.now);
        }
        let pause = self.env.dice.between(100_000, 1_500_000);
        self.env.agenda.at(self.env.now.plus(pause), Event::Flush);
    }

    fn on_fault(&mut self, fault: Fault) {
        match fault {
            Fault::Crash(process) => self.drop_process(process),
            Fault::CrashAfter(process, outputs) => self.env.fuse = Some(Fuse { process, outputs }),
            Fault::Stall(process, ns) => self.stalled_until[process.row()] = self.env.now.plus(ns),
            Fault::Cut(ns) => {
                self.env.net.refused_until = self.env.now.plus(ns);
                self.connected_since = self.env.now.plus(ns);
                if let Some(connection) = self.gateway.as_ref().and_then(Session::connection) {
                    self.env.net.cut(self.env.now, &mut self.env.agenda, connection);
                }
            }
            Fault::Kill => self.env.bus.kill_generation += 1,
            Fault::Release => self.env.bus.kill_generation = 0,
            Fault::DiskFails => self.env.archive.fail_disk(),
        }
    }

    /// Faults end, and everyone is told to stop trading.
    fn quiesce(&mut self) {
        self.quiet_since = Some(self.env.now);
        self.env.net.weather = Weather { stream_delay_ns: 100_000, ..Weather::default() };
        self.env.fuse = None;
        self.supervisor.arm_all(&mut self.env, false);
    }

    /// A process is dead; what it shared stays.
    fn drop_process(&mut self, process: ProcessId) {
        let row = process.row();
        match process {
            ProcessId::Feed if self.feed.take().is_some() => {}
            ProcessId::Gateway => {
                let Some(gateway) = self.gateway.take() else { return };
                if let Some(connection) = gateway.connection() {
                    self.env.net.cut(self.env.now, &mut self.env.agenda, connection);
                }
            }
            ProcessId::Risk => {
                let Some(risk) = self.risk.take() else { return };
                self.compare_rebuilt(risk.machine().orders(), Risk::orders_state(&self.risk_settings()));
            }
            ProcessId::Strategy(index) => {
                let Some(trader) = self.strategies[usize::from(index)].take() else { return };
                let settings = settings::strategy(index, self.exchange.instruments());
                self.compare_rebuilt(trader.machine().orders(), StrategyMachine::orders_state(&settings));
            }
            ProcessId::Feed => return,
        }
        self.env.fuse = self.env.fuse.filter(|fuse| fuse.process != process);
        self.lives[row] += 1;
        self.stalled_until[row] = Nanos(0);
        self.env.checker.counts.restarts += 1;
        self.supervisor.died(&mut self.env, row);
    }

    pub(crate) fn risk_settings(&self) -> risk::limits::Settings {
        settings::risk(self.scenario.strategies, self.exchange.instruments())
    }

    fn on_supervise(&mut self) {
        for row in 0..self.supervisor.children.len() {
            if self.supervisor.step(&mut self.env, row) {
                self.begin_life(row);
            }
        }
        self.env.agenda.at(self.env.now.plus(300_000), Event::Supervise);
    }

    fn begin_life(&mut self, row: usize) {
        let child = self.supervisor.children[row];
        self.supervisor.children[row].phase = Phase::Running;
        match child.process {
            ProcessId::Feed => self.feed = Some(Feed::start(&self.env, self.exchange.instruments())),
            ProcessId::Risk => self.restore_risk(child.epoch),
            ProcessId::Strategy(index) => self.restore_strategy(index, child.epoch),
            ProcessId::Gateway => unreachable!("a gateway is not restarted in this version"),
        }
        self.env.bus.heartbeat[row] = self.env.now;
        self.plan_poll(child.process);
    }
}

/// What a run came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Hash of every output, in order.
    pub trace: u64,
    /// Outputs.
    pub outputs: u64,
    /// What happened.
    pub counts: Counts,
}

/// Says which run failed, when it fails.
struct Failing<'a>(&'a Scenario);

impl Drop for Failing<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the run that failed: {:?}", self.0);
        }
    }
}

/// Runs a scenario to rest.
///
/// # Panics
/// When an invariant does not hold; the scenario, with its seed, is printed.
#[must_use]
pub fn run(scenario: &Scenario) -> Outcome {
    let failing = Failing(scenario);
    let mut world = World::new(scenario.clone());
    world.run();
    drop(failing);
    let mut counts = world.env.checker.counts;
    counts.logins = world.exchange.venue().sessions().logins();
    counts.fills = world.exchange.venue().account().fills().len() as u64;
    Outcome { trace: world.env.trace.hash(), outputs: world.env.trace.outputs(), counts }
}
