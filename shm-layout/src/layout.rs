//! Layout hashes: a number per kind of ring and per kind of page, made of every field's name, offset and size and of
//! every code's name and byte, so that a changed field changes the hash. Two builds with the same hash agree on every
//! byte of that region, whatever else differs between them: one process can be upgraded alone.
//!
//! It never hashes the compiler's view of a padding byte: message types have none, and pages are lists of words.

use crate::image::{ImageEntry, Level};
use crate::message::control::{Control, ControlKind};
use crate::message::execution::{Checkpoint, ExecutionKind, ExecutionReport};
use crate::message::market_data::{DepthChange, IntegrityFault, MarketDataHeader, MarketDataKind, StatusChange};
use crate::message::market_data::{TopOfBook, Trade};
use crate::message::order::{NewOrderSingle, OrderCancelReplaceRequest, OrderCancelRequest, OrderHeader, OrderKind};
use crate::message::step::{Step, StepKind};
use crate::message::wire::{WireChunk, WireKind};
use crate::region::RegionKind;
use crate::topology::RingKind;
use crate::types::{BookValidity, ChannelState, ExecType, OrdStatus, OrdType, RejectReason, Role, Side, TimeInForce};
use crate::types::{TradingStatus, fnv1a64, fnv1a64_more};
use std::mem::{offset_of, size_of};

/// One field of a page: its name, first word and word count. A page's accessors and its hash use the same constants.
pub(crate) type Field = (&'static str, usize, usize);

/// Continues `hash` with a decimal number and a separator.
const fn hash_number(mut hash: u64, number: usize) -> u64 {
    let mut divisor = 1;
    while number / divisor >= 10 {
        divisor *= 10;
    }
    while divisor > 0 {
        hash = fnv1a64_more(hash, &[b'0' + (number / divisor % 10) as u8]);
        divisor /= 10;
    }
    fnv1a64_more(hash, b";")
}

/// Continues `hash` with `name offset size`, all in bytes.
const fn hash_field(hash: u64, name: &str, offset: usize, size: usize) -> u64 {
    let hash = fnv1a64_more(fnv1a64_more(hash, name.as_bytes()), b" ");
    hash_number(hash_number(hash, offset), size)
}

/// The hash of a page that is a list of words.
pub(crate) const fn page_hash(name: &str, fields: &[Field]) -> u64 {
    let mut hash = fnv1a64(name.as_bytes());
    let mut index = 0;
    while index < fields.len() {
        let (field, first, words) = fields[index];
        hash = hash_field(hash, field, first * 8, words * 8);
        index += 1;
    }
    hash
}

/// True when no field overlaps the next and the last ends within `words`: every page asserts it at compile time.
pub(crate) const fn fields_fit(fields: &[Field], words: usize) -> bool {
    let mut end = 0;
    let mut index = 0;
    while index < fields.len() {
        let (_, first, count) = fields[index];
        if first < end || count == 0 {
            return false;
        }
        end = first + count;
        index += 1;
    }
    end <= words
}

/// Size of a field, by its accessor.
const fn field_size<T, F>(_: fn(&T) -> &F) -> usize {
    size_of::<F>()
}

/// Continues a hash with a message type. Leaving a field out does not compile.
macro_rules! hash_struct {
    ($hash:expr, $type:ident { $($field:ident),+ $(,)? }) => {{
        const _: fn($type) = |value| { let $type { $($field: _),+ } = value; };
        let hash = hash_field($hash, stringify!($type), 0, size_of::<$type>());
        $(let hash = hash_field(
            hash,
            stringify!($field),
            offset_of!($type, $field),
            field_size(|value: &$type| &value.$field),
        );)+
        hash
    }};
}

/// Continues a hash with every code of the tables.
macro_rules! hash_codes {
    ($hash:expr, $($table:ident),+) => {{
        let mut hash = $hash;
        $(
            hash = fnv1a64_more(hash, stringify!($table).as_bytes());
            let mut index = 0;
            while index < $table::ALL.len() {
                hash = hash_field(hash, $table::ALL[index].name(), $table::ALL[index] as usize, 1);
                index += 1;
            }
        )+
        hash
    }};
}

const MARKET_DATA: u64 = {
    let hash = hash_struct!(
        fnv1a64(b"market_data"),
        MarketDataHeader {
            kind,
            side,
            validity,
            trading_status,
            instrument_id,
            receive_ns,
            channel_sequence,
            exchange_ns,
            feed_delta_ns,
            detail,
        }
    );
    let hash = hash_struct!(hash, TopOfBook { header, price, qty });
    let hash = hash_struct!(hash, DepthChange { header, price, qty });
    let hash = hash_struct!(hash, Trade { header, price, qty });
    let hash = hash_struct!(hash, StatusChange { header, reserved });
    hash_codes!(hash, MarketDataKind, Side, BookValidity, TradingStatus, ChannelState, IntegrityFault)
};

/// `order_intent` and `order_entry` carry the same messages; the ring's name tells the hashes apart.
const fn order_hash(ring: &str) -> u64 {
    let hash = hash_struct!(
        fnv1a64(ring.as_bytes()),
        OrderHeader {
            kind,
            side,
            ord_type,
            time_in_force,
            venue_id,
            strategy_id,
            account_id,
            reject_reason,
            limit_version,
            cl_ord_id,
            instrument_id,
            risk_epoch,
            risk_sequence,
            cause_sequence,
            exposure_before,
            receive_ns,
            feed_delta_ns,
            strategy_delta_ns,
            risk_delta_ns,
            parent_id,
        }
    );
    let hash =
        hash_struct!(hash, NewOrderSingle { header, price, order_qty, reserved, intent_sequence, reference_price });
    let hash =
        hash_struct!(hash, OrderCancelRequest { header, reserved, orig_cl_ord_id, intent_sequence, reserved_tail });
    let hash = hash_struct!(
        hash,
        OrderCancelReplaceRequest { header, price, order_qty, orig_cl_ord_id, intent_sequence, reference_price }
    );
    hash_codes!(hash, OrderKind, Side, OrdType, TimeInForce, RejectReason)
}

const EXECUTION: u64 = {
    let hash = hash_struct!(
        fnv1a64(b"execution"),
        ExecutionReport {
            kind,
            side,
            ord_status,
            exec_type,
            venue_id,
            strategy_id,
            account_id,
            reason,
            limit_version,
            cl_ord_id,
            instrument_id,
            risk_epoch,
            risk_sequence,
            cause_sequence,
            journal_sequence,
            receive_ns,
            gateway_delta_ns,
            parent_id,
            orig_cl_ord_id,
            price,
            leaves_qty,
            cum_qty,
            last_qty,
            last_px,
        }
    );
    let hash =
        hash_struct!(hash, Checkpoint { kind, reserved, reserved_words, journal_sequence, state_hash, reserved_tail });
    hash_codes!(hash, ExecutionKind, Side, OrdStatus, ExecType, OrderKind, RejectReason)
};

const CONTROL: u64 = {
    let hash = hash_struct!(
        fnv1a64(b"control"),
        Control { kind, role, index, reserved, epoch, request_id, now_ns, value, reserved_tail }
    );
    hash_codes!(hash, ControlKind, Role)
};

const STEP: u64 = {
    let hash = hash_struct!(
        fnv1a64(b"step"),
        Step { kind, code, index, ring, through_sequence, now_ns, count, instrument_id, value }
    );
    hash_codes!(hash, StepKind)
};

const WIRE: u64 = {
    let hash = hash_struct!(fnv1a64(b"wire"), WireChunk { kind, flags, length, line, receive_ns, read_ns, data });
    hash_codes!(hash, WireKind)
};

/// Continues the image's hash with its entry.
pub(crate) const fn hash_image_entry(hash: u64) -> u64 {
    let hash = hash_struct!(
        hash,
        ImageEntry {
            validity,
            trading_status,
            bid_count,
            ask_count,
            instrument_id,
            channel_sequence,
            exchange_ns,
            receive_ns,
            last_px,
            last_qty,
            reset_count,
            bids,
            asks,
        }
    );
    let hash = hash_struct!(hash, Level { price, qty });
    hash_codes!(hash, BookValidity, TradingStatus, ChannelState)
}

/// The layout hash of a ring's messages and slots.
#[must_use]
pub const fn ring_layout_hash(kind: RingKind) -> u64 {
    let messages = match kind {
        RingKind::MarketData => MARKET_DATA,
        RingKind::OrderIntent => const { order_hash("order_intent") },
        RingKind::OrderEntry => const { order_hash("order_entry") },
        RingKind::Execution => EXECUTION,
        RingKind::Control => CONTROL,
        RingKind::Step => STEP,
        RingKind::Wire => WIRE,
    };
    hash_field(messages, "slot", crate::region::RING_FORMAT as usize, kind.slot_bytes())
}

/// The layout hash of a page of this crate; `None` for a kind whose owner draws it elsewhere (`Instruments`,
/// `JournalTail`) and for rings, which have one each ([`ring_layout_hash`]).
#[must_use]
pub const fn page_layout_hash(kind: RegionKind) -> Option<u64> {
    match kind {
        RegionKind::Status => Some(crate::status::LAYOUT_HASH),
        RegionKind::Image => Some(crate::image::LAYOUT_HASH),
        RegionKind::ControlPage => Some(crate::control_page::LAYOUT_HASH),
        RegionKind::Ring | RegionKind::Instruments | RegionKind::JournalTail => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ring_has_a_hash_of_its_own() {
        let mut hashes: Vec<u64> = RingKind::ALL.iter().map(|&kind| ring_layout_hash(kind)).collect();
        hashes.extend(RegionKind::ALL.iter().filter_map(|&kind| page_layout_hash(kind)));
        let total = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!((total, hashes.len()), (10, 10));
    }

    #[test]
    fn the_hash_is_of_a_text_that_anyone_can_write_down() {
        let fields: &[Field] = &[("first", 0, 1), ("second", 16, 2)];
        assert_eq!(page_hash("page", fields), fnv1a64(b"pagefirst 0;8;second 128;16;"));
        assert_ne!(page_hash("page", fields), page_hash("page", &[("first", 0, 1), ("second", 17, 1)]));
    }

    #[test]
    fn overlapping_or_overlong_fields_are_found() {
        assert!(fields_fit(&[("a", 0, 2), ("b", 2, 1)], 3));
        assert!(!fields_fit(&[("a", 0, 2), ("b", 1, 1)], 3));
        assert!(!fields_fit(&[("a", 0, 2), ("b", 2, 2)], 3));
    }
}
