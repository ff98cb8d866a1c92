//! Brings an instance to rest before anything is counted, step by step, each step bounded.
//!
//! A step that does not end in time is a difference that names it; the next ones are still tried.

use super::session::Running;
use crate::regions::{Regions, RingRegion};
use crate::roster::ProcessRow;
use crate::socket::Request;
use runtime::ports::wiring;
use serde_json::Value;
use shm_layout::topology::RingKind;
use shm_layout::types::Role;
use std::time::Duration;

/// Nap between two looks.
const NAP: Duration = Duration::from_millis(5);
/// Longest wait of a step.
const STEP: Duration = Duration::from_secs(10);

/// Brings it to rest; returns what did not come to pass.
pub fn quiesce(running: &mut Running) -> Vec<String> {
    let mut differences = Vec::new();
    let mut step = |name: &str, outcome: Result<(), String>| {
        if let Err(why) = outcome {
            differences.push(format!("quiesce, {name}: {why}"));
        }
    };
    step("restarts", restarted(running));
    step("disarm", disarm(running));
    step("cancel all", cancel_all(running));
    step("end of session", end_of_session(running));
    step("feed at its last sequence", feed(running));
    step("rings drained", drained(running));
    step("recorder caught up", captured(running));
    differences
}

/// Looks until `done` says nothing is missing; else what it said last.
fn wait(running: &Running, mut missing: impl FnMut(&[ProcessRow], &Regions) -> Option<String>) -> Result<(), String> {
    let mut waited = Duration::ZERO;
    loop {
        let (regions, rows) = running.look().map_err(|failure| failure.message)?;
        match missing(&rows, &regions) {
            None => return Ok(()),
            Some(why) if waited >= STEP => return Err(format!("{why} after {} s", STEP.as_secs())),
            Some(_) => {}
        }
        std::thread::sleep(NAP);
        waited += NAP;
    }
}

/// Whoever died a moment ago is given the time to come back: its counts are those of a life that has caught up.
fn restarted(running: &Running) -> Result<(), String> {
    wait(running, |rows, _| {
        let on_its_way = |row: &&ProcessRow| matches!(row.state.as_str(), "dead" | "starting" | "restarting" | "none");
        // A gateway is not restarted.
        let row = rows.iter().filter(|row| row.role != Role::ExecutionGateway).find(on_its_way);
        row.map(|row| format!("{} is still {}", row.name(), row.state))
    })
}

fn disarm(running: &mut Running) -> Result<(), String> {
    for strategy in 0..running.counts().strategies {
        running.ask(&Request::Disarm { strategy }).map_err(|failure| failure.message)?;
    }
    wait(running, |rows, _| {
        let armed = rows.iter().find(|row| row.role == Role::Strategy && row.status.armed() && row.state == "running");
        armed.map(|row| format!("{} is still armed", row.name()))
    })
}

fn cancel_all(running: &mut Running) -> Result<(), String> {
    running.ask(&Request::CancelAll).map_err(|failure| failure.message)?;
    wait(running, |rows, _| {
        let gateways = rows.iter().filter(|row| row.role == Role::ExecutionGateway);
        gateways.filter(|row| row.state == "running").find_map(|row| {
            let (open, unknown) = (row.counter("open_orders")?, row.counter("unknown_orders").unwrap_or(0));
            (open + unknown > 0).then(|| format!("{} has {open} open orders and {unknown} in doubt", row.name()))
        })
    })
}

fn end_of_session(running: &mut Running) -> Result<(), String> {
    running.venue.tell("end").map_err(|failure| failure.message)
}

fn feed(running: &mut Running) -> Result<(), String> {
    let account = running.venue.ask("account").map_err(|failure| failure.message)?;
    let last = last_sequence(&account);
    wait(running, |rows, _| {
        let feed = rows.iter().find(|row| row.role == Role::FeedHandler)?;
        let next = feed.counter("expected_sequence").unwrap_or(0);
        (next != last + 1).then(|| format!("the feed handler stands before sequence {next}, the venue ended at {last}"))
    })
}

fn last_sequence(account: &Value) -> u64 {
    account["itch"]["last_sequence"].as_u64().unwrap_or(0)
}

/// Every order and every execution was read by whoever acts on it.
fn drained(running: &Running) -> Result<(), String> {
    wait(running, |rows, regions| {
        let acts = [RingKind::MarketData, RingKind::OrderIntent, RingKind::OrderEntry, RingKind::Execution];
        regions.rings.iter().filter(|ring| acts.contains(&ring.id.kind)).find_map(|ring| behind(rows, regions, ring))
    })
}

/// The first living reader, the recorder aside, that has not read the whole ring.
fn behind(rows: &[ProcessRow], regions: &Regions, ring: &RingRegion) -> Option<String> {
    let published = ring.published();
    wiring::readers(regions.counts(), false, ring.id).into_iter().find_map(|(role, index, _)| {
        let row = rows.iter().find(|row| (row.role, row.index) == (role, index))?;
        if role == Role::Recorder || row.state != "running" {
            return None;
        }
        let cursor = regions.gating_cursor(role, index, false, ring.id);
        let position = || row.status.positions().find(|position| position.ring == ring.id);
        let read = cursor.or_else(|| Some(position()?.next_sequence.saturating_sub(1)))?;
        (read < published).then(|| format!("{} has {read} of {published} messages of {}", row.name(), ring.id.name()))
    })
}

/// The recorder has read what was published when this step began: machines with timers go on publishing steps.
fn captured(running: &Running) -> Result<(), String> {
    let (regions, _) = running.look().map_err(|failure| failure.message)?;
    let published: Vec<_> = regions.rings.iter().map(|ring| (ring.id, ring.published())).collect();
    wait(running, |rows, _| {
        let recorder = rows.iter().find(|row| row.role == Role::Recorder && row.state == "running")?;
        recorder.status.positions().find_map(|position| {
            let (ring, published) = published.iter().find(|(ring, _)| *ring == position.ring)?;
            let read = position.next_sequence.saturating_sub(1);
            (read < *published).then(|| format!("it has {read} of {published} messages of {}", ring.name()))
        })
    })
}
