//! Building the shell: configuration, journal, rings. Everything that may fail or allocate happens here, before the duty
//! cycle begins.

use super::board::Board;
use super::connection::Connection;
use super::flushing::Flushing;
use super::leases::{Guards, Lease};
use super::ledger::Ledger;
use super::outlet::Outlet;
use super::{ENTRIES_MAX, Shell};
use crate::config::{GatewayConfig, Settings};
use crate::io::{Input, Received};
use crate::machine::Gateway;
use anyhow::Context;
use machine::Stepper;
use orders::OrdersState;
use runtime::config::Venue;
use runtime::huge_pages::outside_arena;
use runtime::inputs::ControlInput;
use runtime::kill_file;
use runtime::process::Process;
use shm_layout::message::WORDS_128;
use shm_layout::message::step::{Step, StepKind};
use shm_layout::status::StatusWriter;
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::Role;

/// Granularity of the journal's sizes, in bytes.
const PAGE_BYTES: u64 = 4096;

impl Shell {
    /// The gateway of the venue at this process's index, its journal taken up where it ended.
    ///
    /// # Errors
    /// A host file that it cannot work with, a journal that cannot be continued, a region that is missing.
    pub fn attach(process: &Process, status: StatusWriter) -> anyhow::Result<Self> {
        let (ports, me) = (&process.ports, process.identity);
        let (config, settings, venue) = settings(process)?;
        let state =
            OrdersState::with_capacity(settings.orders_max, settings.symbols.len().max(1), settings.strategies.max(1));
        // A journal is read whole: not into memory that is kept and locked.
        let Ledger { tail, flusher, state, memory } = outside_arena(|| Ledger::open(process, &config, state))?;
        let entry_ring = RingId { kind: RingKind::OrderEntry, writer: Role::Risk, index: 0, gateway: me.index };
        let entries = ports.gating_reader(entry_ring, me, &status, None)?;
        let guards = guards(process, &config)?;
        let through = tail.last_sequence();
        let now = process.clock.now();
        let mut steps = process.step_log()?;
        let value = [me.epoch as i64, through as i64, 0];
        steps.record(&Step { kind: StepKind::Start as u8, now_ns: now, value, ..Step::default() });
        let connection = Connection::new(venue.order_entry_address, process.wire_tap()?, process.clock);
        let board = Board::new(status.counters());
        let outlet = Outlet {
            tail,
            execution: process.writer(RingKind::Execution, 0)?,
            connection,
            guards,
            status,
            gateway: me.index,
            finished: false,
            fault: None,
        };
        let mut machine = Gateway::resumed(settings, state, through, &memory);
        machine.start_after(entries.next_sequence().saturating_sub(1));
        Ok(Self {
            stepper: Stepper::new(machine, now),
            outlet,
            board,
            steps,
            control: ControlInput::attach(ports, me)?,
            entry_ring,
            entries,
            words: vec![[0; WORDS_128]; ENTRIES_MAX].into(),
            wire_ring: process.ring(RingKind::Wire, 0),
            received: Input::Received(Received::default()),
            tail_bytes: config.tail_bytes.get(),
            kill_generation: 0,
            journal_available: true,
            // Last, so that nothing above can fail with the thread running.
            flushing: Flushing::start(flusher, process.clock, config.durability, process.arguments.wait)?,
            stop_asked: false,
            stop_by: None,
            idle_passes: 0,
            finished: false,
            fault: None,
        })
    }
}

/// The `[execution-gateway]` table, what the machine makes of it, and the venue.
fn settings(process: &Process) -> anyhow::Result<(GatewayConfig, Settings, Venue)> {
    let (file, index) = (&process.file, usize::from(process.identity.index));
    let venue = file.venues().get(index);
    let venue =
        venue.with_context(|| format!("{}: gateway {index} has no venue; add a [[venues]] table", file.file()))?;
    let config: GatewayConfig = file.table("execution-gateway")?;
    for (key, bytes) in [("segment_bytes", config.segment_bytes.get()), ("tail_bytes", config.tail_bytes.get())] {
        if bytes % PAGE_BYTES != 0 {
            let what = format!("{key} = {bytes} is not a multiple of {PAGE_BYTES}");
            return Err(file.error_at("execution-gateway", what, "round it up").into());
        }
    }
    let symbols: Vec<String> = file.instruments().rows().iter().map(|row| row.symbol.clone()).collect();
    let settings = config
        .settings(process.identity.index, venue, &symbols, usize::from(file.counts().strategies))
        .map_err(|error| file.error_at("venues", error.to_string(), "correct the host file"))?;
    Ok((config, settings, venue.clone()))
}

fn guards(process: &Process, config: &GatewayConfig) -> anyhow::Result<Guards> {
    const MS: u64 = 1_000_000;
    let ports = &process.ports;
    let lease = |role, index, lease_ms: u64| -> anyhow::Result<Lease> {
        Ok(Lease::new(role, index, ports.status_reader(role, index)?, lease_ms * MS))
    };
    let risk = lease(Role::Risk, 0, config.risk_lease_ms.get())?;
    let strategies = 0..ports.counts().strategies;
    let strategies = strategies.map(|index| lease(Role::Strategy, index, config.strategy_lease_ms.get()));
    let kill = kill_file::open_read_only(&process.instance.kill_file())?;
    Ok(Guards::new(kill, risk, strategies.collect::<Result<_, _>>()?))
}
