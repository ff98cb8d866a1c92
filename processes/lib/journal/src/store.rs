//! Where segments are kept. `runtime` implements it with files; [`crate::memory`] in memory, with faults.

/// Why a store could not do it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StoreError {
    /// No space left (ENOSPC, EFBIG, EDQUOT). May pass: the same call may be made again. Never said of a sync.
    #[error("no space left on the device")]
    NoSpace,
    /// Anything else, with its errno. Final.
    #[error("input/output error, errno {0}")]
    Io(i32),
}

/// Segment files by number. One writer.
pub trait SegmentStore {
    /// Creates the segment with `bytes` zero bytes, allocated, and makes file and directory entry durable; before the
    /// file is whole and durable, none has the segment's name. One that is all zero (a crash after that) is replaced.
    /// [`StoreError::NoSpace`] says that there is none of the name yet.
    ///
    /// # Errors
    /// [`StoreError`].
    fn create(&mut self, file_id: u32, bytes: u64) -> Result<(), StoreError>;

    /// Says that a segment of `bytes` will soon be created, so that what takes long can be done ahead, elsewhere. It never
    /// waits, and nothing depends on it. Said again, it begins anew what has failed since, and nothing else.
    fn prepare(&mut self, bytes: u64) {
        let _ = bytes;
    }

    /// Writes at an offset; returns the bytes written, which may be fewer than asked, at least one.
    ///
    /// # Errors
    /// [`StoreError`].
    fn write_at(&mut self, file_id: u32, offset: u64, bytes: &[u8]) -> Result<usize, StoreError>;

    /// Makes everything written to the segment durable. **A failure is final**: the kernel may have dropped the pages and
    /// cleared the error, so that a second call would succeed without them.
    ///
    /// # Errors
    /// [`StoreError`].
    fn sync(&mut self, file_id: u32) -> Result<(), StoreError>;
}
