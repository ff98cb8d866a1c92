//! `tickway order`: orders as the journal tells them.

use crate::failure::{Finding, Outcome};
use crate::ledger;
use crate::output::{self, or_dash, snake};
use crate::place::Which;
use clap::{Args, Subcommand};
use orders::order::Order;
use runtime::config::HostFile;
use serde_json::{Value, json};
use shm_layout::types::{ClOrdId, InstrumentId};

/// Orders
#[derive(Subcommand, Debug)]
pub enum Command {
    /// List live orders: working, pending and in doubt
    Ls(ListArguments),
}

/// Arguments of `order ls`.
#[derive(Args, Debug)]
pub struct ListArguments {
    #[command(flatten)]
    which: Which,
    /// The ended orders too, as far back as the journal's fold keeps them
    #[arg(long)]
    all: bool,
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

/// The symbol of an instrument, or its number when the host file has no such row.
#[must_use]
pub fn symbol(file: &HostFile, id: InstrumentId) -> String {
    file.instruments().get(id).map_or_else(|| id.0.to_string(), |row| row.symbol.clone())
}

/// An order as JSON.
#[must_use]
pub fn to_json(file: &HostFile, gateway: u8, order: &Order) -> Value {
    let id = |id: ClOrdId| (id != ClOrdId::NONE).then(|| id.to_string());
    json!({
        "gateway": gateway,
        "cl_ord_id": id(order.cl_ord_id),
        "orig_cl_ord_id": id(order.orig_cl_ord_id),
        "strategy_id": order.strategy_id,
        "account_id": order.account_id,
        "instrument_id": order.instrument_id.0,
        "symbol": symbol(file, order.instrument_id),
        "side": snake(order.side.name()),
        "state": snake(&format!("{:?}", order.state)),
        "ord_status": snake(order.ord_status().name()),
        "accepted": order.accepted,
        "sent": order.sent,
        "price": order.price.to_string(),
        "order_qty": order.order_qty.to_string(),
        "leaves_qty": order.leaves_qty.to_string(),
        "cum_qty": order.cum_qty.to_string(),
        "pending_cancel": order.cancel.is_some(),
        "pending_replace": order.replace.is_some(),
    })
}

/// The orders that the venue may hold: live ones and those in doubt.
///
/// # Errors
/// When the journal cannot be folded.
pub fn possibly_live(place: &crate::place::Place) -> Result<Vec<Value>, crate::failure::Failure> {
    let file = place.host_file()?;
    let ledgers = ledger::fold_all(place)?;
    let of = |ledger: &ledger::Ledger| {
        ledger.state.live_orders().map(|order| to_json(&file, ledger.gateway, order)).collect::<Vec<_>>()
    };
    Ok(ledgers.iter().flat_map(of).collect())
}

impl ListArguments {
    fn run(&self) -> Outcome {
        let place = self.which.find()?;
        let file = place.host_file()?;
        let mut rows = Vec::new();
        for ledger in ledger::fold_all(&place)? {
            let table = ledger.state.table();
            rows.extend(table.live().map(|(_, order)| to_json(&file, ledger.gateway, order)));
            if self.all {
                rows.extend(table.terminal().map(|(_, order)| to_json(&file, ledger.gateway, order)));
            }
        }
        if self.json {
            output::json(json!({ "orders": rows }))?;
            return Ok(Finding::Good);
        }
        let keys =
            ["cl_ord_id", "strategy_id", "symbol", "side", "ord_status", "price", "order_qty", "leaves_qty", "cum_qty"];
        let mut table = output::table(&keys);
        for row in &rows {
            let text = |key: &&str| match &row[*key] {
                Value::Null => or_dash::<String>(None),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            table.add_row(keys.iter().map(text));
        }
        output::print_table(&table)?;
        Ok(Finding::Good)
    }
}
