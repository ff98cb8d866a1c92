//! The first 256 bytes of every region file: what it is, whose it is, of which boot, and by which layout.
//!
//! ```text
//! 0     magic         [u8; 8]  "TICKWAY\0", stored last: a half-made region has none
//! 8     version       u32      REGION_VERSION: of this header and of what no layout hash covers
//! 12    kind          u8       RegionKind
//! 13    writer_role   u8       Role of the one process that may write the body
//! 14    writer_index  u8       its index
//! 15    reserved      u8
//! 16    layout_hash   u64      per kind of page, and for rings per kind of ring
//! 24    ring_id       u32      RingId (Ring), else 0
//! 28    slot_bytes    u32      64 or 128 (Ring), else 0
//! 32    slots         u64      slots (Ring), instruments (Image), else 0
//! 40    length_bytes  u64      header and body; a huge-page file may be longer
//! 48    boot_stamp    u64      random id of the instance's boot
//! 56    created_ns    u64
//! 64    reserved      [u8; 64]
//! 128   writer_epoch  u64      restart epoch of the present writer
//! 136   writer_pid    u64      its process id; 0 = none yet
//! 144   reserved      [u8; 112]
//! 256   body
//! ```
//!
//! The supervisor creates it; from then on only the writer stores, and only its epoch and pid. It never repairs: a header
//! that does not fit is an error that names the way out.

use crate::layout::{page_layout_hash, ring_layout_hash};
use crate::ring::sync::{Ordering, SharedWords};
use crate::topology::RingId;
use crate::types::{Nanos, Role, byte_code};
use std::fmt;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 256;
/// Words of the header.
pub const HEADER_WORDS: usize = HEADER_BYTES / 8;
/// First eight bytes of every region.
pub const MAGIC: [u8; 8] = *b"TICKWAY\0";
/// Version of the header.
pub const REGION_VERSION: u32 = 1;
/// Version of the ring's own words (cursors, stamps); part of each ring's layout hash.
pub const RING_FORMAT: u32 = 1;

byte_code! {
    /// What a region holds.
    RegionKind {
        /// A ring: its writer writes, everyone else maps it read-only.
        Ring = 1,
        /// The status region of one process, which alone writes it.
        Status = 2,
        /// The market image of one feed handler.
        Image = 3,
        /// The supervisor's page: anchor, roster, parked words.
        ControlPage = 4,
        /// The instrument table; drawn by its owner.
        Instruments = 5,
        /// The tail of a gateway's journal; drawn by the journal.
        JournalTail = 6,
    }
}

mod word {
    pub const MAGIC: usize = 0;
    /// version u32, kind u8, writer_role u8, writer_index u8, reserved u8.
    pub const IDENTITY: usize = 1;
    pub const LAYOUT_HASH: usize = 2;
    /// ring_id u32, slot_bytes u32.
    pub const RING: usize = 3;
    pub const SLOTS: usize = 4;
    pub const LENGTH_BYTES: usize = 5;
    pub const BOOT_STAMP: usize = 6;
    pub const CREATED_NS: usize = 7;
    pub const WRITER_EPOCH: usize = 16;
    pub const WRITER_PID: usize = 17;
}

const _: () = {
    // The body keeps the region's alignment, and the writer's words do not share a line with what readers check.
    assert!(HEADER_BYTES.is_multiple_of(crate::ring::sync::REGION_ALIGN));
    assert!(word::WRITER_EPOCH * 8 == 128 && word::WRITER_PID < HEADER_WORDS);
};

/// What a region is to be, or is expected to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegionSpec {
    /// What it holds.
    pub kind: RegionKind,
    /// Role of its writer.
    pub writer: Role,
    /// Index of its writer.
    pub index: u8,
    /// Layout hash.
    pub layout_hash: u64,
    /// The ring; `None` for another kind.
    pub ring: Option<RingId>,
    /// Slots of a ring, instruments of an image, else 0.
    pub slots: u64,
    /// Words after the header.
    pub body_words: usize,
    /// Random id of the instance's boot; 0 when checking = of any boot.
    pub boot_stamp: u64,
    /// When it was created; not checked.
    pub created_ns: Nanos,
}

impl RegionSpec {
    /// The region of `ring`, whose area of `slots` slots takes `body_words` words.
    #[must_use]
    pub const fn ring(ring: RingId, slots: u64, body_words: usize, boot_stamp: u64, created_ns: Nanos) -> Self {
        let (kind, layout_hash) = (RegionKind::Ring, ring_layout_hash(ring.kind));
        let (writer, index) = (ring.writer, ring.index);
        Self { kind, writer, index, layout_hash, ring: Some(ring), slots, body_words, boot_stamp, created_ns }
    }

    /// The status region of a process.
    #[must_use]
    pub const fn status(writer: Role, index: u8, boot_stamp: u64, created_ns: Nanos) -> Self {
        let body_words = crate::status::STATUS_WORDS;
        Self::page(RegionKind::Status, writer, index, 0, body_words, boot_stamp, created_ns)
    }

    /// The market image of feed handler `index`.
    #[must_use]
    pub const fn image(index: u8, instruments: usize, boot_stamp: u64, created_ns: Nanos) -> Self {
        let (slots, body_words) = (instruments as u64, crate::image::image_words(instruments));
        Self::page(RegionKind::Image, Role::FeedHandler, index, slots, body_words, boot_stamp, created_ns)
    }

    /// The supervisor's control page.
    #[must_use]
    pub const fn control_page(boot_stamp: u64, created_ns: Nanos) -> Self {
        let body_words = crate::control_page::CONTROL_PAGE_WORDS;
        Self::page(RegionKind::ControlPage, Role::Supervisor, 0, 0, body_words, boot_stamp, created_ns)
    }

    /// A region whose body another crate draws; `layout_hash` is that crate's.
    #[must_use]
    pub const fn foreign(kind: RegionKind, writer: Role, index: u8, layout_hash: u64, body_words: usize) -> Self {
        let (ring, slots, boot_stamp, created_ns) = (None, 0, 0, Nanos(0));
        Self { kind, writer, index, layout_hash, ring, slots, body_words, boot_stamp, created_ns }
    }

    const fn page(
        kind: RegionKind,
        writer: Role,
        index: u8,
        slots: u64,
        body_words: usize,
        boot_stamp: u64,
        created_ns: Nanos,
    ) -> Self {
        let layout_hash = page_layout_hash(kind).expect("a page of this crate has a hash");
        Self { kind, writer, index, layout_hash, ring: None, slots, body_words, boot_stamp, created_ns }
    }

    /// Words of the whole region: header and body.
    #[must_use]
    pub const fn region_words(&self) -> usize {
        HEADER_WORDS + self.body_words
    }

    /// Bytes of the whole region.
    #[must_use]
    pub const fn region_bytes(&self) -> usize {
        self.region_words() * 8
    }

    const fn slot_bytes(&self) -> u32 {
        match self.ring {
            Some(ring) => ring.kind.slot_bytes() as u32,
            None => 0,
        }
    }
}

/// Why a region cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RegionError {
    /// Shorter than a header, or than its header says. Bytes needed, bytes there.
    Short(u64, u64),
    /// The first eight bytes are not the magic.
    Magic,
    /// Another version of the header.
    Version(u32),
    /// A code byte of the header is none of its table's.
    Code(&'static str, u8),
    /// Written by a build with another layout: found, expected.
    Layout(u64, u64),
    /// Left by another boot of the instance: found, expected.
    Boot(u64, u64),
    /// A field is not what the host file says: name, found, expected.
    Mismatch(&'static str, u64, u64),
}

impl fmt::Display for RegionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const RESTART: &str = "stop the instance and start it again with one build";
        match self {
            Self::Short(needed, found) => {
                write!(f, "the region has {found} bytes and needs {needed}; stop the instance and start it again")
            }
            Self::Magic => write!(f, "not a Tickway region, or half made; check the path, or start the instance again"),
            Self::Version(version) => {
                write!(f, "region header version {version}, this build knows {REGION_VERSION}; {RESTART}")
            }
            Self::Code(field, byte) => write!(f, "region header: {field} has the unknown code {byte}; {RESTART}"),
            Self::Layout(found, own) => {
                write!(f, "layout hash 0x{found:016x} of another version (this build: 0x{own:016x}); {RESTART}")
            }
            Self::Boot(found, own) => write!(
                f,
                "left by another boot of the instance (stamp 0x{found:016x}, now 0x{own:016x}); stop the instance, \
                 remove its directory of regions and start it again"
            ),
            Self::Mismatch(field, found, expected) => write!(
                f,
                "the region's {field} is {found}, the host file makes it {expected}; stop the instance and start it \
                 again so that its regions follow the host file"
            ),
        }
    }
}

impl std::error::Error for RegionError {}

/// A region with a good header.
#[derive(Clone, Debug)]
pub struct RegionHeader {
    words: SharedWords,
    spec: RegionSpec,
}

impl RegionHeader {
    /// Writes the header of a zeroed region. Only the supervisor does this.
    ///
    /// # Panics
    /// When `words` is shorter than the region or read-only.
    pub fn create(words: &SharedWords, spec: RegionSpec) -> Self {
        assert!(words.len() >= spec.region_words(), "{} words for {}", words.len(), spec.region_words());
        let identity = u64::from(REGION_VERSION)
            | (spec.kind as u64) << 32
            | (spec.writer as u64) << 40
            | u64::from(spec.index) << 48;
        let ring_id = spec.ring.map_or(0, RingId::to_u32);
        let store = |index, value| words.store(index, value, Ordering::Relaxed);
        store(word::IDENTITY, identity);
        store(word::LAYOUT_HASH, spec.layout_hash);
        store(word::RING, u64::from(ring_id) | u64::from(spec.slot_bytes()) << 32);
        store(word::SLOTS, spec.slots);
        store(word::LENGTH_BYTES, spec.region_bytes() as u64);
        store(word::BOOT_STAMP, spec.boot_stamp);
        store(word::CREATED_NS, spec.created_ns.0);
        words.store(word::MAGIC, u64::from_le_bytes(MAGIC), Ordering::Release);
        Self { words: words.clone(), spec }
    }

    /// Reads the header of any region, for tools that go by the file alone.
    ///
    /// # Errors
    /// [`RegionError`] when it is no region, of another version or layout, or shorter than it says.
    pub fn read(words: &SharedWords) -> Result<Self, RegionError> {
        if words.len() < HEADER_WORDS {
            return Err(RegionError::Short(HEADER_BYTES as u64, words.len() as u64 * 8));
        }
        if words.load(word::MAGIC, Ordering::Acquire) != u64::from_le_bytes(MAGIC) {
            return Err(RegionError::Magic);
        }
        let load = |index| words.load(index, Ordering::Relaxed);
        let identity = load(word::IDENTITY);
        if identity as u32 != REGION_VERSION {
            return Err(RegionError::Version(identity as u32));
        }
        let [_, _, _, _, kind_byte, role_byte, index, _] = identity.to_le_bytes();
        let kind = RegionKind::from_u8(kind_byte).ok_or(RegionError::Code("kind", kind_byte))?;
        let writer = Role::from_u8(role_byte).ok_or(RegionError::Code("writer_role", role_byte))?;
        let ring_id = load(word::RING) as u32;
        let ring = match kind {
            RegionKind::Ring => {
                Some(RingId::from_u32(ring_id).ok_or(RegionError::Code("ring_id", (ring_id >> 24) as u8))?)
            }
            _ => None,
        };
        let length_bytes = load(word::LENGTH_BYTES);
        let present = words.len() as u64 * 8;
        if length_bytes > present || length_bytes < HEADER_BYTES as u64 || !length_bytes.is_multiple_of(8) {
            return Err(RegionError::Short(length_bytes, present));
        }
        let spec = RegionSpec {
            kind,
            writer,
            index,
            layout_hash: load(word::LAYOUT_HASH),
            ring,
            slots: load(word::SLOTS),
            body_words: length_bytes as usize / 8 - HEADER_WORDS,
            boot_stamp: load(word::BOOT_STAMP),
            created_ns: Nanos(load(word::CREATED_NS)),
        };
        let own = ring.map_or_else(|| page_layout_hash(kind), |ring| Some(ring_layout_hash(ring.kind)));
        if let Some(own) = own.filter(|&own| own != spec.layout_hash) {
            return Err(RegionError::Layout(spec.layout_hash, own));
        }
        let slot_bytes = load(word::RING) >> 32;
        expect("slot_bytes", slot_bytes, u64::from(spec.slot_bytes()))?;
        Ok(Self { words: words.clone(), spec })
    }

    /// Reads the header and holds it against what the host file makes of this region.
    ///
    /// # Errors
    /// [`RegionError`], naming the first field that does not fit.
    pub fn check(words: &SharedWords, expected: &RegionSpec) -> Result<Self, RegionError> {
        let header = Self::read(words)?;
        let found = &header.spec;
        expect("kind", found.kind as u64, expected.kind as u64)?;
        if found.layout_hash != expected.layout_hash {
            return Err(RegionError::Layout(found.layout_hash, expected.layout_hash));
        }
        expect("writer_role", found.writer as u64, expected.writer as u64)?;
        expect("writer_index", found.index.into(), expected.index.into())?;
        let ring_id = |spec: &RegionSpec| spec.ring.map_or(0, RingId::to_u32);
        expect("ring_id", ring_id(found).into(), ring_id(expected).into())?;
        expect("slots", found.slots, expected.slots)?;
        expect("length_bytes", found.region_bytes() as u64, expected.region_bytes() as u64)?;
        if expected.boot_stamp != 0 && found.boot_stamp != expected.boot_stamp {
            return Err(RegionError::Boot(found.boot_stamp, expected.boot_stamp));
        }
        Ok(header)
    }

    /// What the header says.
    #[must_use]
    pub const fn spec(&self) -> &RegionSpec {
        &self.spec
    }

    /// The area after the header, aligned to 128 bytes.
    #[must_use]
    pub fn body(&self) -> SharedWords {
        self.words.slice(HEADER_WORDS, self.spec.body_words)
    }

    /// Restart epoch of the present writer.
    #[must_use]
    pub fn writer_epoch(&self) -> u64 {
        self.words.load(word::WRITER_EPOCH, Ordering::Acquire)
    }

    /// Process id of the present writer; 0 = none yet.
    #[must_use]
    pub fn writer_pid(&self) -> u32 {
        self.words.load(word::WRITER_PID, Ordering::Relaxed) as u32
    }

    /// The writer announces itself, before its first store to the body.
    ///
    /// # Panics
    /// On a read-only view.
    pub fn set_writer(&self, epoch: u64, pid: u32) {
        self.words.store(word::WRITER_PID, u64::from(pid), Ordering::Relaxed);
        self.words.store(word::WRITER_EPOCH, epoch, Ordering::Release);
    }
}

fn expect(field: &'static str, found: u64, expected: u64) -> Result<(), RegionError> {
    if found == expected { Ok(()) } else { Err(RegionError::Mismatch(field, found, expected)) }
}
