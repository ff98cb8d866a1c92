//! A small host file for machines under fuzz: the demo's, with tables small enough to fill and to make anew each time.

use runtime::config::HostFile;
use std::sync::OnceLock;

/// The demo's host file.
pub const DEMO: &str = include_str!("../../../tuning/demo.toml");

/// The host file; parsed once.
///
/// # Panics
/// When the demo's host file no longer has the lines that are made smaller here.
pub fn small() -> &'static HostFile {
    static HOST: OnceLock<HostFile> = OnceLock::new();
    HOST.get_or_init(|| {
        let mut text = DEMO.to_owned();
        for (line, small) in [
            ("hold_datagrams = 1024", "hold_datagrams = 4"),
            ("order_capacity = 262144", "order_capacity = 16"),
            ("level_capacity = 65536", "level_capacity = 8"),
            ("account_id = 1\n", "account_id = 1\norders_max = 8\n"),
            ("channel_stale_ms = 3000", "channel_stale_ms = 3000\norders_max = 8"),
        ] {
            assert!(text.contains(line), "the demo's host file has no `{line}`");
            text = text.replace(line, small);
        }
        HostFile::parse("small.toml", &text).expect("the demo's host file is good")
    })
}
