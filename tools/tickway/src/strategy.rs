//! `tickway strategy`: which strategies may open orders.

use crate::failure::{Finding, Outcome};
use crate::output;
use crate::place::Which;
use crate::regions::Regions;
use crate::roster;
use crate::socket::{Request, Supervisor};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use shm_layout::types::Role;

/// Strategies
#[derive(Subcommand, Debug)]
pub enum Command {
    /// List the strategies and whether they are armed
    Ls(ListArguments),
    /// Let a strategy open orders
    Arm(ArmArguments),
    /// Let a strategy open no orders; it may still cancel
    Disarm(ArmArguments),
}

/// Arguments of `strategy ls`.
#[derive(Args, Debug)]
pub struct ListArguments {
    #[command(flatten)]
    which: Which,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Arguments of `strategy arm` and `strategy disarm`.
#[derive(Args, Debug)]
pub struct ArmArguments {
    /// Index of the strategy
    #[arg(default_value_t = 0)]
    index: u8,
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
    /// When the supervisor cannot be reached or refuses.
    pub fn run(&self) -> Outcome {
        match self {
            Self::Ls(arguments) => arguments.run(),
            Self::Arm(arguments) => arguments.ask(true),
            Self::Disarm(arguments) => arguments.ask(false),
        }
    }
}

impl ListArguments {
    fn run(&self) -> Outcome {
        let place = self.which.find()?;
        let regions = Regions::open(place.instance.regions())?;
        let rows = roster::processes(&place, &regions);
        let by_operator = |index| place.control().is_some_and(|page| page.armed_by_operator(index));
        let strategies: Vec<_> = rows.iter().filter(|row| row.role == Role::Strategy).collect();
        if self.json {
            let row = |row: &&roster::ProcessRow| {
                let mut value = row.to_json();
                value["armed_by_operator"] = json!(by_operator(row.index));
                value
            };
            output::json(json!({ "strategies": strategies.iter().map(row).collect::<Vec<Value>>() }))?;
        } else {
            let mut table = output::table(&["strategy", "state", "armed", "by operator"]);
            for row in strategies {
                let (armed, wish) = (row.status.armed(), by_operator(row.index));
                table.add_row([row.index.to_string(), row.state.clone(), armed.to_string(), wish.to_string()]);
            }
            output::print_table(&table)?;
        }
        Ok(Finding::Good)
    }
}

impl ArmArguments {
    fn ask(&self, arm: bool) -> Outcome {
        let place = self.which.find()?;
        let strategy = self.index;
        let request = if arm { Request::Arm { strategy } } else { Request::Disarm { strategy } };
        let reply = Supervisor::connect(&place.instance)?.ask(&request)?;
        if self.json {
            output::json(json!({ "strategy": strategy, "armed": arm, "request_id": reply["request_id"] }))?;
        } else {
            output::line(&format!("strategy/{strategy} is told to {}", if arm { "arm" } else { "disarm" }))?;
        }
        Ok(Finding::Good)
    }
}
