//! The instance's one time line: nanoseconds since the Unix epoch, from the time stamp counter.
//!
//! ```text
//! ns(t) = base_ns + (t − base_tsc) · rate        rate = ns per tick, 32.32 fixed point
//! ```
//! The supervisor measures the line once and publishes it; every process copies it and never steps or slews. Its offset
//! to CLOCK_REALTIME drifts, is sampled each second, and serves to convert kernel stamps only. Nothing reads the system
//! clock between an input and its last output.

use shm_layout::types::Nanos;
use std::time::Duration;

/// Which counter a line runs on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counter {
    /// The invariant time stamp counter.
    Tsc,
    /// CLOCK_MONOTONIC, where the machine has no invariant TSC; about 25 ns a read instead of 8.
    Monotonic,
}

/// A line: where it starts and how fast it runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimeLine {
    /// The counter it runs on.
    pub counter: Counter,
    /// Counter at the anchor.
    pub base_ticks: u64,
    /// Unix nanoseconds at the anchor.
    pub base_ns: u64,
    /// Nanoseconds per tick, in 2⁻³² units.
    pub rate: u64,
}

/// Least time over which the rate is measured: an error of 50 ns at both ends is then 2.5 ppm.
pub const CALIBRATION: Duration = Duration::from_millis(40);

impl TimeLine {
    /// Measures a line for this machine; blocks for [`CALIBRATION`]. Only the supervisor does so, once per instance.
    #[must_use]
    pub fn calibrate() -> Self {
        if !has_invariant_tsc() {
            let (ticks, real) = paired(monotonic_ns, realtime_ns);
            return Self { counter: Counter::Monotonic, base_ticks: ticks, base_ns: real, rate: 1 << 32 };
        }
        let (tsc_first, raw_first) = paired(tsc, monotonic_raw_ns);
        std::thread::sleep(CALIBRATION);
        let (tsc_last, raw_last) = paired(tsc, monotonic_raw_ns);
        let (base_ticks, base_ns) = paired(tsc, realtime_ns);
        let (ticks, ns) = (u128::from(tsc_last - tsc_first), u128::from(raw_last - raw_first));
        assert!(ticks > 0, "an invariant TSC stood still");
        let rate = u64::try_from((ns << 32) / ticks).expect("a counter slower than 1 Hz");
        Self { counter: Counter::Tsc, base_ticks, base_ns, rate }
    }

    /// The time at a counter value; before the anchor it runs backwards, as a line does.
    #[must_use]
    pub const fn at(&self, ticks: u64) -> Nanos {
        Nanos(match ticks.checked_sub(self.base_ticks) {
            Some(after) => self.base_ns + scale(after, self.rate),
            None => self.base_ns.saturating_sub(scale(self.base_ticks - ticks, self.rate)),
        })
    }

    /// A note for the operator when the line does not run on the TSC.
    #[must_use]
    pub const fn note(&self) -> Option<&'static str> {
        match self.counter {
            Counter::Tsc => None,
            Counter::Monotonic => Some("clock: no invariant TSC on this machine, using CLOCK_MONOTONIC (slower reads)"),
        }
    }
}

const fn scale(ticks: u64, rate: u64) -> u64 {
    ((ticks as u128 * rate as u128) >> 32) as u64
}

/// A process's copy of the line.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    line: TimeLine,
}

impl Clock {
    /// A clock on a line.
    #[must_use]
    pub const fn new(line: TimeLine) -> Self {
        Self { line }
    }

    /// Its line.
    #[must_use]
    pub const fn line(&self) -> &TimeLine {
        &self.line
    }

    /// Now. No fence: a stamp may move by the few instructions that the CPU reorders.
    #[inline]
    #[must_use]
    pub fn now(&self) -> Nanos {
        match self.line.counter {
            Counter::Tsc => self.line.at(tsc()),
            Counter::Monotonic => self.line.at(monotonic_ns()),
        }
    }

    /// CLOCK_REALTIME minus this line, in nanoseconds, from the tightest of a few paired reads.
    #[must_use]
    pub fn realtime_offset_ns(&self) -> i64 {
        let (line, real) = paired(|| self.now().0, realtime_ns);
        real.wrapping_sub(line) as i64
    }

    /// A kernel stamp (CLOCK_REALTIME) on this line, by an offset that was sampled before.
    #[inline]
    #[must_use]
    pub const fn from_realtime(realtime_ns: u64, offset_ns: i64) -> Nanos {
        Nanos(realtime_ns.saturating_add_signed(offset_ns.saturating_neg()))
    }
}

/// Reads `a` and `b` at the same moment as nearly as it can: of a few tries, the one whose two reads of `a` around `b` are
/// closest, and their middle.
fn paired(a: impl Fn() -> u64, b: impl Fn() -> u64) -> (u64, u64) {
    let mut best = (u64::MAX, 0, 0);
    for _ in 0..32 {
        let (before, middle, after) = (a(), b(), a());
        let width = after.saturating_sub(before);
        if width < best.0 {
            best = (width, before + width / 2, middle);
        }
    }
    (best.1, best.2)
}

/// The time stamp counter.
#[inline]
#[must_use]
pub fn tsc() -> u64 {
    // SAFETY: RDTSC is in every x86-64 CPU and touches no memory.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// True when the TSC runs at one rate in all power states (CPUID 8000_0007h, EDX bit 8), and the kernel trusts it.
#[must_use]
pub fn has_invariant_tsc() -> bool {
    let highest = core::arch::x86_64::__cpuid(0x8000_0000).eax;
    let invariant = highest >= 0x8000_0007 && core::arch::x86_64::__cpuid(0x8000_0007).edx & (1 << 8) != 0;
    // Some hypervisors hide the CPUID bit and still offer a TSC that the kernel runs on.
    invariant || kernel_runs_on_tsc()
}

fn kernel_runs_on_tsc() -> bool {
    let path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    std::fs::read_to_string(path).is_ok_and(|source| source.trim() == "tsc")
}

fn clock_ns(id: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec for the kernel to fill.
    let result = unsafe { libc::clock_gettime(id, &raw mut time) };
    assert!(result == 0, "clock_gettime refused clock {id}");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// CLOCK_REALTIME in nanoseconds since the Unix epoch.
#[must_use]
pub fn realtime_ns() -> u64 {
    clock_ns(libc::CLOCK_REALTIME)
}

/// CLOCK_MONOTONIC in nanoseconds since an unspecified start.
#[must_use]
pub fn monotonic_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC)
}

fn monotonic_raw_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC_RAW)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GHZ_2: TimeLine = TimeLine { counter: Counter::Tsc, base_ticks: 1_000, base_ns: 5_000_000, rate: 1 << 31 };

    #[test]
    fn a_line_is_exact_over_a_week_and_runs_both_ways() {
        assert_eq!(GHZ_2.at(1_000), Nanos(5_000_000));
        assert_eq!(GHZ_2.at(3_000), Nanos(5_001_000));
        assert_eq!(GHZ_2.at(0), Nanos(4_999_500));
        let week_ns = 7 * 24 * 3600 * 1_000_000_000_u64;
        assert_eq!(GHZ_2.at(1_000 + 2 * week_ns), Nanos(5_000_000 + week_ns));
    }

    #[test]
    fn the_calibrated_clock_goes_forward_near_real_time() {
        let clock = Clock::new(TimeLine::calibrate());
        let mut last = clock.now();
        for _ in 0..10_000 {
            let now = clock.now();
            // Cores of one invariant TSC agree; the test may migrate.
            assert!(now >= last);
            last = now;
        }
        // The anchor was real time moments ago: a wrong unit or base would be seconds to decades off.
        assert!(clock.realtime_offset_ns().unsigned_abs() < 1_000_000_000);
    }

    #[test]
    fn kernel_stamps_move_by_the_offset() {
        assert_eq!(Clock::from_realtime(1_000, 300), Nanos(700));
        assert_eq!(Clock::from_realtime(1_000, -300), Nanos(1_300));
    }

    #[test]
    fn the_fallback_line_counts_nanoseconds() {
        let line = TimeLine { counter: Counter::Monotonic, base_ticks: 10, base_ns: 100, rate: 1 << 32 };
        assert_eq!(line.at(25), Nanos(115));
        assert!(line.note().is_some());
    }
}
