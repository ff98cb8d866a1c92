//! `ring dump`: every slot as it lies there, with its stamp. It never judges: `ring verify` does.

use crate::decode;
use crate::failure::{Failure, Finding, Outcome};
use crate::output::{self, hex};
use crate::ring::source::Source;
use crate::ring::verify::slots::{Slot, Slots};
use crate::schema::wireshark::hex_of;
use clap::Args;
use runtime::signal::stop_requested;
use serde_json::{Value, json};
use shm_layout::topology::RingKind;

/// Arguments of `ring dump`.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    source: Source,
    /// The payload's bytes too, in hexadecimal digits
    #[arg(long)]
    raw: bool,
    /// Print one JSON object per slot
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// When there is no such instance or ring.
    pub fn run(&self) -> Outcome {
        let ring = self.source.open()?.ring;
        let slots = Slots::of(&ring);
        for index in 0..slots.count() {
            if stop_requested() {
                let what = format!("after {}", output::count(index, "slot"));
                return Err(Failure::interrupted(what, "the rest was not written: run it again"));
            }
            let slot = slots.read(index);
            if self.json {
                output::json(self.to_json(ring.id.kind, &slot))?;
            } else {
                output::line(&self.text(ring.id.kind, &slot))?;
            }
        }
        Ok(Finding::Good)
    }

    fn to_json(&self, kind: RingKind, slot: &Slot) -> Value {
        let mut value = json!({
            "slot": slot.index,
            "offset": slot.offset,
            "stamp": hex(slot.stamp),
            "state": slot.state(),
            "sequence": slot.sequence(),
        });
        if slot.is_whole() {
            value["message"] = decode::message(kind, &slot.words);
        }
        if self.raw {
            value["raw"] = json!(hex_of(&slot.words));
        }
        value
    }

    fn text(&self, kind: RingKind, slot: &Slot) -> String {
        let Slot { index, offset, stamp, .. } = slot;
        let mut line = format!("slot {index} offset {offset} stamp {} {}", hex(*stamp), slot.state());
        if slot.is_whole() {
            line.push_str(&format!(" {} {}", slot.sequence(), decode::text(&decode::message(kind, &slot.words))));
        }
        if self.raw {
            line.push_str(&format!(" raw={}", hex_of(&slot.words)));
        }
        line
    }
}
