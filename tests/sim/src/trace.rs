//! The trace of a run: one running hash over every output of every process, in order. Two runs of a seed are the same run
//! exactly when their traces are equal.

use shm_layout::types::{Nanos, fnv1a64, fnv1a64_more};
use std::fmt::{Debug, Write};

/// A running hash of outputs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trace {
    hash: u64,
    outputs: u64,
}

impl Default for Trace {
    fn default() -> Self {
        Self { hash: fnv1a64(b"trace"), outputs: 0 }
    }
}

impl Write for Trace {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.hash = fnv1a64_more(self.hash, text.as_bytes());
        Ok(())
    }
}

impl Trace {
    /// Takes one output of a process.
    pub fn output(&mut self, now: Nanos, process: &str, output: &impl Debug) {
        self.outputs += 1;
        write!(self, "{}{process}{output:?}", now.0).expect("hashing does not fail");
    }

    /// Takes bytes.
    pub fn bytes(&mut self, now: Nanos, process: &str, bytes: &[u8]) {
        self.outputs += 1;
        self.hash = fnv1a64_more(self.hash, &now.0.to_le_bytes());
        self.hash = fnv1a64_more(fnv1a64_more(self.hash, process.as_bytes()), bytes);
    }

    /// The hash so far.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// Outputs so far.
    #[must_use]
    pub const fn outputs(&self) -> u64 {
        self.outputs
    }
}
