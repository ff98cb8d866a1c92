//! Risk of the simulation: its machine between the intent rings, `execution`, the image, the kill word and `order_entry`.

use crate::bus::ProcessId;
use crate::env::{Env, Life};
use crate::taps::{ControlTap, ExecutionTap};
use machine::Stepper;
use orders::OrdersState;
use risk::limits::Settings;
use risk::machine::{Input, Output, RingStart, Risk};
use runtime::references::References;
use shm_layout::message::WORDS_128;
use shm_layout::message::order::OrderRequest;
use shm_layout::ring::{RingReader, RingWriter};
use shm_layout::types::InstrumentId;
use zerocopy::IntoBytes;

const ME: ProcessId = ProcessId::Risk;
/// Intents of one strategy taken in one pass.
const BATCH: usize = 8;

/// Risk's process.
#[derive(Debug)]
pub struct Desk {
    stepper: Stepper<Risk>,
    control: ControlTap,
    execution: ExecutionTap,
    intents: Vec<RingReader<WORDS_128>>,
    entries: RingWriter<WORDS_128>,
    references: References,
    instruments: u32,
    kill_generation: u64,
    outputs: Vec<Output>,
    compared: u64,
}

impl Desk {
    /// A new life in `epoch`, from the orders state that its journal leads to.
    #[must_use]
    pub fn start(env: &Env, settings: Settings, state: OrdersState, epoch: u32, rings: &[RingStart]) -> Self {
        let instruments = settings.domains.len() as u32;
        let through = state.through_journal_sequence();
        let intents = env.bus.order_intent.iter().zip(rings);
        Self {
            stepper: Stepper::new(Risk::restore(settings, state, epoch, rings, env.now), env.now),
            control: ControlTap::attach(&env.bus.control),
            execution: ExecutionTap::attach(&env.bus.execution, through),
            intents: intents.map(|(ring, start)| ring.gating_reader(Some(start.resume_after))).collect(),
            entries: env.bus.order_entry.writer(),
            references: References::new(env.bus.image_reader()),
            instruments,
            kill_generation: 0,
            outputs: Vec::new(),
            compared: 0,
        }
    }

    /// The machine, to read it.
    #[must_use]
    pub const fn machine(&self) -> &Risk {
        &self.stepper.machine
    }

    /// One pass of its duty cycle.
    pub fn poll(&mut self, env: &mut Env) -> Life {
        self.pass(env).map_or(Life::Dead, |()| if self.machine().void().is_some() { Life::Dead } else { Life::Alive })
    }

    /// `None` when it dies.
    fn pass(&mut self, env: &mut Env) -> Option<()> {
        while let Some(control) = self.control.poll().ok()? {
            self.input(env, &Input::Control(control))?;
        }
        for _ in 0..16 {
            let Some(execution) = self.execution.poll().ok()? else { break };
            self.input(env, &Input::Execution(execution))?;
        }
        self.compare(env);
        if self.kill_generation != env.bus.kill_generation {
            self.kill_generation = env.bus.kill_generation;
            self.input(env, &Input::Kill { generation_sum: self.kill_generation })?;
        }
        for instrument in (0..self.instruments).map(InstrumentId) {
            if let Some(reference) = self.references.changed(instrument) {
                self.input(env, &Input::Reference(reference))?;
            }
        }
        (0..self.intents.len()).try_for_each(|strategy| self.poll_intents(env, strategy))
    }

    fn poll_intents(&mut self, env: &mut Env, strategy: usize) -> Option<()> {
        let mut words = [[0; WORDS_128]; BATCH];
        let most = self.entries.room().min(BATCH);
        // A lap of a parked reader: what is lost was published for a dead process.
        let count = self.intents[strategy].read_batch(&mut words[..most]).unwrap_or(0);
        let first = self.intents[strategy].next_sequence() - count as u64;
        for (index, words) in words[..count].iter().enumerate() {
            let sequence = first + index as u64;
            let request = OrderRequest::decode(words);
            self.input(env, &Input::Intent { strategy: strategy as u8, sequence, request })?;
        }
        // Only now: a death before this leaves the intents to the next life.
        self.intents[strategy].commit();
        Some(())
    }

    /// I9 at every checkpoint of the gateway.
    fn compare(&mut self, env: &mut Env) {
        let Some(checkpoint) = self.machine().checkpoint() else { return };
        if checkpoint.journal_sequence != self.compared {
            self.compared = checkpoint.journal_sequence;
            env.checker.checkpoint(&checkpoint);
        }
    }

    fn input(&mut self, env: &mut Env, input: &Input) -> Option<()> {
        let Self { stepper, outputs, .. } = self;
        stepper.input(env.now, input, &mut |output| outputs.push(output));
        for Output::Entry { gateway, request } in std::mem::take(&mut self.outputs) {
            if !env.survives(ME) {
                return None;
            }
            assert_eq!(gateway, 0, "the only gateway");
            env.trace.bytes(env.now, "risk", request.encode().as_bytes());
            env.checker.counts.risk_rejects += u64::from(request.header().reject_reason != 0);
            self.entries.push(&request.encode()).expect("room was seen");
        }
        Some(())
    }
}
