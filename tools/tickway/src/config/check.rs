//! Every table of a host file held against the struct of the process that owns it.

use crate::failure::Failure;
use execution_gateway::config::GatewayConfig;
use feed_handler::config::Config as FeedHandlerConfig;
use recorder::config::RecorderConfig;
use risk::config::RiskConfig;
use runtime::config::{ConfigError, HostFile, Instrument, WaitSpec};
use runtime::scheduler::Scheduler;
use std::net::UdpSocket;
use strategy::config::StrategyConfig;

/// Tables that the processes own.
const OWNED: [&str; 6] = ["feed-handler", "strategy", "risk", "execution-gateway", "recorder", "supervisor"];

/// Refuses a host file that some process would refuse, and tables that nobody owns.
///
/// # Errors
/// The first thing that is wrong, as `file:line: key: what; cure`.
pub fn check(file: &HostFile) -> Result<(), Failure> {
    file.check_no_unowned(&OWNED)?;
    runtime::affinity::check_cores(file)?;
    if file.has_table("feed-handler") {
        let table: FeedHandlerConfig = file.table("feed-handler")?;
        table.check().map_err(|error| file.error_at("feed-handler", error.to_string(), "correct the key"))?;
    }
    if file.has_table("recorder") {
        file.table::<RecorderConfig>("recorder")?;
    }
    supervisor::config::Config::of(file)?;
    supervisor::config::tail_bytes(file)?;
    check_scheduler(file)?;
    check_strategies(file)?;
    check_risk(file)?;
    check_gateways(file)?;
    Ok(())
}

/// Refuses a venue whose interface this machine has not: for a start, not for a file that another machine will read.
///
/// # Errors
/// The venue's line and key.
pub fn check_interfaces(file: &HostFile) -> Result<(), Failure> {
    for (index, venue) in file.venues().iter().enumerate() {
        UdpSocket::bind((venue.interface, 0)).map_err(|error| {
            let what = format!("cannot use {}: {error}", venue.interface);
            let cure = "name an address of this machine, as `ip -4 address` lists them (127.0.0.1 for loopback)";
            file.error_at(&format!("venues[{index}].interface"), what, cure)
        })?;
    }
    Ok(())
}

/// Only what the file itself says: which CPUs this machine has is for the start to find out.
fn check_scheduler(file: &HostFile) -> Result<(), ConfigError> {
    let (host, key) = (file.host(), "host.scheduler");
    let yields = matches!(host.wait, WaitSpec::Yield);
    if host.scheduler == Scheduler::Fifo && yields {
        let what = "SCHED_FIFO with sched_yield starves the other processes of a CPU";
        return Err(file.error_at(key, what, "write scheduler = \"other\", or wait = \"spin\" with a CPU for each"));
    }
    Ok(())
}

fn check_strategies(file: &HostFile) -> Result<(), ConfigError> {
    let instrument =
        |row: &Instrument| strategy::config::Instrument { symbol: row.symbol.clone(), lot_size: row.lot_size };
    let instruments: Vec<_> = file.instruments().rows().iter().map(instrument).collect();
    let rows: Vec<StrategyConfig> = file.tables("strategy")?;
    for (index, row) in rows.iter().enumerate() {
        let at = |key: &str, what: String| file.error_at(&format!("strategy[{index}]{key}"), what, "correct the row");
        row.resolve(index as u16, &instruments).map_err(|error| at("", error.to_string()))?;
        if usize::from(row.venue_id) >= file.venues().len() {
            return Err(at(".venue_id", format!("venue {} is not declared", row.venue_id)));
        }
    }
    Ok(())
}

fn check_gateways(file: &HostFile) -> Result<(), ConfigError> {
    let table: GatewayConfig = file.table("execution-gateway")?;
    let symbols: Vec<String> = file.instruments().rows().iter().map(|row| row.symbol.clone()).collect();
    for (index, venue) in file.venues().iter().enumerate() {
        let refused = |error: execution_gateway::config::SettingsError| {
            file.error_at(&format!("venues[{index}]"), error.to_string(), "correct the key")
        };
        table.settings(index as u8, venue, &symbols, usize::from(file.counts().strategies)).map_err(refused)?;
    }
    Ok(())
}

fn check_risk(file: &HostFile) -> Result<(), ConfigError> {
    if !file.has_table("risk") {
        let cure = "add [risk] and [[risk.limits]]: a missing limit blocks";
        return Err(file.error_at("risk", "the table is missing", cure));
    }
    let table: RiskConfig = file.table("risk")?;
    let instrument = |row: &Instrument| risk::config::Instrument {
        symbol: row.symbol.clone(),
        tick_size: row.tick_size,
        lot_size: row.lot_size,
        price_max: row.price_max,
        order_qty_max: row.order_qty_max,
    };
    let instruments: Vec<_> = file.instruments().rows().iter().map(instrument).collect();
    let counts = file.counts();
    let resolved = table.resolve(&instruments, usize::from(counts.strategies), counts.gateways);
    resolved.map(|_| ()).map_err(|error| file.error_at("risk.limits", error.to_string(), "correct the row"))
}
