//! The rings of an instance as they were at its start, held open: a ring that is unlinked lives on in its maps, and is counted
//! like any other. One that can no longer be counted is a difference; it never just leaves the account.

use crate::failure::Failure;
use crate::regions::{Regions, RingRegion};
use shm_layout::topology::RingId;
use std::fs::File;
use std::path::Path;

/// Rings with their open files.
#[derive(Debug, Default)]
pub struct Held {
    rings: Vec<(RingRegion, File, u64)>,
}

impl Held {
    /// Holds every ring of a directory.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn of(directory: &Path) -> Result<Self, Failure> {
        let hold = |ring: RingRegion| {
            let file = File::open(&ring.path).map_err(|error| Failure::file("read", &ring.path, &error))?;
            let bytes = file.metadata().map_err(|error| Failure::file("read", &ring.path, &error))?.len();
            Ok((ring, file, bytes))
        };
        let rings = Regions::open(directory)?.rings.into_iter().map(hold).collect::<Result<_, Failure>>()?;
        Ok(Self { rings })
    }

    /// Adds the rings that have left the directory. One that was cut stays out: its missing pages would end whoever reads them.
    pub fn complete(&self, regions: &mut Regions) {
        let gone = self.rings.iter().filter(|(ring, ..)| !has(regions, ring.id));
        let whole = gone.filter(|(_, file, bytes)| file.metadata().is_ok_and(|metadata| metadata.len() == *bytes));
        let found: Vec<RingRegion> = whole.map(|(ring, ..)| ring.clone()).collect();
        regions.rings.extend(found);
        regions.rings.sort_by_key(|ring| ring.id);
    }

    /// What cannot be counted any more.
    #[must_use]
    pub fn lost(&self, regions: &Regions) -> Vec<String> {
        let lost = self.rings.iter().filter(|(ring, ..)| !has(regions, ring.id));
        lost.map(|(ring, ..)| format!("ring {}: its region is gone or cut, it cannot be counted", ring.id.name()))
            .collect()
    }
}

fn has(regions: &Regions, id: RingId) -> bool {
    regions.rings.iter().any(|ring| ring.id == id)
}
