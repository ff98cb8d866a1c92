//! `fuzz`: builds the targets of `tests/fuzz`, runs each for its share of the time, and keeps a small corpus.
//!
//! cargo-fuzz wants a nightly compiler; `RUSTC_BOOTSTRAP=1`, for this build alone, makes the project's own do. What is
//! found stays below `tests/fuzz/target`; only the smallest inputs that cover the same are committed.

use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Bytes of committed inputs of one target.
const CORPUS_BYTES_MAX: u64 = 40 << 10;
/// Longest input.
const INPUT_BYTES_MAX: u32 = 4096;
/// The platform for which cargo-fuzz builds.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// What one run said.
#[derive(Default)]
struct Run {
    executions_per_second: u64,
    executions: u64,
    edges: u64,
    features: u64,
    new_inputs: u64,
}

/// Runs `target`, or all, for `minutes` together.
///
/// # Errors
/// A build that fails, and any input that breaks a promise: the message says where it lies.
pub fn run(minutes: f64, target: Option<&str>) -> Result<()> {
    let fuzz = super::root().join("tests/fuzz");
    let all = targets(&fuzz)?;
    let chosen: Vec<&String> = all.iter().filter(|name| target.is_none_or(|wanted| wanted == *name)).collect();
    ensure!(!chosen.is_empty(), "no target of that name; there are: {}", all.join(", "));
    install()?;
    let mut build = cargo_fuzz(&["build", "--fuzz-dir"]);
    build.arg(&fuzz).args(target);
    ensure!(build.status()?.success(), "the targets do not build");
    let seconds = ((minutes * 60.0) as u64 / chosen.len() as u64).max(1);
    println!("{} targets, {seconds} s each", chosen.len());
    println!(
        "{:<18} {:>12} {:>10} {:>8} {:>9} {:>6} {:>14}",
        "target", "executions", "per s", "edges", "features", "new", "corpus"
    );
    let mut broken = Vec::new();
    for name in chosen {
        match one(&fuzz, name, seconds) {
            Ok(line) => println!("{line}"),
            Err(error) => {
                println!("{name:<18} {error:#}");
                broken.push(name.as_str());
            }
        }
    }
    if !broken.is_empty() {
        bail!("broken: {}", broken.join(", "));
    }
    Ok(())
}

/// Runs one target and takes what it found into its corpus; its line of the table.
fn one(fuzz: &Path, name: &str, seconds: u64) -> Result<String> {
    let (kept, work) = (fuzz.join("corpus").join(name), fuzz.join("target/inputs").join(name));
    let artifacts = fuzz.join("artifacts").join(name);
    for folder in [&kept, &work, &artifacts] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let mut command = binary(fuzz, name);
    command.args([&work, &kept]);
    command.arg(format!("-artifact_prefix={}/", artifacts.display()));
    command.arg(format!("-max_total_time={seconds}")).arg(format!("-max_len={INPUT_BYTES_MAX}"));
    command.args(["-timeout=10", "-rss_limit_mb=4096", "-print_final_stats=1"]);
    let (run, good, tail) = watch(&mut command)?;
    ensure!(good, "broke a promise; the input is in {}\n{}", artifacts.display(), tail.join("\n"));
    let (files, bytes) = minimise(fuzz, name, &work, &kept)?;
    Ok(format!(
        "{name:<18} {:>12} {:>10} {:>8} {:>9} {:>6} {files:>5} {bytes:>6} B",
        run.executions, run.executions_per_second, run.edges, run.features, run.new_inputs
    ))
}

/// Runs a command of libFuzzer and reads its figures; true when it ended well, and its last lines.
fn watch(command: &mut Command) -> Result<(Run, bool, Vec<String>)> {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().context("cannot start the target")?;
    let (mut run, mut tail) = (Run::default(), Vec::new());
    let stderr = child.stderr.take().context("a pipe was asked for")?;
    for line in BufReader::new(stderr).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        let number = |key: &str| -> Option<u64> {
            line.split_once(key)?.1.split_whitespace().next()?.trim_end_matches('/').parse().ok()
        };
        run.edges = number(" cov: ").unwrap_or(run.edges);
        run.features = number(" ft: ").unwrap_or(run.features);
        run.executions = number("stat::number_of_executed_units:").unwrap_or(run.executions);
        run.executions_per_second = number("stat::average_exec_per_sec:").unwrap_or(run.executions_per_second);
        run.new_inputs = number("stat::new_units_added:").unwrap_or(run.new_inputs);
        tail.push(line);
        if tail.len() > 25 {
            tail.remove(0);
        }
    }
    Ok((run, child.wait()?.success(), tail))
}

/// Replaces the kept inputs by the smallest that cover as much, up to the budget; their count and bytes.
fn minimise(fuzz: &Path, name: &str, work: &Path, kept: &Path) -> Result<(usize, u64)> {
    let merged = fuzz.join("target/merged").join(name);
    let _ = fs::remove_dir_all(&merged);
    fs::create_dir_all(&merged)?;
    let mut merge = binary(fuzz, name);
    merge.args(["-set_cover_merge=1", "-timeout=10"]).arg(format!("-max_len={INPUT_BYTES_MAX}"));
    merge.arg(&merged).args([kept, work]);
    let status = merge.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    ensure!(status.success(), "the corpus of {name} could not be minimised");
    let mut inputs: Vec<(u64, PathBuf)> = fs::read_dir(&merged)?
        .map(|entry| entry.and_then(|entry| Ok((entry.metadata()?.len(), entry.path()))))
        .collect::<Result<_, _>>()?;
    inputs.sort();
    for entry in fs::read_dir(kept)? {
        fs::remove_file(entry?.path())?;
    }
    let (mut count, mut total) = (0, 0);
    for (bytes, path) in inputs {
        if total + bytes > CORPUS_BYTES_MAX {
            break;
        }
        let file = path.file_name().context("an input has a name")?;
        fs::copy(&path, kept.join(file))?;
        (count, total) = (count + 1, total + bytes);
    }
    Ok((count, total))
}

fn binary(fuzz: &Path, name: &str) -> Command {
    Command::new(fuzz.join("target").join(PLATFORM).join("release").join(name))
}

/// The names of the binaries.
fn targets(fuzz: &Path) -> Result<Vec<String>> {
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).context("tests/fuzz/Cargo.toml")?;
    let names = manifest.split("[[bin]]").skip(1).filter_map(|part| {
        let line = part.lines().find_map(|line| line.strip_prefix("name = \""))?;
        line.strip_suffix('"').map(str::to_owned)
    });
    Ok(names.collect())
}

fn cargo_fuzz(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.arg("fuzz").args(arguments).env("RUSTC_BOOTSTRAP", "1");
    command
}

/// Installs cargo-fuzz when it is missing.
fn install() -> Result<()> {
    let there = cargo_fuzz(&["--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if there.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    println!(
        "cargo-fuzz is not installed: installing it now, once, into cargo's own bin folder. It costs a minute or two \
         of compiling and about 10 MB; the targets need a C++ compiler and, the first time, some minutes and 1.5 GB \
         below tests/fuzz/target."
    );
    let installed = Command::new("cargo").args(["install", "cargo-fuzz", "--locked"]).status()?;
    ensure!(installed.success(), "cargo-fuzz could not be installed: `cargo install cargo-fuzz` says why");
    Ok(())
}
