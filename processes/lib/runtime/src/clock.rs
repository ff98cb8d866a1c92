//! The instance's one time line: nanoseconds since the Unix epoch, from the time stamp counter.
//!
//! ```text
//! ns(t) = anchor.ns + (t − anchor.tsc) · mult / 2^shift
//! ```
//! The supervisor measures the line once and publishes it; every process copies it and never steps or slews. Its offset
//! to CLOCK_REALTIME drifts, is sampled each second, and serves to convert kernel stamps only. Nothing reads the system
//! clock between an input and its last output.

pub use shm_layout::clock_anchor::ClockAnchor;
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

/// Least time over which the rate is measured: an error of 50 ns at both ends is then 2.5 ppm.
pub const CALIBRATION: Duration = Duration::from_millis(40);

/// Ticks per second of a line on CLOCK_MONOTONIC. A line of exactly this rate is one: [`calibrate`] never gives it to a
/// TSC, so that the anchor alone says which counter to read.
const MONOTONIC_HZ: u64 = 1_000_000_000;

/// Measures the instance's line; blocks for [`CALIBRATION`]. Only the supervisor does so, once per instance's boot.
#[must_use]
pub fn calibrate() -> ClockAnchor {
    if !has_invariant_tsc() {
        let (ticks, real) = paired(monotonic_ns, realtime_ns);
        return ClockAnchor::new(ticks, Nanos(real), MONOTONIC_HZ).expect("1 GHz fits");
    }
    let (tsc_first, raw_first) = paired(tsc, monotonic_raw_ns);
    std::thread::sleep(CALIBRATION);
    let (tsc_last, raw_last) = paired(tsc, monotonic_raw_ns);
    let (base, real) = paired(tsc, realtime_ns);
    let (ticks, ns) = (u128::from(tsc_last - tsc_first), u128::from(raw_last - raw_first));
    let measured = (ticks * 1_000_000_000 / ns.max(1)) as u64;
    let hz = if measured == MONOTONIC_HZ { MONOTONIC_HZ + 1 } else { measured };
    ClockAnchor::new(base, Nanos(real), hz).expect("an invariant TSC is faster than 4 MHz")
}

/// The counter that an anchor runs on.
#[must_use]
pub fn counter_of(anchor: &ClockAnchor) -> Counter {
    let monotonic = ClockAnchor::new(anchor.tsc, Nanos(anchor.ns), MONOTONIC_HZ);
    if monotonic == Some(*anchor) { Counter::Monotonic } else { Counter::Tsc }
}

/// A process's copy of the line.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    anchor: ClockAnchor,
    counter: Counter,
}

impl Clock {
    /// A clock on the instance's line.
    #[must_use]
    pub fn new(anchor: ClockAnchor) -> Self {
        Self { anchor, counter: counter_of(&anchor) }
    }

    /// Its line.
    #[must_use]
    pub const fn anchor(&self) -> &ClockAnchor {
        &self.anchor
    }

    /// A note for the operator when the line does not run on the TSC.
    #[must_use]
    pub const fn note(&self) -> Option<&'static str> {
        match self.counter {
            Counter::Tsc => None,
            Counter::Monotonic => Some("clock: no invariant TSC on this machine, using CLOCK_MONOTONIC (slower reads)"),
        }
    }

    /// Now. No fence: a stamp may move by the few instructions that the CPU reorders.
    #[inline]
    #[must_use]
    pub fn now(&self) -> Nanos {
        match self.counter {
            Counter::Tsc => self.anchor.at(tsc()),
            Counter::Monotonic => self.anchor.at(monotonic_ns()),
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
    let sources =
        |name| std::fs::read_to_string(format!("/sys/devices/system/clocksource/clocksource0/{name}_clocksource")).ok();
    is_trusted(invariant, sources("available").as_deref(), sources("current").as_deref())
}

/// The kernel takes a TSC that it found unstable (sockets that drift apart) off its list; on a hypervisor's own clock it
/// still lists one that is good. Without the list the CPU's word must do. Some hypervisors hide the CPU's word and still
/// offer a TSC that the kernel runs on.
fn is_trusted(invariant: bool, available: Option<&str>, current: Option<&str>) -> bool {
    let listed = available.is_none_or(|names| names.split_whitespace().any(|name| name == "tsc"));
    (invariant && listed) || current.is_some_and(|name| name.trim() == "tsc")
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

/// Nanoseconds that the calling thread has run, up to this moment; a call into the kernel.
#[must_use]
pub fn thread_cpu_ns() -> u64 {
    clock_ns(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn monotonic_raw_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC_RAW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tsc_that_the_kernel_has_taken_off_its_list_is_not_trusted() {
        assert!(is_trusted(true, Some("tsc hpet acpi_pm \n"), Some("tsc\n")));
        assert!(is_trusted(true, Some("kvm-clock tsc \n"), Some("kvm-clock\n")));
        assert!(is_trusted(true, None, None), "the CPU's word, without /sys");
        assert!(is_trusted(false, Some("tsc \n"), Some("tsc\n")), "the kernel's word, where the CPU's is hidden");
        assert!(!is_trusted(true, Some("hpet acpi_pm \n"), Some("hpet\n")), "found unstable");
        assert!(!is_trusted(false, Some("kvm-clock tsc \n"), Some("kvm-clock\n")));
    }

    #[test]
    fn the_calibrated_clock_goes_forward_near_real_time() {
        let clock = Clock::new(calibrate());
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
    fn the_anchor_alone_says_which_counter_it_runs_on() {
        let fallback = ClockAnchor::new(10, Nanos(100), 1_000_000_000).unwrap();
        assert_eq!((fallback.at(25), counter_of(&fallback)), (Nanos(115), Counter::Monotonic));
        assert!(Clock::new(fallback).note().is_some());
        let near = ClockAnchor::new(10, Nanos(100), 1_000_000_001).unwrap();
        assert_eq!(counter_of(&near), Counter::Tsc);
        let started = monotonic_ns();
        let clock = Clock::new(ClockAnchor::new(started, Nanos(5), 1_000_000_000).unwrap());
        assert!(clock.now() >= Nanos(5));
    }
}
