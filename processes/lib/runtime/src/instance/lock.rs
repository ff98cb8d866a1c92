//! The locks of an instance: flocks that die with their holder, so that a SIGKILLed supervisor leaves no stale lock.
//!
//! ```text
//! /dev/shm/tickway-<uid>/<instance>.lock    "<pid>\n"               one supervisor per name
//! <data>/instance.lock                      "<pid> <instance>\n"    one instance per data directory
//! ```
//! Whoever lets go unlinks the file first, **while** it holds the lock; whoever gets a lock then looks whether the name
//! still leads to the file that it locked, and begins anew when it does not. So two takers never hold the locks of two
//! files of one name. What a killed holder left is unlinked by the next holder, or by [`remove_dead_locks`].

use super::Instance;
use crate::error::RuntimeError;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Tries of a lock that somebody holds: a listing tool holds it shared for microseconds.
const LOCK_TRIES: u32 = 10;
/// Most files of one name that may be unlinked under a taker; each belonged to an instance that lived in between.
const FILES_MAX: u32 = 100;

/// The held locks; dropping them (or dying) lets the instance go. Rust opens files close-on-exec, so no child holds them
/// on.
#[derive(Debug)]
pub struct InstanceLock {
    _name: NamedLock,
    _data: NamedLock,
}

impl InstanceLock {
    /// Takes the locks of an instance, its name's and its data directory's, and writes this process's pid into both. The
    /// directories exist.
    ///
    /// # Errors
    /// When another process holds one (its pid is in the message), or a file cannot be made.
    pub fn take(instance: &Instance) -> Result<Self, RuntimeError> {
        let pid = std::process::id();
        let name = NamedLock::take(&instance.lock_file(), &format!("{pid}\n"))?
            .map_err(|holder| name_in_use(instance, holder.as_deref()))?;
        let data = NamedLock::take(&instance.data_lock_file(), &format!("{pid} {}\n", instance.name()))?
            .map_err(|holder| data_in_use(instance, holder.as_deref()))?;
        Ok(Self { _name: name, _data: data })
    }

    /// Refuses when some process holds a lock of the instance, without making or taking anything.
    ///
    /// # Errors
    /// As [`InstanceLock::take`].
    pub fn check_free(instance: &Instance) -> Result<(), RuntimeError> {
        if let Some(text) = holder_text(&instance.lock_file()) {
            return Err(name_in_use(instance, Some(&text)));
        }
        match holder_text(&instance.data_lock_file()) {
            Some(text) => Err(data_in_use(instance, Some(&text))),
            None => Ok(()),
        }
    }
}

fn name_in_use(instance: &Instance, holder: Option<&str>) -> RuntimeError {
    let pid = holder.and_then(pid_of).map_or("unknown".to_owned(), |pid| pid.to_string());
    let what = format!("instance {:?} is already running (supervisor pid {pid})", instance.name().as_str());
    RuntimeError::refused(what, "stop it with `tickway down`, or choose another host.instance")
}

fn data_in_use(instance: &Instance, holder: Option<&str>) -> RuntimeError {
    let data = instance.data().display();
    let (pid, other) = holder.and_then(|text| text.trim().split_once(' ')).unwrap_or(("unknown", "unknown"));
    let what = format!("{data}: the data directory is in use by instance {other:?} (supervisor pid {pid})");
    RuntimeError::refused(what, format!("stop that with `tickway down --instance {other}`, or name another paths.data"))
}

/// Unlinks the lock files that dead holders of the instance left; those of the living stay.
pub fn remove_dead_locks(instance: &Instance) {
    for path in [instance.lock_file(), instance.data_lock_file()] {
        if let Ok(file) = OpenOptions::new().read(true).write(true).open(&path)
            && let Ok(lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock)
        {
            drop(NamedLock { path, lock });
        }
    }
}

/// A lock whose file has a name for as long as it is held.
#[derive(Debug)]
struct NamedLock {
    path: PathBuf,
    lock: Flock<File>,
}

impl NamedLock {
    /// Takes the lock at `path` and writes `text` into it. What the holder wrote, when there is one.
    fn take(path: &Path, text: &str) -> Result<Result<Self, Option<String>>, RuntimeError> {
        for _ in 0..FILES_MAX {
            let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
            let file = opened.map_err(|error| RuntimeError::file("open the lock", path, error))?;
            let lock = match lock_patiently(file) {
                Ok(lock) => lock,
                Err((mut file, Errno::EWOULDBLOCK)) => return Ok(Err(text_of(&mut file))),
                Err((_, error)) => return Err(RuntimeError::file("lock", path, error.into())),
            };
            // Its last holder may have unlinked it between the open and the lock.
            if !leads_to(path, &lock).map_err(|error| RuntimeError::file("inspect the lock", path, error))? {
                continue;
            }
            let mut taken = Self { path: path.to_owned(), lock };
            taken.write(text).map_err(|error| RuntimeError::file("write the lock", path, error))?;
            return Ok(Ok(taken));
        }
        let what = format!("{}: the lock changes hands all the time", path.display());
        Err(RuntimeError::refused(what, "see who starts this instance again and again"))
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.lock.set_len(0)?;
        self.lock.rewind()?;
        self.lock.write_all(text.as_bytes())
    }
}

impl Drop for NamedLock {
    /// Unlinks the file, if the name still leads to it; only then is the lock let go, with the descriptor.
    fn drop(&mut self) {
        if leads_to(&self.path, &self.lock).unwrap_or(false) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// True when `path` names the open file.
fn leads_to(path: &Path, file: &File) -> io::Result<bool> {
    let own = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (own.dev(), own.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Tries for a moment.
fn lock_patiently(mut file: File) -> Result<Flock<File>, (File, Errno)> {
    for _ in 0..LOCK_TRIES {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Err((back, Errno::EWOULDBLOCK)) => file = back,
            decided => return decided,
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Err((file, Errno::EWOULDBLOCK))
}

/// What the process that holds the lock at `path` wrote into it; `None` when nobody holds it.
fn holder_text(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let text = text_of(&mut file);
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Ok(_released_on_drop) => None,
        Err((_, Errno::EWOULDBLOCK)) => Some(text.unwrap_or_default()),
        Err(_) => None,
    }
}

/// The pid of the process that holds the lock at `path`; `None` when nobody does. A holder that has not yet written its
/// pid is 0.
pub(super) fn holder(path: &Path) -> Option<u32> {
    holder_text(path).map(|text| pid_of(&text).unwrap_or(0))
}

fn text_of(file: &mut File) -> Option<String> {
    let mut text = String::new();
    file.take(128).read_to_string(&mut text).ok()?;
    Some(text)
}

fn pid_of(text: &str) -> Option<u32> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::InstanceName;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn instance(name: &str, directory: &Path) -> Instance {
        let instance = Instance::beneath(&InstanceName::new(name).unwrap(), directory, &directory.join("data"));
        instance.create_directories(0).unwrap();
        instance
    }

    #[test]
    fn two_names_with_one_data_directory_exclude_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data/one");
        let one = instance("one", dir.path());
        let two = instance("two", dir.path()).with_directories(None, Some(data.clone()));
        let held = InstanceLock::take(&one).unwrap();
        for refused in [InstanceLock::take(&two).map(drop), InstanceLock::check_free(&two)] {
            let told = refused.unwrap_err().to_string();
            let named = [data.display().to_string(), "\"one\"".to_owned(), format!("pid {}", std::process::id())];
            assert!(named.iter().all(|name| told.contains(name)), "{told}");
        }
        assert!(!two.lock_file().exists(), "the name that was taken first is given back");
        drop(held);
        InstanceLock::check_free(&two).unwrap();
        drop(InstanceLock::take(&two).unwrap());
        assert!(!one.lock_file().exists() && !one.data_lock_file().exists(), "no file stays");
    }

    #[test]
    fn what_a_killed_holder_left_is_taken_over_or_removed_and_a_living_one_stays() {
        let dir = tempfile::tempdir().unwrap();
        let one = instance("one", dir.path());
        std::fs::write(one.lock_file(), "4242\n").unwrap();
        std::fs::write(one.data_lock_file(), "4242 one\n").unwrap();
        InstanceLock::check_free(&one).unwrap();
        let held = InstanceLock::take(&one).unwrap();
        remove_dead_locks(&one);
        assert_eq!(holder(&one.lock_file()), Some(std::process::id()));
        assert!(one.data_lock_file().exists());
        drop(held);
        std::fs::write(one.lock_file(), "4242\n").unwrap();
        remove_dead_locks(&one);
        assert!(!one.lock_file().exists());
    }

    /// Takers that come and go as fast as they can: at no moment do two hold the lock, although its file is unlinked
    /// each time.
    #[test]
    fn no_two_hold_a_lock_whose_file_comes_and_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.lock");
        let (inside, taken) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let Ok(Ok(lock)) = NamedLock::take(&path, "1\n") else { continue };
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
                        assert!(leads_to(&path, &lock.lock).unwrap());
                        taken.fetch_add(1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
        assert!(taken.into_inner() > 0);
        assert!(!path.exists());
    }
}
