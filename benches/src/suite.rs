//! The plans: what `tickway bench` and the bench targets measure, each with its sentence, its limit and its goals.
//!
//! Plans take the lane's name, so that a peer is measured by the very plan that measures ours.

use crate::anchor::Placement::{Far, Near};
use crate::goal::{Goal, GoalFigure};
use crate::host::Plan;
use crate::lane::Payload;
use crate::schedule::Arrivals;
use crate::trial::Work;

/// Which bench.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bench {
    /// Our ring from process to process.
    Ring,
    /// One writer, several readers.
    Broadcast,
    /// Append, scan and rebuild of the journal, and a tick to its order, in one thread.
    Journal,
    /// The machine alone.
    Jitter,
    /// Injected stalls, which must show.
    SelfTest,
}

impl Bench {
    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ring => "ring",
            Self::Broadcast => "broadcast",
            Self::Journal => "journal",
            Self::Jitter => "jitter",
            Self::SelfTest => "self-test",
        }
    }

    /// What it measures, in a sentence for a reader who does not know it.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Self::Ring => {
                "The ring in shared memory that carries Tickway's messages: how long one takes from process to process, \
                 and how many go through in a second."
            }
            Self::Broadcast => "The ring with one writer and several readers, none of which may miss a message.",
            Self::Journal => "What the journal costs, and the path from a tick to its order, in one thread.",
            Self::Jitter => "The machine alone: what it takes from a thread that only reads the clock.",
            Self::SelfTest => {
                "The instrument itself: its receiver stops once, then its sender, and what counts from the intended time must \
                 show it, what counts from the actual send must not."
            }
        }
    }
}

/// Slots of a measured ring: what a hot ring of the product has at least.
const SLOTS: usize = 1024;
/// Slots where throughput is measured: 64 KiB of 64-byte slots, so that writer and reader rarely meet on a line.
const THROUGHPUT_SLOTS: usize = 4096;
/// Messages per claim and per read.
const BATCH: usize = 64;
/// Messages of a throughput trial that are not counted.
const THROUGHPUT_WARM_UP: u64 = 1_000_000;
/// Seed of random arrivals: the same in every trial.
const SEED: u64 = 0x71C4_57A4;

const LIMIT_A: &str = "A: a cache line from core to core, in the mean of many. A process costs the same as a thread.";
const LIMIT_RATE: &str = "No closed bound: each line must still cross once, but many are under way at a time.";

/// One way from process to process, closed loop.
#[must_use]
pub fn one_way(lane: &'static str, payload: Payload, measure_ms: u64) -> Plan {
    let bytes = payload.slot_bytes();
    let goals = match payload {
        Payload::Bytes56 => vec![
            Goal::at_most(GoalFigure::OverA, Near, 1.06, "64 B one way, p50").promised("ring_one_way_near_in_a"),
            Goal::at_most(GoalFigure::OverA, Far, 1.12, "64 B one way, p50").promised("ring_one_way_far_in_a"),
            Goal::at_most(GoalFigure::P99OverA, Near, 1.2, "64 B one way, p99 (two stamps inside)")
                .promised("ring_one_way_p99_near_in_a"),
        ],
        Payload::Bytes120 => vec![
            Goal::at_most(GoalFigure::OverA, Near, 1.12, "128 B one way, p50").promised("ring_one_way_128_near_in_a"),
            Goal::at_most(GoalFigure::OverA, Far, 1.22, "128 B one way, p50").promised("ring_one_way_128_far_in_a"),
        ],
    };
    Plan {
        id: format!("one-way-{bytes}"),
        title: format!("One way, {bytes}-byte slots"),
        what: format!(
            "Half of a round trip over two lanes between two pinned processes, {} bytes of payload, one message at a time. \
             The headline is the median of batches of 32 round trips, as A's are; the percentiles are of single round trips, \
             halved, with two stamps inside.",
            payload.bytes()
        ),
        limit: LIMIT_A.to_owned(),
        lane,
        payload,
        slots: SLOTS,
        receivers: 1,
        tap: false,
        work: Work::PingPong { measure_ms },
        goals,
    }
}

/// As [`one_way`], with a cold tap reading along.
#[must_use]
pub fn one_way_tapped(lane: &'static str, payload: Payload, measure_ms: u64) -> Plan {
    let plain = one_way(lane, payload, measure_ms);
    Plan {
        id: format!("{}-tapped", plain.id),
        title: format!("{}, with a tap", plain.title),
        what: format!(
            "{} A third process reads the same lane, gates nobody and naps 50 us between polls, as the recorder does. On \
             two cores it shares the receiver's core, and what its wake-ups take is in the tail.",
            plain.what
        ),
        tap: true,
        goals: Vec::new(),
        ..plain
    }
}

/// What a tap may add to the median.
#[must_use]
pub const fn tap_goal() -> Goal {
    Goal::everywhere_at_most(GoalFigure::Compared, 1.05, "p50 with a tap / without")
        .promised("ring_one_way_tapped_over_untapped")
}

/// One way at a stated rate, open loop.
#[must_use]
pub fn open_loop(lane: &'static str, payload: Payload, rate_hz: u64, arrivals: Arrivals, measure_ms: u64) -> Plan {
    let (bytes, warm_up_ms) = (payload.slot_bytes(), (measure_ms / 5).max(20));
    let (word, name) = match arrivals {
        Arrivals::Fixed => ("at equal distances", "fixed"),
        Arrivals::Poisson => ("as a Poisson process", "poisson"),
    };
    Plan {
        id: format!("open-loop-{name}-{bytes}"),
        title: format!("Open loop, {} messages/s {word}, {bytes}-byte slots", thousands(rate_hz)),
        what: format!(
            "From the time at which a message was meant to be sent to the receiver's stamp after it has the payload, two \
             pinned processes. The sender never skips a message and never starts one early; the first {warm_up_ms} ms are \
             warm-up and discarded. A stall shows in every message that it held back."
        ),
        limit: format!("{LIMIT_A} One stamp is inside, and the step with which the counter tells time."),
        lane,
        payload,
        slots: SLOTS,
        receivers: 1,
        tap: false,
        work: Work::OpenLoop { rate_hz, arrivals, seed: SEED, warm_up_ms, measure_ms, probe: None },
        goals: Vec::new(),
    }
}

/// Messages per second in batches, to so many gating receivers.
#[must_use]
pub fn throughput(lane: &'static str, payload: Payload, receivers: usize, measure_ms: u64) -> Plan {
    let bytes = payload.slot_bytes();
    let rate = |placement, millions: f64, text, promise| {
        Goal::at_least(GoalFigure::Value, placement, millions * 1e6, text).promised(promise)
    };
    let goals = match (payload, receivers) {
        (Payload::Bytes56, 1) => vec![
            rate(Near, 320.0, "64 B, messages/s", "ring_per_second_near"),
            rate(Far, 60.0, "64 B, messages/s", "ring_per_second_far"),
        ],
        (Payload::Bytes120, 1) => vec![
            rate(Near, 150.0, "128 B, messages/s", "ring_128_per_second_near"),
            rate(Far, 50.0, "128 B, messages/s", "ring_128_per_second_far"),
        ],
        (Payload::Bytes56, 4) => {
            vec![rate(Near, 200.0, "64 B to four readers, messages/s", "broadcast_4_per_second_near")]
        }
        (Payload::Bytes56, 8) => {
            vec![rate(Near, 100.0, "64 B to eight readers, messages/s", "broadcast_8_per_second_near")]
        }
        _ => Vec::new(),
    };
    let (id, title) = match receivers {
        1 => (format!("throughput-{bytes}"), format!("Throughput, {bytes}-byte slots")),
        n => (format!("broadcast-{n}-{bytes}"), format!("Broadcast to {n} readers, {bytes}-byte slots")),
    };
    let sharing = if receivers == 1 {
        String::new()
    } else {
        " All readers are polled in turn by the one receiving process, so two cores do the work of all of them; each \
         message counts once and is taken by every reader."
            .to_owned()
    };
    Plan {
        id,
        title,
        what: format!(
            "Messages per second from one pinned process to another in batches of up to {BATCH}, lossless, {} bytes of \
             payload, every word of which is written and summed. Counted from the sender's first message after {} of \
             warm-up until the last reader has the last message.{sharing}",
            payload.bytes(),
            thousands(THROUGHPUT_WARM_UP)
        ),
        limit: LIMIT_RATE.to_owned(),
        lane,
        payload,
        slots: THROUGHPUT_SLOTS,
        receivers,
        tap: false,
        work: Work::Throughput { batch: BATCH, warm_up: THROUGHPUT_WARM_UP, measure_ms },
        goals,
    }
}

/// The plans of a bench that measures lanes, for one lane. The self-test has its own.
#[must_use]
pub fn plans(bench: Bench, lane: &'static str, rate_hz: u64, measure_ms: u64) -> Vec<Plan> {
    use Payload::{Bytes56, Bytes120};
    match bench {
        Bench::Ring => vec![
            one_way(lane, Bytes56, measure_ms),
            one_way(lane, Bytes120, measure_ms),
            one_way_tapped(lane, Bytes56, measure_ms),
            open_loop(lane, Bytes56, rate_hz, Arrivals::Fixed, measure_ms),
            open_loop(lane, Bytes56, rate_hz, Arrivals::Poisson, measure_ms),
            throughput(lane, Bytes56, 1, measure_ms),
            throughput(lane, Bytes120, 1, measure_ms),
        ],
        Bench::Broadcast => [1, 2, 4, 8].map(|readers| throughput(lane, Bytes56, readers, measure_ms)).to_vec(),
        Bench::SelfTest | Bench::Journal | Bench::Jitter => Vec::new(),
    }
}

/// `1_000_000` as `1 000 000`.
#[must_use]
pub fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goal::unpromised;

    #[test]
    fn every_goal_is_a_promise() {
        let plans = [Bench::Ring, Bench::Broadcast].iter().flat_map(|bench| plans(*bench, "tickway", 1_000_000, 400));
        let goals: Vec<Goal> = plans.flat_map(|plan| plan.goals).chain([tap_goal()]).collect();
        assert_eq!(unpromised(&goals), Vec::<String>::new());
    }

    #[test]
    fn every_plan_has_an_id_of_its_own() {
        let mut ids: Vec<String> = [Bench::Ring, Bench::Broadcast]
            .iter()
            .flat_map(|bench| plans(*bench, "tickway", 1_000_000, 400))
            .map(|plan| plan.id)
            .collect();
        let count = ids.len();
        ids.sort();
        ids.dedup();
        // The broadcast to one reader is the throughput of the ring.
        assert_eq!(ids.len(), count - 1);
        assert_eq!(thousands(1_000_000), "1 000 000");
        assert_eq!(thousands(12), "12");
    }
}
