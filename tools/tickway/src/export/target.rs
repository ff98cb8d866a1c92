//! Where an export goes: a file is written beside its name and takes the name when it is whole, so that under the name
//! there is never a part, and never a file that was being read.
//!
//! It never writes into an input. Into what is no regular file (a pipe, a device) it writes at once: nothing can be renamed
//! over those.

use crate::failure::{Failure, USAGE};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file that is being written.
#[derive(Debug)]
pub(super) struct Target {
    file: BufWriter<File>,
    /// Its final name, to rename to and for errors.
    path: PathBuf,
    /// What it is called until it is whole; `None` once renamed, and for what is written at once.
    draft: Option<PathBuf>,
}

impl Target {
    /// Begins a file; `inputs` are the files that it is made of.
    ///
    /// # Errors
    /// When it is one of the inputs, or cannot be created.
    pub(super) fn begin(path: &Path, inputs: &[PathBuf]) -> Result<Self, Failure> {
        // A link is followed, so that the name goes on to be a link.
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let present = std::fs::metadata(&path).ok();
        if let Some(present) = &present {
            let is_same = |input: &&PathBuf| std::fs::metadata(input).is_ok_and(|input| is_same_file(&input, present));
            if let Some(input) = inputs.iter().find(is_same) {
                let what = format!("{}: is one of the files to be exported, {}", path.display(), input.display());
                return Err(Failure::new(USAGE, what, "name another file as --out"));
            }
        }
        let refused = |error| Failure::file("create", &path, &error);
        if present.as_ref().is_some_and(|present| !present.is_file()) {
            let file = OpenOptions::new().write(true).open(&path).map_err(refused)?;
            return Ok(Self { file: BufWriter::new(file), path, draft: None });
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let draft = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
        let file = File::create(&draft).map_err(refused)?;
        let target = Self { file: BufWriter::new(file), path: path.clone(), draft: Some(draft) };
        if let Some(present) = present {
            target.file.get_ref().set_permissions(present.permissions()).map_err(refused)?;
        }
        Ok(target)
    }

    /// Its final name.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// True when nothing is under the name before [`Self::finish`].
    pub(super) const fn is_draft(&self) -> bool {
        self.draft.is_some()
    }

    /// Gives it its name: it is whole.
    ///
    /// # Errors
    /// What the filesystem refuses; nothing is then left of it.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.file.flush()?;
        if let Some(draft) = &self.draft {
            std::fs::rename(draft, &self.path)?;
            self.draft = None;
        }
        Ok(())
    }
}

fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(draft) = &self.draft {
            let _ = std::fs::remove_file(draft);
        }
    }
}
