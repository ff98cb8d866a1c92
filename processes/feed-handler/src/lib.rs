//! The feed handler: MoldUDP64 datagrams of one venue channel in, the `market_data` ring and the market image out.
//!
//! ```text
//! line A, line B, replies ─▶ Channel ── in order, each sequence once ──▶ Market ─▶ market_data, image
//!                            session, sequence, gap, request           directory, books, status, faults
//!                               └─ HoldWindow: datagrams ahead of a gap
//! ```
//!
//! It tells the truth about what it does not know: a gap turns the channel `GapFill` in the same step in which it is
//! seen, and an inconsistency without a gap makes the instrument `Untrusted` until the next session.
//!
//! It never guesses a missing message, never publishes a sequence twice, never delivers out of order, never rounds a
//! price, and never lets a datagram that is malformed change anything but a counter.
#![forbid(unsafe_code)]

mod channel;
pub mod config;
pub mod counters;
pub mod datagram;
mod hold;
pub mod machine;
mod market;
mod requests;
pub mod shell;

pub use config::Config;
pub use counters::Counters;
pub use datagram::{DATAGRAM_MAX, Datagram, Line};
pub use machine::{FeedHandler, Input, Output};
pub use shell::Shell;
