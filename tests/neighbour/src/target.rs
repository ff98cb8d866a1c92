//! The fuzz targets: each takes arbitrary bytes as what it reads, and panics where a promise is broken.
//!
//! They are plain functions, so that the fuzzer (`tests/fuzz`) and the ordinary tests, which replay its corpus, call the
//! very same ones. A target never returns a verdict: it asserts.

pub mod capture;
pub mod config;
pub mod index;
pub mod journal;
pub mod line;
pub mod machine;
pub mod message;
pub mod page;
pub mod protocol;
pub mod ring;

/// A target's body.
pub type Body = fn(&[u8]);

/// Every target by name: the name of its binary and of its corpus folder.
pub const TARGETS: &[(&str, Body)] = &[
    ("itch", protocol::itch),
    ("moldudp64", protocol::moldudp64),
    ("soupbintcp_client", protocol::soupbintcp_client),
    ("soupbintcp_server", protocol::soupbintcp_server),
    ("ouch_inbound", protocol::ouch_inbound),
    ("ouch_outbound", protocol::ouch_outbound),
    ("message", message::any),
    ("ring_reader", ring::reader),
    ("ring_successor", ring::successor),
    ("journal_reader", journal::reader),
    ("journal_tail", journal::tail),
    ("snapshot", journal::snapshot),
    ("capture", capture::reader),
    ("capture_index", index::reader),
    ("image", page::image),
    ("region", page::region),
    ("status", page::status),
    ("control_page", page::control),
    ("kill_page", page::kill),
    ("config", config::loader),
    ("supervisor_command", line::command),
    ("epochs", line::epochs),
    ("fused_stage", line::stage),
    ("feed_machine", machine::feed),
    ("strategy_machine", machine::strategy),
    ("risk_machine", machine::risk),
    ("gateway_machine", machine::gateway),
];

/// The body of a target; `None` when there is none of that name.
#[must_use]
pub fn body(name: &str) -> Option<Body> {
    TARGETS.iter().find(|(target, _)| *target == name).map(|(_, body)| *body)
}
