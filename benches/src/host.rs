//! The coordinator: starts the processes of each trial, judges whether the trial counts, and repeats until enough do.
//!
//! It sleeps while a trial runs (`troupe`): it waits for what its children say, and has no loop of its own.

use crate::BenchError;
use crate::child::{CHILD_ARGUMENTS, LaneEntry, Order};
use crate::cpu::{SHARE_MIN, SHARE_MIN_TAPPED};
use crate::figures::Figures;
use crate::goal::Goal;
use crate::lane::{LaneSpec, Payload};
use crate::meeting::{MEETING_WORDS, Meeting};
use crate::report::{Discard, Measurement, Report, RoleAccount, SeriesPoint, Trial, Unit};
use crate::scratch::{Scratch, remove_stale};
use crate::timeline::Timeline;
use crate::trial::{Role, RoleOutcome, TrialSpec, Work};
use crate::troupe::Troupe;
use runtime::affinity::allowed_cpus;
use runtime::mmap::{Access, MODE_PRIVATE, create_region, map_region};
use runtime::signal::stop_requested;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Starts for each trial that is to be kept, before a measurement gives up.
const STARTS_PER_TRIAL: u32 = 4;
/// How long the jitter floor is watched in each trial, in milliseconds.
const JITTER_MS: u64 = 50;

/// Judges a start that counts once more: by its number, and by what its roles brought home.
pub type Further<'a> = dyn FnMut(u32, &[RoleOutcome]) -> Result<(), Discard> + 'a;

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Short name, unique in the report.
    pub id: String,
    /// Title for people.
    pub title: String,
    /// What exactly is measured.
    pub what: String,
    /// What is physically possible, in words.
    pub limit: String,
    /// Name of the lane.
    pub lane: &'static str,
    /// Payload.
    pub payload: Payload,
    /// Slots.
    pub slots: usize,
    /// Gating receivers.
    pub receivers: usize,
    /// Whether a cold tap process reads too.
    pub tap: bool,
    /// What the roles do.
    pub work: Work,
    /// Goals.
    pub goals: Vec<Goal>,
}

/// The machine's side of a run.
#[derive(Clone, Debug)]
pub struct Host {
    /// The counter's rate.
    pub timeline: Timeline,
    /// Core of the sender and of the receiver.
    pub cores: [usize; 2],
    /// Trials to keep.
    pub restarts: u32,
    /// The binary that plays the roles: this one, or in tests another.
    pub program: PathBuf,
    /// Lanes that the binary knows.
    pub registry: Vec<LaneEntry>,
    /// Whether a trial must have had its cores and kept their placement. False only where no figure is read: tests of the
    /// work on busy machines.
    pub strict: bool,
}

impl Host {
    /// With these cores, or the last two that the process may use (the first one usually serves the kernel).
    ///
    /// # Errors
    /// With fewer than two cores: an anchor takes two.
    pub fn new(registry: &[LaneEntry], cores: Option<[usize; 2]>, restarts: u32) -> Result<Self, BenchError> {
        remove_stale();
        let allowed = allowed_cpus()?;
        let cores = match (cores, allowed.as_slice()) {
            (Some(cores), _) => cores,
            (None, [.., first, second]) => [*first, *second],
            _ => {
                return Err(BenchError::new(
                    format!("{} core is allowed and a lane takes two", allowed.len()),
                    "widen the cpuset or taskset of the shell",
                ));
            }
        };
        if cores[0] == cores[1] || cores.iter().any(|core| !allowed.contains(core)) {
            return Err(BenchError::new(
                format!("cores {cores:?}: two different ones of {allowed:?} are needed"),
                "correct --cores",
            ));
        }
        let program = std::env::current_exe().map_err(|error| {
            BenchError::new(format!("this program's file is unknown: {error}"), "see /proc/self/exe")
        })?;
        Ok(Self { timeline: Timeline::measure(), cores, restarts, program, registry: registry.to_vec(), strict: true })
    }

    fn entry(&self, name: &str) -> Result<&LaneEntry, BenchError> {
        self.registry
            .iter()
            .find(|entry| entry.name == name)
            .ok_or_else(|| BenchError::new(format!("no lane is called {name:?}"), "list it in the registry"))
    }

    /// Measures plan after plan for a report, up to an interruption: the starts kept until then are reported, and the notes
    /// say what is missing.
    ///
    /// # Errors
    /// As [`Self::measure`].
    pub fn measure_all(
        &self,
        plans: &[Plan],
        report: &mut Report,
        told: &mut dyn FnMut(&str),
    ) -> Result<(), BenchError> {
        for plan in plans {
            let found = self.measure(plan, told)?;
            let kept = found.trials.len();
            if stop_requested() && kept < self.restarts as usize {
                report.notes.push(format!("{}: interrupted after {kept} of {} starts.", plan.id, self.restarts));
                if kept == 0 && !found.has_defect() {
                    continue;
                }
            }
            report.measurements.push(found);
        }
        Ok(())
    }

    /// Runs trials until enough are kept, or a stop is asked for; `told` hears of each one.
    ///
    /// # Errors
    /// When a trial cannot be run at all. Trials that do not count are no error.
    pub fn measure(&self, plan: &Plan, told: &mut dyn FnMut(&str)) -> Result<Measurement, BenchError> {
        self.measure_judged(plan, &mut |_, _| Ok(()), told)
    }

    /// As [`Self::measure`]; `further` has the last word on each start.
    ///
    /// # Errors
    /// As [`Self::measure`].
    pub fn measure_judged(
        &self,
        plan: &Plan,
        further: &mut Further<'_>,
        told: &mut dyn FnMut(&str),
    ) -> Result<Measurement, BenchError> {
        let entry = self.entry(plan.lane)?;
        let mut trials = Vec::new();
        let mut discarded: Vec<Discard> = Vec::new();
        for number in 1..=self.restarts * STARTS_PER_TRIAL {
            if trials.len() == self.restarts as usize || stop_requested() {
                break;
            }
            // One that was cut short is no trial.
            let Some(outcomes) = self.run(entry, plan)? else { break };
            let judged = judge(number, plan, &outcomes, self.strict);
            match judged.and_then(|trial| further(number, &outcomes).map(|()| trial)) {
                Ok(trial) => {
                    told(&format!("{}: start {number}: {}", plan.id, in_words(plan, &trial)));
                    trials.push(trial);
                }
                Err(discard) => {
                    told(&format!("{}: start {number} discarded: {}", plan.id, discard.reason));
                    discarded.push(discard);
                }
            }
        }
        let unit = if matches!(plan.work, Work::Throughput { .. }) { Unit::PerSecond } else { Unit::Ns };
        let mut measurement = Measurement {
            id: plan.id.clone(),
            title: plan.title.clone(),
            what: plan.what.clone(),
            limit: plan.limit.clone(),
            subject: plan.lane.to_owned(),
            settings: (entry.settings)(&self.lane_spec(plan, PathBuf::new())),
            unit,
            trials,
            discarded,
            summaries: Vec::new(),
            verdicts: Vec::new(),
        };
        measurement.conclude(&plan.goals);
        Ok(measurement)
    }

    fn lane_spec(&self, plan: &Plan, directory: PathBuf) -> LaneSpec {
        let (receivers, taps) = (plan.receivers, usize::from(plan.tap));
        LaneSpec { directory, name: "there".to_owned(), slots: plan.slots, receivers, taps }
    }

    /// One trial, from the creation of its files to their removal; `None` when a stop was asked for before its end.
    fn run(&self, entry: &LaneEntry, plan: &Plan) -> Result<Option<Vec<RoleOutcome>>, BenchError> {
        let scratch = Scratch::new()?;
        let there = self.lane_spec(plan, scratch.path().to_owned());
        let meeting = scratch.path().join("meeting");
        create_region(&meeting, MEETING_WORDS as u64 * 8, MODE_PRIVATE)?;
        let round_trips = matches!(plan.work, Work::PingPong { .. });
        if plan.tap && (!round_trips || entry.threads) {
            return Err(BenchError::new("a tap is measured with round trips between processes", "leave the tap out"));
        }
        let trial = TrialSpec {
            lane: plan.lane.to_owned(),
            payload: plan.payload,
            there,
            work: plan.work.clone(),
            sender_core: self.cores[0],
            receiver_core: self.cores[1],
            tap_core: if plan.tap { Some(self.tap_core()?) } else { None },
            jitter_ms: JITTER_MS,
            timeline: self.timeline,
            meeting,
        };
        (entry.create)(&trial.there, plan.payload)?;
        if round_trips {
            (entry.create)(&trial.back(), plan.payload)?;
        }
        let roles: &[Role] = match (entry.threads, plan.tap) {
            (true, _) => &[Role::Threads],
            (false, false) => &[Role::Sender, Role::Receiver],
            (false, true) => &[Role::Sender, Role::Receiver, Role::Tap],
        };
        let page = map_region(&trial.meeting, Access::ReadWrite, None)?;
        let mut troupe = Troupe::new(Meeting::new(page.words, trial.roles()));
        for role in roles {
            let order = Order { role: *role, coordinator: std::process::id(), trial: trial.clone() };
            troupe.join(*role, self.start(&order)?);
        }
        troupe.hear()
    }

    /// A core of the tap's own where there is one, else the receiver's.
    ///
    /// # Errors
    /// When the kernel does not say which cores there are.
    pub fn tap_core(&self) -> Result<usize, BenchError> {
        let third = allowed_cpus()?.into_iter().find(|core| !self.cores.contains(core));
        Ok(third.unwrap_or(self.cores[1]))
    }

    fn start(&self, order: &Order) -> Result<Child, BenchError> {
        let order = serde_json::to_string(order)
            .map_err(|error| BenchError::new(format!("an order cannot be told: {error}"), "report this"))?;
        Command::new(&self.program)
            .args(CHILD_ARGUMENTS)
            .arg(order)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A terminal's Ctrl-C reaches the coordinator alone, which ends the start.
            .process_group(0)
            .spawn()
            .map_err(|error| BenchError::file("start", &self.program, &error))
    }
}

/// Whether a trial counts.
fn judge(number: u32, plan: &Plan, outcomes: &[RoleOutcome], strict: bool) -> Result<Trial, Discard> {
    let discard = |reason: String, defect| Discard { number, reason, defect };
    if let Some(wrong) = wrong_work(outcomes) {
        return Err(discard(wrong, true));
    }
    for outcome in outcomes.iter().filter(|outcome| strict && outcome.role != Role::Tap) {
        let is_shared = outcomes.iter().any(|other| other.role == Role::Tap && other.core == outcome.core);
        let least = if is_shared { SHARE_MIN_TAPPED } else { SHARE_MIN };
        if let Some(share) = outcome.cpu.share().filter(|share| *share < least) {
            let percent = share * 100.0;
            return Err(discard(format!("the {} had its core for {percent:.1} % of the time", outcome.role), false));
        }
    }
    let anchors = outcomes.iter().find_map(|outcome| outcome.anchors).expect("the sender brings anchors");
    let placement = anchors.placement().or_else(|_| {
        let (before, after) = (anchors.before.one_way_ns, anchors.after.one_way_ns);
        let why = || discard(format!("the anchors disagree: {before:.1} ns before, {after:.1} ns after"), false);
        if strict { Err(why()) } else { Ok(anchors.before.placement()) }
    })?;
    let intervals: Vec<_> = outcomes.iter().flat_map(|outcome| outcome.intervals.clone()).collect();
    let figures = Figures::of(&intervals);
    let value = match plan.work {
        Work::PingPong { .. } => {
            let batches = outcomes.iter().map(|outcome| &outcome.batches_ps).find(|batches| !batches.is_empty());
            batches.map(|batches| batches[batches.len() / 2] as f64 / 1_000.0)
        }
        Work::OpenLoop { .. } => figures.p50_ns.map(|ns| ns as f64),
        Work::Throughput { .. } => outcomes.iter().find_map(|outcome| outcome.per_second),
    };
    let value = value.ok_or_else(|| discard("too few samples".to_owned(), false))?;
    let series = intervals
        .iter()
        .map(|interval| SeriesPoint {
            start_us: interval.start_us,
            samples: interval.counts.iter().map(|(_, count)| count).sum(),
            max_ns: interval.max_ns,
        })
        .collect();
    let roles = outcomes
        .iter()
        .map(|outcome| RoleAccount {
            role: outcome.role,
            core: outcome.core,
            cpu: outcome.cpu,
            jitter: crate::jitter::Jitter { intervals: Vec::new(), ..outcome.jitter.clone() },
            stamp: outcome.stamp,
            counts: outcome.counts.clone(),
        })
        .collect();
    Ok(Trial { number, placement: Some(placement), anchors: Some(anchors), value, figures, series, roles, intervals })
}

/// What no noise of the machine explains: a message false, doubled, out of order, or lost by a gating receiver.
fn wrong_work(outcomes: &[RoleOutcome]) -> Option<String> {
    let sent = outcomes.iter().find(|outcome| outcome.role == Role::Sender)?.counts.first()?;
    for (index, taken) in outcomes.iter().filter(|o| o.role == Role::Receiver).flat_map(|o| &o.counts).enumerate() {
        if (taken.lost, taken.disordered) != (0, 0) {
            return Some(format!("receiver {index}: {} messages lost, {} disordered", taken.lost, taken.disordered));
        }
        if (taken.messages, taken.checksum) != (sent.messages, sent.checksum) {
            return Some(format!(
                "receiver {index}: {} messages with sum {:#x}, the sender sent {} with sum {:#x}",
                taken.messages, taken.checksum, sent.messages, sent.checksum
            ));
        }
    }
    (sent.disordered != 0).then(|| format!("{} answers were not their questions", sent.disordered))
}

fn in_words(plan: &Plan, trial: &Trial) -> String {
    let place = trial.placement.map_or(String::new(), |placement| format!("{placement}, "));
    let a = trial.a_ns().unwrap_or(f64::NAN);
    match plan.work {
        Work::Throughput { .. } => format!("{place}A {a:.1} ns, {:.1} M/s", trial.value / 1e6),
        _ => format!("{place}A {a:.1} ns, p50 {:.1} ns = {:.2} A", trial.value, trial.value / a),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anchor::{Anchor, Anchors};
    use crate::trial::Counts;

    fn outcome(role: Role, counts: Counts, share_percent: u64, a_after: f64) -> RoleOutcome {
        let anchor = Anchor::only;
        RoleOutcome {
            role,
            core: 0,
            anchors: (role == Role::Sender).then(|| Anchors { before: anchor(50.0), after: anchor(a_after) }),
            cpu: crate::cpu::CpuUse { wall_ns: 100, cpu_ns: Some(share_percent), waited_ns: Some(0) },
            jitter: crate::jitter::Jitter::default(),
            stamp: crate::timeline::StampCost { read_ns: 10.0, step_ns: 10.0 },
            counts: vec![counts],
            intervals: Vec::new(),
            from_actual_send: Vec::new(),
            batches_ps: Vec::new(),
            per_second: Some(1e6),
        }
    }

    fn plan() -> Plan {
        Plan {
            id: "rate".into(),
            title: String::new(),
            what: String::new(),
            limit: String::new(),
            lane: "tickway",
            payload: Payload::Bytes56,
            slots: 8,
            receivers: 1,
            tap: false,
            work: Work::Throughput { batch: 1, warm_up: 0, measure_ms: 1 },
            goals: Vec::new(),
        }
    }

    #[test]
    fn a_trial_counts_only_when_work_cores_and_anchors_are_in_order() {
        let sent = Counts { messages: 5, checksum: 77, ..Counts::default() };
        let both = |taken: Counts, share, after| {
            let roles = [outcome(Role::Sender, sent, 100, after), outcome(Role::Receiver, taken, share, after)];
            judge(1, &plan(), &roles, true)
        };
        assert_eq!(both(sent, 100, 52.0).expect("in order").value, 1e6);
        let late = both(sent, 89, 52.0).expect_err("it waited for its core");
        assert!(!late.defect && late.reason.contains("89.0 %"), "{late:?}");
        assert!(both(sent, 100, 240.0).expect_err("it moved").reason.contains("240.0 ns after"));
        let wrong = both(Counts { checksum: 78, ..sent }, 100, 52.0).expect_err("another sum");
        assert!(wrong.defect && wrong.reason.contains("0x4e"), "{wrong:?}");
        assert!(both(Counts { lost: 1, ..sent }, 100, 52.0).expect_err("a loss").defect);
    }
}
