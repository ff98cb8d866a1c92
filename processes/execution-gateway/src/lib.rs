//! The execution gateway: the sequencer of everything that happens to orders.
//!
//! It never sends what is not journaled, never sends an order twice, and never takes a silence for an answer: what it has
//! no evidence for is `Unknown`, reserved and shown.
#![forbid(unsafe_code)]

mod admission;
mod backlog;
pub mod config;
pub mod counters;
mod doubt;
pub mod effects;
pub mod io;
pub mod machine;
pub mod matches;
mod rehearsal;
mod requests;
pub mod resume;
mod session;
pub mod shell;
mod sweep;
pub mod user_refs;
mod venue;

pub use io::{Input, Output, Received, SendTag, Sending};
pub use machine::Gateway;
pub use resume::Memory;
