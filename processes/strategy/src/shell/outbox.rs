//! The `order_intent` rings that a strategy writes, one per gateway, and how many inputs their room allows.
//!
//! Every input may cause [`StrategyMachine::OUTPUTS_MAX`] requests, so an input is read only while that many have room
//! beyond the reserve; `control`, which causes cancels alone, may count on the reserve too.

use super::BEFORE_INTENT;
use crate::machine::{Output, StrategyMachine};
use machine::Machine;
use shm_layout::message::WORDS_128;
use shm_layout::ring::RingWriter;

/// Requests that one input can cause.
const PER_INPUT: usize = StrategyMachine::OUTPUTS_MAX;

/// Least slots of `order_intent`. A writer counts its room anew only when fewer than half of the slots are free: the half
/// must hold the reserve and one input's requests, or a strategy that waits for room would never learn of it.
pub(super) const SLOTS_MIN: usize = 4 * PER_INPUT;

/// The rings, and what else the machine asked for.
#[derive(Debug)]
pub(super) struct Outbox {
    writers: Vec<RingWriter<WORDS_128>>,
    reload: bool,
    /// Requests published in this life.
    published: u64,
}

impl Outbox {
    /// Over writers of at least [`SLOTS_MIN`] slots, with a reserve for one input of `control`.
    pub(super) fn new(mut writers: Vec<RingWriter<WORDS_128>>) -> Self {
        writers.iter_mut().for_each(|writer| writer.set_reserve(PER_INPUT));
        Self { writers, reload: false, published: 0 }
    }

    /// Inputs whose requests have room beyond the reserve.
    pub(super) fn inputs(&mut self) -> usize {
        self.writers.iter_mut().map(RingWriter::room).min().unwrap_or(0) / PER_INPUT
    }

    /// Inputs whose requests have room, the reserve included.
    pub(super) fn inputs_reserved(&mut self) -> usize {
        self.writers.iter_mut().map(RingWriter::room_reserved).min().unwrap_or(0) / PER_INPUT
    }

    /// Publishes a request, or notes that a reload is wanted.
    pub(super) fn put(&mut self, output: Output) {
        match output {
            Output::Reload => self.reload = true,
            Output::Intent { gateway, request } => {
                BEFORE_INTENT.hit();
                let pushed = self.writers[usize::from(gateway)].push_reserved(&request.encode());
                pushed.expect("inputs are read only while their requests have room");
                self.published += 1;
            }
        }
    }

    /// True once after a reload was asked for.
    pub(super) const fn take_reload(&mut self) -> bool {
        std::mem::replace(&mut self.reload, false)
    }

    pub(super) const fn published(&self) -> u64 {
        self.published
    }
}
