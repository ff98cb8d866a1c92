//! `kill engage`.

use super::confirm::{Confirmation, How, gateways};
use super::note;
use crate::failure::{Finding, Outcome};
use crate::output;
use crate::place::Which;
use clap::Args;
use runtime::clock::monotonic_ns;
use runtime::kill_file::KillFile;
use serde_json::json;
use shm_layout::kill_page::Engager;
use std::time::Duration;

/// Arguments of `kill engage`.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Why; at most 120 characters are kept
    #[arg(long, default_value = "operator")]
    reason: String,
    /// Milliseconds that a gateway has to answer before it is SIGKILLed
    #[arg(long, default_value_t = 500, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=60_000))]
    timeout_ms: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// When the kill file is missing or cannot be synced; in memory the latch then stands all the same.
    pub fn run(&self) -> Outcome {
        let place = self.which.find()?;
        let kill = KillFile::open(&place.instance.kill_file())?;
        let gateways = gateways(&place);
        let engaged = monotonic_ns();
        let engaged_ns = place.now();
        let generation = kill.engage(Engager::Operator, engaged_ns, &self.reason)?;
        let elapsed_ns = || monotonic_ns() - engaged;
        let patience = Duration::from_millis(self.timeout_ms);
        let confirmations: Vec<Confirmation> =
            gateways.iter().map(|gateway| gateway.confirm(kill.reader(), generation, patience, &elapsed_ns)).collect();
        note(&place, "engage", &self.reason, generation);
        let confirmed = !confirmations.is_empty() && confirmations.iter().all(|one| one.how != How::Unconfirmed);
        let confirmed_ns = confirmations.iter().filter_map(|one| one.confirmed_ns).max().filter(|_| confirmed);
        if self.json {
            output::json(json!({
                "instance": place.instance.name().as_str(),
                "engaged": true,
                "generation": generation,
                "engaged_ns": engaged_ns.0,
                "reason": self.reason,
                "confirmed": confirmed,
                "confirmed_ns": confirmed_ns,
                "gateways": confirmations.iter().map(|one| one.to_json()).collect::<Vec<_>>(),
            }))?;
        } else {
            output::line(&format!("kill latched, generation {generation}"))?;
            for one in &confirmations {
                output::line(&sentence(one))?;
            }
            output::line(match (confirmed, confirmations.is_empty()) {
                (true, _) => "confirmed: no order can leave any more",
                (false, true) => "unconfirmed: no gateway of this instance is known; the kill holds for its next start",
                (false, false) => "unconfirmed: the kill is latched; what the venue holds is in `tickway kill status`",
            })?;
        }
        Ok(if confirmed { Finding::Good } else { Finding::Negative })
    }
}

fn sentence(one: &Confirmation) -> String {
    let name = format!("execution-gateway/{} (pid {})", one.index, one.pid);
    let after = one.confirmed_ns.map_or_else(String::new, |ns| format!(" after {}", output::duration(ns)));
    match one.how {
        How::Echoed { journal_sequence } => {
            format!("{name} echoed it{after}; nothing was sent after journal sequence {journal_sequence}")
        }
        How::Killed => format!("{name} did not answer, and is proven dead{after}"),
        How::Unconfirmed => format!("{name} is unconfirmed: it was dead already, or its death cannot be proven"),
    }
}
