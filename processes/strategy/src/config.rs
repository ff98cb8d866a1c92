//! The host file's `[[strategy]]` rows.

use serde::Deserialize;
use shm_layout::types::{InstrumentId, Qty};

/// Most instruments of one strategy: one input can cause an output for each of them.
pub const INSTRUMENTS_MAX: usize = 32;

/// The strategies there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// [`crate::mean_reversion::MeanReversion`].
    MeanReversion,
}

/// One row of `[[strategy]]`; its place is the strategy's id. Quantities are decimal strings.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StrategyConfig {
    /// What it is.
    pub kind: Kind,
    /// Account of its orders.
    pub account_id: u16,
    /// Symbols that it trades.
    pub instruments: Vec<String>,
    /// Row of `[[venues]]` that its orders go to.
    #[serde(default)]
    pub venue_id: u16,
    /// Orders that may be live at once, of this strategy and of its earlier epochs.
    #[serde(default = "defaults::orders_max")]
    pub orders_max: usize,
    /// Time between two samples of the mid, in milliseconds.
    #[serde(default = "defaults::sample_interval_ms")]
    pub sample_interval_ms: u64,
    /// Samples of the mid that mean and deviation are taken over.
    #[serde(default = "defaults::window")]
    pub window: usize,
    /// Distance from the mean that opens, in thousandths of the standard deviation.
    #[serde(default = "defaults::entry_milli_sigma")]
    pub entry_milli_sigma: u32,
    /// Distance from which an order crosses the spread.
    #[serde(default = "defaults::aggressive_milli_sigma")]
    pub aggressive_milli_sigma: u32,
    /// Distance within which a position is closed.
    #[serde(default = "defaults::exit_milli_sigma")]
    pub exit_milli_sigma: u32,
    /// Quantity of an order.
    #[serde(default = "defaults::order_qty")]
    pub order_qty: String,
    /// Largest position in one instrument, long or short.
    #[serde(default = "defaults::position_max")]
    pub position_max: String,
    /// Age at which an order is cancelled, or moved if the signal still holds, in milliseconds.
    #[serde(default = "defaults::order_timeout_ms")]
    pub order_timeout_ms: u64,
    /// Least time before an order follows the touch, in milliseconds.
    #[serde(default = "defaults::reprice_ms")]
    pub reprice_ms: u64,
    /// Pause after an order has ended, in milliseconds.
    #[serde(default = "defaults::cooldown_ms")]
    pub cooldown_ms: u64,
    /// Pause after a reject, in milliseconds.
    #[serde(default = "defaults::reject_backoff_ms")]
    pub reject_backoff_ms: u64,
}

mod defaults {
    pub(super) const fn orders_max() -> usize {
        256
    }
    pub(super) const fn sample_interval_ms() -> u64 {
        20
    }
    pub(super) const fn window() -> usize {
        32
    }
    pub(super) const fn entry_milli_sigma() -> u32 {
        700
    }
    pub(super) const fn aggressive_milli_sigma() -> u32 {
        1500
    }
    pub(super) const fn exit_milli_sigma() -> u32 {
        200
    }
    pub(super) fn order_qty() -> String {
        "10".to_owned()
    }
    pub(super) fn position_max() -> String {
        "100".to_owned()
    }
    pub(super) const fn order_timeout_ms() -> u64 {
        60
    }
    pub(super) const fn reprice_ms() -> u64 {
        15
    }
    pub(super) const fn cooldown_ms() -> u64 {
        5
    }
    pub(super) const fn reject_backoff_ms() -> u64 {
        250
    }
}

/// The numbers of a strategy, resolved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parameters {
    /// Time between two samples.
    pub sample_interval_ns: u64,
    /// Samples.
    pub window: usize,
    /// Opens, in thousandths of the standard deviation.
    pub entry_milli_sigma: i64,
    /// Crosses the spread.
    pub aggressive_milli_sigma: i64,
    /// Closes.
    pub exit_milli_sigma: i64,
    /// Quantity of an order, in 1e-8 units.
    pub order_qty: Qty,
    /// Largest position either way.
    pub position_max: Qty,
    /// Age at which an order is cancelled or moved.
    pub order_timeout_ns: u64,
    /// Least time before it follows the touch.
    pub reprice_ns: u64,
    /// Pause after an order has ended.
    pub cooldown_ns: u64,
    /// Pause after a reject.
    pub reject_backoff_ns: u64,
}

/// Everything the machine is configured with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// What it is.
    pub kind: Kind,
    /// Its row.
    pub strategy_id: u16,
    /// Account of its orders.
    pub account_id: u16,
    /// Venue of its orders; names the gateway.
    pub venue_id: u16,
    /// Orders that may be live at once.
    pub orders_max: usize,
    /// Rows of the instrument table.
    pub instrument_count: usize,
    /// What it trades, by slot.
    pub instruments: Vec<InstrumentId>,
    /// Its numbers.
    pub parameters: Parameters,
}

/// What a strategy needs of a row of `[[instruments]]`; its place is the instrument id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instrument {
    /// Symbol.
    pub symbol: String,
    /// Lot size.
    pub lot_size: Qty,
}

/// What is wrong with a row of `[[strategy]]`.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConfigError {
    /// A symbol that `[[instruments]]` does not have.
    #[error("[[strategy]] row {row}: no instrument has the symbol \"{symbol}\"; add it to [[instruments]]")]
    Symbol {
        /// The row, counted from 1.
        row: usize,
        /// The symbol.
        symbol: String,
    },
    /// A value that will not do.
    #[error("[[strategy]] row {row}: {key} {expected}")]
    Value {
        /// The row, counted from 1.
        row: usize,
        /// The key.
        key: &'static str,
        /// What would do.
        expected: &'static str,
    },
}

impl StrategyConfig {
    /// The settings of row `strategy_id` over the instrument table.
    ///
    /// # Errors
    /// [`ConfigError`]: the first thing that is wrong.
    pub fn resolve(&self, strategy_id: u16, instruments: &[Instrument]) -> Result<Settings, ConfigError> {
        let row = usize::from(strategy_id) + 1;
        let must =
            |holds: bool, key, expected| if holds { Ok(()) } else { Err(ConfigError::Value { row, key, expected }) };
        must((1..=INSTRUMENTS_MAX).contains(&self.instruments.len()), "instruments", "must name 1 to 32 symbols")?;
        let mut traded = Vec::new();
        for symbol in &self.instruments {
            let found = instruments.iter().position(|instrument| instrument.symbol == *symbol);
            let index = found.ok_or_else(|| ConfigError::Symbol { row, symbol: symbol.clone() })?;
            must(!traded.contains(&InstrumentId(index as u32)), "instruments", "names a symbol twice")?;
            traded.push(InstrumentId(index as u32));
        }
        let quantity = |key, text: &str| {
            let qty = Qty::parse(text).filter(|qty| qty.0 > 0);
            qty.ok_or(ConfigError::Value { row, key, expected: "must be a positive decimal with at most 8 places" })
        };
        let order_qty = quantity("order_qty", &self.order_qty)?;
        let position_max = quantity("position_max", &self.position_max)?;
        let lots = |qty: Qty| traded.iter().all(|id| qty.0 % instruments[id.index()].lot_size.0.max(1) == 0);
        must(lots(order_qty), "order_qty", "must be a multiple of each instrument's lot_size")?;
        must(lots(position_max), "position_max", "must be a multiple of each instrument's lot_size")?;
        must((2..=65_536).contains(&self.window), "window", "must be 2 to 65536")?;
        must(self.sample_interval_ms > 0, "sample_interval_ms", "must be positive")?;
        must(self.order_timeout_ms > 0, "order_timeout_ms", "must be positive")?;
        must(self.reprice_ms > 0, "reprice_ms", "must be positive")?;
        must(self.orders_max > 0, "orders_max", "must be positive")?;
        let ns = |ms: u64| ms.saturating_mul(1_000_000);
        Ok(Settings {
            kind: self.kind,
            strategy_id,
            account_id: self.account_id,
            venue_id: self.venue_id,
            orders_max: self.orders_max,
            instrument_count: instruments.len(),
            instruments: traded,
            parameters: Parameters {
                sample_interval_ns: ns(self.sample_interval_ms),
                window: self.window,
                entry_milli_sigma: i64::from(self.entry_milli_sigma),
                aggressive_milli_sigma: i64::from(self.aggressive_milli_sigma),
                exit_milli_sigma: i64::from(self.exit_milli_sigma),
                order_qty,
                position_max,
                order_timeout_ns: ns(self.order_timeout_ms),
                reprice_ns: ns(self.reprice_ms),
                cooldown_ns: ns(self.cooldown_ms),
                reject_backoff_ns: ns(self.reject_backoff_ms),
            },
        })
    }
}
