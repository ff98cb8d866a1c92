//! The journal: what the gateway knew, in order, in bytes that survive it. Drawn byte by byte in this crate's README.
//!
//! A [`TailWriter`] appends records to a region of shared memory; a [`Flusher`] moves them to segment files through a
//! [`SegmentStore`]; a [`Journal`] reads both, dead or live; [`recovery`] decides how a segment's end is taken up again;
//! [`rebuild`] folds a journal into an `OrdersState`.
//!
//! This crate never opens or maps a file, never reads a clock, never retries a failed sync, and never skips a bad record
//! to read on.
#![forbid(unsafe_code)]

pub mod flusher;
pub mod frame;
pub mod memory;
pub mod reader;
pub mod rebuild;
pub mod record;
pub mod recovery;
pub mod scan;
pub mod segment;
pub mod store;
pub mod tail;
pub mod verify;
pub mod writer;

pub use flusher::{Flusher, FlusherConfig};
pub use frame::{Bad, Frame};
pub use reader::{End, Entry, Journal, Place};
pub use rebuild::{Rebuilt, Through, rebuild};
pub use record::{Record, RecordType};
pub use recovery::{Plan, Resume};
pub use store::{SegmentStore, StoreError};
pub use tail::{TailSnapshot, TailState};
pub use writer::{AppendError, FAILPOINTS, TailWriter};
