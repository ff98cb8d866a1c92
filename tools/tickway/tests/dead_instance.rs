//! Every reading command works on the files of an instance that has died, and tells what they hold.
#![forbid(unsafe_code)]

mod world;

use serde_json::{Value, json};
use std::os::unix::fs::FileExt;
use world::{PUBLISHED, Run, SLOTS, World, tickway};

/// Standard output as lines of JSON.
fn lines(run: &Run) -> Vec<Value> {
    run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn status_shows_who_died_and_says_that_it_does_not_run() {
    let world = World::new();
    let run = world.tickway(&["status", "--json"]);
    assert_eq!(run.code, 1, "{run:?}");
    let status = run.json();
    assert_eq!((&status["instance"], &status["live"]), (&json!("dead"), &json!(false)));
    let rows = status["processes"].as_array().unwrap();
    let row = |role: &str| rows.iter().find(|row| row["role"] == role).unwrap();
    for role in ["feed-handler", "strategy", "risk", "execution-gateway", "recorder", "supervisor"] {
        assert_eq!(row(role)["index"], 0);
    }
    assert_eq!(row("strategy")["epoch"], 4);
    assert_eq!(row("strategy")["pid"], json!(std::process::id()), "who wrote the region last");
    assert_eq!(row("recorder")["state"], "none");
    assert!(world.tickway(&["status"]).out.contains("instance dead does not run"));
}

#[test]
fn rings_are_listed_with_what_their_readers_have_left() {
    let world = World::new();
    let list = world.tickway(&["ring", "ls", "--json"]).json();
    let rings = list["rings"].as_array().unwrap();
    // market_data, intent, entry, execution, control, steps of four, wires of two
    assert_eq!(rings.len(), 11);
    let intent = rings.iter().find(|ring| ring["name"] == "order_intent.0-0").unwrap();
    assert_eq!((&intent["published"], &intent["depth"]), (&json!(PUBLISHED), &json!(10)));
    assert_eq!((&intent["writer"]["role"], &intent["writer"]["epoch"]), (&json!("strategy"), &json!(4)));
    let stat = world.tickway(&["ring", "stat", "order_intent.0-0", "--interval-ms", "1", "--json"]).json();
    let held = stat["kinds"]["new_order_single"].as_u64().unwrap();
    assert!(held > 0 && held <= SLOTS, "{stat}");
    assert_eq!(stat["messages_per_second"], 0);
    let text = world.tickway(&["ring", "stat", "order_intent.0-0", "--interval-ms", "1"]).out;
    assert!(["index=0", "laps=0", "lag=10"].iter().all(|word| text.contains(word)), "{text}");
}

#[test]
fn a_tail_begins_where_it_is_told_and_says_what_was_overwritten() {
    let world = World::new();
    let last = world.tickway(&["ring", "tail", "order_intent.0-0", "-n", "3", "--json"]);
    let sequences: Vec<_> = lines(&last).iter().map(|line| line["sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences, [98, 99, 100]);
    let line = &lines(&last)[2];
    assert_eq!(
        (&line["kind"], &line["price"], &line["order_qty"]),
        (&json!("new_order_single"), &json!("10.5"), &json!("100"))
    );
    assert_eq!(line["schema_version"], 1);
    let all = lines(&world.tickway(&["ring", "tail", "order_intent.0-0", "--from", "1", "--json"]));
    assert_eq!(all[0]["kind"], "lapped");
    let missed = all[0]["missed"].as_u64().unwrap();
    assert_eq!(missed + all.len() as u64 - 1, PUBLISHED, "every sequence once, read or missed");
    let text = world.tickway(&["ring", "tail", "order_intent.0-0", "-n", "1"]);
    assert!(text.out.starts_with("100 new_order_single "), "{text:?}");
    let said = ["strategy_id=0", "instrument_id=0", "symbol=AAAA"];
    assert!(said.iter().all(|word| text.out.contains(word)), "{text:?}");
    assert_eq!(world.tickway(&["ring", "tail", "control", "--json"]).out, "");
}

#[test]
fn an_unknown_ring_is_one_line_that_names_the_rings() {
    let run = World::new().tickway(&["ring", "tail", "market"]);
    assert_eq!(run.code, 69);
    assert!(run.line().contains("\"market\"") && run.line().contains("market_data.0"), "{run:?}");
}

#[test]
fn the_journal_tells_orders_positions_and_records() {
    let world = World::new();
    let list = world.tickway(&["journal", "ls", "--json"]).json();
    assert_eq!(list["segments"][0]["first_sequence"], 1);
    assert_eq!(list["segments"][0]["last_sequence"], 5);
    let dump = lines(&world.tickway(&["journal", "dump", "--json"]));
    let records: Vec<_> = dump.iter().map(|line| line["record"].as_str().unwrap()).collect();
    assert_eq!(records, ["intent", "execution", "sent", "execution", "execution"]);
    assert_eq!((&dump[2]["send_ns"], &dump[4]["last_qty"]), (&json!(2_000), &json!("40")));
    let only = lines(&world.tickway(&["journal", "dump", "--record", "sent", "--json"]));
    assert_eq!((only.len(), &only[0]["sequence"]), (1, &json!(3)));
    let orders = world.tickway(&["order", "ls", "--json"]).json();
    let order = &orders["orders"][0];
    assert_eq!((&order["symbol"], &order["state"]), (&json!("AAAA"), &json!("working")));
    assert_eq!((&order["leaves_qty"], &order["cum_qty"]), (&json!("60"), &json!("40")));
    let positions = world.tickway(&["position", "ls", "--json"]).json();
    let position = &positions["positions"][0];
    assert_eq!((&position["symbol"], &position["qty"], &position["fills"]), (&json!("AAAA"), &json!("40"), &json!(1)));
    assert_eq!(position["cash_flow"], "-420");
}

#[test]
fn verify_finds_any_flipped_byte_and_names_file_and_offset() {
    let world = World::new();
    let directory = world.instance.journal(0);
    let sound = world.tickway(&["journal", "verify", "--json"]);
    assert_eq!((sound.code, sound.json()["sound"].clone()), (0, json!(true)));
    let path = runtime::store::segment_path(&directory, 1);
    let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let length = file.metadata().unwrap().len();
    // Header page, records, what was never written, trailer page.
    for offset in [0, 17, 4_095, 4_096, 4_130, 4_500, 5_000, 40_000, length - 4_096, length - 1] {
        let mut byte = [0];
        file.read_exact_at(&mut byte, offset).unwrap();
        file.write_all_at(&[byte[0] ^ 0x10], offset).unwrap();
        let run = tickway(&["journal", "verify", directory.to_str().unwrap(), "--json"]);
        assert_eq!(run.code, 1, "a flip at {offset} is not found");
        let found = &run.json()["findings"][0];
        assert_eq!(found["file"], json!(path), "{found}");
        let at = found["offset"].as_u64().unwrap();
        // The byte itself, or the page or record that holds it.
        assert!(at <= offset && offset - at < 4_096, "a flip at {offset} is told at {at}");
        file.write_all_at(&byte, offset).unwrap();
    }
    assert_eq!(world.tickway(&["journal", "verify"]).code, 0, "every byte is back");
}

#[test]
fn a_kill_is_latched_without_any_process_and_says_unconfirmed() {
    let world = World::new();
    let run = world.tickway(&["kill", "engage", "--reason", "drill", "--json"]);
    assert_eq!(run.code, 1, "{run:?}");
    let engaged = run.json();
    assert_eq!((&engaged["engaged"], &engaged["confirmed"]), (&json!(true), &json!(false)));
    assert_eq!(engaged["gateways"][0]["how"], "unconfirmed");
    let kill = runtime::kill_file::open_read_only(&world.instance.kill_file()).unwrap();
    assert!(kill.engaged());
    let status = world.tickway(&["kill", "status", "--json"]).json();
    assert_eq!(
        (&status["engagers"][0]["engager"], &status["engagers"][0]["reason"]),
        (&json!("operator"), &json!("drill"))
    );
    assert_eq!(status["possibly_live"][0]["leaves_qty"], "60");
    assert_eq!(world.tickway(&["kill", "release"]).code, 2, "a release gives its reason");
    let released = world.tickway(&["kill", "release", "--reason", "drill over", "--json"]);
    assert_eq!((released.code, released.json()["engaged"].clone()), (0, json!(false)));
    assert!(!kill.engaged());
    assert_eq!(world.tickway(&["kill", "release", "--reason", "again"]).code, 1, "nothing was engaged");
    let log = std::fs::read_to_string(world.instance.log().join("kill.log")).unwrap();
    assert_eq!(log.lines().count(), 2, "{log}");
}

#[test]
fn a_cut_region_is_a_line_and_the_others_are_still_shown() {
    let world = World::new();
    let path = world.instance.regions().join("control.ring");
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(4_096).unwrap();
    let run = world.tickway(&["ring", "ls", "--json"]);
    assert_eq!(run.code, 1);
    let list = run.json();
    assert_eq!(list["rings"].as_array().unwrap().len(), 10);
    assert!(list["faults"][0].as_str().unwrap().contains("control.ring"), "{list}");
}
