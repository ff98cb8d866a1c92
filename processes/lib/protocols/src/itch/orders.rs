//! Messages that change the book: add, execute, cancel, delete, replace.

use super::{Mpid, Stock};

itch_message! {
    /// `A`, add order without attribution.
    add_order: AddOrder, AddOrderRepr = b'A', 36 {
        /// Reference number of the order, unique for the day.
        ORDER_REFERENCE_NUMBER 11..19 => order_reference_number: u64,
        /// B buy, S sell.
        SIDE 19..20 => side: u8,
        /// Displayed shares.
        SHARES 20..24 => shares: u32,
        /// Symbol.
        STOCK 24..32 => stock: Stock,
        /// Displayed price, 4 decimals.
        PRICE 32..36 => price: u32,
    }
}

itch_message! {
    /// `F`, add order with the participant's name.
    add_order_mpid: AddOrderMpid, AddOrderMpidRepr = b'F', 40 {
        /// Reference number of the order, unique for the day.
        ORDER_REFERENCE_NUMBER 11..19 => order_reference_number: u64,
        /// B buy, S sell.
        SIDE 19..20 => side: u8,
        /// Displayed shares.
        SHARES 20..24 => shares: u32,
        /// Symbol.
        STOCK 24..32 => stock: Stock,
        /// Displayed price, 4 decimals.
        PRICE 32..36 => price: u32,
        /// Participant who entered the order.
        ATTRIBUTION 36..40 => attribution: Mpid,
    }
}

itch_message! {
    /// `E`, executed at the displayed price; the order shrinks by `executed_shares`.
    order_executed: OrderExecuted, OrderExecutedRepr = b'E', 31 {
        /// Reference number of the resting order.
        ORDER_REFERENCE_NUMBER 11..19 => order_reference_number: u64,
        /// Shares executed.
        EXECUTED_SHARES 19..23 => executed_shares: u32,
        /// Match number of the day, as in `B`.
        MATCH_NUMBER 23..31 => match_number: u64,
    }
}

itch_message! {
    /// `C`, executed at another price than the displayed one.
    order_executed_with_price: OrderExecutedWithPrice, OrderExecutedWithPriceRepr = b'C', 36 {
        /// Reference number of the resting order.
        ORDER_REFERENCE_NUMBER 11..19 => order_reference_number: u64,
        /// Shares executed.
        EXECUTED_SHARES 19..23 => executed_shares: u32,
        /// Match number of the day, as in `B`.
        MATCH_NUMBER 23..31 => match_number: u64,
        /// Y, or N: keep it out of volume, a cross message reports it.
        PRINTABLE 31..32 => printable: u8,
        /// Execution price, 4 decimals.
        EXECUTION_PRICE 32..36 => execution_price: u32,
    }
}

itch_message! {
    /// `X`, partial cancel; the order shrinks by `cancelled_shares`.
    order_cancel: OrderCancel, OrderCancelRepr = b'X', 23 {
        /// Reference number of the resting order.
        ORDER_REFERENCE_NUMBER 11..19 => order_reference_number: u64,
        /// Shares removed.
        CANCELLED_SHARES 19..23 => cancelled_shares: u32,
    }
}

itch_message! {
    /// `D`, the order leaves the book.
    order_delete: OrderDelete, OrderDeleteRepr = b'D', 19 {
        /// Reference number of the resting order.
        ORDER_REFERENCE_NUMBER 11..19 => order_reference_number: u64,
    }
}

itch_message! {
    /// `U`, replaced by a new order, which inherits side, stock and attribution and loses its priority.
    order_replace: OrderReplace, OrderReplaceRepr = b'U', 35 {
        /// Reference number of the order that leaves.
        ORIGINAL_ORDER_REFERENCE_NUMBER 11..19 => original_order_reference_number: u64,
        /// Reference number of the order that enters.
        NEW_ORDER_REFERENCE_NUMBER 19..27 => new_order_reference_number: u64,
        /// Displayed shares of the new order.
        SHARES 27..31 => shares: u32,
        /// Displayed price of the new order, 4 decimals.
        PRICE 31..35 => price: u32,
    }
}
