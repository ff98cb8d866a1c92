//! The shell: sockets, rings, image and clock around the feed handler's machine.
//!
//! Each datagram is a batch of its own: its bytes go to the `wire` ring, a step names them, and then the machine is given
//! them. It never waits: with readers that gate `market_data` and are behind, datagrams stay in their sockets, but for
//! one that may be held (`inbox`).

mod control;
mod inbox;
mod outlet;
mod report;

use crate::config::Config;
use crate::datagram::{DATAGRAM_MAX, Datagram, Line};
use crate::machine::{FeedHandler, Input};
use anyhow::Context;
use control::ControlTap;
use inbox::Inbox;
use machine::Stepper;
use outlet::Outlet;
use protocols::itch::Stock;
use runtime::RuntimeError;
use runtime::clock::Clock;
use runtime::duty_cycle::Agent;
use runtime::process::{Process, StepLog, WireTap};
use runtime::socket::{self, MulticastReceiver, UdpRequester};
use shm_layout::control_page::{ControlPageReader, RealtimeOffset};
use shm_layout::image::ImageWriter;
use shm_layout::message::step::{Step, StepKind};
use shm_layout::message::wire::{WIRE_DATA_LEN, WireKind};
use shm_layout::status::{ProcessState, StatusWriter};
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::{InstrumentId, Nanos};
use std::hint::black_box;
use std::io;

/// Timers of one duty cycle: a whole hold window that a filled gap releases goes out over several.
const TIMERS_MAX: usize = 256;
/// How long the request socket is read in every pass after a request.
const REPLY_NS: u64 = 100_000_000;
/// How often it is read otherwise: a read of an empty socket costs an idle pass half of its time.
const REPLY_LOOK_NS: u64 = 1_000_000;
/// How often counters and positions are published.
const REPORT_NS: u64 = 1_000_000;
/// Receive buffer asked of the kernel, in bytes: an opening burst of a few milliseconds.
const RECEIVE_BUFFER_BYTES: usize = 8 << 20;

/// The feed handler's agent.
#[derive(Debug)]
pub struct Shell {
    stepper: Stepper<FeedHandler>,
    inbox: Inbox,
    /// One value for all replies.
    reply: Input,
    outlet: Outlet,
    steps: StepLog,
    wire_ring: RingId,
    control: ControlTap,
    status: StatusWriter,
    page: ControlPageReader,
    clock: Clock,
    realtime: RealtimeOffset,
    reported: Nanos,
    /// When the request socket is read next, if nothing was requested.
    look_for_replies: Nanos,
    /// The last pass gave away all that waited.
    drained: bool,
    stopping: bool,
    finished: bool,
    failure: Option<anyhow::Error>,
}

impl Shell {
    /// Opens the sockets of this index's venue and attaches to this process's regions; the first step is written.
    ///
    /// # Errors
    /// What the host file, the system or a region refuses.
    pub fn new(process: &Process, status: StatusWriter) -> anyhow::Result<Self> {
        let file = &process.file;
        let index = process.identity.index;
        let venue = file
            .venues()
            .get(usize::from(index))
            .with_context(|| format!("{}: feed handler {index} has no venue; add a [[venues]] table", file.file()))?;
        let config: Config =
            if file.has_table("feed-handler") { file.table("feed-handler")? } else { Config::default() };
        let machine = FeedHandler::new(&config, &instruments(process))
            .map_err(|error| file.error_at("feed-handler", error.to_string(), "correct the host file"))?;
        let group = std::net::SocketAddrV4::new(venue.group, venue.group_port);
        let multicast = MulticastReceiver::join(group, venue.interface, RECEIVE_BUFFER_BYTES)?;
        if let Some(note) = multicast.buffer().note() {
            tracing::warn!("{note}");
        }
        let outlet = Outlet::new(
            process.writer(RingKind::MarketData, 0)?,
            ImageWriter::new(&process.ports.image(index, Some(process.identity))?),
            UdpRequester::connect(venue.request_address, venue.interface)?,
            process.wire_tap()?,
        );
        let now = process.clock.now();
        let realtime = process
            .page
            .realtime()
            .unwrap_or_else(|| RealtimeOffset { offset_ns: process.clock.realtime_offset_ns(), sampled_ns: Nanos(0) });
        let mut steps = process.step_log()?;
        let value = [process.identity.epoch as i64, 0, 0];
        steps.record(&Step { kind: StepKind::Start as u8, now_ns: now, value, ..Step::default() });
        let shell = Self {
            stepper: Stepper::new(machine, now),
            inbox: Inbox::new(multicast),
            reply: Input::Datagram(Datagram { line: Line::Reply, ..Datagram::default() }),
            outlet,
            steps,
            wire_ring: process.ring(RingKind::Wire, 0),
            control: ControlTap::attach(&process.ports, process.identity)?,
            status,
            page: process.page.clone(),
            clock: process.clock,
            realtime,
            reported: Nanos(0),
            look_for_replies: Nanos(0),
            drained: false,
            stopping: false,
            finished: false,
            failure: None,
        };
        report::define(&shell.status, &shell.stepper.machine);
        Ok(shell)
    }

    /// The end of the process: in order, or the failure, which the status region then shows.
    ///
    /// # Errors
    /// Why it ended, when not by a stop.
    pub fn end(self) -> anyhow::Result<()> {
        self.failure.map_or(Ok(()), |failure| {
            self.status.set_state(ProcessState::Failed);
            Err(failure)
        })
    }

    /// The machine, to read its state.
    #[must_use]
    pub const fn machine(&self) -> &FeedHandler {
        &self.stepper.machine
    }

    fn fail(&mut self, error: impl Into<anyhow::Error>) {
        self.failure.get_or_insert(error.into());
        self.finished = true;
    }

    fn poll_control(&mut self) -> usize {
        match self.control.poll() {
            Ok(polled) => {
                self.stopping |= polled.stop;
                if polled.allocate_once {
                    black_box(Box::new(0_u64));
                }
                if polled.count > 0 {
                    self.status.set_last_control_sequence(self.control.next_sequence() - 1);
                }
                polled.count
            }
            Err(error) => {
                self.fail(error);
                0
            }
        }
    }

    /// Fires what is due, up to a bound; true when nothing is due any more.
    fn timers(&mut self, now: Nanos, work_count: &mut usize) -> bool {
        let Self { stepper, outlet, steps, .. } = self;
        for _ in 0..TIMERS_MAX {
            let Some(at) = stepper.due(now) else { return true };
            if outlet.is_behind() {
                return false;
            }
            steps.timer(at);
            stepper.timer(now, &mut |output| outlet.take(at, &output));
            outlet.publish();
            *work_count += 1;
        }
        stepper.due(now).is_none()
    }

    /// At most one datagram of each socket, replies first: they are what a gap waits for. The next pass has a time of its
    /// own, and a stage that shares this loop answers one datagram before the next is given.
    fn datagrams(&mut self, now: Nanos, work_count: &mut usize) -> io::Result<()> {
        let look = now >= self.look_for_replies;
        if look {
            self.look_for_replies = now.plus(REPLY_LOOK_NS);
        }
        let mut replied = false;
        for line in [Line::Reply, Line::A] {
            if line == Line::Reply && !look && !self.outlet.awaits_reply(now, REPLY_NS) {
                continue;
            }
            if self.outlet.is_behind() {
                return Ok(());
            }
            if !self.receive(line)? {
                continue;
            }
            *work_count += 1;
            replied |= line == Line::Reply;
            let now = self.stepper.now();
            if !self.timers(now, work_count) {
                return Ok(());
            }
        }
        let asks = self.outlet.awaits_reply(self.stepper.now(), REPLY_NS);
        self.drained = !replied && !asks && self.inbox.is_drained() && !self.outlet.is_behind();
        Ok(())
    }

    /// Gives the machine the next datagram of a socket; false when there is none.
    fn receive(&mut self, line: Line) -> io::Result<bool> {
        let Self { inbox, reply, stepper, outlet, steps, clock, wire_ring, realtime, .. } = self;
        let next = match line {
            Line::Reply => {
                let Input::Datagram(datagram) = &mut *reply;
                outlet.requester.receive(&mut datagram.bytes)?.map(|received| (reply, received))
            }
            Line::A | Line::B => inbox.next()?,
        };
        let Some((input, received)) = next else { return Ok(false) };
        // When it is given, not when the pass began: the call is the socket's time, not the machine's.
        let now = clock.now().max(stepper.now());
        let Input::Datagram(datagram) = &mut *input;
        datagram.receive_ns = Clock::from_realtime(received.realtime_ns, realtime.offset_ns);
        datagram.length = tap(&mut outlet.wire, datagram, now, &received) as u16;
        let chunks = usize::from(datagram.length).div_ceil(WIRE_DATA_LEN).max(1);
        steps.poll(*wire_ring, outlet.wire.published(), chunks, now);
        stepper.input(now, input, &mut |output| outlet.take(now, &output));
        outlet.publish();
        Ok(true)
    }

    fn report(&mut self, now: Nanos) {
        self.reported = now;
        if let Some(sample) = self.page.realtime().filter(|sample| sample.sampled_ns != self.realtime.sampled_ns) {
            self.realtime = sample;
        }
        self.status.set_position(0, &self.control.position());
        let socket = report::Socket {
            stamps_missing: self.inbox.stamps_missing(),
            requests_refused: self.outlet.requests_refused(),
        };
        report::publish(&self.status, &self.stepper.machine, &socket);
    }
}

impl Agent for Shell {
    fn duty_cycle(&mut self, now: Nanos) -> usize {
        self.drained = false;
        let mut work_count = self.poll_control();
        work_count += self.outlet.publish();
        let ready = !self.stopping && self.failure.is_none() && self.timers(now, &mut work_count);
        if ready && let Err(error) = self.datagrams(now, &mut work_count) {
            self.fail(socket_failure("receive from the venue", error));
        }
        if let Some(error) = self.outlet.take_failure() {
            self.fail(socket_failure("send a request to the venue", error));
        }
        let ends = self.stopping && !self.outlet.is_behind();
        if ends || now.0 >= self.reported.0.saturating_add(REPORT_NS) {
            self.report(now);
        }
        self.finished |= ends;
        work_count
    }

    fn drained(&self) -> bool {
        self.drained
    }

    fn stop(&mut self) {
        self.stopping = true;
    }

    fn finished(&self) -> bool {
        self.finished
    }
}

/// Records a datagram on the `wire` ring, as the machine is about to be given it; returns its length.
fn tap(wire: &mut WireTap, datagram: &Datagram, now: Nanos, received: &socket::Datagram) -> usize {
    let (kind, line) = (WireKind::DatagramReceived, datagram.line.index() as u32);
    let mut record = |bytes: &[u8]| {
        wire.record(kind, line, datagram.receive_ns, now, bytes);
        bytes.len()
    };
    if received.truncated {
        // One byte more than fits says so, here and in a replay of the wire ring.
        let mut cut = [0; DATAGRAM_MAX + 1];
        cut[..DATAGRAM_MAX].copy_from_slice(&datagram.bytes);
        record(&cut)
    } else {
        record(&datagram.bytes[..received.length_bytes])
    }
}

fn socket_failure(action: &str, source: io::Error) -> RuntimeError {
    let cure = "check the venue's interface and request_address in the host file".to_owned();
    RuntimeError::System { action: action.to_owned(), source, cure }
}

/// The host's instruments under the venue's symbols. A symbol that ITCH cannot write is at no such venue.
fn instruments(process: &Process) -> Vec<(Stock, InstrumentId)> {
    let rows = process.file.instruments().rows().iter();
    rows.filter_map(|row| Some((Stock::padded(row.symbol.as_bytes())?, row.id))).collect()
}
