//! The independent counts that the verdict compares: the venue's, the processes' and the recorder's.

use super::books::Books;
use super::report::ItchFile;
use crate::failure::{DATA_ERROR, Failure};
use crate::regions::Regions;
use crate::roster::ProcessRow;
use recorder::capture::reader;
use serde::Serialize;
use serde_json::Value;
use shm_layout::types::{Role, UNITS};
use std::collections::BTreeMap;
use std::path::Path;

/// What the venue says of itself and of the account.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VenueCounts {
    /// ITCH messages published.
    pub messages: u64,
    /// How far the file was played, if the market is one.
    pub itch_file: Option<ItchFile>,
    /// The same by type.
    pub by_type: BTreeMap<String, u64>,
    /// NewOrders read.
    pub received_new: u64,
    /// UserRefNum and ClOrdID of each.
    pub new_orders: BTreeMap<u32, String>,
    /// Orders still open.
    pub open: u64,
    /// Executions.
    pub fills: u64,
    /// Shares executed.
    pub filled_quantity: u64,
    /// Position in shares by symbol.
    pub positions: BTreeMap<String, i64>,
    /// Faults that it put into its feed.
    pub injected: Injected,
}

/// Faults of the venue's feed, in datagrams.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Injected {
    /// Sent with bytes that are no packet.
    pub malformed: u64,
    /// Not sent.
    pub dropped: u64,
    /// Sent twice.
    pub duplicated: u64,
}

impl VenueCounts {
    /// Reads the venue's account.
    #[must_use]
    pub fn of(account: &Value) -> Self {
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        let listed = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let (itch, orders) = (&account["itch"], &account["orders"]);
        let by_type = itch["by_type"].as_object().into_iter().flatten();
        let new_orders =
            listed(&orders["by_user_ref_num"]).into_iter().filter(|row| row["orig_user_ref_num"].is_null());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            messages: number(&itch["messages"]),
            itch_file: serde_json::from_value(account["itch_file"].clone()).ok(),
            by_type: by_type.map(|(letter, count)| (letter.clone(), number(count))).collect(),
            received_new: number(&orders["received_new"]),
            new_orders: new_orders.map(|row| (number(&row["user_ref_num"]) as u32, text(&row["cl_ord_id"]))).collect(),
            open: number(&orders["open"]),
            fills: number(&account["fills"]["count"]),
            filled_quantity: number(&account["fills"]["quantity"]),
            positions: listed(&account["positions"])
                .iter()
                .map(|row| (text(&row["symbol"]), row["qty"].as_i64().unwrap_or(0)))
                .collect(),
            injected: Injected {
                malformed: number(&account["datagrams"]["malformed"]),
                dropped: number(&account["datagrams"]["dropped"]),
                duplicated: number(&account["datagrams"]["duplicated"]),
            },
        }
    }
}

/// What the feed handler's last life says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FeedCounts {
    /// Messages received in order.
    pub in_order: u64,
    /// Messages that a re-request brought.
    pub recovered: u64,
    /// Gaps met.
    pub gaps: u64,
    /// Messages received again.
    pub duplicates: u64,
    /// Datagrams that are none, by reason.
    pub malformed: BTreeMap<String, u64>,
    /// Integrity faults, by kind.
    pub integrity_faults: BTreeMap<String, u64>,
    /// Earlier lives of the feed handler, whose counts died with them.
    pub restarts: u64,
}

impl FeedCounts {
    /// Reads the counters of a feed handler.
    #[must_use]
    pub fn of(row: &ProcessRow) -> Self {
        let counter = |label: &str| row.counter(label).unwrap_or(0);
        Self {
            in_order: counter("messages_in_order"),
            recovered: counter("messages_recovered"),
            gaps: counter("gaps"),
            duplicates: counter("duplicates_dropped"),
            malformed: group(row, "malformed."),
            integrity_faults: group(row, "integrity."),
            restarts: row.restarts.unwrap_or(0),
        }
    }
}

/// The counters that begin with `prefix` and are not zero, without it.
fn group(row: &ProcessRow, prefix: &str) -> BTreeMap<String, u64> {
    let named = |(label, count): (String, u64)| Some((label.strip_prefix(prefix)?.to_owned(), count));
    row.counters().into_iter().filter_map(named).filter(|(_, count)| *count > 0).collect()
}

/// One ring: what its writer published and what the recorder has of it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct RingCount {
    /// Its name.
    pub name: String,
    /// Sequences published.
    pub published: u64,
    /// Sequences captured.
    pub captured: u64,
    /// Sequences in explicit gap records.
    pub missed: u64,
}

/// Published sequences and captures of every ring; to be read once nobody writes any more.
///
/// # Errors
/// When a capture file is not sound.
pub fn rings(regions: &Regions, capture: &Path) -> Result<Vec<RingCount>, Failure> {
    let captured = reader::scan(capture, None)
        .map_err(|error| Failure::new(DATA_ERROR, error.to_string(), "the recorder's log says more"))?;
    let count = |ring: &crate::regions::RingRegion| {
        let ranges = captured.get(&ring.id).copied().unwrap_or_default();
        let (name, published) = (ring.id.name(), ring.published());
        RingCount { name, published, captured: ranges.captured, missed: ranges.missed }
    };
    Ok(regions.rings.iter().map(count).collect())
}

/// What the strategies say, in 1e-8 units.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StrategyCounts {
    /// Position by symbol, over all strategies.
    pub positions: BTreeMap<String, i128>,
    /// Quantity bought and sold.
    pub quantity: i128,
}

impl StrategyCounts {
    /// Sums the counters of every strategy.
    #[must_use]
    pub fn of(rows: &[ProcessRow]) -> Self {
        let mut counts = Self::default();
        for row in rows.iter().filter(|row| row.role == Role::Strategy) {
            for (label, value) in row.counters() {
                if let Some(symbol) = label.strip_prefix("position.") {
                    *counts.positions.entry(symbol.to_owned()).or_default() += i128::from(value as i64);
                } else if label.starts_with("bought.") || label.starts_with("sold.") {
                    counts.quantity += i128::from(value);
                }
            }
        }
        counts
    }
}

/// What the journal's fold says, in 1e-8 units.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct JournalPositions {
    /// Position by symbol, over all strategies and gateways.
    pub positions: BTreeMap<String, i128>,
    /// Quantity bought and sold.
    pub quantity: i128,
    /// Orders live or in doubt.
    pub live: u64,
}

/// Every count of a demo.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// The venue's.
    pub venue: VenueCounts,
    /// The feed handler's.
    pub feed: FeedCounts,
    /// The rings' and the recorder's.
    pub rings: Vec<RingCount>,
    /// The journal's records.
    pub books: Books,
    /// The journal's fold.
    pub journal: JournalPositions,
    /// The strategies'.
    pub strategies: StrategyCounts,
}

/// Whole shares as 1e-8 units.
#[must_use]
pub fn shares(count: i128) -> i128 {
    count * i128::from(UNITS)
}
