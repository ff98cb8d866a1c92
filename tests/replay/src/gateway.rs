//! The execution gateway's replay: requests, control, the venue's bytes and the shell's answers in; `execution`, the bytes
//! sent and the journal compared.

mod trail;

use crate::capture::Capture;
use crate::journals::JournalFiles;
use crate::outputs::Published;
use crate::process::{Finding, Subject, polled, ring_of, unexpected};
use crate::report::Stop;
use crate::strategy::unreadable;
use anyhow::Context;
use execution_gateway::config::{GatewayConfig, Settings};
use execution_gateway::effects;
use execution_gateway::io::RECEIVE_BYTES;
use execution_gateway::{Gateway, Input, Output, Received};
use journal::Through;
use orders::OrdersState;
use runtime::config::HostFile;
use shm_layout::message::control::Control;
use shm_layout::message::order::OrderRequest;
use shm_layout::message::step::{Step, StepKind};
use shm_layout::message::wire::{WIRE_FIRST, WIRE_LAST, WireChunk, WireKind};
use shm_layout::message::{WORDS_64, WORDS_128};
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::Role;
use std::cell::RefCell;
use trail::Trail;

/// A gateway.
#[derive(Debug)]
pub struct GatewaySubject {
    index: u8,
    settings: Settings,
    journal: JournalFiles,
    /// What it sent and journaled, compared at the end.
    trail: RefCell<Trail>,
}

impl GatewaySubject {
    /// The gateway of a row of `[[venues]]`; its journal is compared when it is at hand.
    ///
    /// # Errors
    /// A table of the host file that it cannot work with.
    pub fn new(host: &HostFile, index: u8, journal: JournalFiles) -> anyhow::Result<Self> {
        let venue = host.venues().get(usize::from(index)).with_context(|| format!("[[venues]] has no row {index}"))?;
        let config: GatewayConfig = host.table("execution-gateway")?;
        let symbols: Vec<String> = host.instruments().rows().iter().map(|row| row.symbol.clone()).collect();
        let settings = config.settings(index, venue, &symbols, usize::from(host.counts().strategies))?;
        Ok(Self { index, settings, journal, trail: RefCell::default() })
    }

    const fn ring(&self, kind: RingKind) -> RingId {
        RingId { kind, writer: Role::ExecutionGateway, index: self.index, gateway: 0 }
    }

    fn received(&self, capture: &Capture, ring: RingId, step: &Step) -> Result<Vec<Input>, Stop> {
        let mut received = Received::default();
        let chunks = polled::<WORDS_128>(capture, ring, step)?;
        let count = chunks.len();
        for (index, (sequence, words)) in chunks.into_iter().enumerate() {
            let bad = |what: &str| Stop::Unreadable(format!("{} sequence {sequence}: {what}", ring.name()));
            let chunk = WireChunk::decode(words).map_err(|error| bad(&error.to_string()))?;
            let (first, last) = (u8::from(index == 0), u8::from(index + 1 == count));
            let ends = (first * WIRE_FIRST) | (last * WIRE_LAST);
            let end = received.length + chunk.bytes().len();
            if chunk.kind != WireKind::StreamReceived as u8 || chunk.flags != ends || end > RECEIVE_BYTES {
                return Err(bad("not the next chunk of one read"));
            }
            received.bytes[received.length..end].copy_from_slice(chunk.bytes());
            (received.length, received.receive_ns) = (end, chunk.receive_ns);
        }
        Ok(vec![Input::Received(received)])
    }
}

impl Subject for GatewaySubject {
    type Machine = Gateway;

    fn identity(&self) -> (Role, u8) {
        (Role::ExecutionGateway, self.index)
    }

    fn start(&self, step: &Step, life: u64) -> Result<Gateway, Stop> {
        let (epoch, through) = (step.value[0] as u32, step.value[1] as u64);
        let settings = self.settings.clone();
        let (instruments, strategies) = (settings.symbols.len().max(1), settings.strategies.max(1));
        let mut state = OrdersState::with_capacity(settings.orders_max, instruments, strategies);
        let known = through == 0 || self.journal.fold(&mut state, Through::Sequence(through)).is_some();
        if !known || life > 0 {
            return Err(Stop::Snapshot { epoch, through });
        }
        self.trail.borrow_mut().start(through);
        Ok(Gateway::resumed(settings, state, through, &self.journal.memory(through)))
    }

    fn inputs(&self, capture: &Capture, step: &Step) -> Result<Vec<Input>, Stop> {
        if step.kind() != StepKind::Poll {
            let input = effects::from_step(step).ok_or_else(|| unexpected(step))?;
            self.trail.borrow_mut().on_input(&input);
            return Ok(vec![input]);
        }
        let ring = ring_of(step)?;
        match ring.kind {
            RingKind::Wire => self.received(capture, ring, step),
            RingKind::OrderEntry => {
                let messages = polled::<WORDS_128>(capture, ring, step)?.into_iter();
                let input = |(sequence, words)| Input::Entry { sequence, request: OrderRequest::decode(words) };
                Ok(messages.map(input).collect())
            }
            RingKind::Control => {
                let messages = polled::<WORDS_64>(capture, ring, step)?.into_iter();
                let decode = |(sequence, words)| Control::decode(words).map_err(|bad| unreadable(ring, sequence, bad));
                messages.map(|message| decode(message).map(Input::Control)).collect()
            }
            _ => Err(unexpected(step)),
        }
    }

    fn publish(&self, _step: &Step, output: &Output) -> Vec<Published> {
        self.trail.borrow_mut().on_output(output);
        match output {
            Output::Publish(execution) => {
                vec![Published { ring: self.ring(RingKind::Execution), words: execution.encode().to_vec() }]
            }
            // In the trail: the socket cuts and stamps what it takes, so that bytes are compared, not chunks.
            Output::Journal { .. } | Output::Send(_) => Vec::new(),
            // Status pages and the socket's own.
            Output::Connect
            | Output::Disconnect
            | Output::KillEcho { .. }
            | Output::FenceEcho { .. }
            | Output::Finished => Vec::new(),
        }
    }

    fn writes(&self) -> Vec<RingId> {
        vec![self.ring(RingKind::Execution)]
    }

    fn finish(&self, capture: &Capture, whole: bool) -> Finding {
        let trail = self.trail.borrow();
        let mut finding = Finding::default();
        if !trail.has_started() {
            return finding;
        }
        let wire = self.ring(RingKind::Wire);
        match capture.ring(wire) {
            Some(captured) => finding.add(trail.compare_sent(wire, captured)),
            None => finding.stopped_at = Some(Stop::NotCaptured),
        }
        if !self.journal.is_empty() {
            finding.add(trail.compare_journal(&self.journal.segments(), whole));
        }
        finding
    }
}
