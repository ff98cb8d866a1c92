//! The capture files: their bytes (drawn in this crate's README), their writer and their readers.

pub mod format;
pub mod index;
pub mod messages;
pub mod query;
pub mod reader;
pub mod resume;
pub mod stamp;
pub mod writer;

pub use format::{BlockHeader, BlockKind, FileHeader};
pub use messages::{Entry, Messages, messages};
pub use reader::{CaptureError, Ranges, read_file, scan};
pub use resume::{Resumed, resume};
pub use writer::CaptureWriter;
