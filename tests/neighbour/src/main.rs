//! `neighbour`: the mutator and what it is let loose on, each in a process of its own.
//!
//! It touches only files that it made, in a folder of its own in shared memory, which it removes.
#![forbid(unsafe_code)]

use anyhow::{Context, bail, ensure};
use clap::{Parser, Subcommand};
use neighbour::death::Death;
use neighbour::reader::{self, Counts, Kind};
use neighbour::scribble::Scribbler;
use neighbour::{append, image, publish, writer};
use runtime::clock::monotonic_ns;
use runtime::mmap::{Access, MODE_PRIVATE, create_region, map_region};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

/// How long after its time a process may still run before that is a hang.
const PATIENCE_NS: u64 = 30_000_000_000;
/// Time between two lines of progress.
const PROGRESS_NS: u64 = 10_000_000_000;

/// Scribbles over shared memory beside real readers.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// Everything: readers, writers and the mutator, and the verdict.
    Mutate {
        /// For how long.
        #[arg(long)]
        seconds: u64,
        /// Of the scribbles.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// One reader over one file, with a racing mutator thread beside it.
    Read(Job),
    /// One writer over one file.
    Write(Job),
    /// The mutator over every file of a folder.
    Scribble(Job),
    /// One life of a ring's writer, which may die at a failpoint.
    Publish(Life),
    /// One life of the market image's writer, likewise.
    Image(Life),
    /// One life of the journal's writer, likewise.
    Append(Life),
}

#[derive(clap::Args)]
struct Life {
    /// File of the ring, the image or the tail.
    #[arg(long)]
    path: PathBuf,
    /// Epoch of this life.
    #[arg(long)]
    epoch: u32,
    /// Messages to publish (in batches), entries to write or records to append.
    #[arg(long)]
    count: u64,
    #[command(flatten)]
    death: Death,
}

#[derive(clap::Args, Clone)]
struct Job {
    /// What the file holds.
    #[arg(long)]
    kind: Option<Kind>,
    /// The file, or the folder of all.
    #[arg(long)]
    path: PathBuf,
    /// For how long.
    #[arg(long)]
    seconds: u64,
    /// Of the scribbles.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// True until that many seconds are over.
fn clock(seconds: u64) -> impl FnMut() -> bool {
    let end = monotonic_ns() + seconds * 1_000_000_000;
    move || monotonic_ns() < end
}

fn main() -> ExitCode {
    let done = match Arguments::parse().part {
        Part::Mutate { seconds, seed } => mutate(seconds, seed),
        Part::Read(job) => read(&job),
        Part::Write(job) => write(&job),
        Part::Scribble(job) => scribble(&job),
        Part::Publish(Life { path, epoch, count, death }) => publish::life(&path, epoch.into(), count, death),
        Part::Image(Life { path, epoch, count, death }) => image::life(&path, epoch.into(), count, death),
        Part::Append(Life { path, epoch, count, death }) => append::life(&path, epoch, count, death),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("neighbour: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn read(job: &Job) -> anyhow::Result<()> {
    let kind = job.kind.context("--kind is missing")?;
    let words = map_region(&job.path, Access::ReadOnly, None)?.words;
    // The racing mutator: a thread of the reader's own process, on another core where there is one.
    let mut racer = Scribbler::open(&job.path, 0, job.seed)?;
    let seconds = job.seconds;
    let racing = std::thread::spawn(move || {
        let mut goes_on = clock(seconds);
        while goes_on() {
            for _ in 0..64 {
                racer.scribble()?;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        std::io::Result::Ok(())
    });
    let counts = reader::run(kind, &words, clock(seconds));
    racing.join().expect("the racer does not panic")?;
    println!("{counts}");
    Ok(())
}

fn write(job: &Job) -> anyhow::Result<()> {
    let kind = job.kind.context("--kind is missing")?;
    let words = map_region(&job.path, Access::ReadWrite, None)?.words;
    println!("written {}", writer::run(kind, &words, clock(job.seconds)));
    Ok(())
}

fn scribble(job: &Job) -> anyhow::Result<()> {
    let opened: Result<Vec<_>, _> = (1..)
        .zip(Kind::ALL)
        .map(|(turn, kind)| Scribbler::open(&job.path.join(kind.name()), 0, job.seed * 100 + turn))
        .collect();
    let mut all = opened?;
    let mut goes_on = clock(job.seconds);
    while goes_on() {
        for scribbler in &mut all {
            for _ in 0..16 {
                scribbler.scribble()?;
            }
        }
        // Bursts with pauses: else nothing honest would ever be read between two scribbles.
        std::thread::sleep(Duration::from_millis(1));
    }
    println!("stores {}", all.iter().map(|scribbler| scribbler.stores).sum::<u64>());
    Ok(())
}

/// A part of the whole, as a process.
struct Running {
    name: String,
    kind: Option<Kind>,
    child: Child,
}

impl Running {
    fn start(part: &str, kind: Option<Kind>, path: &Path, seconds: u64, seed: u64) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(part).arg("--path").arg(path).args([
            "--seconds",
            &seconds.to_string(),
            "--seed",
            &seed.to_string(),
        ]);
        if let Some(kind) = kind {
            command.args(["--kind", kind.name()]);
        }
        let child = command.stdout(Stdio::piped()).spawn().context("cannot start a part")?;
        let name = kind.map_or(part.to_owned(), |kind| format!("{part} {}", kind.name()));
        Ok(Self { name, kind, child })
    }

    /// What it said, once it ended well.
    fn finish(&mut self, deadline_ns: u64) -> anyhow::Result<String> {
        while self.child.try_wait()?.is_none() {
            if monotonic_ns() > deadline_ns {
                self.child.kill()?;
                self.child.wait()?;
                bail!("{} hangs: it was killed", self.name);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let status = self.child.wait()?;
        let mut said = String::new();
        if let Some(stdout) = &mut self.child.stdout {
            stdout.read_to_string(&mut said)?;
        }
        ensure!(status.success(), "{} ended with {status}", self.name);
        Ok(said.trim().to_owned())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder that goes when it is dropped.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn mutate(seconds: u64, seed: u64) -> anyhow::Result<()> {
    let folder = Folder(PathBuf::from(format!("/dev/shm/tickway-mutate-{}", std::process::id())));
    std::fs::create_dir(&folder.0).context("cannot make a folder in shared memory")?;
    let mut running = Vec::new();
    for (turn, kind) in (0..).zip(Kind::ALL) {
        let path = folder.0.join(kind.name());
        create_region(&path, kind.words() as u64 * 8, MODE_PRIVATE)?;
        running.push(Running::start("read", Some(kind), &path, seconds, seed * 1000 + turn)?);
        running.push(Running::start("write", Some(kind), &path, seconds, seed)?);
    }
    running.push(Running::start("scribble", None, &folder.0, seconds, seed)?);
    let started = monotonic_ns();
    progress(&mut running, started, seconds)?;
    let deadline = started + seconds * 1_000_000_000 + PATIENCE_NS;
    let mut refused = 0_u64;
    for part in &mut running {
        let said = part.finish(deadline)?;
        println!("{:<22} {said}", part.name);
        if let (Some(kind), Some(counts)) = (part.kind, Counts::parse(&said)) {
            if let Some(what) = counts.lacks(kind) {
                bail!("{} {what}: {counts}", part.name);
            }
            // What was missed is in each reader's line only: one hostile hint makes it as large as a number can be.
            refused = refused.saturating_add(counts.refused).saturating_add(counts.corrupt);
        }
    }
    println!("every reader and writer lived through {seconds} s; {refused} refused or corrupt");
    Ok(())
}

/// Says now and then how it goes, and ends at once when a part died before its time.
fn progress(running: &mut [Running], started: u64, seconds: u64) -> anyhow::Result<()> {
    let mut due = started + PROGRESS_NS;
    let mut goes_on = clock(seconds.saturating_sub(1));
    while goes_on() {
        for part in running.iter_mut() {
            if let Some(status) = part.child.try_wait()? {
                ensure!(status.success(), "{} ended with {status}", part.name);
            }
        }
        let now = monotonic_ns();
        if now > due {
            due = now + PROGRESS_NS;
            println!("{} s of {seconds}: all {} processes live", (now - started) / 1_000_000_000, running.len());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
