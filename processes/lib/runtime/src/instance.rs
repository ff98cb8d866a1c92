//! An instance: its name, its directories, the names of its files, and the lock that says it is alive.
//!
//! ```text
//! /dev/shm/tickway-<uid>/<instance>.lock        flock held by the supervisor; its text is the holder's pid
//! <data>/instance.lock                          the same for the data directory: one instance at a time
//! /dev/shm/tickway-<uid>/<instance>/            regions: <ring>.ring  status.<role>.<index>  image.<index>
//!                                               journal_tail.<gateway>
//! /var/tmp/tickway-<uid>/<instance>/            state/  journal/gateway-<i>/  capture/  snapshot/  log/
//! ```
//! An instance is live while its lock is held; files without a held lock are those of a dead one, which reading tools
//! still open. Nothing here removes a file that a live process may map.

mod live;
mod lock;

pub use live::{Found, find, live_instances};
pub use lock::{InstanceLock, remove_dead_locks};

use crate::config::{HostFile, InstanceName};
use crate::error::RuntimeError;
use crate::mmap::check_free_space;
use shm_layout::topology::RingId;
use shm_layout::types::Role;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Directories of one instance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instance {
    name: InstanceName,
    regions: PathBuf,
    data: PathBuf,
    locks: PathBuf,
}

/// The user's shared directory under a root: `/dev/shm/tickway-<uid>`.
fn user_directory(root: &str) -> PathBuf {
    Path::new(root).join(format!("tickway-{}", nix::unistd::getuid()))
}

impl Instance {
    /// The instance of a host file: its name, and its `[paths]` where they are not empty.
    #[must_use]
    pub fn of(file: &HostFile) -> Self {
        let mut instance = Self::named(&file.host().instance);
        let paths = file.paths();
        if !paths.regions.is_empty() {
            instance.regions = PathBuf::from(&paths.regions);
        }
        if !paths.data.is_empty() {
            instance.data = PathBuf::from(&paths.data);
        }
        instance
    }

    /// The instance of that name in the default directories.
    #[must_use]
    pub fn named(name: &InstanceName) -> Self {
        let locks = user_directory("/dev/shm");
        let regions = locks.join(name.as_str());
        let data = user_directory("/var/tmp").join(name.as_str());
        Self { name: name.clone(), regions, data, locks }
    }

    /// The instance of that name in the directories `shm/<name>` and `data/<name>`: for tests, which share a machine.
    #[must_use]
    pub fn beneath(name: &InstanceName, shm: &Path, data: &Path) -> Self {
        let (regions, data) = (shm.join(name.as_str()), data.join(name.as_str()));
        Self { name: name.clone(), regions, data, locks: shm.to_owned() }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &InstanceName {
        &self.name
    }

    /// The same instance with other directories for regions and data (`--data`, a dead instance that was moved).
    #[must_use]
    pub fn with_directories(mut self, regions: Option<PathBuf>, data: Option<PathBuf>) -> Self {
        self.regions = regions.unwrap_or(self.regions);
        self.data = data.unwrap_or(self.data);
        self
    }

    /// Creates every directory that is missing, with mode 0700.
    ///
    /// # Errors
    /// Names the directory that cannot be created.
    pub fn create_directories(&self, gateways: u8) -> Result<(), RuntimeError> {
        let mut all = vec![self.locks.clone(), self.regions.clone(), self.data.clone()];
        all.extend([self.state(), self.capture(), self.snapshot(), self.log()]);
        all.extend((0..gateways).map(|gateway| self.journal(gateway)));
        for path in all {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
            made.map_err(|error| RuntimeError::file("create the directory", &path, error))?;
        }
        Ok(())
    }

    /// Refuses when the filesystem of the data directory, which need not exist yet, has less than `bytes` free.
    ///
    /// # Errors
    /// With both figures and the way out.
    pub fn check_data_space(&self, bytes: u64) -> Result<(), RuntimeError> {
        match self.data.ancestors().find(|path| path.is_dir()) {
            Some(directory) => check_free_space(directory, bytes),
            None => Ok(()),
        }
    }

    /// Directory of the regions.
    #[must_use]
    pub fn regions(&self) -> &Path {
        &self.regions
    }

    /// Directory of what outlives shared memory.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Epochs, kill words, instrument table.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.data.join("state")
    }

    /// Segments of a gateway's journal.
    #[must_use]
    pub fn journal(&self, gateway: u8) -> PathBuf {
        self.data.join("journal").join(format!("gateway-{gateway}"))
    }

    /// The recorder's capture files.
    #[must_use]
    pub fn capture(&self) -> PathBuf {
        self.data.join("capture")
    }

    /// Snapshots of rebuilt state.
    #[must_use]
    pub fn snapshot(&self) -> PathBuf {
        self.data.join("snapshot")
    }

    /// Standard error of the children.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.data.join("log")
    }

    /// The effective configuration, which children read.
    #[must_use]
    pub fn host_file(&self) -> PathBuf {
        self.data.join("host.toml")
    }

    /// The kill words.
    #[must_use]
    pub fn kill_file(&self) -> PathBuf {
        self.state().join("kill")
    }

    /// The supervisor's socket for commands.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.regions.join("supervisor.sock")
    }

    /// Region of a ring.
    #[must_use]
    pub fn ring(&self, ring: RingId) -> PathBuf {
        self.regions.join(format!("{}.ring", ring.name()))
    }

    /// Status region of a process: heartbeat, progress, counters and its readers' cursors.
    #[must_use]
    pub fn status(&self, role: Role, index: u8) -> PathBuf {
        self.regions.join(format!("status.{}.{index}", role.folder()))
    }

    /// Market image of a feed handler.
    #[must_use]
    pub fn image(&self, feed_handler: u8) -> PathBuf {
        self.regions.join(format!("image.{feed_handler}"))
    }

    /// Journal tail of a gateway.
    #[must_use]
    pub fn journal_tail(&self, gateway: u8) -> PathBuf {
        self.regions.join(format!("journal_tail.{gateway}"))
    }

    /// The lock file.
    #[must_use]
    pub fn lock_file(&self) -> PathBuf {
        self.locks.join(format!("{}.lock", self.name))
    }

    /// The lock file of the data directory: instances of different names must not share one.
    #[must_use]
    pub fn data_lock_file(&self) -> PathBuf {
        self.data.join("instance.lock")
    }

    /// `os_id` of the control page: `tickway-<uid>-<instance>`.
    #[must_use]
    pub fn control_page_id(&self) -> String {
        format!("tickway-{}-{}", nix::unistd::getuid(), self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shm_layout::topology::RingKind;

    fn name(text: &str) -> InstanceName {
        InstanceName::new(text).unwrap()
    }

    #[test]
    fn default_and_configured_paths() {
        let uid = nix::unistd::getuid();
        let instance = Instance::named(&name("demo"));
        assert_eq!(instance.regions(), Path::new(&format!("/dev/shm/tickway-{uid}/demo")));
        assert_eq!(instance.data(), Path::new(&format!("/var/tmp/tickway-{uid}/demo")));
        assert_eq!(instance.lock_file(), Path::new(&format!("/dev/shm/tickway-{uid}/demo.lock")));
        let ring = RingId { kind: RingKind::OrderIntent, writer: Role::Strategy, index: 1, gateway: 0 };
        assert!(instance.ring(ring).ends_with("demo/order_intent.1-0.ring"));
        assert!(instance.status(Role::FeedHandler, 2).ends_with("demo/status.feed-handler.2"));
        assert!(instance.journal(3).ends_with("demo/journal/gateway-3"));
    }

    #[test]
    fn directories_are_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let instance = Instance::beneath(&name("x"), &dir.path().join("shm"), &dir.path().join("data"));
        instance.create_directories(2).unwrap();
        instance.create_directories(2).unwrap();
        assert!(instance.journal(1).is_dir() && instance.capture().is_dir());
        let mode = std::fs::metadata(instance.regions()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
