//! The demo's host file: its own or the caller's, with the venue's addresses and the market's instruments filled in.

use super::Arguments;
use super::market::Market;
use crate::config;
use crate::failure::{CONFIG, Failure, USAGE};
use crate::place::load_host;
use runtime::config::{HostFile, InstanceName};
use serde_json::Value;
use std::path::{Path, PathBuf};
use toml::Table;
use toml::Value as Toml;

/// The host file of a demo without `--host`.
const OWN: &str = include_str!("../../../../tuning/demo.toml");
/// What it is called in errors.
const OWN_NAME: &str = "tuning/demo.toml";

/// The host file before anything is filled in.
#[derive(Clone, Debug)]
pub struct Base {
    /// What it is called.
    pub name: String,
    /// Its tables.
    pub table: Table,
    /// It, read.
    pub file: HostFile,
}

impl Base {
    /// Reads the demo's own host file, or `--host`, with `--instance` and `--data` in force.
    ///
    /// # Errors
    /// When it is not sound, or has not exactly one venue.
    pub fn load(arguments: &Arguments) -> Result<Self, Failure> {
        let (name, text) = match &arguments.host {
            None => (OWN_NAME.to_owned(), OWN.to_owned()),
            Some(path) => {
                load_host(path)?;
                let text = std::fs::read_to_string(path).map_err(|error| Failure::file("read", path, &error))?;
                (path.display().to_string(), text)
            }
        };
        let given = HostFile::parse(&name, &text)?;
        // Before anything is made or started, and with the lines of the file as it was written.
        config::check(&given)?;
        config::check_interfaces(&given)?;
        if given.venues().len() != 1 {
            let what = format!("{} venues are declared", given.venues().len());
            return Err(given.error_at("venues", what, "the demo simulates one: declare one [[venues]]").into());
        }
        let mut table: Table = text.parse().expect("the text was parsed before");
        if let Some(instance) = &arguments.instance {
            if InstanceName::new(instance).is_none() {
                let cure = "use 1 to 32 of a-z, 0-9 and -, a letter first";
                return Err(Failure::new(USAGE, format!("--instance {instance:?} is not an instance name"), cure));
            }
            set(&mut table, "host", "instance", instance.clone().into());
        }
        // Whatever the file says of its venue: the demo puts the simulated one in its place.
        if let Some(venue) = table.get_mut("venues").and_then(Toml::as_array_mut).and_then(|venues| venues.first_mut())
        {
            venue.as_table_mut().expect("a venue is a table").insert("simulated".to_owned(), true.into());
        }
        if let Some(placement) = &arguments.placement {
            set(&mut table, "host", "placement", placement.to_string().into());
        }
        if let Some(data) = &arguments.data {
            let data = std::path::absolute(data).map_err(|error| Failure::file("find", data, &error))?;
            set(&mut table, "paths", "data", data.display().to_string().into());
        }
        let file = HostFile::parse(&name, &toml::to_string(&table).expect("a table that was read can be written"))?;
        Ok(Self { name, table, file })
    }

    /// The effective host file.
    ///
    /// # Errors
    /// When what was filled in makes no sound file.
    pub fn fill_in(&self, listening: &Value, market: &Market) -> Result<HostFile, Failure> {
        let mut table = self.table.clone();
        fill_in_venue(&mut table, listening)?;
        let symbols: Vec<&str> = market.rows.iter().map(|row| row.symbol.as_str()).collect();
        let own: Vec<&str> = self.file.instruments().rows().iter().map(|row| row.symbol.as_str()).collect();
        // A caller's host file that fits the market is left as it is.
        if !own.iter().all(|symbol| symbols.contains(symbol)) {
            fill_in_market(&mut table, market);
        }
        let text = toml::to_string(&table).expect("a table that was read can be written");
        let file = HostFile::parse(&format!("{} (filled in)", self.name), &text)?;
        config::check(&file)?;
        Ok(file)
    }
}

fn set(table: &mut Table, name: &str, key: &str, value: Toml) {
    let inner = table.entry(name.to_owned()).or_insert_with(|| Toml::Table(Table::new()));
    if let Some(inner) = inner.as_table_mut() {
        inner.insert(key.to_owned(), value);
    }
}

fn fill_in_venue(table: &mut Table, listening: &Value) -> Result<(), Failure> {
    let lacks = |key: &str| {
        Failure::new(CONFIG, format!("the venue's first line has no {key}"), "use one build for tool and venue")
    };
    let text = |key: &str| listening[key].as_str().ok_or_else(|| lacks(key)).map(|text| Toml::String(text.to_owned()));
    let port = listening["group_port"].as_i64().ok_or_else(|| lacks("group_port"))?;
    let venue = table.get_mut("venues").and_then(Toml::as_array_mut).and_then(|venues| venues.first_mut());
    let venue = venue.and_then(Toml::as_table_mut).expect("the base has one venue");
    venue.insert("group".to_owned(), text("group")?);
    venue.insert("group_port".to_owned(), port.into());
    venue.insert("request_address".to_owned(), text("request_addr")?);
    venue.insert("order_entry_address".to_owned(), text("order_addr")?);
    Ok(())
}

/// Instruments, what the strategies trade, limits, and books that hold the whole market.
fn fill_in_market(table: &mut Table, market: &Market) {
    let row = |row: &super::market::Row| {
        let pairs = [
            ("symbol", row.symbol.as_str()),
            ("tick_size", &row.tick_size),
            ("lot_size", "1"),
            ("price_max", &row.price_max),
            ("order_qty_max", "999999"),
        ];
        Toml::Table(pairs.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect())
    };
    table.insert("instruments".to_owned(), Toml::Array(market.rows.iter().map(row).collect()));
    let symbols: Vec<Toml> = market.rows.iter().map(|row| row.symbol.as_str().into()).collect();
    for strategy in table.get_mut("strategy").and_then(Toml::as_array_mut).into_iter().flatten() {
        if let Some(strategy) = strategy.as_table_mut() {
            strategy.insert("instruments".to_owned(), symbols.clone().into());
        }
    }
    let known = |limit: &Toml| {
        let symbol = limit.get("symbol").and_then(Toml::as_str);
        symbol.is_some_and(|symbol| symbol == "*" || market.rows.iter().any(|row| row.symbol == symbol))
    };
    if let Some(limits) = table.get_mut("risk").and_then(|risk| risk.get_mut("limits")).and_then(Toml::as_array_mut) {
        limits.retain(known);
    }
    if let Some(messages) = market.messages {
        let orders = messages.clamp(1 << 18, 1 << 21).next_power_of_two();
        set(table, "feed-handler", "order_capacity", Toml::Integer(orders.min(1 << 21) as i64));
    }
}

/// Writes the effective host file, and for a file's market what its scan made: each on a path of its own, returned.
///
/// # Errors
/// When a file cannot be written.
pub fn write(file: &HostFile, market: &Market, data: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut paths = vec![data.join("demo.toml")];
    let put =
        |path: &Path, text: &str| std::fs::write(path, text).map_err(|error| Failure::file("write", path, &error));
    put(&paths[0], file.echo())?;
    if market.messages.is_some() {
        let whole: Table = file.echo().parse().expect("the echo is TOML");
        for (name, of) in [("instruments.toml", "instruments"), ("limits.toml", "risk")] {
            let part: Table = whole.iter().filter(|(key, _)| *key == of).map(|(k, v)| (k.clone(), v.clone())).collect();
            let path = data.join(name);
            put(&path, &toml::to_string(&part).expect("a part of TOML is TOML"))?;
            paths.push(path);
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests;
