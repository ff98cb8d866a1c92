//! Logs: lines on standard error, off the hot path. Counters and status regions serve where a log would cost.

use tracing::Level;

/// Sends this process's log lines to standard error, at `INFO` and above. Nothing when a subscriber is there already. A line
/// that cannot be written is lost: the terminal may be gone, and to say so there would be a panic.
pub fn init() {
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .with_max_level(Level::INFO)
        .log_internal_errors(false)
        .finish();
    let _ = tracing::subscriber::set_global_default(subscriber);
}
