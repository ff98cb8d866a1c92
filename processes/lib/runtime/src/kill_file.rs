//! The kill words' file, in the instance's state directory: it outlives shared memory, so a kill outlives a host restart.
//!
//! It is made once, whole, and never again while it exists; whoever engages writes, syncs the map and the file, and only
//! then has a generation to wait for. Risk and gateways map it read-only.

use crate::error::RuntimeError;
use crate::mmap::{Access, MODE_PRIVATE, create_region, map_file, map_region};
use memmap2::MmapRaw;
use shm_layout::kill_page::{Engager, KILL_PAGE_BYTES, KillPage, KillPageError, KillReader};
use shm_layout::types::Nanos;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Creates the file if there is none; it then has been synced, and so has its directory. True when it was created.
///
/// # Errors
/// When it cannot be created or synced.
pub fn create_if_absent(path: &Path) -> Result<bool, RuntimeError> {
    if path.exists() {
        return Ok(false);
    }
    // Made whole under another name, so that nobody ever opens a half-made kill page.
    let draft = path.with_extension(format!("draft-{}", std::process::id()));
    let _ = std::fs::remove_file(&draft);
    create_region(&draft, KILL_PAGE_BYTES as u64, MODE_PRIVATE)?;
    let made = write_draft(&draft).and_then(|()| match std::fs::hard_link(&draft, path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(RuntimeError::file("create the kill file", path, error)),
    });
    let removed = std::fs::remove_file(&draft);
    let made = made?;
    removed.map_err(|error| RuntimeError::file("remove", &draft, error))?;
    sync_directory(path)?;
    Ok(made)
}

fn write_draft(draft: &Path) -> Result<(), RuntimeError> {
    let (mapped, map, file) = map_file(draft, Access::ReadWrite, Some(KILL_PAGE_BYTES as u64))?;
    let _ = KillPage::create(&mapped.words);
    sync(draft, &map, &file)
}

fn sync(path: &Path, map: &MmapRaw, file: &File) -> Result<(), RuntimeError> {
    map.flush().and_then(|()| file.sync_all()).map_err(|error| RuntimeError::file("sync", path, error))
}

/// Syncs the directory that holds `path`, so that its name survives a power loss.
pub(crate) fn sync_directory(path: &Path) -> Result<(), RuntimeError> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|error| RuntimeError::file("sync the directory", directory, error))
}

/// Maps the file for risk, a gateway or a tool: loads only.
///
/// # Errors
/// When it is missing or no kill page. Who cannot read it must not send orders.
pub fn open_read_only(path: &Path) -> Result<KillReader, RuntimeError> {
    let mapped = map_region(path, Access::ReadOnly, Some(KILL_PAGE_BYTES as u64))?;
    KillReader::open(&mapped.words).map_err(|error| bad_page(path, error))
}

/// The file, to engage and release.
#[derive(Debug)]
pub struct KillFile {
    path: PathBuf,
    page: KillPage,
    map: Arc<MmapRaw>,
    file: File,
}

impl KillFile {
    /// Maps the file for an engager.
    ///
    /// # Errors
    /// When it is missing, not writable, or no kill page.
    pub fn open(path: &Path) -> Result<Self, RuntimeError> {
        let (mapped, map, file) = map_file(path, Access::ReadWrite, Some(KILL_PAGE_BYTES as u64))?;
        let page = KillPage::open(&mapped.words).map_err(|error| bad_page(path, error))?;
        Ok(Self { path: path.to_owned(), page, map, file })
    }

    /// The reads.
    #[must_use]
    pub const fn reader(&self) -> &KillReader {
        self.page.reader()
    }

    /// Engages: latched in memory at once, on the disk when this returns. Returns the generation to wait for.
    ///
    /// # Errors
    /// When the sync failed. The latch stands in memory all the same: every living process sees it.
    pub fn engage(&self, engager: Engager, now: Nanos, reason: &str) -> Result<u64, RuntimeError> {
        let generation = self.page.engage(engager, now, reason);
        sync(&self.path, &self.map, &self.file)?;
        Ok(generation)
    }

    /// Latches in memory alone, by stores to atomics: for a signal handler, which may do nothing else.
    pub(crate) fn latch(&self, engager: Engager, reason: &str) {
        self.page.engage(engager, Nanos(0), reason);
    }

    /// Releases one engager's word, synced, and returns the generation released; `None` when it was not engaged, or was
    /// engaged anew meanwhile.
    ///
    /// # Errors
    /// When the sync failed.
    pub fn release(&self, engager: Engager, now: Nanos) -> Result<Option<u64>, RuntimeError> {
        let released = self.page.release(engager, now);
        sync(&self.path, &self.map, &self.file)?;
        Ok(released)
    }
}

fn bad_page(path: &Path, error: KillPageError) -> RuntimeError {
    RuntimeError::refused(format!("{}: {error}", path.display()), "no order is sent without a kill page")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_is_seen_at_once_and_survives_every_map() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kill");
        assert!(open_read_only(&path).is_err());
        assert!(create_if_absent(&path).unwrap());
        let reader = open_read_only(&path).unwrap();
        assert!(!reader.engaged());
        let kill = KillFile::open(&path).unwrap();
        let generation = kill.engage(Engager::Operator, Nanos(7), "drill").unwrap();
        assert_eq!(reader.generation(), generation);
        assert!(!create_if_absent(&path).unwrap(), "never made again");
        assert!(reader.engaged());
        drop((reader, kill));
        let reader = open_read_only(&path).unwrap();
        assert_eq!(reader.engagement(Engager::Operator).unwrap().reason, "drill");
        let released = KillFile::open(&path).unwrap().release(Engager::Operator, Nanos(9)).unwrap();
        assert_eq!(released, Some(generation));
        assert!(!reader.engaged());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no draft stays");
    }

    #[test]
    fn garbage_is_no_kill_page() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kill");
        std::fs::write(&path, vec![0xA5; KILL_PAGE_BYTES]).unwrap();
        assert!(open_read_only(&path).unwrap_err().to_string().contains("not a kill page"));
        std::fs::write(&path, b"short").unwrap();
        assert!(KillFile::open(&path).is_err());
    }
}
