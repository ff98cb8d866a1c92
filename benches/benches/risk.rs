//! Risk's accept path. No crate offers pre-trade controls to stand beside it; the limit beside it is what the message costs
//! that is copied in and out: two copies of 120 bytes.
#![forbid(unsafe_code)]

use benches::micro::{Workload, compare, state_ns, state_over};
use benches::work::risk::RiskWork;
use std::hint::black_box;

/// Copies of an order message, in and out.
struct Copies {
    from: Vec<[u64; 15]>,
    to: Vec<[u64; 15]>,
}

impl Workload for Copies {
    fn operations(&self) -> u64 {
        self.from.len() as u64
    }

    fn pass(&mut self) -> u64 {
        let mut sum = 0_u64;
        for (from, to) in self.from.iter().zip(&mut self.to) {
            let order = *black_box(from);
            *to = *black_box(&order);
            sum = sum.wrapping_add(to[3]);
        }
        black_box(&self.to);
        sum
    }
}

fn main() {
    let from: Vec<_> = (1..=4096).map(|number| [number; 15]).collect();
    let mut copies = Copies { to: from.clone(), from };
    let figures = compare(
        "Risk: 15 controls, 1,024 symbols, reserved and stamped",
        &mut [("tickway", &mut RiskWork::new()), ("two copies of the message (limit)", &mut copies)],
    );
    state_ns("risk_intent_ns", &figures[0]);
    state_over("risk_intent_over_copies", &figures[0], &figures[1]);
}
