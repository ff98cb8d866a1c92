//! The venue's own account of what one firm's orders did: orders by UserRefNum, fills, positions.
//!
//! It is written only by what the venue itself read, decided and sent. No part of Tickway's order or position code is
//! used, so that a reconciliation compares two independent books.

use crate::instrument::Symbol;
use shm_layout::types::Side;
use std::collections::BTreeMap;

/// State of an order at the venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderState {
    /// Open shares are left.
    Live,
    /// All executed.
    Filled,
    /// Nothing open, some canceled.
    Canceled,
    /// Another order took its place.
    Replaced,
    /// Never lived.
    Rejected,
}

impl OrderState {
    /// The name in `--json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Filled => "filled",
            Self::Canceled => "canceled",
            Self::Replaced => "replaced",
            Self::Rejected => "rejected",
        }
    }
}

/// An order of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountOrder {
    /// UserRefNum.
    pub user_ref_num: u32,
    /// The client's order id, as sent.
    pub cl_ord_id: [u8; 14],
    /// UserRefNum of the order that it replaced.
    pub orig_user_ref_num: Option<u32>,
    /// Symbol, as sent.
    pub symbol: Symbol,
    /// Row of the instrument; meaningless for a rejected order.
    pub row: usize,
    /// Buy or sell; `None` when a rejected order had neither.
    pub side: Option<Side>,
    /// OUCH side as sent (B, S, T, E).
    pub side_code: u8,
    /// Total intended shares of the replace chain, executed ones included.
    pub qty: u32,
    /// Limit price, in 1e-4.
    pub price: u64,
    /// OUCH time in force as sent.
    pub time_in_force: u8,
    /// Capacity as sent, echoed by every replacement.
    pub capacity: u8,
    /// Firm of the order; blank for the account's default.
    pub firm: [u8; 4],
    /// Order reference number; 0 for a rejected order.
    pub reference: u64,
    /// State.
    pub state: OrderState,
    /// Shares executed by earlier orders of the replace chain.
    pub executed_before: u32,
    /// Shares executed under this UserRefNum.
    pub executed: u32,
    /// Shares canceled under this UserRefNum.
    pub canceled: u32,
    /// Shares open.
    pub open: u32,
    /// OUCH reason of a reject.
    pub reject_reason: Option<u16>,
}

/// One execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountFill {
    /// UserRefNum of the order.
    pub user_ref_num: u32,
    /// Side.
    pub side: Side,
    /// Shares.
    pub shares: u32,
    /// Price, in 1e-4.
    pub price: u32,
    /// Match number.
    pub match_number: u64,
}

/// Position in one symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Shares bought.
    pub buy_qty: u64,
    /// Shares sold.
    pub sell_qty: u64,
    /// Price times shares bought, in 1e-4.
    pub buy_notional: i128,
    /// Price times shares sold, in 1e-4.
    pub sell_notional: i128,
}

impl Position {
    /// Shares held; negative when short.
    #[must_use]
    pub const fn qty(&self) -> i128 {
        self.buy_qty as i128 - self.sell_qty as i128
    }
}

/// How many requests of each kind were read, and what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestCounts {
    /// Enter orders.
    pub received_new: u64,
    /// Replace orders.
    pub received_replace: u64,
    /// Cancel orders.
    pub received_cancel: u64,
    /// Modify orders.
    pub received_modify: u64,
    /// Mass cancels.
    pub received_mass_cancel: u64,
    /// Messages ignored: a UserRefNum that does not increase, or a request for an order that is gone or unknown.
    pub ignored: u64,
    /// Messages that are not OUCH.
    pub malformed: u64,
    /// Orders accepted.
    pub accepted: u64,
    /// Orders rejected.
    pub rejected: u64,
    /// Orders that ended with some shares canceled.
    pub canceled: u64,
    /// Orders replaced.
    pub replaced: u64,
    /// Orders canceled because their session ended.
    pub canceled_on_disconnect: u64,
    /// Orders of which a trade with another order of the account was prevented.
    pub self_match_prevented: u64,
}

/// The whole account.
#[derive(Debug, Default)]
pub struct Account {
    orders: BTreeMap<u32, AccountOrder>,
    fills: Vec<AccountFill>,
    positions: BTreeMap<Symbol, Position>,
    /// Request counts, kept by order entry.
    pub counts: RequestCounts,
    filled_quantity: u64,
}

impl Account {
    /// Orders, by UserRefNum.
    pub fn orders(&self) -> impl Iterator<Item = &AccountOrder> {
        self.orders.values()
    }

    /// An order.
    #[must_use]
    pub fn order(&self, user_ref_num: u32) -> Option<&AccountOrder> {
        self.orders.get(&user_ref_num)
    }

    /// UserRefNums of the live orders, oldest first.
    #[must_use]
    pub fn live(&self) -> Vec<u32> {
        let live = self.orders.values().filter(|order| order.state == OrderState::Live);
        live.map(|order| order.user_ref_num).collect()
    }

    /// Every fill, in order.
    #[must_use]
    pub fn fills(&self) -> &[AccountFill] {
        &self.fills
    }

    /// Shares of every fill.
    #[must_use]
    pub const fn filled_quantity(&self) -> u64 {
        self.filled_quantity
    }

    /// Positions, by symbol.
    pub fn positions(&self) -> impl Iterator<Item = (&Symbol, &Position)> {
        self.positions.iter()
    }

    /// Records a new order, live or rejected.
    pub(crate) fn record(&mut self, order: AccountOrder) {
        let known = self.orders.insert(order.user_ref_num, order);
        assert!(known.is_none(), "a UserRefNum is used once");
    }

    /// Records shares executed, and moves the position.
    pub(crate) fn executed(&mut self, user_ref_num: u32, shares: u32, price: u32, match_number: u64) {
        let order = self.orders.get_mut(&user_ref_num).expect("only accepted orders execute");
        assert!(order.state == OrderState::Live && shares <= order.open, "order {user_ref_num} executes too much");
        order.open -= shares;
        order.executed += shares;
        if order.open == 0 {
            order.state = OrderState::Filled;
        }
        let side = order.side.expect("an accepted order has a side");
        self.filled_quantity += u64::from(shares);
        self.fills.push(AccountFill { user_ref_num, side, shares, price, match_number });
        let notional = i128::from(price) * i128::from(shares);
        let position = self.positions.entry(order.symbol).or_default();
        match side {
            Side::Buy => {
                position.buy_qty += u64::from(shares);
                position.buy_notional += notional;
            }
            Side::Sell => {
                position.sell_qty += u64::from(shares);
                position.sell_notional += notional;
            }
        }
    }

    /// Records shares canceled; the order ends when none is open.
    pub(crate) fn canceled(&mut self, user_ref_num: u32, shares: u32) {
        let order = self.orders.get_mut(&user_ref_num).expect("only accepted orders are canceled");
        assert!(order.state == OrderState::Live && shares <= order.open, "order {user_ref_num} cancels too much");
        order.open -= shares;
        order.canceled += shares;
        if order.open == 0 {
            order.state = OrderState::Canceled;
            self.counts.canceled += 1;
        }
    }

    /// Records that another order takes the place of this one.
    pub(crate) fn replaced(&mut self, user_ref_num: u32) {
        let order = self.orders.get_mut(&user_ref_num).expect("only accepted orders are replaced");
        assert!(order.state == OrderState::Live, "order {user_ref_num} is replaced while it is not live");
        order.open = 0;
        order.state = OrderState::Replaced;
        self.counts.replaced += 1;
    }

    /// Changes the OUCH side of a live order between the kinds of sale.
    pub(crate) fn modified(&mut self, user_ref_num: u32, side_code: u8) {
        if let Some(order) = self.orders.get_mut(&user_ref_num) {
            order.side_code = side_code;
        }
    }
}
