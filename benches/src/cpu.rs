//! CPU time against wall time: whether a pinned role really had its core.
//!
//! CPU time is the thread's own clock, which the kernel brings up to the moment of the question; the account in
//! `/proc/thread-self/schedstat` is as old as the last tick, and only the time spent waiting is read from there. What a
//! hypervisor takes away is in neither: on virtual machines only the jitter floor shows that.

use runtime::clock::{monotonic_ns, thread_cpu_ns};
use serde::{Deserialize, Serialize};

/// Least part of the wall time that a hot role must have run. The kernel's own threads take some per cent where no core is
/// isolated, which medians bear; a second busy process takes half.
pub const SHARE_MIN: f64 = 0.90;
/// The same where a napping tap shares the core by plan: its wake-ups take about an eighth.
pub const SHARE_MIN_TAPPED: f64 = 0.75;

/// The account of one thread at one moment.
#[derive(Clone, Copy, Debug)]
pub struct CpuStart {
    wall_ns: u64,
    cpu_ns: u64,
    waited_ns: Option<u64>,
}

/// What a thread used of its core.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CpuUse {
    /// Wall time, in nanoseconds.
    pub wall_ns: u64,
    /// Time on a CPU, in nanoseconds; `None` where it was not measured.
    pub cpu_ns: Option<u64>,
    /// Time that it was ready and did not run, in nanoseconds; `None` when the kernel keeps no account.
    pub waited_ns: Option<u64>,
}

impl CpuStart {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        let (waited_ns, wall_ns) = (waited_ns(), monotonic_ns());
        Self { wall_ns, cpu_ns: thread_cpu_ns(), waited_ns }
    }

    /// From then to now.
    #[must_use]
    pub fn elapsed(&self) -> CpuUse {
        // The CPU time is read within the wall time, at both ends: it cannot come out as more.
        let cpu_ns = thread_cpu_ns() - self.cpu_ns;
        let wall_ns = monotonic_ns() - self.wall_ns;
        let waited_ns = self.waited_ns.zip(waited_ns()).map(|(before, after)| after - before);
        CpuUse { wall_ns, cpu_ns: Some(cpu_ns), waited_ns }
    }
}

impl CpuUse {
    /// CPU time as a part of wall time.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        Some(self.cpu_ns? as f64 / self.wall_ns.max(1) as f64)
    }
}

/// Nanoseconds ready but waiting.
fn waited_ns() -> Option<u64> {
    parse_waited(&std::fs::read_to_string("/proc/thread-self/schedstat").ok()?)
}

/// The second field of `schedstat`.
fn parse_waited(schedstat: &str) -> Option<u64> {
    schedstat.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_account_is_read() {
        assert_eq!(parse_waited("497684 12 1\n"), Some(12));
        assert_eq!(parse_waited(""), None);
        let used = CpuUse { wall_ns: 1_000, cpu_ns: Some(950), waited_ns: Some(50) };
        assert!((used.share().expect("an account") - 0.95).abs() < 1e-9);
    }

    #[test]
    fn a_thread_that_sleeps_uses_less_than_the_wall_time() {
        let start = CpuStart::now();
        std::thread::sleep(std::time::Duration::from_millis(20));
        let used = start.elapsed();
        assert!(used.share().expect("a share") < 0.5, "{used:?}");
    }

    #[test]
    fn a_thread_that_spins_uses_no_more_than_the_wall_time() {
        // Shorter than a tick of 250 Hz, many times over: an account kept by ticks comes out as too much or too little.
        for _ in 0..20 {
            let start = CpuStart::now();
            let end = monotonic_ns() + 3_000_000;
            while monotonic_ns() < end {
                std::hint::spin_loop();
            }
            let used = start.elapsed();
            // The two clocks are steered apart by at most 500 ppm.
            assert!(used.share().expect("a share") < 1.001, "{used:?}");
        }
    }
}
