//! Messages from the client to the venue. They are unsequenced and can be lost with the connection.

use super::{ClOrdId, Firm, Symbol, is_cancel_quantity, is_limit_price, is_order_quantity};

ouch_message! {
    /// `O`, enter order.
    enter_order: EnterOrder, EnterOrderRepr = b'O', 45, appendage required {
        /// UserRefNum of the new order.
        USER_REF_NUM 1..5 => user_ref_num: u32,
        /// B buy, S sell, T short, E short exempt.
        SIDE 5..6 => side: u8,
        /// Shares, 1 to 999,999.
        QUANTITY 6..10 => quantity: u32 where is_order_quantity,
        /// Symbol.
        SYMBOL 10..18 => symbol: Symbol,
        /// Limit price, 4 decimals, at most 199,999.9900.
        PRICE 18..26 => price: u64 where is_limit_price,
        /// 0 day, 3 immediate or cancel, 5 GTX, 6 GTT, E after hours.
        TIME_IN_FORCE 26..27 => time_in_force: u8,
        /// Y visible, N hidden, A attributable.
        DISPLAY 27..28 => display: u8,
        /// A agency, P principal, R riskless, O other.
        CAPACITY 28..29 => capacity: u8,
        /// Y: intermarket sweep order.
        INTERMARKET_SWEEP 29..30 => intermarket_sweep: u8,
        /// N continuous market, O opening, C closing, and others.
        CROSS_TYPE 30..31 => cross_type: u8,
        /// The client's own order id.
        CL_ORD_ID 31..45 => cl_ord_id: ClOrdId,
    }
}

ouch_message! {
    /// `U`, replace order. The venue ignores it when the order is gone or the new UserRefNum is not new, cancels the
    /// order when the new terms are invalid, and answers `J` when the order cannot be canceled now.
    replace_order: ReplaceOrder, ReplaceOrderRepr = b'U', 38, appendage required {
        /// UserRefNum of the order to replace.
        ORIG_USER_REF_NUM 1..5 => orig_user_ref_num: u32,
        /// UserRefNum of the replacement.
        USER_REF_NUM 5..9 => user_ref_num: u32,
        /// Total shares of the whole chain, executed ones included, 1 to 999,999.
        QUANTITY 9..13 => quantity: u32 where is_order_quantity,
        /// Limit price, 4 decimals, at most 199,999.9900.
        PRICE 13..21 => price: u64 where is_limit_price,
        /// As in `O`.
        TIME_IN_FORCE 21..22 => time_in_force: u8,
        /// As in `O`.
        DISPLAY 22..23 => display: u8,
        /// As in `O`.
        INTERMARKET_SWEEP 23..24 => intermarket_sweep: u8,
        /// The client's own id of the replacement.
        CL_ORD_ID 24..38 => cl_ord_id: ClOrdId,
    }
}

ouch_message! {
    /// `X`, cancel order, in whole or down to a new total.
    cancel_order: CancelOrder, CancelOrderRepr = b'X', 9, appendage optional {
        /// UserRefNum of the order.
        USER_REF_NUM 1..5 => user_ref_num: u32,
        /// New intended total, executed shares included; 0 cancels all that is open.
        QUANTITY 5..9 => quantity: u32 where is_cancel_quantity,
    }
}

ouch_message! {
    /// `M`, modify order: a new side (between the kinds of sale) and a smaller quantity, keeping priority.
    modify_order: ModifyOrder, ModifyOrderRepr = b'M', 10, appendage required {
        /// UserRefNum of the order.
        USER_REF_NUM 1..5 => user_ref_num: u32,
        /// As in `O`.
        SIDE 5..6 => side: u8,
        /// New total, executed shares included, 1 to 999,999.
        QUANTITY 6..10 => quantity: u32 where is_order_quantity,
    }
}

ouch_message! {
    /// `C`, mass cancel of a firm's orders in one symbol or all.
    mass_cancel: MassCancel, MassCancelRepr = b'C', 17, appendage required {
        /// UserRefNum of this request.
        USER_REF_NUM 1..5 => user_ref_num: u32,
        /// Firm whose orders go.
        FIRM 5..9 => firm: Firm,
        /// Symbol, or blank for all.
        SYMBOL 9..17 => symbol: Symbol,
    }
}

ouch_message! {
    /// `D`, disable order entry of a firm on this account.
    disable_order_entry: DisableOrderEntry, DisableOrderEntryRepr = b'D', 9, appendage required {
        /// UserRefNum of this request.
        USER_REF_NUM 1..5 => user_ref_num: u32,
        /// Firm that may not enter orders any more.
        FIRM 5..9 => firm: Firm,
    }
}

ouch_message! {
    /// `E`, enable order entry again.
    enable_order_entry: EnableOrderEntry, EnableOrderEntryRepr = b'E', 9, appendage required {
        /// UserRefNum of this request.
        USER_REF_NUM 1..5 => user_ref_num: u32,
        /// Firm that may enter orders again.
        FIRM 5..9 => firm: Firm,
    }
}

ouch_message! {
    /// `Q`, account query: which UserRefNum is next?
    account_query: AccountQuery, AccountQueryRepr = b'Q', 1, appendage required {}
}
