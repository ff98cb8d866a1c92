//! The shell: journal, socket, rings and pages around [`Gateway`].
//!
//! Each pass, in this order: control, kill page, leases, durable watermark, timers, `order_entry`, socket; then `order_entry`
//! once more if there was nothing. So an end of the session that is already waiting is seen after the orders of the same
//! pass: those that were written into it are in doubt (`Unknown`), as they would be had it come a moment later. What the
//! socket said of a message is given to the machine right after the input that caused it, as a step of its own.
//!
//! It never reads a request or a byte of the venue that it has no room to journal. Should the journal refuse a record all
//! the same (its files failed in that very moment), the process ends with an error rather than go on without its record:
//! its supervisor then engages the kill, and what is at the venue is cancelled there.

mod attach;
mod board;
mod connection;
mod flushing;
mod leases;
mod ledger;
mod outlet;

use crate::effects;
use crate::io::{Input, RECEIVE_BYTES, Received};
use crate::machine::Gateway;
use board::Board;
use flushing::Flushing;
use journal::TailState;
use machine::Stepper;
use outlet::Outlet;
pub use outlet::OutletFault;
use runtime::duty_cycle::Agent;
use runtime::inputs::{BATCH, ControlInput, InputFault};
use runtime::process::StepLog;
use shm_layout::failpoint::Failpoint;
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::message::order::OrderRequest;
use shm_layout::message::step::{Step, StepKind};
use shm_layout::message::{WORDS_128, Words128};
use shm_layout::ring::RingReader;
use shm_layout::status::{ProcessState, ReaderPosition};
use shm_layout::topology::RingId;
use shm_layout::types::{Nanos, Role};

/// Requests of one pass.
const ENTRIES_MAX: usize = 32;
/// Timers of one pass: a step of a sweep and of the backlog each, until nothing is due.
const TIMERS_MAX: usize = 64;
/// Room in the tail for what one pass over `order_entry`, or one timer, can journal, in bytes.
const AMPLE_BYTES: u64 = 64 << 10;
/// Room in `execution` for what they can publish.
const AMPLE_REPORTS: usize = 2 * ENTRIES_MAX;
// A record of an order is below 512 bytes with its frame.
const _: () = assert!(AMPLE_REPORTS >= Gateway::TIMER_REPORTS_MAX);
const _: () = assert!(AMPLE_BYTES >= 512 * Gateway::TIMER_OUTPUTS_MAX as u64 / 2);
/// Most bytes of the journal that one byte of the venue can cause: an empty message of 3 bytes is a record of 128.
const JOURNALED_PER_BYTE: u64 = 64;
/// How long a stop waits for the kernel to take the last bytes, in nanoseconds.
const STOP_DRAIN_NS: u64 = 500_000_000;
/// Idle passes from one rehearsal to the next: some 50 us on a shared CPU, 10 on one of its own. A cache forgets later.
const PASSES_PER_REHEARSAL: u32 = 32;

/// The answers to a batch are carried out, the cursor of `order_entry` is not moved.
static BEFORE_COMMIT: Failpoint = Failpoint::new("gateway.entry.before_commit");

/// The gateway's own failpoints.
pub static FAILPOINTS: [&Failpoint; 4] =
    [&outlet::AFTER_JOURNAL, &connection::BEFORE_WRITE, &connection::AFTER_WRITE, &BEFORE_COMMIT];

/// Why the gateway ended by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ShellFault {
    /// An input is lost.
    #[error(transparent)]
    Input(#[from] InputFault),
    /// An output could not be carried out.
    #[error(transparent)]
    Output(#[from] OutletFault),
}

/// The gateway with its ports.
#[derive(Debug)]
pub struct Shell {
    stepper: Stepper<Gateway>,
    outlet: Outlet,
    board: Board,
    steps: StepLog,
    control: ControlInput,
    entry_ring: RingId,
    entries: RingReader<WORDS_128>,
    words: Box<[Words128]>,
    wire_ring: RingId,
    /// One value for everything that is received.
    received: Input,
    tail_bytes: u64,
    /// What the machine was told last.
    kill_generation: u64,
    journal_available: bool,
    flushing: Flushing,
    /// A signal asked for a stop that the machine was not told of yet.
    stop_asked: bool,
    /// The machine has finished; the last bytes have until then.
    stop_by: Option<Nanos>,
    /// Passes since there was something to do.
    idle_passes: u32,
    finished: bool,
    fault: Option<ShellFault>,
}

impl Shell {
    /// The machine, to look at.
    #[must_use]
    pub const fn machine(&self) -> &Gateway {
        &self.stepper.machine
    }

    /// The end of the process: in order, or the fault, which the status region then shows.
    ///
    /// # Errors
    /// [`ShellFault`]: what it could not go on after.
    pub fn end(self) -> Result<(), ShellFault> {
        self.fault.map_or(Ok(()), |fault| {
            self.outlet.status.set_state(ProcessState::Failed);
            Err(fault)
        })
    }

    /// Gives the machine an input that no ring holds, as a step of its own; then what came of it.
    fn tell(&mut self, now: Nanos, input: &Input) {
        let now = now.max(self.stepper.now());
        self.steps.record(&effects::to_step(input, now).expect("no ring holds it"));
        self.give(now, input);
        self.answer(now);
    }

    fn give(&mut self, now: Nanos, input: &Input) {
        let Self { stepper, outlet, .. } = self;
        stepper.input(now, input, &mut |output| outlet.take(now, &output));
    }

    /// Gives the machine what the socket said of its outputs, until there is nothing more to say.
    fn answer(&mut self, now: Nanos) -> usize {
        let mut count = 0;
        while let Some(answer) = self.outlet.connection.answers.pop_front() {
            let input = answer.into_input();
            self.steps.record(&effects::to_step(&input, now).expect("no ring holds an answer"));
            self.give(now, &input);
            count += 1;
        }
        count
    }

    fn cycle(&mut self, now: Nanos) -> Result<usize, ShellFault> {
        let mut work_count = self.poll_control(now)?;
        work_count += self.check_kill(now);
        work_count += self.check_leases(now);
        work_count += self.check_journal(now);
        work_count += self.timers(now);
        // Before the socket: a stage that shares this loop has just written them, and they would wait for its call.
        work_count += self.poll_entries(now)?;
        if let Some(fault) = self.outlet.fault {
            // The venue's bytes stay with the kernel: nothing could be made of them.
            return Err(fault.into());
        }
        work_count += self.poll_socket(now);
        if work_count == 0 {
            // The socket's call is most of an idle pass: a request that came meanwhile does not wait for the next one.
            work_count += self.poll_entries(self.outlet.connection.now())?;
        }
        self.idle_passes = if work_count == 0 { self.idle_passes.wrapping_add(1) } else { 0 };
        if self.idle_passes % PASSES_PER_REHEARSAL == 1 {
            self.stepper.machine.rehearse();
            self.outlet.tail.rehearse();
        }
        self.outlet.fault.map_or(Ok(work_count), |fault| Err(fault.into()))
    }

    fn poll_control(&mut self, now: Nanos) -> Result<usize, InputFault> {
        let signalled = usize::from(std::mem::take(&mut self.stop_asked));
        if signalled == 1 {
            // No ring holds a signal: a replay ends here.
            self.steps.record(&Step { kind: StepKind::Opaque as u8, now_ns: now, ..Step::default() });
            let (kind, role) = (ControlKind::Stop as u8, Role::ExecutionGateway as u8);
            self.give(now, &Input::Control(Control { kind, role, now_ns: now, ..Control::default() }));
        }
        let count = self.control.poll(BATCH)?;
        if count == 0 {
            return Ok(signalled);
        }
        self.steps.poll(self.control.ring(), self.control.through(), count, now);
        for control in self.control.messages() {
            let outlet = &mut self.outlet;
            self.stepper.input(now, &Input::Control(*control), &mut |output| outlet.take(now, &output));
        }
        self.answer(now);
        if self.control.requests().allocate_once {
            drop(std::hint::black_box(Box::new(now)));
        }
        self.outlet.status.set_last_control_sequence(self.control.through());
        Ok(count + signalled)
    }

    fn check_kill(&mut self, now: Nanos) -> usize {
        let generation = self.outlet.guards.generation();
        if generation == self.kill_generation {
            return 0;
        }
        self.kill_generation = generation;
        self.tell(now, &Input::Kill { generation });
        1
    }

    fn check_leases(&mut self, now: Nanos) -> usize {
        let mut changes = 0;
        for place in 0..self.outlet.guards.count() {
            if let Some((role, index, held)) = self.outlet.guards.changed(place, now) {
                self.tell(now, &Input::Lease { role, index, held });
                changes += 1;
            }
        }
        changes
    }

    /// Whether the journal takes what opens risk, and (L2) what of it is durable by now.
    fn check_journal(&mut self, now: Nanos) -> usize {
        let tail = &mut self.outlet.tail;
        let available = tail.state() == TailState::Flowing && tail.ready().is_ok();
        let changed = available != self.journal_available;
        if changed {
            self.journal_available = available;
            self.tell(now, &Input::Journal { available });
        }
        let Some(waiting) = self.stepper.machine.waiting.front() else { return usize::from(changed) };
        let journal_sequence = self.outlet.tail.durable_sequence();
        let known = self.stepper.machine.backlog.durable_through();
        if journal_sequence < waiting.intent_sequence || journal_sequence <= known {
            return usize::from(changed);
        }
        self.tell(now, &Input::Durable { journal_sequence });
        1 + usize::from(changed)
    }

    fn timers(&mut self, now: Nanos) -> usize {
        for fired in 0..TIMERS_MAX {
            let may = self.has_room() && !self.outlet.connection.is_congested();
            let Some(at) = self.stepper.due(now).filter(|_| may) else { return fired };
            self.steps.timer(at);
            let Self { stepper, outlet, .. } = self;
            stepper.timer(now, &mut |output| outlet.take(at, &output));
            self.answer(at);
        }
        TIMERS_MAX
    }

    fn poll_socket(&mut self, now: Nanos) -> usize {
        let mut work_count = usize::from(self.outlet.connection.poll_connect());
        let Self { outlet, .. } = self;
        work_count += outlet.connection.drain(&outlet.guards);
        let limit = (outlet.tail.free_bytes() / JOURNALED_PER_BYTE).min(RECEIVE_BYTES as u64) as usize;
        let Input::Received(Received { receive_ns, length, bytes }) = &mut self.received else {
            unreachable!("it is built as one")
        };
        if limit >= RECEIVE_BYTES / 8 && self.outlet.execution.room() >= limit / 24 {
            (*length, *receive_ns) = self.outlet.connection.read(bytes, limit);
        } else {
            *length = 0;
        }
        if *length > 0 {
            // Read after this pass began: the machine must not see bytes before they came.
            let now = now.max(self.stepper.now()).max(*receive_ns);
            let chunks = self.outlet.connection.tap_received(*receive_ns, now, &bytes[..*length]);
            self.steps.poll(self.wire_ring, self.outlet.connection.wire.published(), chunks, now);
            let Self { stepper, outlet, received, .. } = self;
            stepper.input(now, received, &mut |output| outlet.take(now, &output));
            work_count += 1;
        }
        work_count + self.answer(now.max(self.stepper.now()))
    }

    /// Room to journal and to publish what a request or a timer can cause.
    fn has_room(&mut self) -> bool {
        let ample = AMPLE_BYTES.min(self.tail_bytes / 4);
        self.outlet.tail.free_bytes() >= ample && self.outlet.execution.room() >= AMPLE_REPORTS
    }

    fn poll_entries(&mut self, now: Nanos) -> Result<usize, InputFault> {
        if !self.has_room() || self.outlet.fault.is_some() || self.stop_by.is_some() {
            return Ok(0);
        }
        let ring = self.entry_ring;
        let read = self.entries.read_batch(&mut self.words);
        let count = read.map_err(|lapped| InputFault::Lapped { ring, missed: lapped.missed })?;
        let first = self.entries.next_sequence() - count as u64;
        let now = now.max(self.stepper.now());
        for index in 0..count {
            // A step each: the socket's answer to one request comes before the next.
            let sequence = first + index as u64;
            let request = OrderRequest::decode(&self.words[index]);
            self.check_journal(now);
            self.steps.poll(ring, sequence, 1, now);
            self.give(now, &Input::Entry { sequence, request });
            self.answer(now);
        }
        if count > 0 {
            BEFORE_COMMIT.hit();
            self.entries.commit();
        }
        Ok(count)
    }

    fn entry_position(&self) -> ReaderPosition {
        ReaderPosition { ring: self.entry_ring, next_sequence: self.entries.next_sequence(), laps: 0, missed: 0 }
    }

    /// After the machine's end, or a fault: the last bytes, then the journal's files.
    fn wind_up(&mut self, now: Nanos) {
        if self.outlet.finished && self.stop_by.is_none() {
            self.stop_by = Some(now.plus(STOP_DRAIN_NS));
        }
        let drained = self.outlet.connection.is_drained();
        let ends = self.fault.is_some() || self.stop_by.is_some_and(|by| drained || now >= by);
        if !ends || self.finished {
            return;
        }
        self.outlet.connection.finish();
        self.flushing.finish(self.outlet.tail.last_sequence());
        self.finished = true;
    }
}

impl Agent for Shell {
    fn duty_cycle(&mut self, now: Nanos) -> usize {
        let now = self.stepper.now().max(now);
        let work_count = self.cycle(now).unwrap_or_else(|fault| {
            self.fault = Some(fault);
            0
        });
        self.wind_up(now);
        let positions = [self.control.position(), self.entry_position()].into_iter();
        self.board.show(now, &self.stepper.machine, &self.outlet, positions, self.finished);
        work_count
    }

    fn stop(&mut self) {
        self.stop_asked = true;
    }

    fn finished(&self) -> bool {
        self.finished
    }
}
