//! What a demo trades: the venue's own instruments, or those that a first scan finds in an ITCH file.

use super::venue;
use crate::failure::{DATA_ERROR, Failure};
use serde_json::Value;
use shm_layout::types::Price;
use std::path::Path;

/// Most instruments of an ITCH file that are traded: a strategy takes no more.
pub const INSTRUMENTS_MAX: usize = 32;
/// Highest limit price of OUCH.
const PRICE_MAX: &str = "199999.99";

/// One instrument.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Symbol, without padding.
    pub symbol: String,
    /// Price increment, a decimal string.
    pub tick_size: String,
    /// Highest price, a decimal string.
    pub price_max: String,
}

/// A market.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Market {
    /// What it is, for the report.
    pub source: String,
    /// Its instruments, most active first.
    pub rows: Vec<Row>,
    /// Messages that a file holds.
    pub messages: Option<u64>,
}

fn text(value: &Value) -> Option<&str> {
    value.as_str()
}

impl Market {
    /// The market of a venue's first line.
    ///
    /// # Errors
    /// When it names no instrument.
    pub fn of_listening(listening: &Value, seed: u64) -> Result<Self, Failure> {
        let row = |item: &Value| {
            let (symbol, tick_size) = (text(&item["symbol"])?.to_owned(), text(&item["tick_size"])?.to_owned());
            Some(Row { symbol, tick_size, price_max: "10000".to_owned() })
        };
        let rows: Vec<Row> = listening["instruments"].as_array().into_iter().flatten().filter_map(row).collect();
        if rows.is_empty() {
            return Err(Failure::new(DATA_ERROR, "the venue lists no instrument", "use one build for tool and venue"));
        }
        Ok(Self { source: format!("simulated, seed {seed}"), rows, messages: None })
    }

    /// The market of an ITCH file: its most active symbols that have a price.
    ///
    /// # Errors
    /// When the file cannot be scanned, or prices nothing.
    pub fn of_file(file: &Path, most: usize) -> Result<Self, Failure> {
        let scan = venue::scan(file)?;
        let mut symbols: Vec<&Value> = scan["symbols"].as_array().into_iter().flatten().collect();
        symbols.sort_by_key(|symbol| std::cmp::Reverse(symbol["messages"].as_u64().unwrap_or(0)));
        let rows: Vec<Row> = symbols.into_iter().filter_map(priced).take(most).collect();
        if rows.is_empty() {
            let what = format!("{}: no symbol of the file has a price", file.display());
            return Err(Failure::new(DATA_ERROR, what, "name a file with orders in it"));
        }
        Ok(Self { source: file.display().to_string(), rows, messages: scan["messages"].as_u64() })
    }
}

/// The row of a scanned symbol; `None` when it was never priced or its name cannot stand in a host file.
fn priced(item: &Value) -> Option<Row> {
    let symbol = text(&item["symbol"])?;
    let usable = !symbol.is_empty() && symbol.len() <= 8 && symbol.bytes().all(|byte| byte.is_ascii_graphic());
    let (least, most) = (Price::parse(text(&item["min_price"])?)?, Price::parse(text(&item["max_price"])?)?);
    if !usable || least <= Price::ZERO {
        return None;
    }
    // Stocks under a dollar are quoted in hundredths of a cent (Regulation NMS, rule 612).
    let dollar = Price::parse("1")?;
    let tick = Price::parse(if least < dollar { "0.0001" } else { "0.01" })?;
    let limit = Price::parse(PRICE_MAX)?;
    let twice = Price(most.0.saturating_mul(2).min(limit.0));
    let price_max = Price((twice.0 / tick.0).max(1) * tick.0);
    let tick_size = tick.to_string();
    Some(Row { symbol: symbol.to_owned(), tick_size, price_max: price_max.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_scanned_symbol_gets_a_tick_and_a_price_limit() {
        let row = priced(&json!({ "symbol": "ABC", "min_price": "10.01", "max_price": "12.5" })).unwrap();
        assert_eq!((row.tick_size.as_str(), row.price_max.as_str()), ("0.01", "25"));
        let penny = priced(&json!({ "symbol": "PNY", "min_price": "0.0301", "max_price": "0.4" })).unwrap();
        assert_eq!((penny.tick_size.as_str(), penny.price_max.as_str()), ("0.0001", "0.8"));
        let top = priced(&json!({ "symbol": "TOP", "min_price": "5", "max_price": "199999.9900" })).unwrap();
        assert_eq!(top.price_max, "199999.99");
        assert_eq!(priced(&json!({ "symbol": "NON", "min_price": null, "max_price": null })), None);
        assert_eq!(priced(&json!({ "symbol": "A B", "min_price": "1", "max_price": "2" })), None);
    }

    #[test]
    fn the_venue_names_its_instruments() {
        let listening = json!({ "instruments": [{ "symbol": "ALFA", "tick_size": "0.01" }] });
        let market = Market::of_listening(&listening, 7).unwrap();
        assert_eq!(market.rows[0].symbol, "ALFA");
        assert!(Market::of_listening(&json!({}), 7).is_err());
    }
}
