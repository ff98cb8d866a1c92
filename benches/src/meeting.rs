//! Where the processes of a trial meet: a page of shared words for barriers and the stop sign, and the anchor's lines.
//!
//! ```text
//! word 0    arrivals at barriers, ever rising       word 64   messages sent in all; 0 = not known yet
//! word 16   abort: non-zero = leave                 word 80   time stamp counter at the first measured message
//! word 512  the anchor's lines, to the end          word 96   common start of a schedule, time stamp counter
//! ```
//! Each of these has two cache lines of its own, and each pair of the anchor's lines a page. No wait is endless: every loop looks at the stop sign and at a deadline.

use crate::BenchError;
use runtime::anchor::LINES_WORDS;
use runtime::clock::monotonic_ns;
use shm_layout::ring::sync::{Ordering, SharedWords};
use std::time::Duration;

/// Words of it all.
pub const MEETING_WORDS: usize = LINES + LINES_WORDS;
/// Longest wait for another role, in nanoseconds.
const PATIENCE_NS: u64 = 30_000_000_000;

/// A word of the page that roles use to tell each other something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word {
    /// Messages sent in all, told when the sender is done.
    Sent = 64,
    /// Counter at the first measured message.
    Started = 80,
    /// Common start of a schedule.
    Epoch = 96,
}

/// What a role says that only left because another one failed.
pub const ABORTED: &str = "the trial was aborted";

const ARRIVALS: usize = 0;
const ABORT: usize = 16;
/// The page after the first.
const LINES: usize = 512;

/// One role's view of the page.
#[derive(Clone, Debug)]
pub struct Meeting {
    words: SharedWords,
    roles: u64,
    barriers: u64,
}

impl Meeting {
    /// A page over zeroed words, for `roles` roles.
    ///
    /// # Panics
    /// When the words are too few.
    #[must_use]
    pub fn new(words: SharedWords, roles: u64) -> Self {
        assert!(words.len() >= MEETING_WORDS, "a meeting takes {MEETING_WORDS} words");
        Self { words, roles, barriers: 0 }
    }

    /// Loads a word.
    #[inline(always)]
    #[must_use]
    pub fn load(&self, word: Word) -> u64 {
        self.words.load(word as usize, Ordering::Acquire)
    }

    /// Stores a word.
    #[inline(always)]
    pub fn store(&self, word: Word, value: u64) {
        self.words.store(word as usize, value, Ordering::Release);
    }

    /// The anchor's lines.
    #[must_use]
    pub fn lines(&self) -> SharedWords {
        self.words.slice(LINES, LINES_WORDS)
    }

    /// Waits until every role has come here as often as this one.
    ///
    /// # Errors
    /// When the trial was aborted, or a role does not come.
    pub fn barrier(&mut self) -> Result<(), BenchError> {
        // Roles may share a core.
        self.barrier_with(std::thread::yield_now)
    }

    /// As [`Self::barrier`], for a cold role, which leaves the core to others while it waits.
    ///
    /// # Errors
    /// As [`Self::barrier`].
    pub fn barrier_napping(&mut self, nap: Duration) -> Result<(), BenchError> {
        self.barrier_with(|| std::thread::sleep(nap))
    }

    fn barrier_with(&mut self, wait: impl Fn()) -> Result<(), BenchError> {
        self.barriers += 1;
        self.words.fetch_add(ARRIVALS, 1, Ordering::AcqRel);
        let all = self.barriers * self.roles;
        let mut patience = self.patience();
        while self.words.load(ARRIVALS, Ordering::Acquire) < all {
            wait();
            patience.empty_poll()?;
        }
        Ok(())
    }

    /// Tells every role to leave.
    pub fn abort(&self) {
        self.words.store(ABORT, 1, Ordering::Release);
    }

    /// A watch over one loop of waiting.
    #[must_use]
    pub fn patience(&self) -> Patience {
        Patience { words: self.words.clone(), polls: 0, deadline_ns: monotonic_ns() + PATIENCE_NS }
    }
}

/// Ends a wait that would be endless: counts empty polls and, rarely, looks at the stop sign and the clock.
#[derive(Debug)]
pub struct Patience {
    words: SharedWords,
    polls: u32,
    deadline_ns: u64,
}

impl Patience {
    /// To be called on each empty poll: one increment and one predicted branch.
    ///
    /// # Errors
    /// When the trial was aborted, or 30 s have passed.
    #[inline(always)]
    pub fn empty_poll(&mut self) -> Result<(), BenchError> {
        self.polls = self.polls.wrapping_add(1);
        if self.polls.trailing_zeros() >= 14 { self.look() } else { Ok(()) }
    }

    #[cold]
    fn look(&self) -> Result<(), BenchError> {
        if self.words.load(ABORT, Ordering::Acquire) != 0 {
            return Err(BenchError::new(ABORTED, "see the message of the role that failed"));
        }
        if monotonic_ns() > self.deadline_ns {
            return Err(BenchError::new(
                "another role of the trial did not answer for 30 s",
                "see that the cores named are free, and run it again",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_barrier_holds_until_all_have_come() {
        let words = SharedWords::heap(MEETING_WORDS);
        let mut mine = Meeting::new(words.clone(), 2);
        let mut other = Meeting::new(words, 2);
        let told = std::thread::scope(|scope| {
            scope.spawn(move || {
                other.store(Word::Sent, 7);
                other.barrier().expect("both come");
                other.barrier().expect("both come");
            });
            mine.barrier().expect("both come");
            let told = mine.load(Word::Sent);
            mine.barrier().expect("both come");
            told
        });
        assert_eq!(told, 7);
    }

    #[test]
    fn an_aborted_trial_ends_every_wait() {
        let mut alone = Meeting::new(SharedWords::heap(MEETING_WORDS), 2);
        alone.abort();
        assert!(alone.barrier().is_err());
    }
}
