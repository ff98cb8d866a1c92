//! Building the shell: configuration, snapshot, rings. Everything that may fail or allocate happens here, before the duty
//! cycle begins.

use super::board::Board;
use super::intents::{Intents, Queue};
use super::{RiskShell, ShellFault};
use crate::config::{Instrument, RiskConfig};
use crate::limits::Settings;
use crate::machine::{RingStart, Risk};
use anyhow::Context;
use machine::Stepper;
use orders::OrdersState;
use orders::snapshot::{Capacity, IntentRing, Snapshot};
use runtime::config::HostFile;
use runtime::inputs::{ControlInput, ExecutionInput};
use runtime::kill_file;
use runtime::process::Process;
use runtime::references::References;
use shm_layout::image::ImageReader;
use shm_layout::message::step::{Step, StepKind};
use shm_layout::ring::{RingWriter, Start};
use shm_layout::status::{StateCheckpoint, StatusWriter};
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::Role;

/// Slots of `order_entry` that only cancels and refusals may use; a quarter of a ring that is small.
const RESERVED_SLOTS: usize = 64;

/// What a life starts from.
struct Origin {
    state: OrdersState,
    rings: Vec<IntentRing>,
}

impl RiskShell {
    /// Risk of `process`, with its state from the snapshot that the arguments name, if they do.
    ///
    /// # Errors
    /// A host file that risk cannot work with, a snapshot that is not this life's, a region that is missing.
    pub fn attach(process: &Process, mut status: StatusWriter) -> anyhow::Result<Self> {
        let (ports, counts, me) = (&process.ports, process.ports.counts(), process.identity);
        let settings = settings(&process.file)?;
        let now = process.clock.now();
        let epoch = u32::try_from(me.epoch).context("the epoch does not fit 32 bits")?;
        let Origin { state, rings } = origin(process, &settings)?;
        let (through, state_hash) = (state.through_journal_sequence(), state.hash());
        let mut entries: Vec<RingWriter<15>> = Vec::new();
        for gateway in 0..counts.gateways {
            let mut entry = process.writer(RingKind::OrderEntry, gateway)?;
            let slots = process.file.rings().slots(RingKind::OrderEntry) as usize;
            entry.set_reserve(RESERVED_SLOTS.min(slots / 4));
            entries.push(entry);
        }
        let executions = (0..counts.gateways).map(|gateway| ExecutionInput::attach(ports, gateway, through));
        let executions = executions.collect::<Result<_, _>>()?;
        let (queues, starts) = queues(process, &status, &rings)?;
        let mut steps = process.step_log()?;
        let value = [i64::from(epoch), through as i64, 0];
        steps.record(&Step { kind: StepKind::Start as u8, now_ns: now, value, ..Step::default() });
        if through > 0 {
            status.publish_checkpoint(StateCheckpoint { gateway: 0, journal_sequence: through, state_hash });
        }
        Ok(Self {
            stepper: Stepper::new(Risk::restore(settings, state, epoch, &starts, now), now),
            board: Board::new(status.counters()),
            steps,
            control: ControlInput::attach(ports, me)?,
            executions,
            kill: kill_file::open_read_only(&process.instance.kill_file())?,
            kill_generation: None,
            references: References::new(ImageReader::new(&ports.image(0, None)?)),
            intents: Intents::new(queues),
            entries,
            status,
            stopping: false,
            finished: false,
            fault: None::<ShellFault>,
        })
    }
}

/// The limits of the host file.
fn settings(file: &HostFile) -> anyhow::Result<Settings> {
    let config: RiskConfig = file.table("risk")?;
    let counts = file.counts();
    if counts.gateways != 1 {
        let what = format!("risk follows one gateway, there are {} venues", counts.gateways);
        return Err(file.error_at("venues", what, "keep one [[venues]]").into());
    }
    let instruments: Vec<_> = (file.instruments().rows().iter())
        .map(|row| Instrument {
            symbol: row.symbol.clone(),
            tick_size: row.tick_size,
            lot_size: row.lot_size,
            price_max: row.price_max,
            order_qty_max: row.order_qty_max,
        })
        .collect();
    let resolved = config.resolve(&instruments, usize::from(counts.strategies), counts.gateways);
    resolved.map_err(|error| file.error_at("risk", error.to_string(), "correct the row").into())
}

/// The state through the snapshot's fence, or an empty one in a first life.
fn origin(process: &Process, settings: &Settings) -> anyhow::Result<Origin> {
    let Some(path) = &process.arguments.snapshot else {
        return Ok(Origin { state: Risk::orders_state(settings), rings: Vec::new() });
    };
    let bytes = std::fs::read(path).with_context(|| format!("cannot read the snapshot {}", path.display()))?;
    let capacity = Capacity {
        orders: settings.orders_max,
        instruments: settings.domains.len(),
        strategies: settings.throttles.len(),
    };
    let refused = || format!("the snapshot {} is refused", path.display());
    let mut snapshot = Snapshot::decode(&bytes, &capacity).with_context(refused)?;
    let me = process.identity;
    let of = (snapshot.role, snapshot.index, u64::from(snapshot.epoch));
    anyhow::ensure!(of == (Role::Risk, me.index, me.epoch), "{}: it is of {of:?}, not of this life", refused());
    let state = snapshot.gateways.pop().filter(|last| last.gateway == 0 && snapshot.gateways.is_empty());
    let state = state.with_context(|| format!("{}: it is not of one gateway", refused()))?.state;
    anyhow::ensure!(state.strategy().is_none(), "{}: it holds one strategy only", refused());
    Ok(Origin { state, rings: snapshot.intent_rings })
}

/// The intent rings, each at its cursor or after what the snapshot says was forwarded, and where each strategy stands.
fn queues(
    process: &Process,
    status: &StatusWriter,
    known: &[IntentRing],
) -> anyhow::Result<(Vec<Queue>, Vec<RingStart>)> {
    let counts = process.ports.counts();
    let (mut queues, mut starts) = (Vec::new(), Vec::new());
    for strategy in 0..counts.strategies {
        for gateway in 0..counts.gateways {
            let ring = RingId { kind: RingKind::OrderIntent, writer: Role::Strategy, index: strategy, gateway };
            let known = known.iter().find(|known| known.ring == ring);
            anyhow::ensure!(
                known.is_some() || process.arguments.snapshot.is_none(),
                "the snapshot does not say where {} stands; rebuild again",
                ring.name()
            );
            let start = known.map(|known| Start::After(known.resume_after));
            queues.push(Queue::new(ring, process.ports.gating_reader(ring, process.identity, status, start)?));
            let start = |known: &IntentRing| RingStart { resume_after: known.resume_after, fence: known.fence };
            starts.push(known.map(start).unwrap_or_default());
        }
    }
    Ok((queues, starts))
}
