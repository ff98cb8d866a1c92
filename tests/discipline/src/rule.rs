//! The order of calls that a role may make.

use crate::trace::{Call, Outcome};
use std::fmt;

/// A hot role.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Reads datagrams, writes requests.
    FeedHandler,
    /// Has no socket.
    Strategy,
    /// Has no socket.
    Risk,
    /// Reads and writes one stream.
    Gateway,
}

impl Role {
    /// Every hot role.
    pub const ALL: [Self; 4] = [Self::FeedHandler, Self::Strategy, Self::Risk, Self::Gateway];

    /// The role's folder name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FeedHandler => "feed-handler",
            Self::Strategy => "strategy",
            Self::Risk => "risk",
            Self::Gateway => "execution-gateway",
        }
    }

    const fn reads(self) -> &'static [&'static str] {
        match self {
            Self::FeedHandler => &["recvmmsg"],
            Self::Strategy | Self::Risk => &[],
            Self::Gateway => &["recvfrom", "read"],
        }
    }

    /// Whether it may look for its turn on a shared CPU: a nap instead of the yield of an empty poll, rarely.
    const fn seeks_its_turn(self) -> bool {
        matches!(self, Self::Risk | Self::Gateway)
    }

    const fn writes(self) -> &'static [&'static str] {
        match self {
            Self::FeedHandler => &["sendto"],
            Self::Strategy | Self::Risk => &[],
            Self::Gateway => &["sendto", "write"],
        }
    }
}

/// What broke a rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Violation {
    /// A call that the role never makes.
    Forbidden {
        /// Place in the trace.
        place: usize,
        /// Which.
        name: String,
    },
    /// A yield while the last input may not have been answered.
    YieldedBusy {
        /// Place in the trace.
        place: usize,
        /// The read or write that came last.
        after: String,
    },
    /// A socket call that failed.
    Failed {
        /// Place in the trace.
        place: usize,
        /// Which.
        name: String,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forbidden { place, name } => write!(f, "call {place}: {name} is no call of the hot path"),
            Self::YieldedBusy { place, after } => {
                write!(f, "call {place}: sched_yield after a {after} with no empty read between them")
            }
            Self::Failed { place, name } => write!(f, "call {place}: {name} failed"),
        }
    }
}

/// What a sound trace held.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Reads that returned data.
    pub inputs: usize,
    /// Reads that found nothing.
    pub empty_reads: usize,
    /// Writes.
    pub outputs: usize,
    /// Yields.
    pub yields: usize,
    /// Naps instead of a yield.
    pub naps: usize,
}

/// Holds a trace against the rules of a role.
///
/// # Errors
/// Every violation, in order.
pub fn check(role: Role, calls: &[Call]) -> Result<Tally, Vec<Violation>> {
    let (mut tally, mut violations) = (Tally::default(), Vec::new());
    // The read or write since which no read came back empty. The trace may begin in the middle of a pass.
    let mut busy: Option<&str> = None;
    for (place, call) in calls.iter().enumerate() {
        let name = call.name.as_str();
        let is_read = role.reads().contains(&name);
        if name == "sched_yield" {
            tally.yields += 1;
            if let Some(after) = busy.take() {
                violations.push(Violation::YieldedBusy { place, after: after.to_owned() });
            }
        } else if name == "clock_nanosleep" && role.seeks_its_turn() && busy.is_none() {
            tally.naps += 1;
        } else if !is_read && !role.writes().contains(&name) {
            violations.push(Violation::Forbidden { place, name: name.to_owned() });
        } else {
            match call.outcome {
                Outcome::Failed => violations.push(Violation::Failed { place, name: name.to_owned() }),
                Outcome::NotNow if is_read => {
                    tally.empty_reads += 1;
                    busy = None;
                }
                Outcome::NotNow => {}
                Outcome::Value(value) => {
                    *(if is_read { &mut tally.inputs } else { &mut tally.outputs }) += 1;
                    busy = Some(name).filter(|_| call.asked.is_none_or(|asked| value >= asked));
                }
            }
        }
    }
    if violations.is_empty() { Ok(tally) } else { Err(violations) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `recvfrom:50 sendto:40 recvfrom:again recvmmsg:1/2 sched_yield:0` as calls.
    fn calls(text: &str) -> Vec<Call> {
        let call = |word: &str| {
            let (name, outcome) = word.split_once(':').unwrap();
            let (outcome, asked) =
                outcome.split_once('/').map_or((outcome, None), |(value, asked)| (value, asked.parse().ok()));
            let outcome = match outcome {
                "again" => Outcome::NotNow,
                "error" => Outcome::Failed,
                value => Outcome::Value(value.parse().unwrap()),
            };
            Call { name: name.to_owned(), outcome, asked }
        };
        text.split_whitespace().map(call).collect()
    }

    fn violations(role: Role, text: &str) -> Vec<String> {
        let found = check(role, &calls(text)).err().unwrap_or_default();
        found.iter().map(Violation::to_string).collect()
    }

    #[test]
    fn input_output_and_empty_polls_pass_and_are_counted() {
        let trace = "sched_yield:0 recvfrom:again sched_yield:0 recvfrom:80 sendto:50 sendto:50 recvfrom:again \
                     sched_yield:0 sendto:50 recvfrom:again recvfrom:again sched_yield:0";
        let tally = check(Role::Gateway, &calls(trace)).unwrap();
        assert_eq!(tally, Tally { inputs: 1, empty_reads: 4, outputs: 3, yields: 4, naps: 0 });
        let tally = check(Role::FeedHandler, &calls("recvmmsg:200 recvmmsg:60 recvmmsg:again sched_yield:0")).unwrap();
        assert_eq!((tally.inputs, tally.yields), (2, 1));
        assert_eq!(check(Role::Risk, &calls("sched_yield:0 sched_yield:0")).unwrap().yields, 2);
    }

    #[test]
    fn a_nap_is_part_of_an_empty_poll_of_who_looks_for_its_turn() {
        let napped = "recvfrom:again clock_nanosleep:0 recvfrom:again";
        assert_eq!(check(Role::Gateway, &calls(napped)).unwrap().naps, 1);
        assert_eq!(check(Role::Risk, &calls("sched_yield:0 clock_nanosleep:0")).unwrap().naps, 1);
        for (role, trace) in [
            (Role::Gateway, "recvfrom:80 clock_nanosleep:0 recvfrom:again sched_yield:0"),
            (Role::FeedHandler, "recvmmsg:again clock_nanosleep:0 sched_yield:0"),
            (Role::Strategy, "clock_nanosleep:0 sched_yield:0"),
        ] {
            assert_eq!(violations(role, trace).len(), 1, "{trace}");
        }
    }

    #[test]
    fn a_yield_between_an_input_and_its_output_is_found() {
        let found = violations(Role::Gateway, "recvfrom:80 sched_yield:0 sendto:50 recvfrom:again sched_yield:0");
        assert_eq!(found, ["call 1: sched_yield after a recvfrom with no empty read between them"]);
        let found = violations(Role::Gateway, "recvfrom:again sendto:50 sched_yield:0");
        assert_eq!(found, ["call 2: sched_yield after a sendto with no empty read between them"]);
        assert_eq!(violations(Role::FeedHandler, "recvmmsg:9 recvmmsg:again recvmmsg:9 sched_yield:0").len(), 1);
    }

    #[test]
    fn a_batch_that_is_not_full_is_an_empty_poll_and_a_full_one_is_none() {
        let tally = check(Role::FeedHandler, &calls("recvmmsg:2/2 recvmmsg:1/2 sched_yield:0")).unwrap();
        assert_eq!((tally.inputs, tally.yields), (2, 1));
        let found = violations(Role::FeedHandler, "recvmmsg:1/2 recvmmsg:2/2 sched_yield:0");
        assert_eq!(found, ["call 2: sched_yield after a recvmmsg with no empty read between them"]);
        assert_eq!(violations(Role::FeedHandler, "recvmmsg:1/2 sendto:20 sched_yield:0").len(), 1);
    }

    #[test]
    fn every_other_call_is_found_and_a_socketless_role_may_only_yield() {
        for call in ["futex:1", "clock_gettime:0", "mmap:4096", "write:1", "clock_nanosleep:0", "fdatasync:0"] {
            let trace = format!("recvmmsg:200 {call} recvmmsg:again sched_yield:0");
            let name = call.split_once(':').unwrap().0;
            assert_eq!(violations(Role::FeedHandler, &trace), [format!("call 1: {name} is no call of the hot path")]);
        }
        assert_eq!(violations(Role::Strategy, "sched_yield:0 recvfrom:again sendto:9").len(), 2);
        assert_eq!(violations(Role::Gateway, "sendto:error recvfrom:again"), ["call 0: sendto failed"]);
    }
}
