//! What a neighbour that dies or lies can do to the others: the fuzz targets' bodies, the mutator that scribbles over
//! shared memory, and the readers that it must not bring down.
//!
//! It never stores into a map: a mutator writes through the file, whose page cache is the shared memory, so this crate
//! needs no `unsafe` to be as hostile as a process can be.
#![forbid(unsafe_code)]

pub mod append;
pub mod bytes;
pub mod death;
pub mod host;
pub mod image;
pub mod publish;
pub mod reader;
pub mod scribble;
pub mod target;
pub mod writer;
