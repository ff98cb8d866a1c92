//! The shell: taps on every ring of the instance, and the capture files.
//!
//! It never holds a writer up unless it gates, and then only by what is not in a file yet. After an error of the
//! filesystem it writes nothing more: it says which file, and ends.

mod tap;

use crate::capture::{CaptureWriter, Resumed, resume};
use crate::config::{Mode, RecorderConfig};
use crate::machine::{BATCH, Batch, Input, Output, Recorder};
use machine::Stepper;
use runtime::RuntimeError;
use runtime::duty_cycle::Agent;
use runtime::ports::wiring;
use runtime::process::Process;
use shm_layout::control_page::RecorderMode;
use shm_layout::counters::{COUNTERS, LABEL_BYTES};
use shm_layout::message::WORDS_128;
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::ring::{RingReader, Start};
use shm_layout::status::{ProcessState, READER_POSITIONS, StatusWriter};
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::{Nanos, Role};
use std::hint::black_box;
use tap::Tap;
use zerocopy::IntoBytes;

/// Batches of one ring in one duty cycle, so that a fast ring does not starve the others.
const BATCHES_MAX: usize = 16;
/// How often counters and positions are published.
const REPORT_NS: u64 = 1_000_000;
/// How long a stop waits for writers to end: what they still write then is not captured.
const DRAIN_NS: u64 = 2_000_000_000;
/// Labels before those of the rings.
const LABELS: [&str; 6] = ["captured", "missed", "bytes", "files", "drained", "cut_bytes"];

/// The recorder's agent.
#[derive(Debug)]
pub struct Shell {
    stepper: Stepper<Recorder>,
    taps: Vec<Tap>,
    /// One value for all batches.
    input: Input,
    writer: CaptureWriter,
    gates: bool,
    status: StatusWriter,
    /// Sequence on `control` of the message that announced this life: a stop before it was meant for an earlier one.
    announced_at: u64,
    reported: Nanos,
    /// When the stop was asked for.
    stopping: Option<Nanos>,
    stop_asked: bool,
    drained: bool,
    cut_bytes: u64,
    finished: bool,
    failure: Option<RuntimeError>,
}

impl Shell {
    /// Reads what earlier lives captured, attaches after it, and begins a new file.
    ///
    /// # Errors
    /// A corrupt capture, and what the host file, the filesystem or a region refuses.
    pub fn new(process: &Process, status: StatusWriter) -> anyhow::Result<Self> {
        let file = &process.file;
        let config: RecorderConfig =
            if file.has_table("recorder") { file.table("recorder")? } else { RecorderConfig::default() };
        let gates = process.page.recorder_mode() == RecorderMode::Gating;
        if gates != (config.mode == Mode::Gating) {
            tracing::warn!("recorder.mode differs from what the instance was started with, which stands");
        }
        let folder = process.instance.capture();
        let resumed = resume(&folder, process.boot_stamp)?;
        if resumed.cut_bytes > 0 {
            tracing::warn!("{}: cut a torn end of {} bytes", folder.display(), resumed.cut_bytes);
        }
        let announced_at = announcement(process)?;
        let (taps, rings) = attach_all(process, &status, gates, &resumed)?;
        let now = process.clock.now();
        let (boot_stamp, config_hash) = (process.boot_stamp, file.config_hash());
        let writer = CaptureWriter::create(&folder, resumed.file_index, boot_stamp, config_hash, now)?;
        let words = [0; BATCH * WORDS_128];
        let shell = Self {
            stepper: Stepper::new(Recorder::new(&rings, config.segment_bytes), now),
            taps,
            input: Input::Batch(Batch { ring: 0, first_sequence: 0, count: 0, words }),
            writer,
            gates,
            status,
            announced_at,
            reported: Nanos(0),
            stopping: None,
            stop_asked: false,
            drained: false,
            cut_bytes: resumed.cut_bytes,
            finished: false,
            failure: None,
        };
        shell.define_counters();
        Ok(shell)
    }

    /// The end of the process: in order, or the failure, which the status region then shows.
    ///
    /// # Errors
    /// The file that could not be written.
    pub fn end(self) -> anyhow::Result<()> {
        self.failure.map_or(Ok(()), |failure| {
            self.status.set_state(ProcessState::Failed);
            Err(failure.into())
        })
    }

    /// The machine, to read its state.
    #[must_use]
    pub const fn machine(&self) -> &Recorder {
        &self.stepper.machine
    }

    /// Every ring of the instance, by the same names in each life.
    fn ring_labels(&self) -> impl Iterator<Item = String> + '_ {
        let of = |tap: &Tap| ["captured", "missed"].map(|what| format!("ring.{}.{what}", tap.ring().name()));
        self.taps.iter().flat_map(of).take(COUNTERS - LABELS.len())
    }

    fn define_counters(&self) {
        for (index, label) in LABELS.into_iter().map(str::to_owned).chain(self.ring_labels()).enumerate() {
            self.status.counters().define(index, &label[..label.len().min(LABEL_BYTES)]);
        }
    }

    fn report(&mut self, now: Nanos) {
        self.reported = now;
        let machine = &self.stepper.machine;
        let totals = [
            machine.captured,
            machine.missed,
            machine.bytes,
            self.writer.files(),
            u64::from(self.drained),
            self.cut_bytes,
        ];
        let of_rings = (0..self.taps.len()).flat_map(|row| <[u64; 2]>::from(machine.counts(row)));
        for (index, value) in totals.into_iter().chain(of_rings).enumerate().take(COUNTERS) {
            self.status.counters().set(index, value);
        }
        for (slot, tap) in self.taps.iter().enumerate().take(READER_POSITIONS) {
            self.status.set_position(slot, &tap.position());
        }
    }

    /// Captures what is new of one ring.
    fn capture(&mut self, now: Nanos, row: usize) -> usize {
        let mut captured = 0;
        for _ in 0..BATCHES_MAX {
            let Self { stepper, taps, input, writer, failure, .. } = self;
            let Input::Batch(batch) = &mut *input else { unreachable!("the reused input is a batch") };
            batch.ring = row;
            let count = taps[row].read(batch);
            if count == 0 {
                break;
            }
            let mut outputs = OutputList::default();
            stepper.input(now, input, &mut |output| outputs.push(output));
            let Input::Batch(batch) = &*input else { unreachable!("the reused input is a batch") };
            write_all(writer, failure, now, &outputs, payload_of(batch, taps[row].ring()));
            captured += count;
            if taps[row].ring().kind == RingKind::Control {
                self.obey(row);
            }
            if self.failure.is_some() || count < BATCH {
                break;
            }
        }
        captured
    }

    /// Does what the `control` messages of the batch just captured ask of this process.
    fn obey(&mut self, row: usize) {
        let Input::Batch(batch) = &self.input else { unreachable!("the reused input is a batch") };
        let words = Recorder::payload_words(RingKind::Control);
        for (sequence, payload) in (batch.first_sequence..).zip(batch.words.chunks_exact(words).take(batch.count)) {
            let message = payload.try_into().ok().and_then(|words| Control::decode(words).ok());
            let Some(message) = message.filter(|message| message.is_for(Role::Recorder, 0)) else { continue };
            if sequence <= self.announced_at {
                continue;
            }
            self.stop_asked |= message.kind() == ControlKind::Stop;
            if message.kind() == ControlKind::AllocateOnce {
                black_box(Box::new(0_u64));
            }
        }
        self.status.set_last_control_sequence(self.taps[row].next_sequence() - 1);
    }

    fn flush(&mut self) {
        match self.writer.flush() {
            Ok(()) => self.taps.iter_mut().for_each(Tap::commit),
            Err(error) => self.failure = self.failure.take().or(Some(error)),
        }
    }

    /// Writes what was recorded in full, and waits for the disk.
    fn finish(&mut self, now: Nanos) {
        for row in 0..self.taps.len() {
            let end = Input::End { ring: row, next_sequence: self.taps[row].next_sequence() };
            let mut outputs = OutputList::default();
            self.stepper.input(now, &end, &mut |output| outputs.push(output));
            write_all(&mut self.writer, &mut self.failure, now, &outputs, &[]);
        }
        if self.failure.is_none() {
            self.failure = self.writer.sync().err();
            self.taps.iter_mut().for_each(Tap::commit);
        }
        self.finished = true;
    }
}

impl Agent for Shell {
    fn duty_cycle(&mut self, now: Nanos) -> usize {
        let mut work_count = 0;
        for row in 0..self.taps.len() {
            if self.failure.is_none() {
                let captured = self.capture(now, row);
                if captured > 0 {
                    // Hot processes may share the CPU: an order waits for one ring's batches, not for those of every ring.
                    std::thread::yield_now();
                }
                work_count += captured;
            }
        }
        // Gated writers wait for what is read but not in a file yet.
        if self.failure.is_none() && (work_count == 0 || self.gates) {
            self.flush();
        }
        if self.stop_asked {
            let since = *self.stopping.get_or_insert(now);
            self.drained = work_count == 0;
            if self.failure.is_none() && (self.drained || now.0 >= since.0.saturating_add(DRAIN_NS)) {
                self.finish(now);
            }
        }
        self.finished |= self.failure.is_some();
        if self.finished || now.0 >= self.reported.0.saturating_add(REPORT_NS) {
            self.report(now);
        }
        work_count
    }

    fn stop(&mut self) {
        self.stop_asked = true;
    }

    fn finished(&self) -> bool {
        self.finished
    }
}

/// The outputs of one step: a rotation and a gap, a rotation and the batch.
#[derive(Default)]
struct OutputList {
    outputs: [Option<Output>; <Recorder as machine::Machine>::OUTPUTS_MAX],
    count: usize,
}

impl OutputList {
    fn push(&mut self, output: Output) {
        self.outputs[self.count] = Some(output);
        self.count += 1;
    }
}

fn payload_of(batch: &Batch, ring: RingId) -> &[u8] {
    batch.words[..batch.count * Recorder::payload_words(ring.kind)].as_bytes()
}

/// Writes the outputs of a step, unless something failed before.
fn write_all(
    writer: &mut CaptureWriter,
    failure: &mut Option<RuntimeError>,
    now: Nanos,
    outputs: &OutputList,
    payload: &[u8],
) {
    for output in outputs.outputs.iter().flatten() {
        if failure.is_some() {
            return;
        }
        let written = match output {
            Output::Rotate => writer.rotate(now),
            Output::Append { header, payload: true } => writer.append(header, payload),
            Output::Append { header, payload: false } => writer.append(header, &[]),
        };
        *failure = written.err();
    }
}

/// Every ring of the instance with its tap, and the next sequence to capture of each.
#[expect(clippy::type_complexity, reason = "two lists of the same rows")]
fn attach_all(
    process: &Process,
    status: &StatusWriter,
    gates: bool,
    resumed: &Resumed,
) -> Result<(Vec<Tap>, Vec<(RingId, u64)>), RuntimeError> {
    let read = wiring::rings_read_by(process.ports.counts(), gates, Role::Recorder, 0);
    let next = |ring| resumed.rings.get(&ring).map_or(1, |ranges| ranges.next_sequence.max(1));
    let taps: Result<Vec<Tap>, RuntimeError> =
        read.iter().map(|&edge| Tap::attach(process, status, edge, next(edge.0) - 1)).collect();
    Ok((taps?, read.iter().map(|&(ring, _)| (ring, next(ring))).collect()))
}

/// Sequence on `control` of the message that announced this life; 0 when the ring holds none.
fn announcement(process: &Process) -> Result<u64, RuntimeError> {
    let control = RingId { kind: RingKind::Control, writer: Role::Supervisor, index: 0, gateway: 0 };
    let mut reader: RingReader<7> = process.ports.tap(control, Start::Oldest)?;
    let (mut words, mut found) = ([[0; 7]; 1], 0);
    while let Ok(1) = reader.read_batch(&mut words) {
        let announces = Control::decode(&words[0]).is_ok_and(|message| {
            message.kind() == ControlKind::Epoch
                && message.role == Role::Recorder as u8
                && u64::from(message.epoch) == process.identity.epoch
        });
        if announces {
            found = reader.next_sequence() - 1;
        }
    }
    Ok(found)
}
