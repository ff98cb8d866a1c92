//! `tickway schema`: the messages' description, for people, for programs and for Wireshark.

use super::{MessageType, plain, types, value, wireshark};
use crate::decode;
use crate::failure::{DATA_ERROR, Failure, Finding, Outcome};
use crate::output;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use shm_layout::layout::ring_layout_hash;
use shm_layout::topology::RingKind;
use shm_layout::types::Role;
use std::path::PathBuf;

/// Messages: their fields, offsets, types and units
#[derive(Subcommand, Debug)]
pub enum Command {
    /// List every message type
    Ls(ListArguments),
    /// Show the fields of a message type, or of all types of a kind of ring
    Show(ShowArguments),
    /// Decode the bytes of a payload
    Decode(DecodeArguments),
    /// Write the description for another program
    Export(ExportArguments),
}

/// Arguments of `schema ls`.
#[derive(Args, Debug)]
pub struct ListArguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Arguments of `schema show`.
#[derive(Args, Debug)]
pub struct ShowArguments {
    /// A message type, such as NewOrderSingle, or a kind of ring, such as market_data
    name: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Arguments of `schema decode`.
#[derive(Args, Debug)]
pub struct DecodeArguments {
    /// A message type, such as NewOrderSingle, or a kind of ring, such as order_entry
    #[arg(long, value_name = "KIND")]
    kind: String,
    /// The payload in hexadecimal digits; spaces and colons are skipped
    hex: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Arguments of `schema export`.
#[derive(Args, Debug)]
pub struct ExportArguments {
    /// A Wireshark dissector in Lua, for the pcapng files of `ring export` and `capture export`; - is standard output
    #[arg(long, value_name = "FILE", required = true)]
    wireshark: PathBuf,
}

impl Command {
    /// Runs the command.
    ///
    /// # Errors
    /// When there is no such type, the digits are none, or a file cannot be written.
    pub fn run(&self) -> Outcome {
        match self {
            Self::Ls(arguments) => list(arguments.json),
            Self::Show(arguments) => arguments.run(),
            Self::Decode(arguments) => arguments.run(),
            Self::Export(arguments) => arguments.run(),
        }
    }
}

fn rings(message: &MessageType) -> Vec<&'static str> {
    message.rings.iter().map(|ring| ring.snake_name()).collect()
}

fn to_json(message: &MessageType, fields: bool) -> Value {
    let mut value = json!({
        "name": message.name,
        "rings": rings(message),
        "kind": message.kind,
        "payload_bytes": message.payload_bytes(),
        "layout_hashes": message.rings.iter().map(|ring| output::hex(ring_layout_hash(*ring))).collect::<Vec<_>>(),
        "about": message.about,
    });
    if fields {
        value["fields"] = message
            .fields()
            .map(|field| {
                let codes = match field.repr {
                    super::Repr::Code(codes) => {
                        let named = (codes.values)().into_iter().map(|(code, name)| (code.to_string(), json!(name)));
                        Value::Object(named.collect::<Map<_, _>>())
                    }
                    super::Repr::Role => {
                        let named = Role::ALL.iter().map(|role| ((*role as u8).to_string(), json!(role.folder())));
                        Value::Object([("0".to_owned(), json!("all"))].into_iter().chain(named).collect())
                    }
                    _ => Value::Null,
                };
                json!({
                    "name": field.name,
                    "offset": field.offset,
                    "bytes": field.bytes,
                    "type": field.type_name(),
                    "unit": field.unit(),
                    "codes": codes,
                    "about": field.about,
                })
            })
            .collect();
    }
    value
}

fn list(json: bool) -> Outcome {
    if json {
        let types: Vec<Value> = types().map(|message| to_json(message, false)).collect();
        output::json(json!({ "types": types }))?;
        return Ok(Finding::Good);
    }
    let mut table = output::table(&["message", "kind", "bytes", "rings", "about"]);
    for message in types() {
        table.add_row([
            message.name.to_owned(),
            message.kind.to_string(),
            message.payload_bytes().to_string(),
            rings(message).join(", "),
            message.about.to_owned(),
        ]);
    }
    output::print_table(&table)?;
    Ok(Finding::Good)
}

/// The types that a name means: a type's own, or a ring's.
fn named(name: &str) -> Result<Vec<&'static MessageType>, Failure> {
    let ring = RingKind::ALL.iter().find(|ring| plain(ring.snake_name()) == plain(name));
    let found: Vec<_> = types()
        .filter(|message| plain(message.name) == plain(name) || ring.is_some_and(|ring| message.rings.contains(ring)))
        .collect();
    if found.is_empty() {
        let known: Vec<&str> = types().map(|message| message.name).collect();
        let rings: Vec<&str> = RingKind::ALL.iter().map(|ring| ring.snake_name()).collect();
        let cure = format!("the types are: {}; the rings are: {}", known.join(", "), rings.join(", "));
        return Err(Failure::new(2, format!("there is no message type or ring {name:?}"), cure));
    }
    Ok(found)
}

impl ShowArguments {
    fn run(&self) -> Outcome {
        let found = named(&self.name)?;
        if self.json {
            output::json(json!({ "types": found.iter().map(|message| to_json(message, true)).collect::<Vec<_>>() }))?;
            return Ok(Finding::Good);
        }
        for message in found {
            let rings = rings(message).join(", ");
            output::line(&format!("{}, kind {}, {}: {}", message.name, message.kind, rings, message.about))?;
            let mut table = output::table(&["offset", "bytes", "field", "type", "unit", "about"]);
            for field in message.fields() {
                table.add_row([
                    field.offset.to_string(),
                    field.bytes.to_string(),
                    field.name.to_owned(),
                    field.type_name(),
                    field.unit(),
                    field.about.to_owned(),
                ]);
            }
            output::print_table(&table)?;
        }
        Ok(Finding::Good)
    }
}

impl DecodeArguments {
    fn run(&self) -> Outcome {
        let types = named(&self.kind)?;
        let words = words(&self.hex, types[0].payload_bytes())?;
        let kind = words[0].to_le_bytes()[0];
        let Some(message) = types.iter().find(|message| message.kind == kind) else {
            let what = format!("the payload's kind byte is {kind}");
            let known: Vec<String> = types.iter().map(|known| format!("{} ({})", known.name, known.kind)).collect();
            return Err(Failure::new(DATA_ERROR, what, format!("--kind {} means: {}", self.kind, known.join(", "))));
        };
        let checked = decode::message(message.rings[0], &words);
        let error = checked["error"].as_str();
        if self.json {
            let fields: Vec<Value> = message
                .fields()
                .map(|field| json!({ "name": field.name, "offset": field.offset, "value": value(field, &words) }))
                .collect();
            output::json(json!({ "name": message.name, "fields": fields, "error": error }))?;
        } else {
            let mut table = output::table(&["offset", "field", "value"]);
            for field in message.fields() {
                let value = value(field, &words);
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                table.add_row([field.offset.to_string(), field.name.to_owned(), text]);
            }
            output::print_table(&table)?;
            error.map_or(Ok(()), |error| output::line(&format!("not a message of its ring: {error}")))?;
        }
        Ok(if error.is_none() { Finding::Good } else { Finding::Negative })
    }
}

/// The words of a payload of so many bytes.
fn words(digits: &str, payload_bytes: usize) -> Result<Vec<u64>, Failure> {
    let plain: Vec<u8> = digits.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b':').collect();
    let nibble = |byte: &u8| char::from(*byte).to_digit(16);
    let nibbles: Option<Vec<u32>> = plain.iter().map(nibble).collect();
    let Some(nibbles) = nibbles.filter(|nibbles| nibbles.len() == payload_bytes * 2) else {
        let what = format!("the payload is {} characters of hexadecimal digits or others", plain.len());
        return Err(Failure::new(2, what, format!("write {payload_bytes} bytes, {} digits", payload_bytes * 2)));
    };
    let bytes: Vec<u8> = nibbles.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect();
    let (words, _) = bytes.as_chunks::<8>();
    Ok(words.iter().map(|word| u64::from_le_bytes(*word)).collect())
}

impl ExportArguments {
    fn run(&self) -> Outcome {
        let script = wireshark::script();
        if self.wireshark.as_os_str() == "-" {
            output::line(script.trim_end())?;
        } else {
            std::fs::write(&self.wireshark, script).map_err(|error| Failure::file("write", &self.wireshark, &error))?;
        }
        Ok(Finding::Good)
    }
}
