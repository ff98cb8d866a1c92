//! Logs: lines on standard error, off the hot path. Counters and status regions serve where a log would cost.

use tracing::Level;

/// Sends this process's log lines to standard error, at `INFO` and above. Nothing when a subscriber is there already.
pub fn init() {
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .with_max_level(Level::INFO)
        .finish();
    let _ = tracing::subscriber::set_global_default(subscriber);
}
