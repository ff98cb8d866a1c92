//! The report of a demo: one object, the same keys whether all went well or nothing did.

use super::counts::RingCount;
use super::latency::{Figures, Samples};
use super::verdict::Equation;
use crate::output::SCHEMA_VERSION;
use benches::jitter::Jitter;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The report.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u64,
    /// `ok`, or `differences`.
    pub verdict: &'static str,
    /// Every difference, in words.
    pub differences: Vec<String>,
    /// The four equations.
    pub equations: Vec<Equation>,
    /// Seconds that the market was open.
    pub seconds: u64,
    /// The market.
    pub market: Market,
    /// The feed handler's last life.
    pub feed: Feed,
    /// Orders, from the journal.
    pub orders: Orders,
    /// Executions, from the venue.
    pub fills: Fills,
    /// Positions in shares.
    pub positions: Vec<Position>,
    /// Kernel receive stamp of the cause to the return of the order's write.
    pub tick_to_order_ns: Figures,
    /// Orders that a timer caused; they are not in `tick_to_order_ns`.
    pub timer_caused_orders: u64,
    /// Its three parts.
    pub parts_ns: Parts,
    /// From one process's read to the next one's.
    pub hops_ns: Hops,
    /// The same latencies with all their samples, for who measures.
    #[serde(skip)]
    pub latencies: Vec<(&'static str, Samples)>,
    /// The machine's own yardstick.
    pub anchor_ns: Anchor,
    /// Time that the hypervisor took, in percent of all processor time.
    pub cpu_steal_pct: Option<f64>,
    /// What the machine took from the hot CPUs just before the start, told or not: beyond it no latency is ours.
    pub jitter_floor: JitterFloor,
    /// Allocations after start, by process.
    pub allocations_after_start: BTreeMap<String, u64>,
    /// How hot processes waited.
    pub wait_strategy: String,
    /// What shares a process: processes, paired or fused.
    pub placement: String,
    /// Processes at the end.
    pub processes: Vec<Process>,
    /// The kill.
    pub kill: Kill,
    /// The regions.
    pub regions: Backing,
    /// Rings, one by one.
    pub rings: Vec<RingCount>,
    /// Where things lie.
    pub paths: Paths,
}

/// The market.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Market {
    /// Simulated, or a file.
    pub source: String,
    /// ITCH messages that the venue published.
    pub messages: u64,
    /// The same by type.
    pub by_type: BTreeMap<String, u64>,
    /// How far a file was played; `None` for a simulated market.
    pub itch_file: Option<ItchFile>,
    /// Faults that the venue put into its feed.
    pub injected: super::counts::Injected,
    /// Instruments that are traded, for who measures.
    #[serde(skip)]
    pub instruments: usize,
    /// CPU of the venue's process, for who measures.
    #[serde(skip)]
    pub venue_core: Option<usize>,
}

/// How far an ITCH file was played.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ItchFile {
    /// Messages played.
    pub played: u64,
    /// Messages that it holds.
    pub total: u64,
    /// Time of the file that was played, in nanoseconds from its first message.
    pub played_ns: u64,
    /// From its first message to its last.
    pub total_ns: u64,
}

/// The feed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Feed {
    /// Messages received, each sequence once: in order and recovered.
    pub received: u64,
    /// Gaps met.
    pub gaps: u64,
    /// Messages that a re-request brought.
    pub recovered: u64,
    /// Messages received again, and dropped.
    pub duplicates: u64,
    /// Datagrams that are none, by reason.
    pub malformed: BTreeMap<String, u64>,
    /// Integrity faults, by kind.
    pub integrity_faults: BTreeMap<String, u64>,
}

/// Orders.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Orders {
    /// NewOrderSingles that the socket took.
    pub sent: u64,
    /// Accepted by the venue.
    pub accepted: u64,
    /// Refused by risk.
    pub rejected_by_risk: u64,
    /// Refused by gateway or venue.
    pub rejected: u64,
    /// Cancelled, on request or not.
    pub cancelled: u64,
    /// Replaced.
    pub replaced: u64,
}

/// Executions.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Fills {
    /// Executions.
    pub count: u64,
    /// Shares.
    pub quantity: u64,
}

/// A position, in whole shares, negative when short. The venue knows no part of a share: a count that is no whole number
/// is `None`, and the difference that it makes tells it exactly.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Position {
    /// Symbol.
    pub symbol: String,
    /// At the venue.
    pub quantity: Option<i64>,
    /// By the journal.
    pub journal: Option<i64>,
    /// By the strategies.
    pub strategy: Option<i64>,
}

/// Parts of tick to order.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Parts {
    /// Kernel receive stamp to the feed handler's read: what the socket adds before.
    pub receive: Figures,
    /// From there to the order's bytes, journaled and about to be written: the four stages and the hops between them.
    pub path: Figures,
    /// The write, to its return: what the socket adds after.
    pub send: Figures,
}

/// Hops between processes.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Hops {
    /// Feed handler to strategy.
    pub market_data: Figures,
    /// Strategy to risk.
    pub order_intent: Figures,
    /// Risk to gateway.
    pub order_entry: Figures,
}

/// One-way time of a cache line between two cores, in nanoseconds; `None` on one core.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Anchor {
    /// Before the demo.
    pub before: Option<u64>,
    /// After it.
    pub after: Option<u64>,
}

/// Interruptions of threads that only read the clock, one on each hot CPU at the same time, of the worst CPU; `None` where
/// it could not be watched.
#[derive(Clone, Debug, Default, Serialize)]
pub struct JitterFloor {
    /// The longest, in nanoseconds.
    pub max_ns: Option<u64>,
    /// Time lost in them, in percent of the time, to a hundredth.
    pub lost_pct: Option<f64>,
    /// Each CPU's own, for who measures.
    #[serde(skip)]
    pub by_core: Vec<Jitter>,
}

impl JitterFloor {
    /// The worst of the CPUs.
    #[must_use]
    pub fn of(floors: &[Jitter]) -> Self {
        let lost = |jitter: &Jitter| jitter.lost_ns * 10_000 / jitter.watched_ns.max(1);
        Self {
            max_ns: floors.iter().map(|jitter| jitter.max_ns).max(),
            lost_pct: floors.iter().map(lost).max().map(|hundredths| hundredths as f64 / 100.0),
            by_core: floors.iter().map(|jitter| Jitter { intervals: Vec::new(), ..jitter.clone() }).collect(),
        }
    }
}

/// A process.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Process {
    /// Role.
    pub role: String,
    /// Index.
    pub index: u8,
    /// Last pid.
    pub pid: u32,
    /// CPU that it was pinned to.
    pub core: Option<u32>,
    /// Restarts.
    pub restarts: u64,
}

/// The kill.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Kill {
    /// Whether it was engaged at any time of the demo.
    pub engaged: bool,
    /// Whether it was released again, by the end.
    pub released: bool,
    /// Journal sequence of its record; everything sent lies before it.
    pub journal_sequence: Option<u64>,
    /// Nanoseconds from the engagement to the gateway's echo.
    pub confirmed_ns: Option<u64>,
}

/// Memory of the regions.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Backing {
    /// Filesystem and directory.
    pub backing: String,
    /// Bytes.
    pub bytes: u64,
}

/// Paths of the run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Paths {
    /// Data directory.
    pub data: PathBuf,
    /// Effective host file, and what a scan made.
    pub files: Vec<PathBuf>,
    /// Journal, by gateway.
    pub journal: PathBuf,
    /// Capture.
    pub capture: PathBuf,
    /// Logs.
    pub log: PathBuf,
}

impl Report {
    /// The report of a demo that came to none: every key, and what is not known is null, not 0.
    #[must_use]
    pub fn failed(why: &str) -> Value {
        let report = Self { differences: vec![why.to_owned()], ..Self::default() }.sealed();
        let mut object = serde_json::to_value(report).expect("a report of plain values is JSON");
        let known = ["schema_version", "verdict", "differences"];
        let parts = object.as_object_mut().into_iter().flatten();
        parts.filter(|(key, _)| !known.contains(&key.as_str())).for_each(|(_, part)| forget(part));
        object
    }

    /// With version and verdict set by the differences.
    #[must_use]
    pub fn sealed(self) -> Self {
        let verdict = if self.differences.is_empty() { "ok" } else { "differences" };
        Self { schema_version: SCHEMA_VERSION, verdict, ..self }
    }
}

/// Makes every value null and leaves the keys.
fn forget(part: &mut Value) {
    match part {
        Value::Object(map) => map.values_mut().for_each(forget),
        Value::Array(_) => {}
        value => *value = Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys that the report promises, as paths.
    const PROMISED: &[&str] = &[
        "schema_version",
        "verdict",
        "differences",
        "seconds",
        "market.source",
        "market.messages",
        "market.by_type",
        "feed.received",
        "feed.gaps",
        "feed.recovered",
        "feed.malformed",
        "feed.integrity_faults",
        "orders.sent",
        "orders.accepted",
        "orders.rejected_by_risk",
        "orders.cancelled",
        "orders.replaced",
        "fills.count",
        "fills.quantity",
        "positions",
        "tick_to_order_ns.count",
        "tick_to_order_ns.p50",
        "tick_to_order_ns.p99",
        "tick_to_order_ns.p999",
        "tick_to_order_ns.max",
        "hops_ns.market_data",
        "hops_ns.order_intent",
        "hops_ns.order_entry",
        "anchor_ns.before",
        "anchor_ns.after",
        "cpu_steal_pct",
        "jitter_floor.max_ns",
        "jitter_floor.lost_pct",
        "allocations_after_start",
        "wait_strategy",
        "placement",
        "processes",
        "kill.engaged",
        "kill.released",
        "kill.journal_sequence",
        "kill.confirmed_ns",
        "regions.backing",
        "regions.bytes",
    ];

    fn lacks<'a>(value: &Value) -> Vec<&'a str> {
        let there = |path: &str| path.split('.').try_fold(value, |value, key| value.as_object()?.get(key)).is_some();
        PROMISED.iter().copied().filter(|path| !there(path)).collect()
    }

    #[test]
    fn every_promised_key_is_there_also_on_failure() {
        let value = Report::failed("the build failed");
        assert_eq!(lacks(&value), Vec::<&str>::new());
        assert_eq!(value["verdict"], "differences");
        assert_eq!(value["differences"][0], "the build failed");
        assert_eq!(value["schema_version"], 1);
        assert!(value["tick_to_order_ns"]["p50"].is_null());
    }

    /// Every path of keys down to what is no object, and down to the maps, whose keys are data.
    fn paths(value: &Value, prefix: &str, all: &mut Vec<String>) {
        match value.as_object() {
            Some(object) if !object.is_empty() => {
                object.iter().for_each(|(key, value)| paths(value, &format!("{prefix}.{key}"), all));
            }
            _ => all.push(prefix.to_owned()),
        }
    }

    #[test]
    fn the_script_prints_the_same_keys_when_nothing_could_be_built() {
        let script = include_str!("../../../../scripts/demo.sh");
        let json = script.split("<<JSON\n").nth(1).and_then(|rest| rest.split("\nJSON\n").next()).unwrap();
        let printed: Value = serde_json::from_str(&json.replace("\\\n", "").replace("$1", "the build")).unwrap();
        let (mut own, mut scripts) = (Vec::new(), Vec::new());
        paths(&Report::failed("it failed"), "", &mut own);
        paths(&printed, "", &mut scripts);
        assert_eq!(scripts, own);
        let but_why = |mut object: Value| {
            object["differences"] = Value::Null;
            object
        };
        assert_eq!(but_why(printed.clone()), but_why(Report::failed("it failed")), "nothing is known but what failed");
        assert_eq!(printed["verdict"], "differences");
        assert!(printed["differences"][0].as_str().unwrap().starts_with("the build failed"));
    }

    #[test]
    fn without_differences_the_verdict_is_ok() {
        assert_eq!(Report::default().sealed().verdict, "ok");
    }
}
