//! Replays one process: every step of its log in order, each life from its start.

use crate::capture::{Capture, CapturedRing};
use crate::outputs::{Compared, Outputs, Published};
use crate::report::{Difference, ProcessReport, Stop};
use machine::{Machine, Stepper};
use shm_layout::message::WORDS_64;
use shm_layout::message::step::{Step, StepKind};
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::Role;

/// A process that can be replayed.
pub trait Subject {
    /// Its pure core.
    type Machine: Machine;

    /// Role and index.
    fn identity(&self) -> (Role, u8);

    /// The machine as its shell constructs it; `life` counts from 0.
    ///
    /// # Errors
    /// What the capture does not hold.
    fn start(&self, step: &Step, life: u64) -> Result<Self::Machine, Stop>;

    /// The inputs of a step that is neither a start nor a timer.
    ///
    /// # Errors
    /// What the capture does not hold.
    fn inputs(&self, capture: &Capture, step: &Step) -> Result<Vec<<Self::Machine as Machine>::Input>, Stop>;

    /// What its shell publishes for an output, in order.
    fn publish(&self, step: &Step, output: &<Self::Machine as Machine>::Output) -> Vec<Published>;

    /// The rings that it writes, besides its step ring.
    fn writes(&self) -> Vec<RingId>;

    /// What is compared at the end of the replay; `whole` when it reached the end of a whole log.
    fn finish(&self, _capture: &Capture, _whole: bool) -> Finding {
        Finding::default()
    }
}

/// What a comparison at the end came to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Finding {
    /// Outputs, or bytes of them, that were equal.
    pub outputs: u64,
    /// The first that is not.
    pub difference: Option<Difference>,
    /// The same, of what is in no ring.
    pub disagreement: Option<String>,
    /// Why it ended early.
    pub stopped_at: Option<Stop>,
}

impl Finding {
    /// Takes up another one; of each kind the first counts.
    pub fn add(&mut self, other: Self) {
        self.outputs += other.outputs;
        self.difference = self.difference.take().or(other.difference);
        self.disagreement = self.disagreement.take().or(other.disagreement);
        self.stopped_at = self.stopped_at.take().or(other.stopped_at);
    }
}

/// The messages of a `Poll` step.
///
/// # Errors
/// The first one that the capture does not hold.
pub fn polled<'a, const W: usize>(
    capture: &'a Capture,
    ring: RingId,
    step: &Step,
) -> Result<Vec<(u64, &'a [u64; W])>, Stop> {
    let last = step.through_sequence;
    let first = (last + 1).saturating_sub(u64::from(step.count));
    let captured = capture.ring(ring);
    let message = |sequence| {
        let words = captured.and_then(|captured| captured.words::<W>(sequence));
        words.map(|words| (sequence, words)).ok_or(Stop::Gap { ring, sequence })
    };
    (first..=last).map(message).collect()
}

/// The ring of a `Poll` step.
///
/// # Errors
/// A number that is no ring's.
pub fn ring_of(step: &Step) -> Result<RingId, Stop> {
    RingId::from_u32(step.ring)
        .ok_or_else(|| Stop::Unreadable(format!("a step of ring {:#x}, which is none", step.ring)))
}

/// A step that the process does not make.
#[must_use]
pub fn unexpected(step: &Step) -> Stop {
    Stop::Unreadable(format!("a step that this process does not make: {step:?}"))
}

/// Replays a process through all its lives in `capture`.
#[must_use]
pub fn replay<S: Subject>(subject: &S, capture: &Capture) -> ProcessReport {
    let (role, index) = subject.identity();
    let ring = RingId { kind: RingKind::Step, writer: role, index, gateway: 0 };
    let mut run = Run {
        report: ProcessReport { process: format!("{}/{index}", role.folder()), ..ProcessReport::default() },
        stepper: None,
        outputs: Outputs::new(capture),
        capture,
        subject,
    };
    match capture.ring(ring) {
        None => run.report.stopped_at = Some(Stop::NotCaptured),
        Some(steps) => {
            run.all(ring, steps);
            run.finish();
        }
    }
    run.report
}

/// A replay on its way.
struct Run<'a, S: Subject> {
    subject: &'a S,
    capture: &'a Capture,
    stepper: Option<Stepper<S::Machine>>,
    outputs: Outputs<'a>,
    report: ProcessReport,
}

impl<S: Subject> Run<'_, S> {
    fn all(&mut self, ring: RingId, steps: &CapturedRing) {
        for (expected, (sequence, words)) in (1..).zip(steps.from(1)) {
            if sequence != expected {
                self.report.stopped_at = Some(Stop::Gap { ring, sequence: expected });
                return;
            }
            let words: Option<&[u64; WORDS_64]> = words.try_into().ok();
            let Some(step) = words.and_then(|words| Step::decode(words).ok()) else {
                self.report.stopped_at = Some(Stop::Unreadable(format!("step {sequence} is none")));
                return;
            };
            let last_of_life = starts(steps.words(sequence + 1)) || sequence == steps.last();
            match self.step(sequence, &step, last_of_life) {
                Ok(()) if self.report.difference.is_none() => self.report.steps += 1,
                Ok(()) => return,
                Err(stop) => {
                    self.report.stopped_at = Some(stop);
                    return;
                }
            }
        }
        if steps.is_ended() {
            self.nothing_is_left(steps.last());
        }
        self.report.reached_end = steps.is_ended();
    }

    /// What is in no single ring is compared at the end.
    fn finish(&mut self) {
        let found = self.subject.finish(self.capture, self.report.reached_end);
        self.report.outputs += found.outputs;
        self.report.difference = self.report.difference.take().or(found.difference);
        self.report.disagreement = found.disagreement;
        self.report.stopped_at = self.report.stopped_at.take().or(found.stopped_at);
    }

    fn step(&mut self, sequence: u64, step: &Step, last_of_life: bool) -> Result<(), Stop> {
        let mut outputs = Vec::new();
        match step.kind() {
            StepKind::Start => {
                let machine = self.subject.start(step, self.report.lives)?;
                self.stepper = Some(Stepper::new(machine, step.now_ns));
                self.report.lives += 1;
                return Ok(());
            }
            StepKind::Opaque => return Err(Stop::Opaque),
            StepKind::Timer => {
                let stepper = self.stepper.as_mut().ok_or(Stop::NoStart)?;
                let fired = stepper.timer(step.now_ns, &mut |output| outputs.push(output));
                if fired != Some(step.now_ns) {
                    let what = format!("step {sequence}: the timer fired at {:?}, here at {fired:?}", step.now_ns);
                    return Err(Stop::Unreadable(what));
                }
            }
            _ => {
                let inputs = self.subject.inputs(self.capture, step)?;
                let stepper = self.stepper.as_mut().ok_or(Stop::NoStart)?;
                self.report.inputs += inputs.len() as u64;
                for input in &inputs {
                    stepper.input(step.now_ns, input, &mut |output| outputs.push(output));
                }
            }
        }
        let published: Vec<_> = outputs.iter().flat_map(|output| self.subject.publish(step, output)).collect();
        self.compare(sequence, &published, last_of_life)
    }

    /// A process may die in its last step before it has published all of it.
    fn compare(&mut self, step: u64, published: &[Published], last_of_life: bool) -> Result<(), Stop> {
        for (index, output) in published.iter().enumerate() {
            let (sequence, captured) = match self.outputs.compare(output) {
                Compared::Equal => {
                    self.report.outputs += 1;
                    continue;
                }
                Compared::Gap { sequence } => return Err(Stop::Gap { ring: output.ring, sequence }),
                Compared::Beyond { sequence } => (sequence, None),
                Compared::Different { sequence, captured } => (sequence, Some(captured)),
            };
            if last_of_life {
                self.report.unpublished += (published.len() - index) as u64;
                return Ok(());
            }
            if captured.is_none() && !self.capture.ring(output.ring).is_some_and(CapturedRing::is_ended) {
                return Err(Stop::Gap { ring: output.ring, sequence });
            }
            let (ring, replayed) = (output.ring, Some(output.words.clone()));
            self.report.difference = Some(Difference { step, ring, sequence, replayed, captured });
            return Ok(());
        }
        Ok(())
    }

    /// At the end of a whole log, every captured output was put out.
    fn nothing_is_left(&mut self, step: u64) {
        for ring in self.subject.writes() {
            if let Ok((sequence, captured)) = self.outputs.peek(ring) {
                let captured = Some(captured.to_vec());
                self.report.difference = Some(Difference { step, ring, sequence, replayed: None, captured });
                return;
            }
        }
    }
}

/// True when the words are a start step's.
fn starts(words: Option<&[u64; WORDS_64]>) -> bool {
    words.and_then(|words| Step::decode(words).ok()).is_some_and(|step| step.kind() == StepKind::Start)
}
