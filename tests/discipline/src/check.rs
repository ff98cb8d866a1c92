//! Holds what a process did while it was traced against its rule.

use crate::rule::Rule;
use crate::trace::{Call, Outcome};
use runtime::turn::NAPS_MAX;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What a process did while it was traced.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trace {
    /// Its calls.
    pub calls: Vec<Call>,
    /// How long it was traced.
    pub span: Duration,
    /// By how much its progress grew meanwhile; with several stages in it, that of the one that did least.
    pub progress: u64,
}

/// What broke a rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Violation {
    /// No work was done: nothing that was not called shows anything.
    Stopped,
    /// A call that the process never makes.
    Forbidden {
        /// Place in the trace.
        place: usize,
        /// Which.
        name: String,
    },
    /// A yield while the last input of a socket may not have been answered.
    YieldedBusy {
        /// Place in the trace.
        place: usize,
        /// The read or write that came last on that socket.
        after: String,
        /// The socket.
        descriptor: Option<i64>,
    },
    /// A call that failed.
    Failed {
        /// Place in the trace.
        place: usize,
        /// Which.
        name: String,
    },
    /// A call that came to nothing that can be read.
    Unknown {
        /// Place in the trace.
        place: usize,
        /// Which.
        name: String,
    },
    /// More naps than are rare.
    Napped {
        /// How many.
        naps: usize,
        /// How many may be.
        most: usize,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("no progress while it was traced"),
            Self::Forbidden { place, name } => write!(f, "call {place}: {name} is no call of the hot path"),
            Self::YieldedBusy { place, after, descriptor } => {
                let of = descriptor.map_or_else(String::new, |descriptor| format!(" of {descriptor}"));
                write!(f, "call {place}: sched_yield after a {after}{of} with no empty read of it between them")
            }
            Self::Failed { place, name } => write!(f, "call {place}: {name} failed"),
            Self::Unknown { place, name } => write!(f, "call {place}: {name} had an unknown result"),
            Self::Napped { naps, most } => write!(f, "{naps} naps, of {most} at most"),
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

/// Holds a trace against a rule.
///
/// # Errors
/// Every violation, in order of the calls; last those of the whole.
pub fn check(rule: &Rule, trace: &Trace) -> Result<Tally, Vec<Violation>> {
    let mut checking = Checking { rule, tally: Tally::default(), violations: Vec::new(), busy: BTreeMap::new() };
    for (place, call) in trace.calls.iter().enumerate() {
        checking.call(place, call);
    }
    let Checking { tally, mut violations, .. } = checking;
    let most = NAPS_MAX as usize + 1 + trace.span.as_secs() as usize;
    if tally.naps > most {
        violations.push(Violation::Napped { naps: tally.naps, most });
    }
    if trace.progress == 0 {
        violations.push(Violation::Stopped);
    }
    if violations.is_empty() { Ok(tally) } else { Err(violations) }
}

struct Checking<'a> {
    rule: &'a Rule,
    tally: Tally,
    violations: Vec<Violation>,
    /// By descriptor, the read or write since which no read of it came back empty. Of the time before the trace nothing is
    /// known: it may begin in the middle of a pass.
    busy: BTreeMap<Option<i64>, &'a str>,
}

impl<'a> Checking<'a> {
    fn call(&mut self, place: usize, call: &'a Call) {
        let name = || call.name.clone();
        let (reads, writes) = (self.rule.reads.contains(&&*call.name), self.rule.writes.contains(&&*call.name));
        if self.is_nap(place, &call.name) {
            self.tally.naps += 1;
        } else if !reads && !writes && call.name != "sched_yield" {
            self.violations.push(Violation::Forbidden { place, name: name() });
        } else if call.outcome == Outcome::Unknown {
            self.violations.push(Violation::Unknown { place, name: name() });
        } else if call.outcome == Outcome::Failed {
            self.violations.push(Violation::Failed { place, name: name() });
        } else if call.name == "sched_yield" {
            self.tally.yields += 1;
            for (descriptor, after) in std::mem::take(&mut self.busy) {
                self.violations.push(Violation::YieldedBusy { place, after: after.to_owned(), descriptor });
            }
        } else {
            self.of_socket(call, reads);
        }
    }

    /// A nap of who may take one, whatever it came to: the tracer may cut it short. One that it interrupted when it came is
    /// written as `restart_syscall`.
    fn is_nap(&self, place: usize, name: &str) -> bool {
        let named = name == "clock_nanosleep" || (name == "restart_syscall" && place == 0);
        named && self.rule.naps && self.busy.is_empty()
    }

    fn of_socket(&mut self, call: &'a Call, is_read: bool) {
        match call.outcome {
            Outcome::NotNow if is_read => {
                self.tally.empty_reads += 1;
                self.busy.remove(&call.descriptor);
            }
            Outcome::Value(value) => {
                *(if is_read { &mut self.tally.inputs } else { &mut self.tally.outputs }) += 1;
                let short = call.asked.is_some_and(|asked| value < asked);
                if short && self.rule.short_batch_is_empty {
                    self.busy.remove(&call.descriptor);
                } else {
                    self.busy.insert(call.descriptor, &call.name);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::Role;

    const SPAN: Duration = Duration::from_millis(700);

    /// `recvfrom(7)=50 sendto(7)=40 recvfrom(7)=again recvmmsg(5)=1/2 sched_yield=0` as calls, traced while work was done.
    fn trace(text: &str) -> Trace {
        let call = |word: &str| {
            let (called, outcome) = word.split_once('=').unwrap();
            let (name, descriptor) = called.split_once('(').unwrap_or((called, ""));
            let (outcome, asked) =
                outcome.split_once('/').map_or((outcome, None), |(value, asked)| (value, asked.parse().ok()));
            let outcome = match outcome {
                "again" => Outcome::NotNow,
                "error" => Outcome::Failed,
                "?" => Outcome::Unknown,
                "…" => Outcome::Unfinished,
                value => Outcome::Value(value.parse().unwrap()),
            };
            Call { name: name.to_owned(), descriptor: descriptor.trim_end_matches(')').parse().ok(), outcome, asked }
        };
        Trace { calls: text.split_whitespace().map(call).collect(), span: SPAN, progress: 1 }
    }

    fn passes(rule: Rule, text: &str) -> Tally {
        check(&rule, &trace(text)).unwrap()
    }

    fn violations(rule: Rule, text: &str) -> Vec<String> {
        let found = check(&rule, &trace(text)).err().unwrap_or_default();
        found.iter().map(Violation::to_string).collect()
    }

    const FEED: Rule = Role::FeedHandler.rule();
    const GATEWAY: Rule = Role::Gateway.rule();
    const RISK: Rule = Role::Risk.rule();
    const STRATEGY: Rule = Role::Strategy.rule();

    #[test]
    fn input_output_and_empty_polls_pass_and_are_counted() {
        let calls = "sched_yield=0 recvfrom(7)=again sched_yield=0 recvfrom(7)=80 sendto(7)=50 sendto(7)=50 \
                     recvfrom(7)=again sched_yield=0 sendto(7)=50 recvfrom(7)=again recvfrom(7)=again sched_yield=0";
        let tally = passes(GATEWAY, calls);
        assert_eq!(tally, Tally { inputs: 1, empty_reads: 4, outputs: 3, yields: 4, naps: 0 });
        let tally = passes(FEED, "recvmmsg(5)=2/2 recvmmsg(5)=2/2 recvmmsg(5)=again sched_yield=0");
        assert_eq!((tally.inputs, tally.yields), (2, 1));
        assert_eq!(passes(RISK, "sched_yield=0 sched_yield=0").yields, 2);
    }

    #[test]
    fn who_does_nothing_while_traced_does_not_pass() {
        for (rule, calls) in [(STRATEGY, ""), (RISK, "sched_yield=0 sched_yield=0"), (GATEWAY, "recvfrom(7)=again")] {
            let stopped = Trace { progress: 0, ..trace(calls) };
            assert_eq!(check(&rule, &stopped), Err(vec![Violation::Stopped]), "{calls:?}");
            passes(rule, calls);
        }
    }

    #[test]
    fn a_nap_is_part_of_an_empty_poll_of_who_looks_for_its_turn() {
        assert_eq!(passes(GATEWAY, "recvfrom(7)=again clock_nanosleep=0 recvfrom(7)=again").naps, 1);
        assert_eq!(passes(RISK, "restart_syscall=0 sched_yield=0 clock_nanosleep=…").naps, 2);
        for (rule, calls) in [
            (GATEWAY, "recvfrom(7)=80 clock_nanosleep=0 recvfrom(7)=again sched_yield=0"),
            (RISK, "sched_yield=0 restart_syscall=0"),
            (FEED, "recvmmsg(5)=again clock_nanosleep=0 sched_yield=0"),
            (STRATEGY, "clock_nanosleep=0 sched_yield=0"),
            (Rule::FUSED, "recvmmsg(5)=again clock_nanosleep=0 sched_yield=0"),
        ] {
            assert_eq!(violations(rule, calls).len(), 1, "{calls}");
        }
    }

    #[test]
    fn naps_are_rare() {
        let most = NAPS_MAX as usize + 1;
        let naps = |count: usize| "clock_nanosleep=0 sched_yield=0 ".repeat(count);
        assert_eq!(passes(RISK, &naps(most)).naps, most);
        assert_eq!(violations(RISK, &naps(most + 1)), [format!("{} naps, of {most} at most", most + 1)]);
    }

    #[test]
    fn a_yield_between_an_input_and_its_output_is_found() {
        let found = violations(GATEWAY, "recvfrom(7)=80 sched_yield=0 sendto(7)=50 recvfrom(7)=again sched_yield=0");
        assert_eq!(found, ["call 1: sched_yield after a recvfrom of 7 with no empty read of it between them"]);
        let found = violations(GATEWAY, "recvfrom(7)=again sendto(7)=50 sched_yield=0");
        assert_eq!(found, ["call 2: sched_yield after a sendto of 7 with no empty read of it between them"]);
        assert_eq!(violations(FEED, "recvmmsg(5)=2/2 recvmmsg(5)=again recvmmsg(5)=2/2 sched_yield=0").len(), 1);
        // One that the trace's end cut off is a yield all the same.
        assert_eq!(violations(GATEWAY, "sendto(7)=50 sched_yield=…").len(), 1);
    }

    #[test]
    fn an_empty_read_of_one_socket_says_nothing_of_another() {
        let full = "recvmmsg(5)=2/2 recvmmsg(6)=again sched_yield=0";
        let found = violations(FEED, full);
        assert_eq!(found, ["call 2: sched_yield after a recvmmsg of 5 with no empty read of it between them"]);
        passes(FEED, "recvmmsg(5)=2/2 recvmmsg(6)=again recvmmsg(5)=again sched_yield=0");
        // Not by a short batch either; and a request waits for a look at its own socket.
        assert_eq!(violations(FEED, "recvmmsg(6)=1/1 recvmmsg(5)=1/2 sched_yield=0").len(), 1);
        assert_eq!(violations(FEED, "sendto(6)=20 recvmmsg(5)=again sched_yield=0").len(), 1);
        passes(FEED, "sendto(6)=20 recvmmsg(5)=again recvmmsg(6)=again sched_yield=0");
        assert_eq!(violations(FEED, "recvmmsg(6)=1/1 recvmmsg(5)=2/2 sched_yield=0").len(), 2);
    }

    #[test]
    fn a_batch_that_is_not_full_is_an_empty_poll_and_a_full_one_is_none() {
        let tally = passes(FEED, "recvmmsg(5)=2/2 recvmmsg(5)=1/2 sched_yield=0");
        assert_eq!((tally.inputs, tally.yields), (2, 1));
        let found = violations(FEED, "recvmmsg(5)=1/2 recvmmsg(5)=2/2 sched_yield=0");
        assert_eq!(found, ["call 2: sched_yield after a recvmmsg of 5 with no empty read of it between them"]);
        assert_eq!(violations(FEED, "recvmmsg(5)=1/2 sendto(6)=20 sched_yield=0").len(), 1);
    }

    #[test]
    fn with_all_stages_in_one_process_orders_leave_before_it_asks_for_the_next_datagram() {
        let pass = "recvmmsg(5)=1/2 sendto(9)=50 recvfrom(9)=again recvmmsg(5)=again recvfrom(9)=again sched_yield=0";
        assert_eq!(passes(Rule::FUSED, pass), Tally { inputs: 1, empty_reads: 3, outputs: 1, yields: 1, naps: 0 });
        for calls in [
            // Between the datagram and the order.
            "recvmmsg(5)=1/2 sched_yield=0 sendto(9)=50 recvfrom(9)=again recvmmsg(5)=again",
            "recvmmsg(5)=1/2 recvfrom(9)=again sched_yield=0 recvmmsg(5)=again",
            "recvmmsg(5)=1/2 sendto(9)=50 recvmmsg(5)=again sched_yield=0 recvfrom(9)=again",
            "recvmmsg(5)=1/2 futex=0 sendto(9)=50 recvmmsg(5)=again recvfrom(9)=again sched_yield=0",
            "recvfrom(9)=60 recvmmsg(5)=again sched_yield=0",
        ] {
            assert_eq!(violations(Rule::FUSED, calls).len(), 1, "{calls}");
        }
    }

    #[test]
    fn every_other_call_is_found_and_a_socketless_role_may_only_yield() {
        for call in ["futex=1", "clock_gettime=0", "write(1)=1", "clock_nanosleep=0", "fdatasync(4)=0", "ppoll=…"] {
            let calls = format!("recvmmsg(5)=2/2 {call} recvmmsg(5)=again sched_yield=0");
            let name = call.split(['=', '(']).next().unwrap();
            assert_eq!(violations(FEED, &calls), [format!("call 1: {name} is no call of the hot path")]);
        }
        assert_eq!(violations(STRATEGY, "sched_yield=0 recvfrom(7)=again sendto(7)=9").len(), 2);
        assert_eq!(violations(GATEWAY, "sendto(7)=error recvfrom(7)=again"), ["call 0: sendto failed"]);
        assert_eq!(violations(GATEWAY, "recvfrom(7)=?"), ["call 0: recvfrom had an unknown result"]);
        assert_eq!(violations(STRATEGY, "sched_yield=?"), ["call 0: sched_yield had an unknown result"]);
    }

    /// As strace 6.1 wrote them.
    #[test]
    fn calls_for_memory_and_flags_are_found_whatever_they_return() {
        let lines = "\
1795976077.822834 mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1, 0) = 0x7f6213b47000
1795976077.807294 brk(0x55dd174a8000)   = 0x55dd174a8000
1795976077.823035 mremap(0x7f6213b47000, 4096, 1048576, MREMAP_MAYMOVE) = 0x7f6212bf7000
1795976077.823063 fcntl(0, F_GETFL)     = 0x8000 (flags O_RDONLY|O_LARGEFILE)
1795976077.841142 exit_group(0)         = ?
1795976078.874129 restart_syscall(<... resuming interrupted read ...> <detached ...>
";
        for rule in Role::ALL.map(Role::rule).into_iter().chain([Rule::FUSED]) {
            let trace = Trace { calls: crate::trace::parse(lines), span: SPAN, progress: 1 };
            assert_eq!(check(&rule, &trace).unwrap_err().len(), 6);
        }
    }
}
