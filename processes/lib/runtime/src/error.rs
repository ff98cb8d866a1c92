//! What a system call or a file refused, with what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// An operating fault: one line that says what was tried, where, why it failed and what to do.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// A call on a file or directory failed.
    #[error("{}: cannot {action}: {source}; {cure}", path.display())]
    File {
        /// What was tried: `create`, `map`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The kernel's word.
        source: io::Error,
        /// What to do.
        cure: String,
    },
    /// A system call that concerns no file failed.
    #[error("cannot {action}: {source}; {cure}")]
    System {
        /// What was tried.
        action: String,
        /// The kernel's word.
        source: io::Error,
        /// What to do.
        cure: String,
    },
    /// The request itself is refused, before any system call.
    #[error("{what}; {cure}")]
    Refused {
        /// What is wrong.
        what: String,
        /// What to do.
        cure: String,
    },
}

impl RuntimeError {
    pub(crate) fn file(action: &'static str, path: &Path, source: io::Error) -> Self {
        let cure = cure_of(&source).to_owned();
        Self::File { action, path: path.to_owned(), source, cure }
    }

    pub(crate) fn system(action: impl Into<String>, source: io::Error, cure: impl Into<String>) -> Self {
        Self::System { action: action.into(), source, cure: cure.into() }
    }

    pub(crate) fn refused(what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self::Refused { what: what.into(), cure: cure.into() }
    }
}

/// The way out of the faults that a path can have.
fn cure_of(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::ENOSPC) => "free space there, or name another directory in [paths] of the host file",
        Some(libc::EROFS) => "the filesystem is read-only: name another directory in [paths] of the host file",
        Some(libc::EACCES | libc::EPERM) => "run as the instance's user, or correct the file's mode",
        Some(libc::ENOENT) => "start the instance first, or correct the path",
        Some(libc::EMFILE | libc::ENFILE) => "raise the limit on open files (ulimit -n)",
        Some(libc::ENOMEM) => "free memory, or make the rings smaller",
        Some(libc::EEXIST) => "stop the process that uses it, or remove it when none does",
        Some(libc::ENOTDIR) => "a part of the path is a file: name another directory in [paths] of the host file",
        Some(libc::EFBIG) => "raise the limit on the size of files (ulimit -f)",
        _ => "see the kernel's log (dmesg)",
    }
}
