//! Risk's shell: rings, image and kill page around [`Risk`].
//!
//! It never reads an intent that it has no room to answer, never gives a slot of `order_intent` back before the answer is
//! published, and never goes on after a message of `control` or `execution` was lost: it ends, and re-enters rebuilt.

mod attach;
mod board;
mod intents;

use crate::machine::{Input, Output, Risk};
use board::Board;
use intents::{Intents, Queue};
use machine::Stepper;
use orders::FoldError;
use runtime::duty_cycle::Agent;
use runtime::inputs::{BATCH, ControlInput, ExecutionInput, InputFault};
use runtime::process::StepLog;
use runtime::references::References;
use shm_layout::failpoint::Failpoint;
use shm_layout::kill_page::KillReader;
use shm_layout::message::step::{Step, StepKind};
use shm_layout::ring::RingWriter;
use shm_layout::status::{KillEcho, StateCheckpoint, StatusWriter};
use shm_layout::types::Nanos;

/// Intents were read and recorded, none is judged.
static BEFORE_JUDGE: Failpoint = Failpoint::new("risk.intent.before_judge");
/// The answers are published, the cursor is not.
static BEFORE_COMMIT: Failpoint = Failpoint::new("risk.intent.before_commit");

/// Risk's own failpoints.
pub static FAILPOINTS: [&Failpoint; 2] = [&BEFORE_JUDGE, &BEFORE_COMMIT];

/// Why risk ended by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ShellFault {
    /// An input is lost.
    #[error(transparent)]
    Input(#[from] InputFault),
    /// The execution stream does not follow from the state.
    #[error("execution does not follow from the state: {0}; the process must be rebuilt")]
    Void(FoldError),
}

/// Risk with its ports.
#[derive(Debug)]
pub struct RiskShell {
    stepper: Stepper<Risk>,
    status: StatusWriter,
    board: Board,
    steps: StepLog,
    control: ControlInput,
    executions: Vec<ExecutionInput>,
    kill: KillReader,
    /// What the machine was told last; `None` before the first pass.
    kill_generation: Option<u64>,
    references: References,
    intents: Intents,
    /// `order_entry`, by gateway.
    entries: Vec<RingWriter<15>>,
    stopping: bool,
    finished: bool,
    fault: Option<ShellFault>,
}

impl RiskShell {
    /// The machine, to look at.
    #[must_use]
    pub const fn machine(&self) -> &Risk {
        &self.stepper.machine
    }

    /// How it ended, once finished.
    ///
    /// # Errors
    /// [`ShellFault`]: what it could not go on after.
    pub fn outcome(&self) -> Result<(), ShellFault> {
        self.fault.map_or(Ok(()), Err)
    }

    fn cycle(&mut self, now: Nanos) -> Result<usize, ShellFault> {
        let mut work_count = self.poll_control(now)?;
        for index in 0..self.executions.len() {
            work_count += self.poll_execution(now, index)?;
        }
        work_count += self.check_kill(now);
        for index in 0..self.intents.queues.len() {
            work_count += self.poll_intents(now, index);
        }
        Ok(work_count)
    }

    fn poll_control(&mut self, now: Nanos) -> Result<usize, InputFault> {
        let count = self.control.poll(BATCH)?;
        if count == 0 {
            return Ok(0);
        }
        self.steps.poll(self.control.ring(), self.control.through(), count, now);
        for control in self.control.messages() {
            self.stepper.input(now, &Input::Control(*control), &mut silent);
        }
        let requests = self.control.requests();
        self.stopping |= requests.stop;
        if requests.allocate_once {
            drop(std::hint::black_box(Box::new(now)));
        }
        self.status.set_last_control_sequence(self.control.through());
        Ok(count)
    }

    fn poll_execution(&mut self, now: Nanos, index: usize) -> Result<usize, ShellFault> {
        let input = &mut self.executions[index];
        let count = input.poll(BATCH)?;
        if count == 0 {
            return Ok(0);
        }
        self.steps.poll(input.ring(), input.through(), count, now);
        for execution in input.messages() {
            let before = self.stepper.machine.checkpoint();
            self.stepper.input(now, &Input::Execution(*execution), &mut silent);
            let reached = self.stepper.machine.checkpoint().filter(|reached| Some(*reached) != before);
            if let Some(reached) = reached {
                let (journal_sequence, state_hash) = (reached.journal_sequence, reached.state_hash);
                let gateway = input.gateway();
                self.status.publish_checkpoint(StateCheckpoint { gateway, journal_sequence, state_hash });
                self.board.on_checkpoint(state_hash == reached.gateway_hash);
            }
        }
        self.stepper.machine.void().map_or(Ok(count), |error| Err(ShellFault::Void(error)))
    }

    /// A change of the kill page is recorded and echoed before the next intent is read.
    fn check_kill(&mut self, now: Nanos) -> usize {
        let generation = self.kill.generation();
        if self.kill_generation == Some(generation) {
            return 0;
        }
        self.kill_generation = Some(generation);
        let value = [generation as i64, 0, 0];
        self.steps.record(&Step { kind: StepKind::Kill as u8, now_ns: now, count: 1, value, ..Step::default() });
        self.status.echo_kill(KillEcho { generation, echoed_ns: now, journal_sequence: 0 });
        self.stepper.input(now, &Input::Kill { generation_sum: generation }, &mut silent);
        1
    }

    fn poll_intents(&mut self, now: Nanos, index: usize) -> usize {
        let gateway = self.intents.queues[index].gateway();
        let count = self.intents.read(index, &mut self.entries[gateway]);
        if count == 0 {
            return 0;
        }
        self.refresh_references(now);
        let queue = &self.intents.queues[index];
        self.steps.poll(queue.ring, queue.through(), count, now);
        BEFORE_JUDGE.hit();
        let first = queue.through() + 1 - count as u64;
        for (sequence, request) in (first..).zip(&self.intents.requests) {
            let input = Input::Intent { strategy: queue.ring.index, sequence, request: *request };
            let entries = &mut self.entries;
            self.stepper.input(now, &input, &mut |Output::Entry { gateway, request }| {
                let entry = &mut entries[usize::from(gateway)];
                entry.push_reserved(&request.encode()).expect("intents are read only while their answers have room");
            });
        }
        BEFORE_COMMIT.hit();
        self.intents.queues[index].commit();
        count
    }

    /// Tells the machine of each market that the batch is about, if it changed. Before the batch's own step, so that a
    /// replay gives everything in the order of its steps.
    fn refresh_references(&mut self, now: Nanos) {
        for request in self.intents.requests.iter().flatten() {
            if let Some(reference) = self.references.changed(request.header().instrument_id) {
                self.steps.record(&reference.to_step(now));
                self.stepper.input(now, &Input::Reference(reference), &mut silent);
            }
        }
    }

    fn publish(&mut self) {
        let rings = self.executions.iter().map(ExecutionInput::position);
        let queues = self.intents.queues.iter().map(Queue::position);
        let positions = std::iter::once(self.control.position()).chain(rings).chain(queues);
        self.board.publish(&self.status, &self.stepper.machine, self.intents.missed(), positions);
    }
}

/// For inputs that risk answers with nothing.
fn silent(output: Output) {
    unreachable!("only an intent has an answer: {output:?}")
}

impl Agent for RiskShell {
    fn duty_cycle(&mut self, now: Nanos) -> usize {
        let now = self.stepper.now().max(now);
        let work_count = self.cycle(now).unwrap_or_else(|fault| {
            self.fault = Some(fault);
            0
        });
        self.finished = self.stopping || self.fault.is_some();
        if self.finished || self.board.is_due(now) {
            self.publish();
        }
        work_count
    }

    fn stop(&mut self) {
        self.stopping = true;
    }

    fn finished(&self) -> bool {
        self.finished
    }
}
