//! The instrument tested: a role that stops once for a known time must show as an open loop has to show it, and only where
//! latencies count from the intended send time.
//!
//! At rate R a stall of S makes R·S messages late, by S for the first down to nothing for the last: R·S/2 of them are later
//! than S/2. A harness that counts from the time of the actual send leaves most of them out (coordinated omission): what a
//! sender does not send while it is stopped, or held up by a full lane, has no latency there.
//!
//! ```text
//! intended  |||||||||||||||||||||||||||||      nobody stops      no message is late: the machine carries the rate
//! receiver  ||||--------------||||||||||       the receiver      the lane fills, and the sender is held up
//! actual    ||||||||--------------||||||       the sender        no message is sent; the lane stays empty
//! ```
//! Every start is recorded twice, from the intended time and, by a twin of the recorder, from the actual send. The first
//! must show the stall and the second must not: else the lane never filled, or the two times are one.

use crate::BenchError;
use crate::host::{Host, Plan};
use crate::lane::{Lane, Payload, Tickway};
use crate::recorder::IntervalCounts;
use crate::report::{Discard, Report};
use crate::role::INTERVAL_US;
use crate::schedule::Arrivals;
use crate::suite;
use crate::trial::{Probe, Role, RoleOutcome, Stall, Stops, Work};
use runtime::signal::stop_requested;

/// Length of the injected stall, in milliseconds.
pub const STALL_MS: u64 = 10;
/// An interval of the recorders, in milliseconds.
const INTERVAL_MS: u64 = INTERVAL_US / 1_000;
// What a stall makes late was meant to be sent in one interval, and what it held back is gone before the next one.
const _: () = assert!(STALL_MS * 2 <= INTERVAL_MS);
/// Slots of the lane: what a hot ring of the product has at least.
const SLOTS: usize = 1024;
/// The lane holds at most this part of what the receiver's stall holds back: the rest of it is the sender's to wait with.
const LANE_PART: u64 = 8;
/// At lower rates too few messages are late to be told from the machine's own delays.
const RATE_HZ_MIN: u64 = 20_000;

/// The three plans: nobody stops, the receiver does, the sender does.
///
/// # Errors
/// When rate or time leave no room for the stall.
pub fn plans(lane: &'static str, rate_hz: u64, measure_ms: u64) -> Result<[Plan; 3], BenchError> {
    // At the beginning of an interval, and a whole one before and after it.
    let after_ms = (measure_ms / 4).next_multiple_of(INTERVAL_MS).max(INTERVAL_MS);
    let stall = Stall { after_ms, length_ms: STALL_MS };
    if rate_hz < RATE_HZ_MIN {
        let what =
            format!("self-test at {rate_hz} messages/s: too few are late to be told from the machine's own delays");
        return Err(BenchError::new(what, format!("take at least --rate {RATE_HZ_MIN}")));
    }
    if measure_ms < after_ms + 2 * INTERVAL_MS {
        let what = format!("self-test of {measure_ms} ms: the stall does not fit in");
        return Err(BenchError::new(what, format!("take at least --measure-ms {}", 3 * INTERVAL_MS)));
    }
    Ok([Stops::Nobody, Stops::Receiver, Stops::Sender]
        .map(|stops| plan(lane, rate_hz, measure_ms, Probe { stops, stall })))
}

fn plan(lane: &'static str, rate_hz: u64, measure_ms: u64, probe: Probe) -> Plan {
    let plain = suite::open_loop(lane, Payload::Bytes56, rate_hz, Arrivals::Fixed, measure_ms);
    let length_ms = probe.stall.length_ms;
    let (name, title) = match probe.stops {
        Stops::Nobody => ("control", "Nobody stops".to_owned()),
        Stops::Receiver => ("receiver", format!("The receiver stops for {length_ms} ms")),
        Stops::Sender => ("sender", format!("The sender stops for {length_ms} ms")),
    };
    let held_back = rate_hz * length_ms / 1_000;
    let slots = 1 << (held_back / LANE_PART).max(1).ilog2();
    Plan {
        id: format!("self-test-{name}"),
        title,
        slots: SLOTS.min(slots),
        work: match plain.work {
            Work::OpenLoop { rate_hz, arrivals, seed, warm_up_ms, measure_ms, .. } => {
                Work::OpenLoop { rate_hz, arrivals, seed, warm_up_ms, measure_ms, probe: Some(probe) }
            }
            other => other,
        },
        ..plain
    }
}

/// What one recorder has of a start, of messages later than half of the stall.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Late {
    /// Those that were meant to be sent in the stall's interval.
    pub inside: u64,
    /// All others.
    pub outside: u64,
    /// The longest latency of the stall's interval, in nanoseconds.
    pub max_ns: u64,
}

impl Late {
    fn read(intervals: &[IntervalCounts], stall: Stall) -> Self {
        let mut found = Self::default();
        for interval in intervals {
            let late = interval.counts.iter().filter(|(ns, _)| *ns > stall.length_ms * 1_000_000 / 2);
            let late: u64 = late.map(|(_, count)| count).sum();
            if interval.start_us == stall.after_ms * 1_000 {
                found.inside = late;
                found.max_ns = interval.max_ns;
            } else {
                found.outside += late;
            }
        }
        found
    }
}

/// What a start shows of its stall.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Who stopped, when and how long.
    pub probe: Probe,
    /// Distance of the messages, in nanoseconds.
    pub step_ns: u64,
    /// Messages that such a stall makes later than half of it: rate x stall / 2.
    pub expected: u64,
    /// Messages that were meant to be sent in other intervals than the stall's.
    pub others: u64,
    /// Counted from the intended time.
    pub intended: Late,
    /// Counted from the actual send.
    pub actual: Late,
    /// Attempts to send that found the lane full.
    pub full: u64,
}

/// What is to be said of a start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It shows what it has to show.
    Shown,
    /// The machine made messages late, or cannot carry the rate: nothing can be said.
    Noise(String),
    /// The stall shows, but not that it is the intended time that shows it.
    Unproved(String),
    /// The stall does not show from the intended time: the instrument forgives stalls.
    Forgiven(String),
}

impl Seen {
    /// Reads a start of one of the [`plans`].
    ///
    /// # Panics
    /// When the plan is of another bench.
    #[must_use]
    pub fn read(plan: &Plan, outcomes: &[RoleOutcome]) -> Self {
        let Work::OpenLoop { rate_hz, measure_ms, probe: Some(probe), .. } = plan.work else {
            panic!("{} is not of the self-test", plan.id)
        };
        let of = |role: Role| outcomes.iter().filter(move |outcome| outcome.role == role);
        let intended: Vec<IntervalCounts> = of(Role::Receiver).flat_map(|outcome| outcome.intervals.clone()).collect();
        let actual: Vec<IntervalCounts> =
            of(Role::Receiver).flat_map(|outcome| outcome.from_actual_send.clone()).collect();
        Self {
            probe,
            step_ns: 1_000_000_000 / rate_hz,
            expected: rate_hz * probe.stall.length_ms / 1_000 / 2,
            others: rate_hz * measure_ms.saturating_sub(INTERVAL_MS) / 1_000,
            intended: Late::read(&intended, probe.stall),
            actual: Late::read(&actual, probe.stall),
            full: of(Role::Sender).flat_map(|outcome| &outcome.counts).map(|counts| counts.full).sum(),
        }
    }

    /// Judges it, by the stall's interval: what the machine does elsewhere in a start says nothing about the instrument. A
    /// stall shows with all messages that it makes late, whatever the machine adds; what the machine may add is bounded, so
    /// that an overload does not pass for a stall.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let Self { expected, intended, actual, .. } = *self;
        let half_ms = self.probe.stall.length_ms as f64 / 2.0;
        let (stops, stall_ns) = (self.probe.stops, self.probe.stall.length_ms * 1_000_000);
        if stops != Stops::Nobody
            && (intended.inside * 20 < expected * 19 || intended.max_ns + 2 * self.step_ns < stall_ns)
        {
            return Verdict::Forgiven(format!("the instrument forgives stalls: {}", self.line()));
        }
        let cure = "a busy machine, or too high a --rate";
        // As many as a gap of the machine of six tenths of the stall makes late.
        if stops == Stops::Nobody && intended.inside > expected / 5 {
            return Verdict::Noise(format!(
                "{} messages were later than {half_ms:.1} ms though nobody stopped: {cure}",
                intended.inside
            ));
        }
        if intended.inside > expected + expected / 2 {
            return Verdict::Noise(format!(
                "{} late messages are more than the stall explains ({expected}): {cure}",
                intended.inside
            ));
        }
        if intended.outside > self.others / 4 {
            return Verdict::Noise(format!(
                "{} messages were later than {half_ms:.1} ms far from any stall: {cure}",
                intended.outside
            ));
        }
        if stops == Stops::Receiver && self.full == 0 {
            return Verdict::Unproved("the lane was never full: the sender was not held up".to_owned());
        }
        if actual.inside * 2 > expected {
            let found = actual.inside;
            return Verdict::Unproved(format!(
                "from the actual send {found} messages are late as well: the stall shows twice"
            ));
        }
        Verdict::Shown
    }

    /// In a line.
    #[must_use]
    pub fn line(&self) -> String {
        let Self { probe, expected, intended, actual, full, .. } = self;
        let length_ms = probe.stall.length_ms;
        let (half_ms, max_ms) = (length_ms as f64 / 2.0, intended.max_ns as f64 / 1e6);
        let (who, wanted) = match probe.stops {
            Stops::Nobody => ("nobody stops".to_owned(), format!("a stall makes {expected}")),
            Stops::Receiver => (format!("the receiver stops for {length_ms} ms"), format!("expected {expected}")),
            Stops::Sender => (format!("the sender stops for {length_ms} ms"), format!("expected {expected}")),
        };
        format!(
            "{who}: from the intended time {} messages later than {half_ms:.1} ms ({wanted}), the longest {max_ms:.2} ms; \
             from the actual send {}; lane full {full} times; elsewhere in the start {}",
            intended.inside, actual.inside, intended.outside
        )
    }
}

/// Measures the three plans for the report, with what each start shows among the notes; true when most starts of each were
/// quiet enough to be judged, and none of all forgave its stall.
///
/// # Errors
/// When a start cannot be run at all, or options leave no room for the stall.
pub fn run(host: &Host, rate_hz: u64, measure_ms: u64, report: &mut Report) -> Result<bool, BenchError> {
    let mut good = true;
    for plan in plans(Tickway::NAME, rate_hz, measure_ms)? {
        let mut lines = Vec::new();
        let judge = &mut |number: u32, outcomes: &[RoleOutcome]| {
            let seen = Seen::read(&plan, outcomes);
            let discard = |reason: String, defect| Err(Discard { number, reason, defect });
            match seen.verdict() {
                Verdict::Shown => {
                    lines.push(format!("shown, start {number}: {}.", seen.line()));
                    Ok(())
                }
                Verdict::Noise(reason) | Verdict::Unproved(reason) => discard(reason, false),
                Verdict::Forgiven(reason) => discard(reason, true),
            }
        };
        let found = host.measure_judged(&plan, judge, &mut |line| eprintln!("bench: {line}"))?;
        let kept = found.trials.len();
        lines.iter().for_each(|line| eprintln!("bench: {line}"));
        report.notes.append(&mut lines);
        let is_cut = stop_requested() && kept < host.restarts as usize;
        if is_cut {
            report.notes.push(format!("{}: interrupted after {kept} of {} starts.", plan.id, host.restarts));
        } else if kept * 2 <= host.restarts as usize {
            good = false;
            report.notes.push(format!("NOT SHOWN: {}: {kept} of {} starts could be judged.", plan.id, host.restarts));
        }
        for discard in found.discarded.iter().filter(|discard| discard.defect) {
            report.notes.push(format!("NOT SHOWN, start {}: {}.", discard.number, discard.reason));
        }
        if kept > 0 || !is_cut || found.has_defect() {
            report.measurements.push(found);
        }
    }
    Ok(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lane_is_the_products_where_the_stall_fills_it_and_smaller_where_not() {
        let slots = |rate_hz| plans("tickway", rate_hz, 300).expect("room for the stall").map(|plan| plan.slots);
        assert_eq!(slots(1_000_000), [1024; 3]);
        assert_eq!(slots(20_000_000), [1024; 3]);
        assert_eq!(slots(50_000), [32; 3]);
        assert_eq!(slots(20_000), [16; 3]);
        assert!(plans("tickway", 19_999, 300).is_err() && plans("tickway", 50_000, 59).is_err());
        assert!(plans("tickway", 50_000, 60).is_ok());
    }

    #[test]
    fn each_figure_out_of_its_bounds_has_its_verdict() {
        let late = |inside, outside| Late { inside, outside, max_ns: 10_000_000 };
        let probe = Probe { stops: Stops::Receiver, stall: Stall { after_ms: 80, length_ms: 10 } };
        let good = Seen {
            probe,
            step_ns: 1_000,
            expected: 5_000,
            others: 280_000,
            intended: late(5_100, 3),
            actual: late(1_025, 0),
            full: 1,
        };
        assert_eq!(good.verdict(), Verdict::Shown);
        assert!(matches!(Seen { intended: late(1_025, 0), ..good }.verdict(), Verdict::Forgiven(_)));
        let short = Late { max_ns: 9_000_000, ..good.intended };
        assert!(matches!(Seen { intended: short, ..good }.verdict(), Verdict::Forgiven(_)));
        assert_eq!(
            Seen { intended: late(5_100, 70_000), ..good }.verdict(),
            Verdict::Shown,
            "the machine's, elsewhere"
        );
        assert!(matches!(Seen { intended: late(5_100, 70_001), ..good }.verdict(), Verdict::Noise(_)));
        assert!(matches!(Seen { intended: late(7_501, 0), ..good }.verdict(), Verdict::Noise(_)));
        assert!(matches!(Seen { full: 0, ..good }.verdict(), Verdict::Unproved(_)));
        assert!(matches!(Seen { actual: late(5_000, 0), ..good }.verdict(), Verdict::Unproved(_)));
        let control = Seen { probe: Probe { stops: Stops::Nobody, ..probe }, full: 0, ..good };
        assert!(matches!(control.verdict(), Verdict::Noise(_)), "a stall where nobody stopped");
        let quiet = Seen { intended: late(1_000, 0), actual: late(0, 0), ..control };
        assert_eq!(quiet.verdict(), Verdict::Shown);
        assert!(matches!(Seen { intended: late(1_001, 0), ..quiet }.verdict(), Verdict::Noise(_)));
    }
}
