//! Orders: the state machine of one order, the table of all of them, and the fold over `execution` that every process
//! shares.
//!
//! The gateway drives [`Order`] with [`Event`]s and publishes what came of it; strategy, risk, the rebuild and the tools
//! fold those reports into an [`OrdersState`], which is equal to the gateway's by construction and compared by hash.
//!
//! This crate never reads a clock, a file or a socket, never allocates after construction, and never takes silence for
//! an answer: an order in doubt stays [`LiveState::Unknown`] until the venue's evidence comes.
#![forbid(unsafe_code)]

pub mod hash;
pub mod order;
pub mod position;
pub mod report;
pub mod snapshot;
pub mod state;
pub mod table;

pub use order::{Event, Illegal, LiveState, Order, Outcome};
pub use position::Position;
pub use report::Stamps;
pub use snapshot::Snapshot;
pub use state::{Applied, FoldError, OrderView, OrdersState};
pub use table::{Insert, OrderTable, Row};
