//! Which instance a command is about, and where its files are. A dead instance's files will do.

use crate::failure::{CONFIG, Failure, NO_INPUT};
use clap::Args;
use runtime::child::{ProcessId, is_alive};
use runtime::clock::Clock;
use runtime::config::{HostFile, InstanceName};
use runtime::control_page::{self, OpenedControlPage};
use runtime::instance::{self, Instance};
use shm_layout::control_page::{ControlPageReader, RosterEntry};
use shm_layout::types::Nanos;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name, beneath an instance's directory of regions, of the link to a data directory that is not the default one.
pub const DATA_LINK: &str = "data";

/// The instance, as every reading command lets it be named.
#[derive(Args, Clone, Debug, Default)]
pub struct Which {
    /// Name of the instance; without it, the only one that runs
    #[arg(long, value_name = "NAME")]
    pub instance: Option<String>,
    /// Its data directory, when that is not the default one
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Its directory of regions, when that is not the default one
    #[arg(long, value_name = "DIR")]
    pub regions: Option<PathBuf>,
}

/// An instance, living or dead.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its paths.
    pub instance: Instance,
    /// Its control page, when there is one.
    pub page: Option<OpenedControlPage>,
    /// Whether its directories are those that an instance of this name works on: of a copy, which has the name too, neither
    /// the lock nor the control page tells anything.
    pub is_own: bool,
}

impl Which {
    /// Finds the instance.
    ///
    /// # Errors
    /// When none runs and none is named, or the one that is named left no files.
    pub fn find(&self) -> Result<Place, Failure> {
        let instance = match (&self.instance, &self.data, &self.regions) {
            (None, None, None) => instance::find(None)?,
            (Some(name), ..) => instance::find(Some(name))?,
            (None, data, regions) => Instance::named(&name_of(data.as_deref(), regions.as_deref())?),
        };
        let linked = std::fs::read_link(instance.regions().join(DATA_LINK)).ok();
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let data = self.data.as_ref().map(absolute).or(linked);
        let instance = instance.with_directories(self.regions.as_ref().map(absolute), data);
        if !instance.regions().is_dir() && !instance.data().is_dir() {
            let (regions, data) = (instance.regions().display(), instance.data().display());
            let what = format!("instance {} has no files: neither {regions} nor {data} exists", instance.name());
            return Err(Failure::new(NO_INPUT, what, "correct --instance, or say --data and --regions"));
        }
        let is_own = is_own(&instance);
        // Beside a copy of the data lie no regions, whatever runs under its name.
        let alone = !is_own && self.regions.is_none() && self.data.is_some();
        let instance = if alone {
            let regions = instance.data().join("regions");
            instance.with_directories(Some(regions), None)
        } else {
            instance
        };
        let page = if is_own { control_page::open(&instance, Duration::ZERO).ok() } else { None };
        let page = page.filter(|page| boot_stamp(&instance).is_none_or(|stamp| stamp == page.spec.boot_stamp));
        Ok(Place { instance, page, is_own })
    }
}

/// True when the directories are those that the instance's effective host file names, or without one the default ones.
fn is_own(instance: &Instance) -> bool {
    let own = HostFile::load(&instance.host_file())
        .map_or_else(|_| Instance::named(instance.name()), |file| Instance::of(&file));
    own.name() == instance.name() && is_same(own.regions(), instance.regions()) && is_same(own.data(), instance.data())
}

/// True for one directory by two names. One that is not there is known by its name alone.
fn is_same(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
    one == other || identity(one).is_some_and(|one| identity(other) == Some(one))
}

/// The boot that the regions are of; `None` when there is no ring of control.
fn boot_stamp(instance: &Instance) -> Option<u64> {
    // Only the header is read: a map would lock the whole ring.
    let mut head = [0; REGION_HEAD_BYTES];
    File::open(instance.regions().join("control.ring")).ok()?.read_exact(&mut head).ok()?;
    Some(u64::from_le_bytes(*head.last_chunk()?))
}

/// Bytes of a region up to the end of its boot stamp, as drawn in `shm-layout/README.md`.
const REGION_HEAD_BYTES: usize = 56;

/// The name that a dead instance's directories tell: its host file's, else the directory's own.
fn name_of(data: Option<&Path>, regions: Option<&Path>) -> Result<InstanceName, Failure> {
    let host = data.and_then(|data| HostFile::load(&data.join("host.toml")).ok());
    if let Some(host) = host {
        return Ok(host.host().instance.clone());
    }
    let absolute = |path: &Path| std::path::absolute(path).ok();
    let folder = |path: &Path| InstanceName::new(absolute(path)?.file_name()?.to_str()?);
    let name = data.and_then(folder).or_else(|| regions.and_then(folder));
    // A name is only needed to ask for a lock and a control page, which such an instance has not.
    Ok(name.unwrap_or_else(|| InstanceName::new("unnamed").expect("a name of letters")))
}

impl Place {
    /// True while a supervisor holds the instance's lock.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.is_own && instance::live_instances().iter().any(|found| found.name == *self.instance.name())
    }

    /// True when neither a supervisor nor any process of the instance lives: processes survive their supervisor.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let lives = |entry: RosterEntry| is_alive(ProcessId { pid: entry.pid, start_time: entry.start_time });
        let roster = self.control().into_iter().flat_map(|page| page.roster());
        !self.is_live() && !roster.map(|(_, entry)| entry).any(lives)
    }

    /// The control page's words.
    #[must_use]
    pub fn control(&self) -> Option<&ControlPageReader> {
        self.page.as_ref().map(|opened| &opened.page)
    }

    /// The instance's clock; `None` when no control page tells its anchor.
    #[must_use]
    pub fn clock(&self) -> Option<Clock> {
        self.control()?.anchor().map(Clock::new)
    }

    /// Now on the instance's line, else by CLOCK_REALTIME.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.clock().map_or_else(|| Nanos(runtime::clock::realtime_ns()), |clock| clock.now())
    }

    /// The effective host file of the instance.
    ///
    /// # Errors
    /// When it is not there or not sound.
    pub fn host_file(&self) -> Result<HostFile, Failure> {
        load_host(&self.instance.host_file())
    }
}

/// Loads a host file.
///
/// # Errors
/// A missing file is no input; any other fault is the configuration's.
pub fn load_host(path: &Path) -> Result<HostFile, Failure> {
    HostFile::load(path).map_err(|error| {
        let code = if path.is_file() { CONFIG } else { NO_INPUT };
        Failure { code, ..Failure::from(error) }
    })
}

/// Looks now and then whether an instance that lived has ended.
#[derive(Debug)]
pub struct Ending<'a> {
    /// The instance, if it lived when the look began: of a dead one nothing more comes, and that was known.
    place: Option<&'a Place>,
    looked_ns: u64,
}

impl<'a> Ending<'a> {
    /// Time between two looks, in nanoseconds: each opens the locks of all instances.
    const INTERVAL_NS: u64 = 250_000_000;

    /// Begins to look.
    #[must_use]
    pub fn of(place: Option<&'a Place>) -> Self {
        Self { place: place.filter(|place| !place.has_ended()), looked_ns: 0 }
    }

    /// True once it has ended.
    pub fn has_come(&mut self) -> bool {
        let now = runtime::clock::realtime_ns();
        if now.abs_diff(self.looked_ns) < Self::INTERVAL_NS {
            return false;
        }
        self.looked_ns = now;
        self.place.is_some_and(Place::has_ended)
    }
}
