//! The supervisor: creates the regions of an instance, starts its processes, watches and restarts them, and takes the
//! operator's commands.
//!
//! It never blocks on another process: a stuck child must not stop the kill switch. It never repairs what a living
//! process may write, and never sends an order.
#![forbid(unsafe_code)]

pub mod config;
pub mod epochs;
pub mod handle;
pub mod launch;
pub mod machine;
pub mod rebuild;
pub mod regions;
pub mod shell;
pub mod socket;
pub mod strays;
pub mod watch;
