//! A stand-in for every process of an instance, for the supervisor's own test: it attaches, beats, obeys `control`, and
//! holds to the restart barrier (fences are journaled and echoed, a snapshot's state hash is reported), and trades
//! nothing. Its role is in its file name: `tickway-risk`.
#![forbid(unsafe_code)]

use clap::Parser;
use journal::record::Fence;
use journal::{Record, TailWriter};
use orders::snapshot::{Capacity, Snapshot};
use runtime::config::HostFile;
use runtime::duty_cycle::Agent;
use runtime::process::{Arguments, Process};
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::ring::{RingReader, Start};
use shm_layout::status::{FenceEcho, StateCheckpoint, StatusWriter};
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::{Nanos, Role};

struct StandIn {
    role: Role,
    index: u8,
    control: RingReader<7>,
    journal: Option<TailWriter>,
    /// A view of the status region of its own, for what the run loop does not store.
    status: StatusWriter,
    stopped: bool,
}

impl Agent for StandIn {
    fn duty_cycle(&mut self, now: Nanos) -> usize {
        let mut batch = [[0; 7]; 16];
        let count = self.control.read_batch(&mut batch).expect("control is not lapped in a test");
        for words in &batch[..count] {
            self.obey(now, &Control::decode(words).expect("the supervisor publishes control messages"));
        }
        count
    }

    fn stop(&mut self) {
        self.stopped = true;
    }

    fn finished(&self) -> bool {
        self.stopped
    }
}

impl StandIn {
    fn obey(&mut self, now: Nanos, control: &Control) {
        let is_me = control.is_for(self.role, self.index);
        match control.kind() {
            ControlKind::Stop => self.stopped |= is_me,
            ControlKind::Arm if is_me => self.status.set_armed(true),
            ControlKind::Disarm if is_me => self.status.set_armed(false),
            ControlKind::Epoch => self.fence(now, control),
            _ => {}
        }
    }

    fn fence(&mut self, now: Nanos, control: &Control) {
        let Some(journal) = &mut self.journal else { return };
        let (role, index, epoch) = (control.role, control.index, control.epoch);
        let cursor = journal::record::RingCursor { ring: 0, reserved: 0, cursor: 0 };
        let cursors = [cursor; journal::record::FENCE_RINGS_MAX];
        let fence = Fence { role, index, reserved: 0, epoch, now_ns: now, cursors };
        let journal_sequence = journal.append(&Record::Fence(fence)).expect("the tail has room");
        let role = Role::from_u8(role).expect("an epoch is of a role");
        self.status.echo_fence(FenceEcho { role, index, epoch: epoch.into(), journal_sequence });
    }
}

fn tail(process: &Process) -> anyhow::Result<TailWriter> {
    let spec = journal::tail::region_spec(process.identity.index, supervisor::config::tail_bytes(&process.file)?);
    let path = process.instance.journal_tail(process.identity.index);
    let is_new = !path.exists();
    let words = process.ports.foreign_writer(&path, spec, process.identity)?;
    if is_new {
        journal::tail::initialise(&words, process.boot_stamp);
    }
    Ok(TailWriter::attach(words, process.boot_stamp, process.identity.epoch as u32, 0)?)
}

fn report(file: &HostFile, path: &std::path::Path, status: &mut StatusWriter) -> anyhow::Result<()> {
    let instruments = file.instruments().len();
    let capacity = Capacity { orders: 1024, instruments, strategies: file.counts().strategies.into() };
    let snapshot = Snapshot::decode(&std::fs::read(path)?, &capacity)?;
    for gateway in &snapshot.gateways {
        let (journal_sequence, state_hash) = (gateway.state.through_journal_sequence(), gateway.state.hash());
        status.publish_checkpoint(StateCheckpoint { gateway: gateway.gateway, journal_sequence, state_hash });
    }
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let name = std::env::args().next().unwrap_or_default();
    let folder = name.rsplit_once("tickway-").map_or("", |(_, folder)| folder);
    let role = Role::from_folder(folder).ok_or_else(|| anyhow::anyhow!("{name} names no role"))?;
    let arguments = Arguments::parse();
    let (process, status) = Process::attach(role, &arguments, &[])?;
    let now = process.clock.now();
    let ring = RingId { kind: RingKind::Control, writer: Role::Supervisor, index: 0, gateway: 0 };
    let control = process.ports.tap(ring, Start::Latest)?;
    let journal = if role == Role::ExecutionGateway { Some(tail(&process)?) } else { None };
    let mut own = process.ports.status_writer(process.identity, now)?;
    if let Some(path) = &arguments.snapshot {
        report(&process.file, path, &mut own)?;
    }
    let mut agent = StandIn { role, index: arguments.index, control, journal, status: own, stopped: false };
    process.run(status, &mut agent);
    Ok(())
}
