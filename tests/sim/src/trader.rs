//! A strategy of the simulation: its machine between `market_data`, the image, `execution`, `control` and `order_intent`.

use crate::bus::ProcessId;
use crate::env::{Env, Life};
use crate::taps::{ControlTap, ExecutionTap};
use machine::{Machine, Stepper};
use orders::OrdersState;
use runtime::references::References;
use shm_layout::message::market_data::MarketData;
use shm_layout::message::{WORDS_64, WORDS_128};
use shm_layout::ring::{RingReader, RingWriter, Start};
use shm_layout::types::InstrumentId;
use strategy::config::Settings;
use strategy::machine::{Input, Output, StrategyMachine};
use zerocopy::IntoBytes;

/// Messages of `market_data` taken in one pass.
const BATCH: usize = 32;

/// A strategy's process.
#[derive(Debug)]
pub struct Trader {
    index: u8,
    stepper: Stepper<StrategyMachine>,
    control: ControlTap,
    execution: ExecutionTap,
    market_data: RingReader<WORDS_64>,
    intents: RingWriter<WORDS_128>,
    references: References,
    /// Instruments whose reload is due: an entry in the middle of a write is tried again.
    reload: Vec<InstrumentId>,
    outputs: Vec<Output>,
    instruments: Vec<InstrumentId>,
}

impl Trader {
    /// A new life in `epoch`, from the orders state that its journal leads to.
    #[must_use]
    pub fn start(env: &Env, settings: Settings, state: OrdersState, epoch: u32) -> Self {
        let index = settings.strategy_id as u8;
        let instruments = settings.instruments.clone();
        let through = state.through_journal_sequence();
        Self {
            index,
            stepper: Stepper::new(StrategyMachine::restore(settings, state, 0, epoch), env.now),
            control: ControlTap::attach(&env.bus.control),
            execution: ExecutionTap::attach(&env.bus.execution, through),
            market_data: env.bus.market_data.tap(Start::Latest),
            intents: env.bus.order_intent[usize::from(index)].writer(),
            references: References::new(env.bus.image_reader()),
            reload: Vec::new(),
            outputs: Vec::new(),
            instruments,
        }
    }

    /// The machine, to read it.
    #[must_use]
    pub const fn machine(&self) -> &StrategyMachine {
        &self.stepper.machine
    }

    /// One pass of its duty cycle.
    pub fn poll(&mut self, env: &mut Env) -> Life {
        self.pass(env).map_or(Life::Dead, |()| if self.machine().void().is_some() { Life::Dead } else { Life::Alive })
    }

    /// `None` when it dies.
    fn pass(&mut self, env: &mut Env) -> Option<()> {
        while self.has_room() && self.stepper.due(env.now).is_some() {
            let Self { stepper, outputs, .. } = self;
            stepper.timer(env.now, &mut |output| outputs.push(output));
            self.act(env)?;
        }
        while self.has_room() {
            let Some(control) = self.control.poll().ok()? else { break };
            self.input(env, &Input::Control(control))?;
        }
        for _ in 0..16 {
            if !self.has_room() {
                return Some(());
            }
            let Some(execution) = self.execution.poll().ok()? else { break };
            self.input(env, &Input::Execution(execution))?;
        }
        for instrument in std::mem::take(&mut self.reload) {
            match self.references.reload(instrument) {
                Ok(reference) => self.input(env, &Input::Reference(reference))?,
                Err(_) => self.reload.push(instrument),
            }
        }
        self.poll_market_data(env)
    }

    fn poll_market_data(&mut self, env: &mut Env) -> Option<()> {
        let mut words = [[0; WORDS_64]; 1];
        for _ in 0..BATCH {
            if !self.has_room() {
                break;
            }
            match self.market_data.read_batch(&mut words) {
                Ok(0) => break,
                Ok(_) => {
                    let message = MarketData::decode(&words[0]).expect("the feed handler's message");
                    self.input(env, &Input::MarketData(message))?;
                }
                Err(_) => {
                    env.checker.counts.laps += 1;
                    self.input(env, &Input::MarketDataLapped)?;
                }
            }
        }
        Some(())
    }

    fn has_room(&mut self) -> bool {
        self.intents.room() >= StrategyMachine::OUTPUTS_MAX
    }

    fn input(&mut self, env: &mut Env, input: &Input) -> Option<()> {
        env.checker.strategy_was_told(self.index, input);
        let Self { stepper, outputs, .. } = self;
        stepper.input(env.now, input, &mut |output| outputs.push(output));
        self.act(env)
    }

    fn act(&mut self, env: &mut Env) -> Option<()> {
        assert!(self.outputs.len() <= StrategyMachine::OUTPUTS_MAX, "{} outputs of one step", self.outputs.len());
        for output in std::mem::take(&mut self.outputs) {
            if !env.survives(ProcessId::Strategy(self.index)) {
                return None;
            }
            match output {
                Output::Intent { gateway, request } => {
                    assert_eq!(gateway, 0, "the only gateway");
                    env.checker.intent(env.now, self.index, &request);
                    env.trace.bytes(env.now, "strategy", request.encode().as_bytes());
                    self.intents.push(&request.encode()).expect("room was seen");
                }
                Output::Reload => self.reload.clone_from(&self.instruments),
            }
        }
        Some(())
    }
}
