//! Moves committed records from the tail to segment files, syncs them, and publishes the durable watermark.
//!
//! It runs on a thread of its own, beside the gateway. It never retries a failed sync: the kernel may have dropped the
//! pages, and a second call would succeed without them. Records stay in the tail until they are durable in files.

use crate::frame::{self, Address, HEADER_BYTES, RECORD_BYTES_MAX};
use crate::recovery::Resume;
use crate::scan::{HASH_OF_NOTHING, hash_record};
use crate::segment::{PAGE_BYTES, SEGMENT_BYTES_MIN, SYNC_BYTES, SegmentHeader, SyncBlock, Trailer};
use crate::store::{SegmentStore, StoreError};
use crate::tail::{self, BadTail, TailState, word};
use shm_layout::ring::sync::{Ordering, SharedWords};
use shm_layout::types::Nanos;

/// What the header of a segment states, and the sizes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlusherConfig {
    /// Boot stamp of the instance.
    pub boot_stamp: u64,
    /// Hash of the host file.
    pub config_hash: u64,
    /// Hash of the instrument table.
    pub instrument_table_hash: u64,
    /// Hash of the host's name.
    pub host_name_hash: u64,
    /// Epoch of this gateway.
    pub epoch: u32,
    /// Durability level, 0–3.
    pub durability: u8,
    /// Index of the gateway.
    pub gateway: u8,
    /// Bytes of a segment file.
    pub segment_bytes: u64,
    /// Most bytes of records in one write and sync.
    pub batch_bytes: usize,
}

/// Why the flusher stopped for good; the tail's state is then `Failed`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FlushError {
    /// The store failed, finally.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A committed record in the tail is not whole or not the next.
    #[error("journal tail is corrupt")]
    Tail,
    /// The last flusher of this tail failed. What it wrote may be in the page cache and nowhere else, so its files are not
    /// taken up by a restart: that is the operator's decision.
    #[error("a write or a sync failed earlier")]
    Earlier,
    /// Its region is not a tail.
    #[error(transparent)]
    Region(#[from] BadTail),
}

/// What of the open segment is in the file.
#[derive(Clone, Copy, Debug)]
struct Open {
    file_id: u32,
    address: Address,
    segment_bytes: u64,
    /// End of what is durable.
    offset: u64,
    records_hash: u64,
    previous_trailer_hash: u64,
    boot_stamp: u64,
    /// Last sequence that a sync block states.
    stated_sequence: u64,
    /// How often the next segment was asked for.
    asked: u64,
}

/// Moves records from one tail to one store.
#[derive(Debug)]
pub struct Flusher<S> {
    words: SharedWords,
    capacity: usize,
    store: S,
    config: FlusherConfig,
    open: Option<Open>,
    last_file_id: u32,
    trailer_hash: u64,
    /// Last sequence durable in files.
    last_sequence: u64,
    /// Of the tail: below it everything is durable in files.
    released: u64,
    /// A batch, and the sync block after it.
    buffer: Box<[u8]>,
    failed: Option<FlushError>,
}

/// What one gathering found in the tail.
struct Gathered {
    /// End of the records taken, in the tail.
    through: u64,
    last_sequence: u64,
    records: usize,
    /// Bytes of them in the buffer.
    bytes: usize,
    /// Hash of the segment's records through them.
    records_hash: u64,
    /// The next record does not fit the segment.
    full: bool,
}

impl<S: SegmentStore> Flusher<S> {
    /// Takes up tail and files where recovery found them. What a killed predecessor had written and not synced is synced
    /// first: the watermark is not a guess.
    ///
    /// # Errors
    /// [`FlushError`].
    ///
    /// # Panics
    /// When the segment is below [`SEGMENT_BYTES_MIN`] or not a multiple of a page.
    pub fn new(words: SharedWords, mut store: S, config: FlusherConfig, resume: &Resume) -> Result<Self, FlushError> {
        let page = PAGE_BYTES as u64;
        let fits = config.segment_bytes >= SEGMENT_BYTES_MIN && config.segment_bytes.is_multiple_of(page);
        assert!(fits, "segment of {} bytes", config.segment_bytes);
        let capacity = tail::check(&words, Some(config.boot_stamp))?;
        if words.load(word::STATE, Ordering::Acquire) == TailState::Failed as u64 {
            return Err(FlushError::Earlier);
        }
        if resume.open.is_some() {
            sync(&mut store, resume.file_id)?;
        }
        let released = words.load(word::RELEASED, Ordering::Acquire);
        if released > tail::STREAM_BYTES_MAX {
            return Err(BadTail::Geometry.into());
        }
        let open = resume.open.map(|at| Open {
            file_id: resume.file_id,
            address: Address::of(resume.file_id),
            segment_bytes: at.segment_bytes,
            offset: at.offset,
            records_hash: at.records_hash,
            previous_trailer_hash: at.previous_trailer_hash,
            boot_stamp: at.boot_stamp,
            stated_sequence: 0,
            asked: 0,
        });
        words.store(word::STATE, TailState::Flowing as u64, Ordering::Release);
        words.store(word::DURABLE_SEQUENCE, resume.last_sequence, Ordering::Release);
        let buffer = vec![0; config.batch_bytes.max(RECORD_BYTES_MAX) + RECORD_BYTES_MAX + SYNC_BYTES].into();
        Ok(Self {
            words,
            capacity,
            store,
            config,
            open,
            last_file_id: resume.file_id,
            trailer_hash: resume.trailer_hash,
            last_sequence: resume.last_sequence,
            released,
            buffer,
            failed: None,
        })
    }

    /// The store, to read it.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// The store, to arm its faults.
    pub const fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }

    /// The store, when the flusher's thread ends.
    pub fn into_store(self) -> S {
        self.store
    }

    /// Last sequence durable in files.
    #[must_use]
    pub const fn durable_sequence(&self) -> u64 {
        self.last_sequence
    }

    /// Moves what is committed, at most one batch; returns the records moved. With nothing to move it states, once, what
    /// is durable. Without space it returns 0 and tries again at the next call.
    ///
    /// # Errors
    /// [`FlushError`], the same one at every later call.
    pub fn poll(&mut self, now: Nanos) -> Result<usize, FlushError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        match self.batch(now) {
            Ok(records) => {
                self.publish(TailState::Flowing);
                Ok(records)
            }
            Err(FlushError::Store(StoreError::NoSpace)) => {
                self.publish(TailState::NoSpace);
                Ok(0)
            }
            Err(error) => {
                self.failed = Some(error);
                self.publish(TailState::Failed);
                Err(error)
            }
        }
    }

    fn publish(&self, state: TailState) {
        if self.words.load(word::STATE, Ordering::Relaxed) != state as u64 {
            self.words.store(word::STATE, state as u64, Ordering::Release);
        }
    }

    fn batch(&mut self, now: Nanos) -> Result<usize, FlushError> {
        let committed = self.words.load(word::COMMITTED, Ordering::Acquire);
        if self.open.is_none() {
            if committed == self.released {
                return Ok(0);
            }
            self.create(now)?;
        }
        let open = self.open.expect("just created");
        let gathered = self.gather(committed, &open)?;
        if gathered.records == 0 && gathered.full {
            self.seal(open, now)?;
            return Ok(0);
        }
        let unstated = open.stated_sequence < self.last_sequence;
        if gathered.records == 0 && gathered.through == self.released && !unstated {
            return Ok(0);
        }
        let room = open.segment_bytes - PAGE_BYTES as u64 - open.offset;
        if gathered.records > 0 || room >= SYNC_BYTES as u64 {
            self.write(open, &gathered)?;
        }
        // First the watermark, then the room: a record is never in neither.
        self.words.store(word::DURABLE_SEQUENCE, self.last_sequence, Ordering::Release);
        self.released = gathered.through;
        self.words.store(word::RELEASED, self.released, Ordering::Release);
        Ok(gathered.records)
    }

    /// Copies the next records into the buffer, each checked, then given this segment's number.
    fn gather(&mut self, committed: u64, open: &Open) -> Result<Gathered, FlushError> {
        let mut found = Gathered {
            through: self.released,
            last_sequence: self.last_sequence,
            records: 0,
            bytes: 0,
            records_hash: open.records_hash,
            full: false,
        };
        let end = open.segment_bytes - PAGE_BYTES as u64;
        while found.through < committed && found.bytes < self.config.batch_bytes {
            let mut head = [0; HEADER_BYTES];
            tail::copy_out(&self.words, self.capacity, found.through, &mut head);
            let bytes = frame::announced_bytes(&head).ok_or(FlushError::Tail)?;
            let record = &mut self.buffer[found.bytes..found.bytes + bytes];
            tail::copy_out(&self.words, self.capacity, found.through, record);
            let (frame, whole_bytes) = frame::decode(record).map_err(|_| FlushError::Tail)?;
            let sequence = frame.header.sequence;
            if sequence <= self.last_sequence {
                // In the file already: the last flusher died between the sync and the release.
                found.through += bytes as u64;
                continue;
            }
            // The length: a neighbour changed it between the two looks.
            let next = sequence == found.last_sequence + 1 && frame.header.file_id == 0;
            if !next || whole_bytes != bytes {
                return Err(FlushError::Tail);
            }
            if open.offset + (found.bytes + bytes + SYNC_BYTES) as u64 > end {
                found.full = true;
                break;
            }
            open.address.put(record);
            found.records_hash = hash_record(found.records_hash, record);
            found.through += bytes as u64;
            found.last_sequence = sequence;
            found.records += 1;
            found.bytes += bytes;
        }
        Ok(found)
    }

    /// Writes the buffer and a sync block that states what was durable before, syncs, and takes note.
    fn write(&mut self, open: Open, gathered: &Gathered) -> Result<(), FlushError> {
        let block = SyncBlock {
            committed_bytes: open.offset,
            committed_sequence: self.last_sequence,
            boot_stamp: open.boot_stamp,
        };
        let block = block.encode(gathered.last_sequence, self.config.epoch, open.file_id);
        let bytes = gathered.bytes + SYNC_BYTES;
        self.buffer[gathered.bytes..bytes].copy_from_slice(&block);
        write_all(&mut self.store, open.file_id, open.offset, &self.buffer[..bytes])?;
        sync(&mut self.store, open.file_id)?;
        let end = open.offset + bytes as u64;
        let asked = asks_due(end, open.segment_bytes);
        if asked > open.asked {
            self.store.prepare(self.config.segment_bytes);
        }
        self.open = Some(Open {
            offset: end,
            records_hash: hash_record(gathered.records_hash, &block),
            stated_sequence: self.last_sequence,
            asked,
            ..open
        });
        self.last_sequence = gathered.last_sequence;
        self.words.store(word::FILE_OFFSET, end, Ordering::Relaxed);
        Ok(())
    }

    fn create(&mut self, now: Nanos) -> Result<(), FlushError> {
        // EOVERFLOW: a file of the greatest number lies there, which no flusher made.
        let file_id = self.last_file_id.checked_add(1).ok_or(StoreError::Io(75))?;
        let config = &self.config;
        let header = SegmentHeader {
            file_id,
            boot_stamp: config.boot_stamp,
            first_sequence: self.last_sequence + 1,
            config_hash: config.config_hash,
            instrument_table_hash: config.instrument_table_hash,
            host_name_hash: config.host_name_hash,
            previous_trailer_hash: self.trailer_hash,
            segment_bytes: config.segment_bytes,
            created_ns: now,
            epoch: config.epoch,
            durability: config.durability,
            gateway: config.gateway,
        };
        self.store.create(file_id, config.segment_bytes)?;
        write_all(&mut self.store, file_id, 0, &header.encode())?;
        sync(&mut self.store, file_id)?;
        self.open = Some(Open {
            file_id,
            address: Address::of(file_id),
            segment_bytes: config.segment_bytes,
            offset: PAGE_BYTES as u64,
            records_hash: HASH_OF_NOTHING,
            previous_trailer_hash: self.trailer_hash,
            boot_stamp: config.boot_stamp,
            stated_sequence: self.last_sequence,
            asked: 0,
        });
        self.last_file_id = file_id;
        self.words.store(word::FILE_ID, u64::from(file_id), Ordering::Relaxed);
        self.words.store(word::FILE_OFFSET, PAGE_BYTES as u64, Ordering::Relaxed);
        Ok(())
    }

    fn seal(&mut self, open: Open, now: Nanos) -> Result<(), FlushError> {
        let trailer = Trailer {
            file_id: open.file_id,
            last_sequence: self.last_sequence,
            records_end: open.offset,
            records_hash: open.records_hash,
            previous_trailer_hash: open.previous_trailer_hash,
            sealed_ns: now,
        };
        let offset = open.segment_bytes - PAGE_BYTES as u64;
        write_all(&mut self.store, open.file_id, offset, &trailer.encode())?;
        sync(&mut self.store, open.file_id)?;
        self.trailer_hash = trailer.hash();
        self.open = None;
        Ok(())
    }
}

/// How often the next segment is asked for by the time that this one is written up to `offset`: at its half, and at
/// each sixteenth from there on, so that what found no space at one of them may find some at the next.
const fn asks_due(offset: u64, segment_bytes: u64) -> u64 {
    (16 * offset / segment_bytes).saturating_sub(7)
}

/// Writes everything, whatever the store takes at a time. On `NoSpace` the same bytes are written again later.
pub(crate) fn write_all(
    store: &mut impl SegmentStore,
    file_id: u32,
    offset: u64,
    bytes: &[u8],
) -> Result<(), StoreError> {
    let mut done = 0;
    while done < bytes.len() {
        let taken = store.write_at(file_id, offset + done as u64, &bytes[done..])?;
        assert!(taken <= bytes.len() - done, "store took more than it was given");
        if taken == 0 {
            // EIO: a store that takes nothing would be asked for ever.
            return Err(StoreError::Io(5));
        }
        done += taken;
    }
    Ok(())
}

/// Syncs; a failure is final, whatever its kind.
pub(crate) fn sync(store: &mut impl SegmentStore, file_id: u32) -> Result<(), StoreError> {
    // No store says so of a sync. EIO stands for it if one does: nobody knows what that sync wrote.
    store.sync(file_id).map_err(|error| if error == StoreError::NoSpace { StoreError::Io(5) } else { error })
}
