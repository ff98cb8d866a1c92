//! What the core says, done.

use super::start::binary_name;
use super::{Counter, Finished, RebuildChild, Shell};
use crate::handle::{Handle, Host};
use crate::machine::{Exit, Input, Output, Slot};
use crate::socket;
use anyhow::Context as _;
use runtime::child::{Child, ProcessId, binary_path};
use runtime::kill_file::KillFile;
use runtime::placement::Placement;
use runtime::turn::{self, Stage};
use runtime::wait::WaitStrategy;
use shm_layout::control_page::{RosterEntry, RosterState};
use shm_layout::kill_page::Engager;
use shm_layout::message::control::Control;
use shm_layout::types::{Nanos, Role};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Exit code that stands for "could not be started": sysexits' EX_OSERR.
const EX_OSERR: i32 = 71;

impl Shell {
    pub(super) fn perform_all(&mut self, now: Nanos, outputs: Vec<Output>) {
        for output in outputs {
            self.perform(now, output);
        }
    }

    fn perform(&mut self, now: Nanos, output: Output) {
        match output {
            Output::KillProcess(slot) => self.kill_process(slot),
            Output::Park(slot, parked) => self.page.set_parked(slot, parked),
            Output::PersistEpoch(slot, epoch) => self.persist_epoch(slot, epoch),
            Output::Publish(control) => self.publish(Control { now_ns: now, ..control }),
            Output::SpawnRebuild { slot, epoch, fenced } => {
                self.count(Counter::Rebuilds);
                if let Err(error) = self.spawn_rebuild(slot, epoch, fenced) {
                    tracing::error!("{error:#}");
                    self.queue.push_back(Input::RebuildDone { slot, epoch, restored: None });
                }
            }
            Output::CancelRebuild(slot) => self.cancel_rebuild(slot),
            Output::Spawn { slot, epoch, restarts, snapshot } => {
                self.seats[slot].watched.restart(now);
                self.count(Counter::Started);
                if let Err(error) = self.spawn(slot, epoch, restarts, snapshot) {
                    tracing::error!("{error:#}");
                    self.queue.push_back(Input::ProcessExited(slot, Exit::Code(EX_OSERR)));
                }
            }
            Output::LatchKill(reason) => self.latch_kill(now, reason),
            Output::SetRoster { slot, state, epoch, restarts } => self.set_roster(slot, state, epoch, restarts),
            Output::SetArmed(bits) => self.page.set_armed_by_operator(bits),
            Output::Reply { request_id, refused } => self.reply(request_id, refused.map(|refusal| refusal.to_string())),
            Output::Booted => tracing::info!("every process runs"),
            Output::Say(text) => tracing::info!("{text}"),
            Output::Finish { code, clean } => self.finished = Some(Finished { code, clean }),
        }
    }

    /// Latches in memory at once; the sync is a thread's, because a disk may stall.
    fn latch_kill(&self, now: Nanos, reason: String) {
        let path = self.instance.kill_file();
        std::thread::spawn(move || {
            let engaged = KillFile::open(&path).and_then(|kill| kill.engage(Engager::Supervisor, now, &reason));
            if let Err(error) = engaged {
                tracing::error!("the kill may not be on the disk: {error}");
            }
        });
    }

    fn kill_process(&mut self, slot: usize) {
        self.count(Counter::Killed);
        if let Some(Err(error)) = self.seats[slot].handle.as_ref().map(Handle::kill) {
            tracing::error!("{error}");
        }
    }

    fn persist_epoch(&mut self, slot: usize, epoch: u32) {
        let process = &self.core.machine.slots()[slot];
        self.epochs.persist(slot, process.role, process.index, epoch);
    }

    fn publish(&mut self, control: Control) {
        self.unpublished.push_back(control);
        self.publish_waiting();
    }

    /// Publishes what waits; only a gating recorder can make it wait.
    pub(super) fn publish_waiting(&mut self) {
        while let Some(control) = self.unpublished.front() {
            if self.control.push(&control.encode()).is_err() {
                return;
            }
            self.unpublished.pop_front();
            self.count(Counter::Published);
        }
    }

    fn reply(&mut self, request_id: u64, refused: Option<String>) {
        if let Some(why) = &refused {
            tracing::warn!("request {request_id} refused: {why}");
            self.count(Counter::CommandsRefused);
        }
        if let Some(client) = self.requests.remove(&request_id) {
            self.server.reply(client, &socket::outcome(request_id, refused));
        }
    }

    fn log_file(&self, role: Role, index: u8) -> PathBuf {
        self.instance.log().join(format!("{}.{index}.log", role.folder()))
    }

    /// Starts a process with the arguments that every process takes (`runtime::process::Arguments`).
    fn spawn(&mut self, slot: usize, epoch: u32, restarts: u64, snapshot: bool) -> anyhow::Result<()> {
        let process = &self.core.machine.slots()[slot];
        let (role, index) = (process.role, process.index);
        let host = self.instance.host_file().display().to_string();
        let mut arguments = vec!["--host".to_owned(), host];
        let mut option = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        option("--index", index.to_string());
        option("--epoch", epoch.to_string());
        option("--restarts", restarts.to_string());
        match self.seats[slot].core {
            Some(core) => {
                option("--core", core.to_string());
                option("--wait", self.plan.wait.to_string());
            }
            None => option("--wait", self.plan.wait.cold(self.file.host().nap_us.get() as u32).to_string()),
        }
        let turn_after: Vec<String> = self.turn_after(slot).iter().map(Stage::to_string).collect();
        if !turn_after.is_empty() {
            option("--turn-after", turn_after.join(","));
        }
        if snapshot {
            let path = self.seats[slot].snapshot.take().context("a rebuild leaves a snapshot")?;
            option("--snapshot", path.display().to_string());
        }
        let placement = self.file.host().placement;
        self.seats[slot].handle = Some(match placement.host_of(role) {
            Some(host) => Handle::Stage(self.host(host, role, arguments)?),
            None => {
                let binary = binary_path(&binary_name(placement, role))?;
                Handle::Child(Child::spawn(&binary, &arguments, &self.log_file(role, index))?)
            }
        });
        Ok(())
    }

    /// The stages that yield on the CPU of a slot's process, where it is to look for its turn among them.
    fn turn_after(&self, slot: usize) -> Vec<Stage> {
        let yields = self.plan.wait == WaitStrategy::Yield && self.file.host().placement == Placement::Processes;
        let stage = |process: &Slot| Stage { role: process.role, index: process.index };
        let slots = self.core.machine.slots().iter().zip(&self.seats);
        let stages: Vec<_> = slots.map(|(process, seat)| (stage(process), seat.core.filter(|_| yields))).collect();
        turn::before(slot, &stages)
    }

    /// The living host of that index, or a new one, with one more stage of these arguments.
    fn host(&self, index: u8, role: Role, arguments: Vec<String>) -> anyhow::Result<Rc<Host>> {
        let placement = self.file.host().placement;
        let slots = self.core.machine.slots().iter().zip(&self.seats);
        let mut hosts = slots
            .filter(|(process, _)| placement.host_of(process.role) == Some(index))
            .filter_map(|(_, seat)| seat.handle.as_ref().and_then(Handle::living_host));
        let host = match hosts.next() {
            Some(host) => Rc::clone(host),
            None => {
                let stages = placement.stages_of(index, self.file.counts());
                let words = ["--place".to_owned(), index.to_string(), "--stages".to_owned(), stages.to_string()];
                // The host file first: it is how a stray is known.
                let words = [&arguments[..2], &words].concat();
                let log = self.instance.log().join(format!("fused.{index}.log"));
                let (child, input) = Child::spawn_piped(&binary_path(&binary_name(placement, role))?, &words, &log)?;
                Host::new(child, input)
            }
        };
        let stage = [vec![role.folder().to_owned()], arguments].concat();
        host.add(&stage).with_context(|| format!("fused host {index} takes no stage"))?;
        Ok(host)
    }

    fn spawn_rebuild(&mut self, slot: usize, epoch: u32, fenced: u64) -> anyhow::Result<()> {
        let process = &self.core.machine.slots()[slot];
        let (role, index) = (process.role, process.index);
        let prefix = format!("{}.{index}.", role.folder());
        remove_earlier(&self.instance.snapshot(), &prefix);
        let snapshot = self.instance.snapshot().join(format!("{prefix}{epoch}.snapshot"));
        let own = std::env::current_exe().context("this binary")?;
        let words = [
            "rebuild".to_owned(),
            "--host".to_owned(),
            self.instance.host_file().display().to_string(),
            "--role".to_owned(),
            role.folder().to_owned(),
            "--index".to_owned(),
            index.to_string(),
            "--epoch".to_owned(),
            epoch.to_string(),
            "--fenced".to_owned(),
            fenced.to_string(),
            "--out".to_owned(),
            snapshot.display().to_string(),
        ];
        let child = Child::spawn(&own, &words, &self.instance.log().join("rebuild.log"))?;
        self.seats[slot].rebuild = Some(RebuildChild { child, epoch, snapshot });
        Ok(())
    }

    fn cancel_rebuild(&mut self, slot: usize) {
        if let Some(running) = self.seats[slot].rebuild.take() {
            // It writes nothing that counts, so nobody waits for its death; it is reaped with this process.
            if let Err(error) = running.child.pidfd().send(nix::sys::signal::Signal::SIGKILL) {
                tracing::error!("{error}");
            }
        }
    }

    fn set_roster(&mut self, slot: usize, state: RosterState, epoch: u32, restarts: u64) {
        let process = &self.core.machine.slots()[slot];
        let seat = &self.seats[slot];
        let id = seat.handle.as_ref().map_or(ProcessId { pid: 0, start_time: 0 }, Handle::id);
        let entry = RosterEntry {
            role: process.role,
            index: process.index,
            state,
            core: seat.core.and_then(|core| u32::try_from(core).ok()),
            pid: id.pid,
            start_time: id.start_time,
            epoch: epoch.into(),
            restarts,
        };
        self.page.set_roster(slot, &entry);
    }
}

/// Removes snapshots of earlier lives, whose names begin with `prefix`.
fn remove_earlier(directory: &Path, prefix: &str) {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix))) {
        let _ = std::fs::remove_file(entry.path());
    }
}
