//! A simulated venue: order-by-order market data over MoldUDP64 and ITCH 5.0, order entry over SoupBinTCP and OUCH 5.0.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`venue`], [`order_entry`] | the pure machine: time and bytes in, bytes out |
//! | [`matching`], [`seeded_market`], [`agents`] | the market that a seed makes |
//! | [`itch_market`], [`itch_file`] | the market of an ITCH file |
//! | [`ouch_session`] | logins, the stored stream and its replay |
//! | [`account`] | the venue's own account of orders, fills and positions |
//! | [`mold`], [`fault`] | the sequenced feed as datagrams, and faults on request |
//! | [`shell`], [`pace`], [`report`] | sockets, the clock's side of a file, JSON lines |
//!
//! The venue is the other side of every test, so it shares no code with what it judges: of Tickway's crates it uses
//! only `protocols` and the number types. The machine never reads a clock, a file or a socket; it is deterministic,
//! and an operator's mistake or a client's bytes never stop it.
#![forbid(unsafe_code)]

pub mod account;
pub mod agents;
pub mod dice;
pub mod fault;
pub mod instrument;
pub mod itch_file;
pub mod itch_market;
pub mod itch_out;
pub mod market;
pub mod matching;
pub mod mold;
pub mod order_entry;
pub mod ouch_session;
pub mod pace;
pub mod report;
pub mod seeded_market;
pub mod shell;
pub mod venue;
pub mod venue_market;
