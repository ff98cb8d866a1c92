//! x
#![forbid(unsafe_code)]
pub mod agents;
pub mod dice;
pub mod fault;
pub mod instrument;
pub mod itch_file;
pub mod itch_out;
pub mod market;
pub mod matching;
pub mod mold;
pub mod seeded_market;
