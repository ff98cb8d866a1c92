//! Codecs beside their peers: ITCH 5.0 (the frame walk as the limit, itch5, itchy), MoldUDP64, OUCH.
//!
//! Every decoder reads the same fields, and their sums are compared before anything is timed. The real file beside the
//! checkout is measured too, where it lies there.
#![forbid(unsafe_code)]

use benches::micro::{Workload, compare, state_gain, state_over};
use benches::work::codec::{Fields, ItchDecode, MoldWalk, OuchDecode, OuchEncode};
use itch5::messages as five;
use itch5::{MessageHandler, Parser};
use itchy::{Body, MessageStream, Side};
use std::ops::ControlFlow;

/// Real messages, beside the checkout.
const REAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/ritch_reframed.itch50");

/// A decoder over the bytes of a BinaryFILE with so many messages.
struct Decoder {
    bytes: Vec<u8>,
    messages: u64,
    decode: fn(&[u8]) -> u64,
}

impl Workload for Decoder {
    fn operations(&self) -> u64 {
        self.messages
    }

    fn pass(&mut self) -> u64 {
        (self.decode)(&self.bytes)
    }
}

/// The limit: frames walked, one byte of each looked at.
fn frame_walk(bytes: &[u8]) -> u64 {
    let mut rest = bytes;
    let mut sum = 0_u64;
    while let Some((prefix, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*prefix));
        sum = sum.wrapping_add(u64::from(after[0]) << 8 ^ length as u64);
        rest = &after[length..];
    }
    sum
}

/// itch5: zero-copy views handed to a handler.
fn with_itch5(bytes: &[u8]) -> u64 {
    let mut sum = Sum(0);
    Parser::new(bytes).parse_stream(&mut sum).expect("a whole feed");
    sum.0
}

struct Sum(u64);

macro_rules! add {
    ($sum:expr, $m:ident, $reference:ident $(, $field:ident: $value:expr)*) => {{
        let fields = Fields {
            stock_locate: $m.stock_locate(),
            timestamp_ns: $m.timestamp().to_u64(),
            reference: $m.$reference(),
            $($field: $value,)*
            ..Fields::default()
        };
        $sum.0 = $sum.0.wrapping_add(fields.sum());
        ControlFlow::Continue(())
    }};
}

const fn side_byte(side: five::BuySellIndicator) -> u8 {
    match side {
        five::BuySellIndicator::Buy => b'B',
        five::BuySellIndicator::Sell => b'S',
        five::BuySellIndicator::Unknown(byte) => byte,
    }
}

impl MessageHandler for Sum {
    fn on_add_order_no_mpid_attribution(&mut self, m: &five::AddOrderNoMPIDAttribution) -> ControlFlow<()> {
        let side = side_byte(m.buy_sell_indicator());
        add!(self, m, order_reference_number, side: side, shares: m.shares(), price: m.price().into_u32())
    }

    fn on_order_executed(&mut self, m: &five::OrderExecuted) -> ControlFlow<()> {
        add!(self, m, order_reference_number, shares: m.executed_shares(), other: m.match_number())
    }

    fn on_order_cancel(&mut self, m: &five::OrderCancel) -> ControlFlow<()> {
        add!(self, m, order_reference_number, shares: m.cancelled_shares())
    }

    fn on_order_delete(&mut self, m: &five::OrderDelete) -> ControlFlow<()> {
        add!(self, m, order_reference_number)
    }

    fn on_order_replace(&mut self, m: &five::OrderReplace) -> ControlFlow<()> {
        let other = m.original_order_reference_number();
        add!(self, m, new_order_reference_number, shares: m.shares(), price: m.price().into_u32(), other: other)
    }
}

/// itchy: messages read one by one into owned values, as its documentation shows, here from memory.
fn with_itchy(bytes: &[u8]) -> u64 {
    let mut sum = 0_u64;
    for message in MessageStream::from_reader(bytes) {
        let message = message.expect("a whole feed");
        let head = Fields { stock_locate: message.stock_locate, timestamp_ns: message.timestamp, ..Fields::default() };
        let fields = match message.body {
            Body::AddOrder(add) if add.mpid.is_none() => Fields {
                reference: add.reference,
                side: if add.side == Side::Buy { b'B' } else { b'S' },
                shares: add.shares,
                price: add.price.raw(),
                ..head
            },
            Body::OrderExecuted { reference, executed, match_number } => {
                Fields { reference, shares: executed, other: match_number, ..head }
            }
            Body::OrderCancelled { reference, cancelled } => Fields { reference, shares: cancelled, ..head },
            Body::DeleteOrder { reference } => Fields { reference, ..head },
            Body::ReplaceOrder(m) => Fields {
                reference: m.new_reference,
                other: m.old_reference,
                shares: m.shares,
                price: m.price.raw(),
                ..head
            },
            _ => continue,
        };
        sum = sum.wrapping_add(fields.sum());
    }
    sum
}

/// Ours beside the limit and the peers, over the same bytes; states the promises when `promised`.
fn itch(title: &str, mut ours: ItchDecode, promised: bool) {
    let peer = |decode| Decoder { bytes: ours.bytes().to_vec(), messages: ours.operations(), decode };
    let (mut walk, mut five, mut itchy) = (peer(frame_walk), peer(with_itch5), peer(with_itchy));
    let sum = ours.pass();
    assert_eq!([five.pass(), itchy.pass()], [sum, sum], "all decoders read the same fields");
    let figures = compare(
        title,
        &mut [("tickway", &mut ours), ("frame walk (limit)", &mut walk), ("itch5", &mut five), ("itchy", &mut itchy)],
    );
    let [ours, walk, five, itchy] = figures.as_slice() else { unreachable!("four sides were measured") };
    if promised {
        state_over("itch_decode_over_frame_walk", ours, walk);
        state_gain("itch_decode_gain_over_itch5", ours, five);
        state_gain("itch_decode_gain_over_itchy", ours, itchy);
    }
}

fn main() {
    itch("ITCH 5.0, generated: 4 adds and 4 deletes in 10 messages", ItchDecode::generated(), true);
    match std::fs::read(REAL) {
        Ok(bytes) => itch("ITCH 5.0, real messages of 16 hours", ItchDecode::of(bytes), false),
        Err(_) => eprintln!("skipped: no real ITCH file beside the checkout ({REAL})"),
    }
    compare("MoldUDP64, full packets, per message", &mut [("tickway", &mut MoldWalk::new())]);
    compare(
        "OUCH 5.0, per message",
        &mut [("encode EnterOrder", &mut OuchEncode::new()), ("decode answers", &mut OuchDecode::new())],
    );
}
