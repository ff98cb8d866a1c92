//! Messages from the venue to the client. They travel in sequenced packets, so a reconnect replays them.

use super::{ClOrdId, Firm, Symbol};

/// The timestamp that every message begins with.
macro_rules! outbound_message {
    (
        $(#[$doc:meta])*
        $module:ident: $view:ident, $repr:ident = $type:literal, $length:literal, appendage $presence:ident
        { $($fields:tt)* }
    ) => {
        ouch_message! {
            $(#[$doc])*
            $module: $view, $repr = $type, $length, appendage $presence {
                /// Nanoseconds since midnight US Eastern.
                TIMESTAMP_NS 1..9 => timestamp_ns: u64,
                $($fields)*
            }
        }
    };
}

fixed_message! {
    /// `S`, system event.
    system_event: SystemEvent, SystemEventRepr = b'S', 10 {
        /// Nanoseconds since midnight US Eastern.
        TIMESTAMP_NS 1..9 => timestamp_ns: u64,
        /// S start of day, E end of day.
        EVENT_CODE 9..10 => event_code: u8,
    }
}

outbound_message! {
    /// `A`, order accepted, with the terms as the venue took them.
    order_accepted: OrderAccepted, OrderAcceptedRepr = b'A', 62, appendage required {
        /// UserRefNum of the order.
        USER_REF_NUM 9..13 => user_ref_num: u32,
        /// B buy, S sell, T short, E short exempt.
        SIDE 13..14 => side: u8,
        /// Shares accepted.
        QUANTITY 14..18 => quantity: u32,
        /// Symbol.
        SYMBOL 18..26 => symbol: Symbol,
        /// Accepted price, 4 decimals; it may differ from the one sent.
        PRICE 26..34 => price: u64,
        /// As in the request.
        TIME_IN_FORCE 34..35 => time_in_force: u8,
        /// As in the request.
        DISPLAY 35..36 => display: u8,
        /// The venue's order reference number, day-unique, as in ITCH.
        ORDER_REFERENCE_NUMBER 36..44 => order_reference_number: u64,
        /// As in the request.
        CAPACITY 44..45 => capacity: u8,
        /// As in the request.
        INTERMARKET_SWEEP 45..46 => intermarket_sweep: u8,
        /// As in the request.
        CROSS_TYPE 46..47 => cross_type: u8,
        /// L live; D dead: accepted and gone at once, a terminal state.
        ORDER_STATE 47..48 => order_state: u8,
        /// The client's own order id.
        CL_ORD_ID 48..62 => cl_ord_id: ClOrdId,
    }
}

outbound_message! {
    /// `U`, order replaced: the original is gone and the replacement took its place.
    order_replaced: OrderReplaced, OrderReplacedRepr = b'U', 66, appendage required {
        /// UserRefNum of the order that was replaced.
        ORIG_USER_REF_NUM 9..13 => orig_user_ref_num: u32,
        /// UserRefNum of the replacement.
        USER_REF_NUM 13..17 => user_ref_num: u32,
        /// B buy, S sell, T short, E short exempt.
        SIDE 17..18 => side: u8,
        /// Shares outstanding after the replacement (see the module's table).
        QUANTITY 18..22 => quantity: u32,
        /// Symbol.
        SYMBOL 22..30 => symbol: Symbol,
        /// Accepted price, 4 decimals.
        PRICE 30..38 => price: u64,
        /// As in the request.
        TIME_IN_FORCE 38..39 => time_in_force: u8,
        /// As in the request.
        DISPLAY 39..40 => display: u8,
        /// The venue's reference number of the replacement.
        ORDER_REFERENCE_NUMBER 40..48 => order_reference_number: u64,
        /// As in the original.
        CAPACITY 48..49 => capacity: u8,
        /// As in the request.
        INTERMARKET_SWEEP 49..50 => intermarket_sweep: u8,
        /// As in the original.
        CROSS_TYPE 50..51 => cross_type: u8,
        /// L live; D dead: a terminal state.
        ORDER_STATE 51..52 => order_state: u8,
        /// The client's own id of the replacement.
        CL_ORD_ID 52..66 => cl_ord_id: ClOrdId,
    }
}

outbound_message! {
    /// `C`, shares of the order were canceled; it is over when nothing is left open.
    order_canceled: OrderCanceled, OrderCanceledRepr = b'C', 18, appendage optional {
        /// UserRefNum of the order.
        USER_REF_NUM 9..13 => user_ref_num: u32,
        /// Shares that left the order.
        DECREMENT 13..17 => decrement: u32,
        /// U asked for by the user, I immediate or cancel, T timeout, S supervisory, Q self-match, and others.
        REASON 17..18 => reason: u8,
    }
}

outbound_message! {
    /// `D`, shares canceled to prevent a trade with oneself.
    aiq_canceled: AiqCanceled, AiqCanceledRepr = b'D', 32, appendage optional {
        /// UserRefNum of the order.
        USER_REF_NUM 9..13 => user_ref_num: u32,
        /// Shares that left the order.
        DECREMENT 13..17 => decrement: u32,
        /// Why.
        REASON 17..18 => reason: u8,
        /// Shares that would have traded.
        QUANTITY_PREVENTED 18..22 => quantity_prevented: u32,
        /// Price at which they would have traded, 4 decimals.
        EXECUTION_PRICE 22..30 => execution_price: u64,
        /// Liquidity flag that the trade would have had.
        LIQUIDITY_FLAG 30..31 => liquidity_flag: u8,
        /// Self-match strategy that applied.
        AIQ_STRATEGY 31..32 => aiq_strategy: u8,
    }
}

outbound_message! {
    /// `E`, order executed.
    order_executed: OrderExecuted, OrderExecutedRepr = b'E', 34, appendage required {
        /// UserRefNum of the order.
        USER_REF_NUM 9..13 => user_ref_num: u32,
        /// Shares executed.
        QUANTITY 13..17 => quantity: u32,
        /// Execution price, 4 decimals.
        PRICE 17..25 => price: u64,
        /// A added, R removed, and others.
        LIQUIDITY_FLAG 25..26 => liquidity_flag: u8,
        /// Match number, as in ITCH; both sides of a trade have the same one.
        MATCH_NUMBER 26..34 => match_number: u64,
    }
}

outbound_message! {
    /// `B`, an execution was broken and never happened.
    broken_trade: BrokenTrade, BrokenTradeRepr = b'B', 36, appendage optional {
        /// UserRefNum of the order.
        USER_REF_NUM 9..13 => user_ref_num: u32,
        /// Match number of the execution that is void.
        MATCH_NUMBER 13..21 => match_number: u64,
        /// E erroneous, C consent, S supervisory, X external.
        REASON 21..22 => reason: u8,
        /// The client's own order id.
        CL_ORD_ID 22..36 => cl_ord_id: ClOrdId,
    }
}

outbound_message! {
    /// `J`, the order or replacement was rejected. Its UserRefNum is used up; an order that was to be replaced is
    /// unaffected.
    order_rejected: OrderRejected, OrderRejectedRepr = b'J', 29, appendage optional {
        /// UserRefNum of the request.
        USER_REF_NUM 9..13 => user_ref_num: u32,
        /// Reason code.
        REASON 13..15 => reason: u16,
        /// The client's own order id.
        CL_ORD_ID 15..29 => cl_ord_id: ClOrdId,
    }
}

outbound_message! {
    /// `P`, the cancel waits for the end of a cross.
    cancel_pending: CancelPending, CancelPendingRepr = b'P', 13, appendage optional {
        /// UserRefNum of the order.
        USER_REF_NUM 9..13 => user_ref_num: u32,
    }
}

outbound_message! {
    /// `I`, the cancel was rejected; the order is unaffected.
    cancel_reject: CancelReject, CancelRejectRepr = b'I', 13, appendage optional {
        /// UserRefNum of the order.
        USER_REF_NUM 9..13 => user_ref_num: u32,
    }
}

outbound_message! {
    /// `T`, the order has a new place in the queue.
    order_priority_update: OrderPriorityUpdate, OrderPriorityUpdateRepr = b'T', 30, appendage optional {
        /// UserRefNum of the order.
        USER_REF_NUM 9..13 => user_ref_num: u32,
        /// Price, 4 decimals.
        PRICE 13..21 => price: u64,
        /// As in `A`.
        DISPLAY 21..22 => display: u8,
        /// The venue's new reference number of the order.
        ORDER_REFERENCE_NUMBER 22..30 => order_reference_number: u64,
    }
}

outbound_message! {
    /// `M`, order modified.
    order_modified: OrderModified, OrderModifiedRepr = b'M', 18, appendage optional {
        /// UserRefNum of the order.
        USER_REF_NUM 9..13 => user_ref_num: u32,
        /// New side.
        SIDE 13..14 => side: u8,
        /// Shares outstanding.
        QUANTITY 14..18 => quantity: u32,
    }
}

outbound_message! {
    /// `R`, the venue restated the order of its own accord; the new terms are in the appendage.
    order_restated: OrderRestated, OrderRestatedRepr = b'R', 14, appendage required {
        /// UserRefNum of the order.
        USER_REF_NUM 9..13 => user_ref_num: u32,
        /// R refreshed reserve, P price update.
        REASON 13..14 => reason: u8,
    }
}

outbound_message! {
    /// `X`, answer to a mass cancel; each order still gets its own `C`.
    mass_cancel_response: MassCancelResponse, MassCancelResponseRepr = b'X', 25, appendage required {
        /// UserRefNum of the request.
        USER_REF_NUM 9..13 => user_ref_num: u32,
        /// Firm of the request.
        FIRM 13..17 => firm: Firm,
        /// Symbol of the request.
        SYMBOL 17..25 => symbol: Symbol,
    }
}

outbound_message! {
    /// `G`, answer to a disable request.
    disable_order_entry_response: DisableOrderEntryResponse, DisableOrderEntryResponseRepr = b'G', 17,
    appendage required {
        /// UserRefNum of the request.
        USER_REF_NUM 9..13 => user_ref_num: u32,
        /// Firm of the request.
        FIRM 13..17 => firm: Firm,
    }
}

outbound_message! {
    /// `K`, answer to an enable request.
    enable_order_entry_response: EnableOrderEntryResponse, EnableOrderEntryResponseRepr = b'K', 17,
    appendage required {
        /// UserRefNum of the request.
        USER_REF_NUM 9..13 => user_ref_num: u32,
        /// Firm of the request.
        FIRM 13..17 => firm: Firm,
    }
}

outbound_message! {
    /// `Q`, answer to an account query.
    account_query_response: AccountQueryResponse, AccountQueryResponseRepr = b'Q', 13, appendage optional {
        /// The next UserRefNum that the venue would accept.
        NEXT_USER_REF_NUM 9..13 => next_user_ref_num: u32,
    }
}
