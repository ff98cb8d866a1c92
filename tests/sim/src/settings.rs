//! How the simulated instance is configured: quick strategies and tight limits, so that much happens in little time.

use exchange_sim::instrument::{Instrument, LIMIT_PRICE_MAX, symbol_text};
use risk::config::{LimitRow, RiskConfig};
use shm_layout::types::{Price, Qty, UNITS};
use strategy::config::{Kind, Settings, StrategyConfig};

/// Account of every order.
const ACCOUNT: u16 = 1;

/// Settings of strategy `index`: a mean reversion that samples every millisecond.
///
/// # Panics
/// Never: the configuration is valid for every table of instruments.
#[must_use]
pub fn strategy(index: u8, instruments: &[Instrument]) -> Settings {
    let table: Vec<_> = (instruments.iter())
        .map(|i| strategy::config::Instrument { symbol: symbol_text(&i.symbol), lot_size: Qty(UNITS) })
        .collect();
    let config = StrategyConfig {
        kind: Kind::MeanReversion,
        account_id: ACCOUNT,
        instruments: table.iter().map(|i| i.symbol.clone()).collect(),
        venue_id: 0,
        orders_max: 64,
        sample_interval_ms: 1,
        window: 8,
        // The second strategy follows small moves, so that both are at work in one market.
        entry_milli_sigma: if index == 0 { 700 } else { 300 },
        aggressive_milli_sigma: 1500,
        exit_milli_sigma: 200,
        order_qty: "10".to_owned(),
        position_max: "60".to_owned(),
        order_timeout_ms: 12,
        reprice_ms: 3,
        cooldown_ms: 1,
        reject_backoff_ms: 5,
    };
    config.resolve(u16::from(index), &table).expect("a valid configuration")
}

/// Risk's settings for `strategies` strategies: the position limit is below what the strategies want, so that it bites.
///
/// # Panics
/// Never: the configuration is valid for every table of instruments.
#[must_use]
pub fn risk(strategies: u8, instruments: &[Instrument]) -> risk::limits::Settings {
    let price_max = Price::from_decimals(LIMIT_PRICE_MAX as i64, 4).expect("a limit price");
    let table: Vec<_> = (instruments.iter())
        .map(|i| risk::config::Instrument {
            symbol: symbol_text(&i.symbol),
            tick_size: Price::from_decimals(i64::from(i.tick_size), 4).expect("a tick"),
            lot_size: Qty(UNITS),
            price_max,
            order_qty_max: Qty(999_999 * UNITS),
        })
        .collect();
    let limits = (0..strategies).map(|strategy| LimitRow {
        strategy: u16::from(strategy),
        symbol: "*".to_owned(),
        order_qty_max: "20".to_owned(),
        order_notional_max: "100000".to_owned(),
        position_max: "50".to_owned(),
        price_collar_pct: "5".to_owned(),
        messages_per_second: 5000,
        burst: 40,
        cancel_reserve: Some(8),
    });
    let config = RiskConfig {
        lease_ms: 5,
        channel_stale_ms: 1500,
        limit_version: 1,
        orders_max: 128,
        limits: limits.collect(),
        restrictions: Vec::new(),
    };
    config.resolve(&table, usize::from(strategies), 1).expect("a valid configuration")
}
