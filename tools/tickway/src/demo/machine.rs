//! What the machine adds to the figures: stolen time, the jitter floor, and what the regions lie on.

use super::report::{Backing, JitterFloor};
use benches::jitter::{Jitter, watch};
use benches::timeline::Timeline;
use runtime::affinity::pin;
use runtime::huge_pages::mapped_bytes;
use runtime::mmap::huge_page_bytes;
use runtime::scheduler::become_hot;
use std::collections::BTreeSet;
use std::path::Path;

/// Time for which the jitter floor is watched, in nanoseconds.
const WATCH_NS: u64 = 200_000_000;

/// Processor time of the whole machine, in ticks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CpuTime {
    total: u64,
    steal: u64,
}

impl CpuTime {
    /// Now; `None` without /proc.
    #[must_use]
    pub fn now() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/stat").ok()?)
    }

    /// The first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal (guest times are in user's).
    fn parse(stat: &str) -> Option<Self> {
        let fields = stat.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace();
        let ticks: Vec<u64> = fields.take(8).map_while(|field| field.parse().ok()).collect();
        Some(Self { total: ticks.iter().sum(), steal: *ticks.get(7)? })
    }

    /// Percent of the time since `earlier` that the hypervisor took, to a hundredth.
    #[must_use]
    pub fn steal_pct_since(self, earlier: Self) -> Option<f64> {
        let total = self.total.checked_sub(earlier.total).filter(|total| *total > 0)?;
        let steal = self.steal.saturating_sub(earlier.steal);
        Some((steal * 10_000 / total) as f64 / 100.0)
    }
}

/// What the machine takes, on any of these CPUs, from threads that only read the clock: one on each, all at the same time.
/// Of what a hypervisor takes, much is in no other figure. Nothing where the kernel refuses a CPU.
#[must_use]
pub fn jitter_floor(cores: &[usize]) -> JitterFloor {
    let (cores, timeline) = (BTreeSet::from_iter(cores), Timeline::measure());
    let watched = |core: usize| {
        // As a hot process would run there.
        become_hot().and_then(|()| pin(core)).map(|()| watch(core, WATCH_NS, &timeline))
    };
    let floors: Result<Vec<Jitter>, _> = std::thread::scope(|scope| {
        let watchers: Vec<_> = cores.into_iter().map(|core| scope.spawn(move || watched(*core))).collect();
        watchers.into_iter().map(|watcher| watcher.join().expect("a watcher does not panic")).collect()
    });
    floors.map_or_else(|_| JitterFloor::default(), |floors| JitterFloor::of(&floors))
}

/// What a directory of regions lies on, by the maps that this process has of them.
#[must_use]
pub fn backing(directory: &Path, bytes: u64) -> Backing {
    let pages = match huge_page_bytes(directory) {
        Ok(Some(page)) => format!("hugetlbfs, pages of {} KiB", page >> 10),
        _ => match mapped_bytes(directory) >> 20 {
            0 => "tmpfs, pages of 4 KiB".to_owned(),
            huge => format!("tmpfs, {huge} MiB on pages of 2 MiB, the rest of 4 KiB"),
        },
    };
    Backing { backing: format!("{} ({pages})", directory.display()), bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_of_the_worst_cpu() {
        let jitter = |max_ns, lost_ns| Jitter { watched_ns: 200_000_000, max_ns, lost_ns, ..Jitter::default() };
        let floor = JitterFloor::of(&[jitter(4_000_000, 5_000_000), jitter(1_000, 66_666_666)]);
        assert_eq!((floor.max_ns, floor.lost_pct), (Some(4_000_000), Some(33.33)));
        assert_eq!(JitterFloor::of(&[]).max_ns, None);
        let here = jitter_floor(&runtime::affinity::allowed_cpus().unwrap());
        assert!(here.max_ns.is_some() && here.lost_pct.is_some_and(|pct| (0.0..=100.0).contains(&pct)), "{here:?}");
        assert_eq!(jitter_floor(&[4_000]).lost_pct, None, "a CPU that is not there");
    }

    #[test]
    fn steal_is_a_share_of_all_time() {
        let earlier = CpuTime::parse("cpu  100 0 50 800 10 0 5 35 0 0\ncpu0 1\n").unwrap();
        let later = CpuTime::parse("cpu  150 0 70 850 10 0 5 55 0 0\n").unwrap();
        // 140 ticks went by, 20 of them stolen.
        assert_eq!(later.steal_pct_since(earlier), Some(14.28));
        assert_eq!(later.steal_pct_since(later), None);
        assert_eq!(CpuTime::parse("intr 1"), None);
    }
}
