//! From a datagram to an order's bytes, in one thread: feed handler → strategy → risk → gateway, each the product's own
//! machine with the product's own settings, composed as their shells compose them.
//!
//! ```text
//! datagram ─▶ FeedHandler ─▶ DepthChange, TopOfBook ─▶ StrategyMachine ─▶ intent ─▶ Risk ─▶ entry ─▶ Gateway
//!                         └▶ image ─▶ reference ─▶ Risk                       journal tail ◀──┤
//!                                                                             OUCH bytes  ◀──┘
//! ```
//! Of each instrument the best bid leaves, the mid falls out of its mean, and the strategy buys. The intent and the report
//! are appended to a journal tail before the pass goes on. The rings between the processes are not in it: they are
//! measured by themselves. Nor is the way back, which the next pass's preparation runs: the venue refuses each order.

mod desk;
mod venue;

use crate::micro::Workload;
use crate::work::journal::{empty_tail, release, writer_of};
use desk::Desk;
use execution_gateway::SendTag;
use journal::{Record, TailWriter};
use shm_layout::ring::sync::SharedWords;
use shm_layout::types::Nanos;
use venue::Venue;

/// Instruments: each sends one order a pass.
pub const INSTRUMENTS: u32 = 32;
/// Bytes of the journal tail's circular area.
const TAIL_BYTES: usize = 256 << 10;
/// Time between two inputs.
const STEP_NS: u64 = 1000;

/// The four machines, a venue that speaks to them, and a journal tail.
#[derive(Debug)]
pub struct TickToOrder {
    desk: Desk,
    venue: Venue,
    words: SharedWords,
    tail: TailWriter,
    now: Nanos,
    ticks: Vec<feed_handler::Input>,
}

impl TickToOrder {
    /// Everything started, logged in, armed, and the strategy's window full.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "making the input is work, not a default")]
    pub fn new() -> Self {
        Self::start(false)
    }

    /// The same, keeping every journal record of the gateway for [`TickToOrder::take_records`].
    #[must_use]
    pub fn recorded() -> Self {
        Self::start(true)
    }

    fn start(keep: bool) -> Self {
        let words = empty_tail(TAIL_BYTES);
        let mut work = Self {
            desk: Desk::new(keep),
            venue: Venue::default(),
            tail: writer_of(&words),
            words,
            now: Nanos(34_200_000_000_000),
            ticks: Vec::new(),
        };
        work.desk.log_in(work.now);
        let opening = work.venue.opening();
        work.show(&opening);
        work.desk.arm(work.now);
        // The mids swing by a tick either way, so that the window has a deviation to measure by.
        for swing in 0..64 {
            let lines = work.venue.swing(swing % 2 == 0);
            work.show(&lines);
            work.now = work.now.plus(desk::SAMPLE_NS);
            work.desk.sample(work.now);
        }
        work.settle();
        work
    }

    /// Every journal record that the gateway has made, when they are kept.
    pub fn take_records(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.desk.records)
    }

    /// Shows datagrams outside of what is measured.
    fn show(&mut self, lines: &[Vec<u8>]) {
        for bytes in lines {
            self.now = self.now.plus(STEP_NS);
            let tick = desk::datagram(self.now, bytes);
            self.desk.tick(self.now, &tick, &mut |_| {});
        }
        self.settle();
    }

    /// Runs the way back until nothing is under way: each order that was sent is refused by the venue.
    fn settle(&mut self) {
        loop {
            self.now = self.now.plus(STEP_NS);
            self.desk.deliver(self.now);
            let Some(user_ref_num) = self.desk.sent.pop() else { break };
            self.desk.acknowledge(self.now, user_ref_num);
        }
        release(&self.words);
    }
}

impl Workload for TickToOrder {
    fn operations(&self) -> u64 {
        u64::from(INSTRUMENTS)
    }

    /// The orders of the last pass end, the bids return, and the next ticks are packed.
    fn prepare(&mut self) {
        self.settle();
        // Past the pause that the strategy makes after a refusal.
        self.now = self.now.plus(desk::BACKOFF_NS);
        if !self.ticks.is_empty() {
            let lines = self.venue.bids_return();
            self.show(&lines);
        }
        let start = self.now;
        let lines = self.venue.bids_leave();
        self.ticks =
            lines.iter().zip(1..).map(|(bytes, tick)| desk::datagram(start.plus(tick * STEP_NS), bytes)).collect();
    }

    fn pass(&mut self) -> u64 {
        let Self { desk, tail, now, ticks, .. } = self;
        let mut sum = 0_u64;
        let mut orders = 0;
        for tick in ticks.iter() {
            *now = now.plus(STEP_NS);
            desk.tick(*now, tick, &mut |output| match output {
                execution_gateway::Output::Journal { record, .. } => {
                    sum ^= tail.append(record).expect("the tail was released");
                }
                execution_gateway::Output::Send(sending) if matches!(sending.tag, SendTag::Opening { .. }) => {
                    orders += 1;
                    let bytes = &sending.bytes[..sending.length];
                    // Eight bytes at a time: the sum must not cost what it witnesses.
                    sum = bytes.chunks_exact(8).fold(sum, |sum, eight| {
                        sum.rotate_left(5) ^ u64::from_le_bytes(eight.try_into().expect("eight bytes"))
                    });
                }
                _ => {}
            });
        }
        assert_eq!(orders, INSTRUMENTS, "each tick sends one order");
        sum
    }
}
