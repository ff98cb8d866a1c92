//! A process that the supervisor holds: started by it, or adopted from a dead supervisor.

use crate::machine::Exit;
use runtime::RuntimeError;
use runtime::child::{Child, Pidfd, ProcessId};
use std::os::unix::process::ExitStatusExt;

/// The hold on one process.
#[derive(Debug)]
pub enum Handle {
    /// A child: its exit code is told.
    Child(Child),
    /// Another supervisor's child: only its death is told.
    Adopted(Pidfd),
}

impl Handle {
    /// Who it is.
    #[must_use]
    pub const fn id(&self) -> ProcessId {
        match self {
            Self::Child(child) => child.id(),
            Self::Adopted(pidfd) => pidfd.id(),
        }
    }

    const fn pidfd(&self) -> &Pidfd {
        match self {
            Self::Child(child) => child.pidfd(),
            Self::Adopted(pidfd) => pidfd,
        }
    }

    /// SIGKILLs it, and waits for nothing.
    ///
    /// # Errors
    /// When this user may not.
    pub fn kill(&self) -> Result<(), RuntimeError> {
        self.pidfd().send(nix::sys::signal::Signal::SIGKILL).map(|_| ())
    }

    /// How it ended, once its death is proven (and the child reaped); `None` while it lives.
    pub fn ended(&mut self) -> Option<Exit> {
        if !self.pidfd().is_dead() {
            return None;
        }
        match self {
            Self::Adopted(_) => Some(Exit::Unknown),
            Self::Child(child) => match child.reap() {
                Ok(Some(status)) => Some(match (status.code(), status.signal()) {
                    (Some(code), _) => Exit::Code(code),
                    (None, Some(signal)) => Exit::Signal(signal),
                    (None, None) => Exit::Unknown,
                }),
                // The pidfd may be readable a moment before the process can be reaped.
                Ok(None) => None,
                Err(_) => Some(Exit::Unknown),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::time::Duration;

    fn ended(handle: &mut Handle) -> Exit {
        loop {
            if let Some(exit) = handle.ended() {
                return exit;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn codes_signals_and_adopted_deaths_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let sh = |script: &str| {
            Child::spawn(Path::new("/bin/sh"), &["-c".into(), script.into()], &dir.path().join("log")).unwrap()
        };
        assert_eq!(ended(&mut Handle::Child(sh("exit 65"))), Exit::Code(65));
        let mut sleeper = Handle::Child(sh("exec sleep 60"));
        let mut adopted = Handle::Adopted(Pidfd::open(sleeper.id()).unwrap().unwrap());
        assert!(sleeper.ended().is_none() && adopted.ended().is_none());
        adopted.kill().unwrap();
        assert_eq!(ended(&mut sleeper), Exit::Signal(9));
        assert_eq!(ended(&mut adopted), Exit::Unknown);
    }
}
