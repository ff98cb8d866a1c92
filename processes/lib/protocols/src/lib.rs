//! Bytes ⇄ fields, and session machines, for the venue protocols this project speaks.
//!
//! | module | protocol | direction |
//! | --- | --- | --- |
//! | [`itch`] | Nasdaq TotalView-ITCH 5.0 and its BinaryFILE framing | read and written |
//! | [`moldudp64`] | MoldUDP64 downstream and request packets | read and written |
//! | [`soupbintcp`] | SoupBinTCP 3.0 frames and both sides of its session | read and written |
//! | [`ouch`] | Nasdaq OUCH 5.0 | read and written |
//!
//! Every codec has one shape: a table of field offsets, a view made by `new_checked` whose getters cannot panic, and
//! a `Repr` of plain values that `encode_into` writes. The venue simulator writes what the feed handler and the
//! gateway read, with the same tables.
//!
//! This crate never opens a socket or a file, never reads a clock and never allocates while decoding, encoding or
//! advancing a session. It depends on none of the project's other crates, and it holds no gap or order logic: that
//! belongs to the feed handler and to the gateway. Prices and quantities stay in the wire's own integers here.
#![forbid(unsafe_code)]

#[macro_use]
mod codec;
mod alpha;
pub mod itch;
pub mod moldudp64;
pub mod ouch;
pub mod soupbintcp;

pub use alpha::Alpha;
pub use codec::{Malformed, Unencodable, Wire};
