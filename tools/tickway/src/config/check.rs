//! Every table of a host file held against the struct of the process that owns it.

use crate::failure::{CONFIG, Failure};
use feed_handler::config::Config as FeedHandlerConfig;
use recorder::config::RecorderConfig;
use risk::config::RiskConfig;
use runtime::config::HostFile;

/// Tables that the processes own.
const OWNED: [&str; 6] = ["feed-handler", "strategy", "risk", "execution-gateway", "recorder", "supervisor"];

/// Refuses a host file that some process would refuse, and tables that nobody owns.
///
/// # Errors
/// The first thing that is wrong, as `file:line: key: what; cure`.
pub fn check(file: &HostFile) -> Result<(), Failure> {
    file.check_no_unowned(&OWNED)?;
    if file.has_table("feed-handler") {
        let table: FeedHandlerConfig = file.table("feed-handler")?;
        table.check().map_err(|error| file.error_at("feed-handler", error.to_string(), "correct the key"))?;
    }
    if file.has_table("recorder") {
        file.table::<RecorderConfig>("recorder")?;
    }
    check_risk(file)
}

fn check_risk(file: &HostFile) -> Result<(), Failure> {
    if !file.has_table("risk") {
        let cure = "add [risk] and [[risk.limits]]: a missing limit blocks";
        return Err(file.error_at("risk", "the table is missing", cure).into());
    }
    let table: RiskConfig = file.table("risk")?;
    let instrument = |row: &runtime::config::Instrument| risk::config::Instrument {
        symbol: row.symbol.clone(),
        tick_size: row.tick_size,
        lot_size: row.lot_size,
        price_max: row.price_max,
        order_qty_max: row.order_qty_max,
    };
    let instruments: Vec<_> = file.instruments().rows().iter().map(instrument).collect();
    let counts = file.counts();
    table.resolve(&instruments, usize::from(counts.strategies), counts.gateways).map(|_| ()).map_err(|error| Failure {
        code: CONFIG,
        ..file.error_at("risk.limits", error.to_string(), "correct the row").into()
    })
}
