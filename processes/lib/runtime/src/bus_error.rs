//! SIGBUS: a mapped file was cut under the process. It dies of it, as without a handler, but the kill is latched first.
//!
//! A file on tmpfs cannot be sealed against its own user (`F_ADD_SEALS` works on a memfd alone), and a page that is gone
//! has no right answer: zeros in its place could read as "not killed". So nothing is mapped over the hole and nothing goes
//! on. For a trader that is enough, since the supervisor sees its death; only the supervisor's own needs this latch.

use crate::error::RuntimeError;
use crate::kill_file::KillFile;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use shm_layout::kill_page::Engager;
use std::path::Path;
use std::sync::OnceLock;

static KILL: OnceLock<KillFile> = OnceLock::new();

/// Latches by stores to atomics of a map, which is async-signal-safe, and returns to the faulting instruction: the
/// handler was reset before it ran, so the second fault ends the process.
extern "C" fn on_bus_error(_signal: libc::c_int) {
    if let Some(kill) = KILL.get() {
        kill.latch(Engager::Supervisor, "SIGBUS: a shared file was cut under the supervisor");
    }
}

/// From now on SIGBUS latches the supervisor's kill word in the file at `path` before it ends this process. Where the
/// kill file is itself what was cut, the process ends without: whoever else has it mapped ends at its next look.
///
/// # Errors
/// When the kill file cannot be opened for writing, or the kernel refuses the handler.
pub fn latch_kill(path: &Path) -> Result<(), RuntimeError> {
    let kill = KillFile::open(path)?;
    // Of a second call only the handler is new: the file is the instance's one.
    let _ = KILL.set(kill);
    let action = SigAction::new(SigHandler::Handler(on_bus_error), SaFlags::SA_RESETHAND, SigSet::empty());
    // SAFETY: the handler only loads and stores atomics, which is async-signal-safe, and lives as long as the program.
    let installed = unsafe { sigaction(Signal::SIGBUS, &action) };
    installed
        .map(|_previous| ())
        .map_err(|error| RuntimeError::system("handle SIGBUS".to_owned(), error.into(), "see the kernel's log (dmesg)"))
}
