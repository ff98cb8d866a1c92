//! Building the shell: configuration, snapshot, rings. Everything that may fail or allocate happens here, before the duty
//! cycle begins.

use super::StrategyShell;
use super::board::Board;
use super::market::MarketInput;
use super::outbox::{Outbox, SLOTS_MIN};
use crate::config::{Instrument, Settings, StrategyConfig};
use crate::machine::StrategyMachine;
use anyhow::Context;
use machine::Stepper;
use orders::OrdersState;
use orders::snapshot::{Capacity, Snapshot};
use runtime::config::HostFile;
use runtime::inputs::{ControlInput, ExecutionInput};
use runtime::process::Process;
use runtime::references::References;
use shm_layout::image::ImageReader;
use shm_layout::message::step::{Step, StepKind};
use shm_layout::ring::Start;
use shm_layout::status::{StateCheckpoint, StatusWriter};
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::{ClOrdId, Role};

/// Leadership term of a host that stands alone.
const TERM: u32 = 0;

impl StrategyShell {
    /// The strategy of `process`, with its state from the snapshot that the arguments name, if they do. It comes up
    /// disarmed, whatever was said before this life.
    ///
    /// # Errors
    /// A host file that it cannot work with, a snapshot that is not this life's, an epoch that no ClOrdID can carry, a
    /// region that is missing.
    pub fn attach(process: &Process, mut status: StatusWriter) -> anyhow::Result<Self> {
        let (ports, me) = (&process.ports, process.identity);
        let settings = settings(&process.file, me.index)?;
        let epoch = u32::try_from(me.epoch).ok().filter(|epoch| *epoch <= ClOrdId::EPOCH_MAX);
        let epoch = epoch.with_context(|| format!("epoch {} is beyond {}", me.epoch, ClOrdId::EPOCH_MAX))?;
        let state = origin(process, &settings)?;
        let (through, state_hash) = (state.through_journal_sequence(), state.hash());
        let venue = settings.venue_id as u8;
        let market_data = RingId { kind: RingKind::MarketData, writer: Role::FeedHandler, index: venue, gateway: 0 };
        let writers = (0..ports.counts().gateways).map(|gateway| process.writer(RingKind::OrderIntent, gateway));
        let outbox = Outbox::new(writers.collect::<Result<_, _>>()?);
        let control = ControlInput::attach(ports, me)?.of_this_life();
        let execution = ExecutionInput::attach(ports, venue, through)?;
        let market = MarketInput::new(market_data, ports.tap(market_data, Start::Latest)?);
        let rows = process.file.instruments().rows();
        let board = Board::new(status.counters(), &settings, |id| rows[id.index()].symbol.as_str());
        let now = process.clock.now();
        let mut steps = process.step_log()?;
        let value = [i64::from(epoch), through as i64, 0];
        steps.record(&Step { kind: StepKind::Start as u8, now_ns: now, value, ..Step::default() });
        if through > 0 {
            status.publish_checkpoint(StateCheckpoint { gateway: venue, journal_sequence: through, state_hash });
        }
        status.set_armed(false);
        let instruments = settings.instruments.clone();
        Ok(Self {
            stepper: Stepper::new(StrategyMachine::restore(settings, state, TERM, epoch), now),
            references: References::new(ImageReader::new(&ports.image(venue, None)?)),
            status,
            board,
            steps,
            control,
            execution,
            market,
            instruments,
            to_reload: 0,
            reload_again: false,
            outbox,
            armed: false,
            stopping: false,
            finished: false,
            fault: None,
        })
    }
}

/// The row of the host file.
fn settings(file: &HostFile, index: u8) -> anyhow::Result<Settings> {
    let rows: Vec<StrategyConfig> = file.tables("strategy")?;
    let key = format!("strategy[{index}]");
    let config = rows.get(usize::from(index)).ok_or_else(|| {
        file.error_at("strategy", format!("there is no row {index}"), "add a [[strategy]], or start another index")
    })?;
    let instruments: Vec<_> = (file.instruments().rows().iter())
        .map(|row| Instrument { symbol: row.symbol.clone(), lot_size: row.lot_size })
        .collect();
    if config.venue_id >= u16::from(file.counts().gateways) {
        let key = format!("{key}.venue_id");
        let what = format!("venue {} of {}", config.venue_id, file.counts().gateways);
        return Err(file.error_at(&key, what, "name a row of [[venues]], counted from 0").into());
    }
    let slots = file.rings().slots(RingKind::OrderIntent) as usize;
    if slots < SLOTS_MIN {
        let what = format!("{slots} slots; one input of a strategy may cause {} requests", SLOTS_MIN / 4);
        return Err(file.error_at("rings.order_intent", what, format!("give it at least {SLOTS_MIN}")).into());
    }
    let resolved = config.resolve(u16::from(index), &instruments);
    resolved.map_err(|error| file.error_at(&key, error.to_string(), "correct the row").into())
}

/// The state through the snapshot's fence, or an empty one in a first life.
fn origin(process: &Process, settings: &Settings) -> anyhow::Result<OrdersState> {
    let Some(path) = &process.arguments.snapshot else {
        return Ok(StrategyMachine::orders_state(settings));
    };
    let bytes = std::fs::read(path).with_context(|| format!("cannot read the snapshot {}", path.display()))?;
    let capacity = Capacity { orders: settings.orders_max, instruments: settings.instrument_count, strategies: 1 };
    let refused = || format!("the snapshot {} is refused", path.display());
    let snapshot = Snapshot::decode(&bytes, &capacity).with_context(refused)?;
    let me = process.identity;
    let of = (snapshot.role, snapshot.index, u64::from(snapshot.epoch));
    anyhow::ensure!(of == (Role::Strategy, me.index, me.epoch), "{}: it is of {of:?}, not of this life", refused());
    let mine = snapshot.gateways.into_iter().find(|known| u16::from(known.gateway) == settings.venue_id);
    let state = mine.with_context(|| format!("{}: it lacks gateway {}", refused(), settings.venue_id))?.state;
    anyhow::ensure!(
        state.strategy() == Some(settings.strategy_id),
        "{}: it holds the orders of {:?}, not of strategy {}",
        refused(),
        state.strategy(),
        settings.strategy_id
    );
    Ok(state)
}
