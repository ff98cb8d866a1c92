//! The whole system on one thread, in virtual time, from a seed.
//!
//! ```text
//!  Exchange ── two lossy lines ──▶ Feed ══market_data══▶ Trader ══order_intent══▶ Desk ══order_entry══▶ Session
//!     ▲                             └─ image ─────────────▲────────────────────────▲                      │ │
//!     └────────────── a stream that is split, delayed and cut ◀──────── execution ═╧══════════════════════╛ ▼
//!                                                                                                        Archive
//! ```
//!
//! The machines are the product's own, and so are rings, image, journal and restart protocol; venue and network are
//! simulated. Every process can be killed between any two steps, or between any two outputs of one step, and comes back
//! as the architecture document says. A [`checker::Checker`] watches the invariants from outside after every event.
//!
//! It never reads a clock, a file or a socket, and never sleeps: one seed is one run, to the byte.
#![forbid(unsafe_code)]

pub mod archive;
pub mod bus;
pub mod checker;
pub mod desk;
pub mod dice;
pub mod env;
pub mod exchange;
pub mod feed;
pub mod net;
mod rest;
mod restore;
pub mod scenario;
pub mod session;
pub mod settings;
pub mod supervisor;
pub mod taps;
pub mod trace;
pub mod trader;
pub mod world;

pub use scenario::{Fault, Scenario};
pub use world::{Outcome, World, run};
