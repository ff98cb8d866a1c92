//! The strategy's shell: rings and the market image around [`StrategyMachine`].
//!
//! It never gives the machine an input that `order_intent` has no room to answer, and never goes on after a message of
//! `control` or `execution` was lost: it ends, and re-enters rebuilt. A lap of `market_data` costs it its books only.

mod attach;
mod board;
mod market;
mod outbox;

use crate::machine::{Input, StrategyMachine};
use board::Board;
use machine::Stepper;
use market::{MarketInput, Polled};
use orders::FoldError;
use outbox::Outbox;
use runtime::duty_cycle::Agent;
use runtime::inputs::{ControlInput, ExecutionInput, InputFault};
use runtime::process::StepLog;
use runtime::references::References;
use shm_layout::failpoint::Failpoint;
use shm_layout::image::ImageMiss;
use shm_layout::message::execution::Execution;
use shm_layout::status::{StateCheckpoint, StatusWriter};
use shm_layout::types::{InstrumentId, Nanos};

/// Market data was read and recorded, nothing is decided.
static BEFORE_DECIDE: Failpoint = Failpoint::new("strategy.market_data.before_decide");
/// A request is decided and not published.
static BEFORE_INTENT: Failpoint = Failpoint::new("strategy.intent.before_publish");

/// The strategy's own failpoints.
pub static FAILPOINTS: [&Failpoint; 2] = [&BEFORE_DECIDE, &BEFORE_INTENT];

/// Most timers of one pass: a strategy that slept long catches up over several.
const TIMERS: usize = 16;

/// Why a strategy ended by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ShellFault {
    /// An input is lost.
    #[error(transparent)]
    Input(#[from] InputFault),
    /// The execution stream does not follow from the state.
    #[error("execution does not follow from the state: {0}; the process must be rebuilt")]
    Void(FoldError),
}

/// A strategy with its ports.
#[derive(Debug)]
pub struct StrategyShell {
    stepper: Stepper<StrategyMachine>,
    status: StatusWriter,
    board: Board,
    steps: StepLog,
    control: ControlInput,
    execution: ExecutionInput,
    market: MarketInput,
    references: References,
    /// What it trades, by slot.
    instruments: Vec<InstrumentId>,
    /// Slots to reload from the image, by bit.
    to_reload: u32,
    /// A reload was made while the channel was not synchronized.
    reload_again: bool,
    outbox: Outbox,
    armed: bool,
    stopping: bool,
    finished: bool,
    fault: Option<ShellFault>,
}

impl StrategyShell {
    /// The machine, to look at.
    #[must_use]
    pub const fn machine(&self) -> &StrategyMachine {
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
        let mut work_count = self.fire_timers(now);
        work_count += self.poll_control(now)?;
        work_count += self.poll_execution(now)?;
        work_count += self.reload(now);
        work_count += self.poll_market_data(now);
        // What the batch asked for is not left for the next pass: until then the book would be closed.
        work_count += self.reload(now);
        Ok(work_count)
    }

    fn fire_timers(&mut self, now: Nanos) -> usize {
        for fired in 0..TIMERS {
            if self.outbox.inputs() == 0 {
                return fired;
            }
            let Some(at) = self.stepper.due(now) else { return fired };
            self.steps.timer(at);
            let outbox = &mut self.outbox;
            self.stepper.timer(now, &mut |output| outbox.put(output));
        }
        TIMERS
    }

    /// What `control` can cause is cancels: it may use the reserve, so that a full ring does not keep a strategy armed.
    fn poll_control(&mut self, now: Nanos) -> Result<usize, InputFault> {
        let count = self.control.poll(self.outbox.inputs_reserved())?;
        if count == 0 {
            return Ok(0);
        }
        self.steps.poll(self.control.ring(), self.control.through(), count, now);
        for control in self.control.messages() {
            let outbox = &mut self.outbox;
            self.stepper.input(now, &Input::Control(*control), &mut |output| outbox.put(output));
        }
        let requests = self.control.requests();
        self.stopping |= requests.stop;
        if requests.allocate_once {
            drop(std::hint::black_box(Box::new(now)));
        }
        self.show_armed();
        self.status.set_last_control_sequence(self.control.through());
        Ok(count)
    }

    fn poll_execution(&mut self, now: Nanos) -> Result<usize, ShellFault> {
        let count = self.execution.poll(self.outbox.inputs())?;
        if count == 0 {
            return Ok(0);
        }
        self.steps.poll(self.execution.ring(), self.execution.through(), count, now);
        let (gateway, before) = (self.execution.gateway(), self.stepper.machine.orders().through_journal_sequence());
        for execution in self.execution.messages() {
            let outbox = &mut self.outbox;
            self.stepper.input(now, &Input::Execution(*execution), &mut |output| outbox.put(output));
            // One that the snapshot contains was compared in an earlier life.
            if let Execution::Checkpoint(checkpoint) = execution
                && checkpoint.journal_sequence > before
            {
                let (journal_sequence, state_hash) =
                    (checkpoint.journal_sequence, self.stepper.machine.orders().hash());
                self.status.publish_checkpoint(StateCheckpoint { gateway, journal_sequence, state_hash });
            }
        }
        self.show_armed();
        self.stepper.machine.void().map_or(Ok(count), |error| Err(ShellFault::Void(error)))
    }

    fn poll_market_data(&mut self, now: Nanos) -> usize {
        match self.market.poll(self.outbox.inputs()) {
            Polled::Messages(0) => 0,
            Polled::Messages(count) => {
                self.steps.poll(self.market.ring(), self.market.through(), count, now);
                BEFORE_DECIDE.hit();
                for message in self.market.messages() {
                    // One that cannot be read is a message lost.
                    let input = message.map_or(Input::MarketDataLapped, Input::MarketData);
                    let outbox = &mut self.outbox;
                    self.stepper.input(now, &input, &mut |output| outbox.put(output));
                }
                count
            }
            Polled::Lapped(missed) => {
                self.steps.lapped(self.market.ring(), self.market.through(), missed, now);
                let outbox = &mut self.outbox;
                self.stepper.input(now, &Input::MarketDataLapped, &mut |output| outbox.put(output));
                1
            }
            Polled::NoRoom => 0,
        }
    }

    /// Gives the machine the image's state of what it asked to reload. An entry in the middle of a write waits for the
    /// next pass; what was loaded while the channel recovered is loaded again when it is synchronized.
    fn reload(&mut self, now: Nanos) -> usize {
        let again = self.reload_again && self.references.is_synchronized();
        if self.outbox.take_reload() || again {
            self.to_reload = every_slot(self.instruments.len());
            self.reload_again = false;
        }
        let mut work_count = 0;
        let mut left = self.to_reload;
        while left != 0 && self.outbox.inputs() > 0 {
            let slot = left.trailing_zeros();
            left &= left - 1;
            let reference = match self.references.reload(self.instruments[slot as usize]) {
                Err(ImageMiss::Busy) => continue,
                Err(miss) => unreachable!("the image has every instrument of the table: {miss:?}"),
                Ok(reference) => reference,
            };
            self.to_reload &= !(1 << slot);
            self.reload_again |= !self.references.is_synchronized();
            self.steps.record(&reference.to_step(now));
            let outbox = &mut self.outbox;
            self.stepper.input(now, &Input::Reference(reference), &mut |output| outbox.put(output));
            work_count += 1;
        }
        work_count
    }

    fn show_armed(&mut self) {
        let armed = self.stepper.machine.is_armed();
        if armed != self.armed {
            self.armed = armed;
            self.status.set_armed(armed);
        }
    }

    fn publish(&self) {
        let positions = [self.control.position(), self.execution.position(), self.market.position()];
        self.board.publish(&self.status, &self.stepper.machine, &self.market, self.outbox.published());
        positions.iter().enumerate().for_each(|(slot, position)| self.status.set_position(slot, position));
    }
}

/// A bit for each of `count` slots, at most 32.
const fn every_slot(count: usize) -> u32 {
    if count >= 32 { u32::MAX } else { (1 << count) - 1 }
}

const _: () = assert!(crate::config::INSTRUMENTS_MAX <= 32, "slots to reload are the bits of a u32");

impl Agent for StrategyShell {
    fn duty_cycle(&mut self, now: Nanos) -> usize {
        let now = self.stepper.now().max(now);
        let work_count = self.cycle(now).unwrap_or_else(|fault| {
            self.fault = Some(fault);
            0
        });
        self.finished = self.stopping || self.fault.is_some();
        if self.finished || self.board.is_due(now) {
            self.show_armed();
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
