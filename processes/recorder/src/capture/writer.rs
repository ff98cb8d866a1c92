//! Writes capture files: one buffer, one open file, a new file at each rotation; and beside each its index.
//!
//! The index follows the capture and never goes before it: a group is written after the blocks that it is about. An index
//! that cannot be written is given up, not the capture: readers make it again.
//!
//! It never writes into a file that another life began, and never goes on after an error: what was buffered is lost, and
//! the next life cuts the torn tail.

use super::format::{BlockHeader, FileHeader};
use super::index::{self, IndexBuilder, IndexHeader};
use super::reader::EXTENSION;
use runtime::RuntimeError;
use shm_layout::types::Nanos;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use zerocopy::IntoBytes;

/// Bytes after which the buffer is written out.
pub const FLUSH_BYTES: usize = 256 << 10;
/// Most bytes of one block: a batch of the longest payloads, and its header.
const BLOCK_BYTES_MAX: usize = 32 << 10;
/// Room for the groups of one flush, each of some dozens of rings.
const INDEX_BUFFER_BYTES: usize = 64 << 10;

/// The open file and its buffer.
#[derive(Debug)]
pub struct CaptureWriter {
    folder: PathBuf,
    /// Kept open, so that a new name can be synced.
    directory: File,
    file: File,
    path: String,
    file_index: u32,
    boot_stamp: u64,
    config_hash: u64,
    buffer: Vec<u8>,
    index: IndexBuilder,
    /// `None` once it could not be written.
    index_file: Option<File>,
    index_path: String,
    index_buffer: Vec<u8>,
    /// Files begun in this life.
    files: u64,
}

impl CaptureWriter {
    /// Begins the file `file_index` in `folder`.
    ///
    /// # Errors
    /// What the filesystem refuses, with the file's name and the way out.
    pub fn create(
        folder: &Path,
        file_index: u32,
        boot_stamp: u64,
        config_hash: u64,
        now: Nanos,
    ) -> Result<Self, RuntimeError> {
        let directory = File::open(folder).map_err(|error| refused("open the folder", folder, error))?;
        let text = || String::with_capacity(folder.as_os_str().len() + 32);
        let (mut path, index_path) = (text(), text());
        name(&mut path, folder, file_index, EXTENSION);
        let file = open_new(&path)?;
        let buffer = Vec::with_capacity(FLUSH_BYTES + 2 * BLOCK_BYTES_MAX);
        let folder = folder.to_path_buf();
        let mut writer = Self {
            folder,
            directory,
            file,
            path,
            file_index,
            boot_stamp,
            config_hash,
            buffer,
            index: IndexBuilder::new(now.0),
            index_file: None,
            index_path,
            index_buffer: Vec::with_capacity(INDEX_BUFFER_BYTES),
            files: 0,
        };
        writer.begin(now)?;
        Ok(writer)
    }

    /// The new file's header, and its name on the disk.
    fn begin(&mut self, now: Nanos) -> Result<(), RuntimeError> {
        self.files += 1;
        let header = FileHeader::new(self.file_index, self.boot_stamp, now.0, self.config_hash);
        self.buffer.extend_from_slice(header.as_bytes());
        name(&mut self.index_path, &self.folder, self.file_index, index::EXTENSION);
        self.index.restart(now.0);
        self.index_buffer.clear();
        self.index_buffer.extend_from_slice(IndexHeader::of(&header).as_bytes());
        // An index without its capture is of no use to anyone: it is replaced.
        self.index_file = OpenOptions::new().write(true).create(true).truncate(true).open(&self.index_path).ok();
        self.directory.sync_all().map_err(|error| refused("sync the folder", &self.folder, error))
    }

    /// Appends a block; it is written when there are enough bytes.
    ///
    /// # Errors
    /// As [`CaptureWriter::create`].
    pub fn append(&mut self, header: &BlockHeader, payload: &[u8]) -> Result<(), RuntimeError> {
        self.buffer.extend_from_slice(header.as_bytes());
        self.buffer.extend_from_slice(payload);
        if let Some((kind, ring)) = header.about()
            && self.index.add(header, kind, ring, payload)
        {
            self.index.close(&mut self.index_buffer);
        }
        if self.buffer.len() >= FLUSH_BYTES { self.flush() } else { Ok(()) }
    }

    /// Hands what is buffered to the kernel: it survives this process.
    ///
    /// # Errors
    /// As [`CaptureWriter::create`].
    pub fn flush(&mut self) -> Result<(), RuntimeError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let written = self.file.write_all(&self.buffer);
        self.buffer.clear();
        written.map_err(|error| refused("write", Path::new(&self.path), error))?;
        self.flush_index();
        Ok(())
    }

    /// Writes the groups whose blocks are written.
    fn flush_index(&mut self) {
        if let Some(file) = &mut self.index_file
            && !self.index_buffer.is_empty()
            && file.write_all(&self.index_buffer).is_err()
        {
            self.index_file = None;
        }
        self.index_buffer.clear();
    }

    /// Flushes, and waits for the disk.
    ///
    /// # Errors
    /// As [`CaptureWriter::create`].
    pub fn sync(&mut self) -> Result<(), RuntimeError> {
        self.flush()?;
        self.index.close(&mut self.index_buffer);
        self.flush_index();
        self.file.sync_data().map_err(|error| refused("sync", Path::new(&self.path), error))
    }

    /// Closes the file and begins the next one.
    ///
    /// # Errors
    /// As [`CaptureWriter::create`].
    pub fn rotate(&mut self, now: Nanos) -> Result<(), RuntimeError> {
        self.sync()?;
        self.file_index += 1;
        name(&mut self.path, &self.folder, self.file_index, EXTENSION);
        self.file = open_new(&self.path)?;
        self.begin(now)
    }

    /// Files begun in this life.
    #[must_use]
    pub const fn files(&self) -> u64 {
        self.files
    }
}

/// Writes a file's path into `path`, whose memory is reused.
fn name(path: &mut String, folder: &Path, file_index: u32, extension: &str) {
    path.clear();
    write!(path, "{}/{file_index:06}.{extension}", folder.display()).expect("a string takes all");
}

fn open_new(path: &str) -> Result<File, RuntimeError> {
    let opened = OpenOptions::new().append(true).create_new(true).open(path);
    opened.map_err(|error| refused("create", Path::new(path), error))
}

/// A refusal of the filesystem, with the way out.
pub(super) fn refused(action: &'static str, path: &Path, source: io::Error) -> RuntimeError {
    let cure = match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free space there, or name another directory as paths.data of the host file"
        }
        io::ErrorKind::FileTooLarge => "raise the limit on file sizes (ulimit -f), or lower recorder.segment_bytes",
        io::ErrorKind::AlreadyExists => "another recorder writes there: stop it",
        io::ErrorKind::NotFound => "start the instance first, or correct paths.data of the host file",
        _ => "check the disk, or name another directory as paths.data of the host file",
    };
    RuntimeError::File { action, path: path.to_path_buf(), source, cure: cure.to_owned() }
}
