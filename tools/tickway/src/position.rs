//! `tickway position`: positions as the journal tells them.

use crate::failure::{Finding, Outcome};
use crate::ledger;
use crate::order::symbol;
use crate::output;
use crate::place::Which;
use clap::{Args, Subcommand};
use serde_json::json;
use shm_layout::types::{Qty, UNITS};

/// Positions
#[derive(Subcommand, Debug)]
pub enum Command {
    /// List the positions of every strategy
    Ls(ListArguments),
}

/// Arguments of `position ls`.
#[derive(Args, Debug)]
pub struct ListArguments {
    #[command(flatten)]
    which: Which,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Command {
    /// Runs the command.
    ///
    /// # Errors
    /// When the journal cannot be folded.
    pub fn run(&self) -> Outcome {
        match self {
            Self::Ls(arguments) => arguments.run(),
        }
    }
}

/// A sum in 1e-8 units as a decimal; sums beyond 64 bits are cut at its ends.
#[must_use]
pub fn units(sum: i128) -> String {
    Qty(sum.clamp(i64::MIN.into(), i64::MAX.into()) as i64).to_string()
}

/// A notional in 1e-16 as a decimal of 1e-8, truncated.
#[must_use]
pub fn notional(sum: i128) -> String {
    units(sum / i128::from(UNITS))
}

impl ListArguments {
    fn run(&self) -> Outcome {
        let place = self.which.find()?;
        let file = place.host_file()?;
        let ledgers = ledger::fold_all(&place)?;
        let rows: Vec<_> = ledgers
            .iter()
            .flat_map(|ledger| ledger.state.positions().map(move |row| (ledger.gateway, row)))
            .map(|(gateway, (strategy, instrument, position))| {
                json!({
                    "gateway": gateway,
                    "strategy_id": strategy,
                    "instrument_id": instrument.0,
                    "symbol": symbol(&file, instrument),
                    "qty": position.qty.to_string(),
                    "bought_qty": units(position.bought_qty),
                    "sold_qty": units(position.sold_qty),
                    "fills": position.fills,
                    "cash_flow": notional(position.cash_flow()),
                    "realised_pnl": notional(position.realised_pnl()),
                })
            })
            .collect();
        if self.json {
            output::json(json!({ "positions": rows }))?;
            return Ok(Finding::Good);
        }
        let keys = ["strategy_id", "symbol", "qty", "bought_qty", "sold_qty", "fills", "cash_flow", "realised_pnl"];
        let mut table = output::table(&keys);
        for row in &rows {
            table.add_row(
                keys.iter().map(|key| row[*key].as_str().map_or_else(|| row[*key].to_string(), str::to_owned)),
            );
        }
        output::print_table(&table)?;
        Ok(Finding::Good)
    }
}
