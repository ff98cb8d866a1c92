//! The processes of one start: heard to their end, and ended together.
//!
//! A role that fails takes the start with it at once: the others see the meeting's stop sign, and those that look at it too
//! rarely are killed after a moment. An interruption of the coordinator kills all: what they would say no longer counts. All
//! that time the coordinator sleeps in poll(2); it has no other loop.

use crate::BenchError;
use crate::meeting::{ABORTED, Meeting};
use crate::trial::{Role, RoleOutcome};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use runtime::clock::monotonic_ns;
use runtime::signal::stop_requested;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};

/// How long a role may take to leave once the stop sign is up, in nanoseconds: a sender that keeps to its schedule does not
/// look at it.
const GRACE_NS: u64 = 500_000_000;
/// Between two looks at the stop flag, in nanoseconds. A signal ends the sleep by itself, unless it comes just before it or
/// to another thread.
const LOOK_NS: u64 = 1_000_000_000;
/// Read at once from a pipe.
const CHUNK_BYTES: usize = 64 << 10;

/// One end of a pipe and what came out of it.
#[derive(Debug)]
struct Pipe {
    /// `None` once the other end is closed.
    file: Option<File>,
    heard: Vec<u8>,
}

impl Pipe {
    fn new(end: Option<impl Into<OwnedFd>>) -> Self {
        Self { file: end.map(|end| File::from(end.into())), heard: Vec::new() }
    }

    /// Reads what is there, once; poll(2) has said that something is.
    fn read(&mut self) -> std::io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut chunk = vec![0; CHUNK_BYTES];
        let count = file.read(&mut chunk)?;
        if count == 0 {
            self.file = None;
        }
        self.heard.extend_from_slice(&chunk[..count]);
        Ok(())
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.heard).trim().to_owned()
    }
}

/// One process.
#[derive(Debug)]
struct Member {
    role: Role,
    child: Child,
    outcome: Pipe,
    complaint: Pipe,
    status: Option<ExitStatus>,
}

impl Member {
    fn pipes(&self) -> impl Iterator<Item = &File> {
        [&self.outcome, &self.complaint].into_iter().filter_map(|pipe| pipe.file.as_ref())
    }

    /// Takes the exit status once both pipes are closed: a process that told all is about to end.
    fn reap(&mut self) -> std::io::Result<Option<ExitStatus>> {
        if self.status.is_some() || self.pipes().next().is_some() {
            return Ok(None);
        }
        self.status = Some(self.child.wait()?);
        Ok(self.status)
    }

    /// Why it failed, in a line with the way out.
    fn failure(&self, status: ExitStatus) -> BenchError {
        let who = format!("the {} (process {})", self.role, self.child.id());
        let said = self.complaint.text();
        if let Some(number) = status.signal() {
            let name = Signal::try_from(number).map_or_else(|_| format!("signal {number}"), |name| name.to_string());
            let said = if said.is_empty() { String::new() } else { format!(": {said}") };
            let cure = "see who sent it (where memory ran out, the kernel's log says so), and run it again";
            return BenchError::new(format!("{who} was killed by {name}{said}"), cure);
        }
        let code = status.code().unwrap_or(-1);
        match said.as_str() {
            "" => BenchError::new(format!("{who} ended with exit code {code} and no word"), "run it again"),
            said => BenchError::new(format!("{who} ended with exit code {code}: {said}"), "run it again"),
        }
    }
}

/// All processes of a start. Whatever ends it early kills those that are left.
#[derive(Debug)]
pub struct Troupe {
    meeting: Meeting,
    members: Vec<Member>,
}

impl Troupe {
    /// Nobody yet; they will meet on this page.
    #[must_use]
    pub const fn new(meeting: Meeting) -> Self {
        Self { meeting, members: Vec::new() }
    }

    /// Takes in a process that plays `role`, both its outputs piped.
    pub fn join(&mut self, role: Role, mut child: Child) {
        let (outcome, complaint) = (Pipe::new(child.stdout.take()), Pipe::new(child.stderr.take()));
        self.members.push(Member { role, child, outcome, complaint, status: None });
    }

    /// Hears all to their end: what each brings home; `None` when this process was asked to stop before that.
    ///
    /// # Errors
    /// The first failure of a role, by its name, as soon as all others have left.
    pub fn hear(mut self) -> Result<Option<Vec<RoleOutcome>>, BenchError> {
        let broken =
            |error: std::io::Error| BenchError::new(format!("a role cannot be heard: {error}"), "run it again");
        let mut first: Option<(bool, BenchError)> = None;
        let mut kill_at_ns = None;
        while self.members.iter().any(|member| member.status.is_none()) {
            self.listen(kill_at_ns.unwrap_or_else(|| monotonic_ns() + LOOK_NS)).map_err(broken)?;
            if stop_requested() {
                return Ok(None);
            }
            for member in &mut self.members {
                let Some(status) = member.reap().map_err(broken)?.filter(|status| !status.success()) else { continue };
                self.meeting.abort();
                kill_at_ns.get_or_insert_with(|| monotonic_ns() + GRACE_NS);
                // The role that failed says why; others, perhaps heard before it, only that they were left.
                let is_left = member.complaint.text().contains(ABORTED);
                if first.as_ref().is_none_or(|(was_left, _)| *was_left && !is_left) {
                    first = Some((is_left, member.failure(status)));
                }
            }
            if kill_at_ns.is_some_and(|at| monotonic_ns() >= at) {
                self.kill();
            }
        }
        match first {
            Some((_, failure)) => Err(failure),
            None => self.outcomes().map(Some),
        }
    }

    /// Sleeps until a pipe has something to say, `until_ns` at the latest, and reads.
    fn listen(&mut self, until_ns: u64) -> std::io::Result<()> {
        let left_ms = until_ns.saturating_sub(monotonic_ns()).div_ceil(1_000_000);
        let timeout = PollTimeout::from(u16::try_from(left_ms).unwrap_or(u16::MAX));
        let mut ends: Vec<PollFd<'_>> = self
            .members
            .iter()
            .flat_map(Member::pipes)
            .map(|file| PollFd::new(file.as_fd(), PollFlags::POLLIN))
            .collect();
        match poll(&mut ends, timeout) {
            Ok(_) => (),
            Err(Errno::EINTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = ends.iter().map(|end| end.any().unwrap_or(true)).collect();
        let pipes = self.members.iter_mut().flat_map(|member| [&mut member.outcome, &mut member.complaint]);
        for (pipe, _) in pipes.filter(|pipe| pipe.file.is_some()).zip(ready).filter(|(_, ready)| *ready) {
            pipe.read()?;
        }
        Ok(())
    }

    fn outcomes(&self) -> Result<Vec<RoleOutcome>, BenchError> {
        let mut outcomes = Vec::new();
        for member in &self.members {
            let told: Vec<RoleOutcome> = serde_json::from_str(&member.outcome.text()).map_err(|error| {
                BenchError::new(format!("the outcome of the {} is garbled: {error}", member.role), "run it again")
            })?;
            outcomes.extend(told);
        }
        Ok(outcomes)
    }

    /// Kills all that have not been waited for: their pids are still theirs.
    fn kill(&mut self) {
        for member in self.members.iter_mut().filter(|member| member.status.is_none()) {
            let _ = member.child.kill();
        }
    }
}

impl Drop for Troupe {
    fn drop(&mut self) {
        self.kill();
        for member in self.members.iter_mut().filter(|member| member.status.is_none()) {
            let _ = member.child.wait();
        }
    }
}
