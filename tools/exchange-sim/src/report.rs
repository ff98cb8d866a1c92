//! The JSON lines: quantities in whole shares, prices and notionals as decimal strings, never floats.

use crate::account::{Account, AccountOrder, Position};
use crate::fault::FaultCounts;
use crate::instrument::{price_text, symbol_text};
use crate::itch_file::Scan;
use crate::pace::ReplayProgress;
use crate::venue::Venue;
use serde_json::{Map, Value, json};
use shm_layout::types::Side;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Datagrams beside the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BareCounts {
    /// Heartbeats sent.
    pub heartbeats: u64,
    /// Ends of session sent.
    pub ends: u64,
    /// Re-request packets read.
    pub requests: u64,
    /// Replies sent.
    pub replies: u64,
}

/// Where a venue can be reached.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// Multicast group and port of the feed.
    pub group: SocketAddr,
    /// Unicast address of the re-request server.
    pub request: SocketAddr,
    /// TCP address of order entry.
    pub order: SocketAddr,
    /// Send buffer of the feed that the host granted, in bytes.
    pub send_buffer_bytes: usize,
}

/// An exact decimal of a notional in 1e-4, which may exceed 64 bits.
#[must_use]
pub fn notional_text(notional: i128) -> String {
    let (sign, magnitude) = (if notional < 0 { "-" } else { "" }, notional.unsigned_abs());
    let fraction = format!("{:04}", magnitude % 10_000);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{fraction}", magnitude / 10_000)
}

/// `{"event":"listening", …}`: the first line of the process.
#[must_use]
pub fn listening(venue: &Venue, session: &str, addresses: &Addresses) -> Value {
    let instruments = venue.instruments().iter().map(|instrument| {
        json!({
            "symbol": symbol_text(&instrument.symbol),
            "stock_locate": instrument.stock_locate,
            "tick_size": price_text(u64::from(instrument.tick_size)),
            "lot_size": "1",
            "round_lot": instrument.round_lot,
            "reference_price": price_text(u64::from(instrument.reference_price)),
        })
    });
    json!({
        "event": "listening",
        "group": addresses.group.ip().to_string(),
        "group_port": addresses.group.port(),
        "request_addr": addresses.request.to_string(),
        "order_addr": addresses.order.to_string(),
        "session": session,
        "send_buffer_bytes": addresses.send_buffer_bytes,
        "instruments": instruments.collect::<Vec<_>>(),
    })
}

/// `{"event":"progress", …}`.
#[must_use]
pub fn progress(venue: &Venue, elapsed_ns: u64, replay: Option<ReplayProgress>) -> Value {
    let account = venue.account();
    json!({
        "event": "progress",
        "itch_messages": venue.itch_messages(),
        "orders": account.counts.received_new,
        "fills": account.fills().len(),
        "elapsed_s": format!("{}.{:03}", elapsed_ns / 1_000_000_000, elapsed_ns / 1_000_000 % 1_000),
        "itch_file_done": replay.map(|replay| replay.is_done()),
        "itch_file": replay.map(|replay| replay_value(&replay)),
    })
}

/// `{"event":"account", …}`: everything the venue knows of the account and of its own feed.
#[must_use]
pub fn account(venue: &Venue, faults: FaultCounts, bare: BareCounts, replay: Option<ReplayProgress>) -> Value {
    let account = venue.account();
    json!({
        "event": "account",
        "itch": {
            "messages": venue.itch_messages(),
            "by_type": types(venue.by_type()),
            "last_sequence": venue.itch_messages(),
        },
        "itch_file": replay.map(|replay| replay_value(&replay)),
        "datagrams": {
            "made": faults.made,
            "sent": faults.sent,
            "dropped": faults.dropped,
            "duplicated": faults.duplicated,
            "malformed": faults.malformed,
            "heartbeats": bare.heartbeats,
            "end_of_session": bare.ends,
            "requests": bare.requests,
            "request_replies": bare.replies,
        },
        "sessions": {
            "logins": venue.sessions().logins(),
            "sequenced_messages": venue.sessions().stream().len(),
        },
        "orders": orders(account),
        "fills": { "count": account.fills().len(), "quantity": account.filled_quantity() },
        "positions": account.positions().map(|(symbol, p)| position(&symbol_text(symbol), p)).collect::<Vec<_>>(),
        "self_match_prevented": account.counts.self_match_prevented,
    })
}

/// What a scan found.
#[must_use]
pub fn scan(found: &Scan) -> Value {
    let price = |price: Option<u32>| price.map(|price| price_text(u64::from(price)));
    let symbols = found.symbols.iter().map(|symbol| {
        json!({
            "symbol": symbol_text(&symbol.symbol),
            "stock_locate": symbol.stock_locate,
            "round_lot": symbol.round_lot,
            "first_price": price(symbol.first_price),
            "min_price": price(symbol.min_price),
            "max_price": price(symbol.max_price),
            "messages": symbol.messages,
        })
    });
    json!({
        "symbols": symbols.collect::<Vec<_>>(),
        "by_type": types(&found.by_type),
        "messages": found.messages,
        "first_ts": found.first_timestamp_ns,
        "last_ts": found.last_timestamp_ns,
    })
}

fn replay_value(replay: &ReplayProgress) -> Value {
    json!({
        "played": replay.played,
        "total": replay.total,
        "done": replay.is_done(),
        "played_ns": replay.played_ns,
        "total_ns": replay.total_ns,
    })
}

fn types(by_type: &BTreeMap<u8, u64>) -> Value {
    let entry = |(&code, &count): (&u8, &u64)| (char::from(code).to_string(), json!(count));
    Value::Object(by_type.iter().map(entry).collect::<Map<_, _>>())
}

fn orders(account: &Account) -> Value {
    let counts = &account.counts;
    json!({
        "received_new": counts.received_new,
        "received_replace": counts.received_replace,
        "received_cancel": counts.received_cancel,
        "received_modify": counts.received_modify,
        "received_mass_cancel": counts.received_mass_cancel,
        "ignored": counts.ignored,
        "malformed": counts.malformed,
        "accepted": counts.accepted,
        "rejected": counts.rejected,
        "canceled": counts.canceled,
        "replaced": counts.replaced,
        "canceled_on_disconnect": counts.canceled_on_disconnect,
        "open": account.live().len(),
        "by_user_ref_num": account.orders().map(order).collect::<Vec<_>>(),
    })
}

fn order(order: &AccountOrder) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    let side = order.side.map(|side| match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    });
    json!({
        "user_ref_num": order.user_ref_num,
        "orig_user_ref_num": order.orig_user_ref_num,
        "cl_ord_id": text(&order.cl_ord_id),
        "symbol": symbol_text(&order.symbol),
        "side": side,
        "qty": order.qty,
        "price": price_text(order.price),
        "state": order.state.name(),
        "executed": order.executed,
        "executed_before": order.executed_before,
        "canceled": order.canceled,
        "open": order.open,
        "order_reference_number": order.reference,
        "reject_reason": order.reject_reason,
    })
}

fn position(symbol: &str, position: &Position) -> Value {
    let qty = position.qty();
    json!({
        "symbol": symbol,
        // Shares fit 64 bits: a million shares times the UserRefNums of a session.
        "qty": i64::try_from(qty).unwrap_or(i64::MAX),
        "buy_qty": position.buy_qty,
        "sell_qty": position.sell_qty,
        "notional": notional_text(position.buy_notional + position.sell_notional),
        "buy_notional": notional_text(position.buy_notional),
        "sell_notional": notional_text(position.sell_notional),
    })
}

#[cfg(test)]
mod tests {
    use super::notional_text;

    #[test]
    fn notionals_are_exact() {
        assert_eq!(notional_text(0), "0");
        assert_eq!(notional_text(1_000_050), "100.005");
        assert_eq!(notional_text(-1), "-0.0001");
        assert_eq!(notional_text(i128::from(i64::MAX) * 10_000), "9223372036854775807");
    }
}
