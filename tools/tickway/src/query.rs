//! What `--where` says: which messages a command is about. All conditions must hold.
//!
//! It reads the words of a payload and nothing else; it never refuses a message that is garbage, it only does not match.

use crate::failure::Failure;
use crate::schema::{self, plain};
use runtime::config::HostFile;
use shm_layout::message::control::ControlKind;
use shm_layout::message::step::StepKind;
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::{ClOrdId, Role};

/// Keys that `--where` knows.
const KEYS: &str = "instrument (symbol or row), kind (such as NewOrderSingle), cl_ord_id (13 base-36 characters), \
                    strategy (its number), side (buy, sell)";
/// Exit code of a usage error.
const USAGE: u8 = 2;

/// One condition.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Condition {
    Instrument(u32),
    Kinds(Vec<(RingKind, u8)>),
    /// The order, or the request, or the order that a request is about.
    ClOrdId(u64),
    Strategy(u16),
    Side(u8),
}

/// Conditions, all of which must hold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    conditions: Vec<Condition>,
}

impl Filter {
    /// Reads `key=value` texts. Symbols need the host file.
    ///
    /// # Errors
    /// Names what is not known, and what is.
    pub fn parse(texts: &[String], host: Option<&HostFile>) -> Result<Self, Failure> {
        let conditions: Result<_, _> = texts.iter().map(|text| condition(text, host)).collect();
        Ok(Self { conditions: conditions? })
    }

    /// True when there is no condition.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// True when every condition holds for a message of a ring.
    #[must_use]
    pub fn matches(&self, ring: RingId, words: &[u64]) -> bool {
        words.len() * 8 + 8 == ring.kind.slot_bytes()
            && self.conditions.iter().all(|condition| condition.matches(ring, words))
    }
}

impl Condition {
    fn matches(&self, ring: RingId, words: &[u64]) -> bool {
        let kind = words[0].to_le_bytes()[0];
        match self {
            Self::Kinds(kinds) => kinds.contains(&(ring.kind, kind)),
            Self::Instrument(row) => instrument(ring.kind, words) == Some(*row),
            Self::ClOrdId(id) => cl_ord_ids(ring.kind, words).contains(&Some(*id)),
            Self::Strategy(strategy) => strategy_of(ring.kind, words) == Some(*strategy),
            Self::Side(side) => side_of(ring.kind, words) == Some(*side),
        }
    }
}

/// True for a message of `execution` that has an order's fields.
fn is_report(words: &[u64]) -> bool {
    matches!(words[0].to_le_bytes()[0], 1 | 2)
}

fn instrument(ring: RingKind, words: &[u64]) -> Option<u32> {
    match ring {
        RingKind::MarketData => Some((words[0] >> 32) as u32),
        RingKind::OrderIntent | RingKind::OrderEntry => Some(words[3] as u32),
        RingKind::Execution => is_report(words).then_some(words[3] as u32),
        RingKind::Step => (words[0] as u8 == StepKind::Reference as u8).then_some((words[3] >> 32) as u32),
        RingKind::Control | RingKind::Wire => None,
    }
}

fn cl_ord_ids(ring: RingKind, words: &[u64]) -> [Option<u64>; 2] {
    let some = |id: u64| Some(id).filter(|id| *id != 0);
    match ring {
        RingKind::OrderIntent | RingKind::OrderEntry => [some(words[2]), some(words[12])],
        RingKind::Execution if is_report(words) => [some(words[2]), some(words[9])],
        _ => [None; 2],
    }
}

fn strategy_of(ring: RingKind, words: &[u64]) -> Option<u16> {
    match ring {
        RingKind::OrderIntent | RingKind::OrderEntry => Some((words[0] >> 48) as u16),
        RingKind::Execution => is_report(words).then_some((words[0] >> 48) as u16),
        RingKind::Control => {
            let [kind, role, index, ..] = words[0].to_le_bytes();
            (ControlKind::from_u8(kind).is_some() && role == Role::Strategy as u8).then_some(u16::from(index))
        }
        RingKind::MarketData | RingKind::Step | RingKind::Wire => None,
    }
}

fn side_of(ring: RingKind, words: &[u64]) -> Option<u8> {
    match ring {
        RingKind::MarketData | RingKind::OrderIntent | RingKind::OrderEntry => Some(words[0].to_le_bytes()[1]),
        RingKind::Execution => is_report(words).then_some(words[0].to_le_bytes()[1]),
        RingKind::Control | RingKind::Step | RingKind::Wire => None,
    }
}

fn condition(text: &str, host: Option<&HostFile>) -> Result<Condition, Failure> {
    let Some((key, value)) = text.split_once('=') else {
        return Err(refused(format!("--where {text}: no key=value"), format!("the keys are: {KEYS}")));
    };
    let value = value.trim();
    match plain(key).as_str() {
        "instrument" | "instrumentid" | "symbol" => instrument_row(text, value, host).map(Condition::Instrument),
        "kind" => kinds(text, value),
        "clordid" => {
            ClOrdId::from_text(value.to_ascii_uppercase().as_bytes()).map(|id| Condition::ClOrdId(id.0)).ok_or_else(
                || refused(format!("--where {text}: {value:?} is no ClOrdID"), "write its 13 base-36 characters"),
            )
        }
        "strategy" | "strategyid" => value
            .parse()
            .map(Condition::Strategy)
            .map_err(|_| refused(format!("--where {text}: {value:?} is no strategy"), "write its number, such as 0")),
        "side" => match value.to_ascii_lowercase().as_str() {
            "buy" => Ok(Condition::Side(1)),
            "sell" => Ok(Condition::Side(2)),
            _ => Err(refused(format!("--where {text}: {value:?} is no side"), "write buy or sell")),
        },
        _ => Err(refused(format!("--where {text}: unknown key {key:?}"), format!("the keys are: {KEYS}"))),
    }
}

fn refused(what: String, cure: impl std::fmt::Display) -> Failure {
    Failure::new(USAGE, what, cure)
}

fn instrument_row(text: &str, value: &str, host: Option<&HostFile>) -> Result<u32, Failure> {
    if let Some(row) = host.and_then(|host| host.instruments().by_symbol(value)) {
        return Ok(row.id.0);
    }
    value.parse().map_err(|_| match host {
        Some(_) => refused(
            format!("--where {text}: the host file has no instrument {value:?}"),
            "correct the symbol, or write its row of the instrument table",
        ),
        None => refused(
            format!("--where {text}: a symbol needs the instance's host file, which is not here"),
            "write the instrument's row, or say --instance or --data",
        ),
    })
}

fn kinds(text: &str, value: &str) -> Result<Condition, Failure> {
    let named = schema::types().filter(|message| plain(message.name) == plain(value));
    let kinds: Vec<_> = named.flat_map(|message| message.rings.iter().map(|ring| (*ring, message.kind))).collect();
    if kinds.is_empty() {
        let known: Vec<&str> = schema::types().map(|message| message.name).collect();
        return Err(refused(
            format!("--where {text}: unknown kind {value:?}"),
            format!("the kinds are: {}", known.join(", ")),
        ));
    }
    Ok(Condition::Kinds(kinds))
}

#[cfg(test)]
mod tests;
