//! Headers of a capture file and of its blocks, as drawn in the README.

use shm_layout::topology::RingId;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of a file header.
pub const FILE_HEADER_BYTES: usize = 64;
/// Bytes of a block header.
pub const BLOCK_HEADER_BYTES: usize = 40;
/// Magic of a file.
pub const FILE_MAGIC: [u8; 8] = *b"TICKCAP\0";
/// Magic of a block.
pub const BLOCK_MAGIC: [u8; 4] = *b"BLK1";
/// Version of the format.
pub const VERSION: u32 = 1;
/// Most payloads of one block.
pub const BLOCK_COUNT_MAX: u32 = 4096;

/// What a file begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct FileHeader {
    magic: [u8; 8],
    version: U32,
    /// From 1, consecutive.
    pub file_index: U32,
    /// Boot stamp of the instance that wrote it.
    pub boot_stamp: U64,
    /// On the instance's time line, in nanoseconds.
    pub created_ns: U64,
    /// Hash of the effective host file.
    pub config_hash: U64,
    reserved: [u8; 20],
    crc32c: U32,
}

const _: () = assert!(size_of::<FileHeader>() == FILE_HEADER_BYTES);

impl FileHeader {
    /// A sealed header.
    #[must_use]
    pub fn new(file_index: u32, boot_stamp: u64, created_ns: u64, config_hash: u64) -> Self {
        let mut header = Self {
            magic: FILE_MAGIC,
            version: VERSION.into(),
            file_index: file_index.into(),
            boot_stamp: boot_stamp.into(),
            created_ns: created_ns.into(),
            config_hash: config_hash.into(),
            reserved: [0; 20],
            crc32c: 0.into(),
        };
        header.crc32c = header.checksum().into();
        header
    }

    fn checksum(&self) -> u32 {
        crc32c::crc32c(&self.as_bytes()[..FILE_HEADER_BYTES - 4])
    }

    /// Reads and checks a header.
    ///
    /// # Errors
    /// What does not hold, in words.
    pub fn check(bytes: &[u8]) -> Result<Self, &'static str> {
        let (header, _) = Self::read_from_prefix(bytes).map_err(|_| "shorter than a file header")?;
        if header.magic != FILE_MAGIC {
            return Err("not a capture file: wrong magic");
        }
        if header.version.get() != VERSION {
            return Err("a capture of another version");
        }
        if header.crc32c.get() != header.checksum() {
            return Err("the file header's CRC does not hold");
        }
        if header.reserved != [0; 20] {
            return Err("a reserved byte of the file header is not zero");
        }
        Ok(header)
    }
}

/// What a block says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BlockKind {
    /// `count` payloads follow.
    Messages,
    /// `missed` sequences from `first_sequence` on were lost.
    Gap,
    /// The ring was recorded in full up to `first_sequence - 1`.
    End,
}

/// What a block begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct BlockHeader {
    magic: [u8; 4],
    kind: u8,
    reserved: u8,
    payload_bytes: U16,
    ring: U32,
    count: U32,
    first_sequence: U64,
    missed: U64,
    reserved_tail: U32,
    crc32c: U32,
}

const _: () = assert!(size_of::<BlockHeader>() == BLOCK_HEADER_BYTES);

impl BlockHeader {
    /// A sealed block of messages; `payload` is `count` payloads of `payload_bytes`.
    ///
    /// # Panics
    /// When the payload's length is not the product.
    #[must_use]
    pub fn messages(ring: RingId, first_sequence: u64, payload_bytes: u16, count: u32, payload: &[u8]) -> Self {
        assert_eq!(payload.len(), usize::from(payload_bytes) * count as usize, "payload length");
        assert!(count <= BLOCK_COUNT_MAX, "at most {BLOCK_COUNT_MAX} payloads in a block");
        Self::sealed(BlockKind::Messages, ring, first_sequence, payload_bytes, count, 0, payload)
    }

    /// A sealed gap.
    #[must_use]
    pub fn gap(ring: RingId, first_missing: u64, missed: u64) -> Self {
        Self::sealed(BlockKind::Gap, ring, first_missing, 0, 0, missed, &[])
    }

    /// A sealed end of a ring.
    #[must_use]
    pub fn end(ring: RingId, next_sequence: u64) -> Self {
        Self::sealed(BlockKind::End, ring, next_sequence, 0, 0, 0, &[])
    }

    fn sealed(
        kind: BlockKind,
        ring: RingId,
        first_sequence: u64,
        payload_bytes: u16,
        count: u32,
        missed: u64,
        payload: &[u8],
    ) -> Self {
        let mut header = Self {
            magic: BLOCK_MAGIC,
            kind: match kind {
                BlockKind::Messages => 1,
                BlockKind::Gap => 2,
                BlockKind::End => 3,
            },
            reserved: 0,
            payload_bytes: payload_bytes.into(),
            ring: ring.to_u32().into(),
            count: count.into(),
            first_sequence: first_sequence.into(),
            missed: missed.into(),
            reserved_tail: 0.into(),
            crc32c: 0.into(),
        };
        header.crc32c = header.checksum(payload).into();
        header
    }

    fn checksum(&self, payload: &[u8]) -> u32 {
        let unsealed = Self { crc32c: 0.into(), ..*self };
        crc32c::crc32c_append(crc32c::crc32c(unsealed.as_bytes()), payload)
    }

    /// Reads the block at the start of `bytes`; gives its header, kind, ring and payload.
    ///
    /// # Errors
    /// What does not hold, in words.
    pub fn check(bytes: &[u8]) -> Result<(Self, BlockKind, RingId, &[u8]), &'static str> {
        let (header, rest) = Self::read_from_prefix(bytes).map_err(|_| "shorter than a block header")?;
        if header.magic != BLOCK_MAGIC {
            return Err("wrong block magic");
        }
        let kind = match header.kind {
            1 => BlockKind::Messages,
            2 => BlockKind::Gap,
            3 => BlockKind::End,
            _ => return Err("unknown block kind"),
        };
        if header.count.get() > BLOCK_COUNT_MAX || ![0, 56, 120].contains(&header.payload_bytes.get()) {
            return Err("a block's count or payload size is out of range");
        }
        let length = usize::from(header.payload_bytes.get()) * header.count.get() as usize;
        let payload = rest.get(..length).ok_or("shorter than its payloads")?;
        if header.crc32c.get() != header.checksum(payload) {
            return Err("the block's CRC does not hold");
        }
        if header.reserved != 0 || header.reserved_tail.get() != 0 {
            return Err("a reserved byte of the block header is not zero");
        }
        let ring = RingId::from_u32(header.ring.get()).ok_or("unknown ring")?;
        let expected_bytes = if kind == BlockKind::Messages { ring.kind.slot_bytes() - 8 } else { 0 };
        if header.payload_bytes() != expected_bytes || (header.count.get() == 0) == (kind == BlockKind::Messages) {
            return Err("a block's payloads are not its kind's or its ring's");
        }
        Ok((header, kind, ring, payload))
    }

    /// What it says and of which ring; `None` when either is none of the format's.
    #[must_use]
    pub fn about(&self) -> Option<(BlockKind, RingId)> {
        let kind = match self.kind {
            1 => BlockKind::Messages,
            2 => BlockKind::Gap,
            3 => BlockKind::End,
            _ => return None,
        };
        Some((kind, RingId::from_u32(self.ring.get())?))
    }

    /// First sequence: of the payloads, of the gap, or the next expected at an end.
    #[must_use]
    pub fn first_sequence(&self) -> u64 {
        self.first_sequence.get()
    }

    /// Payloads.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count.get()
    }

    /// Sequences missing.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed.get()
    }

    /// Bytes of one payload.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        usize::from(self.payload_bytes.get())
    }
}
