//! The order book of one market-data channel: orders by reference (L3) → price levels (L2) → best bid and offer.
//!
//! One [`Book`] holds every instrument of the channel, because an ITCH order reference is unique over the channel and the
//! later messages of an order name it alone. All memory is taken by [`Book::new`]; afterwards the book never allocates,
//! never grows and never panics on what a venue may send: what does not fit, or makes no sense, is an [`Error`], and a
//! book that returned an error is unchanged.
//!
//! ```text
//! reference ──▶ OrderTable (open addressing) ──▶ Levels (pool) ──▶ per instrument and side: best, treap, sorted list
//!               reference, qty, level            rank, qty, orders
//! ```
//!
//! It never matches orders, never trades, never decides whether an instrument may be traded on: a crossed book is
//! reported by [`Book::is_crossed`] and judged by the feed handler. The order of the queue at a level is not kept, since
//! no reader asks for it; a replace loses priority by being a new order.
//!
//! [`naive::NaiveBook`] is the same book in a form that anyone can check by eye; both agree on every random stream.
#![forbid(unsafe_code)]

mod book;
mod change;
mod levels;
pub mod naive;
mod order_table;

pub use book::Book;
pub use change::{Bbo, Capacity, Change, Changes, Error, Level};
