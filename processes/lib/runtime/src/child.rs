//! Child processes: found beside this binary, watched by pidfd, killed only by identity.
//!
//! A pid alone names nobody for long; a process is a pid and its start time, and every signal goes through a pidfd that
//! was checked against both. A pidfd becomes readable when the whole process is dead: that is the only proof of death
//! that anything here accepts. It works for processes that are not children too (a restarted supervisor).

use crate::error::RuntimeError;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

/// One process for good: a pid may be reused, the pair is not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProcessId {
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot (field 22 of `/proc/<pid>/stat`).
    pub start_time: u64,
}

impl ProcessId {
    /// The calling process.
    ///
    /// # Errors
    /// When /proc is not there.
    pub fn own() -> Result<Self, RuntimeError> {
        let pid = std::process::id();
        let start_time = start_time(pid).ok_or_else(|| {
            RuntimeError::refused("/proc/self/stat cannot be read", "mount /proc: processes are told apart by it")
        })?;
        Ok(Self { pid, start_time })
    }
}

/// Start time of a process; `None` when there is none of that pid.
#[must_use]
pub fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the command in parentheses and may hold anything, parentheses and spaces too.
    let after = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let rest = std::str::from_utf8(&stat[after..]).ok()?;
    // `rest` begins with field 3.
    rest.split_ascii_whitespace().nth(22 - 3)?.parse().ok()
}

/// True while the process of that pid and start time has not ended; a zombie has.
#[must_use]
pub fn is_alive(id: ProcessId) -> bool {
    match Pidfd::open(id) {
        Ok(Some(pidfd)) => !pidfd.is_dead(),
        Ok(None) => false,
        // pidfd_open refused for want of descriptors: go by /proc.
        Err(_) => start_time(id.pid) == Some(id.start_time),
    }
}

/// A handle to one process that cannot come to mean another.
#[derive(Debug)]
pub struct Pidfd {
    fd: OwnedFd,
    id: ProcessId,
}

impl Pidfd {
    /// Opens the process; `None` when it is gone (or its pid belongs to another by now).
    ///
    /// # Errors
    /// When the kernel has no descriptor to give.
    pub fn open(id: ProcessId) -> Result<Option<Self>, RuntimeError> {
        let pid = id.pid as libc::pid_t;
        let action = |pid| format!("open a pidfd of process {pid}");
        // SAFETY: pidfd_open takes two integers and returns a new descriptor or -1.
        let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        if raw < 0 {
            let error = io::Error::last_os_error();
            return match error.raw_os_error() {
                Some(libc::ESRCH | libc::EINVAL) => Ok(None),
                Some(libc::EMFILE | libc::ENFILE) => Err(RuntimeError::system(action(pid), error, "raise ulimit -n")),
                _ => Err(RuntimeError::system(action(pid), error, "allow pidfd_open (Linux 5.3) in the sandbox")),
            };
        }
        // SAFETY: the kernel just gave this descriptor to us alone.
        let fd = unsafe { OwnedFd::from_raw_fd(raw as i32) };
        // Read after the open: from here on the pid cannot be reused without this descriptor saying "dead".
        Ok((start_time(id.pid) == Some(id.start_time)).then_some(Self { fd, id }))
    }

    /// Whose it is.
    #[must_use]
    pub const fn id(&self) -> ProcessId {
        self.id
    }

    /// True when the process is dead: proven, for good.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.wait_dead(Duration::ZERO)
    }

    /// Waits up to `patience` for the death; true when proven.
    #[must_use]
    pub fn wait_dead(&self, patience: Duration) -> bool {
        let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
        matches!(poll(&mut fds, timeout), Ok(ready) if ready > 0)
    }

    /// Sends a signal to this very process; false when it is dead already.
    ///
    /// # Errors
    /// When this user may not.
    pub fn send(&self, signal: nix::sys::signal::Signal) -> Result<bool, RuntimeError> {
        let (fd, number) = (self.fd.as_raw_fd(), signal as libc::c_int);
        // SAFETY: pidfd_send_signal takes an open descriptor, a number, no siginfo and no flags.
        let sent =
            unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, number, std::ptr::null::<libc::siginfo_t>(), 0) };
        if sent == 0 {
            return Ok(true);
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::ESRCH) => Ok(false),
            _ => {
                let action = format!("send {signal} to process {}", self.id.pid);
                Err(RuntimeError::system(action, error, "run as the instance's user"))
            }
        }
    }

    /// SIGKILLs it and waits up to `patience` for the proof; true when it is dead. Works on a stopped process too.
    ///
    /// # Errors
    /// When this user may not.
    pub fn kill(&self, patience: Duration) -> Result<bool, RuntimeError> {
        self.send(nix::sys::signal::Signal::SIGKILL)?;
        Ok(self.wait_dead(patience))
    }
}

impl AsFd for Pidfd {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The pidfd of a child that was not reaped yet: its pid is its own even if it has died already.
fn watch(pid: u32) -> Result<Pidfd, RuntimeError> {
    let gone = || RuntimeError::refused(format!("process {pid} cannot be watched"), "mount /proc");
    let id = ProcessId { pid, start_time: start_time(pid).ok_or_else(gone)? };
    Pidfd::open(id)?.ok_or_else(gone)
}

/// True while a process of that pid runs a binary of this one's folder; a zombie runs none. By /proc alone, so a guard
/// against a living neighbour, never a proof of death.
#[must_use]
pub fn runs_beside(pid: u32) -> bool {
    let folder = |pid: &str| std::fs::read_link(format!("/proc/{pid}/exe")).ok()?.parent().map(Path::to_owned);
    let theirs = folder(&pid.to_string());
    theirs.is_some() && theirs == folder("self")
}

/// A process that this one started.
#[derive(Debug)]
pub struct Child {
    child: std::process::Child,
    pidfd: Pidfd,
}

impl Child {
    /// Starts `binary` with `arguments` in a process group of its own (a terminal's Ctrl-C reaches only the parent, which
    /// stops its children in order); standard error goes to the end of `log`, the other streams to nowhere. Not in a
    /// session of its own: the kernel would schedule each as a group of its own (autogroup), where a yield gives way to
    /// nobody else (the demo's path on two CPUs: half as long again).
    ///
    /// # Errors
    /// When the log or the binary cannot be opened, or no process can be made.
    pub fn spawn(binary: &Path, arguments: &[String], log: &Path) -> Result<Self, RuntimeError> {
        Self::spawn_with(binary, arguments, log, Stdio::null())
    }

    fn spawn_with(binary: &Path, arguments: &[String], log: &Path, stdin: Stdio) -> Result<Self, RuntimeError> {
        let opened = OpenOptions::new().create(true).append(true).open(log);
        let stderr = opened.map_err(|error| RuntimeError::file("open the log", log, error))?;
        let mut command = Command::new(binary);
        command.args(arguments).stdin(stdin).stdout(Stdio::null()).stderr(stderr).process_group(0);
        Self::watched(command.spawn().map_err(|error| RuntimeError::file("start", binary, error))?, watch)
    }

    /// A child that nobody can watch must not live: the next of its role would be a second writer of its rings.
    fn watched(
        mut child: std::process::Child,
        watch: impl FnOnce(u32) -> Result<Pidfd, RuntimeError>,
    ) -> Result<Self, RuntimeError> {
        match watch(child.id()) {
            Ok(pidfd) => Ok(Self { child, pidfd }),
            Err(error) => {
                // Not reaped yet, so the pid is its own: both can fail only where it has ended already.
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// As [`Child::spawn`], with a pipe to its standard input.
    ///
    /// # Errors
    /// As [`Child::spawn`].
    pub fn spawn_piped(binary: &Path, arguments: &[String], log: &Path) -> Result<(Self, ChildStdin), RuntimeError> {
        let mut child = Self::spawn_with(binary, arguments, log, Stdio::piped())?;
        let input = child.child.stdin.take().expect("standard input is piped");
        Ok((child, input))
    }

    /// Its identity.
    #[must_use]
    pub const fn id(&self) -> ProcessId {
        self.pidfd.id()
    }

    /// Its pidfd.
    #[must_use]
    pub const fn pidfd(&self) -> &Pidfd {
        &self.pidfd
    }

    /// Reaps it if it is dead; `None` while it lives.
    ///
    /// # Errors
    /// When somebody else reaped it.
    pub fn reap(&mut self) -> Result<Option<ExitStatus>, RuntimeError> {
        let pid = self.id().pid;
        self.child
            .try_wait()
            .map_err(|error| RuntimeError::system(format!("reap process {pid}"), error, "nobody else may wait for it"))
    }
}

/// Path of a product binary such as `tickway-risk`: beside this one (in tests, beside the folder `deps`).
///
/// # Errors
/// Names the build command when it is not there.
pub fn binary_path(name: &str) -> Result<PathBuf, RuntimeError> {
    let own =
        std::env::current_exe().map_err(|error| RuntimeError::system("find this binary", error, "mount /proc"))?;
    binary_beside(&own, name)
}

fn binary_beside(own: &Path, name: &str) -> Result<PathBuf, RuntimeError> {
    let folder = own.parent().unwrap_or(Path::new("/"));
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    let path = folder.join(name);
    if path.is_file() {
        return Ok(path);
    }
    let release = if folder.ends_with("release") { " --release" } else { "" };
    let what = format!("{name} is not in {}", folder.display());
    Err(RuntimeError::refused(what, format!("build it with `cargo build --workspace --bins{release}`")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::Signal;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn sleeper(directory: &Path) -> Child {
        Child::spawn(Path::new("/bin/sh"), &["-c".into(), "echo up >&2; exec sleep 60".into()], &directory.join("log"))
            .unwrap()
    }

    #[test]
    fn a_child_that_cannot_be_watched_is_dead_before_anyone_hears_of_it() {
        let mut started = 0;
        let child = Command::new("sh").args(["-c", "exec sleep 60"]).spawn().unwrap();
        let refused = Child::watched(child, |pid| {
            started = pid;
            assert!(start_time(pid).is_some());
            Err(RuntimeError::refused("no descriptor is left", "raise ulimit -n"))
        });
        assert!(refused.is_err());
        assert_eq!(start_time(started), None, "killed, and reaped");
    }

    #[test]
    fn a_neighbour_is_a_living_process_of_the_same_folder() {
        let dir = tempfile::tempdir().unwrap();
        assert!(runs_beside(std::process::id()));
        let mut stranger = sleeper(dir.path());
        assert!(!runs_beside(stranger.id().pid), "of another folder");
        assert!(stranger.pidfd().kill(PATIENCE).unwrap());
        assert!(!runs_beside(stranger.id().pid), "a zombie runs nothing");
        assert!(stranger.reap().unwrap().is_some());
    }

    #[test]
    fn a_stopped_child_is_killed_and_its_death_proven_before_it_is_reaped() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = sleeper(dir.path());
        assert!(is_alive(child.id()) && child.reap().unwrap().is_none());
        let pid = nix::unistd::Pid::from_raw(child.id().pid as i32);
        assert_eq!(nix::unistd::getpgid(Some(pid)), Ok(pid), "in a group of its own");
        assert_eq!(nix::unistd::getsid(Some(pid)), nix::unistd::getsid(None), "in its parent's session");
        assert!(child.pidfd().send(Signal::SIGSTOP).unwrap());
        assert!(!child.pidfd().is_dead(), "stopped is not dead");
        assert!(child.pidfd().kill(PATIENCE).unwrap());
        assert!(!is_alive(child.id()), "dead before it is reaped");
        let status = child.reap().unwrap().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
        assert!(!is_alive(child.id()) && Pidfd::open(child.id()).unwrap().is_none());
        assert!(!child.pidfd().send(Signal::SIGTERM).unwrap(), "a signal to the dead goes nowhere");
        assert!(std::fs::read_to_string(dir.path().join("log")).unwrap().len() <= 3);
    }

    #[test]
    fn another_process_of_the_same_pid_is_not_meant() {
        let own = ProcessId::own().unwrap();
        assert!(is_alive(own));
        let earlier = ProcessId { start_time: own.start_time + 1, ..own };
        assert!(!is_alive(earlier) && Pidfd::open(earlier).unwrap().is_none());
    }

    #[test]
    fn binaries_are_found_beside_this_one_or_the_build_command_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("release");
        std::fs::create_dir_all(folder.join("deps")).unwrap();
        std::fs::write(folder.join("tickway-risk"), b"").unwrap();
        for own in [folder.join("tickway"), folder.join("deps/system-0123")] {
            assert_eq!(binary_beside(&own, "tickway-risk").unwrap(), folder.join("tickway-risk"));
        }
        let error = binary_beside(&folder.join("tickway"), "tickway-strategy").unwrap_err().to_string();
        assert!(error.contains("tickway-strategy") && error.contains("cargo build --workspace --bins --release"));
        let error = Child::spawn(&folder.join("none"), &[], &dir.path().join("log")).unwrap_err().to_string();
        assert!(error.contains("cannot start"), "{error}");
    }
}
