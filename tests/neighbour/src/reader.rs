//! The product's readers in a loop over one mapped file, while its words change under them.
//!
//! They must refuse and count: a panic, a fault or a hang is the finding, and the process that runs them shows it.

use crate::target::{message, page};
use clap::ValueEnum;
use journal::tail::{self, TailSnapshot};
use journal::{Journal, recovery};
use shm_layout::control_page::CONTROL_PAGE_WORDS;
use shm_layout::image::image_words;
use shm_layout::kill_page::{Engager, KILL_PAGE_WORDS, KillReader};
use shm_layout::region::RegionHeader;
use shm_layout::ring::sync::SharedWords;
use shm_layout::ring::{Lapped, RingReader, Start, ring_words};
use shm_layout::status::STATUS_WORDS;
use std::fmt;

/// Slots of the rings here: few, so that a lap is never far.
pub const SLOTS: usize = 64;

/// What a file holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Kind {
    /// A ring of 64-byte slots.
    Ring64,
    /// A ring of 128-byte slots.
    Ring128,
    /// A status region.
    Status,
    /// A market image.
    Image,
    /// The control page.
    ControlPage,
    /// The kill page.
    KillPage,
    /// A journal's tail.
    JournalTail,
    /// The header of any region.
    Region,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Ring64,
        Self::Ring128,
        Self::Status,
        Self::Image,
        Self::ControlPage,
        Self::KillPage,
        Self::JournalTail,
        Self::Region,
    ];

    /// Words of its file.
    #[must_use]
    pub const fn words(self) -> usize {
        match self {
            Self::Ring64 => ring_words(8, SLOTS),
            Self::Ring128 => ring_words(16, SLOTS),
            Self::Status => STATUS_WORDS,
            Self::Image => image_words(2),
            Self::ControlPage => CONTROL_PAGE_WORDS,
            Self::KillPage => KILL_PAGE_WORDS,
            Self::JournalTail => tail::region_words(tail::CAPACITY_BYTES_MIN),
            Self::Region => 64,
        }
    }

    /// Its name on the command line, and its file's.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ring64 => "ring64",
            Self::Ring128 => "ring128",
            Self::Status => "status",
            Self::Image => "image",
            Self::ControlPage => "control-page",
            Self::KillPage => "kill-page",
            Self::JournalTail => "journal-tail",
            Self::Region => "region",
        }
    }
}

/// What a reader counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Looks at the file.
    pub polls: u64,
    /// Messages or pages taken.
    pub accepted: u64,
    /// Messages or parts of pages refused.
    pub refused: u64,
    /// Messages said to be missed.
    pub missed: u64,
    /// Corrupt stamps counted.
    pub corrupt: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { polls, accepted, refused, missed, corrupt } = self;
        write!(f, "polls {polls} accepted {accepted} refused {refused} missed {missed} corrupt {corrupt}")
    }
}

impl Counts {
    /// What a reader of `kind` did not do that it must beside a mutator; `None` when it did all.
    #[must_use]
    pub const fn lacks(&self, kind: Kind) -> Option<&'static str> {
        // A lap is no refusal: an honest writer causes it too.
        let is_ring = matches!(kind, Kind::Ring64 | Kind::Ring128);
        if self.polls == 0 {
            Some("read nothing")
        } else if self.accepted == 0 {
            Some("took nothing of what an honest writer left")
        } else if is_ring && self.corrupt == 0 {
            Some("counted no corrupt stamp, and was scribbled over")
        } else if !is_ring && self.refused == 0 {
            Some("refused nothing, and was scribbled over")
        } else {
            None
        }
    }

    /// The counts of a line as [`fmt::Display`] writes it.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let after = |key: &str| line.split(' ').skip_while(|word| *word != key).nth(1)?.parse().ok();
        Some(Self {
            polls: after("polls")?,
            accepted: after("accepted")?,
            refused: after("refused")?,
            missed: after("missed")?,
            corrupt: after("corrupt")?,
        })
    }
}

/// Reads `words` as `kind` for as long as `goes_on` says.
pub fn run(kind: Kind, words: &SharedWords, mut goes_on: impl FnMut() -> bool) -> Counts {
    let mut counts = Counts::default();
    match kind {
        Kind::Ring64 => ring::<7>(words, &mut counts, message::narrow, goes_on),
        Kind::Ring128 => ring::<15>(words, &mut counts, message::wide, goes_on),
        _ => {
            while goes_on() {
                let refused = look(kind, words);
                counts.polls += 1;
                counts.accepted += u64::from(refused == 0);
                counts.refused += refused;
            }
        }
    }
    counts
}

/// One look at a page; what was refused.
fn look(kind: Kind, words: &SharedWords) -> u64 {
    match kind {
        Kind::Status => page::read_status(words),
        Kind::Image => page::read_image(words),
        Kind::ControlPage => page::read_control(words),
        Kind::KillPage => match KillReader::open(words) {
            Ok(reader) => {
                let _ = (reader.engaged(), reader.generation());
                // Only the operator's is written here: what is then missing is busy or damaged.
                let _ = Engager::ALL.iter().filter_map(|engager| reader.engagement(*engager)).count();
                u64::from(reader.engagement(Engager::Operator).is_none())
            }
            Err(_) => 1,
        },
        Kind::JournalTail => match TailSnapshot::take(words) {
            Ok(snapshot) => {
                let bad = snapshot.frames().filter(|frame| frame.is_err()).count() as u64;
                let journal = Journal::new(&[], Some(&snapshot));
                let _ = (journal.end(), recovery::plan(&[], Some(&snapshot)));
                bad
            }
            Err(_) => 1,
        },
        _ => RegionHeader::read(words).map_or(1, |header| u64::from(header.body().is_empty())),
    }
}

/// A tap that decodes what it gets, and joins anew now and then: at the oldest, at the latest, after any sequence.
fn ring<const W: usize>(
    words: &SharedWords,
    counts: &mut Counts,
    decode: impl Fn(&[u64; W]) -> bool,
    mut goes_on: impl FnMut() -> bool,
) {
    let mut batch = [[0; W]; 32];
    let mut lives = 0_u64;
    while goes_on() {
        let start = [Start::Oldest, Start::Latest, Start::After(lives * lives)][(lives % 3) as usize];
        lives += 1;
        let mut reader = RingReader::<W>::attach(words.read_only(), SLOTS, start).expect("the file is long enough");
        for _ in 0..512 {
            let from = reader.next_sequence();
            counts.polls += 1;
            match reader.read_batch(&mut batch) {
                Ok(count) => {
                    assert_eq!(reader.next_sequence(), from + count as u64);
                    let taken = batch[..count].iter().filter(|message| decode(message)).count() as u64;
                    counts.accepted += taken;
                    counts.refused += count as u64 - taken;
                }
                Err(Lapped { missed }) => {
                    assert!(missed > 0 && reader.next_sequence() == from + missed, "what is missing is said");
                    counts.missed = counts.missed.saturating_add(missed);
                }
            }
            let _ = reader.depth();
        }
        counts.corrupt += reader.corrupt();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_takes_all_or_nothing_lacks_something() {
        let good = Counts { polls: 9, accepted: 5, refused: 3, missed: 2, corrupt: 1 };
        for kind in Kind::ALL {
            assert_eq!(good.lacks(kind), None, "{kind:?}");
            assert!(Counts { polls: 0, ..good }.lacks(kind).is_some(), "{kind:?}");
            assert!(Counts { accepted: 0, ..good }.lacks(kind).is_some(), "{kind:?}");
            assert!(Counts { refused: 0, corrupt: 0, ..good }.lacks(kind).is_some(), "{kind:?}: laps alone");
        }
        assert!(Counts { corrupt: 0, ..good }.lacks(Kind::Ring64).is_some(), "a ring's stamps");
        assert_eq!(Counts { corrupt: 0, ..good }.lacks(Kind::Image), None, "an image has none");
    }
}
