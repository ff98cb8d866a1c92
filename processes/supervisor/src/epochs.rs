//! The restart epochs, in the instance's state directory: they outlive shared memory, because an epoch that came back
//! would bring ClOrdIDs back.
//!
//! ```text
//! tickway-epochs 1
//! <role> <index> <epoch>       one line per process that ever lived
//! fnv1a64 <16 hex digits>      of every byte before this line
//! ```
//! The file is replaced whole: draft, fsync, rename, fsync of the directory. It is never guessed: one that cannot be read
//! refuses the start.

use runtime::hash::fnv1a64;
use shm_layout::types::Role;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};

const HEAD: &str = "tickway-epochs 1";

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EpochsError {
    /// It cannot be read or written.
    #[error("{}: {source}; correct its mode or free space", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The kernel's word.
        source: io::Error,
    },
    /// It is not what was written.
    #[error("{}: {what}; restore it from a copy, never delete it: epochs must not repeat", .path.display())]
    Corrupt {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// It is gone, and orders of earlier epochs are journaled.
    #[error("{}: missing, while the journal of this instance is not; restore it from a copy", .0.display())]
    Missing(PathBuf),
}

/// The epoch used last of every process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Epochs {
    path: PathBuf,
    used: BTreeMap<(Role, u8), u32>,
}

impl Epochs {
    /// Reads the file; without one every process is at 0, which is an error when the instance is `journaled`.
    ///
    /// # Errors
    /// [`EpochsError`].
    pub fn load(path: &Path, journaled: bool) -> Result<Self, EpochsError> {
        let path = path.to_owned();
        match fs::read_to_string(&path) {
            Ok(text) => match parse(&text) {
                Ok(used) => Ok(Self { path, used }),
                Err(what) => Err(EpochsError::Corrupt { path, what }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound && journaled => Err(EpochsError::Missing(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self { path, used: BTreeMap::new() }),
            Err(source) => Err(EpochsError::File { path, source }),
        }
    }

    /// The epoch that a process used last; 0 = it never lived.
    #[must_use]
    pub fn last(&self, role: Role, index: u8) -> u32 {
        self.used.get(&(role, index)).copied().unwrap_or(0)
    }

    /// Makes `epoch` the last of a process, durably.
    ///
    /// # Errors
    /// When the file cannot be replaced: the epoch must then not be used.
    ///
    /// # Panics
    /// When the epoch is not greater than the last.
    pub fn persist(&mut self, role: Role, index: u8, epoch: u32) -> Result<(), EpochsError> {
        assert!(epoch > self.last(role, index), "epochs only grow: {role:?}/{index} {epoch}");
        let mut used = self.used.clone();
        used.insert((role, index), epoch);
        replace(&self.path, &render(&used)).map_err(|source| EpochsError::File { path: self.path.clone(), source })?;
        self.used = used;
        Ok(())
    }
}

/// An epoch that was asked to be made durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Persisted {
    /// Place of the process in the roster.
    pub slot: usize,
    /// The epoch.
    pub epoch: u32,
    /// It is durable; otherwise it must not be used.
    pub durable: bool,
}

/// Keeps the epochs on a thread of its own: a disk that stalls must not stop the watch over living processes.
#[derive(Debug)]
pub struct EpochKeeper {
    wanted: Sender<(usize, Role, u8, u32)>,
    done: Receiver<Persisted>,
}

impl EpochKeeper {
    /// Starts the thread, which ends with the keeper.
    #[must_use]
    pub fn start(mut epochs: Epochs) -> Self {
        let (wanted, requests) = channel::<(usize, Role, u8, u32)>();
        let (results, done) = channel();
        std::thread::spawn(move || {
            for (slot, role, index, epoch) in requests {
                let persisted = epochs.persist(role, index, epoch);
                if let Err(error) = &persisted {
                    tracing::error!("{error}");
                }
                let durable = persisted.is_ok();
                if results.send(Persisted { slot, epoch, durable }).is_err() {
                    return;
                }
            }
        });
        Self { wanted, done }
    }

    /// Asks for an epoch to be made durable; waits for nothing.
    ///
    /// # Panics
    /// When the thread is gone, which only a broken invariant ends.
    pub fn persist(&self, slot: usize, role: Role, index: u8, epoch: u32) {
        self.wanted.send((slot, role, index, epoch)).expect("the keeper's thread lives");
    }

    /// What was done since.
    pub fn done(&self) -> impl Iterator<Item = Persisted> + '_ {
        self.done.try_iter()
    }
}

/// The file's text.
#[must_use]
pub fn render(used: &BTreeMap<(Role, u8), u32>) -> String {
    let mut text = format!("{HEAD}\n");
    for ((role, index), epoch) in used {
        let _ = writeln!(text, "{} {index} {epoch}", role.folder());
    }
    let hash = fnv1a64(text.as_bytes());
    let _ = writeln!(text, "fnv1a64 {hash:016x}");
    text
}

/// Reads the file's text.
///
/// # Errors
/// What is wrong with it.
pub fn parse(text: &str) -> Result<BTreeMap<(Role, u8), u32>, &'static str> {
    let body = text.strip_suffix('\n').and_then(|text| text.rfind('\n')).map(|end| text.split_at(end + 1));
    let (body, hash) = body.ok_or("it is cut")?;
    if hash.trim_end() != format!("fnv1a64 {:016x}", fnv1a64(body.as_bytes())) {
        return Err("its checksum is wrong");
    }
    let mut lines = body.lines();
    if lines.next() != Some(HEAD) {
        return Err("it is of another version");
    }
    let mut used = BTreeMap::new();
    for line in lines {
        let mut words = line.split(' ');
        let role = words.next().and_then(Role::from_folder);
        let index = words.next().and_then(|word| word.parse().ok());
        let epoch = words.next().and_then(|word| word.parse().ok());
        let (Some(role), Some(index), Some(epoch), None) = (role, index, epoch, words.next()) else {
            return Err("a line is not role, index and epoch");
        };
        used.insert((role, index), epoch);
    }
    Ok(used)
}

/// Replaces a file whole and durably.
///
/// # Errors
/// What the kernel refused; the old file is then still there.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let draft = path.with_extension("draft");
    let mut file = File::create(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_persisted_is_read_and_never_goes_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("epochs");
        let mut epochs = Epochs::load(&path, false).unwrap();
        assert_eq!(epochs.last(Role::Risk, 0), 0);
        epochs.persist(Role::Risk, 0, 1).unwrap();
        epochs.persist(Role::Strategy, 3, 7).unwrap();
        epochs.persist(Role::Risk, 0, 2).unwrap();
        let again = Epochs::load(&path, true).unwrap();
        assert_eq!(again, epochs);
        assert_eq!((again.last(Role::Risk, 0), again.last(Role::Strategy, 3)), (2, 7));
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("epochs");
        let mut epochs = Epochs::load(&path, false).unwrap();
        epochs.persist(Role::Strategy, 0, 12).unwrap();
        let text = fs::read(&path).unwrap();
        for place in 0..text.len() {
            let mut bad = text.clone();
            bad[place] ^= 1;
            fs::write(&path, &bad).unwrap();
            assert!(Epochs::load(&path, false).is_err(), "byte {place}");
            fs::write(&path, &text[..place]).unwrap();
            assert!(Epochs::load(&path, false).is_err(), "cut at {place}");
        }
    }

    #[test]
    fn a_journal_without_epochs_refuses_the_start() {
        let dir = tempfile::tempdir().unwrap();
        let error = Epochs::load(&dir.path().join("epochs"), true).unwrap_err();
        assert!(matches!(error, EpochsError::Missing(_)));
    }

    #[test]
    fn the_keeper_answers_each_request_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("epochs");
        let keeper = EpochKeeper::start(Epochs::load(&path, false).unwrap());
        keeper.persist(4, Role::Risk, 0, 1);
        keeper.persist(5, Role::Strategy, 0, 1);
        let done: Vec<_> = keeper.done.iter().take(2).collect();
        assert_eq!(done[0], Persisted { slot: 4, epoch: 1, durable: true });
        assert_eq!(done[1], Persisted { slot: 5, epoch: 1, durable: true });
        assert_eq!(Epochs::load(&path, true).unwrap().last(Role::Strategy, 0), 1);
    }

    #[test]
    fn a_full_disk_leaves_the_old_epoch() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state").join("epochs");
        let mut epochs = Epochs::load(&path, false).unwrap();
        assert!(epochs.persist(Role::Risk, 0, 1).is_err(), "its directory is not there");
        assert_eq!(epochs.last(Role::Risk, 0), 0);
    }
}
