//! The `[supervisor]` table of the host file, and the few keys of other tables that the supervisor needs.

use runtime::config::{ConfigError, HostFile, Within};
use serde::Deserialize;
use shm_layout::control_page::RecorderMode;

/// Nanoseconds of a millisecond.
const MS: u64 = 1_000_000;

/// `[supervisor]`; every key has a default.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Age of a running process's heartbeat at which it is killed, in milliseconds.
    pub heartbeat_timeout_ms: Within<10, 600_000>,
    /// How long a process with waiting input may make no progress before it is killed, in milliseconds; 0: for ever.
    pub progress_timeout_ms: Within<0, 600_000>,
    /// How long a process may take from its start to its duty cycle, in milliseconds.
    pub start_timeout_ms: Within<10, 600_000>,
    /// Deaths within `restart_window_s` that are answered by a restart; one more, and the process is given up.
    pub restarts_max: Within<0, 1_000>,
    /// Window of `restarts_max`, in seconds.
    pub restart_window_s: Within<1, 86_400>,
    /// Wait before the second restart within the window, in milliseconds; doubles with each further one. The first
    /// restart waits for nothing.
    pub restart_backoff_ms: Within<1, 60_000>,
    /// Time after which an epoch that some gateway has not fenced is published again, in milliseconds.
    pub fence_timeout_ms: Within<10, 600_000>,
    /// How long a rebuild may take, in milliseconds.
    pub rebuild_timeout_ms: Within<10, 3_600_000>,
    /// Live orders of one gateway that a rebuild can hold.
    pub rebuild_orders_max: Within<1, 16_777_216>,
    /// How long each step of a clean stop may take, in milliseconds.
    pub stop_step_timeout_ms: Within<10, 600_000>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            heartbeat_timeout_ms: Within::new(1_000),
            progress_timeout_ms: Within::new(5_000),
            start_timeout_ms: Within::new(10_000),
            restarts_max: Within::new(5),
            restart_window_s: Within::new(60),
            restart_backoff_ms: Within::new(100),
            fence_timeout_ms: Within::new(1_000),
            rebuild_timeout_ms: Within::new(30_000),
            rebuild_orders_max: Within::new(65_536),
            stop_step_timeout_ms: Within::new(5_000),
        }
    }
}

/// The same as the machine wants it: in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timing {
    /// From a process's start to its duty cycle.
    pub start_timeout_ns: u64,
    /// Deaths within the window that are answered by a restart.
    pub restarts_max: usize,
    /// The window.
    pub restart_window_ns: u64,
    /// Wait before the second restart within the window.
    pub restart_backoff_ns: u64,
    /// From the publication of an epoch to its repetition.
    pub fence_timeout_ns: u64,
    /// For a rebuild.
    pub rebuild_timeout_ns: u64,
    /// For each step of a stop.
    pub stop_step_timeout_ns: u64,
}

impl Config {
    /// Reads `[supervisor]`; a file without it has the defaults.
    ///
    /// # Errors
    /// When a key is unknown or out of range.
    pub fn of(file: &HostFile) -> Result<Self, ConfigError> {
        if file.has_table("supervisor") { file.table("supervisor") } else { Ok(Self::default()) }
    }

    /// The machine's times.
    #[must_use]
    pub const fn timing(&self) -> Timing {
        Timing {
            start_timeout_ns: self.start_timeout_ms.get() * MS,
            restarts_max: self.restarts_max.get() as usize,
            restart_window_ns: self.restart_window_s.get() * 1_000 * MS,
            restart_backoff_ns: self.restart_backoff_ms.get() * MS,
            fence_timeout_ns: self.fence_timeout_ms.get() * MS,
            rebuild_timeout_ns: self.rebuild_timeout_ms.get() * MS,
            stop_step_timeout_ns: self.stop_step_timeout_ms.get() * MS,
        }
    }
}

/// What is read of the tables of other processes; their owners check them whole.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Elsewhere {
    mode: Option<String>,
    tail_bytes: Option<u64>,
    segment_bytes: Option<u64>,
}

/// Bytes of a journal tail's circular area where `[execution-gateway] tail_bytes` says nothing.
pub const TAIL_BYTES: u64 = 4 << 20;

/// Bytes of each journal tail's circular area.
///
/// # Errors
/// When `tail_bytes` is no number.
pub fn tail_bytes(file: &HostFile) -> Result<usize, ConfigError> {
    let table: Elsewhere = optional(file, "execution-gateway")?;
    Ok(table.tail_bytes.unwrap_or(TAIL_BYTES) as usize)
}

/// Bytes that the journals soon allocate: two segments per gateway, the open one and the next.
///
/// # Errors
/// When `segment_bytes` is no number.
pub fn journal_bytes(file: &HostFile) -> Result<u64, ConfigError> {
    let table: Elsewhere = optional(file, "execution-gateway")?;
    Ok(2 * table.segment_bytes.unwrap_or(0) * u64::from(file.counts().gateways))
}

/// How the recorder reads: `[recorder] mode`.
///
/// # Errors
/// When it is none of `tap` and `gating`.
pub fn recorder_mode(file: &HostFile) -> Result<RecorderMode, ConfigError> {
    let table: Elsewhere = optional(file, "recorder")?;
    match table.mode.as_deref() {
        None | Some("tap") => Ok(RecorderMode::Tap),
        Some("gating") => Ok(RecorderMode::Gating),
        Some(other) => {
            Err(file.error_at("recorder.mode", format!("{other:?} is no mode"), "write \"tap\" or \"gating\""))
        }
    }
}

fn optional(file: &HostFile, table: &str) -> Result<Elsewhere, ConfigError> {
    if file.has_table(table) { file.table(table) } else { Ok(Elsewhere::default()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEMO: &str = include_str!("../../../tuning/demo.toml");

    #[test]
    fn the_demo_is_read_and_unknown_keys_are_refused_by_line() {
        let file = HostFile::parse("demo.toml", DEMO).unwrap();
        let config = Config::of(&file).unwrap();
        assert_eq!(config.timing().restarts_max, 5);
        assert_eq!(config.timing().stop_step_timeout_ns, 5_000_000_000);
        assert_eq!(recorder_mode(&file).unwrap(), RecorderMode::Tap);
        assert_eq!(tail_bytes(&file).unwrap(), 8_388_608);
        let text = DEMO.replace("restarts_max = 5", "restart_max = 5");
        let line = text.lines().position(|line| line.starts_with("restart_max")).unwrap() + 1;
        let file = HostFile::parse("demo.toml", &text).unwrap();
        let error = Config::of(&file).unwrap_err().to_string();
        assert!(error.starts_with(&format!("demo.toml:{line}:")) && error.contains("restart_max"), "{error}");
    }

    #[test]
    fn a_recorder_may_gate_and_nothing_else() {
        let gating = HostFile::parse("x", &DEMO.replace("mode = \"tap\"", "mode = \"gating\"")).unwrap();
        assert_eq!(recorder_mode(&gating).unwrap(), RecorderMode::Gating);
        let odd = HostFile::parse("x", &DEMO.replace("mode = \"tap\"", "mode = \"maybe\"")).unwrap();
        assert!(recorder_mode(&odd).unwrap_err().to_string().contains("recorder.mode"));
    }
}
