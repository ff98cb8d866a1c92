//! The latency harness: what is measured, beside which limit, and how sure one may be.
//!
//! ```text
//! coordinator ── starts, per trial, one process per role, each pinned to its core
//!    sender ═ lane ═▶ receiver      anchor ─ jitter floor ─ warm-up ─ measurement ─ anchor, all in the same processes
//! ```
//! A *trial* is one start of the processes. A measurement is at least five trials, each shown; a trial whose two anchors
//! disagree, which did not get its cores, or whose work checksum is wrong is discarded and counted.
//!
//! Nothing here is linked into a product process. The harness never subtracts anything from a latency, never prints a
//! percentile with fewer than ten samples above it, and never averages over placements of the cores.
#![forbid(unsafe_code)]

pub mod anchor;
pub mod child;
pub mod command;
pub mod cpu;
pub mod error;
pub mod figures;
pub mod fingerprint;
pub mod goal;
pub mod host;
pub mod html;
pub mod jitter;
pub mod lane;
pub mod logs;
pub mod meeting;
pub mod micro;
pub mod operations;
pub mod outputs;
pub mod peers;
pub mod plot;
pub mod recorder;
pub mod report;
pub mod role;
pub mod schedule;
mod scratch;
pub mod self_test;
pub mod suite;
pub mod switch;
pub mod text;
pub mod timeline;
pub mod trial;
mod troupe;
pub mod work;

pub use error::BenchError;
