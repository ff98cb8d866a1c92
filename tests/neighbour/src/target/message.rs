//! Words of a slot as the message of each ring: what is accepted has every code in its table, and encodes to the same
//! words.

use crate::bytes::Bytes;
use shm_layout::message::control::Control;
use shm_layout::message::execution::Execution;
use shm_layout::message::market_data::MarketData;
use shm_layout::message::order::OrderRequest;
use shm_layout::message::step::{Reference, Step};
use shm_layout::message::wire::WireChunk;
use shm_layout::message::{Words64, Words128};
use shm_layout::types::Role;

/// The input as the message of every ring.
pub fn any(input: &[u8]) {
    narrow(&Bytes::new(input).words());
    wide(&Bytes::new(input).words());
}

/// A 64-byte slot's words as each message that such a slot may hold; true when any of them took it.
pub fn narrow(words: &Words64) -> bool {
    let market = MarketData::decode(words).is_ok_and(|message| {
        assert_eq!(message.encode(), *words);
        let header = message.header();
        let (_, _, _) = (header.validity(), header.trading_status(), header.channel_state());
        if matches!(message, MarketData::TopOfBook(_) | MarketData::DepthChange(_) | MarketData::Trade(_)) {
            let _ = header.side();
        }
        true
    });
    let control = Control::decode(words).is_ok_and(|message| {
        assert_eq!(message.encode(), *words);
        let _ = (message.kind(), message.is_for(Role::Risk, 0));
        true
    });
    let step = Step::decode(words).is_ok_and(|message| {
        assert_eq!(message.encode(), *words);
        let _ = (message.kind(), Reference::from_step(&message));
        true
    });
    market || control || step
}

/// A 128-byte slot's words, likewise.
pub fn wide(words: &Words128) -> bool {
    let order = OrderRequest::decode(words).is_ok_and(|message| {
        assert_eq!(message.encode(), *words);
        let header = message.header();
        let _ = (header.side(), header.reject_reason(), message.intent_sequence(), message.orig_cl_ord_id());
        true
    });
    let execution = Execution::decode(words).is_ok_and(|message| {
        assert_eq!(message.encode(), *words);
        if let Execution::Report(report) | Execution::CancelReject(report) = message {
            let _ = (report.side(), report.ord_status(), report.exec_type());
        }
        let _ = message.journal_sequence();
        true
    });
    let wire = WireChunk::decode(words).is_ok_and(|chunk| {
        assert_eq!(chunk.encode(), *words);
        assert_eq!(chunk.bytes().len(), usize::from(chunk.length));
        true
    });
    order || execution || wire
}
