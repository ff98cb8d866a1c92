//! The roles of a trial: pinned, in step with each other, the same for every lane.
//!
//! ```text
//! pin ─ attach ─ anchor ─ jitter floor ─ work (its CPU time is taken) ─ anchor ─ outcome
//! ```

mod open_loop;
mod pattern;
mod ping_pong;
mod tap;
mod throughput;

use crate::BenchError;
use crate::anchor::{self, Anchors};
use crate::cpu::{CpuStart, CpuUse};
use crate::jitter::{self, Jitter};
use crate::lane::{Receiver, Sender};
use crate::meeting::Meeting;
use crate::timeline::StampCost;
use crate::trial::{Role, RoleOutcome, TrialSpec, Work};
use runtime::affinity::pin;

pub use open_loop::INTERVAL_US;
pub use pattern::{checksum, fill};
pub use tap::tap;

/// What the work itself yields; the rest of an outcome is the same for all.
#[derive(Debug, Default)]
struct Yield {
    counts: Vec<crate::trial::Counts>,
    intervals: Vec<crate::recorder::IntervalCounts>,
    from_actual_send: Vec<crate::recorder::IntervalCounts>,
    batches_ps: Vec<u64>,
    per_second: Option<f64>,
}

/// Plays the sender. `attach` is called on its core; its second part is the way back, for round trips.
///
/// # Errors
/// When the core is not to be had, a lane cannot be attached, or the other role does not answer.
pub fn sender<const W: usize, S: Sender<W>, R: Receiver<W>>(
    spec: &TrialSpec,
    meeting: &mut Meeting,
    attach: impl FnOnce() -> Result<(S, Option<R>), BenchError>,
) -> Result<RoleOutcome, BenchError> {
    pin(spec.sender_core)?;
    let (mut there, back) = attach()?;
    let stamp = StampCost::measure(&spec.timeline);
    let before = anchor::ping(meeting, &spec.timeline)?;
    meeting.barrier()?;
    let jitter = jitter::watch(spec.sender_core, spec.jitter_ms * 1_000_000, &spec.timeline);
    meeting.barrier()?;
    let cpu = CpuStart::now();
    let found = match &spec.work {
        Work::PingPong { measure_ms } => {
            let mut back = back.ok_or_else(|| BenchError::new("round trips without a way back", "report this"))?;
            ping_pong::ping(spec, *measure_ms, meeting, &mut there, &mut back)?
        }
        Work::OpenLoop { .. } => open_loop::send(spec, meeting, &mut there)?,
        Work::Throughput { batch, warm_up, measure_ms } => {
            throughput::send(spec, (*batch, *warm_up, *measure_ms), meeting, &mut there)?
        }
    };
    let cpu = cpu.elapsed();
    meeting.barrier()?;
    let anchors = Some(Anchors { before, after: anchor::ping(meeting, &spec.timeline)? });
    Ok(outcome(Role::Sender, spec.sender_core, anchors, (cpu, jitter, stamp), found))
}

/// Plays the receiver, with all gating receivers of the lane. `attach` is called on its core; its second part is the way
/// back, for round trips.
///
/// # Errors
/// As [`sender`].
pub fn receiver<const W: usize, S: Sender<W>, R: Receiver<W>>(
    spec: &TrialSpec,
    meeting: &mut Meeting,
    attach: impl FnOnce() -> Result<(Vec<R>, Option<S>), BenchError>,
) -> Result<RoleOutcome, BenchError> {
    pin(spec.receiver_core)?;
    let (mut there, back) = attach()?;
    let stamp = StampCost::measure(&spec.timeline);
    anchor::pong(meeting)?;
    meeting.barrier()?;
    let jitter = jitter::watch(spec.receiver_core, spec.jitter_ms * 1_000_000, &spec.timeline);
    meeting.barrier()?;
    let cpu = CpuStart::now();
    let found = match &spec.work {
        Work::PingPong { .. } => {
            let mut back = back.ok_or_else(|| BenchError::new("round trips without a way back", "report this"))?;
            ping_pong::pong(meeting, &mut there[0], &mut back)?
        }
        Work::OpenLoop { .. } => open_loop::receive(spec, meeting, &mut there[0])?,
        Work::Throughput { batch, warm_up, .. } => throughput::receive(spec, *batch, *warm_up, meeting, &mut there)?,
    };
    let cpu = cpu.elapsed();
    meeting.barrier()?;
    anchor::pong(meeting)?;
    Ok(outcome(Role::Receiver, spec.receiver_core, None, (cpu, jitter, stamp), found))
}

/// The outcome of a hot role.
fn outcome(
    role: Role,
    core: usize,
    anchors: Option<Anchors>,
    (cpu, jitter, stamp): (CpuUse, Jitter, StampCost),
    found: Yield,
) -> RoleOutcome {
    let Yield { counts, intervals, from_actual_send, batches_ps, per_second } = found;
    RoleOutcome { role, core, anchors, cpu, jitter, stamp, counts, intervals, from_actual_send, batches_ps, per_second }
}
