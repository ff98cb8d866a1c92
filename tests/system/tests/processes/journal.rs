//! What a journal says was handed to the socket.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// One request that was sent.
#[derive(Debug)]
pub struct Sent<'a> {
    /// Place of its record among the journal's.
    pub place: usize,
    /// Whether it is a NewOrderSingle; else a cancel or a replace.
    pub is_new: bool,
    /// The record.
    pub record: &'a Value,
}

/// Every request that was sent, in order. Intents of one ClOrdID are sent, or not, in their own order.
///
/// # Panics
/// When a record says that something was sent which had no intent before.
pub fn sent(records: &[Value]) -> Vec<Sent<'_>> {
    let mut waiting: BTreeMap<&str, VecDeque<bool>> = BTreeMap::new();
    let mut sent = Vec::new();
    for (place, record) in records.iter().enumerate() {
        let id = record["cl_ord_id"].as_str().unwrap_or_default();
        match record["record"].as_str() {
            Some("intent") => waiting.entry(id).or_default().push_back(record["kind"] == "new_order_single"),
            Some(kind @ ("sent" | "not_sent")) => {
                let is_new = waiting.get_mut(id).and_then(VecDeque::pop_front);
                let is_new = is_new.unwrap_or_else(|| panic!("no intent before {record}"));
                if kind == "sent" {
                    sent.push(Sent { place, is_new, record });
                }
            }
            _ => {}
        }
    }
    sent
}

/// No ClOrdID and no UserRefNum of a new order was sent twice, whatever process died in between.
///
/// # Panics
/// When one was, or when nothing was sent.
pub fn assert_sent_once(records: &[Value]) {
    let mut seen = BTreeSet::new();
    for sent in sent(records).into_iter().filter(|sent| sent.is_new) {
        for key in ["user_ref_num", "cl_ord_id"] {
            assert!(seen.insert((key, sent.record[key].to_string())), "sent twice: {}", sent.record);
        }
    }
    assert!(!seen.is_empty());
}
