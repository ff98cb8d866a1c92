//! The host file: one TOML per host, unknown keys refused, echoed at start.
//!
//! This module owns the file, its spans and the tables `[host]`, `[paths]`, `[rings]`, `[[instruments]]`, `[[venues]]`
//! and `[failpoint]`; each process's crate owns its own table and reads it with [`HostFile::table`]. Every error is one
//! line, `file:line: key: what is wrong; what to do`. It never reads an environment variable.

mod error;
mod failpoint;
mod host;
mod instrument;
mod span;
#[cfg(test)]
mod tests;
mod value;
mod venue;

pub use error::ConfigError;
pub use failpoint::{FailpointAction, FailpointArm, Failpoints};
pub use host::{CoreSpec, Host, INSTANCE_NAME_MAX, InstanceName, Paths, Rings, WaitSpec};
pub use instrument::{INSTRUMENTS_MAX, Instrument, InstrumentTable, SYMBOL_MAX};
pub use value::{DecimalPrice, DecimalQty, SLOTS_MAX, SLOTS_MIN, Slots, Within};
pub use venue::Venue;

use crate::hash::fnv1a64;
use crate::placement::Placement;
use instrument::InstrumentText;
use serde::de::{DeserializeOwned, IntoDeserializer};
use shm_layout::topology::Counts;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// Tables that this module owns.
pub const OWN_TABLES: [&str; 6] = ["host", "paths", "rings", "instruments", "venues", "failpoint"];
/// Most processes of one role: an index is a byte of ring ids and status names.
const INDEX_COUNT_MAX: usize = 64;

/// A host file that was read and whose own tables are sound.
#[derive(Clone, Debug)]
pub struct HostFile {
    file: String,
    text: String,
    host: Host,
    paths: Paths,
    rings: Rings,
    instruments: InstrumentTable,
    venues: Vec<Venue>,
    failpoints: Failpoints,
    strategy_count: u8,
    echo: String,
}

impl HostFile {
    /// Reads and checks a host file.
    ///
    /// # Errors
    /// When it cannot be read, is not TOML, or one of the tables owned here is not sound.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            ConfigError::whole_file(&file, format!("cannot be read: {error}"), "name a readable host file")
        })?;
        Self::parse(&file, &text)
    }

    /// As [`HostFile::load`], from text; `file` only names it in errors.
    ///
    /// # Errors
    /// As [`HostFile::load`].
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        let source = Source { file, text, root: parse_root(file, text)? };
        let host: Host = source.required("host")?;
        let paths: Paths = source.optional("paths")?.unwrap_or_default();
        let rings: Rings = source.optional("rings")?.unwrap_or_default();
        for (key, path) in [("paths.regions", &paths.regions), ("paths.data", &paths.data)] {
            if !path.is_empty() && !Path::new(path).is_absolute() {
                return Err(source.error(key, format!("{path:?} is relative"), "write an absolute path"));
            }
        }
        let rows: Vec<InstrumentText> = source.optional("instruments")?.unwrap_or_default();
        let instruments = InstrumentTable::from_text(&rows).map_err(|fault| {
            let key = match fault.row {
                Some(row) => format!("instruments[{row}].{}", fault.key),
                None => "instruments".to_owned(),
            };
            source.error(&key, fault.what, fault.cure)
        })?;
        let venues = source.venues()?;
        let failpoints: Failpoints = source.optional("failpoint")?.unwrap_or_default();
        if !failpoints.is_empty() && !host.allow_failpoints {
            let cure = "set host.allow_failpoints = true on a test host, or remove the table";
            return Err(source.error("failpoint", "failpoints are not allowed on this host".to_owned(), cure));
        }
        check_placement(&source, &host, &venues, &failpoints)?;
        let strategy_count = source.strategy_count()?;
        let venue_count = venues.len() as u8;
        let counts = Counts { feed_handlers: venue_count, strategies: strategy_count, gateways: venue_count };
        if let Some(what) = crate::ports::wiring::excess(counts, false) {
            return Err(source.error("strategy", what, "declare fewer [[strategy]] or [[venues]] tables"));
        }
        let echo = echo_text(text, &host, &paths, &rings, &failpoints);
        let (file, text) = (file.to_owned(), text.to_owned());
        Ok(Self { file, text, host, paths, rings, instruments, venues, failpoints, strategy_count, echo })
    }

    /// Reads the table `name` into its owner's struct (`deny_unknown_fields` is the owner's to declare).
    ///
    /// # Errors
    /// When the table is missing, or does not fit `T`.
    pub fn table<T: DeserializeOwned>(&self, name: &str) -> Result<T, ConfigError> {
        self.source().required(name)
    }

    /// Reads the array of tables `[[name]]`; empty when there is none.
    ///
    /// # Errors
    /// When an item does not fit `T`.
    pub fn tables<T: DeserializeOwned>(&self, name: &str) -> Result<Vec<T>, ConfigError> {
        Ok(self.source().optional(name)?.unwrap_or_default())
    }

    /// True when the table `name` is in the file.
    #[must_use]
    pub fn has_table(&self, name: &str) -> bool {
        self.source().root.contains_key(name)
    }

    /// An error at `key` (`risk.limits[2].symbol`) for what a table's owner finds wrong; the line is the key's, or that
    /// of its nearest parent in the file.
    #[must_use]
    pub fn error_at(&self, key: &str, what: impl Into<String>, cure: impl Into<String>) -> ConfigError {
        self.source().error(key, what.into(), cure)
    }

    /// Refuses tables that neither this module nor one of `owned` owns.
    ///
    /// # Errors
    /// Names the first table that nobody owns.
    pub fn check_no_unowned(&self, owned: &[&str]) -> Result<(), ConfigError> {
        let source = self.source();
        let is_owned = |name: &str| OWN_TABLES.contains(&name) || owned.contains(&name);
        let unowned = source.root.keys().filter(|key| !is_owned(key.get_ref())).min_by_key(|key| key.span().start);
        match unowned {
            None => Ok(()),
            Some(key) => {
                let known = [&OWN_TABLES[..], owned].concat().join(", ");
                let cure = format!("correct its name or remove it (known: {known})");
                Err(source.error(key.get_ref(), "no process owns this table".to_owned(), cure))
            }
        }
    }

    /// The same file with the value at `key` replaced by `value`, which is TOML text (`31001`, `"127.0.0.1:5000"`). The
    /// demo fills in so where its venue listens.
    ///
    /// # Errors
    /// When the key is not in the file, or the outcome is not sound.
    pub fn with_value(&self, key: &str, value: &str) -> Result<Self, ConfigError> {
        let source = self.source();
        let Some(span) = span::exact_span_of(&source.root, key) else {
            return Err(source.error(key, "not in the file, so it cannot be replaced".to_owned(), "add the key"));
        };
        let text = format!("{}{value}{}", &self.text[..span.start], &self.text[span.end..]);
        Self::parse(&self.file, &text)
    }

    /// The file's name.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// `[host]`.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// `[paths]`.
    #[must_use]
    pub const fn paths(&self) -> &Paths {
        &self.paths
    }

    /// `[rings]`.
    #[must_use]
    pub const fn rings(&self) -> &Rings {
        &self.rings
    }

    /// `[[instruments]]`.
    #[must_use]
    pub const fn instruments(&self) -> &InstrumentTable {
        &self.instruments
    }

    /// `[[venues]]`, by index of their feed handler and gateway.
    #[must_use]
    pub fn venues(&self) -> &[Venue] {
        &self.venues
    }

    /// `[failpoint]`.
    #[must_use]
    pub const fn failpoints(&self) -> &Failpoints {
        &self.failpoints
    }

    /// How many processes of each role: a feed handler and a gateway per venue, a strategy per `[[strategy]]`.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let venues = self.venues.len() as u8;
        Counts { feed_handlers: venues, strategies: self.strategy_count, gateways: venues }
    }

    /// The effective configuration as TOML: every table as it stands, the ones owned here with their defaults filled in,
    /// keys sorted, comments gone. It loads to the same configuration.
    #[must_use]
    pub fn echo(&self) -> &str {
        &self.echo
    }

    /// FNV-1a 64 of [`HostFile::echo`]: it stands in the journal's header, and does not depend on comments or key order.
    #[must_use]
    pub fn config_hash(&self) -> u64 {
        fnv1a64(self.echo.as_bytes())
    }

    fn source(&self) -> Source<'_> {
        let root = parse_root(&self.file, &self.text).expect("the text was parsed before");
        Source { file: &self.file, text: &self.text, root }
    }
}

/// The parsed text with its spans, for as long as tables are read from it.
struct Source<'a> {
    file: &'a str,
    text: &'a str,
    root: DeTable<'a>,
}

fn parse_root<'a>(file: &str, text: &'a str) -> Result<DeTable<'a>, ConfigError> {
    let (root, errors) = DeTable::parse_recoverable(text);
    match errors.first() {
        None => Ok(root.into_inner()),
        Some(error) => Err(from_toml(file, text, root.get_ref(), error)),
    }
}

/// A message of the TOML or serde layer, with the line and key that its span points at.
fn from_toml(file: &str, text: &str, root: &DeTable<'_>, error: &toml::de::Error) -> ConfigError {
    let span = error.span().unwrap_or(0..0);
    let message = error.message().replace('\n', " ");
    ConfigError {
        file: file.to_owned(),
        line: span::line_of(text, span.start),
        key: span::key_at(root, &span).unwrap_or_else(|| span::key_on_line(text, span.start)),
        cure: error::cure_of(&message).to_owned(),
        what: message,
    }
}

impl Source<'_> {
    fn error(&self, key: &str, what: String, cure: impl Into<String>) -> ConfigError {
        let offset = span::span_of(&self.root, key).map_or(0, |span| span.start);
        let (file, line) = (self.file.to_owned(), span::line_of(self.text, offset));
        ConfigError { file, line, key: key.to_owned(), what, cure: cure.into() }
    }

    fn required<T: DeserializeOwned>(&self, name: &str) -> Result<T, ConfigError> {
        let missing = || self.error(name, "the table is missing".to_owned(), format!("add [{name}]"));
        self.optional(name)?.ok_or_else(missing)
    }

    fn optional<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.root.get(name) else { return Ok(None) };
        let read = T::deserialize(value.clone().into_deserializer());
        read.map(Some).map_err(|error| from_toml(self.file, self.text, &self.root, &error))
    }

    fn venues(&self) -> Result<Vec<Venue>, ConfigError> {
        let venues: Vec<Venue> = self.optional("venues")?.unwrap_or_default();
        if venues.len() > INDEX_COUNT_MAX {
            let what = format!("{} venues are over {INDEX_COUNT_MAX}", venues.len());
            return Err(self.error("venues", what, "remove venues"));
        }
        for (index, venue) in venues.iter().enumerate() {
            if let Some((key, what, cure)) = venue::fault(venue) {
                return Err(self.error(&format!("venues[{index}].{key}"), what, cure));
            }
            if let Some(first) = venues[..index].iter().position(|other| other.name == venue.name) {
                let what = format!("{:?} is already venues[{first}]", venue.name);
                return Err(self.error(&format!("venues[{index}].name"), what, "give each venue a name of its own"));
            }
        }
        Ok(venues)
    }

    /// Items of `[[strategy]]`, without reading them: they are the strategy crate's.
    fn strategy_count(&self) -> Result<u8, ConfigError> {
        let count = match self.root.get("strategy").map(|value| value.get_ref()) {
            None => 0,
            Some(DeValue::Array(items)) => items.len(),
            Some(_) => {
                let cure = "write [[strategy]], once per strategy process";
                return Err(self.error("strategy", "one table instead of an array of tables".to_owned(), cure));
            }
        };
        if count > INDEX_COUNT_MAX {
            let what = format!("{count} strategies are over {INDEX_COUNT_MAX}");
            return Err(self.error("strategy", what, "remove strategies"));
        }
        Ok(count as u8)
    }
}

/// Stages share a process only where no order can reach a real venue, and where no failpoint is armed: a failpoint's
/// switch is the process's, and would be every stage's.
fn check_placement(
    source: &Source<'_>,
    host: &Host,
    venues: &[Venue],
    failpoints: &Failpoints,
) -> Result<(), ConfigError> {
    if host.placement == Placement::Processes {
        return Ok(());
    }
    let placement = host.placement;
    if let Some(real) = venues.iter().find(|venue| !venue.simulated) {
        let what = format!("{placement} puts risk and a gateway into one process, and venue {:?} is real", real.name);
        let cure =
            "write placement = \"processes\"; or, if it is the simulated venue, simulated = true in its [[venues]]";
        return Err(source.error("host.placement", what, cure));
    }
    if !failpoints.is_empty() {
        let what = format!("{placement} shares a failpoint's switch between stages");
        return Err(source.error("host.placement", what, "write placement = \"processes\", or remove [failpoint]"));
    }
    Ok(())
}

fn echo_text(text: &str, host: &Host, paths: &Paths, rings: &Rings, failpoints: &Failpoints) -> String {
    let mut table: toml::Table = text.parse().expect("the text was parsed before");
    let mut put = |name: &str, value: Result<toml::Value, toml::ser::Error>| {
        table.insert(name.to_owned(), value.expect("plain values serialize"));
    };
    put("host", toml::Value::try_from(host));
    put("paths", toml::Value::try_from(paths));
    put("rings", toml::Value::try_from(rings));
    put("failpoint", toml::Value::try_from(failpoints));
    toml::to_string(&table).expect("a table that was read can be written")
}
