//! Which ring a command is about: one of an instance, living or dead, or a copied file.

use crate::failure::{Failure, USAGE};
use crate::place::{Place, Which};
use crate::regions::{Regions, RingRegion};
use clap::Args;
use runtime::config::HostFile;
use std::path::PathBuf;

/// The ring, as every command of one ring lets it be named.
#[derive(Args, Debug)]
pub struct Source {
    /// The ring, such as market_data.0
    #[arg(value_name = "RING")]
    ring: Option<String>,
    #[command(flatten)]
    which: Which,
    /// Read this region file instead of an instance's
    #[arg(long, value_name = "PATH", conflicts_with = "regions")]
    file: Option<PathBuf>,
}

/// A ring, and what is known around it.
#[derive(Debug)]
pub struct Opened {
    /// The instance; `None` for a copied file of which nothing else is said.
    pub place: Option<Place>,
    /// Its regions; of a copied file that one alone.
    pub regions: Regions,
    /// The ring.
    pub ring: RingRegion,
}

impl Source {
    /// Maps the ring read-only.
    ///
    /// # Errors
    /// When there is no such instance, file or ring.
    pub fn open(&self) -> Result<Opened, Failure> {
        let named = self.ring.as_deref();
        let unnamed = || Failure::new(USAGE, "name a ring, such as market_data.0", "`tickway ring ls` lists them");
        let opened = open(&self.which, self.file.as_ref());
        // Without an instance to list its rings, the want of a name is said alone.
        let (place, regions) =
            opened.map_err(|failure| if named.is_none() && self.file.is_none() { unnamed() } else { failure })?;
        let ring = match named {
            None if self.file.is_some() => regions.rings[0].clone(),
            named => regions.ring(named)?.clone(),
        };
        Ok(Opened { place, regions, ring })
    }
}

/// The regions of an instance, or of one copied file.
///
/// # Errors
/// When there is no such instance or file.
pub fn open(which: &Which, file: Option<&PathBuf>) -> Result<(Option<Place>, Regions), Failure> {
    match file {
        None => {
            let place = which.find()?;
            let regions = Regions::open(place.instance.regions())?;
            Ok((Some(place), regions))
        }
        Some(file) => {
            let is_named = which.instance.is_some() || which.data.is_some();
            let place = if is_named { Some(which.find()?) } else { None };
            Ok((place, Regions::of_file(file)?))
        }
    }
}

impl Opened {
    /// The host file of the instance, for its symbols; `None` when it cannot be read.
    #[must_use]
    pub fn host(&self) -> Option<HostFile> {
        self.place.as_ref()?.host_file().ok()
    }
}
