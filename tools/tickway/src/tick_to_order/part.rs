//! The parts of an order's way, and the least that each can take: what its hops cost on the CPUs that the stages had.

use crate::demo::Report as DemoReport;
use benches::report::{Measurement, Unit};
use runtime::placement::Placement;
use shm_layout::types::Role;

/// Stages of an order's way, in order.
const STAGES: [Role; 4] = [Role::FeedHandler, Role::Strategy, Role::Risk, Role::ExecutionGateway];

/// One part of the way.
#[derive(Clone, PartialEq, Debug)]
pub struct Part {
    /// Its name in the demo's books and, after the placement's, in the report.
    pub key: &'static str,
    /// Title for people.
    title: &'static str,
    /// From where to where.
    what: &'static str,
    /// Places in [`STAGES`] between which it hops.
    hops: std::ops::Range<usize>,
    /// Whether a call of the kernel's socket is in it, whose least is not known here.
    socket: bool,
}

/// All parts, the whole first.
pub const PARTS: [Part; 7] = [
    Part {
        key: "tick-to-order",
        title: "tick to order",
        what: "From the kernel's receive stamp of a datagram to the return of the order's write: everything, also the time \
               for which the feed handler was kept from reading.",
        hops: 0..3,
        socket: true,
    },
    Part {
        key: "path",
        title: "feed handler to order's bytes",
        what: "From the feed handler's read of a datagram to the gateway's order, encoded, journaled and about to be \
               written. A feed handler that is kept from reading shows in the part before, not here.",
        hops: 0..3,
        socket: false,
    },
    Part {
        key: "receive",
        title: "socket before",
        what: "From the kernel's receive stamp to the feed handler's read: what the socket adds before.",
        hops: 0..0,
        socket: true,
    },
    Part {
        key: "send",
        title: "socket after",
        what: "The write of the order's bytes, from the gateway's last look at kill and leases to its return.",
        hops: 0..0,
        socket: true,
    },
    Part {
        key: "market_data",
        title: "hop market_data",
        what: "From the feed handler's read to the strategy's.",
        hops: 0..1,
        socket: false,
    },
    Part {
        key: "order_intent",
        title: "hop order_intent",
        what: "From the strategy's read to risk's.",
        hops: 1..2,
        socket: false,
    },
    Part {
        key: "order_entry",
        title: "hop order_entry",
        what: "From risk's read to the gateway's.",
        hops: 2..3,
        socket: false,
    },
];

/// The hops of a part, by what each must cost at least.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Hops {
    /// Within a process: calls.
    calls: u32,
    /// Between processes on one CPU: the kernel must switch.
    switches: u32,
    /// Between CPUs: a line must cross.
    crossings: u32,
}

impl Part {
    /// Its hops in an instance; `None` where it does not say on which CPU a stage was.
    pub fn hops(&self, placement: Placement, one: &DemoReport) -> Option<Hops> {
        let mut hops = Hops::default();
        for hop in self.hops.clone() {
            let (from, to) = (STAGES[hop], STAGES[hop + 1]);
            if placement.host_of(from).is_some() && placement.host_of(from) == placement.host_of(to) {
                hops.calls += 1;
            } else if core_of(one, from)? == core_of(one, to)? {
                hops.switches += 1;
            } else {
                hops.crossings += 1;
            }
        }
        Some(hops)
    }

    /// Its measurement, still without starts.
    pub fn measurement(&self, placement: Placement) -> Measurement {
        Measurement {
            id: format!("{placement}-{}", self.key),
            title: format!("{}, {placement}", self.title),
            what: format!("{} The headline is the median.", self.what),
            limit: "Not known: no start told where its stages were.".to_owned(),
            subject: "tickway".to_owned(),
            settings: format!("placement {placement}"),
            unit: Unit::Ns,
            trials: Vec::new(),
            discarded: Vec::new(),
            summaries: Vec::new(),
            verdicts: Vec::new(),
        }
    }

    /// Its limit in words.
    pub fn limit(&self, hops: Hops, switch_ns: Option<u64>) -> String {
        let mut words = Vec::new();
        if hops.switches > 0 {
            let here = switch_ns.map_or_else(
                || "not measured here".to_owned(),
                |ns| format!("here {ns} ns between two threads, and not less between processes"),
            );
            let each = if hops.switches == 1 { "a switch" } else { "switches" };
            words.push(format!(
                "{} between processes that share a core: {each} of the kernel's, {here}.",
                hop_count(hops.switches)
            ));
        }
        if hops.crossings > 0 {
            words.push(format!("{} between cores: A.", hop_count(hops.crossings)));
        }
        if hops.calls > 0 {
            words.push(format!("{} inside a process: calls, counted as nothing.", hop_count(hops.calls)));
        }
        if hops == Hops::default() {
            words.push("A call of the kernel's alone, whose least is not known here: no limit is drawn.".to_owned());
        } else {
            words.push("The stages' own work is not in the limit.".to_owned());
            if self.socket {
                words.push("Nor are the kernel's calls before and after, whose least is not known.".to_owned());
            }
        }
        words.join(" ")
    }
}

impl Hops {
    /// The least that they take, in nanoseconds; `None` where it is nothing, or one of them was not measured.
    pub fn least_ns(self, switch_ns: Option<u64>, a_ns: Option<f64>) -> Option<f64> {
        let part = |count: u32, ns: Option<f64>| if count == 0 { Some(0.0) } else { Some(f64::from(count) * ns?) };
        let least = part(self.switches, switch_ns.map(|ns| ns as f64))? + part(self.crossings, a_ns)?;
        (least > 0.0).then_some(least)
    }
}

fn hop_count(count: u32) -> String {
    if count == 1 { "1 hop".to_owned() } else { format!("{count} hops") }
}

fn core_of(one: &DemoReport, role: Role) -> Option<u32> {
    one.processes.iter().find(|process| process.role == role.folder())?.core
}

/// What was running, and where: the host file that came of placement, CPUs and market.
pub fn settings(one: &DemoReport, rate: u32) -> String {
    let stages = STAGES.map(|role| {
        let core =
            core_of(one, role).map_or_else(|| "on no core of its own".to_owned(), |core| format!("on core {core}"));
        format!("{} {core}", role.folder())
    });
    let venue = one.market.venue_core.map_or_else(String::new, |core| format!(", the simulated venue on core {core}"));
    let floating = if one.wait_strategy.is_empty() { "not told" } else { &one.wait_strategy };
    format!(
        "placement {}: {}{venue}; waiting: {floating}; {rate} messages/s over {} instruments ({}); the rest as in \
         tuning/demo.toml",
        one.placement,
        stages.join(", "),
        one.market.instruments,
        one.market.source
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::Process;

    fn on(cores: [u32; 4]) -> DemoReport {
        let processes = STAGES.iter().zip(cores).map(|(role, core)| Process {
            role: role.folder().to_owned(),
            core: Some(core),
            ..Process::default()
        });
        DemoReport { processes: processes.collect(), placement: "processes".to_owned(), ..DemoReport::default() }
    }

    fn part(key: &str) -> Part {
        PARTS.into_iter().find(|part| part.key == key).unwrap()
    }

    #[test]
    fn the_limit_counts_the_hops_by_what_they_cross() {
        let (path, one) = (part("path"), on([1, 1, 1, 0]));
        let hops = path.hops(Placement::Processes, &one).unwrap();
        assert_eq!(hops, Hops { calls: 0, switches: 2, crossings: 1 });
        assert_eq!(hops.least_ns(Some(650), Some(140.0)), Some(1_440.0));
        assert_eq!((hops.least_ns(None, Some(140.0)), hops.least_ns(Some(650), None)), (None, None));
        let words = path.limit(hops, Some(650));
        assert!(words.starts_with("2 hops between processes that share a core: switches of the kernel's, here 650 ns"));
        assert!(words.contains("1 hop between cores: A.") && !words.contains("calls before and after"), "{words}");
        assert!(part("tick-to-order").limit(hops, None).contains("calls before and after"));
        let paired = path.hops(Placement::Paired, &on([1, 1, 0, 0])).unwrap();
        assert_eq!(paired, Hops { calls: 2, switches: 0, crossings: 1 });
        let fused = path.hops(Placement::Fused, &on([1, 1, 1, 1])).unwrap();
        assert_eq!(fused.least_ns(Some(650), Some(140.0)), None);
        assert_eq!(path.hops(Placement::Processes, &DemoReport::default()), None);
    }

    #[test]
    fn a_socket_alone_has_no_hop_and_no_limit() {
        let hops = part("receive").hops(Placement::Processes, &on([1, 1, 1, 0])).unwrap();
        assert_eq!(hops.least_ns(Some(650), Some(140.0)), None);
        assert!(part("receive").limit(hops, Some(650)).contains("no limit is drawn"));
    }

    #[test]
    fn the_settings_say_where_each_stage_was() {
        let words = settings(&on([1, 1, 1, 0]), 10_000);
        assert!(words.contains("feed-handler on core 1") && words.contains("execution-gateway on core 0"), "{words}");
        assert!(words.contains("10000 messages/s"), "{words}");
    }
}
