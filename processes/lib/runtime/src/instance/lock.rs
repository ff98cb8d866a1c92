//! The lock of an instance: an flock that dies with its holder, so that a SIGKILLed supervisor leaves no stale lock.

use super::Instance;
use crate::error::RuntimeError;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

const LOCK_TRIES: u32 = 10;

/// The held lock; dropping it (or dying) lets the instance go. Rust opens files close-on-exec, so no child holds it on.
#[derive(Debug)]
pub struct InstanceLock {
    _lock: Flock<File>,
}

impl InstanceLock {
    /// Takes the lock of an instance and writes this process's pid into it.
    ///
    /// # Errors
    /// When another process holds it (its pid is in the message), or the file cannot be made.
    pub fn take(instance: &Instance) -> Result<Self, RuntimeError> {
        let path = instance.lock_file();
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = opened.map_err(|error| RuntimeError::file("open the lock", &path, error))?;
        match lock_patiently(file) {
            Ok(mut lock) => {
                let written = lock.set_len(0).and_then(|()| lock.rewind());
                let written = written.and_then(|()| writeln!(lock, "{}", std::process::id()));
                written.map_err(|error| RuntimeError::file("write the lock", &path, error))?;
                Ok(Self { _lock: lock })
            }
            Err((mut file, Errno::EWOULDBLOCK)) => {
                let holder = pid_in(&mut file).map_or("unknown".to_owned(), |pid| pid.to_string());
                let what =
                    format!("instance {:?} is already running (supervisor pid {holder})", instance.name().as_str());
                Err(RuntimeError::refused(what, "stop it with `tickway down`, or choose another host.instance"))
            }
            Err((_, error)) => Err(RuntimeError::file("lock", &path, error.into())),
        }
    }
}

/// Tries for a moment: a listing tool holds the lock shared for microseconds.
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

/// The pid of the process that holds the lock at `path`; `None` when nobody does. A holder that has not yet written its
/// pid is 0.
pub(super) fn holder(path: &Path) -> Option<u32> {
    let mut file = File::open(path).ok()?;
    let pid = pid_in(&mut file);
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Ok(_released_on_drop) => None,
        Err((_, Errno::EWOULDBLOCK)) => Some(pid.unwrap_or(0)),
        Err(_) => None,
    }
}

fn pid_in(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
