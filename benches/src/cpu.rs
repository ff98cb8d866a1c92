//! CPU time against wall time: whether a pinned role really had its core.
//!
//! The kernel's own account of the calling thread (`/proc/thread-self/schedstat`). What a hypervisor takes away is not in
//! it: on virtual machines only the jitter floor shows that.

use runtime::clock::monotonic_ns;
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
    account: Option<(u64, u64)>,
}

/// What a thread used of its core.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CpuUse {
    /// Wall time, in nanoseconds.
    pub wall_ns: u64,
    /// Time on a CPU, in nanoseconds; `None` when the kernel keeps no account.
    pub cpu_ns: Option<u64>,
    /// Time that it was ready and did not run, in nanoseconds.
    pub waited_ns: Option<u64>,
}

impl CpuStart {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        Self { wall_ns: monotonic_ns(), account: account() }
    }

    /// From then to now.
    #[must_use]
    pub fn elapsed(&self) -> CpuUse {
        let wall_ns = monotonic_ns() - self.wall_ns;
        let both = self.account.zip(account());
        CpuUse {
            wall_ns,
            cpu_ns: both.map(|(before, after)| after.0 - before.0),
            waited_ns: both.map(|(before, after)| after.1 - before.1),
        }
    }
}

impl CpuUse {
    /// CPU time as a part of wall time.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        Some(self.cpu_ns? as f64 / self.wall_ns.max(1) as f64)
    }
}

/// Nanoseconds on a CPU and nanoseconds ready but waiting.
fn account() -> Option<(u64, u64)> {
    parse(&std::fs::read_to_string("/proc/thread-self/schedstat").ok()?)
}

fn parse(schedstat: &str) -> Option<(u64, u64)> {
    let mut fields = schedstat.split_ascii_whitespace().map(str::parse);
    Some((fields.next()?.ok()?, fields.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_account_is_read() {
        assert_eq!(parse("497684 12 1\n"), Some((497_684, 12)));
        assert_eq!(parse(""), None);
        let used = CpuUse { wall_ns: 1_000, cpu_ns: Some(950), waited_ns: Some(50) };
        assert!((used.share().expect("an account") - 0.95).abs() < 1e-9);
    }

    #[test]
    fn a_thread_that_sleeps_uses_less_than_the_wall_time() {
        let start = CpuStart::now();
        std::thread::sleep(std::time::Duration::from_millis(20));
        let used = start.elapsed();
        if let Some(share) = used.share() {
            assert!(share < 1.0, "{used:?}");
        }
    }
}
