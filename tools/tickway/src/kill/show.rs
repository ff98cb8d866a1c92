//! `kill status`.

use crate::failure::{Finding, Outcome};
use crate::order;
use crate::output::{self, snake};
use crate::place::Which;
use crate::regions::Regions;
use clap::Args;
use runtime::kill_file;
use serde_json::{Value, json};
use shm_layout::kill_page::{Engager, KillReader};
use shm_layout::types::Role;

/// Arguments of `kill status`.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn engagers(kill: &KillReader) -> Vec<Value> {
    let engagement = |engager: &Engager| {
        let engagement = kill.engagement(*engager)?;
        Some(json!({
            "engager": snake(engager.name()),
            "latched": engagement.generation != 0,
            "generation": engagement.generation,
            "engaged_ns": engagement.engaged_ns.0,
            "released_ns": (engagement.released_ns.0 != 0).then_some(engagement.released_ns.0),
            "reason": engagement.reason,
        }))
    };
    Engager::ALL.iter().filter_map(engagement).collect()
}

/// What every process that checks the kill last said of it.
fn echoes(regions: &Regions, generation: u64) -> Vec<Value> {
    let checks = |role| matches!(role, Role::ExecutionGateway | Role::Risk);
    let echo = |process: &crate::regions::StatusRegion| {
        let echo = process.status.kill_echo();
        json!({
            "role": process.role.folder(),
            "index": process.index,
            "generation": echo.map(|echo| echo.generation),
            "echoed_ns": echo.map(|echo| echo.echoed_ns.0),
            "journal_sequence": echo.map(|echo| echo.journal_sequence),
            "current": echo.map_or(generation == 0, |echo| echo.generation == generation),
        })
    };
    regions.processes.iter().filter(|process| checks(process.role)).map(echo).collect()
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// When the kill file cannot be read.
    pub fn run(&self) -> Outcome {
        let place = self.which.find()?;
        let kill = kill_file::open_read_only(&place.instance.kill_file())?;
        let regions = Regions::open(place.instance.regions())?;
        let generation = kill.generation();
        let (engagers, echoes) = (engagers(&kill), echoes(&regions, generation));
        // Without a readable journal the rest still stands, and the want of it is said.
        let (orders, fault) = match order::possibly_live(&place) {
            Ok(orders) => (Some(orders), None),
            Err(failure) => (None, Some(failure.message)),
        };
        if self.json {
            output::json(json!({
                "instance": place.instance.name().as_str(),
                "engaged": generation != 0,
                "generation": generation,
                "engagers": engagers,
                "echoes": echoes,
                "possibly_live": orders,
                "fault": fault,
            }))?;
            return Ok(Finding::Good);
        }
        output::line(if generation == 0 { "the kill is not engaged" } else { "KILLED: no order is sent" })?;
        for engager in engagers {
            output::line(&format!("engager {}", crate::decode::text(&named(engager, "engager"))))?;
        }
        for echo in echoes {
            let name = format!("{}/{}", echo["role"].as_str().unwrap_or("?"), echo["index"]);
            let word = if echo["current"] == json!(true) { "has seen it" } else { "has not answered" };
            output::line(&format!("{name} {word}"))?;
        }
        match (orders, fault) {
            (Some(orders), _) => {
                let count = output::count(orders.len() as u64, "order");
                output::line(&format!("{count} may be live at the venue"))?;
                for order in orders {
                    output::line(&format!("  {}", crate::decode::text(&named(order, "ord_status"))))?;
                }
            }
            (None, fault) => output::line(&format!("orders are not known: {}", fault.unwrap_or_default()))?,
        }
        Ok(Finding::Good)
    }
}

/// The object with one of its keys as its kind, for a line of text.
fn named(mut value: Value, key: &str) -> Value {
    if let Some(object) = value.as_object_mut()
        && let Some(kind) = object.remove(key)
    {
        object.insert("kind".to_owned(), kind);
    }
    value
}
