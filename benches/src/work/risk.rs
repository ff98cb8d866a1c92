//! Risk's accept path: an intent in, every control judged, the quantity reserved, the stamped entry out. 1,024 symbols.

use crate::micro::Workload;
use crate::work::seed::Seed;
use machine::Machine;
use orders::Stamps;
use orders::report::refusal;
use risk::config::{Instrument, LimitRow, RiskConfig};
use risk::limits::Settings;
use risk::machine::{Input, Output, RingStart, Risk};
use shm_layout::message::order::{NewOrderSingle, OrderHeader, OrderKind, OrderRequest};
use shm_layout::message::step::Reference;
use shm_layout::types::{
    BookValidity, ClOrdId, InstrumentId, Nanos, OrdType, Price, Qty, RejectReason, Side, TimeInForce, TradingStatus,
    UNITS,
};

/// Symbols of the table.
const SYMBOLS: u32 = 1024;
/// Intents of a pass: they are reserved at once.
const INTENTS: u32 = 4096;
/// Orders that risk has room for.
const ORDERS_MAX: usize = 8192;

/// Risk with limits for every symbol, and a batch of intents that all pass.
#[derive(Debug)]
pub struct RiskWork {
    risk: Risk,
    intents: Vec<Input>,
    /// Requests that wait for the venue's terminal evidence.
    reserved: Vec<OrderRequest>,
    now: Nanos,
    counter: u32,
    journal_sequence: u64,
}

/// Limits that the work stays within, of one strategy in `symbols`.
///
/// # Panics
/// Never: the configuration is valid.
#[must_use]
pub fn settings(symbols: &[String], orders_max: usize) -> Settings {
    let row = |symbol: &String| Instrument {
        symbol: symbol.clone(),
        tick_size: Price(UNITS / 100),
        lot_size: Qty(UNITS),
        price_max: Price(100_000 * UNITS),
        order_qty_max: Qty(999_999 * UNITS),
    };
    let table: Vec<_> = symbols.iter().map(row).collect();
    let limit = LimitRow {
        strategy: 0,
        symbol: "*".to_owned(),
        order_qty_max: "10000".to_owned(),
        order_notional_max: "10000000".to_owned(),
        position_max: "1000000".to_owned(),
        price_collar_pct: "5".to_owned(),
        messages_per_second: 1_000_000_000,
        burst: 1_000_000,
        cancel_reserve: Some(1000),
    };
    let config = RiskConfig {
        lease_ms: 100,
        channel_stale_ms: 60_000,
        limit_version: 1,
        orders_max,
        limits: vec![limit],
        restrictions: Vec::new(),
    };
    config.resolve(&table, 1, 1).expect("a valid configuration")
}

impl RiskWork {
    /// Risk that knows a trusted market of every symbol.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "making the input is work, not a default")]
    pub fn new() -> Self {
        let symbols: Vec<_> = (0..SYMBOLS).map(|row| format!("S{row}")).collect();
        let settings = settings(&symbols, ORDERS_MAX);
        let now = Nanos(1_000_000_000_000);
        let state = Risk::orders_state(&settings);
        let mut risk = Risk::restore(settings, state, 1, &[RingStart::default()], Nanos(0));
        for row in 0..SYMBOLS {
            let reference = Reference {
                instrument_id: InstrumentId(row),
                validity: BookValidity::Trusted,
                trading_status: TradingStatus::Trading,
                bid: Price(100 * UNITS),
                ask: Price(100 * UNITS + UNITS / 100),
                // Ahead of every `now` of the work: its market never goes stale.
                receive_ns: Nanos(u64::MAX / 2),
                channel_sequence: 1,
            };
            risk.on_input(now, &Input::Reference(reference), &mut |_| {});
        }
        let mut seed = Seed(5);
        let intents = (0..INTENTS).map(|_| intent(&mut seed)).collect();
        Self { risk, intents, reserved: Vec::new(), now, counter: 0, journal_sequence: 0 }
    }
}

fn intent(seed: &mut Seed) -> Input {
    let header = OrderHeader {
        kind: OrderKind::NewOrderSingle as u8,
        side: if seed.below(2) == 0 { Side::Buy } else { Side::Sell } as u8,
        ord_type: OrdType::Limit as u8,
        time_in_force: TimeInForce::Day as u8,
        instrument_id: InstrumentId(seed.below(u64::from(SYMBOLS)) as u32),
        cause_sequence: 1,
        receive_ns: Nanos(1_000_000_000_000),
        ..OrderHeader::default()
    };
    let price = Price(100 * UNITS + seed.below(100) as i64 * UNITS / 100);
    let order_qty = Qty((1 + seed.below(100) as i64) * UNITS);
    let order = NewOrderSingle { header, price, order_qty, ..NewOrderSingle::default() };
    Input::Intent { strategy: 0, sequence: 0, request: Ok(OrderRequest::NewOrderSingle(order)) }
}

impl Workload for RiskWork {
    fn operations(&self) -> u64 {
        u64::from(INTENTS)
    }

    /// The venue refuses every order of the last pass: its reservation ends. The next pass has new ids.
    fn prepare(&mut self) {
        for request in std::mem::take(&mut self.reserved) {
            self.journal_sequence += 1;
            let stamps = Stamps {
                journal_sequence: self.journal_sequence,
                receive_ns: Nanos(0),
                gateway_delta_ns: 0,
                reason: RejectReason::Venue,
            };
            let end = refusal(&request, None, &stamps);
            self.risk.on_input(self.now, &Input::Execution(end), &mut |_| {});
        }
        assert!(self.risk.void().is_none(), "the fold follows");
        assert_eq!(self.risk.exposures().reservations().count(), 0, "everything is released");
        if self.counter > ClOrdId::COUNTER_MAX - 2 * INTENTS {
            panic!("the measurement outlived its ids");
        }
        for input in &mut self.intents {
            self.counter += 1;
            if let Input::Intent { sequence, request: Ok(OrderRequest::NewOrderSingle(order)), .. } = input {
                *sequence = u64::from(self.counter);
                order.header.cl_ord_id = ClOrdId::new(0, 1, 0, self.counter).expect("a small counter");
            }
        }
        self.reserved.reserve(INTENTS as usize);
    }

    fn pass(&mut self) -> u64 {
        let Self { risk, intents, reserved, now, .. } = self;
        let mut sum = 0_u64;
        for input in intents.iter() {
            *now = now.plus(1000);
            risk.on_input(*now, input, &mut |Output::Entry { request, .. }| {
                let header = request.header();
                assert!(header.reject_reason == 0, "every intent passes");
                sum = sum.rotate_left(1).wrapping_add(header.exposure_before.0 as u64 ^ header.risk_sequence);
                reserved.push(request);
            });
        }
        sum
    }
}
