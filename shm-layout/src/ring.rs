//! The ring: one writer, any number of gating and tap readers, over words that other processes map.
//!
//! All `unsafe` of this crate is in this room.
#![allow(unsafe_code)]

pub mod sync;
