//! Signals: SIGINT, SIGTERM and a terminal's hang-up (SIGHUP) ask for an orderly stop; a closed pipe and a file-size limit
//! are error returns, not deaths.
//!
//! No process of an instance is set to die with its parent (PR_SET_PDEATHSIG): traders survive their supervisor, and no
//! hang-up concerns them ([`HangUp`]). Only the supervisor of a demo is told, by SIGTERM, when the demo has ended.

use crate::error::RuntimeError;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use std::sync::atomic::{AtomicBool, Ordering};

static STOP: AtomicBool = AtomicBool::new(false);

extern "C" fn on_stop(_signal: libc::c_int) {
    // A store to an atomic is async-signal-safe.
    STOP.store(true, Ordering::Release);
}

/// What a terminal's hang-up is to a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HangUp {
    /// A wish to stop, unless it was started to ignore it (`nohup`).
    Stops,
    /// Nothing: its supervisor says when it ends. To a process that happens to be stopped (SIGSTOP) when its supervisor
    /// dies the kernel sends SIGHUP and SIGCONT, for its process group is then an orphan.
    Ignored,
}

/// Installs the handlers, at the start of every process.
///
/// # Errors
/// When the kernel refuses a handler.
pub fn install(hang_up: HangUp) -> Result<(), RuntimeError> {
    // No SA_RESTART: a napping or polling process wakes up to stop.
    set(Signal::SIGINT, SigHandler::Handler(on_stop))?;
    set(Signal::SIGTERM, SigHandler::Handler(on_stop))?;
    let ignores = match hang_up {
        HangUp::Stops => {
            let earlier = set(Signal::SIGHUP, SigHandler::Handler(on_stop))?;
            matches!(earlier.handler(), SigHandler::SigIgn)
        }
        HangUp::Ignored => true,
    };
    if ignores {
        set(Signal::SIGHUP, SigHandler::SigIgn)?;
    }
    set(Signal::SIGPIPE, SigHandler::SigIgn)?;
    ignore_file_size_limit()?;
    // A parent that takes its own signals in a thread has blocked them, and a child inherits that.
    let mut stops = SigSet::empty();
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().for_each(|signal| stops.add(signal));
    let unblocked = stops.thread_unblock();
    unblocked.map_err(|error| RuntimeError::system("unblock SIGTERM", error.into(), "see the kernel's log (dmesg)"))
}

/// Makes a limit on the size of files (`ulimit -f`) an error of the write that meets it, here and in every child: by default
/// it is a death, and whoever dies of it cleans nothing up.
///
/// # Errors
/// When the kernel refuses it.
pub fn ignore_file_size_limit() -> Result<(), RuntimeError> {
    set(Signal::SIGXFSZ, SigHandler::SigIgn).map(drop)
}

/// Makes a panic of any thread the death of the process where the build would unwind. A release build aborts by itself; a
/// test build shares its libraries with the test harness, which needs to unwind, and must not behave otherwise for that:
/// a process whose flusher has panicked would go on, a panic would run destructors.
pub fn abort_on_panic() {
    if cfg!(panic = "unwind") {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            print(panic);
            std::process::abort();
        }));
    }
}

/// Installs a handler; the one before.
fn set(signal: Signal, handler: SigHandler) -> Result<SigAction, RuntimeError> {
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler only stores to an atomic, which is async-signal-safe, and lives as long as the program.
    let installed = unsafe { sigaction(signal, &action) };
    installed
        .map_err(|error| RuntimeError::system(format!("handle {signal}"), error.into(), "see the kernel's log (dmesg)"))
}

/// True once a stop was asked for.
#[inline]
#[must_use]
pub fn stop_requested() -> bool {
    STOP.load(Ordering::Acquire)
}

/// Asks this process to stop, as SIGTERM does.
pub fn request_stop() {
    STOP.store(true, Ordering::Release);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Command;

    #[test]
    fn a_panic_of_any_thread_ends_the_process() {
        // The test is its own child, told so by a variable: the hook would end the harness.
        if std::env::var_os("TICKWAY_TEST_PANICS").is_some() {
            abort_on_panic();
            let _ = std::thread::spawn(|| panic!("as asked")).join();
            return;
        }
        let mut child = Command::new(std::env::current_exe().unwrap());
        child
            .args(["--exact", "signal::tests::a_panic_of_any_thread_ends_the_process"])
            .env("TICKWAY_TEST_PANICS", "1");
        assert_eq!(child.output().unwrap().status.signal(), Some(Signal::SIGABRT as i32));
    }

    #[test]
    fn sigterm_and_a_hang_up_ask_for_a_stop_and_sigpipe_is_survived() {
        let mut inherited = SigSet::empty();
        inherited.add(Signal::SIGTERM);
        inherited.thread_block().unwrap();
        install(HangUp::Stops).unwrap();
        nix::sys::signal::raise(Signal::SIGPIPE).unwrap();
        nix::sys::signal::raise(Signal::SIGXFSZ).unwrap();
        assert!(!stop_requested());
        nix::sys::signal::raise(Signal::SIGTERM).unwrap();
        assert!(stop_requested());
        // A hang-up stops as well, except where nohup or a supervisor says that it is no concern.
        let cases = [
            (SigHandler::SigDfl, HangUp::Stops, true),
            (SigHandler::SigIgn, HangUp::Stops, false),
            (SigHandler::Handler(on_stop), HangUp::Ignored, false),
        ];
        for (earlier, hang_up, stops) in cases {
            STOP.store(false, Ordering::Release);
            set(Signal::SIGHUP, earlier).unwrap();
            install(hang_up).unwrap();
            nix::sys::signal::raise(Signal::SIGHUP).unwrap();
            assert_eq!(stop_requested(), stops);
        }
    }
}
