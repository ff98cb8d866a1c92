//! A bench for tests of the real processes: each test has an instance of its own, starts it by the `tickway` command, harms
//! it, and reads what the command then says.
//!
//! It looks from outside only: exit codes, standard output and error, `tickway … --json`, files and `/proc`. It never opens
//! a region, and never signals a process that is not of its own instance. When it goes, whatever the test left goes too.
#![forbid(unsafe_code)]

mod bench;
mod left;
mod run;
mod venue;

pub use bench::Bench;
pub use left::{Left, processes_naming};
pub use run::{Run, Running};
pub use venue::Venue;
