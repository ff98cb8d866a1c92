//! The processes of a trial: the running binary, started again with `bench child` and the trial as JSON.
//!
//! A binary that measures lanes of its own lists them in a registry and calls [`take_over`] before anything else. A child
//! prints its outcomes as one line of JSON and never anything else on standard output. It ends with its coordinator.

use crate::BenchError;
use crate::lane::{Lane, LaneSpec, Payload, ProcessLane, ThreadLane};
use crate::meeting::Meeting;
use crate::role;
use crate::trial::{Role, RoleOutcome, TrialSpec, Work};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use runtime::mmap::{Access, map_region};
use serde::{Deserialize, Serialize};
use std::os::unix::process::parent_id;
use std::process::ExitCode;

/// First arguments of a child's command line; the order as JSON follows.
pub const CHILD_ARGUMENTS: [&str; 2] = ["bench", "child"];

/// What a child is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// The part that it plays.
    pub role: Role,
    /// Process id of the coordinator, with which it ends.
    pub coordinator: u32,
    /// The trial.
    pub trial: TrialSpec,
}

type Play = fn(&Order, Meeting) -> Result<Vec<RoleOutcome>, BenchError>;

/// A lane that a binary can measure.
#[derive(Clone, Copy, Debug)]
pub struct LaneEntry {
    /// Its name.
    pub name: &'static str,
    /// Whether its roles are threads of one process.
    pub threads: bool,
    /// Its settings in a line.
    pub settings: fn(&LaneSpec) -> String,
    /// Makes its files, for this payload.
    pub(crate) create: fn(&LaneSpec, Payload) -> Result<(), BenchError>,
    play: Play,
}

impl LaneEntry {
    /// A lane between processes.
    #[must_use]
    pub const fn processes<L: Lane + ProcessLane<7> + ProcessLane<15>>() -> Self {
        Self {
            name: L::NAME,
            threads: false,
            settings: L::settings,
            create: |spec, payload| match payload {
                Payload::Bytes56 => <L as ProcessLane<7>>::create(spec),
                Payload::Bytes120 => <L as ProcessLane<15>>::create(spec),
            },
            play: |order, meeting| match order.trial.payload {
                Payload::Bytes56 => play_process::<7, L>(order, meeting),
                Payload::Bytes120 => play_process::<15, L>(order, meeting),
            },
        }
    }

    /// A lane between threads.
    #[must_use]
    pub const fn threads<L: Lane + ThreadLane<7> + ThreadLane<15>>() -> Self {
        Self {
            name: L::NAME,
            threads: true,
            settings: L::settings,
            create: |_, _| Ok(()),
            play: |order, meeting| match order.trial.payload {
                Payload::Bytes56 => play_threads::<7, L>(order, &meeting),
                Payload::Bytes120 => play_threads::<15, L>(order, &meeting),
            },
        }
    }
}

const fn has_way_back(work: &Work) -> bool {
    matches!(work, Work::PingPong { .. })
}

fn play_process<const W: usize, L: ProcessLane<W>>(
    order: &Order,
    mut meeting: Meeting,
) -> Result<Vec<RoleOutcome>, BenchError> {
    let (spec, meeting) = (&order.trial, &mut meeting);
    let back = has_way_back(&spec.work);
    let outcome = match order.role {
        Role::Sender => role::sender(spec, meeting, || {
            let there = L::sender(&spec.there)?;
            Ok((there, back.then(|| L::receiver(&spec.back(), 0)).transpose()?))
        }),
        Role::Receiver => role::receiver(spec, meeting, || {
            let there: Result<Vec<_>, _> =
                (0..spec.there.receivers).map(|index| L::receiver(&spec.there, index)).collect();
            Ok((there?, back.then(|| L::sender(&spec.back())).transpose()?))
        }),
        Role::Tap => {
            let core = spec.tap_core.unwrap_or(spec.receiver_core);
            role::tap(spec, core, meeting, || L::receiver(&spec.there, spec.there.receivers))
        }
        Role::Threads => Err(BenchError::new("a lane between processes cannot be played by threads", "report this")),
    };
    Ok(vec![outcome?])
}

fn play_threads<const W: usize, L: ThreadLane<W>>(
    order: &Order,
    meeting: &Meeting,
) -> Result<Vec<RoleOutcome>, BenchError> {
    let spec = &order.trial;
    let (sender, receivers) = L::open(&spec.there)?;
    let (back_sender, back_receiver) = if has_way_back(&spec.work) {
        let (sender, mut receivers) = L::open(&spec.back())?;
        (Some(sender), receivers.pop())
    } else {
        (None, None)
    };
    let (mut asking, mut answering) = (meeting.clone(), meeting.clone());
    std::thread::scope(|scope| {
        let answer = scope.spawn(move || {
            let outcome = role::receiver(spec, &mut answering, || Ok((receivers, back_sender)));
            outcome.inspect_err(|_| answering.abort())
        });
        let asked = role::sender(spec, &mut asking, || Ok((sender, back_receiver)));
        let asked = asked.inspect_err(|_| asking.abort());
        let answered =
            answer.join().map_err(|_| BenchError::new("the receiver's thread panicked", "see its message"))?;
        Ok(vec![asked?, answered?])
    })
}

/// Plays one role, as ordered on the command line, and prints its outcome, or on standard error why not; true when it was
/// played.
#[must_use]
pub fn serve(registry: &[LaneEntry], order: &str) -> bool {
    let played = serde_json::from_str::<Order>(order)
        .map_err(|error| BenchError::new(format!("bench child: {error}"), "this command is started by `tickway bench`"))
        .and_then(|order| follow(order.coordinator).and_then(|()| play(registry, &order)));
    match played {
        Ok(line) => {
            println!("{line}");
            true
        }
        Err(error) => {
            eprintln!("bench child: {error}");
            false
        }
    }
}

/// Ends this process with its coordinator, however that one ends: nobody would hear the outcome, and a role spins.
fn follow(coordinator: u32) -> Result<(), BenchError> {
    set_pdeathsig(Signal::SIGKILL).map_err(|error| {
        BenchError::new(format!("cannot follow the coordinator: {error}"), "see the kernel's log (dmesg)")
    })?;
    // It may have ended before that.
    if parent_id() != coordinator {
        return Err(BenchError::new("the coordinator has ended", "this command is started by `tickway bench`"));
    }
    Ok(())
}

fn play(registry: &[LaneEntry], order: &Order) -> Result<String, BenchError> {
    let name = &order.trial.lane;
    let entry = registry
        .iter()
        .find(|entry| entry.name == name)
        .ok_or_else(|| BenchError::new(format!("this binary knows no lane {name:?}"), "list it in the registry"))?;
    let page = map_region(&order.trial.meeting, Access::ReadWrite, None)?;
    let meeting = Meeting::new(page.words, order.trial.roles());
    let outcomes = (entry.play)(order, meeting.clone()).inspect_err(|_| meeting.abort())?;
    serde_json::to_string(&outcomes)
        .map_err(|error| BenchError::new(format!("an outcome cannot be told: {error}"), "report this"))
}

/// For the main function of a binary with lanes of its own: when it was started as a child, plays the role and returns its
/// exit code.
#[must_use]
pub fn take_over(registry: &[LaneEntry]) -> Option<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (head, order) = arguments.split_at_checked(CHILD_ARGUMENTS.len())?;
    (head == CHILD_ARGUMENTS && order.len() == 1)
        .then(|| if serve(registry, &order[0]) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
