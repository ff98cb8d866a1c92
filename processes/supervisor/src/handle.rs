//! A process that the supervisor holds: started by it, alone or as the host of several stages, or adopted from a dead
//! supervisor.

use crate::machine::Exit;
use runtime::RuntimeError;
use runtime::child::{Child, Pidfd, ProcessId};
use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::ChildStdin;
use std::rc::Rc;

/// A child that hosts several stages (`tickway-fused`): it is told of each on its standard input. A stage ends with it,
/// or by itself in order, which its status region then says.
#[derive(Debug)]
pub struct Host {
    child: RefCell<Child>,
    input: RefCell<ChildStdin>,
    exit: Cell<Option<Exit>>,
}

impl Host {
    /// Holds a child and the pipe to its standard input.
    #[must_use]
    pub fn new(child: Child, input: ChildStdin) -> Rc<Self> {
        Rc::new(Self { child: RefCell::new(child), input: RefCell::new(input), exit: Cell::new(None) })
    }

    /// Gives it one more stage: the role's folder name and the arguments of such a process, as a line of JSON. A line is
    /// far shorter than a pipe is deep, so this does not wait.
    ///
    /// # Errors
    /// When it is gone.
    pub fn add(&self, stage: &[String]) -> io::Result<()> {
        let line = serde_json::to_string(stage).expect("words are JSON");
        writeln!(self.input.borrow_mut(), "{line}")
    }

    /// True once its death is proven.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.child.borrow().pidfd().is_dead()
    }

    /// Its end, reaped once and told to each of its stages.
    fn ended(&self) -> Option<Exit> {
        if self.exit.get().is_none() {
            self.exit.set(reap(&mut self.child.borrow_mut()));
        }
        self.exit.get()
    }
}

/// The hold on one process, or on one stage of a host.
#[derive(Debug)]
pub enum Handle {
    /// A child: its exit code is told.
    Child(Child),
    /// A stage of a host.
    Stage(Rc<Host>),
    /// Another supervisor's child: only its death is told.
    Adopted(Pidfd),
}

impl Handle {
    /// Who it is.
    #[must_use]
    pub fn id(&self) -> ProcessId {
        match self {
            Self::Child(child) => child.id(),
            Self::Stage(host) => host.child.borrow().id(),
            Self::Adopted(pidfd) => pidfd.id(),
        }
    }

    /// The host that it is a stage of and that lives; `None` for anything else.
    #[must_use]
    pub fn living_host(&self) -> Option<&Rc<Host>> {
        match self {
            Self::Stage(host) => Some(host).filter(|host| !host.is_dead()),
            Self::Child(_) | Self::Adopted(_) => None,
        }
    }

    /// SIGKILLs it, with every stage beside it, and waits for nothing.
    ///
    /// # Errors
    /// When this user may not.
    pub fn kill(&self) -> Result<(), RuntimeError> {
        let kill = |pidfd: &Pidfd| pidfd.send(nix::sys::signal::Signal::SIGKILL).map(|_| ());
        match self {
            Self::Child(child) => kill(child.pidfd()),
            Self::Stage(host) => kill(host.child.borrow().pidfd()),
            Self::Adopted(pidfd) => kill(pidfd),
        }
    }

    /// How it ended, once its death is proven (and the child reaped); `None` while it lives.
    pub fn ended(&mut self) -> Option<Exit> {
        match self {
            Self::Adopted(pidfd) => pidfd.is_dead().then_some(Exit::Unknown),
            Self::Child(child) => reap(child),
            Self::Stage(host) => host.ended(),
        }
    }
}

fn reap(child: &mut Child) -> Option<Exit> {
    if !child.pidfd().is_dead() {
        return None;
    }
    match child.reap() {
        Ok(Some(status)) => Some(match (status.code(), status.signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, Some(signal)) => Exit::Signal(signal),
            (None, None) => Exit::Unknown,
        }),
        // The pidfd may be readable a moment before the process can be reaped.
        Ok(None) => None,
        Err(_) => Some(Exit::Unknown),
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

    #[test]
    fn a_host_is_told_of_its_stages_and_its_end_is_told_to_each() {
        let dir = tempfile::tempdir().unwrap();
        let script =
            "read a; read b; test \"$a\" = '[\"risk\",\"--epoch\",\"3\"]' && test \"$b\" = '[\"strategy\"]' && exit 7";
        let sh = Path::new("/bin/sh");
        let (child, input) = Child::spawn_piped(sh, &["-c".into(), script.into()], &dir.path().join("log")).unwrap();
        let host = Host::new(child, input);
        host.add(&["risk".into(), "--epoch".into(), "3".into()]).unwrap();
        let mut stages = [Handle::Stage(host.clone()), Handle::Stage(host.clone())];
        assert!(stages[0].ended().is_none() && stages[1].living_host().is_some());
        assert_eq!(stages[0].id(), stages[1].id());
        host.add(&["strategy".into()]).unwrap();
        assert_eq!(stages.each_mut().map(ended), [Exit::Code(7), Exit::Code(7)]);
        assert!(stages[0].living_host().is_none() && host.add(&["risk".into()]).is_err());
    }
}
