//! Codecs: a busy moment of a feed as ITCH bytes, decoded with every field of the order messages read; MoldUDP64 packets;
//! OUCH both ways.

use crate::micro::Workload;
use crate::work::flow::{FIRST_BASE, Flow};
use crate::work::seed::Seed;
use protocols::Alpha;
use protocols::itch::binary_file::{Reader, encode_frame};
use protocols::itch::{
    self, AddOrderRepr, LENGTH_MAX, OrderCancelRepr, OrderDeleteRepr, OrderExecutedRepr, OrderReplaceRepr, Repr,
};
use protocols::moldudp64::{Packet, PacketBuilder, Session};
use protocols::ouch::{EnterOrderRepr, OrderAcceptedRepr, OrderCanceledRepr, OrderExecutedRepr as Executed, Outbound};
use shm_layout::types::Side;

/// A feed's bytes in BinaryFILE framing: of ten messages about four add, four delete, one replaces, and the tenth executes
/// or cancels a part.
#[must_use]
pub fn generated_itch() -> Vec<u8> {
    let flow = Flow::hot();
    let mut seed = Seed(3);
    let mut bytes = Vec::new();
    let mut put = |repr: Repr| {
        let (mut message, mut frame) = ([0; LENGTH_MAX], [0; LENGTH_MAX + 2]);
        let length = repr.encode_into(&mut message).expect("an order message");
        let length = encode_frame(&message[..length], &mut frame).expect("a message is not empty");
        bytes.extend_from_slice(&frame[..length]);
    };
    let (stock_locate, tracking_number) = (1, 0);
    for (step, reference) in flow.steps.iter().zip(FIRST_BASE..) {
        let timestamp_ns = 34_200_000_000_000 + reference * 977;
        let leaves = FIRST_BASE.wrapping_add_signed(step.leaves);
        let (shares, price) = (step.comes.shares, step.comes.ticks * 100);
        if seed.below(100) < 10 {
            let (original_order_reference_number, new_order_reference_number) = (leaves, reference);
            put(Repr::OrderReplace(OrderReplaceRepr {
                stock_locate,
                tracking_number,
                timestamp_ns,
                original_order_reference_number,
                new_order_reference_number,
                shares,
                price,
            }));
            continue;
        }
        put(Repr::OrderDelete(OrderDeleteRepr {
            stock_locate,
            tracking_number,
            timestamp_ns,
            order_reference_number: leaves,
        }));
        let side = if step.comes.side == Side::Buy { b'B' } else { b'S' };
        put(Repr::AddOrder(AddOrderRepr {
            stock_locate,
            tracking_number,
            timestamp_ns,
            order_reference_number: reference,
            side,
            shares,
            stock: Alpha(*b"TICKWAY "),
            price,
        }));
        match seed.below(10) {
            0 => put(Repr::OrderExecuted(OrderExecutedRepr {
                stock_locate,
                tracking_number,
                timestamp_ns,
                order_reference_number: reference,
                executed_shares: 1,
                match_number: reference,
            })),
            1 => put(Repr::OrderCancel(OrderCancelRepr {
                stock_locate,
                tracking_number,
                timestamp_ns,
                order_reference_number: reference,
                cancelled_shares: 1,
            })),
            _ => {}
        }
    }
    bytes
}

/// The fields of an order message that every decoder must read, as one number.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fields {
    /// Locate code.
    pub stock_locate: u16,
    /// Nanoseconds since midnight.
    pub timestamp_ns: u64,
    /// The order (of a replace: the new one).
    pub reference: u64,
    /// The order that a replace ends, or the match of an execution; else 0.
    pub other: u64,
    /// Side byte of an add; else 0.
    pub side: u8,
    /// Shares added, executed or cancelled.
    pub shares: u32,
    /// Price with four decimals; 0 where there is none.
    pub price: u32,
}

impl Fields {
    /// One number that depends on every field.
    #[inline]
    #[must_use]
    pub const fn sum(&self) -> u64 {
        let head = self.timestamp_ns.wrapping_add((self.stock_locate as u64) << 48);
        let terms = (self.shares as u64) << 20 ^ (self.price as u64) << 32 ^ self.side as u64;
        head ^ terms ^ self.reference.wrapping_add(self.other.rotate_left(7))
    }
}

/// Every field of an order message as one number; 0 of other messages.
#[inline]
#[must_use]
pub fn sum_of(message: &itch::Message<'_>) -> u64 {
    use itch::Message as M;
    macro_rules! fields {
        ($m:ident, $reference:ident $(, $field:ident: $value:expr)*) => {
            Fields {
                stock_locate: $m.stock_locate(),
                timestamp_ns: $m.timestamp_ns(),
                reference: $m.$reference(),
                $($field: $value,)*
                ..Fields::default()
            }
            .sum()
        };
    }
    match message {
        M::AddOrder(m) => {
            fields!(m, order_reference_number, side: m.side(), shares: m.shares(), price: m.price())
        }
        M::OrderExecuted(m) => {
            fields!(m, order_reference_number, shares: m.executed_shares(), other: m.match_number())
        }
        M::OrderCancel(m) => fields!(m, order_reference_number, shares: m.cancelled_shares()),
        M::OrderDelete(m) => fields!(m, order_reference_number),
        M::OrderReplace(m) => fields!(
            m,
            new_order_reference_number,
            shares: m.shares(),
            price: m.price(),
            other: m.original_order_reference_number()
        ),
        _ => 0,
    }
}

/// Frame walk and decode of a BinaryFILE.
#[derive(Debug)]
pub struct ItchDecode {
    bytes: Vec<u8>,
    messages: u64,
}

impl ItchDecode {
    /// Of a generated feed.
    #[must_use]
    pub fn generated() -> Self {
        Self::of(generated_itch())
    }

    /// Of a file's bytes.
    ///
    /// # Panics
    /// When it is no BinaryFILE of ITCH messages.
    #[must_use]
    pub fn of(bytes: Vec<u8>) -> Self {
        let messages = Reader::new(&bytes).inspect(|frame| assert!(frame.is_ok(), "{frame:?}")).count() as u64;
        Self { bytes, messages }
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Workload for ItchDecode {
    fn operations(&self) -> u64 {
        self.messages
    }

    fn pass(&mut self) -> u64 {
        let mut sum = 0_u64;
        for frame in Reader::new(&self.bytes) {
            let Ok((_, message)) = frame else { unreachable!("read whole at the start") };
            if let Ok(message) = itch::Message::parse(message) {
                sum = sum.wrapping_add(sum_of(&message));
            }
        }
        sum
    }
}

/// MoldUDP64 packets checked whole, and their messages walked. An operation is a message.
#[derive(Debug)]
pub struct MoldWalk {
    packets: Vec<Vec<u8>>,
    messages: u64,
}

impl MoldWalk {
    /// Packets filled to an Ethernet frame.
    ///
    /// # Panics
    /// Never: the messages are far shorter than a packet.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "making the input is work, not a default")]
    pub fn new() -> Self {
        let bytes = generated_itch();
        let mut frames = Reader::new(&bytes).map(|frame| frame.expect("generated").1).peekable();
        let (mut packets, mut sequence) = (Vec::new(), 1);
        while frames.peek().is_some() {
            let mut out = [0; protocols::moldudp64::PAYLOAD_MAX];
            let session = Session::padded(b"BENCH").expect("a short name");
            let mut builder = PacketBuilder::new(&mut out, session, sequence).expect("room for a header");
            while let Some(message) = frames.next_if(|message| builder.push(message)) {
                assert!(!message.is_empty());
            }
            sequence += u64::from(builder.count());
            packets.push(builder.finish().to_vec());
        }
        Self { packets, messages: sequence - 1 }
    }
}

impl Workload for MoldWalk {
    fn operations(&self) -> u64 {
        self.messages
    }

    fn pass(&mut self) -> u64 {
        let mut sum = 0_u64;
        for packet in &self.packets {
            let packet = Packet::new_checked(packet).expect("built whole");
            for (sequence, message) in packet.messages() {
                sum = sum.wrapping_add(sequence ^ u64::from(message[0]) << 56 ^ message.len() as u64);
            }
        }
        sum
    }
}

/// Messages of an OUCH batch.
const OUCH_MESSAGES: u32 = 4096;

/// `EnterOrder` messages encoded into one buffer after another.
#[derive(Debug)]
pub struct OuchEncode {
    orders: Vec<EnterOrderRepr>,
    out: Vec<u8>,
}

/// Bytes kept for each message.
const OUCH_ROOM: usize = 64;

impl OuchEncode {
    /// A batch of orders.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "making the input is work, not a default")]
    pub fn new() -> Self {
        let mut seed = Seed(4);
        let order = |user_ref_num| EnterOrderRepr {
            user_ref_num,
            side: if seed.below(2) == 0 { b'B' } else { b'S' },
            quantity: 1 + seed.below(999) as u32,
            symbol: Alpha(*b"TICKWAY "),
            price: 1_000_000 + 100 * seed.below(100),
            time_in_force: b'0',
            display: b'Y',
            capacity: b'P',
            intermarket_sweep: b'N',
            cross_type: b'N',
            cl_ord_id: Alpha(*b"0ABCDEFGHIJKL "),
        };
        Self { orders: (1..=OUCH_MESSAGES).map(order).collect(), out: vec![0; OUCH_ROOM * OUCH_MESSAGES as usize] }
    }
}

impl Workload for OuchEncode {
    fn operations(&self) -> u64 {
        u64::from(OUCH_MESSAGES)
    }

    fn pass(&mut self) -> u64 {
        let mut sum = 0_u64;
        for (order, out) in self.orders.iter().zip(self.out.chunks_exact_mut(OUCH_ROOM)) {
            let length = order.encode_into(out).expect("a valid order fits");
            sum = sum.rotate_left(5).wrapping_add(u64::from(out[4]) ^ (length as u64) << 8 ^ u64::from(out[9]) << 16);
        }
        std::hint::black_box(&self.out);
        sum
    }
}

/// `OrderAccepted`, `OrderExecuted` and `OrderCanceled` messages decoded, every number of them read.
#[derive(Debug)]
pub struct OuchDecode {
    messages: Vec<Vec<u8>>,
}

impl OuchDecode {
    /// A batch of answers: of four orders all are accepted, two executed, one canceled.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "making the input is work, not a default")]
    pub fn new() -> Self {
        let answers = (1..=OUCH_MESSAGES).map(|number| {
            let mut out = [0; 128];
            let length = match number % 7 {
                0 | 2 | 4 | 6 => accepted(number).encode_into(&mut out),
                1 | 5 => executed(number).encode_into(&mut out),
                _ => OrderCanceledRepr { timestamp_ns: 9, user_ref_num: number, decrement: 3, reason: b'U' }
                    .encode_into(&mut out),
            };
            out[..length.expect("an answer fits")].to_vec()
        });
        Self { messages: answers.collect() }
    }
}

fn accepted(user_ref_num: u32) -> OrderAcceptedRepr {
    OrderAcceptedRepr {
        timestamp_ns: 34_200_000_000_000,
        user_ref_num,
        side: b'B',
        quantity: 100,
        symbol: Alpha(*b"TICKWAY "),
        price: 1_000_000,
        time_in_force: b'0',
        display: b'Y',
        order_reference_number: u64::from(user_ref_num) << 8,
        capacity: b'P',
        intermarket_sweep: b'N',
        cross_type: b'N',
        order_state: b'L',
        cl_ord_id: Alpha(*b"0ABCDEFGHIJKL "),
    }
}

fn executed(user_ref_num: u32) -> Executed {
    let (timestamp_ns, match_number) = (34_200_000_000_000, u64::from(user_ref_num));
    Executed { timestamp_ns, user_ref_num, quantity: 100, price: 1_000_000, liquidity_flag: b'A', match_number }
}

impl Workload for OuchDecode {
    fn operations(&self) -> u64 {
        self.messages.len() as u64
    }

    fn pass(&mut self) -> u64 {
        let mut sum = 0_u64;
        for message in &self.messages {
            let found = match Outbound::parse(message).expect("encoded whole") {
                Outbound::OrderAccepted(m) => {
                    u64::from(m.user_ref_num())
                        ^ m.price() << 24
                        ^ u64::from(m.quantity()) << 8
                        ^ m.order_reference_number().rotate_left(40)
                        ^ u64::from(m.order_state()) << 56
                }
                Outbound::OrderExecuted(m) => {
                    u64::from(m.user_ref_num())
                        ^ m.price() << 24
                        ^ u64::from(m.quantity()) << 8
                        ^ m.match_number() << 40
                }
                Outbound::OrderCanceled(m) => u64::from(m.user_ref_num()) ^ u64::from(m.decrement()) << 32,
                _ => 0,
            };
            sum = sum.rotate_left(1).wrapping_add(found);
        }
        sum
    }
}
