//! Region files: created whole by the supervisor, mapped writable by their one writer and read-only by all others.
//!
//! A region is never sparse (a store into a hole of a full filesystem is SIGBUS), never resized while it exists, and its
//! size is checked before it is mapped. Nobody ever holds a reference into a map: [`SharedWords`] gives atomic words.

use crate::error::RuntimeError;
use crate::huge_pages::{AlignedMap, HUGE_PAGE_BYTES, close_arena};
use memmap2::{MmapOptions, MmapRaw};
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::mman::{MlockAllFlags, mlockall};
use shm_layout::ring::sync::{Ordering, SharedWords};
use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

/// Bytes of a page; a touch per page makes it present.
pub const PAGE_BYTES: usize = 4096;

/// Whether a map may store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Loads only: the file is opened read-only, so the kernel enforces it.
    ReadOnly,
    /// Loads and stores: the region's one writer.
    ReadWrite,
}

/// What became of the wish to lock a region into memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MlockOutcome {
    /// Locked.
    Locked,
    /// Refused: this many bytes stay pageable (announced in the demo, a NO-GO in preflight).
    Refused {
        /// Bytes that were to be locked.
        bytes: u64,
        /// The limit in force (`RLIMIT_MEMLOCK`).
        limit_bytes: u64,
    },
}

/// A mapped region.
#[derive(Clone, Debug)]
pub struct Mapped {
    /// Its words.
    pub words: SharedWords,
    /// Whether its pages are locked.
    pub mlock: MlockOutcome,
}

/// Mode of a region that only the instance's user may open.
pub const MODE_PRIVATE: u32 = 0o600;
/// Mode of a region that the group may read.
pub const MODE_GROUP_READ: u32 = 0o640;

/// Creates `path` with `bytes` zero bytes, every one of them allocated. An existing file is refused.
///
/// # Errors
/// Too little space (checked first, and the half-made file removed), a read-only filesystem, no right, or the file
/// exists.
pub fn create_region(path: &Path, bytes: u64, mode: u32) -> Result<(), RuntimeError> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    check_free_space(directory, bytes)?;
    let huge_page_bytes = huge_page_bytes(directory)?;
    let bytes = bytes.next_multiple_of(huge_page_bytes.unwrap_or(1));
    let opened = OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(path);
    let file = opened.map_err(|error| RuntimeError::file("create", path, error))?;
    // The umask took bits away; the mode is part of the contract.
    let made = file.set_permissions(std::fs::Permissions::from_mode(mode)).map_err(|error| (error, "set the mode of"));
    let made = made.and_then(|()| allocate(&file, bytes).map_err(|error| (error, "allocate")));
    if made.is_ok() && huge_page_bytes.is_none() && bytes >= HUGE_PAGE_BYTES as u64 {
        // Before anyone attaches: later it would halt the writer. Where it is refused, pages stay small.
        let _ = AlignedMap::new(&file, bytes as usize, true).map(|map| map.collapse());
    }
    made.map_err(|(error, action)| {
        let _ = std::fs::remove_file(path);
        if error.raw_os_error() == Some(libc::ENOSPC) {
            return no_space(path, bytes);
        }
        RuntimeError::file(action, path, error)
    })
}

/// Allocates `bytes` zero bytes at the start of a file: `fallocate`, retried on EINTR. Nothing stays sparse.
pub(crate) fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    let length = i64::try_from(bytes).map_err(io::Error::other)?;
    loop {
        match fallocate(file, FallocateFlags::empty(), 0, length) {
            Ok(()) => return Ok(()),
            Err(Errno::EINTR) => {}
            // A filesystem without fallocate: glibc's posix_fallocate writes into every block instead.
            Err(Errno::EOPNOTSUPP) => return Ok(nix::fcntl::posix_fallocate(file, 0, length)?),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Size of a page when `directory` lies on hugetlbfs, where every file is a whole number of them; else `None`.
///
/// # Errors
/// When the filesystem cannot be asked.
pub fn huge_page_bytes(directory: &Path) -> Result<Option<u64>, RuntimeError> {
    let stat = nix::sys::statfs::statfs(directory)
        .map_err(|error| RuntimeError::file("inspect the filesystem of", directory, error.into()))?;
    let is_huge = stat.filesystem_type() == nix::sys::statfs::HUGETLBFS_MAGIC;
    Ok(is_huge.then(|| stat.block_size() as u64))
}

/// Bytes that an unprivileged user may still allocate at `directory`.
///
/// # Errors
/// When the filesystem cannot be asked.
pub fn free_bytes(directory: &Path) -> Result<u64, RuntimeError> {
    let stat = nix::sys::statvfs::statvfs(directory)
        .map_err(|error| RuntimeError::file("ask for free space at", directory, error.into()))?;
    Ok(stat.blocks_available() * stat.fragment_size())
}

/// Refuses when `directory` has less than `bytes` free.
///
/// # Errors
/// With both figures and the way out.
pub fn check_free_space(directory: &Path, bytes: u64) -> Result<(), RuntimeError> {
    // A hugetlbfs without a limit of its own reports no blocks; its pool answers at the allocation.
    if huge_page_bytes(directory)?.is_some() {
        return Ok(());
    }
    if free_bytes(directory)? < bytes { Err(no_space(directory, bytes)) } else { Ok(()) }
}

fn no_space(path: &Path, bytes: u64) -> RuntimeError {
    let directory = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
    let free = free_bytes(directory).map_or("?".to_owned(), |free| free.to_string());
    RuntimeError::refused(
        format!("{}: {bytes} bytes are wanted and {free} are free", path.display()),
        "free space there, make the rings smaller, or name another directory in [paths] of the host file",
    )
}

/// Maps the whole of `path`, makes every page present and tries to lock them.
///
/// # Errors
/// When the file is missing, its size is not `expected_bytes` (or not whole words), or the map is refused.
pub fn map_region(path: &Path, access: Access, expected_bytes: Option<u64>) -> Result<Mapped, RuntimeError> {
    let (file, bytes) = open_region(path, access, expected_bytes)?;
    let writable = access == Access::ReadWrite;
    // On hugetlbfs the kernel knows the size of a page, and so where a map may begin.
    if bytes < HUGE_PAGE_BYTES || huge_page_bytes(path)?.is_some() {
        return map_open(path, &file, writable).map(|(mapped, _)| mapped);
    }
    let map = AlignedMap::new(&file, bytes, writable).map_err(|error| RuntimeError::file("map", path, error))?;
    let first = map.as_ptr();
    // SAFETY: the map is `bytes` long and lives in the owner.
    Ok(unsafe { words_of(first, bytes, writable, Arc::new(map)) })
}

/// Opens a region's file with the rights that are needed, its size checked.
fn open_region(path: &Path, access: Access, expected_bytes: Option<u64>) -> Result<(File, usize), RuntimeError> {
    let opened = OpenOptions::new().read(true).write(access == Access::ReadWrite).open(path);
    let file = opened.map_err(|error| RuntimeError::file("open", path, error))?;
    let metadata = file.metadata().map_err(|error| RuntimeError::file("inspect", path, error))?;
    let bytes = metadata.len();
    if bytes == 0 || !bytes.is_multiple_of(8) || expected_bytes.is_some_and(|expected| expected != bytes) {
        let expected = expected_bytes.map_or("whole 8-byte words".to_owned(), |expected| format!("{expected} bytes"));
        return Err(RuntimeError::refused(
            format!(
                "{}: the region has {bytes} bytes, not {expected}: it was cut or is of another build",
                path.display()
            ),
            "stop the instance, remove its regions and start it again",
        ));
    }
    Ok((file, bytes as usize))
}

/// As [`map_region`], with the map and the file, for what must be synced.
pub(crate) fn map_file(
    path: &Path,
    access: Access,
    expected_bytes: Option<u64>,
) -> Result<(Mapped, Arc<MmapRaw>, File), RuntimeError> {
    let (file, _) = open_region(path, access, expected_bytes)?;
    let (mapped, map) = map_open(path, &file, access == Access::ReadWrite)?;
    Ok((mapped, map, file))
}

fn map_open(path: &Path, file: &File, writable: bool) -> Result<(Mapped, Arc<MmapRaw>), RuntimeError> {
    let mut options = MmapOptions::new();
    options.populate();
    let map = if writable { options.map_raw(file) } else { options.map_raw_read_only(file) };
    let map = Arc::new(map.map_err(|error| RuntimeError::file("map", path, error))?);
    // SAFETY: the map is as long as it says and lives in the owner.
    let mapped = unsafe { words_of(map.as_mut_ptr(), map.len(), writable, map.clone()) };
    Ok((mapped, map))
}

/// The words of a map, locked if the kernel lets them be, and every page present.
///
/// # Safety
/// `first..first + bytes` is a map of a region, as writable as `writable` says, for as long as `owner` lives. Nobody
/// truncates a region, and nothing forms a reference into it.
unsafe fn words_of(
    first: *mut u8,
    bytes: usize,
    writable: bool,
    owner: Arc<dyn std::any::Any + Send + Sync>,
) -> Mapped {
    let mlock = lock_pages(first, bytes);
    // SAFETY: a map is page-aligned and `bytes / 8` words long; the rest is the caller's word.
    let words = unsafe { SharedWords::from_raw(first.cast(), bytes / 8, writable, owner) };
    touch(&words);
    Mapped { words, mlock }
}

fn lock_pages(first: *mut u8, bytes: usize) -> MlockOutcome {
    // SAFETY: the call changes no byte; a range that is not mapped is refused.
    if unsafe { libc::mlock(first.cast(), bytes) } == 0 {
        return MlockOutcome::Locked;
    }
    let limit = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_MEMLOCK);
    let limit_bytes = limit.map_or(0, |(soft, _)| soft);
    MlockOutcome::Refused { bytes: bytes as u64, limit_bytes }
}

/// Makes every page of this process present and keeps it so: the heap, the stacks, the program. A table of zeros has no
/// page until it is written; without this, each of its pages would fault when trading first comes to it. The start's arena
/// is closed: from here on the system allocates.
///
/// # Errors
/// What the kernel refuses: more than `RLIMIT_MEMLOCK` without CAP_IPC_LOCK.
pub fn lock_process() -> Result<(), RuntimeError> {
    close_arena();
    mlockall(MlockAllFlags::MCL_CURRENT).map_err(|error| {
        RuntimeError::system("lock this process's memory", error.into(), "raise RLIMIT_MEMLOCK (ulimit -l unlimited)")
    })
}

/// Makes every page present: a load, and for writers a store that changes nothing, so that the first real store does not
/// fault.
pub fn touch(words: &SharedWords) {
    for index in (0..words.len()).step_by(PAGE_BYTES / 8) {
        if words.is_writable() {
            // A zero that the compiler knows of would be no store at all.
            words.fetch_add(index, black_box(0), Ordering::Relaxed);
        } else {
            black_box(words.load(index, Ordering::Relaxed));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_region_is_whole_private_and_shared_between_maps() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r");
        create_region(&path, 1 << 20, MODE_GROUP_READ).unwrap();
        let metadata = std::fs::metadata(&path).unwrap();
        assert_eq!((metadata.len(), metadata.mode() & 0o777), (1 << 20, 0o640));
        assert!(metadata.blocks() * 512 >= 1 << 20, "not sparse");
        let writer = map_region(&path, Access::ReadWrite, Some(1 << 20)).unwrap();
        let reader = map_region(&path, Access::ReadOnly, None).unwrap();
        let last = (1 << 20) / 8 - 1;
        writer.words.store(last, 77, Ordering::Release);
        assert_eq!(reader.words.load(last, Ordering::Acquire), 77);
        assert!(!reader.words.is_writable());
        let again = map_region(&path, Access::ReadWrite, None).unwrap();
        assert_eq!(again.words.load(last, Ordering::Acquire), 77, "touching changes nothing");
        assert!(create_region(&path, 4096, MODE_PRIVATE).unwrap_err().to_string().contains("cannot create"));
    }

    #[test]
    fn a_cut_or_empty_file_is_an_error_and_never_a_fault() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r");
        create_region(&path, 8192, MODE_PRIVATE).unwrap();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(4096).unwrap();
        let cut = map_region(&path, Access::ReadOnly, Some(8192)).unwrap_err().to_string();
        assert!(cut.contains("4096 bytes") && cut.contains("8192 bytes"), "{cut}");
        OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
        assert!(map_region(&path, Access::ReadOnly, None).is_err());
        let missing = map_region(&dir.path().join("none"), Access::ReadOnly, None).unwrap_err().to_string();
        assert!(missing.contains("start the instance first"), "{missing}");
    }

    #[test]
    fn regions_on_huge_pages_are_whole_pages() {
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
        let mount = mounts.lines().find_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let path = fields.next()?;
            (fields.next()? == "hugetlbfs").then(|| Path::new(path).to_owned())
        });
        let Some(dir) = mount.and_then(|mount| tempfile::tempdir_in(mount).ok()) else {
            let _ = writeln!(std::io::stderr(), "skipped: no hugetlbfs to write to");
            return;
        };
        let path = dir.path().join("r");
        if let Err(error) = create_region(&path, 4096, MODE_PRIVATE) {
            let _ = writeln!(std::io::stderr(), "skipped: the pool of huge pages is empty: {error}");
            return;
        }
        let mapped = map_region(&path, Access::ReadWrite, None).unwrap();
        assert_eq!(mapped.words.len() as u64 * 8, huge_page_bytes(dir.path()).unwrap().unwrap());
    }

    #[test]
    fn more_than_is_free_is_refused_with_both_figures_and_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("huge");
        let wanted = 1 << 60;
        let error = create_region(&path, wanted, MODE_PRIVATE).unwrap_err().to_string();
        assert!(error.contains(&wanted.to_string()) && error.contains("are free"), "{error}");
        assert!(!path.exists());
    }
}
