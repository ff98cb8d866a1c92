//! The shared memory of an instance: made new, or adopted with the processes that live in it, and removed at the end.
//!
//! Nothing is replaced before every process of the earlier boot is proven dead. A journal tail that still holds records
//! is never removed: it is then all that is left of them, so the new boot keeps the tail, and with it the boot stamp. A
//! tail that is damaged may hold some: it is not removed either, and no boot begins beside it.

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
use runtime::mmap::{Access, Mapped, map_region};
use runtime::ports::{self, Ports};
use shm_layout::control_page::{ControlPage, RosterEntry};
use shm_layout::region::{RegionHeader, RegionKind};
use shm_layout::ring::sync::SharedWords;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
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

/// Removes all shared memory of the instance but journal tails that hold, or may hold, records; says which were kept.
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
        if look_at_tail(&path) != Tail::Done {
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
    let mut stamps = Vec::new();
    for gateway in 0..file.counts().gateways {
        let path = instance.journal_tail(gateway);
        match look_at_tail(&path) {
            Tail::Done => {}
            Tail::Holds { boot_stamp } => stamps.push(boot_stamp),
            Tail::Damaged(why) => bail!(
                "{}: {why}; it may hold orders that no file knows: move it away, and look at the venue's open orders before \
                 you start again",
                path.display()
            ),
        }
    }
    remove(instance, file)?;
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

/// What a journal tail that its writer has left behind is good for.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Tail {
    /// There is none, or it tells nothing that the files are not known to have.
    Done,
    /// It tells of orders what no file is known to have.
    Holds {
        /// Stamp of the boot that it belongs to.
        boot_stamp: u64,
    },
    /// Nobody knows what it told; and why.
    Damaged(String),
}

fn look_at_tail(path: &Path) -> Tail {
    // A start that died in the making left a file without a byte, or without a header.
    if std::fs::metadata(path).map_or(true, |file| file.len() == 0) {
        return Tail::Done;
    }
    // The errors' own ways out lead to a removal.
    let Ok(Mapped { words, .. }) = map_region(path, Access::ReadOnly, None) else {
        return Tail::Damaged("the journal tail cannot be read, or was cut".to_owned());
    };
    if words.load(0, Ordering::Acquire) == 0 {
        return Tail::Done;
    }
    match RegionHeader::read(&words) {
        Ok(header) if header.spec().kind == RegionKind::JournalTail => {
            look_at_records(&header.body(), header.spec().boot_stamp)
        }
        _ => Tail::Damaged("its header is not that of a journal tail of this version".to_owned()),
    }
}

/// The configuration, with which a gateway begins its life, is stated anew by the next one: a start that failed leaves
/// nothing else.
fn look_at_records(words: &SharedWords, boot_stamp: u64) -> Tail {
    let tail = match TailSnapshot::take(words) {
        Ok(tail) => tail,
        // Its gateway died before it made a tail of it.
        Err(BadTail::Magic) if words.load(0, Ordering::Acquire) == 0 => return Tail::Done,
        Err(error) => return Tail::Damaged(error.to_string()),
    };
    let (mut told, mut last) = (false, None);
    for frame in tail.frames() {
        let Ok(frame) = frame else { return Tail::Damaged(BadTail::Corrupt.to_string()) };
        let Header { sequence, record_type, .. } = frame.header;
        told |= sequence > tail.durable_sequence && record_type != RecordType::Config as u16;
        last = Some(sequence);
    }
    if last.is_some_and(|last| last < tail.durable_sequence) {
        return Tail::Damaged("the journal tail calls records durable that it never held".to_owned());
    }
    if told { Tail::Holds { boot_stamp } } else { Tail::Done }
}

/// True when some journal of the instance holds anything.
#[must_use]
pub fn is_journaled(instance: &Instance, file: &HostFile) -> bool {
    (0..file.counts().gateways).any(|gateway| {
        let files = std::fs::read_dir(instance.journal(gateway));
        files.is_ok_and(|mut files| files.next().is_some())
            || look_at_tail(&instance.journal_tail(gateway)) != Tail::Done
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

    #[test]
    fn a_tail_is_kept_for_what_it_tells_of_orders_and_not_for_a_configuration() {
        let words = new_tail(tail::CAPACITY_BYTES_MIN);
        let mut writer = TailWriter::attach(words.clone(), BOOT_STAMP, 1, 0).unwrap();
        let look = || look_at_records(&words, BOOT_STAMP);
        let holds = Tail::Holds { boot_stamp: BOOT_STAMP };
        assert_eq!(look(), Tail::Done, "empty");
        let config = Config { config_hash: 1, instrument_table_hash: 2, durability: 0, now_ns: Nanos(3) };
        writer.append(&Record::Config(config)).unwrap();
        assert_eq!(look(), Tail::Done, "a life that began and did nothing");
        writer.append(&Record::VenueMessage(VenueMessage::new(1, Nanos(1), &[7; 20]))).unwrap();
        assert_eq!(look(), holds, "evidence of the venue that no file has");
        // By the drawing of a tail: magic, capacity, committed, released, durable sequence, and a word of the first record.
        for word in [0, 1, 128 / 8, 256 / 8, 264 / 8, 512 / 8 + 6] {
            let whole = words.load(word, Ordering::Relaxed);
            words.store(word, !whole, Ordering::Relaxed);
            assert!(matches!(look(), Tail::Damaged(_)), "word {word}: nobody knows what it told");
            words.store(word, whole, Ordering::Relaxed);
        }
        assert_eq!(look(), holds);
        let config = memory::config(1 << 20, 600);
        let mut flusher = Flusher::new(words.clone(), MemoryStore::default(), config, &Resume::default()).unwrap();
        while flusher.poll(Nanos(1)).unwrap() > 0 {}
        assert_eq!(look(), Tail::Done, "the files have it");
    }
}
