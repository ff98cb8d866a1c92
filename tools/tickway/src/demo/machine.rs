//! What the machine adds to the figures: stolen time, and what the regions lie on.

use super::report::Backing;
use runtime::huge_pages::mapped_bytes;
use runtime::mmap::huge_page_bytes;
use std::path::Path;

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
    fn steal_is_a_share_of_all_time() {
        let earlier = CpuTime::parse("cpu  100 0 50 800 10 0 5 35 0 0\ncpu0 1\n").unwrap();
        let later = CpuTime::parse("cpu  150 0 70 850 10 0 5 55 0 0\n").unwrap();
        // 140 ticks went by, 20 of them stolen.
        assert_eq!(later.steal_pct_since(earlier), Some(14.28));
        assert_eq!(later.steal_pct_since(later), None);
        assert_eq!(CpuTime::parse("intr 1"), None);
    }
}
