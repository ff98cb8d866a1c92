//! Leases on status regions: is the other process running its duty cycle, and does it get anything done?
//!
//! A lease is a bound on the age of a heartbeat, on the instance's one time line. It says nothing about death: a stopped
//! process may go on at any moment, so what must exclude it fences it (see `child`).

use shm_layout::status::StatusReader;
use shm_layout::types::Nanos;

/// Age of a process's heartbeat; a heartbeat of the future (a reader's clock read earlier) is 0.
#[inline]
#[must_use]
pub fn lease_age_ns(status: &StatusReader, now: Nanos) -> u64 {
    now.0.saturating_sub(status.heartbeat().0)
}

/// True while a heartbeat is at most `lease_ns` old. Who never beat (0) holds no lease.
#[inline]
#[must_use]
pub const fn lease_held(heartbeat: Nanos, now: Nanos, lease_ns: u64) -> bool {
    heartbeat.0 != 0 && now.0.saturating_sub(heartbeat.0) <= lease_ns
}

/// What a watcher saw of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Observation {
    /// Age of its heartbeat.
    pub heartbeat_age_ns: u64,
    /// Time since its progress counter was seen to move: a livelock has a young heartbeat and an old progress. An idle
    /// process has too, so whoever judges also asks whether there was work to do.
    pub progress_age_ns: u64,
}

/// Watches one process's heartbeat and progress.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    progress: u64,
    progressed: Nanos,
}

impl Watch {
    /// Begins to watch at `now`.
    #[must_use]
    pub fn new(status: &StatusReader, now: Nanos) -> Self {
        Self { progress: status.progress(), progressed: now }
    }

    /// Looks at `now`.
    pub fn observe(&mut self, status: &StatusReader, now: Nanos) -> Observation {
        let progress = status.progress();
        if progress != self.progress {
            (self.progress, self.progressed) = (progress, now);
        }
        let progress_age_ns = now.0.saturating_sub(self.progressed.0);
        Observation { heartbeat_age_ns: lease_age_ns(status, now), progress_age_ns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shm_layout::ring::sync::SharedWords;
    use shm_layout::status::{STATUS_WORDS, StatusWriter};

    #[test]
    fn leases_end_and_progress_is_told_from_heartbeat() {
        let body = SharedWords::heap(STATUS_WORDS);
        let reader = StatusReader::new(&body);
        assert!(!lease_held(reader.heartbeat(), Nanos(5), 100), "never started");
        let writer = StatusWriter::start(&body, 1, 42, Nanos(1_000));
        assert!(
            lease_held(reader.heartbeat(), Nanos(1_100), 100) && !lease_held(reader.heartbeat(), Nanos(1_101), 100)
        );
        assert_eq!(lease_age_ns(&reader, Nanos(900)), 0);
        let mut watch = Watch::new(&reader, Nanos(1_000));
        writer.heartbeat(Nanos(2_000));
        let live = watch.observe(&reader, Nanos(2_010));
        assert_eq!(live, Observation { heartbeat_age_ns: 10, progress_age_ns: 1_010 });
        writer.add_progress(3);
        assert_eq!(watch.observe(&reader, Nanos(2_020)).progress_age_ns, 0);
    }
}
