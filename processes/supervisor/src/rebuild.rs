//! The rebuild, a process of its own: folds the journals through the fence into a snapshot for a new life.
//!
//! It only reads: segment files, journal tails, rings and status regions; it writes the snapshot and beside it what it
//! came to (`<snapshot>.json`), each whole or not at all. Its parent never waits for it.

use crate::config;
use crate::machine::Restored;
use anyhow::{Context as _, bail};
use journal::{Journal, Rebuilt, TailSnapshot, Through};
use orders::OrdersState;
use orders::snapshot::{GatewayState, IntentRing, Snapshot};
use runtime::config::HostFile;
use runtime::control_page;
use runtime::instance::Instance;
use runtime::ports::{Ports, wiring};
use runtime::store::read_segments;
use serde::{Deserialize, Serialize};
use shm_layout::control_page::RecorderMode;
use shm_layout::message::execution::{Checkpoint, Execution, ExecutionKind};
use shm_layout::message::order::OrderRequest;
use shm_layout::ring::Start;
use shm_layout::ring::sync::Ordering;
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::{ClOrdId, Role};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// For whom.
#[derive(Clone, Debug)]
pub struct Request {
    /// Effective host file.
    pub host: PathBuf,
    /// Role: strategy or risk.
    pub role: Role,
    /// Its index.
    pub index: u8,
    /// Epoch of the life that will read the snapshot.
    pub epoch: u32,
    /// Gateways (bit by index) whose journal holds the fence of that epoch; the others are dead and read to their end.
    pub fenced: u64,
    /// Where the snapshot goes.
    pub out: PathBuf,
}

/// What a rebuild came to, as `<snapshot>.json`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Version of this file.
    pub schema_version: u32,
    /// Per gateway.
    pub gateways: Vec<GatewayReport>,
}

/// State that one gateway's journal leads to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayReport {
    /// Index of the gateway.
    pub gateway: u8,
    /// Journal sequence through which it was folded.
    pub through: u64,
    /// Canonical hash of the (filtered) orders state, 16 hex digits.
    pub hash: String,
}

/// Reads the report beside a snapshot.
///
/// # Errors
/// When it is missing or not a report.
pub fn read_report(snapshot: &Path) -> anyhow::Result<Vec<Restored>> {
    let text = fs::read_to_string(report_path(snapshot))?;
    let report: Report = serde_json::from_str(&text)?;
    let restored = |gateway: &GatewayReport| {
        let hash = u64::from_str_radix(&gateway.hash, 16)?;
        Ok(Restored { gateway: gateway.gateway, through: gateway.through, hash })
    };
    report.gateways.iter().map(restored).collect()
}

fn report_path(snapshot: &Path) -> PathBuf {
    snapshot.with_extension("json")
}

/// Rebuilds, and writes snapshot and report.
///
/// # Errors
/// When a journal cannot be folded through the fence, or something cannot be read or written.
pub fn run(request: &Request) -> anyhow::Result<Report> {
    let file = HostFile::load(&request.host)?;
    let instance = Instance::of(&file);
    let opened = control_page::open(&instance, Duration::from_secs(2))?;
    let ports = Ports::new(&instance, &file, opened.spec.boot_stamp, opened.page);
    let world = World { request, file: &file, instance: &instance, ports: &ports };
    let mut snapshot = Snapshot {
        role: request.role,
        index: request.index,
        epoch: request.epoch,
        last_cl_ord_id: ClOrdId::NONE,
        intent_rings: Vec::new(),
        gateways: Vec::new(),
    };
    let mut gateways = Vec::new();
    for gateway in 0..file.counts().gateways {
        let (state, rebuilt) = world.fold(gateway)?;
        let (through, hash) = (state.through_journal_sequence(), format!("{:016x}", state.hash()));
        gateways.push(GatewayReport { gateway, through, hash });
        snapshot.gateways.push(GatewayState { gateway, state });
        if request.role == Role::Strategy {
            let last = rebuilt.last_cl_ord_ids.get(usize::from(request.index)).copied().unwrap_or(ClOrdId::NONE);
            snapshot.last_cl_ord_id = snapshot.last_cl_ord_id.max(last);
        } else {
            snapshot.intent_rings.extend(world.intent_rings(gateway, &rebuilt)?);
        }
    }
    let report = Report { schema_version: 1, gateways };
    // The report last: where it is, the snapshot is whole.
    replace(&request.out, &snapshot.encode())?;
    replace(&report_path(&request.out), serde_json::to_string(&report)?.as_bytes())?;
    Ok(report)
}

struct World<'a> {
    request: &'a Request,
    file: &'a HostFile,
    instance: &'a Instance,
    ports: &'a Ports,
}

impl World<'_> {
    /// Folds one gateway's journal, read only, whether or not it is still being written.
    fn fold(&self, gateway: u8) -> anyhow::Result<(OrdersState, Rebuilt)> {
        // The tail before the files: what is released meanwhile is then in the files. A segment that is not whole is no
        // reason to read on without it: the rebuild fails, and is made again with the next epoch.
        let tail = self.tail(gateway)?;
        let segments = read_segments(&self.instance.journal(gateway))?;
        let borrowed: Vec<(u32, &[u8])> = segments.iter().map(|(id, bytes)| (*id, bytes.as_slice())).collect();
        let journal = Journal::new(&borrowed, tail.as_ref());
        let config = config::Config::of(self.file)?;
        let (orders, instruments) = (config.rebuild_orders_max.get() as usize, self.file.instruments().len());
        let Request { role, index, epoch, fenced, .. } = *self.request;
        let mut state = match role {
            Role::Strategy => OrdersState::for_strategy(Some(u16::from(index)), orders, instruments),
            Role::Risk => OrdersState::with_capacity(orders, instruments, self.file.counts().strategies.into()),
            _ => bail!("{} has no state to rebuild", role.folder()),
        };
        let is_fenced = fenced >> gateway & 1 == 1;
        let through = if is_fenced { Through::Fence(role, index, epoch) } else { Through::End };
        let rebuilt = journal::rebuild(&journal, &mut state, through).with_context(|| format!("gateway {gateway}"))?;
        advance(&mut state, rebuilt.through_journal_sequence)?;
        Ok((state, rebuilt))
    }

    fn tail(&self, gateway: u8) -> anyhow::Result<Option<TailSnapshot>> {
        let path = self.instance.journal_tail(gateway);
        if !path.exists() {
            return Ok(None);
        }
        let spec = journal::tail::region_spec(gateway, config::tail_bytes(self.file)?);
        let words = self.ports.foreign_reader(&path, spec)?;
        Ok(Some(TailSnapshot::take(&words).with_context(|| path.display().to_string())?))
    }

    /// For each strategy's intents to a gateway: what was forwarded, and what is published by now.
    fn intent_rings(&self, gateway: u8, rebuilt: &Rebuilt) -> anyhow::Result<Vec<IntentRing>> {
        let mut forwarded = self.forwarded(gateway)?;
        let counts = self.file.counts();
        let gates = self.ports.page().recorder_mode() == RecorderMode::Gating;
        let risk = self.ports.status_reader(Role::Risk, 0)?;
        let mut rings = Vec::new();
        for strategy in 0..counts.strategies {
            let ring = RingId { kind: RingKind::OrderIntent, writer: Role::Strategy, index: strategy, gateway };
            let published = self.ports.tap::<15>(ring, Start::Latest)?;
            let fence = published.next_sequence() - 1 + published.depth();
            // Risk consumed an intent only after it had forwarded it.
            let slot =
                wiring::cursor_slot(counts, gates, Role::Risk, 0, ring).context("risk gates every intent ring")?;
            let consumed = risk.cursor_words(slot).load(0, Ordering::Acquire);
            let journaled = rebuilt.last_intent_sequences.get(usize::from(strategy)).copied().unwrap_or(0);
            let in_ring = std::mem::take(&mut forwarded[usize::from(strategy)]);
            let resume_after = consumed.max(journaled).max(in_ring).min(fence);
            rings.push(IntentRing { ring, resume_after, fence });
        }
        Ok(rings)
    }

    /// Per strategy, the highest intent sequence that `order_entry` still holds.
    fn forwarded(&self, gateway: u8) -> anyhow::Result<Vec<u64>> {
        let ring = RingId { kind: RingKind::OrderEntry, writer: Role::Risk, index: 0, gateway };
        let mut reader = self.ports.tap::<15>(ring, Start::Oldest)?;
        let mut highest = vec![0; usize::from(ClOrdId::STRATEGY_MAX) + 1];
        let mut batch = [[0; 15]; 64];
        loop {
            // Risk is dead, so the ring rests; what is overwritten is older than what is read.
            let Ok(count) = reader.read_batch(&mut batch) else { continue };
            if count == 0 {
                return Ok(highest);
            }
            for request in batch[..count].iter().filter_map(|words| OrderRequest::decode(words).ok()) {
                if let Some(last) = highest.get_mut(usize::from(request.header().strategy_id)) {
                    *last = request.intent_sequence().max(*last);
                }
            }
        }
    }
}

/// Takes the state to the end of what was folded, also where the last records were none of its messages.
fn advance(state: &mut OrdersState, through: u64) -> anyhow::Result<()> {
    let kind = ExecutionKind::Checkpoint as u8;
    let checkpoint = Checkpoint { kind, journal_sequence: through, ..Checkpoint::default() };
    state.apply(&Execution::Checkpoint(checkpoint))?;
    Ok(())
}

/// Writes a file whole or not at all. Not synced: a snapshot serves one start in this boot, and after a power loss there is
/// a new one; a restart must not wait for a disk that stalls.
fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let draft = path.with_extension("draft");
    let made = File::create(&draft).and_then(|mut file| file.write_all(bytes));
    made.and_then(|()| fs::rename(&draft, path)).with_context(|| path.display().to_string())
}
