//! A store in memory that fails on demand and forgets what was not synced: for tests and for simulation, with a tail
//! and a flusher's configuration for those who do not mind what they are.

use crate::flusher::FlusherConfig;
use crate::store::{SegmentStore, StoreError};
use crate::tail;
use shm_layout::ring::sync::SharedWords;
use std::collections::BTreeMap;

/// Unit that a crash keeps or loses whole: a disk sector.
pub const SECTOR_BYTES: usize = 512;

/// Boot stamp of [`new_tail`] and of [`config`].
pub const BOOT_STAMP: u64 = 7;

/// An empty tail on the heap, with this circular area.
#[must_use]
pub fn new_tail(capacity_bytes: usize) -> SharedWords {
    let words = SharedWords::heap(tail::region_words(capacity_bytes));
    tail::initialise(&words, BOOT_STAMP);
    words
}

/// What a flusher of such a tail is given.
#[must_use]
pub const fn config(segment_bytes: u64, batch_bytes: usize) -> FlusherConfig {
    FlusherConfig {
        boot_stamp: BOOT_STAMP,
        config_hash: 1,
        instrument_table_hash: 2,
        host_name_hash: 3,
        epoch: 1,
        durability: 0,
        gateway: 0,
        segment_bytes,
        batch_bytes,
    }
}

/// What goes wrong next.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Faults {
    /// No write takes more bytes than this.
    pub short_write: Option<usize>,
    /// Creating finds no space.
    pub create_no_space: bool,
    /// Writing finds no space.
    pub write_no_space: bool,
    /// Writing fails with this errno.
    pub write_error: Option<i32>,
    /// Syncing fails once with this errno, loses what was not synced, and then succeeds without it.
    pub sync_error: Option<i32>,
}

#[derive(Clone, Debug, Default)]
struct File {
    /// What the disk has.
    disk: Vec<u8>,
    /// What a reader sees now.
    cache: Vec<u8>,
}

/// Segments in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    files: BTreeMap<u32, File>,
    /// What goes wrong next.
    pub faults: Faults,
}

impl MemoryStore {
    /// Every segment as a reader of a live machine sees it.
    #[must_use]
    pub fn segments(&self) -> Vec<(u32, &[u8])> {
        self.files.iter().map(|(id, file)| (*id, file.cache.as_slice())).collect()
    }

    /// The bytes of a segment, to damage them.
    ///
    /// # Panics
    /// When there is no such segment.
    pub fn bytes_mut(&mut self, file_id: u32) -> &mut Vec<u8> {
        &mut self.files.get_mut(&file_id).expect("segment exists").cache
    }

    /// Loses power: of every sector that was not synced, `survives` says whether it reached the disk, in any order.
    pub fn crash(&mut self, mut survives: impl FnMut(u32, usize) -> bool) {
        for (id, file) in &mut self.files {
            for (index, sector) in file.cache.chunks(SECTOR_BYTES).enumerate() {
                let at = index * SECTOR_BYTES..index * SECTOR_BYTES + sector.len();
                if file.disk[at.clone()] != *sector && survives(*id, index) {
                    file.disk[at].copy_from_slice(sector);
                }
            }
            file.cache = file.disk.clone();
        }
    }

    fn file(&mut self, file_id: u32) -> Result<&mut File, StoreError> {
        // ENOENT
        self.files.get_mut(&file_id).ok_or(StoreError::Io(2))
    }
}

impl SegmentStore for MemoryStore {
    fn create(&mut self, file_id: u32, bytes: u64) -> Result<(), StoreError> {
        if self.faults.create_no_space {
            return Err(StoreError::NoSpace);
        }
        if self.files.get(&file_id).is_some_and(|file| file.cache.iter().any(|byte| *byte != 0)) {
            // EEXIST
            return Err(StoreError::Io(17));
        }
        let zeros = vec![0; bytes as usize];
        self.files.insert(file_id, File { disk: zeros.clone(), cache: zeros });
        Ok(())
    }

    fn write_at(&mut self, file_id: u32, offset: u64, bytes: &[u8]) -> Result<usize, StoreError> {
        if self.faults.write_no_space {
            return Err(StoreError::NoSpace);
        }
        if let Some(errno) = self.faults.write_error {
            return Err(StoreError::Io(errno));
        }
        let taken = self.faults.short_write.unwrap_or(usize::MAX).min(bytes.len());
        let offset = offset as usize;
        let file = self.file(file_id)?;
        // EFBIG: a preallocated segment never grows.
        let into = file.cache.get_mut(offset..offset + taken).ok_or(StoreError::Io(27))?;
        into.copy_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn sync(&mut self, file_id: u32) -> Result<(), StoreError> {
        let error = self.faults.sync_error.take();
        let file = self.file(file_id)?;
        if let Some(errno) = error {
            // As Linux may: the dirty pages are marked clean, and a crash loses them.
            return Err(StoreError::Io(errno));
        }
        file.disk.clone_from(&file.cache);
        Ok(())
    }
}
