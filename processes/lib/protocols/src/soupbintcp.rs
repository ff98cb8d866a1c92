//! SoupBinTCP 3.0: frames, packets and both sides of a session over TCP.
//!
//! ```text
//! frame   | length/2 (excludes itself, includes the type) | type/1 | payload/length-1 |
//!
//! server  A login accepted   J login rejected   S sequenced data   H heartbeat   Z end of session
//! client  L login request    U unsequenced data   R heartbeat   O logout
//! either  + debug text
//! ```
//!
//! The sequence is implicit: `S` packets are counted from the value in `A`. What the server sends sequenced can be
//! asked for again at the next login; **what the client sends can be lost**, and only the application's own replies
//! tell. A login asks for a session (blank: the current one) and a sequence (0: only what is new).
//!
//! The sessions here are values advanced by frames and by `now_ns`, in nanoseconds of any clock that doesn't go
//! back. They never open a connection, never read a clock, never store a message for resending, and allocate only
//! when a buffer is made.

mod buffer;
pub mod client;
mod liveness;
mod packet;
pub mod server;

pub use buffer::{FrameBuffer, SendBuffer, Unsent};
pub use liveness::Timing;
pub use packet::*;
