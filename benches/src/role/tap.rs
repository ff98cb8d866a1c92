//! A cold reader: it naps between polls, gates nobody, and waits at barriers without a core of its own.

use crate::BenchError;
use crate::cpu::CpuStart;
use crate::jitter::Jitter;
use crate::lane::Receiver;
use crate::meeting::{Meeting, Word};
use crate::timeline::StampCost;
use crate::trial::{Counts, Role, RoleOutcome, TrialSpec};
use runtime::affinity::pin;
use std::time::Duration;

/// Nap of a cold process.
pub const NAP: Duration = Duration::from_micros(50);
/// Messages read at once.
const BATCH: usize = 64;
/// Barriers of the two hot roles around an anchor.
const BARRIERS_PER_ANCHOR: u32 = 2;

/// Reads until the sender says that it is done.
///
/// # Errors
/// As the hot roles.
pub fn tap<const W: usize, R: Receiver<W>>(
    spec: &TrialSpec,
    core: usize,
    meeting: &mut Meeting,
    attach: impl FnOnce() -> Result<R, BenchError>,
) -> Result<RoleOutcome, BenchError> {
    pin(core)?;
    let mut reader = attach()?;
    let stamp = StampCost::measure(&spec.timeline);
    for _ in 0..BARRIERS_PER_ANCHOR + 2 {
        meeting.barrier_napping(NAP)?;
    }
    let cpu = CpuStart::now();
    let mut counts = Counts::default();
    while meeting.load(Word::Sent) == 0 {
        while reader.receive(BATCH, |_| counts.messages += 1) > 0 {}
        std::thread::sleep(NAP);
    }
    let cpu = cpu.elapsed();
    counts.lost = reader.lost();
    for _ in 0..BARRIERS_PER_ANCHOR + 1 {
        meeting.barrier_napping(NAP)?;
    }
    Ok(RoleOutcome {
        role: Role::Tap,
        core,
        anchors: None,
        cpu,
        jitter: Jitter { core, ..Jitter::default() },
        stamp,
        counts: vec![counts],
        intervals: Vec::new(),
        from_actual_send: Vec::new(),
        batches_ps: Vec::new(),
        per_second: None,
    })
}
