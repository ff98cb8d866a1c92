//! Eyes on a capture: listed, searched by sequence, time and content, exported; the recorder's own reader is the oracle.
#![forbid(unsafe_code)]

#[path = "world/command.rs"]
mod command;

use command::{Run, tickway};
use recorder::capture::{BlockHeader, CaptureWriter, Entry, messages};
use serde_json::{Value, json};
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::message::market_data::{MarketData, MarketDataHeader, TopOfBook};
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::{InstrumentId, Nanos, Role};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

const MARKET_DATA: RingId = RingId { kind: RingKind::MarketData, writer: Role::FeedHandler, index: 0, gateway: 0 };
const CONTROL: RingId = RingId { kind: RingKind::Control, writer: Role::Supervisor, index: 0, gateway: 0 };
/// Messages of `market_data` before and after its gap of 10.
const HALF: u64 = 3_000;

fn top(sequence: u64) -> [u64; 7] {
    let instrument_id = InstrumentId(sequence as u32 % 5);
    let receive_ns = Nanos(sequence * 1_000);
    let header =
        MarketDataHeader { kind: 1, side: 1, validity: 1, instrument_id, receive_ns, ..MarketDataHeader::default() };
    MarketData::TopOfBook(TopOfBook { header, ..TopOfBook::default() }).encode()
}

fn block(writer: &mut CaptureWriter, ring: RingId, first: u64, payloads: &[[u64; 7]]) {
    let payload: Vec<u8> = payloads.iter().flatten().flat_map(|word| word.to_le_bytes()).collect();
    writer.append(&BlockHeader::messages(ring, first, 56, payloads.len() as u32, &payload), &payload).unwrap();
}

/// Two files: market data with a gap between, a control message in the second.
fn capture(folder: &Path) {
    let mut writer = CaptureWriter::create(folder, 1, 7, 8, Nanos(500)).unwrap();
    let run = |writer: &mut CaptureWriter, from: u64| {
        for first in (from..from + HALF).step_by(20) {
            block(writer, MARKET_DATA, first, &(first..first + 20).map(top).collect::<Vec<_>>());
        }
    };
    run(&mut writer, 1);
    writer.rotate(Nanos(600)).unwrap();
    writer.append(&BlockHeader::gap(MARKET_DATA, HALF + 1, 10), &[]).unwrap();
    run(&mut writer, HALF + 11);
    let arm = Control { kind: ControlKind::Arm as u8, role: 3, now_ns: Nanos(3_005_000), ..Control::default() };
    block(&mut writer, CONTROL, 1, &[arm.encode()]);
    writer.append(&BlockHeader::end(CONTROL, 2), &[]).unwrap();
    writer.sync().unwrap();
}

fn lines(run: &Run) -> Vec<Value> {
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{run:?}");
    run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Runs a command of a fresh capture.
fn on_capture(arguments: &[&str]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    capture(folder.path());
    tickway(&[&["capture"], arguments, &["--dir", folder.path().to_str().unwrap()]].concat())
}

#[test]
fn ls_tells_sequences_times_and_gaps() {
    let list = on_capture(&["ls", "--gaps", "--json"]).json();
    assert_eq!(list["files"].as_array().unwrap().len(), 2);
    assert!(list["files"].as_array().unwrap().iter().all(|file| file["index"] == "whole"), "{list}");
    let ring = list["rings"].as_array().unwrap().iter().find(|ring| ring["ring"] == "market_data.0").unwrap().clone();
    let number = |key: &str| ring[key].as_u64().unwrap();
    assert_eq!((number("first_sequence"), number("last_sequence")), (1, 2 * HALF + 10));
    assert_eq!((number("messages"), number("gaps"), number("missed")), (2 * HALF, 1, 10));
    assert_eq!(number("time_max_ns"), (2 * HALF + 10) * 1_000);
    assert_eq!(list["gaps"], json!([{ "ring": "market_data.0", "first_sequence": HALF + 1, "missed": 10 }]));
    assert!(on_capture(&["ls"]).out.contains("1..6010"));
}

#[test]
fn grep_finds_by_sequence_time_and_content() {
    let found = |arguments: &[&str]| -> Vec<u64> {
        let run = on_capture(&[&["grep", "--json"], arguments].concat());
        let is_message = |line: &&Value| line["kind"] != "gap" && line["kind"] != "end";
        lines(&run).iter().filter(is_message).map(|line| line["sequence"].as_u64().unwrap()).collect()
    };
    let ring = ["--ring", "market_data.0"];
    assert_eq!(found(&[&ring[..], &["--from", "2999", "--to", "3012"]].concat()), [2999, 3000, 3011, 3012]);
    assert_eq!(found(&["--from", "3004000ns", "--to", "3012500ns"]), [3011, 3012, 1]);
    let of_one = found(&[&ring[..], &["--where", "instrument=3", "--to", "20"]].concat());
    assert_eq!(of_one, [3, 8, 13, 18]);
    assert_eq!(found(&["--where", "kind=Arm"]), [1]);
    let gap = lines(&on_capture(&["grep", "--json", "--from", "3005", "--to", "3006"]));
    assert_eq!((gap.len(), &gap[0]["kind"], &gap[0]["missed"]), (1, &json!("gap"), &json!(10)));
    let unknown = on_capture(&["grep", "--ring", "wire"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.line().contains("\"wire\"") && unknown.line().contains("market_data.0"), "{unknown:?}");
    assert_eq!(on_capture(&["grep", "--from", "soon"]).code, 2);
    for (bounds, said) in [
        (["--from", "10", "--to", "5"], "--from 10 is after --to 5"),
        (["--from", "10ns", "--to", "5ns"], "--from 10ns is after --to 5ns"),
        (["--from", "1763700000000000000", "--to", "1763700000000000009"], "1763700000000000000ns"),
    ] {
        let run = on_capture(&[&["grep"], &bounds[..]].concat());
        assert!(run.code == 2 && run.line().contains(said), "{run:?}");
    }
    assert_eq!(tickway(&["capture", "ls", "--dir", "no-such-directory"]).code, 66);
}

#[test]
fn a_line_of_a_search_names_ring_and_time() {
    let text = on_capture(&["grep", "--from", "2999", "--to", "3012"]).out;
    // A gap takes the stamp before it, and at a file's begin the file's.
    let begins = ["market_data.0 2999 2999000ns top_of_book ", "market_data.0 3001 600ns gap 10: "];
    begins.into_iter().for_each(|begin| assert!(text.lines().any(|line| line.starts_with(begin)), "{begin}: {text}"));
    let line = lines(&on_capture(&["grep", "--json", "--where", "kind=Arm"])).pop().unwrap();
    assert_eq!((&line["ring"], &line["stamp_ns"]), (&json!("control"), &json!(3_005_000)), "{line}");
}

#[test]
fn every_format_holds_every_message_of_the_recorders_reader() {
    let folder = tempfile::tempdir().unwrap();
    capture(folder.path());
    let directory = folder.path().to_str().unwrap();
    let expected: Vec<u64> = messages(folder.path(), MARKET_DATA, None)
        .unwrap()
        .filter_map(|entry| match entry.unwrap() {
            Entry::Message { sequence, .. } => Some(sequence),
            _ => None,
        })
        .collect();
    let out = folder.path().join("out");
    let export = |format: &str| {
        let to = out.to_str().unwrap();
        let source = ["--dir", directory, "--ring", "market_data.0"];
        let run = tickway(&[&["capture", "export", "--format", format, "--out", to], &source[..]].concat());
        assert_eq!((run.code, run.err.as_str()), (0, ""));
        std::fs::read(&out).unwrap()
    };
    let text = String::from_utf8(export("ndjson")).unwrap();
    let of_lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let sequences: Vec<u64> =
        of_lines.filter(|line| line["kind"] != "gap").map(|line| line["sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences, expected);
    let text = String::from_utf8(export("csv")).unwrap();
    assert_eq!(text.lines().count(), expected.len() + 2, "a heading and a gap");
    let bytes = export("pcapng");
    let mut reader = pcap_file::pcapng::PcapNgReader::new(bytes.as_slice()).unwrap();
    let mut sequences = Vec::new();
    while let Some(block) = reader.next_block() {
        if let pcap_file::pcapng::Block::EnhancedPacket(packet) = block.unwrap()
            && packet.data[1] == 1
        {
            let sequence = u64::from_le_bytes(packet.data[8..16].try_into().unwrap());
            assert_eq!(packet.timestamp.as_nanos(), u128::from(sequence) * 1_000);
            sequences.push(sequence);
        }
    }
    assert_eq!(sequences, expected);
}

#[test]
fn without_an_index_the_same_is_found() {
    let folder = tempfile::tempdir().unwrap();
    capture(folder.path());
    let grep = ["capture", "grep", "--json", "--dir", folder.path().to_str().unwrap(), "--where", "instrument=2"];
    let with = tickway(&grep);
    std::fs::remove_file(folder.path().join("000001.index")).unwrap();
    std::fs::write(folder.path().join("000002.index"), b"TICKIDX\0").unwrap();
    let without = tickway(&grep);
    assert_eq!((without.code, without.out.lines().count()), (0, 1_201), "1,200 messages and the gap");
    assert_eq!(with.out, without.out);
    assert!(!folder.path().join("000001.index").exists(), "a reader writes nothing");
}

#[test]
fn an_export_never_replaces_what_it_reads_and_is_whole_or_not_there() {
    let folder = tempfile::tempdir().unwrap();
    capture(folder.path());
    let names = || -> Vec<_> {
        let mut names: Vec<_> = folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before: Vec<_> = names().iter().map(|name| std::fs::read(folder.path().join(name)).unwrap()).collect();
    let directory = folder.path().to_str().unwrap();
    let link = folder.path().join("000001.capture");
    let elsewhere = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(&link, elsewhere.path().join("link")).unwrap();
    for out in [link, folder.path().join("000002.index"), elsewhere.path().join("link")] {
        let export = ["capture", "export", "--dir", directory, "--format", "csv", "--out", out.to_str().unwrap()];
        let run = tickway(&export);
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.line().contains("one of the files to be exported"), "{run:?}");
    }
    let after: Vec<_> = names().iter().map(|name| std::fs::read(folder.path().join(name)).unwrap()).collect();
    assert!(names().len() == 4 && before == after, "every byte is as it was");
    // A disk that is full half way: the old file stays, and nothing is left of the new one.
    let out = elsewhere.path().join("part.ndjson");
    std::fs::write(&out, "old").unwrap();
    let command = format!("ulimit -f 64; exec \"$0\" capture export --dir {directory} --format ndjson --out \"$1\"");
    let shell = std::process::Command::new("sh")
        .args(["-c", &command, env!("CARGO_BIN_EXE_tickway"), out.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(shell.status.code(), Some(74), "{shell:?}");
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "old");
    assert_eq!(elsewhere.path().read_dir().unwrap().count(), 2, "the link and the old file");
}

#[test]
fn an_interrupted_search_says_so_and_exits_with_130() {
    let folder = tempfile::tempdir().unwrap();
    capture(folder.path());
    // More lines than a pipe holds: it cannot be done before the signal.
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_tickway"))
        .args(["capture", "export", "--format", "ndjson", "--out", "-", "--dir", folder.path().to_str().unwrap()])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id() as i32), nix::sys::signal::Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(130), "{err}");
    let written = out.lines().count() as u64;
    assert!(out.ends_with("}\n") && written < 2 * HALF, "a part, of whole lines");
    assert!(err.contains(&format!("interrupted after {written} message")), "{err}");
}

#[test]
fn damage_is_said_and_the_rest_is_read() {
    let sequences = |run: &Run| -> Vec<u64> {
        let lines = run.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["kind"] == "top_of_book").map(|line| line["sequence"].as_u64().unwrap()).collect()
    };
    let whole = (1..=HALF).chain(HALF + 11..=2 * HALF + 10).collect::<Vec<_>>();
    // What is done to the first file, whether its index is there, what is said, the first sequence that is lost.
    type Harm = fn(&std::fs::File);
    let cases: [(Harm, bool, &str, u64); 4] = [
        (|file| file.set_len(64 + 10 * (40 + 20 * 56) + 3).unwrap(), true, "shorter than a block header", 201),
        (|file| file.write_all_at(&[0xff], 64 + (40 + 20 * 56) + 60).unwrap(), false, "CRC", 21),
        (|file| file.write_all_at(&[0xff], 64 + (40 + 20 * 56) + 60).unwrap(), true, "CRC", 21),
        (|file| file.set_len(0).unwrap(), true, "shorter than a file header", 1),
    ];
    for (harm, with_index, said, lost) in cases {
        let folder = tempfile::tempdir().unwrap();
        capture(folder.path());
        let path = folder.path().join("000001.capture");
        harm(&std::fs::OpenOptions::new().write(true).open(&path).unwrap());
        if !with_index {
            std::fs::remove_file(path.with_extension("index")).unwrap();
        }
        let directory = folder.path().to_str().unwrap();
        let run = tickway(&["capture", "grep", "--json", "--dir", directory, "--ring", "market_data.0"]);
        assert_eq!(run.code, 1, "{said}: {}", run.err);
        assert!(run.line().contains("000001.capture") && run.line().contains(said), "{said}: {}", run.err);
        let found = sequences(&run);
        let before: Vec<u64> = whole.iter().copied().take_while(|sequence| *sequence < lost).collect();
        assert_eq!(found[..before.len()], before, "{said}");
        assert!(found.ends_with(&whole[HALF as usize..]), "{said}: the second file is whole");
        assert!(!found.contains(&lost), "{said}");
        let list = tickway(&["capture", "ls", "--gaps", "--json", "--dir", directory]);
        assert_eq!((list.code, list.json()["damaged"].as_array().unwrap().len()), (1, 1), "{said}");
    }
}

#[test]
fn every_boot_is_listed_with_the_stamp_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    capture(folder.path());
    let mut writer = CaptureWriter::create(folder.path(), 3, 0xabc, 8, Nanos(9_000)).unwrap();
    block(&mut writer, MARKET_DATA, 1, &[top(1)]);
    writer.sync().unwrap();
    let directory = folder.path().to_str().unwrap();
    let list = |arguments: &[&str]| tickway(&[&["capture", "ls", "--dir", directory], arguments].concat());
    let newest = list(&["--json"]).json();
    let stamps: Vec<_> = newest["boots"].as_array().unwrap().iter().map(|boot| boot["boot_stamp"].clone()).collect();
    assert_eq!(stamps, [json!("0x0000000000000007"), json!("0x0000000000000abc")]);
    assert_eq!((&newest["boot_stamp"], newest["files"].as_array().unwrap().len()), (&stamps[1], 1));
    let text = list(&[]).out;
    for stamp in &stamps {
        let stamp = stamp.as_str().unwrap();
        assert!(text.contains(stamp), "{text}");
        let named = list(&["--boot", stamp, "--json"]).json();
        assert_eq!(named["boot_stamp"], stamp, "what is printed is what --boot takes");
    }
    let unknown = list(&["--boot", "0x8"]);
    assert_eq!(unknown.code, 66);
    assert!(unknown.line().contains("0x0000000000000abc"), "{unknown:?}");
}
