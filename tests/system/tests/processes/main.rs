//! The real processes, through the operator's command. One binary, so that its tests can take turns.
#![forbid(unsafe_code)]

mod deaths;
mod demo;
mod failpoints;
mod journal;
mod kills;
mod market;
mod refusals;
mod report;
