//! The journal's segments as real files: `segment-<number>.journal` in one directory per gateway.
//!
//! A segment is **written** whole with zeros and synced, file and directory, before its first record. `fallocate` alone
//! would not do: it leaves extents marked unwritten, and each later `fdatasync` must then commit the filesystem's own
//! journal too, behind whatever else that holds. Over written zeros it has only bytes to move. It is made under a name
//! that no reader takes for a segment, ahead of its time by a thread of its own where that is possible, and renamed
//! when it is whole and synced: whenever a process dies, a file of a segment's name is a whole one.
//!
//! A failed sync is never retried here or by the caller: what cannot be synced before its rename is thrown away, and
//! after it the failure is final. It never writes beyond what was allocated.

use crate::error::RuntimeError;
use crate::kill_file::sync_directory;
use crate::mmap::allocate;
use journal::{SegmentStore, StoreError};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Name of the file that becomes the next segment: what lies there holds nothing, whoever left it.
const SPARE_NAME: &str = "next.zeros";
/// Zeros in one write, and of a spare in one sync: what the open segment's sync may have to wait for.
const FILL_BYTES: usize = 2 << 20;

/// Segments in a directory. The one that was used last stays open.
#[derive(Debug)]
pub struct FileStore {
    directory: PathBuf,
    open: Option<OpenSegment>,
    spare: Option<Spare>,
}

/// A file of zeros in the making.
#[derive(Debug)]
struct Spare {
    bytes: u64,
    stop: Arc<AtomicBool>,
    /// Its thread has given up, and touches no file any more.
    failed: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<File>>,
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
        Self { directory: directory.to_owned(), open: None, spare: None }
    }

    fn spare_path(&self) -> PathBuf {
        self.directory.join(SPARE_NAME)
    }

    /// The spare, finished, when it is one of `bytes`; whatever else there is of one is removed, because it would hold the
    /// very space that is missing.
    fn take_spare(&mut self, bytes: u64) -> Option<File> {
        let made = self.spare.take().and_then(|spare| {
            let fits = spare.bytes == bytes;
            spare.stop.store(!fits, Ordering::Relaxed);
            spare.thread.join().ok()?.ok().filter(|_| fits)
        });
        if made.is_none() {
            let _ = std::fs::remove_file(self.spare_path());
        }
        made
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
        if holds_something(&path).map_err(store_error)? {
            return Err(StoreError::Io(libc::EEXIST));
        }
        let made = self.take_spare(bytes);
        let file = made.map_or_else(|| make_zeros(&self.spare_path(), bytes, |_| Ok(())), Ok).map_err(store_error)?;
        enter(&self.spare_path(), &path, || File::open(&self.directory)?.sync_all())?;
        self.open = Some(OpenSegment { file_id, file, bytes });
        Ok(())
    }

    /// What fails here is found out, and said, by [`SegmentStore::create`], which then tries for itself.
    fn prepare(&mut self, bytes: u64) {
        if self.spare.as_ref().is_some_and(|spare| !spare.failed.load(Ordering::Acquire)) {
            return;
        }
        let path = self.spare_path();
        let [stop, failed] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let (is_stopped, has_failed) = (Arc::clone(&stop), Arc::clone(&failed));
        let work = move || {
            let made = make_zeros(&path, bytes, |file| {
                if is_stopped.load(Ordering::Relaxed) {
                    Err(io::ErrorKind::Interrupted.into())
                } else {
                    file.sync_data()
                }
            });
            has_failed.store(made.is_err(), Ordering::Release);
            made
        };
        let thread = std::thread::Builder::new().name("next-segment".to_owned()).spawn(work);
        self.spare = thread.ok().map(|thread| Spare { bytes, stop, failed, thread });
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
        self.segment(file_id)?.file.sync_data().map_err(final_error)
    }
}

impl Drop for FileStore {
    fn drop(&mut self) {
        // No bytes fit: what there is of a spare is stopped and removed.
        if self.spare.is_some() {
            self.take_spare(u64::MAX);
        }
    }
}

/// True unless there is no such file, or one that is all zero: a segment whose maker died before it wrote the header. A
/// new one may take its place.
fn holds_something(path: &Path) -> io::Result<bool> {
    match File::open(path) {
        Ok(file) => Ok(!is_zero(&file)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// A file that is whole, zero and synced, or none.
fn make_zeros(path: &Path, bytes: u64, between: impl Fn(&File) -> io::Result<()>) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let filled = fill(&file, bytes, between);
    if filled.is_err() {
        // At once: it would hold the very space that is missing, and a file whose sync failed is good for nothing more.
        let _ = std::fs::remove_file(path);
    }
    filled.map(|()| file)
}

/// Gives a whole file its segment's name. Before that nothing was promised: what finds no space may be tried again with
/// another file. From then on a segment may be found there, so that a failure is final, also for lack of space.
fn enter(draft: &Path, path: &Path, sync_directory: impl FnOnce() -> io::Result<()>) -> Result<(), StoreError> {
    if let Err(error) = std::fs::rename(draft, path) {
        let _ = std::fs::remove_file(draft);
        return Err(store_error(error));
    }
    sync_directory().map_err(final_error)
}

/// Allocates `bytes` bytes, writes zeros over them with `between` after each piece, and syncs.
fn fill(file: &File, bytes: u64, between: impl Fn(&File) -> io::Result<()>) -> io::Result<()> {
    // First all the space, so that there is too little of it before anything was written.
    allocate(file, bytes)?;
    let zeros = vec![0; FILL_BYTES];
    let mut offset = 0;
    while offset < bytes {
        let piece = zeros.len().min(usize::try_from(bytes - offset).unwrap_or(usize::MAX));
        file.write_all_at(&zeros[..piece], offset)?;
        between(file)?;
        offset += piece as u64;
    }
    file.sync_all()
}

fn store_error(error: io::Error) -> StoreError {
    match error.raw_os_error() {
        Some(libc::ENOSPC | libc::EFBIG | libc::EDQUOT) => StoreError::NoSpace,
        _ => final_error(error),
    }
}

/// Of a sync: the kernel may have dropped what it could not write, so that space comes too late.
fn final_error(error: io::Error) -> StoreError {
    StoreError::Io(error.raw_os_error().unwrap_or(libc::EIO))
}

fn is_zero(file: &File) -> io::Result<bool> {
    let mut block = vec![0; 1 << 16];
    let mut offset = 0;
    loop {
        match file.read_at(&mut block, offset)? {
            0 => return Ok(true),
            read if block[..read].iter().any(|byte| *byte != 0) => return Ok(false),
            read => offset += read as u64,
        }
    }
}

/// Every segment of a journal's directory, whole, by the number in its name: what `journal::Journal` and
/// `journal::recovery` read, and judge. No segment is left out for what it holds or does not hold: one without a whole
/// header may have had records, and only who sees them all can say. Files that do not end in `.journal` are left alone,
/// the one that is being made ahead too, which may vanish meanwhile.
///
/// # Errors
/// When the directory or a segment cannot be read (a journal that is not there is no empty one), or when a file that
/// ends in `.journal` has no segment's name.
pub fn read_segments(directory: &Path) -> Result<Vec<(u32, Vec<u8>)>, RuntimeError> {
    let refused = |error| RuntimeError::file("read the journal", directory, error);
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(refused)? {
        let path = entry.map_err(refused)?.path();
        if path.extension().is_none_or(|extension| extension != "journal") {
            continue;
        }
        let file_id = path.file_name().and_then(|name| file_id_of(name.to_str()?)).ok_or_else(|| {
            let what = format!("{}: no segment's name, but a segment's ending", path.display());
            RuntimeError::refused(what, "give it back its name, or move it away")
        })?;
        let bytes = std::fs::read(&path).map_err(|error| RuntimeError::file("read", &path, error))?;
        segments.push((file_id, bytes));
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
        Prepare,
    }

    fn call() -> impl Strategy<Value = Call> {
        let bytes = proptest::collection::vec(any::<u8>(), 1..200);
        prop_oneof![
            (0..3_u32).prop_map(Call::Create),
            (0..3_u32, 0..BYTES + 10, bytes).prop_map(|(id, offset, bytes)| Call::Write(id, offset, bytes)),
            (0..3_u32).prop_map(Call::Sync),
            Just(Call::Prepare),
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
                    Call::Prepare => files.prepare(BYTES),
                }
            }
            let read = read_segments(dir.path()).unwrap();
            let read: Vec<(u32, &[u8])> = read.iter().map(|(id, bytes)| (*id, bytes.as_slice())).collect();
            prop_assert_eq!(read, memory.segments());
        }
    }

    #[test]
    fn a_segment_is_allocated_whole_and_takes_the_place_of_one_that_was_never_begun() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        let mut store = FileStore::new(dir.path());
        // Half made by an older version, or whole and of another size: nothing is in it.
        for (file_id, left_bytes) in [(4, 100), (5, 0), (6, 3 << 20)] {
            let path = segment_path(dir.path(), file_id);
            std::fs::write(&path, vec![0; left_bytes]).unwrap();
            store.create(file_id, 1 << 20).unwrap();
            let metadata = std::fs::metadata(&path).unwrap();
            assert_eq!(metadata.len(), 1 << 20);
            assert!(metadata.blocks() * 512 >= 1 << 20);
        }
        let path = segment_path(dir.path(), 7);
        std::fs::write(&path, [0, 0, 1]).unwrap();
        assert_eq!(store.create(7, 4096), Err(StoreError::Io(libc::EEXIST)));
        assert_eq!(std::fs::read(&path).unwrap(), [0, 0, 1], "it is left as it was");
    }

    /// No extent of a segment is left unwritten, so that a later fdatasync commits nothing but bytes.
    #[test]
    fn a_segment_is_written_whole_and_the_next_one_ahead() {
        let dir = tempfile::tempdir().unwrap();
        let spare = dir.path().join(SPARE_NAME);
        std::fs::write(&spare, b"left by a process that was killed").unwrap();
        let bytes = 3 << 20;
        let mut store = FileStore::new(dir.path());
        store.create(1, bytes).unwrap();
        assert!(!spare.exists(), "what a killed process left is gone");
        store.prepare(bytes);
        store.prepare(bytes);
        store.create(2, bytes).unwrap();
        assert!(!spare.exists(), "the spare became the segment");
        for (file_id, segment) in read_segments(dir.path()).unwrap() {
            assert_eq!(segment.len() as u64, bytes, "segment {file_id}");
            assert!(segment.iter().all(|byte| *byte == 0));
            assert_eq!(unwritten_extents(&segment_path(dir.path(), file_id)), 0);
        }
        // A spare of another size is not taken, one that cannot be made is no failure, and none outlives its store.
        store.prepare(1 << 20);
        store.create(3, bytes).unwrap();
        store.prepare(1 << 60);
        store.create(4, bytes).unwrap();
        store.prepare(bytes);
        drop(store);
        let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), 4, "{names:?}");
    }

    #[test]
    fn a_spare_that_failed_is_made_when_it_is_asked_for_again() {
        let dir = tempfile::tempdir().unwrap();
        let (spare, bytes) = (dir.path().join(SPARE_NAME), 1 << 20);
        let mut store = FileStore::new(dir.path());
        std::fs::create_dir(&spare).unwrap();
        store.prepare(bytes);
        until(|| store.spare.as_ref().unwrap().failed.load(Ordering::Acquire));
        std::fs::remove_dir(&spare).unwrap();
        store.prepare(bytes);
        until(|| store.spare.as_ref().unwrap().thread.is_finished());
        assert_eq!(std::fs::metadata(&spare).unwrap().len(), bytes);
        // One that is made, or is being made, is left alone.
        let inode = || std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&spare).unwrap());
        let first = inode();
        store.prepare(bytes);
        assert!(store.spare.as_ref().unwrap().thread.is_finished() && inode() == first);
        store.create(1, bytes).unwrap();
        let segment = std::fs::metadata(segment_path(dir.path(), 1)).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::ino(&segment), first, "the spare became the segment");
    }

    fn until(done: impl Fn() -> bool) {
        for _ in 0..5_000 {
            if done() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        panic!("not within five seconds");
    }

    #[test]
    fn a_failure_is_final_from_the_rename_on() {
        let dir = tempfile::tempdir().unwrap();
        let (draft, path) = (dir.path().join(SPARE_NAME), segment_path(dir.path(), 1));
        let fails_with = |errno| move || Err(io::Error::from_raw_os_error(errno));
        for errno in [libc::ENOSPC, libc::EDQUOT, libc::EIO] {
            std::fs::write(&draft, [0; 9]).unwrap();
            assert_eq!(enter(&draft, &path, fails_with(errno)), Err(StoreError::Io(errno)));
            assert!(path.exists() && !draft.exists());
        }
        // Before it, nothing is promised and nothing is left.
        std::fs::write(&draft, [0; 9]).unwrap();
        let nowhere = dir.path().join("none").join("segment");
        assert_eq!(enter(&draft, &nowhere, || unreachable!("not renamed")), Err(StoreError::Io(libc::ENOENT)));
        assert!(!draft.exists());
        for errno in [libc::ENOSPC, libc::EDQUOT, libc::EFBIG] {
            assert_eq!(store_error(io::Error::from_raw_os_error(errno)), StoreError::NoSpace);
            assert_eq!(final_error(io::Error::from_raw_os_error(errno)), StoreError::Io(errno));
        }
    }

    #[test]
    fn no_segment_is_left_out_and_no_other_file_is_taken_for_one() {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in [
            ("segment-0000000002.journal", b"TKWJRNL".as_slice()),
            ("segment-0000000010.journal", &[]),
            (SPARE_NAME, &[0; 9]),
            ("segment-0000000003.journal.old", b"x"),
        ] {
            std::fs::write(dir.path().join(name), bytes).unwrap();
        }
        assert_eq!(read_segments(dir.path()).unwrap(), [(2, b"TKWJRNL".to_vec()), (10, Vec::new())]);
        for name in ["segment-3.journal", "segment-4294967296.journal", "old.journal"] {
            std::fs::write(dir.path().join(name), b"x").unwrap();
            let refused = read_segments(dir.path()).unwrap_err().to_string();
            assert!(refused.contains(name) && refused.contains("name"), "{refused}");
            std::fs::remove_file(dir.path().join(name)).unwrap();
        }
        assert!(read_segments(&dir.path().join("none")).is_err(), "a journal that is gone is not an empty one");
    }

    /// Extents that the filesystem holds allocated and not written (FIEMAP); 0 where it cannot say.
    fn unwritten_extents(path: &Path) -> usize {
        use std::os::fd::AsRawFd;
        const EXTENTS: usize = 64;
        const UNWRITTEN: u64 = 0x800;
        // struct fiemap: start, length, flags and mapped_extents, extent_count; then extents of seven words each.
        let mut words = [0_u64; 4 + 7 * EXTENTS];
        (words[1], words[2], words[3]) = (u64::MAX, 1, EXTENTS as u64);
        let file = File::open(path).unwrap();
        // SAFETY: FS_IOC_FIEMAP writes at most `extent_count` extents behind the head, and that many have room.
        let answer = unsafe { libc::ioctl(file.as_raw_fd(), 0xc020_660b, words.as_mut_ptr()) };
        if answer != 0 {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "skipped: this filesystem does not tell its extents");
            return 0;
        }
        let mapped = (words[2] >> 32) as usize;
        assert!((1..=EXTENTS).contains(&mapped), "{mapped} extents");
        (0..mapped).filter(|extent| words[4 + 7 * extent + 5] & UNWRITTEN != 0).count()
    }

    #[test]
    fn no_space_is_said_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(FileStore::new(dir.path()).create(1, 1 << 60), Err(StoreError::NoSpace));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
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
