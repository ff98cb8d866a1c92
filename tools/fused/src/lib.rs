//! Several stages in one process and one duty cycle, for laptops and benches: a hop between two of them costs no other
//! core's cache line and no other process's turn.
//!
//! Each stage is the shell that its own process would run, attached to its own regions under its own epoch. The supervisor
//! gives the stages one by one, on standard input, as it would start processes. It never hosts a stage of a real venue
//! (the host file refuses that), never starts a stage twice, and never outlives a stage that failed.
#![forbid(unsafe_code)]

mod host;
mod line;
mod stage;

pub use host::{Arguments, Host};
pub use line::{BadLine, parse};
pub use stage::Stage;
