//! The `[feed-handler]` table of the host file, as far as the machine needs it.

use serde::Deserialize;

/// Most instruments of one feed handler: with it, the outputs of one step have a bound that is known in advance.
pub const INSTRUMENTS_MAX: usize = 4096;

/// `[feed-handler]`; every key has a default.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long a gap waits for the other line before the first request, in microseconds. Also with one line: datagrams
    /// that overtook each other arrive within it.
    pub gap_wait_us: u64,
    /// How long a request waits for its reply before it is repeated, in milliseconds; doubles with each repetition, up
    /// to 32 times.
    pub request_timeout_ms: u64,
    /// Silence after which a heartbeat counts as lost, in milliseconds (the venue sends one a second).
    pub heartbeat_timeout_ms: u64,
    /// Silence of the current session, in milliseconds, after which another one is believed. Before, or while the
    /// current one is heard, datagrams of another session are foreign and dropped. An ended session needs no silence.
    pub session_timeout_ms: u64,
    /// Datagrams that can be held ahead of a gap; what does not fit is re-requested later. 2 KiB each.
    pub hold_datagrams: usize,
    /// Live orders of the channel.
    pub order_capacity: usize,
    /// Price levels of the channel in use at once.
    pub level_capacity: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            gap_wait_us: 200,
            request_timeout_ms: 20,
            heartbeat_timeout_ms: 1500,
            session_timeout_ms: 2500,
            hold_datagrams: 1024,
            order_capacity: 200_000,
            level_capacity: 100_000,
        }
    }
}

/// Why a configuration or an instrument table cannot be run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConfigError {
    /// A key outside its range.
    #[error("[feed-handler] {key} = {value}: must be between {least} and {most}")]
    Range {
        /// Key of the table.
        key: &'static str,
        /// Its value.
        value: u64,
        /// Least allowed.
        least: u64,
        /// Most allowed.
        most: u64,
    },
    /// The instrument table does not fit.
    #[error("the venue has {0} instruments in the table; a feed handler takes at most {INSTRUMENTS_MAX}: use several")]
    Instruments(usize),
    /// A symbol stands twice in the venue's table.
    #[error("the symbol of instrument {0} stands twice in the venue's table")]
    DuplicateSymbol(u32),
}

impl Config {
    /// Checks every key's range.
    ///
    /// # Errors
    /// [`ConfigError::Range`] with the first key that is outside.
    pub fn check(&self) -> Result<(), ConfigError> {
        const DAY_MS: u64 = 86_400_000;
        let range = |key, value, least, most| {
            if (least..=most).contains(&value) { Ok(()) } else { Err(ConfigError::Range { key, value, least, most }) }
        };
        range("gap_wait_us", self.gap_wait_us, 0, 1_000_000)?;
        range("request_timeout_ms", self.request_timeout_ms, 1, 60_000)?;
        range("heartbeat_timeout_ms", self.heartbeat_timeout_ms, 1, DAY_MS)?;
        range("session_timeout_ms", self.session_timeout_ms, 1, DAY_MS)?;
        range("hold_datagrams", self.hold_datagrams as u64, 1, 1 << 16)?;
        range("order_capacity", self.order_capacity as u64, 1, 1 << 28)?;
        range("level_capacity", self.level_capacity as u64, 1, 1 << 28)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_hold_and_unknown_keys_are_refused() {
        let config: Config = toml::from_str("gap_wait_us = 50\n").unwrap();
        assert_eq!(config, Config { gap_wait_us: 50, ..Config::default() });
        assert_eq!(config.check(), Ok(()));
        assert!(toml::from_str::<Config>("gap_wait = 50\n").is_err());
        let none = Config { hold_datagrams: 0, ..Config::default() };
        assert!(matches!(none.check(), Err(ConfigError::Range { key: "hold_datagrams", .. })));
    }
}
