//! When each message of an ITCH file is due.

use crate::itch_file::{ItchFile, ItchFileError, Scan, timestamp_ns};
use crate::venue::{Input, Venue, VenueOut};
use shm_layout::types::{Qty, UNITS};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Most messages of a file in one pass, so that the sessions are served between.
pub const REPLAY_BATCH_MAX: u64 = 256;

/// How fast a file is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// The whole file within the session's seconds.
    Scaled,
    /// This many times its own speed, in 1e-8 units; 1 is real time.
    Times(Qty),
    /// As fast as the sockets take it.
    Max,
}

impl std::str::FromStr for Pace {
    type Err = String;

    /// Reads `real`, `max`, or `xN` with a positive decimal N.
    fn from_str(text: &str) -> Result<Self, String> {
        let times = |digits| Qty::parse(digits).filter(|factor| factor.0 > 0).map(Self::Times);
        match text {
            "real" => Ok(Self::Times(Qty(UNITS))),
            "max" => Ok(Self::Max),
            _ => text
                .strip_prefix('x')
                .and_then(times)
                .ok_or_else(|| format!("{text:?} is no pace; write real, max or a factor such as x10")),
        }
    }
}

/// Maps a file's time to time after the open.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    pace: Pace,
    first_ns: u64,
    span_ns: u64,
    window_ns: u64,
}

impl Schedule {
    /// A schedule for a scanned file. Scaled, its last message is due at 95 % of `seconds`, which leaves room to
    /// deliver it before the end.
    #[must_use]
    pub const fn new(pace: Pace, scan: &Scan, seconds: u64) -> Self {
        let span_ns = scan.last_timestamp_ns.saturating_sub(scan.first_timestamp_ns);
        let window_ns = seconds.saturating_mul(950_000_000);
        Self { pace, first_ns: scan.first_timestamp_ns, span_ns, window_ns }
    }

    /// When a message with this timestamp is due, in nanoseconds after the open.
    #[must_use]
    pub fn due_ns(&self, timestamp_ns: u64) -> u64 {
        let after = u128::from(timestamp_ns.saturating_sub(self.first_ns));
        let due = match self.pace {
            Pace::Max => 0,
            Pace::Times(factor) => after * UNITS as u128 / factor.0.unsigned_abs() as u128,
            Pace::Scaled if self.span_ns == 0 => 0,
            Pace::Scaled => after * u128::from(self.window_ns) / u128::from(self.span_ns),
        };
        u64::try_from(due).unwrap_or(u64::MAX)
    }
}

/// How far a file was played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayProgress {
    /// Messages given to the venue.
    pub played: u64,
    /// Messages of the file.
    pub total: u64,
    /// File time played, in nanoseconds after its first message.
    pub played_ns: u64,
    /// File time in all, in nanoseconds.
    pub total_ns: u64,
}

impl ReplayProgress {
    /// True when every message was played.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.played == self.total
    }
}

/// Plays a scanned file into a venue.
#[derive(Debug)]
pub struct Replay {
    file: ItchFile<BufReader<File>>,
    schedule: Schedule,
    /// The next message, read ahead, and when it is due.
    next: Option<(Vec<u8>, u64)>,
    /// Latest timestamp so far: a message out of order is due no earlier than the one before it.
    latest_ns: u64,
    progress: ReplayProgress,
}

impl Replay {
    /// Opens a file that was scanned.
    ///
    /// # Errors
    /// The file can no longer be read as it was scanned.
    pub fn open(path: &Path, scan: &Scan, schedule: Schedule) -> Result<Self, ItchFileError> {
        let total_ns = scan.last_timestamp_ns.saturating_sub(scan.first_timestamp_ns);
        let progress = ReplayProgress { played: 0, total: scan.messages, played_ns: 0, total_ns };
        let mut replay = Self { file: ItchFile::open(path)?, schedule, next: None, latest_ns: 0, progress };
        replay.read_ahead()?;
        Ok(replay)
    }

    /// How far it came.
    #[must_use]
    pub const fn progress(&self) -> ReplayProgress {
        self.progress
    }

    /// Gives the venue what is due `elapsed_ns` after the open, at most [`REPLAY_BATCH_MAX`] messages; returns how
    /// many.
    ///
    /// # Errors
    /// The file changed since it was scanned.
    pub fn play(
        &mut self,
        now_ns: u64,
        elapsed_ns: u64,
        venue: &mut Venue,
        out: &mut VenueOut,
    ) -> Result<u64, ItchFileError> {
        let mut count = 0;
        while count < REPLAY_BATCH_MAX {
            let Some((message, _)) = self.next.take_if(|(_, due_ns)| *due_ns <= elapsed_ns) else { break };
            venue.step(now_ns, Input::FileMessage(&message), out);
            count += 1;
            self.progress.played += 1;
            self.progress.played_ns = self.latest_ns.saturating_sub(self.schedule.first_ns);
            self.read_ahead()?;
        }
        Ok(count)
    }

    fn read_ahead(&mut self) -> Result<(), ItchFileError> {
        self.next = match self.file.next_message()? {
            Some(message) => {
                self.latest_ns = self.latest_ns.max(timestamp_ns(message).unwrap_or(0));
                Some((message.to_vec(), self.schedule.due_ns(self.latest_ns)))
            }
            None => None,
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan() -> Scan {
        let hour = 3_600_000_000_000;
        Scan { first_timestamp_ns: 9 * hour, last_timestamp_ns: 19 * hour, messages: 2, ..Scan::default() }
    }

    #[test]
    fn a_scaled_file_ends_within_its_seconds() {
        let (scan, second) = (scan(), 1_000_000_000);
        let schedule = Schedule::new(Pace::Scaled, &scan, 30);
        assert_eq!(schedule.due_ns(scan.first_timestamp_ns), 0);
        assert_eq!(schedule.due_ns(scan.last_timestamp_ns), 28_500_000_000);
        assert_eq!(schedule.due_ns(scan.first_timestamp_ns + 3_600 * second), 2_850_000_000);
        assert_eq!(schedule.due_ns(0), 0, "a message before the first is due at once");
    }

    #[test]
    fn other_paces_are_read_and_kept() {
        let scan = scan();
        let due = |text: &str| {
            Schedule::new(text.parse().unwrap(), &scan, 30).due_ns(scan.first_timestamp_ns + 1_000_000_000)
        };
        assert_eq!((due("real"), due("x100"), due("x0.5"), due("max")), (1_000_000_000, 10_000_000, 2_000_000_000, 0));
        for text in ["", "x", "x0", "x-1", "fast", "x1e3"] {
            assert!(text.parse::<Pace>().is_err(), "{text}");
        }
    }

    #[test]
    fn one_instant_is_due_at_once() {
        let scan = Scan { messages: 1, ..Scan::default() };
        assert_eq!(Schedule::new(Pace::Scaled, &scan, 30).due_ns(5), 0);
    }
}
