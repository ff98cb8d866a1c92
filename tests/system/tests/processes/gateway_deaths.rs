//! The gateway dies at a named place of its work, and another life of it goes on with its journal, at the same venue.
//!
//! What must hold is judged by two books that share no code: the journal, and the venue's own account.

use crate::journal::{self, assert_sent_once};
use serde_json::Value;
use std::collections::BTreeSet;
use system::{Bench, Venue};

/// An instance whose gateway died at a failpoint, and what was known then.
struct Dead {
    bench: Bench,
    venue: Venue,
    /// The journal as the death left it.
    records: Vec<Value>,
    /// The venue's account, all that was on its way read.
    account: Value,
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// A record without where it lies: what only the tail had is in the files by now.
fn without_place(record: &Value) -> Value {
    let mut record = record.clone();
    (record["file_id"], record["offset"]) = (Value::Null, Value::Null);
    record
}

/// Starts the instance of the bench and lets its strategy trade.
fn up(bench: &Bench, name: &str, host: String) {
    let host = bench.write(name, host).display().to_string();
    let run = bench.tickway(&["up", "--detach", "--patience-s", "120", "--host", &host]);
    assert_eq!(run.code, Some(0), "{run:#?}");
}

fn told(bench: &Bench, arguments: &[&str]) {
    let run = bench.about(arguments);
    assert_eq!(run.code, Some(0), "{arguments:?}: {run:#?}");
}

/// New orders and replaces that the venue read: all that may open risk.
fn openings(account: &Value) -> u64 {
    number(&account["orders"]["received_new"]) + number(&account["orders"]["received_replace"])
}

impl Dead {
    /// Trades until the gateway was killed at `point`, after `after` hits of it.
    fn at(test: &str, point: &str, after: u32, seed: u64) -> Self {
        let bench = Bench::new(test);
        let mut venue = Venue::start(&bench, seed);
        let arm = format!("[failpoint]\n\"{point}\" = {{ action = \"kill\", after = {after} }}\n");
        up(&bench, "first.toml", venue.host_file(&bench, &arm));
        venue.tell("open");
        told(&bench, &["strategy", "arm"]);
        bench.wait_for("execution-gateway", "death at its failpoint", |row| row["state"] != "running");
        let log = std::fs::read_to_string(bench.data().join("log/execution-gateway.0.log")).unwrap_or_default();
        assert!(log.contains(&format!("failpoint {point} is armed")), "{log}");
        bench.wait_until("kill", || bench.about(&["kill", "status", "--json"]).json()["engaged"] == true);
        let row = bench.process("execution-gateway");
        assert_eq!(row["state"], "given_up", "no supervisor starts it again: {row:#}");
        told(&bench, &["down"]);
        let (records, account) = (bench.journal(), venue.account());
        assert_eq!(account["orders"]["open"], 0, "the venue cancels what was open: {}", account["orders"]);
        Self { bench, venue, records, account }
    }

    /// The last request that the journal holds: the one at which the gateway died, for a point on the path of an order.
    fn last_intent(&self) -> &Value {
        let intent = self.records.iter().rfind(|record| record["record"] == "intent");
        intent.expect("something was about to be sent")
    }

    /// What the journal says that became of a request.
    fn outcome(&self, intent: &Value) -> Option<&str> {
        let is = |record: &&Value| {
            let kind = record["record"] == "sent" || record["record"] == "not_sent";
            kind && record["cl_ord_id"] == intent["cl_ord_id"]
        };
        self.records.iter().find(is).and_then(|record| record["record"].as_str())
    }

    /// The venue's row of a UserRefNum.
    fn at_venue(&self, user_ref_num: &Value) -> Option<&Value> {
        let rows = self.account["orders"]["by_user_ref_num"].as_array().expect("rows are a list");
        rows.iter().find(|row| row["user_ref_num"] == *user_ref_num)
    }

    /// Another life of the gateway on the same journal: it resumes, the kill is released, it trades, everything ends in
    /// order, and the two books agree. Returns the whole journal and the account.
    fn resumes(mut self) -> (Vec<Value>, Value) {
        let bench = &self.bench;
        up(bench, "second.toml", self.venue.host_file(bench, ""));
        let killed = bench.about(&["kill", "status", "--json"]).json();
        assert_eq!(killed["engaged"], true, "the latch outlives the instance: {killed:#}");
        bench.wait_for("execution-gateway", "session without doubt", |row| {
            let counters = &row["counters"];
            let [logins, open, unknown] = ["logins", "open_orders", "unknown_orders"].map(|key| number(&counters[key]));
            logins > 0 && open == 0 && unknown == 0
        });
        told(bench, &["kill", "release", "--reason", "the venue's word is in"]);
        told(bench, &["strategy", "arm"]);
        let row = bench.wait_for("execution-gateway", "trade", |row| number(&row["counters"]["accepted"]) > 20);
        assert_eq!(row["counters"]["fold_errors"], 0, "{row:#}");
        told(bench, &["strategy", "disarm"]);
        told(bench, &["down"]);
        let (records, account) = (bench.journal(), self.venue.account());
        assert!(records.len() > self.records.len());
        for (left, now) in self.records.iter().zip(&records) {
            assert_eq!(without_place(left), without_place(now), "what the first life journaled stands");
        }
        agree(bench, &records, &account);
        drop(self.venue);
        bench.expect_nothing_left();
        (records, account)
    }
}

/// True when the last word of the journal on a request is that the venue never took it.
fn is_void(records: &[Value], request: &Value) -> bool {
    let is = |record: &&Value| record["record"] == "execution" && record["cl_ord_id"] == request["cl_ord_id"];
    let last = records.iter().rfind(is).unwrap_or(&Value::Null);
    let what = ["exec_type", "reason", "leaves_qty", "cum_qty"].map(|key| last[key].as_str().unwrap_or_default());
    what == ["rejected", "session_down", "0", "0"]
}

/// The journal and the venue's account tell the same story, and each order was sent once.
fn agree(bench: &Bench, records: &[Value], account: &Value) {
    assert_sent_once(records);
    let data = bench.data().display().to_string();
    told(bench, &["journal", "verify", "--data", &data]);
    let orders = &account["orders"];
    assert_eq!(bench.about(&["order", "ls", "--json", "--data", &data]).json()["orders"], serde_json::json!([]));
    assert_eq!((number(&orders["open"]), number(&orders["malformed"])), (0, 0));
    // Every order of the venue's has an intent, and no ClOrdID came to it twice.
    let key = |row: &Value| (number(&row["user_ref_num"]), row["cl_ord_id"].as_str().unwrap_or_default().to_owned());
    let intents: BTreeSet<_> = records.iter().filter(|record| record["record"] == "intent").map(key).collect();
    let rows = orders["by_user_ref_num"].as_array().expect("rows are a list");
    let new: Vec<_> = rows.iter().filter(|row| row["orig_user_ref_num"].is_null()).collect();
    assert_eq!(new.len() as u64, number(&orders["received_new"]), "each with a UserRefNum of its own");
    let ids: BTreeSet<_> = new.iter().map(|row| row["cl_ord_id"].to_string()).collect();
    assert_eq!(ids.len(), new.len(), "no order came to the venue twice");
    for row in new {
        assert!(intents.contains(&key(row)), "no intent before {row}");
    }
    // What the kernel took and the venue had not read when the session was reset is void by the venue's own word.
    let numbers: BTreeSet<_> = rows.iter().map(|row| number(&row["user_ref_num"])).collect();
    for sent in journal::sent(records).into_iter().filter(|sent| sent.is_new) {
        let is_there = numbers.contains(&number(&sent.record["user_ref_num"]));
        assert!(is_there || is_void(records, sent.record), "not at the venue: {}", sent.record);
    }
    let list = bench.about(&["position", "ls", "--json", "--data", &data]).json()["positions"].clone();
    let list = list.as_array().expect("positions are a list");
    let sum = |key: &str| list.iter().filter_map(|row| row[key].as_str()?.parse::<i64>().ok()).sum::<i64>();
    let at_venue = account["positions"].as_array().expect("positions are a list");
    let of_venue = |key: &str| at_venue.iter().filter_map(|row| row[key].as_i64()).sum::<i64>();
    assert_eq!([sum("qty"), sum("bought_qty"), sum("sold_qty")], ["qty", "buy_qty", "sell_qty"].map(of_venue));
    let fills: u64 = list.iter().map(|row| number(&row["fills"])).sum();
    assert_eq!(fills, number(&account["fills"]["count"]));
    assert!(fills > 0, "nothing was filled, so nothing was compared");
}

/// Fault 3.
#[test]
fn an_order_journaled_and_never_written_is_void() {
    let dead = Dead::at("gw-unwritten", "gateway.order.before_write", 40, 31);
    let intent = dead.last_intent().clone();
    assert_eq!(dead.outcome(&intent), None);
    assert!(openings(&dead.account) <= 40, "at most the others are at the venue");
    assert_eq!(dead.at_venue(&intent["user_ref_num"]), None, "this one is not");
    let (records, account) = dead.resumes();
    let number = &intent["user_ref_num"];
    let rows = account["orders"]["by_user_ref_num"].as_array().unwrap();
    assert!(!rows.iter().any(|row| row["user_ref_num"] == *number), "nor did another life send it");
    assert!(is_void(&records, &intent), "by the venue's next number it never was");
}

/// Fault 4.
#[test]
fn an_order_written_and_not_noted_is_found_at_the_venue() {
    let dead = Dead::at("gw-written", "gateway.order.after_write", 40, 32);
    let intent = dead.last_intent().clone();
    assert_eq!(dead.outcome(&intent), None, "nobody noted that it was sent");
    assert!(openings(&dead.account) <= 41);
    let row = dead.at_venue(&intent["user_ref_num"]).cloned();
    let already = dead.records.len();
    let (records, _) = dead.resumes();
    let Some(row) = row else {
        // The venue did not come to read it before the reset.
        return assert!(is_void(&records, &intent), "{intent}");
    };
    let executions: Vec<_> = records[already..]
        .iter()
        .filter(|record| record["record"] == "execution" && record["cl_ord_id"] == intent["cl_ord_id"])
        .collect();
    let last = executions.last().unwrap_or_else(|| panic!("nothing was learnt of {intent}"));
    assert_eq!(last["leaves_qty"], "0", "it has come to its end: {executions:#?}");
    let filled = last["cum_qty"].as_str().and_then(|text| text.parse::<u64>().ok());
    assert_eq!(filled, row["executed"].as_u64(), "by the venue's own word: {row}");
}

/// Faults 3 and 7: whatever the record was, what it stands for has not happened.
#[test]
fn a_record_whose_consequence_never_came_is_gone_on_from() {
    for after in [60, 61] {
        let dead = Dead::at("gw-recorded", "gateway.journal.after_append", after, 33);
        // Its configuration, with which a life begins, is no output of the machine's.
        assert_eq!(dead.records.len() as u32, 1 + after + 1, "the last record survives the death");
        dead.resumes();
    }
}

#[test]
fn requests_answered_and_not_taken_from_the_ring_are_not_answered_twice() {
    let dead = Dead::at("gw-uncommitted", "gateway.entry.before_commit", 40, 34);
    dead.resumes();
}

/// Fault 28 by a death: the record lies in the tail, and its cursor was not moved.
#[test]
fn a_record_that_was_not_committed_is_cut_and_what_it_announced_was_never_done() {
    for after in [60, 61] {
        let dead = Dead::at("gw-cut", "journal.append.before_commit", after, 35);
        assert_eq!(dead.records.len() as u32, after, "what was committed, and no more");
        dead.resumes();
    }
}
