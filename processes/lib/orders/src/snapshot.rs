//! The snapshot that the supervisor's rebuild writes for a restarting strategy or risk; drawn byte by byte in this
//! crate's README. Little-endian, versioned, under one FNV-1a checksum, and refused whole when anything is wrong.
//!
//! It holds what the canonical hash covers (live orders, positions, counts) and nothing else: terminal orders are not
//! carried over.

use crate::order::{LiveState, Order, PendingCancel, PendingReplace};
use crate::position::Position;
use crate::state::{Counts, OrdersState};
use shm_layout::topology::RingId;
use shm_layout::types::{ClOrdId, InstrumentId, Notional, Price, Qty, Role, Side, fnv1a64, fnv1a64_more};

/// First eight bytes.
pub const MAGIC: [u8; 8] = *b"TKWSNAP\x01";
/// Version of the format.
pub const VERSION: u32 = 2;
/// Bytes of the file's header.
pub const HEADER_BYTES: usize = 64;
/// Bytes of an intent ring's entry.
pub const RING_BYTES: usize = 32;
/// Bytes of a gateway's header.
pub const GATEWAY_BYTES: usize = 64;
/// Bytes of an order.
pub const ORDER_BYTES: usize = 144;
/// Bytes of a position.
pub const POSITION_BYTES: usize = 112;

const CHECKSUM: std::ops::Range<usize> = 40..48;
const ALL_STRATEGIES: u32 = u32::MAX;

mod flag {
    pub const ACCEPTED: u8 = 1;
    pub const SENT: u8 = 2;
    pub const CANCEL: u8 = 4;
    pub const CANCEL_SENT: u8 = 8;
    pub const REPLACE: u8 = 16;
    pub const REPLACE_SENT: u8 = 32;
}

/// What a restarting process starts from.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Role that it is for.
    pub role: Role,
    /// Index of that role.
    pub index: u8,
    /// Epoch of the process that will read it.
    pub epoch: u32,
    /// For a strategy the highest ClOrdID that any journal holds of it; else `NONE`.
    pub last_cl_ord_id: ClOrdId,
    /// For risk, one entry per `order_intent` ring.
    pub intent_rings: Vec<IntentRing>,
    /// One entry per gateway.
    pub gateways: Vec<GatewayState>,
}

/// Where a new risk takes up an `order_intent` ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IntentRing {
    /// The ring.
    pub ring: RingId,
    /// Highest intent sequence seen in `order_entry` or the journal: up to it, everything was forwarded.
    pub resume_after: u64,
    /// The ring's published cursor at the fence: up to it, what was not forwarded is rejected and never forwarded.
    pub fence: u64,
}

/// The state that one gateway's journal leads to.
#[derive(Clone, Debug)]
pub struct GatewayState {
    /// Index of the gateway.
    pub gateway: u8,
    /// Orders and positions through `state.through_journal_sequence()`.
    pub state: OrdersState,
}

/// What the reader's states are built for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capacity {
    /// Orders of one gateway.
    pub orders: usize,
    /// Instruments of the host's table.
    pub instruments: usize,
    /// Strategies (of an unfiltered state).
    pub strategies: usize,
}

/// Why a snapshot was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The first bytes are not a snapshot's.
    #[error("not a snapshot")]
    Magic,
    /// Written by another version.
    #[error("snapshot version {0}, this build reads {VERSION}")]
    Version(u32),
    /// Shorter or longer than it says.
    #[error("snapshot is cut or padded")]
    Length,
    /// The checksum is wrong.
    #[error("snapshot checksum is wrong")]
    Checksum,
    /// A field is impossible, or a reserved byte is not zero.
    #[error("snapshot field {0} is impossible")]
    Field(&'static str),
    /// More than the reader was built for.
    #[error("snapshot exceeds the capacity for {0}")]
    Capacity(&'static str),
}

impl Snapshot {
    /// The bytes of the file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Out(Vec::new());
        out.bytes(&MAGIC);
        out.u32(VERSION);
        out.bytes(&[self.role as u8, self.index]);
        out.u16(u16::try_from(self.gateways.len()).expect("at most 256 gateways"));
        out.u32(self.epoch);
        out.u32(u32::try_from(self.intent_rings.len()).expect("at most 2³² rings"));
        out.u64(self.last_cl_ord_id.0);
        out.u64(0);
        out.u64(0);
        out.u64(0);
        out.u64(0);
        for ring in &self.intent_rings {
            out.u32(ring.ring.to_u32());
            out.u32(0);
            out.u64(ring.resume_after);
            out.u64(ring.fence);
            out.u64(0);
        }
        for GatewayState { gateway, state } in &self.gateways {
            encode_gateway(&mut out, *gateway, state);
        }
        let mut bytes = out.0;
        let length = bytes.len() as u64;
        bytes[32..40].copy_from_slice(&length.to_le_bytes());
        let checksum = checksum(&bytes);
        bytes[CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads a snapshot into states of the reader's own capacity.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn decode(bytes: &[u8], capacity: &Capacity) -> Result<Self, SnapshotError> {
        if bytes.len() < HEADER_BYTES {
            return Err(SnapshotError::Length);
        }
        if bytes[..8] != MAGIC {
            return Err(SnapshotError::Magic);
        }
        let mut input = In { bytes, offset: 8 };
        let version = input.u32()?;
        if version != VERSION {
            return Err(SnapshotError::Version(version));
        }
        let role = Role::from_u8(input.u8()?).ok_or(SnapshotError::Field("role"))?;
        let index = input.u8()?;
        let gateways = input.u16()?;
        let epoch = input.u32()?;
        let rings = input.u32()?;
        let last_cl_ord_id = ClOrdId(input.u64()?);
        if input.u64()? != bytes.len() as u64 {
            return Err(SnapshotError::Length);
        }
        if input.u64()? != checksum(bytes) {
            return Err(SnapshotError::Checksum);
        }
        input.zero(16)?;
        let intent_rings = (0..rings).map(|_| decode_ring(&mut input)).collect::<Result<_, _>>()?;
        let gateways = (0..gateways).map(|_| decode_gateway(&mut input, capacity)).collect::<Result<_, _>>()?;
        if input.offset != bytes.len() {
            return Err(SnapshotError::Length);
        }
        Ok(Self { role, index, epoch, last_cl_ord_id, intent_rings, gateways })
    }
}

/// FNV-1a of the file with its checksum field as zero.
fn checksum(bytes: &[u8]) -> u64 {
    let head = fnv1a64_more(fnv1a64(&bytes[..CHECKSUM.start]), &[0; 8]);
    fnv1a64_more(head, &bytes[CHECKSUM.end..])
}

fn encode_gateway(out: &mut Out, gateway: u8, state: &OrdersState) {
    out.u32(u32::from(gateway));
    out.u32(state.strategy.map_or(ALL_STRATEGIES, u32::from));
    out.u64(state.through_journal_sequence);
    let Counts { reports, cancel_rejects, trades, trade_cancels } = state.counts;
    for count in [reports, cancel_rejects, trades, trade_cancels, state.hash()] {
        out.u64(count);
    }
    out.u32(state.table.live_count() as u32);
    out.u32(state.positions().count() as u32);
    for order in state.live_orders() {
        encode_order(out, order);
    }
    for (strategy, instrument, position) in state.positions() {
        encode_position(out, strategy, instrument, position);
    }
}

fn encode_order(out: &mut Out, order: &Order) {
    let bit = |set: bool, flag: u8| if set { flag } else { 0 };
    out.u64(order.cl_ord_id.0);
    out.u64(order.orig_cl_ord_id.0);
    out.u32(order.instrument_id.0);
    out.u16(order.venue_id);
    out.u16(order.strategy_id);
    out.u16(order.account_id);
    let flags = bit(order.accepted, flag::ACCEPTED)
        | bit(order.sent, flag::SENT)
        | bit(order.cancel.is_some(), flag::CANCEL)
        | bit(order.cancel.is_some_and(|cancel| cancel.sent), flag::CANCEL_SENT)
        | bit(order.replace.is_some(), flag::REPLACE)
        | bit(order.replace.is_some_and(|replace| replace.sent), flag::REPLACE_SENT);
    out.bytes(&[order.side as u8, order.state as u8, flags, 0, 0, 0]);
    out.u32(order.limit_version);
    out.u32(order.parent_id);
    out.u32(order.risk_epoch);
    out.u32(0);
    out.u64(order.risk_sequence);
    out.u64(order.cause_sequence);
    for value in [order.price.0, order.order_qty.0, order.leaves_qty.0, order.cum_qty.0] {
        out.u64(value as u64);
    }
    out.i128(order.cum_notional.0);
    out.u64(order.cancel.map_or(0, |cancel| cancel.cl_ord_id.0));
    out.u64(order.replace.map_or(0, |replace| replace.cl_ord_id.0));
    out.u64(order.replace.map_or(0, |replace| replace.order_qty.0 as u64));
    out.u64(order.replace.map_or(0, |replace| replace.price.0 as u64));
}

fn encode_position(out: &mut Out, strategy: u16, instrument: InstrumentId, position: &Position) {
    out.u16(strategy);
    out.u16(0);
    out.u32(instrument.0);
    out.u64(position.qty.0 as u64);
    out.u64(position.start_qty.0 as u64);
    out.u64(position.start_px.0 as u64);
    out.u64(position.fills);
    out.u64(0);
    for sum in [position.bought_qty, position.sold_qty, position.buy_notional.0, position.sell_notional.0] {
        out.i128(sum);
    }
}

fn decode_ring(input: &mut In<'_>) -> Result<IntentRing, SnapshotError> {
    let ring = RingId::from_u32(input.u32()?).ok_or(SnapshotError::Field("ring"))?;
    input.zero(4)?;
    let entry = IntentRing { ring, resume_after: input.u64()?, fence: input.u64()? };
    input.zero(8)?;
    Ok(entry)
}

fn decode_gateway(input: &mut In<'_>, capacity: &Capacity) -> Result<GatewayState, SnapshotError> {
    let gateway = u8::try_from(input.u32()?).map_err(|_| SnapshotError::Field("gateway"))?;
    let mut state = match input.u32()? {
        ALL_STRATEGIES => OrdersState::with_capacity(capacity.orders, capacity.instruments, capacity.strategies),
        strategy => {
            let strategy = u16::try_from(strategy).map_err(|_| SnapshotError::Field("strategy"))?;
            OrdersState::for_strategy(Some(strategy), capacity.orders, capacity.instruments)
        }
    };
    state.through_journal_sequence = input.u64()?;
    state.counts = Counts {
        reports: input.u64()?,
        cancel_rejects: input.u64()?,
        trades: input.u64()?,
        trade_cancels: input.u64()?,
    };
    let hash = input.u64()?;
    let (orders, positions) = (input.u32()?, input.u32()?);
    for _ in 0..orders {
        let order = decode_order(input)?;
        let row = state.table.insert(order).map_err(|_| SnapshotError::Capacity("orders"))?;
        state.rehash(row);
    }
    for _ in 0..positions {
        let (strategy, instrument, position) = decode_position(input)?;
        let index = state.position_index(strategy, instrument).map_err(|_| SnapshotError::Capacity("positions"))?;
        state.set_position(strategy, instrument, index, position);
    }
    if state.hash() != hash { Err(SnapshotError::Field("state_hash")) } else { Ok(GatewayState { gateway, state }) }
}

fn decode_order(input: &mut In<'_>) -> Result<Order, SnapshotError> {
    let (cl_ord_id, orig_cl_ord_id) = (ClOrdId(input.u64()?), ClOrdId(input.u64()?));
    let instrument_id = InstrumentId(input.u32()?);
    let (venue_id, strategy_id, account_id) = (input.u16()?, input.u16()?, input.u16()?);
    let side = Side::from_u8(input.u8()?).ok_or(SnapshotError::Field("side"))?;
    let state = LiveState::from_u8(input.u8()?).filter(|state| !state.is_terminal());
    let state = state.ok_or(SnapshotError::Field("state"))?;
    let flags = input.u8()?;
    let has = |flag: u8| flags & flag != 0;
    input.zero(3)?;
    let (limit_version, parent_id, risk_epoch) = (input.u32()?, input.u32()?, input.u32()?);
    input.zero(4)?;
    let (risk_sequence, cause_sequence) = (input.u64()?, input.u64()?);
    let (price, order_qty) = (Price(input.i64()?), Qty(input.i64()?));
    let (leaves_qty, cum_qty) = (Qty(input.i64()?), Qty(input.i64()?));
    let cum_notional = Notional(input.i128()?);
    let cancel = PendingCancel { cl_ord_id: ClOrdId(input.u64()?), sent: has(flag::CANCEL_SENT) };
    let (id, qty, px) = (ClOrdId(input.u64()?), Qty(input.i64()?), Price(input.i64()?));
    let replace = PendingReplace { cl_ord_id: id, order_qty: qty, price: px, sent: has(flag::REPLACE_SENT) };
    if leaves_qty.0 <= 0 || cum_qty.0 < 0 || cum_qty.checked_add(leaves_qty) != Some(order_qty) {
        return Err(SnapshotError::Field("quantity"));
    }
    Ok(Order {
        cl_ord_id,
        orig_cl_ord_id,
        instrument_id,
        venue_id,
        strategy_id,
        account_id,
        side,
        state,
        accepted: has(flag::ACCEPTED),
        sent: has(flag::SENT),
        limit_version,
        parent_id,
        risk_epoch,
        risk_sequence,
        cause_sequence,
        price,
        order_qty,
        leaves_qty,
        cum_qty,
        cum_notional,
        cancel: has(flag::CANCEL).then_some(cancel),
        replace: has(flag::REPLACE).then_some(replace),
    })
}

fn decode_position(input: &mut In<'_>) -> Result<(u16, InstrumentId, Position), SnapshotError> {
    let strategy = input.u16()?;
    input.zero(2)?;
    let instrument = InstrumentId(input.u32()?);
    let (qty, start_qty, start_px) = (Qty(input.i64()?), Qty(input.i64()?), Price(input.i64()?));
    let fills = input.u64()?;
    input.zero(8)?;
    let position = Position {
        qty,
        start_qty,
        start_px,
        bought_qty: input.i128()?,
        sold_qty: input.i128()?,
        buy_notional: Notional(input.i128()?),
        sell_notional: Notional(input.i128()?),
        fills,
    };
    Ok((strategy, instrument, position))
}

/// Appends little-endian fields.
struct Out(Vec<u8>);

impl Out {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    fn i128(&mut self, value: i128) {
        self.bytes(&value.to_le_bytes());
    }
}

/// Takes little-endian fields; never reads beyond the end.
struct In<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl In<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let field = self.bytes.get(self.offset..).and_then(|rest| rest.first_chunk()).ok_or(SnapshotError::Length)?;
        self.offset += N;
        Ok(*field)
    }

    fn u8(&mut self) -> Result<u8, SnapshotError> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16, SnapshotError> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, SnapshotError> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, SnapshotError> {
        self.take().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Result<i64, SnapshotError> {
        self.take().map(i64::from_le_bytes)
    }

    fn i128(&mut self) -> Result<i128, SnapshotError> {
        self.take().map(i128::from_le_bytes)
    }

    fn zero(&mut self, count: usize) -> Result<(), SnapshotError> {
        for _ in 0..count {
            if self.u8()? != 0 {
                return Err(SnapshotError::Field("reserved"));
            }
        }
        Ok(())
    }
}
