//! Mean reversion of the mid: far from the mean of its last samples it is expected to come back.
//!
//! ```text
//! z = (mid − mean) / σ, in thousandths
//!
//! z ≤ −aggressive          buy at the ask          z ≥ aggressive          sell at the bid
//! z ≤ −entry               buy at the bid          z ≥ entry               sell at the ask
//! long and z ≥ −exit       sell at the bid         short and z ≤ exit      buy at the ask
//! ```
//!
//! It never asks for more than `position_max` either way.

use crate::book::Bbo;
use crate::config::Parameters;
use crate::registry::{Strategy, Want};
use crate::window::Window;
use shm_layout::types::{Nanos, Qty, Side};

/// The strategy.
#[derive(Debug)]
pub struct MeanReversion {
    parameters: Parameters,
    slots: Box<[Slot]>,
    sample_at: Nanos,
}

#[derive(Clone, Debug)]
struct Slot {
    bbo: Option<Bbo>,
    window: Window,
    /// Samples in a row that found no book to trade on.
    missed: usize,
}

impl MeanReversion {
    /// A strategy over `slots` instruments.
    #[must_use]
    pub fn new(parameters: &Parameters, slots: usize) -> Self {
        let slot = Slot { bbo: None, window: Window::new(parameters.window), missed: 0 };
        Self { parameters: *parameters, slots: vec![slot; slots].into(), sample_at: Nanos(0) }
    }

    /// Quantity of an order on `side` that keeps the position within its limit.
    fn room(&self, side: Side, position: Qty) -> Qty {
        let held = position.0.saturating_mul(side.sign());
        Qty(self.parameters.position_max.0.saturating_sub(held).min(self.parameters.order_qty.0))
    }
}

impl Strategy for MeanReversion {
    fn on_bbo(&mut self, _now: Nanos, slot: usize, bbo: Option<Bbo>) {
        self.slots[slot].bbo = bbo;
    }

    fn on_fill(&mut self, _now: Nanos, _slot: usize, _side: Side, _last_qty: Qty) {}

    fn on_timer(&mut self, now: Nanos) {
        for slot in &mut self.slots {
            match slot.bbo {
                Some(bbo) => {
                    slot.window.push(bbo.mid_twice());
                    slot.missed = 0;
                }
                None => slot.missed = slot.missed.saturating_add(1),
            }
            // A gap heals in milliseconds and the samples before it still hold: forgetting them at each would never trade
            // on a lossy feed. After a halt as long as the window they say nothing about what comes.
            if slot.missed == self.parameters.window {
                slot.window.clear();
            }
        }
        self.sample_at = now.plus(self.parameters.sample_interval_ns);
    }

    fn deadline(&self) -> Option<Nanos> {
        Some(self.sample_at)
    }

    fn wants(&self, slot: usize, position: Qty) -> Option<Want> {
        let Slot { bbo, window, .. } = &self.slots[slot];
        let bbo = (*bbo)?;
        let z = window.z_milli(bbo.mid_twice())?;
        let Parameters { entry_milli_sigma: entry, exit_milli_sigma: exit, .. } = self.parameters;
        let side = if z < 0 { Side::Buy } else { Side::Sell };
        let room = self.room(side, position);
        if z.abs() >= entry && room.0 > 0 {
            let crosses = z.abs() >= self.parameters.aggressive_milli_sigma;
            let price = bbo.near(if crosses { side.opposite() } else { side });
            return Some(Want { side, price, order_qty: room });
        }
        let out = if position.0 > 0 { Side::Sell } else { Side::Buy };
        let back = (position.0 > 0 && z >= -exit) || (position.0 < 0 && z <= exit);
        let order_qty = Qty(position.0.saturating_abs().min(self.parameters.order_qty.0));
        back.then(|| Want { side: out, price: bbo.near(out.opposite()), order_qty })
    }
}
