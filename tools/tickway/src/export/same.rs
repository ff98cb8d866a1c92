//! The formats against each other: one message of every kind of every ring, told by each format with one name and one value
//! per field. The dissector is another program's reading of the bytes, and so an independent one.

use super::*;
use crate::schema::{self, Field, MessageType, Repr};
use shm_layout::topology::RingKind;
use shm_layout::types::{InstrumentId, Role};
use std::collections::BTreeMap;
use std::process::{Command, Stdio};

/// A message of each kind, every field of it with a value that says something, the second time with zeros.
fn samples() -> Vec<(RingId, &'static MessageType, Vec<u64>)> {
    let mut samples = Vec::new();
    for message in schema::types() {
        for kind in message.rings {
            let writer = if *kind == RingKind::Control { Role::Supervisor } else { Role::FeedHandler };
            let ring = RingId { kind: *kind, writer, index: 3, gateway: 1 };
            for blank in [false, true] {
                let mut bytes = vec![0_u8; message.payload_bytes()];
                for field in message.shown().filter(|field| !blank || matches!(field.repr, Repr::Code(_))) {
                    set(&mut bytes, field, u64::from(message.kind));
                }
                let (words, _) = bytes.as_chunks::<8>();
                samples.push((ring, message, words.iter().map(|word| u64::from_le_bytes(*word)).collect()));
            }
        }
    }
    samples
}

fn set(bytes: &mut [u8], field: &Field, kind: u64) {
    let ring = RingId { kind: RingKind::OrderIntent, writer: Role::Strategy, index: 2, gateway: 1 };
    let number = match field.repr {
        Repr::Code(_) if field.name == "kind" => kind,
        Repr::Code(codes) => (codes.values)().last().unwrap().0,
        Repr::Role => Role::ExecutionGateway as u64,
        Repr::Ring => u64::from(ring.to_u32()),
        Repr::Instrument if kind.is_multiple_of(2) => u64::from(InstrumentId::ALL.0),
        Repr::Price | Repr::Qty => (-(field.offset as i64 * 100_000_007 + 1)) as u64,
        Repr::Ascii => u64::from(u32::from_le_bytes(*b"T1  ")),
        Repr::Bool => 1,
        Repr::Bit(bit) => u64::from(bytes[field.offset]) | 1 << bit,
        _ if field.name == "length" => 5,
        _ if field.bytes == 1 => 7,
        _ if field.bytes == 2 => 515,
        _ => field.offset as u64 + 1_000_000,
    };
    let length = field.bytes.min(8);
    bytes[field.offset..field.offset + length].copy_from_slice(&number.to_le_bytes()[..length]);
}

fn events<'a>(samples: &'a [(RingId, &'static MessageType, Vec<u64>)]) -> Vec<Event<'a>> {
    let numbered = (1..).zip(samples);
    numbered
        .map(|(sequence, (ring, _, words))| Event { ring: *ring, sequence, stamp_ns: 5, what: What::Message(words) })
        .collect()
}

#[test]
fn csv_tells_the_names_and_values_of_ndjson() {
    let samples = samples();
    assert!(samples.len() > 60, "{}", samples.len());
    for (event, (ring, message, _)) in events(&samples).iter().zip(&samples) {
        let columns = csv::columns(&[*ring]);
        let row = csv::row(&columns, &to_json(event));
        let cells: BTreeMap<&str, &str> = columns.iter().copied().zip(row.trim_end().split(',')).collect();
        let told = to_json(event);
        assert!(told["error"].is_null(), "{}: {told}", message.name);
        for (name, value) in told.as_object().unwrap().iter().filter(|(name, _)| *name != "schema_version") {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let text = if value.is_null() { String::new() } else { text.replace(',', " ").replace(['[', ']'], "") };
            assert_eq!(cells.get(name.as_str()), Some(&text.as_str()), "{}.{name}", message.name);
        }
        for (name, cell) in cells.iter().filter(|(_, cell)| !cell.is_empty()) {
            assert!(!told[*name].is_null(), "{}: {name} is {cell} in CSV and not in NDJSON", message.name);
        }
    }
}

#[test]
fn the_dissector_tells_the_names_and_values_of_ndjson() {
    if Command::new("tshark").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        let _ = writeln!(std::io::stderr(), "skipped: tshark is not installed");
        return;
    }
    let samples = samples();
    let mut rings: Vec<RingId> = samples.iter().map(|(ring, ..)| *ring).collect();
    rings.dedup();
    let directory = tempfile::tempdir().unwrap();
    let (packets, script) = (directory.path().join("all.pcapng"), directory.path().join("tickway.lua"));
    let mut sink = Sink::create(Format::Pcapng, &packets, &rings, &[]).unwrap();
    events(&samples).iter().for_each(|event| sink.write(event).unwrap());
    sink.finish().unwrap();
    std::fs::write(&script, schema::wireshark::script()).unwrap();
    let mut names: Vec<&str> = schema::types().flat_map(MessageType::shown).map(|field| field.name).collect();
    names.extend(["ring_name", "sequence"]);
    names.sort_unstable();
    names.dedup();
    let mut command = Command::new("tshark");
    command.arg("-X").arg(format!("lua_script:{}", script.display())).arg("-r").arg(&packets).args(["-T", "fields"]);
    names.iter().for_each(|name| {
        command.arg("-e").arg(format!("tickway.{name}"));
    });
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !errors.contains("Lua"), "{errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), samples.len(), "{errors}");
    for (line, event) in text.lines().zip(events(&samples)) {
        let mut told = to_json(&event);
        told["ring_name"] = told["ring"].take();
        for (name, cell) in names.iter().zip(line.split('\t')) {
            let value = &told[*name];
            let expected = match value {
                Value::Null => String::new(),
                Value::Bool(true) => "1".to_owned(),
                Value::Bool(false) => "0".to_owned(),
                Value::String(all) if *name == "instrument_id" && all == "all" => InstrumentId::ALL.0.to_string(),
                Value::String(text) => text.clone(),
                Value::Array(values) => values.iter().map(Value::to_string).collect::<Vec<_>>().join(" "),
                other => other.to_string(),
            };
            // Other versions of tshark write a truth as a word, and colons between bytes.
            let cell = cell.replace("True", "1").replace("False", "0").replace(':', "");
            assert_eq!(cell, expected.replace(':', ""), "{name} of {told}");
        }
    }
}
