//! Eyes on the rings of a dead instance, on copied files, and on a writer that laps: searched, dumped, checked, exported.
#![forbid(unsafe_code)]

mod world;

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};
use world::{PUBLISHED, Run, SLOTS, World, tickway};

const RING: &str = "order_intent.0-0";

fn lines(run: &Run) -> Vec<Value> {
    run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The ring's file, copied away from its instance.
fn copy(world: &World, directory: &tempfile::TempDir) -> String {
    let file = directory.path().join("copied.ring");
    std::fs::copy(world.instance.regions().join(format!("{RING}.ring")), &file).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn grep_joins_conditions_and_tail_counts_what_matches() {
    let world = World::new();
    let id = lines(&world.tickway(&["ring", "tail", RING, "-n", "1", "--json"]))[0]["cl_ord_id"].clone();
    let by_id = format!("cl_ord_id={}", id.as_str().unwrap());
    let grep = ["ring", "grep", RING, "--json", "--where", "kind=NewOrderSingle", "--where"];
    let found = world.tickway(&[&grep[..], &[&by_id]].concat());
    assert_eq!((found.code, lines(&found).len()), (0, 1), "{found:?}");
    assert_eq!(lines(&found)[0]["sequence"], PUBLISHED);
    let by_symbol = world.tickway(&[&grep[..], &["instrument=AAAA"]].concat());
    let by_row = world.tickway(&[&grep[..], &["instrument=0"]].concat());
    assert_eq!((lines(&by_symbol).len() as u64, &by_symbol.out), (SLOTS, &by_row.out));
    assert!(lines(&world.tickway(&[&grep[..], &["side=sell"]].concat())).is_empty());
    let tail = world.tickway(&["ring", "tail", RING, "-n", "2", "--where", "instrument=AAAA", "--json"]);
    let sequences: Vec<_> = lines(&tail).iter().map(|line| line["sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences, [99, 100]);
    let unknown = world.tickway(&["ring", "grep", RING, "--where", "colour=red"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.line().contains("colour") && unknown.line().contains("cl_ord_id"), "{unknown:?}");
}

#[test]
fn a_copied_file_is_read_like_an_instance() {
    let (world, directory) = (World::new(), tempfile::tempdir().unwrap());
    let file = copy(&world, &directory);
    drop(world);
    let tail = tickway(&["ring", "tail", "--file", &file, "-n", "3", "--json"]);
    assert_eq!(lines(&tail).len(), 3, "{tail:?}");
    let stat = tickway(&["ring", "stat", "--file", &file, "--interval-ms", "1", "--json"]).json();
    assert_eq!((&stat["name"], &stat["published"]), (&json!(RING), &json!(PUBLISHED)));
    assert_eq!(tickway(&["ring", "ls", "--file", &file, "--json"]).json()["rings"].as_array().unwrap().len(), 1);
    assert_eq!(tickway(&["ring", "verify", "--file", &file]).code, 0);
    let symbol = tickway(&["ring", "grep", "--file", &file, "--where", "instrument=AAAA"]);
    assert_eq!(symbol.code, 2, "a symbol needs the host file");
    assert!(symbol.line().contains("row"), "{symbol:?}");
}

#[test]
fn dump_shows_every_slot_with_its_stamp_and_bytes() {
    let world = World::new();
    let dump = lines(&world.tickway(&["ring", "dump", RING, "--raw", "--json"]));
    assert_eq!(dump.len() as u64, SLOTS);
    for (index, slot) in dump.iter().enumerate() {
        // 256 bytes of region header, 128 of the ring's, slots of 128.
        assert_eq!((&slot["slot"], &slot["offset"]), (&json!(index), &json!(384 + index * 128)));
        let sequence = slot["sequence"].as_u64().unwrap();
        assert_eq!((sequence % SLOTS, &slot["state"]), (index as u64, &json!("published")));
        assert_eq!(slot["raw"].as_str().unwrap().len(), 240);
        assert!(slot["raw"].as_str().unwrap().starts_with("01013230"), "kind, side, ord_type 2, time_in_force 0");
    }
}

#[test]
fn verify_names_slot_and_offset_of_every_kind_of_fault() {
    let (world, directory) = (World::new(), tempfile::tempdir().unwrap());
    assert_eq!(world.tickway(&["ring", "verify", "--json"]).json()["sound"], true);
    let path = copy(&world, &directory);
    let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let slot = |index: u64| 384 + index * 128;
    // Offset of the byte, its new value, where it is told, in which slot, by which word.
    let faults: [(u64, u8, u64, Option<u64>, &str); 11] = [
        (0, b'X', 0, None, "magic"),
        (8, 9, 8, None, "version 9"),
        (16, 0, 16, None, "layout hash"),
        (33, 1, 32, None, "slots"),
        (72, 1, 72, None, "reserved"),
        (200, 1, 200, None, "reserved"),
        (264, 1, 264, None, "reserved"),
        (256, 7, 256, None, "published"),
        (slot(5), 70, slot(5), Some(5), "stamp"),
        (slot(9) + 8, 77, slot(9) + 8, Some(9), "kind 77"),
        (slot(9) + 8 + 96, 1, slot(9) + 8, Some(9), "reserved"),
    ];
    for (offset, byte, told, slot, word) in faults {
        let mut before = [0];
        file.read_exact_at(&mut before, offset).unwrap();
        file.write_all_at(&[byte], offset).unwrap();
        let run = tickway(&["ring", "verify", "--file", &path, "--json"]);
        assert_eq!(run.code, 1, "{word} at {offset}: {run:?}");
        let found = run.json()["findings"][0].clone();
        assert_eq!((&found["offset"], &found["slot"]), (&json!(told), &json!(slot)), "{found}");
        assert!(found["what"].as_str().unwrap().contains(word), "{found}");
        file.write_all_at(&before, offset).unwrap();
    }
    assert_eq!(tickway(&["ring", "verify", "--file", &path]).code, 0, "every byte is back");
    file.set_len(4_096).unwrap();
    assert_eq!(tickway(&["ring", "verify", "--file", &path]).code, 1, "a cut file is a finding");
}

#[test]
fn lag_shows_how_far_each_reader_is() {
    let world = World::new();
    let lag = world.tickway(&["ring", "lag", RING, "--interval-ms", "2", "--json"]).json();
    let ring = &lag["rings"][0];
    assert_eq!((&ring["depth"], &ring["writer"]["epoch"]), (&json!(10), &json!(4)));
    let risk = ring["readers"].as_array().unwrap().iter().find(|reader| reader["role"] == "risk").unwrap();
    assert_eq!((&risk["lag"], &risk["high_water"], &risk["attach"]), (&json!(10), &json!(10), &json!("gating")));
    assert_eq!((&risk["messages_per_second"], &risk["laps"]), (&json!(0), &json!(0)));
    let text = world.tickway(&["ring", "lag", "--interval-ms", "1"]);
    assert!(text.out.contains('█') && text.out.contains("risk/0 gating"), "{text:?}");
}

#[test]
fn a_damaged_region_is_named_and_the_others_are_checked() {
    let world = World::new();
    let path = world.instance.regions().join("control.ring");
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(3).unwrap();
    let run = world.tickway(&["ring", "verify", "--json"]);
    assert_eq!(run.code, 1, "{run:?}");
    let found = run.json();
    assert_eq!((&found["rings"], found["findings"].as_array().unwrap().len()), (&json!(11), 1), "{found}");
    assert_eq!(found["findings"][0]["file"], json!(path), "{found}");
    assert_eq!(found["messages"].as_u64(), Some(SLOTS), "the others' messages");
    let tail = world.tickway(&["ring", "tail", "control"]);
    assert_eq!(tail.code, 65, "{tail:?}");
    assert!(tail.line().contains("control.ring") && !tail.line().contains("there is no ring"), "{tail:?}");
}

#[test]
fn what_cannot_be_read_is_said_and_what_lies_behind_it_is_read() {
    let (world, directory) = (World::new(), tempfile::tempdir().unwrap());
    let path = copy(&world, &directory);
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    // The stamps of 70 and 71 are gone.
    for sequence in [70, 71] {
        file.write_all_at(&[0; 8], 384 + sequence % SLOTS * 128).unwrap();
    }
    let expected: Vec<u64> = (37..=70).chain(72..=100).collect();
    let out = directory.path().join("out");
    let out = out.to_str().unwrap();
    let commands: [&[&str]; 4] = [
        &["tail", "--oldest", "--json"],
        &["grep", "--where", "instrument=0", "--json"],
        &["tail", "-n", "100", "--where", "instrument=0", "--json"],
        &["export", "--format", "ndjson", "--out", out],
    ];
    for command in commands {
        let mut run = tickway(&[&["ring"], command, &["--file", &path]].concat());
        assert_eq!(run.code, 1, "{run:?}");
        if command[0] == "export" {
            run.out = std::fs::read_to_string(out).unwrap();
        }
        let mut found = lines(&run);
        found.sort_by_key(|line| line["sequence"].as_u64());
        let sequences: Vec<u64> = found.iter().map(|line| line["sequence"].as_u64().unwrap()).collect();
        assert_eq!(sequences, expected, "{command:?}");
        let damaged = found.iter().find(|line| line["kind"] == "damaged").unwrap();
        assert_eq!((&damaged["sequence"], &damaged["missed"]), (&json!(70), &json!(2)), "{damaged}");
    }
    let text = tickway(&["ring", "tail", "--oldest", "--file", &path]);
    assert!(text.out.contains("70 and the next 1 cannot be read: skipped"), "{text:?}");
    let stat = tickway(&["ring", "stat", "--file", &path, "--interval-ms", "1", "--json"]);
    assert_eq!((stat.code, stat.json()["damaged"].clone()), (1, json!(2)));
    assert_eq!(stat.json()["kinds"]["new_order_single"], json!(SLOTS - 2));
}

#[test]
fn a_file_that_is_no_region_is_named_and_nothing_is_to_be_removed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("compare.py");
    for text in ["print('no ring')", "x", &"sixteen letters,".repeat(40)] {
        std::fs::write(&file, text).unwrap();
        let name = file.to_str().unwrap();
        let commands: [&[&str]; 4] = [&["ls"], &["tail"], &["export", "--format", "csv", "--out", "-"], &["verify"]];
        for command in commands {
            let run = tickway(&[&["ring"], command, &["--file", name]].concat());
            let said = format!("{}{}", run.out, run.err);
            assert!([1, 65].contains(&run.code) && said.contains(name), "{run:?}");
            assert!(!said.contains("remove") && !said.contains("start"), "{run:?}");
        }
    }
    assert_eq!(tickway(&["ring", "verify", "--file", "no-such.ring"]).code, 66);
}

#[test]
fn a_lag_is_told_in_time_where_the_next_message_has_no_stamp() {
    let world = World::new();
    let path = world.instance.regions().join(format!("{RING}.ring"));
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    let stamp = |sequence: u64, ns: u64| {
        file.write_all_at(&ns.to_le_bytes(), 384 + sequence % SLOTS * 128 + 8 + 7 * 8).unwrap();
    };
    let lag_us = || {
        let lag = world.tickway(&["ring", "lag", RING, "--interval-ms", "1", "--json"]).json();
        let readers = lag["rings"][0]["readers"].as_array().unwrap().clone();
        readers.iter().find(|reader| reader["role"] == "risk").unwrap()["lag_us"].clone()
    };
    assert_eq!(lag_us(), Value::Null, "no message has a stamp");
    // Risk has read 90: 91 has no stamp, and of a dead instance the newest stamp is the last known of time.
    stamp(80, 1_000_000);
    assert_eq!(lag_us(), json!(0), "the one before");
    stamp(95, 3_000_000);
    stamp(100, 8_000_000);
    assert_eq!(lag_us(), json!(5_000), "the next that has one");
}

#[test]
fn every_format_holds_every_message() {
    let (world, directory) = (World::new(), tempfile::tempdir().unwrap());
    let out = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    for format in ["ndjson", "csv", "pcapng"] {
        let run = world.tickway(&["ring", "export", RING, "--format", format, "--out", &out(format)]);
        assert_eq!((run.code, run.out.as_str()), (0, ""), "{run:?}");
    }
    assert_eq!(std::fs::read_to_string(out("ndjson")).unwrap().lines().count() as u64, SLOTS);
    let csv = std::fs::read_to_string(out("csv")).unwrap();
    assert_eq!(csv.lines().count() as u64, SLOTS + 1);
    assert!(csv.lines().last().unwrap().starts_with("order_intent.0-0,100,"), "{csv}");
    let packets = std::fs::read(out("pcapng")).unwrap();
    let mut reader = pcap_file::pcapng::PcapNgReader::new(packets.as_slice()).unwrap();
    let mut sequences = Vec::new();
    while let Some(block) = reader.next_block() {
        if let pcap_file::pcapng::Block::EnhancedPacket(packet) = block.unwrap() {
            sequences.push(u64::from_le_bytes(packet.data[8..16].try_into().unwrap()));
        }
    }
    assert_eq!(sequences, (PUBLISHED - SLOTS + 1..=PUBLISHED).collect::<Vec<_>>());
}

#[test]
fn a_message_without_a_stamp_is_told_the_time_of_its_neighbour() {
    let (world, directory) = (World::new(), tempfile::tempdir().unwrap());
    let path = copy(&world, &directory);
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    // receive_ns is the payload's word 7. Of 37 to 100 only 40 and 90 have one.
    let stamp = |sequence: u64, ns: u64| {
        file.write_all_at(&ns.to_le_bytes(), 384 + sequence % SLOTS * 128 + 8 + 7 * 8).unwrap();
    };
    stamp(40, 4_000);
    stamp(90, 9_000);
    let out = directory.path().join("out");
    let run = tickway(&["ring", "export", "--file", &path, "--format", "csv", "--out", out.to_str().unwrap()]);
    assert_eq!(run.code, 0, "{run:?}");
    let csv = std::fs::read_to_string(&out).unwrap();
    for line in csv.lines().skip(1) {
        let cells: Vec<u64> = line.split(',').skip(1).take(2).map(|cell| cell.parse().unwrap()).collect();
        assert_eq!(cells[1], if cells[0] < 90 { 4_000 } else { 9_000 }, "{line}");
    }
    let tail = lines(&tickway(&["ring", "tail", "--file", &path, "-n", "5", "--json"]));
    assert!(tail.len() == 5 && tail.iter().all(|line| line["stamp_ns"] == 9_000), "{tail:?}");
    let lap = lines(&tickway(&["ring", "tail", "--file", &path, "--from", "1", "--json"]))[0].clone();
    assert_eq!((&lap["kind"], &lap["stamp_ns"]), (&json!("lapped"), &json!(4_000)), "{lap}");
}

#[test]
fn an_export_onto_its_own_ring_is_refused() {
    let (world, directory) = (World::new(), tempfile::tempdir().unwrap());
    let file = copy(&world, &directory);
    let bytes = std::fs::read(&file).unwrap();
    let run = tickway(&["ring", "export", "--file", &file, "--format", "csv", "--out", &file]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.line().contains("--out"), "{run:?}");
    assert!(std::fs::read(&file).unwrap() == bytes, "every byte is as it was");
    let other = world.instance.regions().join("control.ring");
    let run = world.tickway(&["ring", "export", RING, "--format", "csv", "--out", other.to_str().unwrap()]);
    assert_eq!(run.code, 2, "another ring of the instance: {run:?}");
}

#[test]
fn tshark_accepts_the_packets_and_the_dissector() {
    if Command::new("tshark").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        let _ = writeln!(std::io::stderr(), "skipped: tshark is not installed");
        return;
    }
    let (world, directory) = (World::new(), tempfile::tempdir().unwrap());
    let out = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (packets, script) = (out("ring.pcapng"), out("tickway.lua"));
    assert_eq!(world.tickway(&["ring", "export", RING, "--format", "pcapng", "--out", &packets]).code, 0);
    assert_eq!(tickway(&["schema", "export", "--wireshark", &script]).code, 0);
    let fields = ["tickway.sequence", "tickway.cl_ord_id", "tickway.price", "tickway.message", "tickway.side"];
    let mut command = Command::new("tshark");
    command.args([
        "-X",
        &format!("lua_script:{script}"),
        "-r",
        &packets,
        "-Y",
        "tickway.sequence == 100",
        "-T",
        "fields",
    ]);
    fields.iter().for_each(|field| {
        command.args(["-e", field]);
    });
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !errors.contains("Lua"), "{errors}");
    let last = lines(&world.tickway(&["ring", "tail", RING, "-n", "1", "--json"]))[0].clone();
    let expected = format!("100\t{}\t10.5\tNewOrderSingle\tbuy", last["cl_ord_id"].as_str().unwrap());
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), expected, "{errors}");
}

#[test]
fn a_closed_pipe_and_an_interrupt_end_a_stream_without_a_word() {
    let world = World::new();
    let (regions, data) = (world.instance.regions().to_owned(), world.instance.data().to_owned());
    let follow = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tickway"));
        command.args(["ring", "tail", RING, "--follow", "--oldest", "--json", "--regions"]).arg(&regions);
        command.arg("--data").arg(&data).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut child = follow();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.ends_with("}\n"), "a line is there at once: {line:?}");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id() as i32), nix::sys::signal::Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{output:?}");

    let mut child = Command::new(env!("CARGO_BIN_EXE_tickway"))
        .args(["ring", "grep", RING, "--where", "instrument=0", "--json", "--regions"])
        .arg(&regions)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{output:?}");
}

#[test]
fn a_signal_ends_a_long_interval_at_once() {
    let world = World::new();
    for command in ["stat", "lag"] {
        let begin = runtime::clock::realtime_ns();
        let child = Command::new(env!("CARGO_BIN_EXE_tickway"))
            .args(["ring", command, RING, "--interval-ms", "60000", "--regions"])
            .arg(world.instance.regions())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(500));
        let pid = nix::unistd::Pid::from_raw(child.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(runtime::clock::realtime_ns().saturating_sub(begin) < 30_000_000_000, "{command}");
        // A process that a signal met before its handlers has no code; half a second is long enough for them.
        assert_eq!((output.status.code(), output.stdout.len()), (Some(130), 0), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("interrupted"), "{output:?}");
    }
}

#[test]
fn a_schema_is_listed_shown_and_decodes_bytes() {
    let types = tickway(&["schema", "ls", "--json"]).json();
    assert_eq!(types["types"].as_array().unwrap().len(), 7 + 3 + 3 + 6 + 8 + 6);
    let shown = tickway(&["schema", "show", "new-order-single", "--json"]).json();
    let fields = shown["types"][0]["fields"].as_array().unwrap();
    let price = fields.iter().find(|field| field["name"] == "price").unwrap();
    assert_eq!((&price["offset"], &price["type"]), (&json!(80), &json!("i64")));
    assert!(price["unit"].as_str().unwrap().contains("1e-8"), "{price}");
    let world = World::new();
    let raw = lines(&world.tickway(&["ring", "dump", RING, "--raw", "--json"]))[0]["raw"].clone();
    let raw = raw.as_str().unwrap();
    let decoded = tickway(&["schema", "decode", "--kind", "order_intent", raw, "--json"]).json();
    let fields = decoded["fields"].as_array().unwrap();
    let value = |name: &str| fields.iter().find(|field| field["name"] == name).unwrap()["value"].clone();
    assert_eq!((value("price"), value("order_qty"), value("side")), (json!("10.5"), json!("100"), json!("buy")));
    let bad = format!("01ff{}", &raw[4..]);
    assert_eq!(tickway(&["schema", "decode", "--kind", "NewOrderSingle", &bad]).code, 1, "a code that is none");
    assert_eq!(tickway(&["schema", "decode", "--kind", "NewOrderSingle", "01"]).code, 2);
    assert_eq!(tickway(&["schema", "decode", "--kind", "Nonsense", raw]).code, 2);
}
