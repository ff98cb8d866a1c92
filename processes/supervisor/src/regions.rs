//! The shared memory of an instance: made new, or adopted with the processes that live in it, and removed at the end.
//!
//! Nothing is replaced before every process of the earlier boot is proven dead. A journal tail that still holds records
//! is never removed: it is then all that is left of them, so the new boot keeps the tail, and with it the boot stamp.

use crate::config;
use crate::strays;
use anyhow::{Context as _, bail};
use journal::frame::Header;
use journal::tail::BadTail;
use journal::{RecordType, TailSnapshot};
use runtime::child::{Pidfd, ProcessId, is_alive};
use runtime::clock::{Clock, calibrate};
use runtime::config::HostFile;
use runtime::control_page::{self, ControlPageRegion};
use runtime::instance::Instance;
use runtime::mmap::{Access, map_region};
use runtime::ports::{self, Ports};
use shm_layout::control_page::{ControlPage, RosterEntry};
use shm_layout::region::{RegionHeader, RegionKind};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a SIGKILLed process may take to be dead.
const DEATH_PATIENCE: Duration = Duration::from_secs(5);

/// What is there of an earlier boot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Earlier {
    /// Nobody lives.
    Dead,
    /// Processes of this roster live on.
    Alive(Vec<(usize, RosterEntry)>),
}

/// The regions of a boot, attached.
#[derive(Debug)]
pub struct Regions {
    /// The control page.
    pub page: ControlPage,
    /// The rings and status regions.
    pub ports: Ports,
    /// The time line.
    pub clock: Clock,
    /// Roster of the processes that were adopted; `None` in a new boot.
    pub adopted: Option<Vec<(usize, RosterEntry)>>,
}

/// Looks at the control page; the caller holds the instance's lock.
#[must_use]
pub fn look(instance: &Instance) -> Earlier {
    let Ok(opened) = control_page::open(instance, Duration::ZERO) else { return Earlier::Dead };
    let roster: Vec<_> = opened.page.roster().collect();
    if roster.iter().any(|(_, entry)| entry.pid != 0 && is_alive(id_of(entry))) {
        Earlier::Alive(roster)
    } else {
        Earlier::Dead
    }
}

/// The process of a roster entry.
#[must_use]
pub const fn id_of(entry: &RosterEntry) -> ProcessId {
    ProcessId { pid: entry.pid, start_time: entry.start_time }
}

/// SIGKILLs every process of the roster and every stray of the instance, and waits for the proof. Those in `spared` live.
///
/// # Errors
/// When one does not die.
pub fn end_survivors(
    instance: &Instance,
    roster: &[(usize, RosterEntry)],
    spared: &[ProcessId],
) -> anyhow::Result<usize> {
    let mut ids = strays::find(&instance.host_file());
    ids.extend(roster.iter().filter(|(_, entry)| entry.pid != 0).map(|(_, entry)| id_of(entry)));
    let mut ended = 0;
    for id in ids.into_iter().filter(|id| !spared.contains(id)) {
        let Some(pidfd) = Pidfd::open(id)? else { continue };
        tracing::warn!("process {} of an earlier boot is ended", id.pid);
        if !pidfd.kill(DEATH_PATIENCE)? {
            bail!("process {} does not die; end it, then start again", id.pid);
        }
        ended += 1;
    }
    Ok(ended)
}

/// Makes the regions of a new boot, after the removal of what a dead one left.
///
/// # Errors
/// What cannot be removed or made; what was made is then removed again.
pub fn create(instance: &Instance, file: &HostFile) -> anyhow::Result<Regions> {
    let kept = remove_stale(instance, file)?;
    let made = make(instance, file, kept);
    if made.is_err() {
        let _ = remove(instance, file);
    }
    made
}

fn make(instance: &Instance, file: &HostFile, kept: Option<u64>) -> anyhow::Result<Regions> {
    let clock = Clock::new(calibrate());
    if let Some(note) = clock.note() {
        tracing::warn!("{note}");
    }
    let boot_stamp = match kept {
        Some(stamp) => stamp,
        None => random_stamp()?,
    };
    let region = ControlPageRegion::create_or_adopt(instance, boot_stamp, clock.now())?;
    if region.adopted() {
        bail!("the control page was just removed and is there again; another tool is at work on this instance");
    }
    let page = region.page();
    page.set_recorder_mode(config::recorder_mode(file)?);
    page.publish_anchor(clock.anchor());
    let ports = Ports::new(instance, file, boot_stamp, page.reader());
    ports.create_all(clock.now())?;
    Ok(Regions { page, ports, clock, adopted: None })
}

/// Attaches to the regions in which processes live on.
///
/// # Errors
/// When they are not those of this host file or this build.
pub fn adopt(instance: &Instance, file: &HostFile, roster: Vec<(usize, RosterEntry)>) -> anyhow::Result<Regions> {
    let effective = std::fs::read_to_string(instance.host_file()).context("the effective host file")?;
    if effective != file.echo() {
        bail!(
            "processes of this instance live on with another host file: stop them with --replace, or start with theirs"
        );
    }
    let region = ControlPageRegion::create_or_adopt(instance, 0, shm_layout::types::Nanos(0))?;
    let page = region.page();
    let anchor = page.reader().anchor().context("the control page has no clock anchor; start with --replace")?;
    let ports = Ports::new(instance, file, region.header().spec().boot_stamp, page.reader());
    Ok(Regions { page, ports, clock: Clock::new(anchor), adopted: Some(roster) })
}

/// Removes all shared memory of the instance but journal tails that still hold records; says which were kept.
///
/// # Errors
/// Names the file that cannot be removed.
pub fn remove(instance: &Instance, file: &HostFile) -> anyhow::Result<Vec<PathBuf>> {
    let mut kept = Vec::new();
    for gateway in 0..file.counts().gateways {
        let path = instance.journal_tail(gateway);
        // A supervisor that died in `set_aside` left it there.
        if !path.exists() && aside(&path).exists() {
            std::fs::rename(aside(&path), &path).with_context(|| path.display().to_string())?;
        }
        if tail_stamp(&path).is_some() {
            kept.push(path);
        }
    }
    let _ = std::fs::remove_file(instance.socket());
    control_page::remove(instance)?;
    if kept.is_empty() {
        ports::remove_regions(instance)?;
        // Only when nothing else lies there.
        let _ = std::fs::remove_dir(instance.regions());
        return Ok(kept);
    }
    set_aside(&kept, || Ok(ports::remove_regions(instance)?))?;
    Ok(kept)
}

/// As [`remove`] at a start; the boot stamp of the tails that were kept.
fn remove_stale(instance: &Instance, file: &HostFile) -> anyhow::Result<Option<u64>> {
    let stamps: Vec<u64> = remove(instance, file)?.iter().filter_map(|path| tail_stamp(path)).collect();
    instance.create_directories(file.counts().gateways)?;
    match stamps.as_slice() {
        [] => Ok(None),
        [first, rest @ ..] if rest.iter().all(|stamp| stamp == first) => {
            tracing::warn!("journal tails of a dead boot hold records: this boot goes on with them");
            Ok(Some(*first))
        }
        _ => bail!("journal tails of several boots lie in {}; move all but one away", instance.regions().display()),
    }
}

fn aside(path: &Path) -> PathBuf {
    path.with_file_name(format!("kept.{}", path.file_name().unwrap_or_default().display()))
}

/// Does something during which `paths` have other names, out of reach of what removes regions by name.
fn set_aside(paths: &[PathBuf], work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    for path in paths {
        std::fs::rename(path, aside(path)).with_context(|| path.display().to_string())?;
    }
    let worked = work();
    for path in paths {
        std::fs::rename(aside(path), path).with_context(|| path.display().to_string())?;
    }
    worked
}

/// Boot stamp of a journal tail that holds records of orders which no file is known to have; `None` when it holds none. A
/// damaged tail may: it is kept, and the gateway halts at it.
fn tail_stamp(path: &Path) -> Option<u64> {
    let words = map_region(path, Access::ReadOnly, None).ok()?.words;
    let header = RegionHeader::read(&words).ok().filter(|header| header.spec().kind == RegionKind::JournalTail)?;
    tells_of_orders(&TailSnapshot::take(&header.body())).then_some(header.spec().boot_stamp)
}

/// Whether a tail holds what the files are not known to have and would miss. The configuration, with which a gateway begins
/// its life, is stated anew by the next one: a start that failed leaves nothing else.
fn tells_of_orders(tail: &Result<TailSnapshot, BadTail>) -> bool {
    let tail = match tail {
        Ok(tail) => tail,
        // Never initialised: its gateway died before it wrote anything.
        Err(BadTail::Magic) => return false,
        Err(_) => return true,
    };
    let told =
        |header: &Header| header.sequence > tail.durable_sequence && header.record_type != RecordType::Config as u16;
    tail.frames().any(|frame| frame.map_or(true, |frame| told(&frame.header)))
}

/// True when some journal of the instance holds anything.
#[must_use]
pub fn is_journaled(instance: &Instance, file: &HostFile) -> bool {
    (0..file.counts().gateways).any(|gateway| {
        let files = std::fs::read_dir(instance.journal(gateway));
        files.is_ok_and(|mut files| files.next().is_some()) || tail_stamp(&instance.journal_tail(gateway)).is_some()
    })
}

/// A boot stamp: random, and not 0, which stands for any boot.
fn random_stamp() -> anyhow::Result<u64> {
    let mut bytes = [0; 8];
    std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).context("/dev/urandom")?;
    Ok(u64::from_le_bytes(bytes).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use journal::memory::{self, BOOT_STAMP, MemoryStore, new_tail};
    use journal::record::{Config, VenueMessage};
    use journal::{Flusher, Record, Resume, TailWriter, tail};
    use shm_layout::types::Nanos;
    use std::sync::atomic::Ordering;

    #[test]
    fn a_tail_is_kept_for_what_it_tells_of_orders_and_not_for_a_configuration() {
        let words = new_tail(tail::CAPACITY_BYTES_MIN);
        let mut writer = TailWriter::attach(words.clone(), BOOT_STAMP, 1, 0).unwrap();
        let kept = || tells_of_orders(&TailSnapshot::take(&words));
        assert!(!kept(), "empty");
        let config = Config { config_hash: 1, instrument_table_hash: 2, durability: 0, now_ns: Nanos(3) };
        writer.append(&Record::Config(config)).unwrap();
        assert!(!kept(), "a life that began and did nothing");
        let in_record = tail::HEADER_BYTES / 8 + 6;
        let whole = words.load(in_record, Ordering::Relaxed);
        words.store(in_record, !whole, Ordering::Relaxed);
        assert!(kept(), "damaged: nobody knows what it told");
        words.store(in_record, whole, Ordering::Relaxed);
        writer.append(&Record::VenueMessage(VenueMessage::new(1, Nanos(1), &[7; 20]))).unwrap();
        assert!(kept(), "evidence of the venue that no file has");
        let config = memory::config(1 << 20, 600);
        let mut flusher = Flusher::new(words.clone(), MemoryStore::default(), config, &Resume::default()).unwrap();
        while flusher.poll(Nanos(1)).unwrap() > 0 {}
        assert!(!kept(), "the files have it");
    }
}
