//! The host file's `[risk]` table and its resolution to dense limits.

use crate::divisor::Divisor;
use crate::limits::{Domain, Limit, RejectMask, Settings};
use crate::throttle::ThrottleLimit;
use serde::Deserialize;
use shm_layout::types::{Notional, Price, Qty, RejectReason, UNITS};

/// Stands for every instrument of the table.
const EVERY_SYMBOL: &str = "*";

/// `[risk]`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RiskConfig {
    /// Age of risk's own lease beyond which a gateway takes no order, in milliseconds.
    pub lease_ms: u64,
    /// Control 18: silence of a channel that makes its instruments stale, in milliseconds.
    pub channel_stale_ms: u64,
    /// Version of these limits, stamped on every order they judged.
    #[serde(default = "one")]
    pub limit_version: u32,
    /// Orders that may be reserved at once, of all strategies.
    #[serde(default = "orders_max")]
    pub orders_max: usize,
    /// `[[risk.limits]]`: what is not listed is blocked.
    #[serde(default)]
    pub limits: Vec<LimitRow>,
    /// `[[risk.restrictions]]`: what may not be traded, whatever the limits.
    #[serde(default)]
    pub restrictions: Vec<Restriction>,
}

const fn one() -> u32 {
    1
}

const fn orders_max() -> usize {
    4096
}

/// `[[risk.limits]]`: limits of a strategy in an instrument, or in every one (`"*"`). A row that names its symbol
/// stands before a row with `"*"`. Quantities, amounts and percentages are decimal strings.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitRow {
    /// Index of the strategy.
    pub strategy: u16,
    /// Symbol, or `"*"`.
    pub symbol: String,
    /// Control 1: largest quantity of one order.
    pub order_qty_max: String,
    /// Control 2: largest price × quantity of one order, in the quote currency.
    pub order_notional_max: String,
    /// Control 5: largest worst-case position, long or short.
    pub position_max: String,
    /// Control 3: half width of the price collar, in percent of the reference.
    pub price_collar_pct: String,
    /// Control 11: messages per second. The throttle is the strategy's: the strictest of its rows counts.
    pub messages_per_second: u32,
    /// Control 11: messages at once.
    pub burst: u32,
    /// Control 11: part of the burst that only cancels may use; by default a quarter.
    pub cancel_reserve: Option<u32>,
}

/// `[[risk.restrictions]]`: control 15.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restriction {
    /// Index of the strategy; left out: every strategy.
    pub strategy: Option<u16>,
    /// Symbol, or `"*"`.
    pub symbol: String,
}

/// What risk needs of a row of `[[instruments]]`; its place is the instrument id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instrument {
    /// Symbol.
    pub symbol: String,
    /// Tick size.
    pub tick_size: Price,
    /// Lot size.
    pub lot_size: Qty,
    /// Largest price.
    pub price_max: Price,
    /// Largest quantity of one order.
    pub order_qty_max: Qty,
}

/// What is wrong with `[risk]`, and where.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConfigError {
    /// A decimal string is not one, is out of range, or would be rounded.
    #[error("{row}: {key} = \"{value}\": {expected}")]
    Value {
        /// The row.
        row: String,
        /// Its key.
        key: &'static str,
        /// The value.
        value: String,
        /// What would do.
        expected: &'static str,
    },
    /// A symbol that `[[instruments]]` does not have.
    #[error("{row}: no instrument has the symbol \"{symbol}\"; add it to [[instruments]]")]
    Symbol {
        /// The row.
        row: String,
        /// The symbol.
        symbol: String,
    },
    /// A strategy index that `[[strategy]]` does not have.
    #[error("{row}: strategy {strategy} does not exist; [[strategy]] has {count} rows, counted from 0")]
    Strategy {
        /// The row.
        row: String,
        /// The index.
        strategy: u16,
        /// Strategies there are.
        count: usize,
    },
    /// Two rows say the same thing.
    #[error("{row}: strategy and symbol were given before; remove one of the rows")]
    Twice {
        /// The second row.
        row: String,
    },
    /// A throttle that lets nothing pass.
    #[error("{row}: messages_per_second and burst must be positive, cancel_reserve below burst")]
    Throttle {
        /// The row.
        row: String,
    },
    /// An instrument's own increments are not usable.
    #[error("[[instruments]] {symbol}: tick_size and lot_size must be positive")]
    Increment {
        /// Its symbol.
        symbol: String,
    },
}

impl RiskConfig {
    /// The dense table of limits for `instruments` (by id) and `strategies` (a count).
    ///
    /// # Errors
    /// [`ConfigError`]: the first thing that is wrong.
    pub fn resolve(
        &self,
        instruments: &[Instrument],
        strategies: usize,
        gateways: u8,
    ) -> Result<Settings, ConfigError> {
        let domains = instruments.iter().map(domain).collect::<Result<Vec<_>, _>>()?;
        // A strategy without a row may not send; its throttle is never asked.
        let mut throttles: Vec<Option<ThrottleLimit>> = vec![None; strategies];
        let mut limits: Vec<Option<(bool, Limit)>> = vec![None; strategies * instruments.len()];
        for (number, row) in self.limits.iter().enumerate() {
            let place = format!("[[risk.limits]] row {}", number + 1);
            let strategy = known_strategy(&place, row.strategy, strategies)?;
            let limit = row.limit(&place)?;
            let named = row.symbol != EVERY_SYMBOL;
            for instrument in matching(&place, &row.symbol, instruments)? {
                let cell = &mut limits[strategy * instruments.len() + instrument];
                match cell {
                    Some((before, _)) if *before == named => return Err(ConfigError::Twice { row: place }),
                    Some((true, _)) => {}
                    _ => *cell = Some((named, limit)),
                }
            }
            let throttle = row.throttle(&place)?;
            throttles[strategy] = Some(throttles[strategy].map_or(throttle, |other| stricter(other, throttle)));
        }
        let mut limits: Vec<Limit> = limits.into_iter().map(|cell| cell.map_or(Limit::MISSING, |(_, l)| l)).collect();
        self.restrict(&mut limits, instruments, strategies)?;
        Ok(Settings {
            limit_version: self.limit_version,
            channel_stale_ns: self.channel_stale_ms.saturating_mul(1_000_000),
            orders_max: self.orders_max,
            gateways,
            domains,
            throttles: throttles.into_iter().map(Option::unwrap_or_default).collect(),
            limits,
        })
    }

    fn restrict(&self, limits: &mut [Limit], instruments: &[Instrument], strategies: usize) -> Result<(), ConfigError> {
        for (number, restriction) in self.restrictions.iter().enumerate() {
            let place = format!("[[risk.restrictions]] row {}", number + 1);
            let affected = match restriction.strategy {
                Some(strategy) => {
                    let strategy = known_strategy(&place, strategy, strategies)?;
                    strategy..strategy + 1
                }
                None => 0..strategies,
            };
            let matching = matching(&place, &restriction.symbol, instruments)?;
            for strategy in affected {
                for instrument in &matching {
                    let limit = &mut limits[strategy * instruments.len() + instrument];
                    limit.blocked = limit.blocked.or(RejectMask::of(RejectReason::NotPermitted));
                }
            }
        }
        Ok(())
    }
}

impl LimitRow {
    fn limit(&self, place: &str) -> Result<Limit, ConfigError> {
        let positive = |key, value: &String| {
            let parsed = Qty::parse(value).filter(|qty| qty.0 > 0);
            parsed.ok_or(ConfigError::Value {
                row: place.to_owned(),
                key,
                value: value.clone(),
                expected: "a positive decimal with at most 8 places",
            })
        };
        let notional = positive("order_notional_max", &self.order_notional_max)?;
        let percent = positive("price_collar_pct", &self.price_collar_pct)?;
        if percent.0 > 100 * UNITS || percent.0 % 100 != 0 {
            return Err(ConfigError::Value {
                row: place.to_owned(),
                key: "price_collar_pct",
                value: self.price_collar_pct.clone(),
                expected: "at most 100, with at most 6 places",
            });
        }
        Ok(Limit {
            blocked: RejectMask::NONE,
            order_qty_max: positive("order_qty_max", &self.order_qty_max)?,
            order_notional_max: Notional(i128::from(notional.0) * i128::from(UNITS)),
            position_max: positive("position_max", &self.position_max)?,
            collar: percent.0 / 100,
        })
    }

    fn throttle(&self, place: &str) -> Result<ThrottleLimit, ConfigError> {
        let cancel_reserve = self.cancel_reserve.unwrap_or(self.burst / 4);
        ThrottleLimit::new(self.messages_per_second, self.burst, cancel_reserve)
            .ok_or(ConfigError::Throttle { row: place.to_owned() })
    }
}

/// The slower rate with the smaller bursts.
fn stricter(a: ThrottleLimit, b: ThrottleLimit) -> ThrottleLimit {
    let tokens = |limit: &ThrottleLimit, backlog: u64| backlog / limit.interval_ns;
    let interval_ns = a.interval_ns.max(b.interval_ns);
    let orders = tokens(&a, a.order_backlog_ns).min(tokens(&b, b.order_backlog_ns));
    let all = tokens(&a, a.backlog_ns_max).min(tokens(&b, b.backlog_ns_max));
    ThrottleLimit { interval_ns, order_backlog_ns: interval_ns * orders, backlog_ns_max: interval_ns * all }
}

fn domain(instrument: &Instrument) -> Result<Domain, ConfigError> {
    let wrong = || ConfigError::Increment { symbol: instrument.symbol.clone() };
    Ok(Domain {
        tick: Divisor::new(instrument.tick_size.0).ok_or_else(wrong)?,
        lot: Divisor::new(instrument.lot_size.0).ok_or_else(wrong)?,
        price_max: instrument.price_max,
        order_qty_max: instrument.order_qty_max,
    })
}

fn known_strategy(place: &str, strategy: u16, count: usize) -> Result<usize, ConfigError> {
    let index = usize::from(strategy);
    if index < count { Ok(index) } else { Err(ConfigError::Strategy { row: place.to_owned(), strategy, count }) }
}

fn matching(place: &str, symbol: &str, instruments: &[Instrument]) -> Result<Vec<usize>, ConfigError> {
    let matches = |instrument: &Instrument| symbol == EVERY_SYMBOL || instrument.symbol == symbol;
    let found: Vec<usize> = (0..instruments.len()).filter(|index| matches(&instruments[*index])).collect();
    if found.is_empty() && symbol != EVERY_SYMBOL {
        return Err(ConfigError::Symbol { row: place.to_owned(), symbol: symbol.to_owned() });
    }
    Ok(found)
}
