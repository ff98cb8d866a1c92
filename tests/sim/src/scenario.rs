//! What a seed means: the weather of the network, the sizes of the rings, and which faults strike when.

use crate::bus::{ProcessId, Slots};
use crate::dice::Dice;
use crate::net::Weather;

/// Milliseconds in nanoseconds.
pub const MS: u64 = 1_000_000;

/// A fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A process dies between two steps.
    Crash(ProcessId),
    /// A process dies in the middle of its next step with outputs, after this many of them.
    CrashAfter(ProcessId, u32),
    /// A process is stopped for so long, then goes on: it is not dead, and may find its lease gone.
    Stall(ProcessId, u64),
    /// The connection to the venue is cut; new ones are refused for so long.
    Cut(u64),
    /// A kill word is latched.
    Kill,
    /// The kill words are released.
    Release,
    /// The journal's disk fails at its next sync, finally.
    DiskFails,
}

/// Everything that a run depends on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scenario {
    /// The seed of the market, of the network and of everything else.
    pub seed: u64,
    /// Strategies.
    pub strategies: u8,
    /// Instruments.
    pub instruments: u16,
    /// Market-data messages a second.
    pub rate: u32,
    /// The network's faults until quiescence.
    pub weather: Weather,
    /// Ring sizes.
    pub slots: Slots,
    /// An order waits until its intent is durable.
    pub durable: bool,
    /// Faults by time after the start, in nanoseconds.
    pub faults: Vec<(u64, Fault)>,
    /// When quiescence begins, after the start.
    pub trade_ns: u64,
}

impl Scenario {
    /// A quiet day: nothing fails.
    #[must_use]
    pub fn calm(seed: u64) -> Self {
        Self {
            seed,
            strategies: 2,
            instruments: 2,
            rate: 6_000,
            weather: Weather { stream_delay_ns: 100_000, jitter_ns: 5_000, split: 20, ..Weather::default() },
            slots: Slots { market_data: 1024, order_intent: 256, order_entry: 128, execution: 2048 },
            durable: false,
            faults: Vec::new(),
            trade_ns: 200 * MS,
        }
    }

    /// A bad network, and no other fault.
    #[must_use]
    pub fn stormy(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 1);
        let weather = Weather {
            loss: dice.below(20),
            duplication: dice.below(10),
            corruption: dice.below(8),
            jitter_ns: dice.below(1_500_000),
            stream_delay_ns: dice.below(800_000),
            split: dice.below(80),
        };
        // Now and then a ring so small that strategies are lapped.
        let market_data = if dice.percent(30) { 32 } else { 1024 };
        let calm = Self::calm(seed);
        let slots = Slots { market_data, ..calm.slots };
        Self { weather, slots, durable: dice.percent(30), instruments: 1 + dice.below(3) as u16, ..calm }
    }

    /// A bad network, and processes that die or stall, connections that are cut, kills.
    #[must_use]
    pub fn hostile(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 2);
        let mut scenario = Self::stormy(seed);
        let count = dice.between(1, 4);
        for _ in 0..count {
            let at = dice.between(20 * MS, scenario.trade_ns - 10 * MS);
            scenario.faults.push((at, Self::fault(&mut dice, scenario.strategies)));
        }
        if dice.percent(20) {
            let at = dice.between(40 * MS, scenario.trade_ns - 40 * MS);
            scenario.faults.push((at, Fault::Kill));
            if dice.percent(40) {
                scenario.faults.push((at + dice.between(5 * MS, 30 * MS), Fault::Release));
            }
        }
        scenario.faults.sort_by_key(|(at, _)| *at);
        scenario
    }

    fn fault(dice: &mut Dice, strategies: u8) -> Fault {
        let process = match dice.below(10) {
            0..3 => ProcessId::Strategy(dice.below(u64::from(strategies)) as u8),
            3..6 => ProcessId::Risk,
            6..8 => ProcessId::Feed,
            _ => ProcessId::Gateway,
        };
        match dice.below(10) {
            0..2 => Fault::Crash(process),
            2..5 => Fault::CrashAfter(process, dice.below(12) as u32),
            5..7 => Fault::Stall(process, dice.between(MS, 40 * MS)),
            7 if dice.percent(30) => Fault::DiskFails,
            _ => Fault::Cut(dice.below(20 * MS)),
        }
    }
}
