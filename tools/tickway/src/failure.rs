//! Why a command could not do its work: one line, and an exit code of sysexits.

use runtime::RuntimeError;
use runtime::config::ConfigError;
use std::fmt;
use std::io;
use std::path::Path;

/// Wrong arguments, as the reader of arguments itself exits.
pub const USAGE: u8 = 2;
/// EX_DATAERR: the input is not what it should be.
pub const DATA_ERROR: u8 = 65;
/// EX_NOINPUT: a file is missing or not readable.
pub const NO_INPUT: u8 = 66;
/// EX_UNAVAILABLE: an instance, process or service is not there.
pub const UNAVAILABLE: u8 = 69;
/// EX_SOFTWARE: a defect of this build.
pub const SOFTWARE: u8 = 70;
/// EX_OSERR: the system refused a call.
pub const OS_ERROR: u8 = 71;
/// EX_IOERR: reading or writing failed.
pub const IO_ERROR: u8 = 74;
/// EX_NOPERM: not this user's to do.
pub const NO_PERMISSION: u8 = 77;
/// EX_CONFIG: the host file is not sound.
pub const CONFIG: u8 = 78;
/// Ended by SIGINT or SIGTERM before its work was done, as a shell says it: 128 + 2.
pub const INTERRUPTED: u8 = 130;

/// What a command found: exit code 0 or 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Finding {
    /// All is as it should be.
    Good,
    /// The command did its work and found something wrong.
    Negative,
}

/// What a command comes to.
pub type Outcome = Result<Finding, Failure>;

/// A command that could not do its work.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Exit code.
    pub code: u8,
    /// One line: what, where, and the way out. Empty when there is nobody left to tell (a closed pipe).
    pub message: String,
}

impl Failure {
    /// A failure with the parts of its line: what is wrong and what to do.
    #[must_use]
    pub fn new(code: u8, what: impl fmt::Display, cure: impl fmt::Display) -> Self {
        Self { code, message: format!("{what}; {cure}") }
    }

    /// A failed call on a file.
    #[must_use]
    pub fn file(action: &str, path: &Path, error: &io::Error) -> Self {
        let (code, cure) = match error.kind() {
            io::ErrorKind::NotFound => (NO_INPUT, "correct the path"),
            io::ErrorKind::PermissionDenied => (NO_PERMISSION, "run as the file's user, or correct its mode"),
            io::ErrorKind::StorageFull => (IO_ERROR, "free space there, or name another directory"),
            _ => (IO_ERROR, "see the log of the kernel"),
        };
        Self::new(code, format!("{}: cannot {action}: {error}", path.display()), cure)
    }

    /// A command with an end that a signal ended before: what it told is not all.
    #[must_use]
    pub fn interrupted(what: impl fmt::Display, cure: impl fmt::Display) -> Self {
        Self::new(INTERRUPTED, format!("interrupted {what}"), cure)
    }

    /// The reader of standard output went away: not worth a word.
    #[must_use]
    pub const fn closed_pipe() -> Self {
        Self { code: 0, message: String::new() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<RuntimeError> for Failure {
    fn from(error: RuntimeError) -> Self {
        let code = match &error {
            RuntimeError::File { source, .. } if source.kind() == io::ErrorKind::NotFound => NO_INPUT,
            RuntimeError::File { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => NO_PERMISSION,
            RuntimeError::File { .. } => IO_ERROR,
            RuntimeError::System { .. } => OS_ERROR,
            RuntimeError::Refused { .. } => UNAVAILABLE,
        };
        Self { code, message: error.to_string() }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self { code: CONFIG, message: error.to_string() }
    }
}
