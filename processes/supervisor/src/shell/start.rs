//! The start: checks, lock, regions new or adopted, and a shell that is ready to boot. What fails leaves nothing behind.

use super::{COUNTERS, Seat, Shell};
use crate::config::Config;
use crate::epochs::{EpochKeeper, Epochs, EpochsError, replace};
use crate::handle::Handle;
use crate::machine::{Exit, Input, Slot, Supervisor};
use crate::regions::{self, Earlier, Regions, id_of};
use crate::socket::CommandServer;
use crate::watch::Watched;
use anyhow::{Context as _, anyhow};
use machine::Stepper;
use runtime::RuntimeError;
use runtime::affinity::{CorePlan, check_cores};
use runtime::child::{Pidfd, ProcessId, binary_path};
use runtime::config::{ConfigError, HostFile};
use runtime::instance::{Instance, InstanceLock};
use runtime::kill_file;
use runtime::placement::{self, Placement};
use runtime::ports::{Identity, wiring};
use shm_layout::control_page::{RecorderMode, RosterEntry, RosterState, SupervisorIdentity};
use shm_layout::status::StatusWriter;
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::{Nanos, Role};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

/// What `run` was asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// The host file.
    pub host: PathBuf,
    /// End what lives of an earlier boot instead of adopting it.
    pub replace: bool,
}

/// A start that failed: one line, and a code of sysexits.
#[derive(Debug, thiserror::Error)]
#[error("{error:#}")]
pub struct StartError {
    /// Exit code.
    pub code: u8,
    /// Why.
    pub error: anyhow::Error,
}

impl From<anyhow::Error> for StartError {
    fn from(error: anyhow::Error) -> Self {
        let code = if error.is::<ConfigError>() {
            78
        } else if let Some(epochs) = error.downcast_ref::<EpochsError>() {
            if matches!(epochs, EpochsError::File { .. }) { 74 } else { 65 }
        } else if error.is::<RuntimeError>() {
            71
        } else {
            70
        };
        Self { code, error }
    }
}

/// Takes the instance and prepares its start or its adoption; the caller runs the shell.
///
/// # Errors
/// One line and the exit code; nothing that was made is left.
pub fn start(options: &Options) -> Result<(Shell, StatusWriter), StartError> {
    let file = HostFile::load(&options.host).map_err(anyhow::Error::from)?;
    let checked = Checked::of(&file)?;
    let instance = Instance::of(&file);
    // EX_TEMPFAIL: the instance is already running, or another one uses its data. Asked before anything is made.
    let in_use = |error: RuntimeError| StartError { code: 75, error: error.into() };
    InstanceLock::check_free(&instance).map_err(in_use)?;
    instance.create_directories(file.counts().gateways).map_err(anyhow::Error::from)?;
    let lock = InstanceLock::take(&instance).map_err(in_use)?;
    let regions = take_regions(options, &instance, &file)?;
    let is_new = regions.adopted.is_none();
    let built = build(lock, instance.clone(), file.clone(), checked, regions);
    if built.is_err() && is_new {
        let _ = regions::remove(&instance, &file);
    }
    Ok(built?)
}

/// What can be known to be wrong before anything is made.
struct Checked {
    config: Config,
    plan: CorePlan,
}

impl Checked {
    fn of(file: &HostFile) -> anyhow::Result<Self> {
        let config = Config::of(file)?;
        let counts = file.counts();
        let gates = crate::config::recorder_mode(file)? == RecorderMode::Gating;
        if let Some(what) = wiring::excess(counts, gates) {
            return Err(file.error_at("recorder.mode", what, "write mode = \"tap\", or run fewer processes").into());
        }
        let processes = wiring::processes(counts);
        let placement = file.host().placement;
        for (role, _) in &processes {
            binary_path(&binary_name(placement, *role))?;
        }
        check_cores(file)?;
        let plan = placement::plan(file)?;
        Ok(Self { config, plan })
    }
}

/// The binary that a stage of this role runs in.
pub(super) fn binary_name(placement: Placement, role: Role) -> String {
    let folder = placement.host_of(role).map_or(role.folder(), |_| "fused");
    format!("tickway-{folder}")
}

fn take_regions(options: &Options, instance: &Instance, file: &HostFile) -> anyhow::Result<Regions> {
    match regions::look(instance) {
        Earlier::Alive(roster) if !options.replace => {
            let known: Vec<ProcessId> = roster.iter().map(|(_, entry)| id_of(entry)).collect();
            let taken = regions::adopt(instance, file, roster)?;
            regions::end_survivors(instance, &[], &known)?;
            tracing::info!("processes of a dead supervisor live on: adopted");
            Ok(taken)
        }
        Earlier::Alive(roster) => {
            regions::end_survivors(instance, &roster, &[])?;
            regions::create(instance, file)
        }
        Earlier::Dead => {
            regions::end_survivors(instance, &[], &[])?;
            regions::create(instance, file)
        }
    }
}

fn build(
    lock: InstanceLock,
    instance: Instance,
    file: HostFile,
    checked: Checked,
    regions: Regions,
) -> anyhow::Result<(Shell, StatusWriter)> {
    let Checked { config, plan } = checked;
    let Regions { page, ports, clock, adopted } = regions;
    let now = clock.now();
    kill_file::create_if_absent(&instance.kill_file())?;
    let kill = kill_file::open_read_only(&instance.kill_file())?;
    let journaled = regions::is_journaled(&instance, &file);
    let mut epochs = Epochs::load(&instance.state().join("epochs"), journaled)?;
    let epoch = epochs.last(Role::Supervisor, 0) + 1;
    epochs.persist(Role::Supervisor, 0, epoch)?;
    let own = ProcessId::own()?;
    page.set_supervisor(&SupervisorIdentity { pid: own.pid, start_time: own.start_time, epoch: epoch.into() });
    let me = Identity { role: Role::Supervisor, index: 0, epoch: epoch.into() };
    let status = ports.status_writer(me, now)?;
    for (index, label) in COUNTERS.iter().enumerate() {
        status.counters().define(index, label);
    }
    let ring = RingId { kind: RingKind::Control, writer: Role::Supervisor, index: 0, gateway: 0 };
    let control = ports.writer(ring, me)?;
    if adopted.is_none() {
        replace(&instance.host_file(), file.echo()).with_context(|| instance.host_file().display().to_string())?;
    }
    let server = CommandServer::bind(&instance.socket()).with_context(|| instance.socket().display().to_string())?;
    let mut seats = seats(&ports, file.host().placement, &plan, now)?;
    let armed =
        (0..64).filter(|index| page.reader().armed_by_operator(*index)).fold(0, |bits, index| bits | 1 << index);
    let (core, queue) = match adopted {
        None => (new_core(&config, &ports, &epochs, journaled), VecDeque::from([Input::Boot])),
        Some(roster) => adopt_core(&config, &ports, &epochs, &roster, armed, &mut seats)?,
    };
    let counters = status.counters().clone();
    let shell = Shell {
        _lock: lock,
        kill_generation: 0,
        instance,
        file,
        config,
        plan,
        page,
        clock,
        control,
        unpublished: VecDeque::new(),
        kill,
        epochs: EpochKeeper::start(epochs),
        core: Stepper::new(core, now),
        seats,
        server,
        requests: BTreeMap::new(),
        last_request: 0,
        queue,
        counters,
        finished: None,
        last_pass: now,
        next_death_poll: now,
        next_heartbeat_poll: now,
        next_realtime: now,
        grace_until: now,
    };
    Ok((shell, status))
}

fn seats(
    ports: &runtime::ports::Ports,
    placement: Placement,
    plan: &CorePlan,
    now: Nanos,
) -> anyhow::Result<Vec<Seat>> {
    let processes = wiring::processes(ports.counts());
    let seat = |(role, index): &(Role, u8)| {
        let watched = Watched::new(ports, *role, *index, now)?;
        // The recorder is cold: it is not pinned, and naps.
        let core = placement.place_of(ports.counts(), *role, *index).map(|place| plan.cores[place]);
        Ok(Seat { watched, handle: None, rebuild: None, snapshot: None, core })
    };
    processes.iter().map(seat).collect()
}

fn new_core(config: &Config, ports: &runtime::ports::Ports, epochs: &Epochs, journaled: bool) -> Supervisor {
    let processes = wiring::processes(ports.counts());
    let slots = processes.iter().map(|(role, index)| Slot::new(*role, *index, epochs.last(*role, *index), 0)).collect();
    Supervisor::new(config.timing(), slots, journaled)
}

/// A core that goes on where a dead supervisor was. A process that was still starting is ended: what its rebuild came to
/// is not known any more.
fn adopt_core(
    config: &Config,
    ports: &runtime::ports::Ports,
    epochs: &Epochs,
    roster: &[(usize, RosterEntry)],
    armed: u64,
    seats: &mut [Seat],
) -> anyhow::Result<(Supervisor, VecDeque<Input>)> {
    let mut slots = Vec::new();
    let (mut given_up, mut queue) = (Vec::new(), VecDeque::new());
    for (slot, (role, index)) in wiring::processes(ports.counts()).into_iter().enumerate() {
        let entry = roster.iter().find(|(place, _)| *place == slot).map(|(_, entry)| entry);
        let epoch = epochs.last(role, index);
        let Some(entry) = entry else {
            // Its turn to be started had not come.
            slots.push(Slot::new(role, index, epoch, 0));
            queue.push_back(Input::ProcessExited(slot, Exit::Unknown));
            continue;
        };
        if (entry.role, entry.index) != (role, index) {
            return Err(anyhow!("the roster is of another topology; start with --replace"));
        }
        slots.push(Slot::new(role, index, epoch, entry.restarts));
        let pidfd = if entry.pid == 0 { None } else { Pidfd::open(id_of(entry))? };
        let lives = pidfd.as_ref().is_some_and(|pidfd| !pidfd.is_dead());
        if entry.state == RosterState::GivenUp {
            given_up.push(slot);
        } else if !lives {
            queue.push_back(Input::ProcessExited(slot, Exit::Unknown));
        } else {
            let handle = Handle::Adopted(pidfd.expect("it lives"));
            if entry.state == RosterState::Starting && matches!(role, Role::Strategy | Role::Risk) {
                handle.kill()?;
            }
            seats[slot].core = entry.core.map(|core| core as usize);
            seats[slot].handle = Some(handle);
        }
    }
    Ok((Supervisor::adopt(config.timing(), slots, &given_up, armed), queue))
}
