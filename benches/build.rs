//! Puts the build's own origin into it: commit, whether its sources differ from that, compiler and target. A report then
//! names what was measured, wherever the command is started.
//!
//! It never fails a build: without git, in a tree that is not a clone's (a tarball), or under another clone, the commit is
//! left empty, which reads as unknown.

use std::env::var;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the measuring binaries are built from, under the root of the workspace.
const SOURCES: [&str; 8] = [
    "Cargo.toml",
    "Cargo.lock",
    "shm-layout",
    "processes",
    "benches/Cargo.toml",
    "benches/build.rs",
    "benches/src",
    "tools",
];

fn main() {
    let root = PathBuf::from(var("CARGO_MANIFEST_DIR").unwrap_or_default()).join("..");
    let commit = commit(&root);
    let changed = commit.as_ref().and_then(|_| git(&root, &[&["status", "--porcelain", "--"], &SOURCES[..]].concat()));
    let changed = changed.map_or("", |changes| if changes.is_empty() { "no" } else { "yes" });
    let compiler = said(Command::new(var("RUSTC").unwrap_or_default()).arg("--version")).unwrap_or_default();
    println!("cargo::rustc-env=TICKWAY_COMMIT={}", commit.unwrap_or_default());
    println!("cargo::rustc-env=TICKWAY_CHANGED={changed}");
    println!("cargo::rustc-env=TICKWAY_COMPILER={compiler}");
    println!("cargo::rustc-env=TICKWAY_TARGET={}", var("TARGET").unwrap_or_default());
    watch(&root);
}

/// The commit that is checked out, when `root` is the top of its tree.
fn commit(root: &Path) -> Option<String> {
    let top = git(root, &["rev-parse", "--show-toplevel"])?;
    let is_own = Path::new(&top).canonicalize().ok()? == root.canonicalize().ok()?;
    git(root, &["rev-parse", "HEAD"]).filter(|_| is_own)
}

/// Runs again when the commit or a source changes. A file that is not there would make it run always, and is left out.
fn watch(root: &Path) {
    println!("cargo::rerun-if-changed=build.rs");
    // A linked tree has a HEAD of its own, and the branches of the clone; `--git-path` knows where each lies.
    let branch = git(root, &["symbolic-ref", "-q", "HEAD"]);
    let names = ["HEAD", "logs/HEAD", "packed-refs"].into_iter().chain(branch.as_deref());
    let of_git = names.filter_map(|name| git(root, &["rev-parse", "--git-path", name]));
    for path in of_git.map(|path| root.join(path)).chain(SOURCES.map(|source| root.join(source))) {
        if path.exists() {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
}

fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    // A look, not a change: it must not refresh the index of a tree that somebody works in.
    said(Command::new("git").arg("-C").arg(root).arg("--no-optional-locks").args(arguments))
}

/// What a command says on standard output, without the last line's end; `None` when it fails or is not there.
fn said(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim_end().to_owned())
}
