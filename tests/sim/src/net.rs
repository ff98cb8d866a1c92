//! The network: datagrams that are lost, doubled, overtaken and damaged; streams that are delayed, split and cut. And the
//! queue of everything that will happen.

use crate::bus::ProcessId;
use crate::dice::Dice;
use feed_handler::Line;
use shm_layout::types::Nanos;
use std::collections::BTreeMap;

/// A connection of order entry; never reused.
pub type Connection = u64;

/// Something that happens at a moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A process of this life number looks at its inputs.
    Poll(ProcessId, u32),
    /// The venue's clock ticks.
    VenueTimer,
    /// The journal's flusher runs.
    Flush,
    /// A datagram reaches the feed handler's host.
    Datagram(Line, Vec<u8>),
    /// A re-request reaches the venue.
    Request(Vec<u8>),
    /// A connection reaches the venue.
    Accepted(Connection),
    /// The gateway learns that its connection stands.
    Connected(Connection),
    /// Bytes reach the venue.
    ToVenue(Connection, Vec<u8>),
    /// Bytes reach the gateway's host.
    ToGateway(Connection, Vec<u8>),
    /// The venue sees a connection's end.
    VenueClosed(Connection),
    /// The gateway sees it.
    GatewayClosed(Connection),
    /// The supervisor looks at its children.
    Supervise,
    /// A fault of the plan strikes, by its place in it.
    Fault(usize),
    /// The trading day of the test is over: faults end, strategies are disarmed.
    Quiesce,
}

/// What is to come, in order of time, then of having been planned.
#[derive(Debug, Default)]
pub struct Agenda {
    events: BTreeMap<(Nanos, u64), Event>,
    planned: u64,
}

impl Agenda {
    /// Plans an event.
    pub fn at(&mut self, time: Nanos, event: Event) {
        self.planned += 1;
        self.events.insert((time, self.planned), event);
    }

    /// Takes the next one.
    pub fn pop(&mut self) -> Option<(Nanos, Event)> {
        self.events.pop_first().map(|((time, _), event)| (time, event))
    }
}

/// How bad the network is; chances in percent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Weather {
    /// Datagrams lost, per line.
    pub loss: u64,
    /// Datagrams doubled.
    pub duplication: u64,
    /// Datagrams damaged so that a receiver can tell.
    pub corruption: u64,
    /// Most delay of a datagram: more than the time between two means that they overtake each other.
    pub jitter_ns: u64,
    /// Most delay of a stream's segment.
    pub stream_delay_ns: u64,
    /// Segments that are split further.
    pub split: u64,
}

/// One direction of a stream.
#[derive(Clone, Copy, Debug, Default)]
struct Pipe {
    /// Arrival of its last segment: streams keep their order.
    last: Nanos,
    /// Nothing arrives after this.
    cut: Option<Nanos>,
}

/// The network.
#[derive(Debug)]
pub struct Net {
    /// How bad it is.
    pub weather: Weather,
    dice: Dice,
    /// To the venue, to the gateway.
    pipes: BTreeMap<Connection, [Pipe; 2]>,
    next: Connection,
    /// Connections are refused until then.
    pub refused_until: Nanos,
}

const TO_VENUE: usize = 0;
const TO_GATEWAY: usize = 1;

impl Net {
    /// A network with its own dice.
    #[must_use]
    pub const fn new(weather: Weather, seed: u64) -> Self {
        Self { weather, dice: Dice::new(seed, 0x6e_6574), pipes: BTreeMap::new(), next: 1, refused_until: Nanos(0) }
    }

    /// Sends a datagram; `plan` makes the event of its arrival.
    pub fn datagram(&mut self, now: Nanos, agenda: &mut Agenda, bytes: &[u8], plan: impl Fn(Vec<u8>) -> Event) {
        let copies = 1 + u64::from(self.dice.percent(self.weather.duplication));
        for _ in 0..copies {
            if self.dice.percent(self.weather.loss) {
                continue;
            }
            let mut bytes = bytes.to_vec();
            if self.dice.percent(self.weather.corruption) {
                self.damage(&mut bytes);
            }
            let delay = 2_000 + self.dice.below(self.weather.jitter_ns + 1);
            agenda.at(now.plus(delay), plan(bytes));
        }
    }

    /// A cut, or a first length that points beyond the end: what a checksum lets through is not damage that we model.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        if bytes.len() > 22 && self.dice.percent(50) {
            bytes[20..22].copy_from_slice(&u16::MAX.to_be_bytes());
        } else {
            let kept = self.dice.below(bytes.len() as u64) as usize;
            bytes.truncate(kept);
        }
    }

    /// The gateway connects. The venue hears of it before the gateway does.
    pub fn connect(&mut self, now: Nanos, agenda: &mut Agenda) -> Connection {
        let connection = self.next;
        self.next += 1;
        let half = 20_000 + self.dice.below(self.weather.stream_delay_ns + 1);
        if now < self.refused_until {
            agenda.at(now.plus(half), Event::GatewayClosed(connection));
            return connection;
        }
        let accepted = now.plus(half);
        let connected = accepted.plus(half);
        let pipe = |last| Pipe { last, cut: None };
        self.pipes.insert(connection, [pipe(accepted), pipe(connected)]);
        agenda.at(accepted, Event::Accepted(connection));
        agenda.at(connected, Event::Connected(connection));
        connection
    }

    /// The gateway's kernel takes bytes.
    pub fn to_venue(&mut self, now: Nanos, agenda: &mut Agenda, connection: Connection, bytes: &[u8]) {
        self.stream(now, agenda, connection, TO_VENUE, bytes);
    }

    /// The venue's kernel takes bytes.
    pub fn to_gateway(&mut self, now: Nanos, agenda: &mut Agenda, connection: Connection, bytes: &[u8]) {
        self.stream(now, agenda, connection, TO_GATEWAY, bytes);
    }

    fn stream(&mut self, now: Nanos, agenda: &mut Agenda, connection: Connection, way: usize, mut bytes: &[u8]) {
        let Some(pipes) = self.pipes.get_mut(&connection) else { return };
        let pipe = &mut pipes[way];
        if pipe.cut.is_some() {
            return;
        }
        while !bytes.is_empty() {
            let whole = bytes.len() < 2 || !self.dice.percent(self.weather.split);
            let length = if whole { bytes.len() } else { 1 + self.dice.below(bytes.len() as u64 - 1) as usize };
            let (segment, rest) = bytes.split_at(length);
            bytes = rest;
            let arrival = now.plus(5_000 + self.dice.below(self.weather.stream_delay_ns + 1)).max(pipe.last);
            pipe.last = arrival.plus(1);
            let segment = segment.to_vec();
            agenda.at(
                arrival,
                if way == TO_VENUE {
                    Event::ToVenue(connection, segment)
                } else {
                    Event::ToGateway(connection, segment)
                },
            );
        }
    }

    /// True when what arrives now was not cut off.
    #[must_use]
    pub fn arrives(&self, now: Nanos, connection: Connection, to_venue: bool) -> bool {
        let pipes = self.pipes.get(&connection);
        let pipe = pipes.map(|pipes| pipes[if to_venue { TO_VENUE } else { TO_GATEWAY }]);
        pipe.is_some_and(|pipe| pipe.cut.is_none_or(|cut| now <= cut))
    }

    /// Cuts a connection: each way, what is under way arrives up to some moment, which may be in the middle of a frame.
    /// Each end sees the end at a moment of its own.
    pub fn cut(&mut self, now: Nanos, agenda: &mut Agenda, connection: Connection) {
        let Some(pipes) = self.pipes.get_mut(&connection) else { return };
        for (way, pipe) in pipes.iter_mut().enumerate() {
            if pipe.cut.is_some() {
                continue;
            }
            let cut = now.plus(self.dice.below(300_000));
            pipe.cut = Some(cut);
            let seen = cut.plus(1 + self.dice.below(2_000_000));
            agenda.at(
                seen,
                if way == TO_VENUE { Event::VenueClosed(connection) } else { Event::GatewayClosed(connection) },
            );
        }
    }

    /// One end closes in order: all that is under way arrives, then both see the end.
    pub fn close(&mut self, now: Nanos, agenda: &mut Agenda, connection: Connection) {
        let Some(pipes) = self.pipes.get_mut(&connection) else { return };
        for (way, pipe) in pipes.iter_mut().enumerate() {
            if pipe.cut.is_some() {
                continue;
            }
            let end = pipe.last.max(now).plus(1);
            pipe.cut = Some(end);
            agenda.at(
                end.plus(10_000),
                if way == TO_VENUE { Event::VenueClosed(connection) } else { Event::GatewayClosed(connection) },
            );
        }
    }
}
