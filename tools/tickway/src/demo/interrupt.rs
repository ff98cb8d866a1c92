//! Ctrl-C: the first asks for an orderly end, the second ends everything at once.
//!
//! SIGINT and SIGTERM are blocked in every thread and taken by one of their own; children start with an empty mask.

use crate::failure::{Failure, OS_ERROR};
use nix::sys::signal::{SigSet, Signal};

/// Blocks the signals and watches for them. The first sets the stop flag; `again` is called at the second.
///
/// # Errors
/// When the mask cannot be set.
pub fn watch(again: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals
        .thread_block()
        .map_err(|error| Failure::new(OS_ERROR, format!("cannot block SIGINT: {error}"), "run it in a plain shell"))?;
    std::thread::spawn(move || {
        let _ = signals.wait();
        runtime::signal::request_stop();
        eprintln!("demo: stopping in order; Ctrl-C again ends it at once");
        let _ = signals.wait();
        again();
    });
    Ok(())
}
