//! Balanced books hold; one unit in any of them is found and named.

use super::*;
use crate::demo::counts::{FeedCounts, JournalPositions, StrategyCounts, VenueCounts};
use shm_layout::types::ClOrdId;

fn balanced() -> Counts {
    let id = ClOrdId::new(0, 1, 0, 1).unwrap();
    let mut counts = Counts {
        venue: VenueCounts {
            messages: 100,
            received_new: 1,
            new_orders: BTreeMap::from([(1, id.to_string())]),
            fills: 2,
            filled_quantity: 30,
            positions: BTreeMap::from([("ALFA".to_owned(), 10)]),
            ..VenueCounts::default()
        },
        feed: FeedCounts { in_order: 90, recovered: 10, ..FeedCounts::default() },
        rings: vec![RingCount { name: "control".to_owned(), published: 7, captured: 5, missed: 2 }],
        journal: JournalPositions {
            positions: BTreeMap::from([("ALFA".to_owned(), shares(10))]),
            quantity: shares(30),
            live: 0,
        },
        strategies: StrategyCounts {
            positions: BTreeMap::from([("ALFA".to_owned(), shares(10)), ("BRAVO".to_owned(), 0)]),
            quantity: shares(30),
        },
        ..Counts::default()
    };
    counts.books.sent = 1;
    counts.books.sent_new.insert(1, id);
    counts.books.fills = 2;
    counts
}

/// The differences after one change to balanced books.
fn after(change: impl FnOnce(&mut Counts)) -> Vec<String> {
    let mut counts = balanced();
    change(&mut counts);
    let (equations, differences) = judge(&counts);
    assert_eq!(equations.iter().any(|equation| !equation.holds), !differences.is_empty());
    differences
}

#[test]
fn balanced_books_hold() {
    let (equations, differences) = judge(&balanced());
    assert_eq!(differences, Vec::<String>::new());
    assert_eq!(equations.len(), 4);
    assert!(equations.iter().all(|equation| equation.holds));
    assert_eq!(equations[0].terms["recovered"], 10);
}

#[test]
fn one_unit_anywhere_is_a_difference_that_names_it() {
    let named = |differences: Vec<String>, word: &str| {
        assert_eq!(differences.len(), 1, "{differences:?}");
        assert!(differences[0].contains(word), "{differences:?}");
    };
    named(after(|counts| counts.feed.in_order += 1), "market messages");
    named(after(|counts| counts.venue.messages -= 1), "market messages");
    named(after(|counts| counts.rings[0].captured -= 1), "ring control");
    named(after(|counts| counts.rings.clear()), "none could be counted");
    named(after(|counts| counts.books.fills += 1), "fills");
    named(after(|counts| counts.strategies.quantity += 1), "filled quantity");
    named(after(|counts| counts.journal.quantity -= 1), "filled quantity");
    named(after(|counts| *counts.strategies.positions.get_mut("BRAVO").unwrap() = 1), "position BRAVO");
    named(after(|counts| *counts.venue.positions.get_mut("ALFA").unwrap() += 1), "position ALFA");
    named(after(|counts| counts.books.sent += 1), "NewOrders");
}

#[test]
fn equal_counts_of_unequal_orders_are_a_difference() {
    let swapped = after(|counts| {
        let text = counts.venue.new_orders.remove(&1).unwrap();
        counts.venue.new_orders.insert(2, text);
    });
    assert_eq!(swapped.len(), 2, "{swapped:?}");
    assert!(swapped[0].contains("did not read: UserRefNum 1"), "{swapped:?}");
    assert!(swapped[1].contains("does not have as sent: UserRefNum 2"), "{swapped:?}");
    let renamed = after(|counts| {
        counts.venue.new_orders.insert(1, "0000000000000".to_owned());
    });
    assert!(renamed[0].contains("another ClOrdID"), "{renamed:?}");
}
