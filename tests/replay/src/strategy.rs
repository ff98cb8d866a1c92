//! A strategy's replay: `control`, `execution`, `market_data` and references in, `order_intent` compared.

use crate::capture::Capture;
use crate::journals::JournalFiles;
use crate::outputs::Published;
use crate::process::{Subject, polled, ring_of, unexpected};
use crate::report::Stop;
use anyhow::Context;
use journal::Through;
use runtime::config::HostFile;
use shm_layout::message::control::Control;
use shm_layout::message::execution::Execution;
use shm_layout::message::market_data::MarketData;
use shm_layout::message::step::{Reference, Step, StepKind};
use shm_layout::message::{BadMessage, WORDS_64, WORDS_128};
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::Role;
use std::path::Path;
use strategy::config::{Instrument, Settings, StrategyConfig};
use strategy::machine::{Input, Output, StrategyMachine};

/// Leadership term of a host that stands alone.
const TERM: u32 = 0;

/// A strategy.
#[derive(Debug)]
pub struct StrategySubject {
    index: u8,
    gateways: u8,
    settings: Settings,
    /// Of the gateway that its orders go to.
    journal: JournalFiles,
}

impl StrategySubject {
    /// The strategy of a row of `[[strategy]]`; `journal` is the folder of the gateways' journals.
    ///
    /// # Errors
    /// A row that it cannot work with, or a journal that cannot be read.
    pub fn new(host: &HostFile, index: u8, journal: Option<&Path>) -> anyhow::Result<Self> {
        let rows: Vec<StrategyConfig> = host.tables("strategy")?;
        let row = rows.get(usize::from(index)).with_context(|| format!("[[strategy]] has no row {index}"))?;
        let instruments: Vec<_> = (host.instruments().rows().iter())
            .map(|row| Instrument { symbol: row.symbol.clone(), lot_size: row.lot_size })
            .collect();
        let settings = row.resolve(u16::from(index), &instruments)?;
        let journal = JournalFiles::read(journal, settings.venue_id as u8)?;
        Ok(Self { index, gateways: host.counts().gateways, settings, journal })
    }

    const fn intents(&self, gateway: u8) -> RingId {
        RingId { kind: RingKind::OrderIntent, writer: Role::Strategy, index: self.index, gateway }
    }
}

/// Why a message of a ring is none.
pub(crate) fn unreadable(ring: RingId, sequence: u64, bad: BadMessage) -> Stop {
    Stop::Unreadable(format!("{} sequence {sequence}: {bad}", ring.name()))
}

impl Subject for StrategySubject {
    type Machine = StrategyMachine;

    fn identity(&self) -> (Role, u8) {
        (Role::Strategy, self.index)
    }

    fn start(&self, step: &Step, _life: u64) -> Result<StrategyMachine, Stop> {
        let (epoch, through) = (step.value[0] as u32, step.value[1] as u64);
        let mut state = StrategyMachine::orders_state(&self.settings);
        if through > 0 {
            // What the rebuild folded: the journal through the fence of this life.
            let folded = self.journal.fold(&mut state, Through::Fence(Role::Strategy, self.index, epoch));
            folded.filter(|_| state.through_journal_sequence() == through).ok_or(Stop::Snapshot { epoch, through })?;
        }
        Ok(StrategyMachine::restore(self.settings.clone(), state, TERM, epoch))
    }

    fn inputs(&self, capture: &Capture, step: &Step) -> Result<Vec<Input>, Stop> {
        if step.kind() == StepKind::Reference {
            let reference = Reference::from_step(step).ok_or_else(|| unexpected(step))?;
            return Ok(vec![Input::Reference(reference)]);
        }
        if step.kind() != StepKind::Poll {
            return Err(unexpected(step));
        }
        let ring = ring_of(step)?;
        match ring.kind {
            RingKind::MarketData if step.count == 0 => Ok(vec![Input::MarketDataLapped]),
            RingKind::MarketData => {
                let messages = polled::<WORDS_64>(capture, ring, step)?.into_iter();
                let input = |words| MarketData::decode(words).map_or(Input::MarketDataLapped, Input::MarketData);
                Ok(messages.map(|(_, words)| input(words)).collect())
            }
            RingKind::Control => {
                let messages = polled::<WORDS_64>(capture, ring, step)?.into_iter();
                let decode = |(sequence, words)| Control::decode(words).map_err(|bad| unreadable(ring, sequence, bad));
                messages.map(|message| decode(message).map(Input::Control)).collect()
            }
            RingKind::Execution => {
                let messages = polled::<WORDS_128>(capture, ring, step)?.into_iter();
                let decode =
                    |(sequence, words)| Execution::decode(words).map_err(|bad| unreadable(ring, sequence, bad));
                messages.map(|message| decode(message).map(Input::Execution)).collect()
            }
            _ => Err(unexpected(step)),
        }
    }

    fn publish(&self, _step: &Step, output: &Output) -> Vec<Published> {
        match output {
            Output::Intent { gateway, request } => {
                vec![Published { ring: self.intents(*gateway), words: request.encode().to_vec() }]
            }
            // It returns as references, which the log holds.
            Output::Reload => Vec::new(),
        }
    }

    fn writes(&self) -> Vec<RingId> {
        (0..self.gateways).map(|gateway| self.intents(gateway)).collect()
    }
}
