//! The capture file: its bytes (drawn in this crate's README), and its reader.

pub mod format;
pub mod reader;

pub use format::{BlockHeader, BlockKind, FileHeader};
pub use reader::{CaptureError, Ranges, read_file, scan};
