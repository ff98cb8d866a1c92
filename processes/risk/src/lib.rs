//! Risk: approves or refuses every order request before it may reach a venue, and holds what the venue may hold.
//!
//! The pure core is [`machine::Risk`]; [`shell::RiskShell`] is what surrounds it in a process. The machine takes intents,
//! executions, control messages, references and the kill word, and emits one [`machine::Output::Entry`] per request:
//! approved with its token, or refused with the reason. A refused request travels on and returns as an ExecutionReport, so
//! that everyone sees one ordered stream.
//!
//! It never blocks a cancel for a limit, never takes a missing limit or reference for permission, never releases a
//! reservation without the venue's terminal evidence, and never reads a clock.
#![forbid(unsafe_code)]

pub mod config;
pub mod counters;
pub mod divisor;
pub mod exposure;
pub mod limits;
pub mod machine;
pub mod market;
pub mod naive;
pub mod reservations;
mod row;
pub mod shell;
pub mod throttle;
