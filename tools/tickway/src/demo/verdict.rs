//! The verdict: four equations between counts that were kept apart. One unit of difference is a difference.
//!
//! Nothing here reads a file or a process: a verdict is a function of the counts.

use super::counts::{Counts, RingCount, shares};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Most items of a list named in one difference.
const NAMED: usize = 5;

/// One side of an equation, with its name.
type Term = (&'static str, i128);

/// One equation, as the report shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Equation {
    /// What is counted.
    pub name: &'static str,
    /// Whether it holds.
    pub holds: bool,
    /// The sides by name.
    pub terms: BTreeMap<&'static str, i64>,
    /// The same as a sentence.
    pub text: String,
}

fn equation(name: &'static str, holds: bool, terms: &[Term], text: String) -> Equation {
    let cut = |value: i128| value.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
    Equation { name, holds, terms: terms.iter().map(|(name, value)| (*name, cut(*value))).collect(), text }
}

/// The four equations, and every difference in words.
#[must_use]
pub fn judge(counts: &Counts) -> (Vec<Equation>, Vec<String>) {
    let mut differences = Vec::new();
    let equations = vec![
        market(counts, &mut differences),
        rings(&counts.rings, &mut differences),
        orders(counts, &mut differences),
        fills(counts, &mut differences),
    ];
    (equations, differences)
}

fn market(counts: &Counts, differences: &mut Vec<String>) -> Equation {
    let (published, feed) = (counts.venue.messages, &counts.feed);
    let holds = published == feed.in_order + feed.recovered;
    let text = format!("venue {published} = in order {} + recovered {}", feed.in_order, feed.recovered);
    if !holds {
        differences.push(format!(
            "market messages: the venue published {published}, the feed handler has {} in order + {} recovered",
            feed.in_order, feed.recovered
        ));
    }
    // A life that was killed took its count of them along; one that lived through has met every one.
    let (injected, counted) = (counts.venue.injected.malformed, feed.malformed.values().sum::<u64>());
    if feed.restarts == 0 && injected != counted {
        differences
            .push(format!("malformed datagrams: the venue injected {injected}, the feed handler counted {counted}"));
    }
    let terms =
        [("published", published.into()), ("in_order", feed.in_order.into()), ("recovered", feed.recovered.into())];
    equation("market_messages", holds, &terms, text)
}

fn rings(rings: &[RingCount], differences: &mut Vec<String>) -> Equation {
    let sum = |of: fn(&RingCount) -> u64| rings.iter().map(|ring| i128::from(of(ring))).sum::<i128>();
    // Nothing counted is nothing shown.
    let mut holds = !rings.is_empty();
    if rings.is_empty() {
        differences.push("rings: none could be counted".to_owned());
    }
    for ring in rings.iter().filter(|ring| ring.published != ring.captured + ring.missed) {
        holds = false;
        differences.push(format!(
            "ring {}: {} sequences published, {} captured + {} in gap records",
            ring.name, ring.published, ring.captured, ring.missed
        ));
    }
    let (published, captured, missed) =
        (sum(|ring| ring.published), sum(|ring| ring.captured), sum(|ring| ring.missed));
    let text = format!("{} rings: published {published} = captured {captured} + in gap records {missed}", rings.len());
    let terms = [("published", published), ("captured", captured), ("missed", missed)];
    equation("ring_sequences", holds, &terms, text)
}

fn orders(counts: &Counts, differences: &mut Vec<String>) -> Equation {
    let (books, venue) = (&counts.books, &counts.venue);
    let journaled: BTreeSet<u32> = books.sent_new.keys().copied().collect();
    let read: BTreeSet<u32> = venue.new_orders.keys().copied().collect();
    let mut found = Vec::new();
    let mut only = |who: &str, numbers: Vec<u32>| {
        if !numbers.is_empty() {
            let named: Vec<String> = numbers.iter().take(NAMED).map(u32::to_string).collect();
            let rest = if numbers.len() > NAMED { ", …" } else { "" };
            found.push(format!("{} NewOrders {who}: UserRefNum {}{rest}", numbers.len(), named.join(", ")));
        }
    };
    only("journaled as sent that the venue did not read", journaled.difference(&read).copied().collect());
    only("read by the venue that the journal does not have as sent", read.difference(&journaled).copied().collect());
    let other = |number: &&u32| books.sent_new[*number].to_string() != venue.new_orders[*number];
    only("with another ClOrdID at the venue", journaled.intersection(&read).filter(other).copied().collect());
    if books.sent != venue.received_new && found.is_empty() {
        found.push(format!("NewOrders: {} journaled as sent, {} read by the venue", books.sent, venue.received_new));
    }
    let holds = found.is_empty();
    differences.extend(found);
    let text = format!("journaled as sent {} = read by the venue {}, by UserRefNum", books.sent, venue.received_new);
    let terms = [("journaled", books.sent.into()), ("venue", venue.received_new.into())];
    equation("new_orders", holds, &terms, text)
}

fn fills(counts: &Counts, differences: &mut Vec<String>) -> Equation {
    let (venue, journal, strategy) = (&counts.venue, &counts.journal, &counts.strategies);
    let mut found = Vec::new();
    if i128::from(venue.fills) != i128::from(counts.books.fills) {
        found.push(format!("fills: {} at the venue, {} in the journal", venue.fills, counts.books.fills));
    }
    let at_venue = shares(venue.filled_quantity.into());
    if at_venue != journal.quantity || at_venue != strategy.quantity {
        let text = |units: i128| crate::position::units(units);
        found.push(format!(
            "filled quantity: {} at the venue, {} in the journal, {} at the strategies",
            venue.filled_quantity,
            text(journal.quantity),
            text(strategy.quantity)
        ));
    }
    let symbols = venue.positions.keys().chain(journal.positions.keys()).chain(strategy.positions.keys());
    for symbol in symbols.collect::<BTreeSet<_>>() {
        let at_venue = shares(venue.positions.get(symbol).copied().unwrap_or(0).into());
        let in_journal = journal.positions.get(symbol).copied().unwrap_or(0);
        let at_strategy = strategy.positions.get(symbol).copied().unwrap_or(0);
        if at_venue != in_journal || at_venue != at_strategy {
            let [a, b, c] = [at_venue, in_journal, at_strategy].map(crate::position::units);
            found.push(format!("position {symbol}: {a} at the venue, {b} in the journal, {c} at the strategies"));
        }
    }
    let holds = found.is_empty();
    differences.extend(found);
    let text = format!(
        "fills: venue {} = journal {}; quantity: venue {} = journal {} = strategies {}; positions likewise",
        venue.fills,
        counts.books.fills,
        venue.filled_quantity,
        crate::position::units(journal.quantity),
        crate::position::units(strategy.quantity)
    );
    let terms = [("venue", venue.fills.into()), ("journal", counts.books.fills.into())];
    equation("fills_and_positions", holds, &terms, text)
}

#[cfg(test)]
mod tests;
