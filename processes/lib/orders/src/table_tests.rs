//! The table by ClOrdID against a naive map.

use super::*;
use proptest::prelude::*;
use shm_layout::message::order::{NewOrderSingle, OrderHeader};
use shm_layout::types::{Price, Qty, Side};
use std::collections::{BTreeMap, VecDeque};

fn order(id: u64) -> Order {
    let header = OrderHeader { cl_ord_id: ClOrdId(id), side: Side::Sell as u8, ..OrderHeader::default() };
    Order::new(&NewOrderSingle { header, price: Price(5), order_qty: Qty(10), ..NewOrderSingle::default() })
}

#[test]
fn a_replaced_order_keeps_its_row_and_is_found_by_both_ids() {
    let mut table = OrderTable::with_capacity(4);
    let row = table.insert(order(1)).unwrap();
    table.apply(row, &Event::Accepted { order_qty: Qty(10), price: Price(5), dead: false }).unwrap();
    let asked = Event::ReplaceRequested { cl_ord_id: ClOrdId(2), order_qty: Qty(20), price: Price(6) };
    table.apply(row, &asked).unwrap();
    assert_eq!(table.find(ClOrdId(2)), Some(row));
    assert_eq!(table.insert(order(2)), Err(Insert::Duplicate));
    let confirmed = Event::Replaced { leaves_qty: Qty(20), price: Price(6), dead: false };
    table.apply(row, &confirmed).unwrap();
    assert_eq!((table.find(ClOrdId(1)), table.find(ClOrdId(2))), (Some(row), Some(row)));
    assert_eq!(table.order(row).cl_ord_id, ClOrdId(2));
    // A rejected replace frees its id; the second replace drops the first id.
    let asked = |id| Event::ReplaceRequested { cl_ord_id: ClOrdId(id), order_qty: Qty(20), price: Price(6) };
    table.apply(row, &asked(3)).unwrap();
    table.apply(row, &Event::CancelRejected(shm_layout::message::order::OrderKind::OrderCancelReplaceRequest)).unwrap();
    assert_eq!(table.find(ClOrdId(3)), None);
    table.apply(row, &asked(4)).unwrap();
    table.apply(row, &confirmed).unwrap();
    assert_eq!((table.find(ClOrdId(1)), table.find(ClOrdId(4))), (None, Some(row)));
}

#[test]
fn a_request_under_a_used_id_is_illegal_and_changes_nothing() {
    let mut table = OrderTable::with_capacity(4);
    table.insert(order(1)).unwrap();
    let row = table.insert(order(2)).unwrap();
    let before = *table.order(row);
    assert_eq!(table.apply(row, &Event::CancelRequested { cl_ord_id: ClOrdId(1) }), Err(Illegal::ClOrdId));
    assert_eq!(*table.order(row), before);
    // The gateway's own cancel goes under the order's own id.
    table.apply(row, &Event::CancelRequested { cl_ord_id: ClOrdId(2) }).unwrap();
    table.apply(row, &Event::Canceled { decrement: Qty(10) }).unwrap();
    assert_eq!(table.find(ClOrdId(2)), Some(row));
}

#[test]
fn a_rehearsal_reads_at_every_edge_of_the_table_and_names_the_row_that_is_taken() {
    let mut table = OrderTable::with_capacity(2);
    for id in 1..=2 {
        table.rehearse(ClOrdId(id));
        let next = table.next_row();
        assert_eq!(table.insert(order(id)).ok(), next);
    }
    table.rehearse(ClOrdId(3));
    assert_eq!((table.next_row(), table.insert(order(3))), (None, Err(Insert::Full)));
    // The order that ended first makes room.
    let row = table.find(ClOrdId(2)).unwrap();
    table.apply(row, &Event::CancelRequested { cl_ord_id: ClOrdId(2) }).unwrap();
    table.apply(row, &Event::Canceled { decrement: Qty(10) }).unwrap();
    table.rehearse(ClOrdId(u64::MAX));
    assert_eq!(table.next_row(), Some(row));
    assert_eq!(table.insert(order(3)), Ok(row));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Insert(u64),
    End(usize),
    Reopen(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..60_u64).prop_map(Step::Insert),
        3 => any::<usize>().prop_map(Step::End),
        1 => any::<usize>().prop_map(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..300)
}

proptest! {
    /// The table against a map of live orders and a queue of ended ones.
    #[test]
    fn agrees_with_a_map(steps in steps()) {
        const CAPACITY: usize = 8;
        let mut table = OrderTable::with_capacity(CAPACITY);
        let mut live: BTreeMap<u64, ()> = BTreeMap::new();
        let mut ended: VecDeque<u64> = VecDeque::new();
        for step in steps {
            match step {
                Step::Insert(id) => {
                    let expected = if live.contains_key(&id) || ended.contains(&id) {
                        Err(Insert::Duplicate)
                    } else if live.len() == CAPACITY {
                        Err(Insert::Full)
                    } else {
                        if live.len() + ended.len() == CAPACITY {
                            ended.pop_front();
                        }
                        live.insert(id, ());
                        Ok(())
                    };
                    prop_assert_eq!(table.insert(order(id)).map(|_| ()), expected);
                }
                Step::End(pick) if !live.is_empty() => {
                    let id = *live.keys().nth(pick % live.len()).unwrap();
                    live.remove(&id);
                    ended.push_back(id);
                    let row = table.find(ClOrdId(id)).unwrap();
                    let left = table.order(row).leaves_qty;
                    table.apply(row, &Event::Executed { qty: left, px: Price(5) }).unwrap();
                }
                Step::Reopen(pick) if !ended.is_empty() => {
                    let id = ended.remove(pick % ended.len()).unwrap();
                    live.insert(id, ());
                    let row = table.find(ClOrdId(id)).unwrap();
                    let event = Event::Broken { qty: Qty(3), px: Price(5), reinstated: true };
                    table.apply(row, &event).unwrap();
                }
                _ => {}
            }
            prop_assert_eq!((table.live_count(), table.terminal_count()), (live.len(), ended.len()));
            for id in 1..60 {
                prop_assert_eq!(table.find(ClOrdId(id)).is_some(), live.contains_key(&id) || ended.contains(&id));
            }
            let listed: Vec<u64> = table.terminal().map(|(_, order)| order.cl_ord_id.0).collect();
            prop_assert_eq!(listed, ended.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(table.live().count(), live.len());
        }
    }
}
