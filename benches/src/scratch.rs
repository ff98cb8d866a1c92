//! A directory of a trial's own in shared memory, removed when the trial ends; what a killed run left is removed by the
//! next one.

use crate::BenchError;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where regions lie.
const SHARED_MEMORY: &str = "/dev/shm";
const PREFIX: &str = "tickway-bench-";
static NEXT: AtomicU32 = AtomicU32::new(0);

/// The directory.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes one, named for this process.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new() -> Result<Self, BenchError> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(SHARED_MEMORY).join(format!("{PREFIX}{}-{number}", std::process::id()));
        // Left by a killed run whose process id this one has now.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).map_err(|error| BenchError::file("create", &path, &error))?;
        Ok(Self(path))
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Removes the directories of processes that are no more.
pub fn remove_stale() {
    let Ok(entries) = std::fs::read_dir(SHARED_MEMORY) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_goes_with_its_trial() {
        let first = Scratch::new().expect("a directory");
        let second = Scratch::new().expect("another");
        let path = first.path().to_owned();
        assert!(path.is_dir() && path != second.path());
        remove_stale();
        assert!(path.is_dir(), "the living keep theirs");
        drop(first);
        assert!(!path.exists());
    }
}
