//! Ctrl-C: the first asks for an orderly end, the second ends everything at once. So does a terminal that is closed, unless
//! its hang-up was to be ignored (`nohup`).
//!
//! SIGINT, SIGTERM and SIGHUP are blocked in every thread and taken by one of their own; children unblock them
//! (`runtime::signal::install`).

use crate::failure::{Failure, OS_ERROR};
use nix::sys::signal::{SigSet, Signal};
use std::io::Write;

/// Blocks the signals and watches for them. The first sets the stop flag; `again` is called at the second.
///
/// # Errors
/// When the mask cannot be set.
pub fn watch(again: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    if !is_hang_up_ignored(&std::fs::read_to_string("/proc/self/status").unwrap_or_default()) {
        signals.add(Signal::SIGHUP);
    }
    signals
        .thread_block()
        .map_err(|error| Failure::new(OS_ERROR, format!("cannot block SIGINT: {error}"), "run it in a plain shell"))?;
    std::thread::spawn(move || {
        let _ = signals.wait();
        runtime::signal::request_stop();
        // Nobody may be there to read it any more.
        let _ = writeln!(std::io::stderr(), "demo: stopping in order; Ctrl-C again ends it at once");
        let _ = signals.wait();
        again();
    });
    Ok(())
}

/// Whether this process was started to outlive its terminal, by /proc/self/status.
fn is_hang_up_ignored(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (Signal::SIGHUP as u32 - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hang_up_is_ignored_where_nohup_said_so() {
        assert!(is_hang_up_ignored("Name:\tx\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n"));
        assert!(!is_hang_up_ignored("SigIgn:\t0000000000001000\n"));
        assert!(!is_hang_up_ignored(""));
    }
}
