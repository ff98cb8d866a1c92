//! Market events as ITCH 5.0 bytes.

use crate::instrument::Instrument;
use crate::market::MarketEvent;
use protocols::Alpha;
use protocols::itch::{
    AddOrderRepr, LENGTH_MAX, OrderCancelRepr, OrderDeleteRepr, OrderExecutedRepr, OrderReplaceRepr,
    RegShoRestrictionRepr, Repr, StockDirectoryRepr, StockTradingActionRepr, SystemEventRepr,
};
use shm_layout::types::Side;

/// Nanoseconds in a day: ITCH counts from midnight.
pub const DAY_NS: u64 = 86_400_000_000_000;

/// The ITCH side of an order.
#[must_use]
pub const fn side_byte(side: Side) -> u8 {
    match side {
        Side::Buy => b'B',
        Side::Sell => b'S',
    }
}

/// Writes the messages of one event, in order, each given to `put` as its bytes. Only [`MarketEvent::Directory`] has
/// more than one: directory, trading action, Reg SHO.
pub fn encode(event: &MarketEvent, instruments: &[Instrument], now_ns: u64, put: &mut impl FnMut(&[u8])) {
    let timestamp_ns = now_ns % DAY_NS;
    let locate = |row: usize| instruments[row].stock_locate;
    let stock = |row: usize| Alpha(instruments[row].symbol);
    let tracking_number = 0;
    let repr = match *event {
        MarketEvent::System(event_code) => {
            Repr::SystemEvent(SystemEventRepr { stock_locate: 0, tracking_number, timestamp_ns, event_code })
        }
        MarketEvent::Directory(row) => {
            for repr in directory(&instruments[row], timestamp_ns) {
                put_one(&repr, put);
            }
            return;
        }
        MarketEvent::Add { row, reference, side, shares, price } => Repr::AddOrder(AddOrderRepr {
            stock_locate: locate(row),
            tracking_number,
            timestamp_ns,
            order_reference_number: reference,
            side: side_byte(side),
            shares,
            stock: stock(row),
            price,
        }),
        MarketEvent::Executed { row, reference, shares, match_number } => Repr::OrderExecuted(OrderExecutedRepr {
            stock_locate: locate(row),
            tracking_number,
            timestamp_ns,
            order_reference_number: reference,
            executed_shares: shares,
            match_number,
        }),
        MarketEvent::Cancel { row, reference, shares } => Repr::OrderCancel(OrderCancelRepr {
            stock_locate: locate(row),
            tracking_number,
            timestamp_ns,
            order_reference_number: reference,
            cancelled_shares: shares,
        }),
        MarketEvent::Delete { row, reference } => Repr::OrderDelete(OrderDeleteRepr {
            stock_locate: locate(row),
            tracking_number,
            timestamp_ns,
            order_reference_number: reference,
        }),
        MarketEvent::Replace { row, original, reference, shares, price } => Repr::OrderReplace(OrderReplaceRepr {
            stock_locate: locate(row),
            tracking_number,
            timestamp_ns,
            original_order_reference_number: original,
            new_order_reference_number: reference,
            shares,
            price,
        }),
    };
    put_one(&repr, put);
}

fn put_one(repr: &Repr, put: &mut impl FnMut(&[u8])) {
    let mut bytes = [0; LENGTH_MAX];
    let length = repr.encode_into(&mut bytes).expect("the venue's own values fit their fields");
    put(&bytes[..length]);
}

/// The messages that introduce an instrument before the open.
fn directory(instrument: &Instrument, timestamp_ns: u64) -> [Repr; 3] {
    let stock_locate = instrument.stock_locate;
    let tracking_number = 0;
    let stock = Alpha(instrument.symbol);
    [
        Repr::StockDirectory(StockDirectoryRepr {
            stock_locate,
            tracking_number,
            timestamp_ns,
            stock,
            market_category: b'Q',
            financial_status: b'N',
            round_lot_size: instrument.round_lot,
            round_lots_only: b'N',
            issue_classification: b'C',
            issue_sub_type: Alpha(*b"Z "),
            authenticity: b'T',
            short_sale_threshold: b'N',
            ipo_flag: b'N',
            luld_reference_price_tier: b'1',
            etp_flag: b'N',
            etp_leverage_factor: 0,
            inverse_indicator: b'N',
        }),
        Repr::StockTradingAction(StockTradingActionRepr {
            stock_locate,
            tracking_number,
            timestamp_ns,
            stock,
            trading_state: b'T',
            reserved: b' ',
            reason: Alpha::BLANK,
        }),
        Repr::RegShoRestriction(RegShoRestrictionRepr {
            stock_locate,
            tracking_number,
            timestamp_ns,
            stock,
            reg_sho_action: b'0',
        }),
    ]
}
