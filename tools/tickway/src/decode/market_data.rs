//! Messages of `market_data`.

use super::{code_name, instrument, merged, object};
use crate::output::snake;
use serde_json::{Value, json};
use shm_layout::message::market_data::{IntegrityFault, MarketData, MarketDataHeader, MarketDataKind};
use shm_layout::message::{BadMessage, Words64};
use shm_layout::types::{BookValidity, Price, Qty, Side, TradingStatus};

/// A message.
pub(super) fn message(words: Words64) -> Result<Value, BadMessage> {
    let message = MarketData::decode(&words)?;
    let head = header(message.header());
    let priced = |price: Price, qty: Qty| json!({ "price": price.to_string(), "qty": qty.to_string() });
    let rest = match &message {
        MarketData::TopOfBook(m) => priced(m.price, m.qty),
        MarketData::Trade(m) => priced(m.price, m.qty),
        MarketData::DepthChange(m) => {
            json!({ "price": m.price.to_string(), "qty": m.qty.to_string(), "order_count": m.header.detail })
        }
        MarketData::TradingStatus(m) => {
            json!({ "reason": String::from_utf8_lossy(&m.header.detail.to_le_bytes()).trim_matches(['\0', ' ']) })
        }
        MarketData::BookStatus(m) => json!({ "integrity_fault": code_name!(IntegrityFault, m.header.detail as u8) }),
        MarketData::ChannelStatus(m) => json!({ "channel_state": snake(m.header.channel_state().name()) }),
        MarketData::BookReset(_) => json!({}),
    };
    Ok(merged(object(head), rest))
}

fn header(header: &MarketDataHeader) -> Value {
    json!({
        "kind": code_name!(MarketDataKind, header.kind),
        "side": Side::from_u8(header.side).map(|side| snake(side.name())),
        "validity": code_name!(BookValidity, header.validity),
        "trading_status": code_name!(TradingStatus, header.trading_status),
        "instrument_id": instrument(header.instrument_id),
        "receive_ns": header.receive_ns.0,
        "channel_sequence": header.channel_sequence,
        "exchange_ns": header.exchange_ns,
        "feed_delta_ns": header.feed_delta_ns,
    })
}
