//! The journal's segments as real files: `segment-<number>.journal` in one directory per gateway.
//!
//! A segment is allocated whole and zero before its first byte is written, and file and directory are synced on creation,
//! so that a later `fdatasync` has only bytes to move. A failed sync is never retried here or by the caller. It never
//! writes beyond what was allocated.

use crate::error::RuntimeError;
use crate::kill_file::sync_directory;
use crate::mmap::allocate;
use journal::{SegmentStore, StoreError};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Segments in a directory. The one that was used last stays open.
#[derive(Debug)]
pub struct FileStore {
    directory: PathBuf,
    open: Option<OpenSegment>,
}

#[derive(Debug)]
struct OpenSegment {
    file_id: u32,
    file: File,
    bytes: u64,
}

/// Path of a segment.
#[must_use]
pub fn segment_path(directory: &Path, file_id: u32) -> PathBuf {
    directory.join(format!("segment-{file_id:010}.journal"))
}

impl FileStore {
    /// A store over an existing directory. Ignore SIGXFSZ first ([`crate::signal::install`]), or a file-size limit kills
    /// the process instead of failing a call.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), open: None }
    }

    fn segment(&mut self, file_id: u32) -> Result<&OpenSegment, StoreError> {
        if self.open.as_ref().is_none_or(|open| open.file_id != file_id) {
            let path = segment_path(&self.directory, file_id);
            let file = OpenOptions::new().read(true).write(true).open(path).map_err(store_error)?;
            let bytes = file.metadata().map_err(store_error)?.len();
            self.open = Some(OpenSegment { file_id, file, bytes });
        }
        Ok(self.open.as_ref().expect("just opened"))
    }
}

impl SegmentStore for FileStore {
    fn create(&mut self, file_id: u32, bytes: u64) -> Result<(), StoreError> {
        let path = segment_path(&self.directory, file_id);
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(0o600);
        let (file, is_new) = match options.clone().create_new(true).open(&path) {
            Ok(file) => (file, true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let file = options.open(&path).map_err(store_error)?;
                let length = file.metadata().map_err(store_error)?.len();
                if length > bytes || !is_zero(&file, length).map_err(store_error)? {
                    return Err(StoreError::Io(libc::EEXIST));
                }
                (file, false)
            }
            Err(error) => return Err(store_error(error)),
        };
        let made = allocate(&file, bytes).and_then(|()| file.sync_all());
        if let Err(error) = made {
            if is_new {
                // Half a segment would hold the very space that is missing.
                let _ = std::fs::remove_file(&path);
            }
            return Err(store_error(error));
        }
        File::open(&self.directory).and_then(|directory| directory.sync_all()).map_err(store_error)?;
        self.open = Some(OpenSegment { file_id, file, bytes });
        Ok(())
    }

    fn write_at(&mut self, file_id: u32, offset: u64, bytes: &[u8]) -> Result<usize, StoreError> {
        let segment = self.segment(file_id)?;
        let end = offset.checked_add(bytes.len() as u64);
        if end.is_none_or(|end| end > segment.bytes) {
            return Err(StoreError::Io(libc::EFBIG));
        }
        loop {
            match segment.file.write_at(bytes, offset) {
                Ok(0) if !bytes.is_empty() => return Err(StoreError::Io(libc::EIO)),
                Ok(written) => return Ok(written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(store_error(error)),
            }
        }
    }

    fn sync(&mut self, file_id: u32) -> Result<(), StoreError> {
        self.segment(file_id)?.file.sync_data().map_err(store_error)
    }
}

fn store_error(error: io::Error) -> StoreError {
    match error.raw_os_error() {
        Some(libc::ENOSPC | libc::EFBIG | libc::EDQUOT) => StoreError::NoSpace,
        Some(errno) => StoreError::Io(errno),
        None => StoreError::Io(libc::EIO),
    }
}

fn is_zero(file: &File, length: u64) -> io::Result<bool> {
    let mut block = vec![0; 1 << 16];
    let mut offset = 0;
    while offset < length {
        let read = file.read_at(&mut block, offset)?;
        if block[..read].iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        offset += read as u64;
    }
    Ok(true)
}

/// Every segment of a journal's directory, whole, by number: what `journal::Journal` reads. Other files are left alone.
///
/// # Errors
/// When the directory or a segment cannot be read.
pub fn read_segments(directory: &Path) -> Result<Vec<(u32, Vec<u8>)>, RuntimeError> {
    let refused = |error| RuntimeError::file("read the journal", directory, error);
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(refused)? {
        let path = entry.map_err(refused)?.path();
        if let Some(file_id) = path.file_name().and_then(|name| file_id_of(name.to_str()?)) {
            let mut bytes = Vec::new();
            let read = File::open(&path).and_then(|mut file| file.read_to_end(&mut bytes));
            read.map_err(|error| RuntimeError::file("read", &path, error))?;
            segments.push((file_id, bytes));
        }
    }
    segments.sort_unstable_by_key(|(file_id, _)| *file_id);
    Ok(segments)
}

fn file_id_of(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("segment-")?.strip_suffix(".journal")?;
    (digits.len() == 10).then(|| digits.parse().ok())?
}

/// Writes `bytes` to `path` so that after a crash it holds either the old bytes or the new ones: a draft, synced, renamed
/// over it, the directory synced. For epochs and other small state.
///
/// # Errors
/// Names the file that was refused; the old one then stands.
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), RuntimeError> {
    let draft = path.with_extension(format!("draft-{}", std::process::id()));
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft);
    let written = opened.and_then(|mut file| io::Write::write_all(&mut file, bytes).and_then(|()| file.sync_all()));
    if let Err(error) = written {
        let _ = std::fs::remove_file(&draft);
        return Err(RuntimeError::file("write", &draft, error));
    }
    std::fs::rename(&draft, path).map_err(|error| RuntimeError::file("replace", path, error))?;
    sync_directory(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use journal::memory::MemoryStore;
    use proptest::prelude::*;

    const BYTES: u64 = 8192;

    #[derive(Clone, Debug)]
    enum Call {
        Create(u32),
        Write(u32, u64, Vec<u8>),
        Sync(u32),
    }

    fn call() -> impl Strategy<Value = Call> {
        let bytes = proptest::collection::vec(any::<u8>(), 1..200);
        prop_oneof![
            (0..3_u32).prop_map(Call::Create),
            (0..3_u32, 0..BYTES + 10, bytes).prop_map(|(id, offset, bytes)| Call::Write(id, offset, bytes)),
            (0..3_u32).prop_map(Call::Sync),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn files_answer_as_the_store_in_memory_does(calls in proptest::collection::vec(call(), 1..20)) {
            let dir = tempfile::tempdir().unwrap();
            let (mut files, mut memory) = (FileStore::new(dir.path()), MemoryStore::default());
            for call in calls {
                match call {
                    Call::Create(id) => prop_assert_eq!(files.create(id, BYTES), memory.create(id, BYTES)),
                    Call::Write(id, offset, bytes) => {
                        prop_assert_eq!(files.write_at(id, offset, &bytes), memory.write_at(id, offset, &bytes));
                    }
                    Call::Sync(id) => prop_assert_eq!(files.sync(id), memory.sync(id)),
                }
            }
            let read = read_segments(dir.path()).unwrap();
            let read: Vec<(u32, &[u8])> = read.iter().map(|(id, bytes)| (*id, bytes.as_slice())).collect();
            prop_assert_eq!(read, memory.segments());
        }
    }

    #[test]
    fn a_segment_is_allocated_whole_and_a_half_made_one_is_completed() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(segment_path(dir.path(), 4), vec![0; 100]).unwrap();
        let mut store = FileStore::new(dir.path());
        store.create(4, 1 << 20).unwrap();
        let metadata = std::fs::metadata(segment_path(dir.path(), 4)).unwrap();
        assert_eq!(metadata.len(), 1 << 20);
        assert!(metadata.blocks() * 512 >= 1 << 20);
        std::fs::write(segment_path(dir.path(), 5), [0, 0, 1]).unwrap();
        assert_eq!(store.create(5, 4096), Err(StoreError::Io(libc::EEXIST)));
    }

    #[test]
    fn no_space_is_said_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(FileStore::new(dir.path()).create(1, 1 << 60), Err(StoreError::NoSpace));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(read_segments(&dir.path().join("none")).is_err());
    }

    #[test]
    fn a_small_file_is_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("epochs");
        replace_file(&path, b"one").unwrap();
        replace_file(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
