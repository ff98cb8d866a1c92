//! What a demo must not leave behind, swept on every way out.

use super::print_failure;
use crate::failure::{Failure, SOFTWARE};
use crate::launch;
use crate::place::DATA_LINK;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use runtime::child::{Pidfd, ProcessId};
use runtime::instance::{Instance, InstanceLock, remove_dead_locks};
use runtime::{control_page, ports};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

/// What there is to sweep.
struct Left {
    venue: Option<ProcessId>,
    supervisor: Option<(ProcessId, Instance)>,
    regions: Option<PathBuf>,
    lock: Option<InstanceLock>,
}

static LEFT: Mutex<Left> = Mutex::new(Left { venue: None, supervisor: None, regions: None, lock: None });

fn left() -> std::sync::MutexGuard<'static, Left> {
    LEFT.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Nothing is swept while it lives: what is made meanwhile is noted in it before a sweep can miss it.
pub struct Making(std::sync::MutexGuard<'static, Left>);

/// Begins to make something. Does not return once [`sweep_and_exit`] has swept.
pub fn making() -> Making {
    Making(left())
}

impl Making {
    /// Notes the venue's process.
    pub fn venue(mut self, id: ProcessId) {
        self.0.venue = Some(id);
    }

    /// Notes a directory of regions that is made; only an empty one is ever removed.
    pub fn directory(&mut self, regions: &Path) {
        self.0.regions = Some(regions.to_owned());
    }

    /// Holds the instance's lock, until it is given up or swept.
    pub fn lock(mut self, lock: InstanceLock) {
        self.0.lock = Some(lock);
    }

    /// Notes the supervisor and what it makes.
    pub fn supervisor(mut self, id: ProcessId, instance: &Instance) {
        self.0.supervisor = Some((id, instance.clone()));
    }
}

/// Gives the lock up: to a supervisor that takes it next.
pub fn give_lock_up() {
    left().lock = None;
}

/// Kills what still lives and removes the regions. Safe to call twice.
pub fn sweep() {
    sweep_all(&mut left());
}

/// Sweeps, says so, and ends this process: what another thread was about to make is never made.
pub fn sweep_and_exit(say: impl FnOnce(), code: i32) -> ! {
    let mut left = left();
    sweep_all(&mut left);
    say();
    std::process::exit(code)
}

fn sweep_all(left: &mut Left) {
    if let Some(pidfd) = left.venue.take().and_then(|id| Pidfd::open(id).ok().flatten()) {
        let _ = pidfd.kill(Duration::from_secs(5));
    }
    if let Some((id, instance)) = left.supervisor.take() {
        sweep_instance(id, &instance);
    }
    left.lock = None;
    if let Some(regions) = left.regions.take() {
        // Not empty: another demo's of this name.
        let _ = std::fs::remove_dir(regions);
    }
}

fn sweep_instance(id: ProcessId, instance: &Instance) {
    // Another demo of this name may have won the instance's lock: its page names another supervisor.
    let page = launch::place_of(instance).control().and_then(|page| page.supervisor());
    let is_ours = page.is_some_and(|own| own.pid == id.pid && own.start_time == id.start_time);
    if is_ours {
        launch::kill(instance, Some(id));
    } else if let Some(pidfd) = Pidfd::open(id).ok().flatten() {
        let _ = pidfd.kill(Duration::from_secs(5));
    }
    // A child that nobody reaps stays as a zombie until this process ends.
    let _ = waitpid(Pid::from_raw(id.pid as i32), Some(WaitPidFlag::WNOHANG));
    let is_live = runtime::instance::live_instances().iter().any(|found| found.name == *instance.name());
    if is_live {
        return;
    }
    if let Err(error) = ports::remove_regions(instance).and_then(|()| control_page::remove(instance)) {
        eprintln!("demo: {error}");
    }
    let _ = std::fs::remove_file(instance.socket());
    let _ = std::fs::remove_file(instance.regions().join(DATA_LINK));
    remove_dead_locks(instance);
}

/// Sweeps and says so at a panic of any thread, which then ends the process, also where the build would unwind.
pub fn on_panic(json: bool) {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        default(info);
        // A panic inside the sweep must not wait for the sweep's own lock.
        if LEFT.try_lock().is_ok() {
            sweep();
        }
        let _ = print_failure(json, &Failure::new(SOFTWARE, format!("a defect of the demo: {info}"), "report it"));
        std::process::abort();
    }));
}
