//! Risk's replay: intents, `execution`, `control`, references and the kill in, `order_entry` compared.

use crate::capture::Capture;
use crate::outputs::Published;
use crate::process::{Subject, polled, ring_of, unexpected};
use crate::report::Stop;
use crate::strategy::unreadable;
use risk::config::{Instrument, RiskConfig};
use risk::limits::Settings;
use risk::machine::{Input, Output, RingStart, Risk};
use runtime::config::HostFile;
use shm_layout::message::control::Control;
use shm_layout::message::execution::Execution;
use shm_layout::message::order::OrderRequest;
use shm_layout::message::step::{Reference, Step, StepKind};
use shm_layout::message::{WORDS_64, WORDS_128};
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::Role;

/// Risk.
#[derive(Debug)]
pub struct RiskSubject {
    settings: Settings,
}

impl RiskSubject {
    /// Risk with the limits of the host file.
    ///
    /// # Errors
    /// Limits that it cannot work with.
    pub fn new(host: &HostFile) -> anyhow::Result<Self> {
        let config: RiskConfig = host.table("risk")?;
        let instruments: Vec<_> = (host.instruments().rows().iter())
            .map(|row| Instrument {
                symbol: row.symbol.clone(),
                tick_size: row.tick_size,
                lot_size: row.lot_size,
                price_max: row.price_max,
                order_qty_max: row.order_qty_max,
            })
            .collect();
        let counts = host.counts();
        let settings = config.resolve(&instruments, usize::from(counts.strategies), counts.gateways)?;
        Ok(Self { settings })
    }

    const fn entries(gateway: u8) -> RingId {
        RingId { kind: RingKind::OrderEntry, writer: Role::Risk, index: 0, gateway }
    }
}

impl Subject for RiskSubject {
    type Machine = Risk;

    fn identity(&self) -> (Role, u8) {
        (Role::Risk, 0)
    }

    fn start(&self, step: &Step, life: u64) -> Result<Risk, Stop> {
        let (epoch, through) = (step.value[0] as u32, step.value[1] as u64);
        if through > 0 || life > 0 {
            // A later life takes up its rings where the snapshot says.
            return Err(Stop::Snapshot { epoch, through });
        }
        let rings = vec![RingStart::default(); self.settings.throttles.len()];
        Ok(Risk::restore(self.settings.clone(), Risk::orders_state(&self.settings), epoch, &rings, step.now_ns))
    }

    fn inputs(&self, capture: &Capture, step: &Step) -> Result<Vec<Input>, Stop> {
        match step.kind() {
            StepKind::Reference => {
                let reference = Reference::from_step(step).ok_or_else(|| unexpected(step))?;
                return Ok(vec![Input::Reference(reference)]);
            }
            StepKind::Kill => return Ok(vec![Input::Kill { generation_sum: step.value[0] as u64 }]),
            StepKind::Poll => {}
            _ => return Err(unexpected(step)),
        }
        let ring = ring_of(step)?;
        match ring.kind {
            RingKind::OrderIntent => {
                let messages = polled::<WORDS_128>(capture, ring, step)?.into_iter();
                let input = |(sequence, words)| Input::Intent {
                    strategy: ring.index,
                    sequence,
                    request: OrderRequest::decode(words),
                };
                Ok(messages.map(input).collect())
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
        let Output::Entry { gateway, request } = output;
        vec![Published { ring: Self::entries(*gateway), words: request.encode().to_vec() }]
    }

    fn writes(&self) -> Vec<RingId> {
        (0..self.settings.gateways).map(Self::entries).collect()
    }
}
