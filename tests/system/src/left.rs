//! What an instance left on the machine.

use std::path::{Path, PathBuf};

/// Processes and files that outlived an instance.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Left {
    /// Processes whose command line names the test's folder, zombies aside.
    pub processes: Vec<(u32, String)>,
    /// Files of its shared memory.
    pub regions: Vec<PathBuf>,
}

/// Every process whose command line holds `text`: its id and that line. The calling process aside; zombies have no line.
#[must_use]
pub fn processes_naming(text: &str) -> Vec<(u32, String)> {
    let own = std::process::id();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let line = |pid: u32| {
        let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let line = String::from_utf8_lossy(&bytes).replace('\0', " ");
        (pid != own && line.contains(text)).then_some((pid, line))
    };
    pids.filter_map(line).collect()
}

/// Files of shared memory that carry the instance's name.
#[must_use]
pub fn shared_memory_of(user_folder: &Path, name: &str) -> Vec<PathBuf> {
    let list = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    // A lock file that nobody holds is no region: it is kept, so that two takers never lock two files of one name.
    let is_ours = |path: &PathBuf| {
        let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
        file.contains(name) && path.extension().is_none_or(|extension| extension != "lock")
    };
    let mut all = list(user_folder);
    all.extend(list(Path::new("/dev/shm")));
    all.into_iter().filter(is_ours).collect()
}
