//! `tickway up` and `tickway down`: an instance's supervisor, started and stopped.

use crate::config;
use crate::failure::{Failure, Finding, Outcome, UNAVAILABLE};
use crate::launch;
use crate::output;
use crate::place::{Which, load_host};
use crate::socket::{Request, Supervisor};
use clap::Args;
use runtime::child::{Pidfd, ProcessId};
use runtime::instance::{self, Instance, InstanceLock};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;
use supervisor::regions::{self, Earlier};

/// Arguments of `up`.
#[derive(Args, Debug)]
pub struct UpArguments {
    /// The host file
    #[arg(long, value_name = "FILE", required_unless_present = "adopt", conflicts_with = "adopt")]
    host: Option<PathBuf>,
    /// Only take over the processes that outlived their supervisor, with the host file that they run by; none is
    /// restarted
    #[arg(long)]
    adopt: bool,
    /// With --adopt: name of the instance
    #[arg(long, value_name = "NAME", requires = "adopt", required_unless_present = "host")]
    instance: Option<String>,
    /// With --adopt: its data directory, when that is not the default one
    #[arg(long, value_name = "DIR", requires = "adopt")]
    data: Option<PathBuf>,
    /// Return once every process runs; else stay, and stop the instance at Ctrl-C or when the terminal is closed
    #[arg(long)]
    detach: bool,
    /// Seconds to wait until every process runs
    #[arg(long, default_value_t = 30)]
    patience_s: u64,
    /// Print one JSON object once every process runs
    #[arg(long)]
    json: bool,
}

/// Arguments of `down`.
#[derive(Args, Debug)]
pub struct DownArguments {
    #[command(flatten)]
    which: Which,
    /// Seconds to wait for the end
    #[arg(long, default_value_t = 30)]
    patience_s: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl UpArguments {
    /// Runs `up`.
    ///
    /// # Errors
    /// When the host file is not sound, the instance runs already, or a process does not start.
    pub fn run(&self) -> Outcome {
        let path = self.host_file()?;
        let file = load_host(&path)?;
        config::check(&file)?;
        config::check_interfaces(&file)?;
        let instance = Instance::of(&file);
        InstanceLock::check_free(&instance)?;
        if !self.adopt {
            instance.check_data_space(supervisor::config::journal_bytes(&file)?)?;
        }
        if self.adopt && regions::look(&instance) == Earlier::Dead {
            let what = format!("no process of instance {} lives on", instance.name());
            return Err(Failure::new(UNAVAILABLE, what, "start it with `tickway up --host FILE`"));
        }
        runtime::signal::install(runtime::signal::HangUp::Stops)?;
        let mut supervisor = launch::start(&instance, &path, &[])?;
        let started = launch::wait_until_running(&instance, &mut supervisor, Duration::from_secs(self.patience_s));
        if let Err(failure) = started {
            if self.adopt {
                // What lives on trades on: a slow adoption is no reason to end it.
                return Err(failure);
            }
            // The first failure is the one to tell.
            let _ = launch::stop(&instance, &mut supervisor, launch::STOP);
            launch::unmake(&instance);
            return Err(failure);
        }
        let pid = supervisor.id().pid;
        if self.json {
            output::json(json!({ "instance": instance.name().as_str(), "supervisor_pid": pid, "running": true }))?;
        } else {
            output::line(&format!("instance {} runs, supervisor pid {pid}", instance.name()))?;
        }
        if self.detach {
            return Ok(Finding::Good);
        }
        loop {
            if let Some(status) = supervisor.reap()? {
                return Ok(if status.success() { Finding::Good } else { Finding::Negative });
            }
            if runtime::signal::stop_requested() {
                launch::stop(&instance, &mut supervisor, launch::STOP)?;
                return Ok(Finding::Good);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl UpArguments {
    /// The host file to start from: the one named, or the effective one of the instance to adopt.
    fn host_file(&self) -> Result<PathBuf, Failure> {
        if let Some(host) = &self.host {
            return std::path::absolute(host).map_err(|error| Failure::file("find", host, &error));
        }
        let which = Which { instance: self.instance.clone(), data: self.data.clone(), regions: None };
        Ok(which.find()?.instance.host_file())
    }
}

impl DownArguments {
    /// Runs `down`.
    ///
    /// # Errors
    /// When no such instance runs, or it does not end in time.
    pub fn run(&self) -> Outcome {
        let place = self.which.find()?;
        let name = place.instance.name();
        let Some(found) = instance::live_instances().into_iter().find(|found| found.name == *name) else {
            return Err(Failure::new(UNAVAILABLE, format!("instance {name} does not run"), "see `tickway status`"));
        };
        let start_time = runtime::child::start_time(found.pid);
        let id = start_time.map(|start_time| ProcessId { pid: found.pid, start_time });
        let pidfd = id.map(Pidfd::open).transpose()?.flatten();
        Supervisor::connect(&place.instance)?.ask(&Request::Stop)?;
        let ended = pidfd.is_none_or(|pidfd| pidfd.wait_dead(Duration::from_secs(self.patience_s)));
        if !ended {
            let what = format!("instance {name} did not end within {} s", self.patience_s);
            return Err(Failure::new(UNAVAILABLE, what, "see `tickway status` and its log, or wait longer"));
        }
        launch::unmake(&place.instance);
        if self.json {
            output::json(json!({ "instance": name.as_str(), "supervisor_pid": found.pid, "stopped": true }))?;
        } else {
            output::line(&format!("instance {name} has stopped"))?;
        }
        Ok(Finding::Good)
    }
}
