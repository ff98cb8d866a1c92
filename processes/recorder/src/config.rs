//! The `[recorder]` table of the host file.

use serde::Deserialize;

/// How the recorder stands to the writers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Writers never wait for it; a lap becomes a gap block.
    #[default]
    Tap,
    /// Writers of `order_intent` and `order_entry` wait for it: nothing of them is lost, and a stalled recorder stops new
    /// orders.
    Gating,
}

/// The table.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecorderConfig {
    /// Tap or gating.
    pub mode: Mode,
    /// Bytes after which a capture file is rotated.
    pub segment_bytes: u64,
}

impl Default for RecorderConfig {
    fn default() -> Self {
        Self { mode: Mode::Tap, segment_bytes: 64 << 20 }
    }
}
