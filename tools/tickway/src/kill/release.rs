//! `kill release`: strategies are disarmed first, so that nothing trades by surprise when the latch is gone.

use super::note;
use crate::failure::{Finding, Outcome};
use crate::output::{self, snake};
use crate::place::Which;
use crate::regions::Regions;
use crate::socket::{Request, Supervisor};
use clap::Args;
use runtime::kill_file::KillFile;
use serde_json::json;
use shm_layout::kill_page::Engager;
use shm_layout::types::Role;

/// Arguments of `kill release`.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Why it is safe to go on
    #[arg(long, required = true)]
    reason: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// Runs the command; exit code 1 when nothing was engaged, or an engager latched anew meanwhile.
    ///
    /// # Errors
    /// When the kill file cannot be written, or the supervisor runs and does not disarm the strategies.
    pub fn run(&self) -> Outcome {
        let place = self.which.find()?;
        let kill = KillFile::open(&place.instance.kill_file())?;
        // A dead instance has nobody to disarm; its strategies start disarmed.
        let mut supervisor = if place.is_live() { Some(Supervisor::connect(&place.instance)?) } else { None };
        if let Some(supervisor) = &mut supervisor {
            let regions = Regions::open(place.instance.regions())?;
            for strategy in regions.processes.iter().filter(|process| process.role == Role::Strategy) {
                supervisor.ask(&Request::Disarm { strategy: strategy.index })?;
            }
        }
        let mut released = Vec::new();
        for engager in Engager::ALL {
            if let Some(generation) = kill.release(*engager, place.now())? {
                note(&place, "release", &self.reason, generation);
                released.push(json!({ "engager": snake(engager.name()), "generation": generation }));
            }
        }
        if let Some(supervisor) = &mut supervisor {
            supervisor.ask(&Request::KillReleased)?;
        }
        let still_engaged = kill.reader().engaged();
        if self.json {
            output::json(json!({
                "instance": place.instance.name().as_str(),
                "released": released,
                "engaged": still_engaged,
                "reason": self.reason,
            }))?;
        } else if released.is_empty() {
            output::line("the kill was not engaged")?;
        } else {
            output::line("the kill is released; strategies are disarmed, arm them with `tickway strategy arm`")?;
        }
        Ok(if released.is_empty() || still_engaged { Finding::Negative } else { Finding::Good })
    }
}
