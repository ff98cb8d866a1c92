//! The kill words: a file of 4096 bytes in the instance's state directory, so that a kill outlives a host restart.
//!
//! ```text
//! 0     magic            [u8; 8]   "TICKKILL", stored last
//! 8     version          u32
//! 12    engagers         u32       8
//! 16    last_generation  u64       counts engagements of all engagers; grows only
//! 24    reserved         [u8; 104]
//! 128   generations      [u64; 8]  latched: the generation of an engager's engagement, 0 = not engaged
//! 192   reserved         [u8; 64]
//! 256   details          [8] × 256: stamp u64, engaged_ns u64, released_ns u64, reason [u8; 120], reserved
//! 2304  reserved         to 4096
//! ```
//!
//! Any non-zero latched word means killed. Generations are of one count, so that the newest latched one names the state
//! exactly: a process that echoes [`KillReader::generation`] has seen every engagement that is latched now, and no echo of
//! an earlier kill can pass for it (a sum of counts could: 1 + 2 released and 3 engaged is 3 again).
//!
//! Engagements of one engager at the same moment (two operators) may mix their texts; they never lose a latch.
//!
//! It never syncs: whoever engages writes, then syncs the mapping, then waits for the echoes.

use crate::ascii;
use crate::layout::{Field, fields_fit, page_hash};
use crate::ring::sync::{Ordering, SharedWords};
use crate::stamped;
use crate::types::{Nanos, byte_code};
use std::fmt;

/// Bytes of the file.
pub const KILL_PAGE_BYTES: usize = 4096;
/// Words of the file.
pub const KILL_PAGE_WORDS: usize = KILL_PAGE_BYTES / 8;
/// First eight bytes of the file.
pub const KILL_MAGIC: [u8; 8] = *b"TICKKILL";
/// Version of the file.
pub const KILL_VERSION: u32 = 1;
/// Places for engagers.
pub const ENGAGERS: usize = 8;
/// Longest reason, in bytes; a longer one is cut.
pub const REASON_BYTES: usize = REASON_WORDS * 8;

const REASON_WORDS: usize = 15;
const DETAIL_WORDS: usize = 2 + REASON_WORDS;
const DETAIL_STRIDE: usize = 32;

byte_code! {
    /// Who can kill. The other places are kept for later.
    Engager {
        /// A person, by the command line.
        Operator = 0,
        /// The supervisor: a process that may send orders cannot be trusted any more.
        Supervisor = 1,
        /// Risk: a limit over the whole firm.
        Risk = 2,
        /// A gateway: its journal or its venue session cannot be trusted any more.
        ExecutionGateway = 3,
    }
}

mod word {
    pub const MAGIC: usize = 0;
    pub const VERSION: usize = 1;
    pub const LAST_GENERATION: usize = 2;
    pub const GENERATIONS: usize = 16;
    pub const DETAILS: usize = 32;
}

const FIELDS: &[Field] = &[
    ("magic", word::MAGIC, 1),
    ("version engagers", word::VERSION, 1),
    ("last_generation", word::LAST_GENERATION, 1),
    ("generations", word::GENERATIONS, ENGAGERS),
    ("details stamp engaged_ns released_ns reason", word::DETAILS, DETAIL_STRIDE * ENGAGERS),
];

/// Layout hash of the file.
pub const LAYOUT_HASH: u64 = page_hash("kill", FIELDS);

const _: () = {
    assert!(fields_fit(FIELDS, KILL_PAGE_WORDS));
    assert!(word::GENERATIONS * 8 == 128 && word::DETAILS * 8 == 256 && DETAIL_STRIDE * 8 == 256);
    assert!(REASON_BYTES == 120 && DETAIL_WORDS < DETAIL_STRIDE);
    assert!(Engager::ALL.len() <= ENGAGERS);
};

/// Why a file is no kill page. A process that cannot read its kill page must not send orders.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KillPageError {
    /// Not 4096 bytes.
    Length(usize),
    /// The first eight bytes are not the magic.
    Magic,
    /// Another version, or another number of engagers.
    Version(u64),
}

impl fmt::Display for KillPageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CURE: &str = "stop the instance, keep the file as evidence, and start again without it";
        match self {
            Self::Length(bytes) => write!(f, "the kill page has {bytes} bytes, not {KILL_PAGE_BYTES}; {CURE}"),
            Self::Magic => write!(f, "the file is not a kill page; {CURE}"),
            Self::Version(word) => write!(f, "kill page version word 0x{word:016x} is of another build; {CURE}"),
        }
    }
}

impl std::error::Error for KillPageError {}

/// An engager's last engagement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Engagement {
    /// Who.
    pub engager: Engager,
    /// Its latched generation; 0 = released.
    pub generation: u64,
    /// When it was engaged.
    pub engaged_ns: Nanos,
    /// When it was released; 0 while engaged.
    pub released_ns: Nanos,
    /// Why it was engaged; printable ASCII.
    pub reason: String,
}

/// The read-only view that risk and gateways check.
#[derive(Clone, Debug)]
pub struct KillReader {
    words: SharedWords,
}

impl KillReader {
    /// Checks the file.
    ///
    /// # Errors
    /// [`KillPageError`] when it is no kill page of this version.
    pub fn open(words: &SharedWords) -> Result<Self, KillPageError> {
        if words.len() != KILL_PAGE_WORDS {
            return Err(KillPageError::Length(words.len() * 8));
        }
        if words.load(word::MAGIC, Ordering::Acquire) != u64::from_le_bytes(KILL_MAGIC) {
            return Err(KillPageError::Magic);
        }
        let version = words.load(word::VERSION, Ordering::Relaxed);
        if version != version_word() {
            return Err(KillPageError::Version(version));
        }
        Ok(Self { words: words.read_only() })
    }

    /// The newest latched generation; 0 = not killed. What a process echoes, and what an engager waits for: a process has
    /// acknowledged the kill when its echo *equals* this, and this is not below what [`KillPage::engage`] returned. A
    /// process echoes a change before it acts on it.
    #[must_use]
    pub fn generation(&self) -> u64 {
        (0..ENGAGERS).map(|place| self.latched(place)).max().unwrap_or(0)
    }

    /// True when any engager's word is latched.
    #[must_use]
    pub fn engaged(&self) -> bool {
        self.generation() != 0
    }

    /// The last engagement of an engager; `None` when there was none, or its text is being written.
    #[must_use]
    pub fn engagement(&self, engager: Engager) -> Option<Engagement> {
        let (stamp, detail) = stamped::read::<DETAIL_WORDS>(&self.words, detail_word(engager)).ok()?;
        let generation = self.latched(engager as usize);
        (stamp != 0).then(|| Engagement {
            engager,
            generation,
            engaged_ns: Nanos(detail[0]),
            // The latch is the truth: a text of two moments never makes a kill look released.
            released_ns: if generation == 0 { Nanos(detail[1]) } else { Nanos(0) },
            reason: ascii::from_words(&detail[2..]),
        })
    }

    fn latched(&self, place: usize) -> u64 {
        self.words.load(word::GENERATIONS + place, Ordering::Acquire)
    }
}

/// The writable view: engage and release.
#[derive(Clone, Debug)]
pub struct KillPage {
    words: SharedWords,
    reader: KillReader,
}

impl KillPage {
    /// Makes a zeroed file a kill page with nothing engaged. Never done to one that exists.
    ///
    /// # Panics
    /// When `words` is not 4096 bytes or not writable.
    #[must_use]
    pub fn create(words: &SharedWords) -> Self {
        assert_eq!(words.len(), KILL_PAGE_WORDS, "a kill page has {KILL_PAGE_BYTES} bytes");
        words.store(word::VERSION, version_word(), Ordering::Relaxed);
        words.store(word::MAGIC, u64::from_le_bytes(KILL_MAGIC), Ordering::Release);
        Self { words: words.clone(), reader: KillReader { words: words.read_only() } }
    }

    /// Opens a kill page to write it.
    ///
    /// # Errors
    /// [`KillPageError`] when it is no kill page of this version.
    pub fn open(words: &SharedWords) -> Result<Self, KillPageError> {
        Ok(Self { words: words.clone(), reader: KillReader::open(words)? })
    }

    /// The reads.
    #[must_use]
    pub const fn reader(&self) -> &KillReader {
        &self.reader
    }

    /// Latches `engager`'s word and returns its generation. The latch comes before the reason: a death in between leaves
    /// a kill without a text, never a text without a kill.
    pub fn engage(&self, engager: Engager, now: Nanos, reason: &str) -> u64 {
        // A file whose count was lost must still never repeat a generation that is latched.
        let counted = self.words.fetch_add(word::LAST_GENERATION, 1, Ordering::AcqRel).wrapping_add(1);
        let generation = counted.max(self.reader.generation().saturating_add(1));
        if generation != counted {
            self.words.store(word::LAST_GENERATION, generation, Ordering::Release);
        }
        let mut latched = self.reader.latched(engager as usize);
        // Of two engagements of one engager at once the newer stays latched, whichever stores last.
        while latched < generation && !self.words.compare_exchange(latch_word(engager), latched, generation) {
            latched = self.reader.latched(engager as usize);
        }
        self.describe(engager, now, Nanos(0), &ascii::to_words(reason));
        generation
    }

    /// Clears `engager`'s word, after its release was recorded in the text, and returns the generation released. `None`
    /// when nothing was engaged, or when it was engaged anew meanwhile: a release never clears what it did not read.
    pub fn release(&self, engager: Engager, now: Nanos) -> Option<u64> {
        let latched = self.reader.latched(engager as usize);
        if latched == 0 {
            return None;
        }
        let first = detail_word(engager);
        let reason = std::array::from_fn(|index| self.words.load(first + 3 + index, Ordering::Relaxed));
        let engaged_ns = Nanos(self.words.load(first + 1, Ordering::Relaxed));
        self.describe(engager, engaged_ns, now, &reason);
        self.words.compare_exchange(latch_word(engager), latched, 0).then_some(latched)
    }

    fn describe(&self, engager: Engager, engaged_ns: Nanos, released_ns: Nanos, reason: &[u64; REASON_WORDS]) {
        let mut detail = [0; DETAIL_WORDS];
        detail[0] = engaged_ns.0;
        detail[1] = released_ns.0;
        detail[2..].copy_from_slice(reason);
        stamped::write(&self.words, detail_word(engager), &detail);
    }
}

const fn version_word() -> u64 {
    KILL_VERSION as u64 | (ENGAGERS as u64) << 32
}

const fn latch_word(engager: Engager) -> usize {
    word::GENERATIONS + engager as usize
}

const fn detail_word(engager: Engager) -> usize {
    word::DETAILS + engager as usize * DETAIL_STRIDE
}
