//! One way at a stated rate. The sender sends at intended times and never skips one; the receiver measures from there.
//!
//! A full lane makes the sender try again: the waiting is in the latency, as it would be in production.

use super::{Yield, fill, pattern::sum};
use crate::BenchError;
use crate::lane::{Receiver, Sender};
use crate::meeting::{Meeting, Word};
use crate::recorder::Recorder;
use crate::schedule::{Arrivals, Schedule};
use crate::timeline::Timeline;
use crate::trial::{Counts, Probe, Stall, Stops, TrialSpec, Work};
use runtime::clock::tsc;

/// Length of an interval of the time series, in microseconds.
pub const INTERVAL_US: u64 = 20_000;
/// Word that carries the intended time, as a difference to the schedule's start.
const INTENDED: usize = 1;
/// Word that carries the time of the actual send as the same difference, in the self-test.
const ACTUAL: usize = 2;
/// From the meeting to the first intended time, in nanoseconds.
const LEAD_NS: u64 = 200_000;

/// The numbers of a schedule, as both roles need them.
struct Plan {
    arrivals: Arrivals,
    mean_ticks: f64,
    seed: u64,
    warm_up: u64,
    messages: u64,
    warm_up_ns: u64,
    measure_ns: u64,
    probe: Option<Probe>,
}

impl Plan {
    fn of(spec: &TrialSpec) -> Result<Self, BenchError> {
        let Work::OpenLoop { rate_hz, arrivals, seed, warm_up_ms, measure_ms, probe } = spec.work else {
            return Err(BenchError::new("a schedule without a rate", "report this"));
        };
        let count = |ms: u64| ms * rate_hz / 1_000;
        Ok(Self {
            arrivals,
            mean_ticks: 1e9 / rate_hz as f64 / spec.timeline.ns_per_tick,
            seed,
            warm_up: count(warm_up_ms),
            messages: count(warm_up_ms + measure_ms),
            warm_up_ns: warm_up_ms * 1_000_000,
            measure_ns: measure_ms * 1_000_000,
            probe,
        })
    }
}

/// The self-test's pause of a role, to come.
struct Pause {
    /// Counter from which on it is due; `u64::MAX` = never.
    due: u64,
    ticks: u64,
}

impl Pause {
    fn new(stall: Option<Stall>, begin: u64, line: &Timeline) -> Self {
        let ticks = |ms: u64| line.ticks(ms * 1_000_000);
        stall.map_or(Self { due: u64::MAX, ticks: 0 }, |stall| Self {
            due: begin.wrapping_add(ticks(stall.after_ms)),
            ticks: ticks(stall.length_ms),
        })
    }

    /// Stops the caller, once.
    #[cold]
    fn take(&mut self) {
        self.due = u64::MAX;
        let end = tsc().wrapping_add(self.ticks);
        while tsc() < end {}
    }
}

pub(super) fn send<const W: usize, S: Sender<W>>(
    spec: &TrialSpec,
    meeting: &mut Meeting,
    there: &mut S,
) -> Result<Yield, BenchError> {
    let plan = Plan::of(spec)?;
    let mut schedule = Schedule::new(plan.arrivals, plan.mean_ticks, plan.seed);
    let mut counts = Counts::default();
    let mut words = [0; W];
    meeting.store(Word::Epoch, tsc().wrapping_add(spec.timeline.ticks(LEAD_NS)));
    meeting.barrier()?;
    let epoch = meeting.load(Word::Epoch);
    let begin = epoch.wrapping_add(spec.timeline.ticks(plan.warm_up_ns));
    let mut pause = Pause::new(Probe::stall_of(plan.probe, Stops::Sender), begin, &spec.timeline);
    let mut patience = meeting.patience();
    for number in 0..plan.messages {
        fill(number, &mut words);
        let intended = schedule.next_ticks();
        words[INTENDED] = intended;
        let at = epoch.wrapping_add(intended);
        while tsc() < at {}
        if at >= pause.due {
            pause.take();
        }
        if plan.probe.is_some() {
            // As a harness without a schedule would stamp: before a send that may have to wait.
            words[ACTUAL] = tsc().wrapping_sub(epoch);
        }
        while !there.send(&words) {
            counts.full += 1;
            patience.empty_poll()?;
        }
        counts.checksum = counts.checksum.wrapping_add(sum(&words));
    }
    counts.messages = plan.messages;
    meeting.store(Word::Sent, counts.messages);
    Ok(Yield { counts: vec![counts], ..Yield::default() })
}

pub(super) fn receive<const W: usize, R: Receiver<W>>(
    spec: &TrialSpec,
    meeting: &mut Meeting,
    there: &mut R,
) -> Result<Yield, BenchError> {
    let plan = Plan::of(spec)?;
    let line = &spec.timeline;
    // One more for what is late at the end.
    let intervals = (plan.measure_ns / 1_000 / INTERVAL_US) as usize + 1;
    let recorder = || Recorder::new(intervals, INTERVAL_US, line.ticks(INTERVAL_US * 1_000));
    let (mut recorder, mut twin) = (recorder(), plan.probe.map(|_| recorder()));
    let mut counts = Counts::default();
    meeting.barrier()?;
    let epoch = meeting.load(Word::Epoch);
    let begin = epoch.wrapping_add(line.ticks(plan.warm_up_ns));
    recorder.begin(begin);
    twin.iter_mut().for_each(|twin| twin.begin(begin));
    let mut pause = Pause::new(Probe::stall_of(plan.probe, Stops::Receiver), begin, line);
    let mut patience = meeting.patience();
    while counts.messages + counts.lost < plan.messages {
        let taken = there.receive(1, |words| {
            let now = tsc();
            let number = words[0];
            let expected = counts.messages + counts.lost;
            if number < expected {
                counts.disordered += 1;
            }
            counts.lost += number.saturating_sub(expected);
            counts.messages += 1;
            counts.checksum = counts.checksum.wrapping_add(sum(words));
            if number >= plan.warm_up {
                // Interval by the intended time: a sample belongs where it was meant to be.
                let intended = epoch.wrapping_add(words[INTENDED]);
                recorder.record(intended, line.ns(now.saturating_sub(intended)));
                if let Some(twin) = &mut twin {
                    let actual = epoch.wrapping_add(words[ACTUAL]);
                    twin.record(intended, line.ns(now.saturating_sub(actual)));
                }
            }
        });
        if taken == 0 {
            patience.empty_poll()?;
        }
        if pause.due != u64::MAX && tsc() >= pause.due {
            pause.take();
        }
    }
    counts.took_ns = line.ns(tsc().wrapping_sub(epoch));
    let from_actual_send = twin.map_or_else(Vec::new, |twin| twin.counts());
    Ok(Yield { counts: vec![counts], intervals: recorder.counts(), from_actual_send, ..Yield::default() })
}
