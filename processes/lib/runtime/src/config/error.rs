//! The one shape of a configuration error: `file:line: key: what is wrong; what to do`.

/// A host file that cannot be used. It prints as one line, so that an editor can jump to it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{file}:{line}: {key}: {what}; {cure}")]
pub struct ConfigError {
    /// The host file, as it was named.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Path of the key, such as `rings.market_data` or `instruments[1].symbol`; `(file)` for the file as a whole.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What the reader of the message should do.
    pub cure: String,
}

impl ConfigError {
    /// An error about the file as a whole.
    pub(crate) fn whole_file(file: &str, what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: 1, key: "(file)".to_owned(), what: what.into(), cure: cure.into() }
    }
}

/// What to do about a message of the TOML or serde layer, which only says what is wrong.
pub(crate) fn cure_of(message: &str) -> &'static str {
    let begins = |start: &str| message.starts_with(start);
    if begins("unknown field") {
        "correct the name or remove the key"
    } else if begins("missing field") {
        "add the key"
    } else if begins("invalid type") {
        "write a value of the expected type"
    } else if begins("invalid value") || begins("unknown variant") {
        "write a value in the expected range"
    } else if begins("duplicate key") {
        "keep one of the two"
    } else {
        "correct the line"
    }
}
