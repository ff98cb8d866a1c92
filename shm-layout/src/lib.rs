//! The contract: only bytes that two Tickway processes agree on.
//!
//! Everything here is fixed layout, little-endian, and drawn byte by byte in this crate's README. The crate knows no
//! clock, file, socket or process: `runtime` maps the memory and hands it over as [`ring::SharedWords`].
//!
//! It never lets a peer's byte become a `bool`, an enum or a reference: integers are copied out, checked, then
//! constructed.

pub mod failpoint;
pub mod image;
pub mod message;
pub mod ring;
pub mod topology;
pub mod types;

// The pages: safe code on `ring::sync`'s shared words.
mod ascii;
pub mod clock_anchor;
pub mod control_page;
pub mod counters;
pub mod kill_page;
pub mod layout;
pub mod region;
pub mod stamped;
pub mod status;
