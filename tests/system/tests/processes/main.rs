//! The real processes, through the operator's command. One binary, so that its tests can take turns.
#![forbid(unsafe_code)]

mod adoption;
mod bad_input;
mod deaths;
mod demo;
mod failpoints;
mod gateway_deaths;
mod journal;
mod kill_strict;
mod kills;
mod market;
mod refusals;
mod report;
mod torn_image;
