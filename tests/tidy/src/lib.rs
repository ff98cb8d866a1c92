//! What the tidy tests share: the project's files, and findings that carry their cure.
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};

/// A file of the project.
pub struct Source {
    /// Path from the project's root, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl Source {
    /// Lines with their numbers from 1, up to the body of the file's unit tests. Of another item of the tests (a `mod tests;`
    /// in the file's head) the first line is left out, and no more: the product goes on after it.
    pub fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines: Vec<&str> = self.text.lines().collect();
        let is_mark = |index: usize| {
            let line = lines[index].trim();
            line == "#[cfg(test)]" || line.starts_with("#[cfg(all(test,")
        };
        let is_body = |line: &&str| line.starts_with("mod ") && line.ends_with('{');
        let end = (0..lines.len()).find(|index| is_mark(*index) && lines.get(index + 1).is_some_and(is_body));
        let of_tests = |index: usize| is_mark(index) || (index > 0 && is_mark(index - 1));
        let kept: Vec<_> = (0..end.unwrap_or(lines.len()))
            .filter(|index| !of_tests(*index))
            .map(|index| (index + 1, lines[index]))
            .collect();
        kept.into_iter()
    }

    /// True when the path is below one of these folders.
    #[must_use]
    pub fn is_in(&self, folders: &[&str]) -> bool {
        folders.iter().any(|folder| self.path.starts_with(folder))
    }
}

/// The project's root: the folder above `tests/tidy`.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("tests/tidy lies two folders down").to_path_buf()
}

/// Every file of the project whose name ends in `.extension`, in order of path; build output and hidden folders apart.
#[must_use]
pub fn sources(extension: &str) -> Vec<Source> {
    let root = root();
    let mut found = Vec::new();
    walk(&root, &root, extension, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn walk(root: &Path, folder: &Path, extension: &str, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a folder of the project is readable").flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && !name.starts_with("target") {
                walk(root, &path, extension, found);
            }
        } else if name.ends_with(&format!(".{extension}")) {
            let relative = path.strip_prefix(root).expect("below the root").to_string_lossy().replace('\\', "/");
            found.push(Source { path: relative, text: fs::read_to_string(&path).expect("a source file is UTF-8") });
        }
    }
}

/// Fails with every finding on a line of its own.
///
/// # Panics
/// When there is a finding.
pub fn expect_none(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}
