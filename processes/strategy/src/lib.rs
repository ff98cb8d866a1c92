//! Strategy: decides what to trade. The pure core, and in [`shell`] what surrounds it in a process.
//!
//! [`machine::StrategyMachine`] keeps books, orders and positions, and asks one [`registry::Strategy`] what it wants; the
//! machine alone turns a want into new orders, cancels and replaces, so that a strategy cannot forget an order.
//!
//! It comes up disarmed. It never trades on a book that is not trusted, never sends a ClOrdID twice, never assumes the
//! fate of an order that nothing was heard of, and never reads a clock.
#![forbid(unsafe_code)]

pub mod book;
pub mod config;
pub mod machine;
pub mod mean_reversion;
pub mod registry;
pub mod shell;
pub mod window;
pub mod working;
