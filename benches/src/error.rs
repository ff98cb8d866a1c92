//! Why a bench could not be run: what, and the way out.

use runtime::RuntimeError;
use std::fmt;

/// One line: what failed, where, and what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BenchError(String);

impl BenchError {
    /// What is wrong and what to do about it.
    #[must_use]
    pub fn new(what: impl fmt::Display, cure: impl fmt::Display) -> Self {
        Self(format!("{what}; {cure}"))
    }

    /// A failed call on a file.
    #[must_use]
    pub fn file(action: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::new(
            format!("{}: cannot {action}: {error}", path.display()),
            "correct the path or its rights, or free space",
        )
    }
}

impl fmt::Display for BenchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BenchError {}

impl From<RuntimeError> for BenchError {
    fn from(error: RuntimeError) -> Self {
        Self(error.to_string())
    }
}

impl From<shm_layout::ring::RingError> for BenchError {
    fn from(error: shm_layout::ring::RingError) -> Self {
        Self(error.to_string())
    }
}
