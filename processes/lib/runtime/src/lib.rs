//! The shell kit: what a Tickway process needs from Linux around its pure machine.
//!
//! Configuration, instance paths, mapped regions, the clock, cores, waiting, the run loop, signals, the counting
//! allocator, sockets, files and children. Linux on x86-64 only. It never holds trading logic, and nothing in it decides
//! what an order is worth.
// The one room for memory maps, the allocator and system calls; `shm-layout/src/ring` is the only other.
#![allow(unsafe_code)]

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
compile_error!("Tickway runs on Linux on x86-64");

pub mod affinity;
pub mod alloc;
pub mod anchor;
mod arena;
pub mod bus_error;
pub mod child;
pub mod clock;
pub mod code;
pub mod config;
pub mod control_page;
pub mod duty_cycle;
pub mod error;
pub mod failpoint;
pub mod hash;
pub mod heartbeat;
pub mod huge_pages;
pub mod inputs;
pub mod instance;
pub mod kill_file;
pub mod log;
pub mod mmap;
pub mod placement;
pub mod ports;
pub mod process;
pub mod references;
pub mod scheduler;
pub mod signal;
pub mod socket;
pub mod store;
pub mod turn;
pub mod usage;
pub mod wait;

pub use error::RuntimeError;
