//! The recorder: every ring into capture files, every loss an explicit gap.
//!
//! It never gates a writer unless the host file says so, and never changes what it read: the payload words of a ring go
//! to the file as they are.
#![forbid(unsafe_code)]

pub mod capture;
pub mod config;
pub mod machine;
pub mod shell;

pub use shell::Shell;
