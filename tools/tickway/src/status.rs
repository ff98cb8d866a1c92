//! `tickway status`: who runs where.

use crate::failure::{Failure, Finding, Outcome};
use crate::output;
use crate::place::{Place, Which};
use crate::regions::Regions;
use crate::roster::{self, ProcessRow};
use clap::Args;
use runtime::kill_file;
use serde_json::{Map, Value, json};

/// Show the processes of an instance
///
/// Exit code 1: it does not run.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Show every counter too
    #[arg(long)]
    counters: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// When there is no such instance, or its files cannot be read.
    pub fn run(&self) -> Outcome {
        let place = self.which.find()?;
        let regions = Regions::open(place.instance.regions())?;
        let mut rows = roster::processes(&place, &regions);
        let live = place.is_live();
        if live {
            roster::ask_stages(&place.instance, &mut rows);
        }
        if self.json {
            output::json(self.document(&place, &regions, &rows, live))?;
        } else {
            self.print(&place, &regions, &rows, live)?;
        }
        Ok(if live { Finding::Good } else { Finding::Negative })
    }

    fn document(&self, place: &Place, regions: &Regions, rows: &[ProcessRow], live: bool) -> Value {
        let row = |row: &ProcessRow| {
            let mut value = row.to_json();
            if self.counters {
                let counters = row.counters().into_iter().map(|(label, count)| (label, json!(count)));
                value["counters"] = Value::Object(counters.collect::<Map<_, _>>());
            }
            value
        };
        let armed = |row: &&ProcessRow| row.role == shm_layout::types::Role::Strategy;
        let page = place.control();
        json!({
            "instance": place.instance.name().as_str(),
            "live": live,
            "boot_stamp": place.page.as_ref().map(|opened| output::hex(opened.spec.boot_stamp)),
            "regions": place.instance.regions(),
            "data": place.instance.data(),
            "killed": killed(place),
            "armed_by_operator": rows.iter().filter(armed)
                .filter(|row| page.is_some_and(|page| page.armed_by_operator(row.index)))
                .map(|row| row.index).collect::<Vec<_>>(),
            "processes": rows.iter().map(row).collect::<Vec<_>>(),
            "faults": regions.fault_lines(),
        })
    }

    fn print(&self, place: &Place, regions: &Regions, rows: &[ProcessRow], live: bool) -> Result<(), Failure> {
        let word = if live { "runs" } else { "does not run" };
        let kill = if killed(place) == Some(true) { ", KILLED (see `tickway kill status`)" } else { "" };
        output::line(&format!("instance {} {word}{kill}", place.instance.name()))?;
        let headings = ["process", "pid", "core", "state", "restarts", "epoch", "heartbeat", "progress", "allocations"];
        let mut table = output::table(&headings);
        for row in rows {
            table.add_row(row.cells());
        }
        output::print_table(&table)?;
        for fault in regions.fault_lines() {
            output::line(fault)?;
        }
        if self.counters {
            for row in rows {
                let mut table = output::table(&[&row.name(), ""]);
                for (label, count) in row.counters() {
                    table.add_row([label, count.to_string()]);
                }
                output::print_table(&table)?;
            }
        }
        Ok(())
    }
}

/// Whether a kill is latched; `None` when the kill file cannot be read.
fn killed(place: &Place) -> Option<bool> {
    kill_file::open_read_only(&place.instance.kill_file()).ok().map(|kill| kill.engaged())
}
