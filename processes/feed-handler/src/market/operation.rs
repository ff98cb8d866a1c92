//! What an ITCH message asks of a book, in this project's units. No state.

use protocols::itch::{Message, Stock};
use shm_layout::types::{Price, Qty, Side, TradingStatus};

/// Decimal places of an ITCH price.
const PRICE_DECIMALS: u32 = 4;

/// What an execution prints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Print {
    /// At the order's displayed price (`E`).
    AtDisplayedPrice,
    /// At a price of its own (`C`, printable).
    At(Price),
    /// Not here: a cross message reports it (`C`, not printable).
    Withheld,
}

/// One message's effect. A side that is neither `B` nor `S` is `None`, for the market to refuse.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// `R`: the locate code stands for this symbol.
    List(Stock),
    /// `H`: status, and the venue's reason as four ASCII bytes.
    TradingAction(TradingStatus, [u8; 4]),
    /// `A`, `F`: reference, side, price, quantity.
    Add(u64, Option<Side>, Price, Qty),
    /// `E`, `C`: reference, quantity, what it prints.
    Execute(u64, Qty, Print),
    /// `X`: reference, quantity taken off.
    Cancel(u64, Qty),
    /// `D`: reference.
    Delete(u64),
    /// `U`: old and new reference, price, quantity.
    Replace(u64, u64, Price, Qty),
    /// `P`: side, price, quantity. It touches no book.
    Trade(Option<Side>, Price, Qty),
}

/// Where a message belongs and what it asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decoded {
    /// Locate code.
    pub stock_locate: u16,
    /// The venue's stamp, nanoseconds since its midnight.
    pub exchange_ns: u64,
    /// What it asks.
    pub operation: Operation,
}

/// Every `u32` with 4 decimals is exact in 1e-8.
fn price_of(price: u32) -> Price {
    Price::from_decimals(i64::from(price), PRICE_DECIMALS).expect("a u32 fits")
}

/// Every `u32` of whole shares is exact in 1e-8.
fn qty_of(shares: u32) -> Qty {
    Qty::from_decimals(i64::from(shares), 0).expect("a u32 fits")
}

const fn side_of(side: u8) -> Option<Side> {
    match side {
        b'B' => Some(Side::Buy),
        b'S' => Some(Side::Sell),
        _ => None,
    }
}

/// A state that the table does not have is `Unknown`, which is treated as halted.
const fn trading_status_of(state: u8) -> TradingStatus {
    match state {
        b'H' => TradingStatus::Halted,
        b'P' => TradingStatus::Paused,
        b'Q' => TradingStatus::QuotationOnly,
        b'T' => TradingStatus::Trading,
        _ => TradingStatus::Unknown,
    }
}

/// Locate code, stamp and operation of a view: every view has these two getters, but they share no trait.
macro_rules! decoded {
    ($view:expr, $operation:expr) => {
        Some(Decoded { stock_locate: $view.stock_locate(), exchange_ns: $view.timestamp_ns(), operation: $operation })
    };
}

/// What a message asks; `None` for the types that change neither book nor status. `h` is among them: it concerns one
/// market only, and `H` tells what counts.
pub fn decode(message: &Message<'_>) -> Option<Decoded> {
    match message {
        Message::StockDirectory(m) => decoded!(m, Operation::List(m.stock())),
        Message::StockTradingAction(m) => {
            decoded!(m, Operation::TradingAction(trading_status_of(m.trading_state()), m.reason().0))
        }
        Message::AddOrder(m) => {
            let (side, price, qty) = (side_of(m.side()), price_of(m.price()), qty_of(m.shares()));
            decoded!(m, Operation::Add(m.order_reference_number(), side, price, qty))
        }
        Message::AddOrderMpid(m) => {
            let (side, price, qty) = (side_of(m.side()), price_of(m.price()), qty_of(m.shares()));
            decoded!(m, Operation::Add(m.order_reference_number(), side, price, qty))
        }
        Message::OrderExecuted(m) => {
            let qty = qty_of(m.executed_shares());
            decoded!(m, Operation::Execute(m.order_reference_number(), qty, Print::AtDisplayedPrice))
        }
        Message::OrderExecutedWithPrice(m) => {
            let print = if m.printable() == b'N' { Print::Withheld } else { Print::At(price_of(m.execution_price())) };
            decoded!(m, Operation::Execute(m.order_reference_number(), qty_of(m.executed_shares()), print))
        }
        Message::OrderCancel(m) => {
            decoded!(m, Operation::Cancel(m.order_reference_number(), qty_of(m.cancelled_shares())))
        }
        Message::OrderDelete(m) => decoded!(m, Operation::Delete(m.order_reference_number())),
        Message::OrderReplace(m) => {
            let (old, new) = (m.original_order_reference_number(), m.new_order_reference_number());
            decoded!(m, Operation::Replace(old, new, price_of(m.price()), qty_of(m.shares())))
        }
        Message::Trade(m) => {
            decoded!(m, Operation::Trade(side_of(m.side()), price_of(m.price()), qty_of(m.shares())))
        }
        _ => None,
    }
}
