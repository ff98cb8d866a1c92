//! How a process waits after a duty cycle that found no work.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The strategy, fixed at start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WaitStrategy {
    /// Never leaves the core: only where each hot process has one of its own.
    Spin,
    /// `sched_yield` from the first empty poll: where processes share cores.
    Yield,
    /// Sleeps this many microseconds: cold processes.
    Nap(u32),
}

/// Shortest nap of a cold process beside hot ones that share CPUs, in microseconds.
///
/// A kernel that schedules by groups (autogroup, cgroups) weighs a group anew on a CPU whenever one of its threads wakes
/// there, and on Linux 6.18 the group then begins its slice anew: beside hot processes that never sleep, on more than one
/// CPU, naps of 0.1 to 2 ms in their group left a thread of another group 1 % of the CPU, and one of the kernel's own
/// waited 9 s, with every fsync behind it. Naps longer than a slice (2.8 ms) do not. And each nap costs a CPU its timer.
pub const SHARED_NAP_US_MIN: u32 = 10_000;

impl WaitStrategy {
    /// How a cold process waits that would nap for `nap_us`, beside hot ones that wait like this.
    #[must_use]
    pub const fn cold(self, nap_us: u32) -> Self {
        match self {
            Self::Spin => Self::Nap(nap_us),
            Self::Yield | Self::Nap(_) if nap_us < SHARED_NAP_US_MIN => Self::Nap(SHARED_NAP_US_MIN),
            Self::Yield | Self::Nap(_) => Self::Nap(nap_us),
        }
    }

    /// Waits, if the duty cycle had no work. A cold process that had some gives a hot one on its CPU a turn before the rest.
    #[inline]
    pub fn idle(self, work_count: usize) {
        if work_count != 0 {
            if matches!(self, Self::Nap(_)) {
                std::thread::yield_now();
            }
            return;
        }
        match self {
            Self::Spin => std::hint::spin_loop(),
            Self::Yield => std::thread::yield_now(),
            Self::Nap(us) => std::thread::sleep(Duration::from_micros(u64::from(us))),
        }
    }
}

impl fmt::Display for WaitStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spin => f.write_str("spin"),
            Self::Yield => f.write_str("yield"),
            Self::Nap(us) => write!(f, "nap:{us}"),
        }
    }
}

impl FromStr for WaitStrategy {
    type Err = String;

    /// `spin`, `yield` or `nap:50`: how the supervisor tells a child.
    fn from_str(text: &str) -> Result<Self, String> {
        let nap = || text.strip_prefix("nap:")?.parse().ok().map(Self::Nap);
        match text {
            "spin" => Ok(Self::Spin),
            "yield" => Ok(Self::Yield),
            _ => nap().ok_or_else(|| format!("{text:?} is not spin, yield or nap:MICROSECONDS")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read_back() {
        for (wait, text) in
            [(WaitStrategy::Spin, "spin"), (WaitStrategy::Yield, "yield"), (WaitStrategy::Nap(50), "nap:50")]
        {
            assert_eq!(wait.to_string(), text);
            assert_eq!(text.parse(), Ok(wait));
            wait.idle(0);
        }
        let cold = |hot: WaitStrategy| [hot.cold(100), hot.cold(50_000)];
        assert_eq!(cold(WaitStrategy::Spin), [WaitStrategy::Nap(100), WaitStrategy::Nap(50_000)]);
        assert_eq!(cold(WaitStrategy::Yield), [WaitStrategy::Nap(SHARED_NAP_US_MIN), WaitStrategy::Nap(50_000)]);
        assert!("nap:".parse::<WaitStrategy>().is_err());
    }
}
