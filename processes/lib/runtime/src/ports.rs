//! Ports: the regions of an instance, made by the supervisor and attached by role.
//!
//! Who reads what, and which cursor, roster entry and parked word belong to whom, follows from the topology and the host
//! file's counts alone ([`wiring`]): no process tells another. A process maps read-write only the rings that it writes
//! and its own status region; everything else is mapped read-only.

pub mod wiring;

use crate::child::runs_beside;
use crate::config::HostFile;
use crate::error::RuntimeError;
use crate::instance::Instance;
use crate::mmap::{Access, MODE_GROUP_READ, Mapped, MlockOutcome, check_free_space, create_region, map_region};
use shm_layout::control_page::{ControlPageReader, RecorderMode};
use shm_layout::region::{RegionError, RegionHeader, RegionSpec};
use shm_layout::ring::sync::{Ordering, SharedWords};
use shm_layout::ring::{Gate, RingError, RingReader, RingWriter, Start, ring_words};
use shm_layout::status::{StatusReader, StatusWriter};
use shm_layout::topology::{Attach, Counts, RingId, rings};
use shm_layout::types::{Nanos, Role};
use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// Who a process is: role, index and restart epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Its role.
    pub role: Role,
    /// Its index within the role.
    pub index: u8,
    /// Its restart epoch, persisted by the supervisor before this life began.
    pub epoch: u64,
}

/// The regions of one boot of an instance.
#[derive(Debug)]
pub struct Ports {
    instance: Instance,
    rings: crate::config::Rings,
    counts: Counts,
    instruments: usize,
    boot_stamp: u64,
    page: ControlPageReader,
    /// Regions whose pages could not be locked, with the figures.
    unlocked: RefCell<Vec<(PathBuf, MlockOutcome)>>,
}

impl Ports {
    /// The regions that `file` makes of `instance`, of the boot with that stamp. `boot_stamp` 0 accepts any boot: for
    /// reading tools on a dead instance's files.
    #[must_use]
    pub fn new(instance: &Instance, file: &HostFile, boot_stamp: u64, page: ControlPageReader) -> Self {
        Self {
            instance: instance.clone(),
            rings: file.rings().clone(),
            counts: file.counts(),
            instruments: file.instruments().len(),
            boot_stamp,
            page,
            unlocked: RefCell::default(),
        }
    }

    /// How many processes of each role there are.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// The control page.
    #[must_use]
    pub const fn page(&self) -> &ControlPageReader {
        &self.page
    }

    /// Regions attached so far whose pages the kernel would not lock.
    #[must_use]
    pub fn unlocked(&self) -> Vec<(PathBuf, MlockOutcome)> {
        self.unlocked.borrow().clone()
    }

    /// Every region of this crate's making: rings, status regions, images. Journal tails are the gateway's.
    #[must_use]
    pub fn regions(&self, now: Nanos) -> Vec<(PathBuf, RegionSpec)> {
        let mut all: Vec<_> =
            rings(self.counts).into_iter().map(|ring| (self.instance.ring(ring), self.ring_spec(ring, now))).collect();
        for (role, index) in wiring::processes(self.counts) {
            let spec = RegionSpec::status(role, index, self.boot_stamp, now);
            all.push((self.instance.status(role, index), spec));
        }
        let supervisor = RegionSpec::status(Role::Supervisor, 0, self.boot_stamp, now);
        all.push((self.instance.status(Role::Supervisor, 0), supervisor));
        for index in 0..self.counts.feed_handlers {
            let spec = RegionSpec::image(index, self.instruments, self.boot_stamp, now);
            all.push((self.instance.image(index), spec));
        }
        all
    }

    /// Creates every region; only the supervisor does, once per boot, after [`remove_regions`]. The space for all of them
    /// is checked before the first.
    ///
    /// # Errors
    /// Too little space, or what a file refuses.
    pub fn create_all(&self, now: Nanos) -> Result<(), RuntimeError> {
        let regions = self.regions(now);
        let bytes = regions.iter().map(|(_, spec)| spec.region_bytes() as u64).sum();
        check_free_space(self.instance.regions(), bytes)?;
        regions.iter().try_for_each(|(path, spec)| create_with_header(path, *spec).map(|_| ()))
    }

    /// The writer of `ring` for this life of its process: continues after the last published message, with a gate for each
    /// gating reader. The previous writer is proven dead, or there was none.
    ///
    /// # Errors
    /// When the region is missing, of another boot or layout, or corrupt.
    ///
    /// # Panics
    /// When W is not the ring's payload, or `me` is not the ring's writer.
    pub fn writer<const W: usize>(&self, ring: RingId, me: Identity) -> Result<RingWriter<W>, RuntimeError> {
        assert_eq!(W, payload_words(ring), "payload words of {}", ring.name());
        assert!(ring.writer == me.role && ring.index == me.index, "{} is not {me:?}'s to write", ring.name());
        let path = self.instance.ring(ring);
        let header = self.attach(&path, &self.ring_spec(ring, Nanos(0)), Access::ReadWrite)?;
        take_over(&header, &path, me)?;
        let slots = self.rings.slots(ring.kind) as usize;
        let mut writer = RingWriter::attach(header.body(), slots).map_err(|error| bad_ring(&path, error))?;
        for gate in self.gates(ring)? {
            writer.add_gate(gate);
        }
        Ok(writer)
    }

    /// A reader of `ring` that nobody waits for.
    ///
    /// # Errors
    /// As [`Ports::writer`].
    ///
    /// # Panics
    /// When W is not the ring's payload.
    pub fn tap<const W: usize>(&self, ring: RingId, start: Start) -> Result<RingReader<W>, RuntimeError> {
        assert_eq!(W, payload_words(ring), "payload words of {}", ring.name());
        let path = self.instance.ring(ring);
        let header = self.attach(&path, &self.ring_spec(ring, Nanos(0)), Access::ReadOnly)?;
        let slots = self.rings.slots(ring.kind) as usize;
        RingReader::attach(header.body(), slots, start).map_err(|error| bad_ring(&path, error))
    }

    /// The gating reader of `ring` in this process: it goes on after what its cursor says was consumed (0 in a first
    /// life), or at `start`.
    ///
    /// # Errors
    /// As [`Ports::writer`].
    ///
    /// # Panics
    /// When the topology does not make this process a gating reader of the ring.
    pub fn gating_reader<const W: usize>(
        &self,
        ring: RingId,
        me: Identity,
        status: &StatusWriter,
        start: Option<Start>,
    ) -> Result<RingReader<W>, RuntimeError> {
        let slot = wiring::cursor_slot(self.counts, self.recorder_gates(), me.role, me.index, ring);
        let slot = slot.unwrap_or_else(|| panic!("{me:?} is no gating reader of {}", ring.name()));
        let cursor = status.cursor_words(slot);
        let start = start.unwrap_or_else(|| Start::After(cursor.load(0, Ordering::Acquire)));
        Ok(self.tap(ring, start)?.with_cursor(cursor))
    }

    /// This process's status region, taken over for a new life.
    ///
    /// # Errors
    /// When the region is missing, or of another boot or layout.
    pub fn status_writer(&self, me: Identity, now: Nanos) -> Result<StatusWriter, RuntimeError> {
        let spec = RegionSpec::status(me.role, me.index, self.boot_stamp, Nanos(0));
        let path = self.instance.status(me.role, me.index);
        let header = self.attach(&path, &spec, Access::ReadWrite)?;
        take_over(&header, &path, me)?;
        Ok(StatusWriter::start(&header.body(), me.epoch, std::process::id(), now))
    }

    /// Another process's status region.
    ///
    /// # Errors
    /// As [`Ports::status_writer`].
    pub fn status_reader(&self, role: Role, index: u8) -> Result<StatusReader, RuntimeError> {
        self.status_body(role, index).map(|body| StatusReader::new(&body))
    }

    /// The body of a feed handler's market image, for `ImageWriter` (the feed handler, by `me`) or `ImageReader`.
    ///
    /// # Errors
    /// As [`Ports::status_writer`].
    pub fn image(&self, feed_handler: u8, me: Option<Identity>) -> Result<SharedWords, RuntimeError> {
        let spec = RegionSpec::image(feed_handler, self.instruments, self.boot_stamp, Nanos(0));
        let access = if me.is_some() { Access::ReadWrite } else { Access::ReadOnly };
        let path = self.instance.image(feed_handler);
        let header = self.attach(&path, &spec, access)?;
        if let Some(me) = me {
            assert!((me.role, me.index) == (Role::FeedHandler, feed_handler), "{me:?} writes no such image");
            take_over(&header, &path, me)?;
        }
        Ok(header.body())
    }

    /// A region whose body another crate draws (the journal's tail), made by its writer when it is not there.
    ///
    /// # Errors
    /// As [`Ports::status_writer`], and what creating it refuses.
    pub fn foreign_writer(&self, path: &Path, spec: RegionSpec, me: Identity) -> Result<SharedWords, RuntimeError> {
        let spec = RegionSpec { boot_stamp: self.boot_stamp, ..spec };
        let header =
            if path.exists() { self.attach(path, &spec, Access::ReadWrite)? } else { create_with_header(path, spec)? };
        take_over(&header, path, me)?;
        Ok(header.body())
    }

    /// As [`Ports::foreign_writer`], to load only.
    ///
    /// # Errors
    /// As [`Ports::status_writer`].
    pub fn foreign_reader(&self, path: &Path, spec: RegionSpec) -> Result<SharedWords, RuntimeError> {
        let spec = RegionSpec { boot_stamp: self.boot_stamp, ..spec };
        self.attach(path, &spec, Access::ReadOnly).map(|header| header.body())
    }

    fn ring_spec(&self, ring: RingId, now: Nanos) -> RegionSpec {
        let slots = self.rings.slots(ring.kind);
        let body_words = ring_words(ring.kind.slot_bytes() / 8, slots as usize);
        RegionSpec::ring(ring, u64::from(slots), body_words, self.boot_stamp, now)
    }

    fn recorder_gates(&self) -> bool {
        self.page.recorder_mode() == RecorderMode::Gating
    }

    fn gates(&self, ring: RingId) -> Result<Vec<Gate>, RuntimeError> {
        let recorder_gates = self.recorder_gates();
        let readers = wiring::readers(self.counts, recorder_gates, ring);
        let gating = readers.into_iter().filter(|(_, _, attach)| *attach == Attach::Gating);
        let gate = |(role, index, _)| {
            let slot = wiring::cursor_slot(self.counts, recorder_gates, role, index, ring);
            let slot = slot.expect("a gating reader has a cursor");
            let cursor = StatusReader::new(&self.status_body(role, index)?).cursor_words(slot);
            let parked = wiring::roster_slot(self.counts, role, index).map(|slot| self.page.parked_word(slot));
            Ok(Gate { cursor, parked })
        };
        gating.map(gate).collect()
    }

    fn status_body(&self, role: Role, index: u8) -> Result<SharedWords, RuntimeError> {
        let spec = RegionSpec::status(role, index, self.boot_stamp, Nanos(0));
        self.attach(&self.instance.status(role, index), &spec, Access::ReadOnly).map(|header| header.body())
    }

    fn attach(&self, path: &Path, spec: &RegionSpec, access: Access) -> Result<RegionHeader, RuntimeError> {
        let Mapped { words, mlock } = map_region(path, access, None)?;
        if mlock != MlockOutcome::Locked {
            self.unlocked.borrow_mut().push((path.to_owned(), mlock));
        }
        RegionHeader::check(&words, spec).map_err(|error| bad_region(path, error))
    }
}

/// Makes `me` the region's writer. Who starts a writer has proven the last one dead; should that ever be wrong, this refuses
/// a second one beside it. Several stages of one process each write their own.
fn take_over(header: &RegionHeader, path: &Path, me: Identity) -> Result<(), RuntimeError> {
    let (before, own) = (header.writer_pid(), std::process::id());
    if before != own && runs_beside(before) {
        let what = format!("{}: process {before} lives and writes it, and a region has one writer", path.display());
        return Err(RuntimeError::refused(what, format!("end process {before} first")));
    }
    header.set_writer(me.epoch, own);
    Ok(())
}

/// Payload words of a ring's slots: 7 or 15.
#[must_use]
pub const fn payload_words(ring: RingId) -> usize {
    ring.kind.slot_bytes() / 8 - 1
}

/// Removes the region files of the instance's directory, and nothing else that may lie there; the caller holds the instance's
/// lock and has proven that no process of an earlier boot lives.
///
/// # Errors
/// Names the file that cannot be removed.
pub fn remove_regions(instance: &Instance) -> Result<(), RuntimeError> {
    let directory = instance.regions();
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(RuntimeError::file("list", directory, error)),
    };
    for entry in entries {
        let path = entry.map_err(|error| RuntimeError::file("list", directory, error))?.path();
        if path.file_name().and_then(|name| name.to_str()).is_some_and(is_region) {
            std::fs::remove_file(&path).map_err(|error| RuntimeError::file("remove", &path, error))?;
        }
    }
    Ok(())
}

fn is_region(name: &str) -> bool {
    name.ends_with(".ring") || ["status.", "image.", "journal_tail."].iter().any(|start| name.starts_with(start))
}

fn create_with_header(path: &Path, spec: RegionSpec) -> Result<RegionHeader, RuntimeError> {
    create_region(path, spec.region_bytes() as u64, MODE_GROUP_READ)?;
    let mapped = map_region(path, Access::ReadWrite, None)?;
    Ok(RegionHeader::create(&mapped.words, spec))
}

fn bad_region(path: &Path, error: RegionError) -> RuntimeError {
    RuntimeError::refused(
        format!("{}: {error}", path.display()),
        "use the build that made it, or start the instance anew",
    )
}

fn bad_ring(path: &Path, error: RingError) -> RuntimeError {
    RuntimeError::refused(format!("{}: {error}", path.display()), "stop the instance and start it again")
}

#[cfg(test)]
mod tests;
