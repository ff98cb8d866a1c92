//! The index beside each capture file: where each ring's messages of a sequence or a time lie. Drawn in the README.
//!
//! It is a help and nothing else: whatever of it does not hold, or is missing, a reader makes again from the capture.

use super::format::{BLOCK_HEADER_BYTES, BlockHeader, BlockKind, FILE_HEADER_BYTES, FileHeader};
use super::stamp::Carried;
use shm_layout::topology::RingId;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Extension of an index file's name.
pub const EXTENSION: &str = "index";
/// Magic of an index file.
pub const INDEX_MAGIC: [u8; 8] = *b"TICKIDX\0";
/// Magic of a group.
pub const GROUP_MAGIC: [u8; 4] = *b"GRP1";
/// Version of the format.
pub const INDEX_VERSION: u32 = 1;
/// Bytes of the file header.
pub const INDEX_HEADER_BYTES: usize = 64;
/// Bytes of a group's header.
pub const GROUP_HEADER_BYTES: usize = 32;
/// Bytes of an entry.
pub const ENTRY_BYTES: usize = 64;
/// A group is closed by the block that brings it to so many bytes of the capture: the index is then about 1 % of it.
pub const GRANULE_BYTES: u64 = 64 << 10;
/// Flag of an entry: the ring's last block in the group is an end.
pub const ENDED: u16 = 1;
/// Rings for which a builder has room without allocating.
const RINGS: usize = 256;

/// What an index file begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct IndexHeader {
    magic: [u8; 8],
    version: U32,
    file_index: U32,
    boot_stamp: U64,
    created_ns: U64,
    config_hash: U64,
    reserved: [u8; 20],
    crc32c: U32,
}

const _: () = assert!(size_of::<IndexHeader>() == INDEX_HEADER_BYTES);

impl IndexHeader {
    /// The sealed header of the index of a capture file.
    #[must_use]
    pub fn of(capture: &FileHeader) -> Self {
        let mut header = Self {
            magic: INDEX_MAGIC,
            version: INDEX_VERSION.into(),
            file_index: capture.file_index,
            boot_stamp: capture.boot_stamp,
            created_ns: capture.created_ns,
            config_hash: capture.config_hash,
            reserved: [0; 20],
            crc32c: 0.into(),
        };
        header.crc32c = crc32c::crc32c(&header.as_bytes()[..INDEX_HEADER_BYTES - 4]).into();
        header
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct GroupHeader {
    magic: [u8; 4],
    count: U32,
    start: U64,
    end: U64,
    reserved: U32,
    crc32c: U32,
}

const _: () = assert!(size_of::<GroupHeader>() == GROUP_HEADER_BYTES);

/// What a group says of one ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Entry {
    ring: U32,
    gaps: U16,
    flags: U16,
    first_sequence: U64,
    next_sequence: U64,
    missed: U64,
    time_before: U64,
    time_min: U64,
    time_max: U64,
    time_after: U64,
}

const _: () = assert!(size_of::<Entry>() == ENTRY_BYTES);

impl Entry {
    /// The ring; `None` for a number that is none.
    #[must_use]
    pub fn ring(&self) -> Option<RingId> {
        RingId::from_u32(self.ring.get())
    }

    /// Sequence of its first block.
    #[must_use]
    pub fn first_sequence(&self) -> u64 {
        self.first_sequence.get()
    }

    /// Sequence that follows its last block.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence.get()
    }

    /// Sequences missing, in gap blocks.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed.get()
    }

    /// Gap blocks.
    #[must_use]
    pub fn gaps(&self) -> u64 {
        self.gaps.get().into()
    }

    /// True when its last block is an end.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.flags.get() & ENDED != 0
    }

    /// Stamp carried into its first block.
    #[must_use]
    pub fn time_before(&self) -> u64 {
        self.time_before.get()
    }

    /// Least and greatest stamp of what it holds, in nanoseconds.
    #[must_use]
    pub fn times(&self) -> (u64, u64) {
        (self.time_min.get(), self.time_max.get())
    }
}

/// A stretch of a capture file, and what it holds of each ring.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// Offset of its first block.
    pub start: u64,
    /// Offset after its last block.
    pub end: u64,
    /// An entry per ring, in order of first appearance.
    pub entries: Vec<Entry>,
}

impl Group {
    /// Appends its bytes.
    pub fn append_to(&self, bytes: &mut Vec<u8>) {
        append(bytes, self.start, self.end, &self.entries);
    }
}

/// Appends a group's header and entries.
fn append(bytes: &mut Vec<u8>, start: u64, end: u64, entries: &[Entry]) {
    let mut header = GroupHeader {
        magic: GROUP_MAGIC,
        count: (entries.len() as u32).into(),
        start: start.into(),
        end: end.into(),
        reserved: 0.into(),
        crc32c: 0.into(),
    };
    header.crc32c = crc32c::crc32c_append(crc32c::crc32c(header.as_bytes()), entries.as_bytes()).into();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(entries.as_bytes());
}

/// The groups of an index's bytes that hold, for the capture file of this header and length; what follows is left out.
#[must_use]
pub fn groups(bytes: &[u8], capture: &FileHeader, capture_bytes: u64) -> Vec<Group> {
    let mut groups = Vec::new();
    let Some(mut rest) = bytes.strip_prefix(IndexHeader::of(capture).as_bytes()) else { return groups };
    let mut start = FILE_HEADER_BYTES as u64;
    while let Ok((header, after)) = GroupHeader::read_from_prefix(rest) {
        let length = (header.count.get() as usize).saturating_mul(ENTRY_BYTES);
        let Some(entries) = after.get(..length) else { break };
        let unsealed = GroupHeader { crc32c: 0.into(), ..header };
        let sum = crc32c::crc32c_append(crc32c::crc32c(unsealed.as_bytes()), entries);
        let follows = header.start.get() == start && header.end.get() > start && header.end.get() <= capture_bytes;
        let holds = header.magic == GROUP_MAGIC && header.reserved.get() == 0 && header.crc32c.get() == sum;
        let Some(entries) = <[Entry]>::ref_from_bytes(entries).ok().filter(|_| follows && holds) else { break };
        groups.push(Group { start, end: header.end.get(), entries: entries.to_vec() });
        start = header.end.get();
        rest = &after[length..];
    }
    groups
}

/// Makes groups of blocks as they are appended. It allocates only for more than 256 rings.
#[derive(Debug)]
pub struct IndexBuilder {
    created_ns: u64,
    start: u64,
    end: u64,
    entries: Vec<Entry>,
    /// The stamp last seen of each ring.
    carried: Vec<(RingId, Carried)>,
}

impl IndexBuilder {
    /// Begins a capture file that was created at this time.
    #[must_use]
    pub fn new(created_ns: u64) -> Self {
        let start = FILE_HEADER_BYTES as u64;
        let (entries, carried) = (Vec::with_capacity(RINGS), Vec::with_capacity(RINGS));
        Self { created_ns, start, end: start, entries, carried }
    }

    /// Begins the next capture file, with the memory of the last.
    pub fn restart(&mut self, created_ns: u64) {
        let start = FILE_HEADER_BYTES as u64;
        self.entries.clear();
        self.carried.clear();
        (self.created_ns, self.start, self.end) = (created_ns, start, start);
    }

    /// Goes on after groups that hold.
    pub fn resume(&mut self, groups: &[Group]) {
        for entry in groups.iter().flat_map(|group| &group.entries) {
            if let Some(ring) = entry.ring() {
                self.carried_of(ring).stamp_ns = entry.time_after.get();
            }
        }
        self.start = groups.last().map_or(FILE_HEADER_BYTES as u64, |group| group.end);
        self.end = self.start;
    }

    fn carried_of(&mut self, ring: RingId) -> &mut Carried {
        let found = self.carried.iter().position(|(known, _)| *known == ring);
        let index = found.unwrap_or_else(|| {
            self.carried.push((ring, Carried::new(self.created_ns)));
            self.carried.len() - 1
        });
        &mut self.carried[index].1
    }

    /// Offset after the last block added.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// Adds a block that was appended to the capture; `payload` its payloads. True when the group is
    /// full: [`IndexBuilder::close`] it.
    pub fn add(&mut self, header: &BlockHeader, kind: BlockKind, ring: RingId, payload: &[u8]) -> bool {
        let length = (BLOCK_HEADER_BYTES + payload.len()) as u64;
        let carried = self.carried_of(ring);
        let time_before = carried.stamp_ns;
        let (mut time_min, mut time_max) = (u64::MAX, 0);
        for payload in payload.chunks_exact(header.payload_bytes().max(1)) {
            let stamp = carried.next_bytes(ring.kind, payload);
            (time_min, time_max) = (time_min.min(stamp), time_max.max(stamp));
        }
        let time_after = carried.stamp_ns;
        if kind != BlockKind::Messages {
            (time_min, time_max) = (time_before, time_before);
        }
        let span = match kind {
            BlockKind::Messages => u64::from(header.count()),
            BlockKind::Gap => header.missed(),
            BlockKind::End => 0,
        };
        let index = self.entries.iter().position(|entry| entry.ring.get() == ring.to_u32()).unwrap_or_else(|| {
            self.entries.push(Entry {
                ring: ring.to_u32().into(),
                first_sequence: header.first_sequence().into(),
                next_sequence: header.first_sequence().into(),
                missed: 0.into(),
                time_before: time_before.into(),
                time_min: u64::MAX.into(),
                time_max: 0.into(),
                time_after: 0.into(),
                gaps: 0.into(),
                flags: 0.into(),
            });
            self.entries.len() - 1
        });
        let entry = &mut self.entries[index];
        entry.next_sequence = header.first_sequence().saturating_add(span).into();
        entry.time_min = entry.time_min.get().min(time_min).into();
        entry.time_max = entry.time_max.get().max(time_max).into();
        entry.time_after = time_after.into();
        if kind == BlockKind::Gap {
            entry.missed = entry.missed.get().saturating_add(header.missed()).into();
            entry.gaps = entry.gaps.get().saturating_add(1).into();
        }
        entry.flags = if kind == BlockKind::End { ENDED } else { 0 }.into();
        self.end += length;
        self.end - self.start >= GRANULE_BYTES
    }

    /// Appends the group's bytes and begins the next; nothing for an empty one.
    pub fn close(&mut self, bytes: &mut Vec<u8>) {
        if !self.entries.is_empty() {
            append(bytes, self.start, self.end, &self.entries);
            self.entries.clear();
            self.start = self.end;
        }
    }

    /// The group so far; `None` when it is empty.
    #[must_use]
    pub fn group(&self) -> Option<Group> {
        let group = Group { start: self.start, end: self.end, entries: self.entries.clone() };
        (!group.entries.is_empty()).then_some(group)
    }
}
