//! The files that a bench was asked for: tried before anything is measured, written at the end.

use crate::BenchError;
use crate::report::Report;
use crate::{html, logs};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where to write what, beside standard output.
#[derive(Clone, Copy, Debug)]
pub struct Outputs<'a> {
    /// The page.
    pub report: Option<&'a PathBuf>,
    /// The directory of the logs.
    pub logs: Option<&'a PathBuf>,
}

impl Outputs<'_> {
    /// Says now what could not be written at the end, and leaves nothing behind but the directory of the logs.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn try_out(&self) -> Result<(), BenchError> {
        if let Some(path) = self.report {
            try_file(path)?;
        }
        if let Some(directory) = self.logs {
            logs::make_directory(directory)?;
            try_file(&directory.join(format!(".tickway-{}", std::process::id())))?;
        }
        Ok(())
    }

    /// Writes them, each even when another could not be.
    ///
    /// # Errors
    /// The first failure.
    pub fn write(&self, report: &Report) -> Result<(), BenchError> {
        let page = self.report.map_or(Ok(()), |path| {
            fs::write(path, html::render(report)).map_err(|error| BenchError::file("write", path, &error))?;
            eprintln!("bench: wrote {}", path.display());
            Ok(())
        });
        let logs = self.logs.map_or(Ok(()), |directory| {
            let files = logs::write_all(report, directory)?;
            eprintln!("bench: wrote {files} files into {}", directory.display());
            Ok(())
        });
        page.and(logs)
    }
}

/// Opens a file for writing without changing it; one that was not there is removed again.
fn try_file(path: &Path) -> Result<(), BenchError> {
    let failed = |error: io::Error| BenchError::file("write", path, &error);
    match fs::metadata(path) {
        // A pipe or a device is not opened twice.
        Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => Ok(()),
        Ok(_) => fs::OpenOptions::new().append(true).open(path).map(drop).map_err(failed),
        Err(_) => {
            fs::OpenOptions::new().append(true).create_new(true).open(path).map_err(failed)?;
            fs::remove_file(path).map_err(failed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Fault;
    use crate::fingerprint::Fingerprint;

    fn fault(report: Option<&PathBuf>, logs: Option<&PathBuf>) -> Option<Fault> {
        Outputs { report, logs }.try_out().err().map(|error| error.fault())
    }

    #[test]
    fn what_cannot_be_written_is_said_before_and_what_can_is_left_as_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let [page, there, nowhere] = ["new.html", "old.html", "none/new.html"].map(|name| folder.path().join(name));
        fs::write(&there, "old").expect("a file");
        assert_eq!((fault(Some(&page), None), fault(Some(&there), None)), (None, None));
        assert!(!page.exists() && fs::read_to_string(&there).expect("it is there") == "old");
        assert_eq!(fault(Some(&nowhere), None), Some(Fault::File(io::ErrorKind::NotFound)));
        assert_eq!(fault(Some(&folder.path().to_owned()), None), Some(Fault::File(io::ErrorKind::IsADirectory)));
        // A file where the directory should be.
        assert!(matches!(fault(None, Some(&there)), Some(Fault::File(_))));
        assert_eq!(fault(None, Some(&folder.path().join("logs"))), None);
        assert_eq!(fs::read_dir(folder.path().join("logs")).expect("it was made").count(), 0);
    }

    #[test]
    fn one_failure_does_not_take_the_other_file_along() {
        let folder = tempfile::tempdir().expect("a folder");
        let (full, logs) = (PathBuf::from("/dev/full"), folder.path().join("logs"));
        let report = Report::new("ring", 0, Fingerprint::default());
        let outputs = Outputs { report: Some(&full), logs: Some(&logs) };
        assert!(outputs.try_out().is_ok(), "a device is not tried");
        let error = outputs.write(&report).expect_err("the device is full");
        assert_eq!(error.fault(), Fault::File(io::ErrorKind::StorageFull));
        assert!(logs.is_dir());
    }
}
