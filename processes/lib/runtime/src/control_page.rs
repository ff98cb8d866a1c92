//! The control page: one small region made by the shared_memory crate, named `tickway-<uid>-<instance>`.
//!
//! The supervisor creates it or adopts what a dead one left; everyone else maps it and only loads. That crate unlinks the
//! name when an owner is dropped, so nobody here stays its owner: a supervisor that dies or is replaced leaves the page to
//! the living, and only [`remove`], the clean stop, unlinks it. It holds only what may be lost.

use crate::error::RuntimeError;
use crate::instance::Instance;
use crate::mmap::{allocate, touch};
use shared_memory::{Shmem, ShmemConf, ShmemError};
use shm_layout::control_page::{ControlPage, ControlPageReader};
use shm_layout::region::{RegionError, RegionHeader, RegionSpec};
use shm_layout::ring::sync::SharedWords;
use shm_layout::types::Nanos;
use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The supervisor's hold on the page.
#[derive(Debug)]
pub struct ControlPageRegion {
    header: RegionHeader,
    adopted: bool,
}

/// Keeps the map alive; nobody reaches the `Shmem` inside any more.
struct Owner(#[expect(dead_code, reason = "held for its Drop, which unmaps")] Shmem);

// SAFETY: after `words_of` the value is only dropped, once, by whoever drops the last view; munmap and close may be
// called on any thread.
unsafe impl Send for Owner {}
// SAFETY: nothing can be reached through a shared reference to it.
unsafe impl Sync for Owner {}

impl ControlPageRegion {
    /// Creates the page, or adopts the one that a dead supervisor of this instance left. The caller holds the instance's
    /// lock, so no other supervisor is at work.
    ///
    /// # Errors
    /// When shared memory refuses it, or what is there is not this build's page (the way out is in the message).
    pub fn create_or_adopt(instance: &Instance, boot_stamp: u64, now: Nanos) -> Result<Self, RuntimeError> {
        let spec = RegionSpec::control_page(boot_stamp, now);
        let id = instance.control_page_id();
        match ShmemConf::new().os_id(&id).size(spec.region_bytes()).create() {
            Ok(mut page) => {
                page.set_owner(false);
                // The crate leaves the page sparse: a store on a full filesystem would be SIGBUS.
                let path = Path::new("/dev/shm").join(&id);
                let file = OpenOptions::new().write(true).open(&path);
                file.and_then(|file| allocate(&file, spec.region_bytes() as u64)).map_err(|error| {
                    let _ = std::fs::remove_file(&path);
                    RuntimeError::file("allocate the control page", &path, error)
                })?;
                let words = words_of(page, spec.region_bytes()).map_err(|error| refused(&id, &error))?;
                touch(&words);
                Ok(Self { header: RegionHeader::create(&words, spec), adopted: false })
            }
            Err(ShmemError::MappingIdExists) => {
                let words = open_words(&id).map_err(|error| shmem_error("open", &id, &error))?;
                let expected = RegionSpec::control_page(0, now);
                let header = RegionHeader::check(&words, &expected).map_err(|error| refused(&id, &error))?;
                Ok(Self { header, adopted: true })
            }
            Err(error) => Err(shmem_error("create", &id, &error)),
        }
    }

    /// True when it was there already: its boot stamp, anchor and roster are those of the living.
    #[must_use]
    pub const fn adopted(&self) -> bool {
        self.adopted
    }

    /// The region's header.
    #[must_use]
    pub const fn header(&self) -> &RegionHeader {
        &self.header
    }

    /// The writer's view of the page.
    #[must_use]
    pub fn page(&self) -> ControlPage {
        ControlPage::new(&self.header.body())
    }
}

/// A reader's view of the page and its header; waits up to `patience` for a supervisor that is just making it.
#[derive(Clone, Debug)]
pub struct OpenedControlPage {
    /// What the header says: the boot stamp.
    pub spec: RegionSpec,
    /// The page.
    pub page: ControlPageReader,
}

/// Opens the page of an instance, to load only.
///
/// # Errors
/// When there is none (or it stays half made for all of `patience`), or it is of another build.
pub fn open(instance: &Instance, patience: Duration) -> Result<OpenedControlPage, RuntimeError> {
    const STEP: Duration = Duration::from_millis(5);
    let id = instance.control_page_id();
    let expected = RegionSpec::control_page(0, Nanos(0));
    let mut waited = Duration::ZERO;
    loop {
        let last = waited >= patience;
        // Between the creator's shm_open and ftruncate the map fails with EINVAL; until its header is whole there is no
        // magic: both pass.
        match open_words(&id) {
            Ok(words) => match RegionHeader::check(&words.read_only(), &expected) {
                Ok(header) => {
                    let page = ControlPageReader::new(&header.body());
                    return Ok(OpenedControlPage { spec: *header.spec(), page });
                }
                Err(RegionError::Magic | RegionError::Short(..)) if !last => {}
                Err(error) => return Err(refused(&id, &error)),
            },
            Err(error) if last => return Err(shmem_error("open", &id, &error)),
            Err(_) => {}
        }
        std::thread::sleep(STEP);
        waited += STEP;
    }
}

/// Unlinks the page: the clean stop of the instance, after its last process ended. Nothing when there is none.
///
/// # Errors
/// When it is there and cannot be unlinked.
pub fn remove(instance: &Instance) -> Result<(), RuntimeError> {
    let id = instance.control_page_id();
    match nix::sys::mman::shm_unlink(id.as_str()) {
        Ok(()) | Err(nix::errno::Errno::ENOENT) => Ok(()),
        Err(error) => Err(RuntimeError::file("unlink the control page", Path::new(&id), error.into())),
    }
}

fn open_words(id: &str) -> Result<SharedWords, ShmemError> {
    let page = ShmemConf::new().os_id(id).open()?;
    words_of(page, 0).map_err(|_| ShmemError::MapOpenFailed(libc::EINVAL as u32))
}

fn words_of(page: Shmem, needed_bytes: usize) -> Result<SharedWords, RegionError> {
    if page.len() < needed_bytes {
        return Err(RegionError::Short(needed_bytes as u64, page.len() as u64));
    }
    let (first, words) = (page.as_ptr().cast_const().cast::<u64>(), page.len() / 8);
    let owner = Arc::new(Owner(page));
    // SAFETY: a map is page-aligned and read-write, `words` words long by its own length, and lives in `owner`; nobody
    // truncates the page, and `Shmem` forms no reference unless asked.
    Ok(unsafe { SharedWords::from_raw(first, words, true, owner) })
}

fn refused(id: &str, error: &RegionError) -> RuntimeError {
    RuntimeError::refused(format!("/dev/shm/{id}: {error}"), "`tickway down` removes the page of a dead instance")
}

fn shmem_error(action: &'static str, id: &str, error: &ShmemError) -> RuntimeError {
    let code = match error {
        ShmemError::MapCreateFailed(code) | ShmemError::MapOpenFailed(code) | ShmemError::UnknownOsError(code) => *code,
        _ => 0,
    };
    let path = Path::new("/dev/shm").join(id);
    match code {
        0 => RuntimeError::refused(
            format!("{}: cannot {action}: {error}", path.display()),
            "see the kernel's log (dmesg)",
        ),
        code => RuntimeError::file(action, &path, io::Error::from_raw_os_error(code as i32)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::InstanceName;

    fn instance(name: &str) -> Instance {
        Instance::named(&InstanceName::new(&format!("{name}-{}", std::process::id())).unwrap())
    }

    #[test]
    fn created_read_left_by_its_owner_adopted_and_removed() {
        let instance = instance("page");
        assert!(open(&instance, Duration::ZERO).is_err());
        let first = ControlPageRegion::create_or_adopt(&instance, 77, Nanos(1)).unwrap();
        assert!(!first.adopted());
        first.page().set_armed_by_operator(0b101);
        let reader = open(&instance, Duration::ZERO).unwrap();
        assert_eq!(reader.spec.boot_stamp, 77);
        assert!(reader.page.armed_by_operator(2) && !reader.page.armed_by_operator(1));
        // The supervisor goes; the page stays for the living, and a new one adopts it with its boot stamp.
        drop(first);
        let second = ControlPageRegion::create_or_adopt(&instance, 99, Nanos(2)).unwrap();
        assert!(second.adopted());
        assert_eq!(second.header().spec().boot_stamp, 77);
        second.page().set_armed_by_operator(0);
        assert!(!reader.page.armed_by_operator(2), "one page for both");
        remove(&instance).unwrap();
        remove(&instance).unwrap();
        assert!(open(&instance, Duration::ZERO).is_err());
    }

    #[test]
    fn an_empty_page_is_waited_for_and_then_an_error() {
        let instance = instance("half");
        let path = Path::new("/dev/shm").join(instance.control_page_id());
        std::fs::write(&path, b"").unwrap();
        let empty = open(&instance, Duration::from_millis(10));
        std::fs::write(&path, vec![0; RegionSpec::control_page(0, Nanos(0)).region_bytes()]).unwrap();
        let half = open(&instance, Duration::from_millis(10));
        remove(&instance).unwrap();
        assert!(empty.is_err());
        assert!(half.unwrap_err().to_string().contains("half made"));
    }
}
