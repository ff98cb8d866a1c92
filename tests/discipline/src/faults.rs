//! Page faults of one thread.

/// Faults of a thread since it began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Faults {
    /// Without I/O: a page touched for the first time, or written for the first time since it was cleaned.
    pub minor: u64,
    /// With I/O.
    pub major: u64,
}

impl Faults {
    /// Of a process's main thread, whatever its other threads do; `None` when it is gone.
    #[must_use]
    pub fn of_main_thread(pid: u32) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/stat")).ok()?)
    }

    /// The tenth and twelfth field of a `stat` line; the second is a name that may hold spaces and parentheses.
    fn parse(stat: &str) -> Option<Self> {
        let (_, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_whitespace().skip(7);
        let minor = fields.next()?.parse().ok()?;
        let major = fields.nth(1)?.parse().ok()?;
        Some(Self { minor, major })
    }

    /// Those since `earlier`.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self { minor: self.minor - earlier.minor, major: self.major - earlier.major }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_those_of_the_manual() {
        let line = "4097 (a) b (c) S 1 4097 4097 0 -1 4194560 1201 77 3 9 11 22 0 0 20 0 2 0 100 0 0";
        assert_eq!(Faults::parse(line), Some(Faults { minor: 1201, major: 3 }));
        assert_eq!(Faults::parse("4097 (a"), None);
    }

    #[test]
    fn a_page_touched_for_the_first_time_is_counted() {
        std::thread::spawn(|| {
            let stat = || Faults::parse(&std::fs::read_to_string("/proc/thread-self/stat").unwrap()).unwrap();
            let before = stat();
            let pages = std::hint::black_box(vec![1_u8; 64 << 12]);
            assert!(stat().since(before).minor >= 32, "64 new pages");
            drop(pages);
        })
        .join()
        .unwrap();
    }
}
