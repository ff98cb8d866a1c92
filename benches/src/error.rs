//! Why a bench could not be run: what, and the way out.

use runtime::RuntimeError;
use std::fmt;
use std::io;

/// Whose fault it is: what an exit code tells apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The arguments'.
    Usage,
    /// A file's.
    File(io::ErrorKind),
    /// The machine's or the bench's own.
    Other,
}

/// One line: what failed, where, and what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BenchError {
    line: String,
    fault: Fault,
}

impl BenchError {
    /// What is wrong and what to do about it.
    #[must_use]
    pub fn new(what: impl fmt::Display, cure: impl fmt::Display) -> Self {
        Self { line: format!("{what}; {cure}"), fault: Fault::Other }
    }

    /// Arguments that cannot be.
    #[must_use]
    pub fn usage(what: impl fmt::Display, cure: impl fmt::Display) -> Self {
        Self { fault: Fault::Usage, ..Self::new(what, cure) }
    }

    /// A failed call on a file.
    #[must_use]
    pub fn file(action: &str, path: &std::path::Path, error: &io::Error) -> Self {
        let what = format!("{}: cannot {action}: {error}", path.display());
        Self { fault: Fault::File(error.kind()), ..Self::new(what, "correct the path or its rights, or free space") }
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        self.fault
    }
}

impl fmt::Display for BenchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl std::error::Error for BenchError {}

impl From<RuntimeError> for BenchError {
    fn from(error: RuntimeError) -> Self {
        let fault = match &error {
            RuntimeError::File { source, .. } => Fault::File(source.kind()),
            _ => Fault::Other,
        };
        Self { line: error.to_string(), fault }
    }
}

impl From<shm_layout::ring::RingError> for BenchError {
    fn from(error: shm_layout::ring::RingError) -> Self {
        Self { line: error.to_string(), fault: Fault::Other }
    }
}
