//! The invariants, watched from outside: from what the processes were told, what they put out, what is journaled, and what
//! the venue's own account says. A violation panics; the test prints the seed.
//!
//! It shares no state with what it judges: orders are told apart by the ids in the bytes that reached the venue.

use exchange_sim::account::Account;
use journal::Record;
use protocols::ouch::Inbound;
use risk::machine::{CheckpointHash, Risk};
use shm_layout::message::market_data::MarketData;
use shm_layout::message::order::OrderRequest;
use shm_layout::types::{BookValidity, ChannelState, ClOrdId, Nanos, Side, TradingStatus, UNITS};
use std::collections::{BTreeMap, BTreeSet};
use strategy::machine::Input;

/// What happened, to see that a run was not empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Intents of the strategies.
    pub intents: u64,
    /// New orders handed to the socket.
    pub new_orders_sent: u64,
    /// Replaces handed to the socket.
    pub replaces_sent: u64,
    /// Cancels and mass cancels handed to the socket.
    pub cancels_sent: u64,
    /// Requests that risk refused.
    pub risk_rejects: u64,
    /// Times that a strategy was lapped on `market_data`.
    pub laps: u64,
    /// Checkpoints at which risk's hash was compared with the gateway's.
    pub checkpoints: u64,
    /// Restarts of which the rebuilt hash was compared with the hash of the life that ended.
    pub rebuilds: u64,
    /// Processes that died and came back.
    pub restarts: u64,
    /// Logins at the venue.
    pub logins: u64,
    /// Fills in the venue's account.
    pub fills: u64,
}

/// What a strategy was told of an instrument, as far as it may trade.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    loaded: bool,
    trusted: bool,
    trading: bool,
    /// Older messages are contained in the reference.
    through: u64,
}

/// What a strategy was told.
#[derive(Clone, Debug, Default)]
struct Strategy {
    channel_broken: bool,
    books: BTreeMap<u32, Told>,
}

/// The invariants' memory.
#[derive(Debug, Default)]
pub struct Checker {
    /// What happened.
    pub counts: Counts,
    strategies: BTreeMap<u8, Strategy>,
    /// Journaled intents of orders and replaces, by UserRefNum.
    intents: BTreeMap<u32, ClOrdId>,
    /// UserRefNums handed to the socket.
    sent: BTreeSet<u32>,
    killed: bool,
}

impl Checker {
    /// A strategy that restarts was told nothing yet.
    pub fn strategy_starts(&mut self, strategy: u8) {
        self.strategies.insert(strategy, Strategy::default());
    }

    /// Before a strategy's machine takes an input.
    pub fn strategy_was_told(&mut self, strategy: u8, input: &Input) {
        let known = self.strategies.entry(strategy).or_default();
        match input {
            Input::MarketDataLapped => known.books.clear(),
            Input::Reference(reference) => {
                let told = Told {
                    loaded: true,
                    trusted: reference.validity == BookValidity::Trusted,
                    trading: reference.trading_status == TradingStatus::Trading,
                    through: reference.channel_sequence,
                };
                known.books.insert(reference.instrument_id.0, told);
                known.channel_broken = false;
            }
            Input::MarketData(MarketData::ChannelStatus(message)) => {
                known.channel_broken = message.header.channel_state() != ChannelState::Synchronized;
            }
            Input::MarketData(message) => {
                let header = message.header();
                let told = known.books.entry(header.instrument_id.0).or_default();
                if matches!(message, MarketData::BookReset(_)) {
                    *told = Told::default();
                } else if header.channel_sequence > told.through {
                    told.trusted = header.validity() == BookValidity::Trusted;
                    told.trading = header.trading_status() == TradingStatus::Trading;
                }
            }
            Input::Execution(_) | Input::Control(_) => {}
        }
    }

    /// I6: a strategy opens or moves an order only on a book that it was told to trust.
    pub fn intent(&mut self, now: Nanos, strategy: u8, request: &OrderRequest) {
        self.counts.intents += 1;
        if matches!(request, OrderRequest::OrderCancelRequest(_)) {
            return;
        }
        let known = self.strategies.entry(strategy).or_default();
        let told = known.books.get(&request.header().instrument_id.0).copied().unwrap_or_default();
        let tradable = told.loaded && told.trusted && told.trading && !known.channel_broken;
        assert!(tradable, "I6 at {now:?}: strategy {strategy} trades on {told:?}: {request:?}");
    }

    /// A record was appended to the journal.
    pub fn journaled(&mut self, record: &Record) {
        match record {
            Record::Intent(intent) => {
                let request = OrderRequest::decode(&intent.request).expect("the gateway's request");
                if !matches!(request, OrderRequest::OrderCancelRequest(_)) {
                    let before = self.intents.insert(intent.user_ref_num, request.header().cl_ord_id);
                    assert_eq!(before, None, "I2: UserRefNum {} of two intents", intent.user_ref_num);
                }
            }
            Record::Kill(kill) => self.killed = kill.engaged == 1,
            _ => {}
        }
    }

    /// I1, I2 and the kill: bytes that the gateway hands to its socket, whole frames.
    pub fn sent(&mut self, now: Nanos, mut bytes: &[u8]) {
        while let Some((prefix, rest)) = bytes.split_first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes(*prefix));
            assert!((1..=rest.len()).contains(&length), "the gateway sends whole frames");
            let (frame, rest) = rest.split_at(length);
            bytes = rest;
            if frame[0] == b'U' {
                self.sent_message(now, &Inbound::parse(&frame[1..]).expect("the gateway's OUCH message"));
            }
        }
        assert!(bytes.is_empty(), "the gateway sends whole frames");
    }

    fn sent_message(&mut self, now: Nanos, message: &Inbound<'_>) {
        let (user_ref_num, text) = match message {
            Inbound::EnterOrder(order) => {
                self.counts.new_orders_sent += 1;
                (order.user_ref_num(), order.cl_ord_id())
            }
            Inbound::ReplaceOrder(replace) => {
                self.counts.replaces_sent += 1;
                (replace.user_ref_num(), replace.cl_ord_id())
            }
            Inbound::CancelOrder(_) | Inbound::MassCancel(_) => {
                self.counts.cancels_sent += 1;
                return;
            }
            _ => return,
        };
        assert!(!self.killed, "I8 at {now:?}: UserRefNum {user_ref_num} is sent after the kill was journaled");
        assert!(self.sent.insert(user_ref_num), "I2 at {now:?}: UserRefNum {user_ref_num} is sent twice");
        let journaled = self.intents.get(&user_ref_num).copied();
        assert_eq!(journaled, Some(id_of(&text.0)), "I1 at {now:?}: UserRefNum {user_ref_num} without its intent");
    }

    /// I1 and I2 at the venue: what its account holds was journaled and sent, each intent once.
    pub fn venue(&self, account: &Account) {
        let mut ids = BTreeSet::new();
        for order in account.orders() {
            let id = id_of(&order.cl_ord_id);
            assert_eq!(self.intents.get(&order.user_ref_num), Some(&id), "I1: the venue has {order:?}");
            assert!(self.sent.contains(&order.user_ref_num), "the venue has what was not sent: {order:?}");
            assert!(ids.insert(id), "I2: two orders of one ClOrdID at the venue: {order:?}");
        }
    }

    /// I3: what risk holds covers what the venue holds, for each strategy and instrument, on both sides.
    pub fn risk_covers(&self, now: Nanos, account: &Account, risk: &Risk) {
        for ((strategy, row), held) in holdings(account) {
            let row = risk.exposures().row(usize::from(strategy), row).expect("a known instrument");
            let exposure = risk.exposures().exposure(row);
            let (long, short) = (held.position + held.open_buy, held.position - held.open_sell);
            assert!(exposure.worst_case(Side::Buy) >= long, "I3 at {now:?}: {exposure:?} below {held:?}");
            assert!(exposure.worst_case(Side::Sell) <= short, "I3 at {now:?}: {exposure:?} above {held:?}");
        }
    }

    /// I9: risk's hash is the gateway's at every checkpoint.
    pub fn checkpoint(&mut self, checkpoint: &CheckpointHash) {
        self.counts.checkpoints += 1;
        assert_eq!(checkpoint.state_hash, checkpoint.gateway_hash, "I9 at a checkpoint: {checkpoint:?}");
    }

    /// Whether the last kill record says killed.
    #[must_use]
    pub const fn is_killed(&self) -> bool {
        self.killed
    }
}

/// What the venue's account holds of one strategy in one instrument, in 1e-8 shares.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Holding {
    /// Bought less sold.
    pub position: i128,
    /// Open to buy.
    pub open_buy: i128,
    /// Open to sell.
    pub open_sell: i128,
}

/// The account by strategy and row of instrument; the strategy is read from the id that reached the venue.
#[must_use]
pub fn holdings(account: &Account) -> BTreeMap<(u16, usize), Holding> {
    let mut found: BTreeMap<(u16, usize), Holding> = BTreeMap::new();
    for order in account.orders() {
        let Some(side) = order.side else { continue };
        if order.reject_reason.is_some() {
            continue;
        }
        let held = found.entry((id_of(&order.cl_ord_id).strategy(), order.row)).or_default();
        let units = i128::from(UNITS);
        held.position += i128::from(side.sign()) * i128::from(order.executed) * units;
        match side {
            Side::Buy => held.open_buy += i128::from(order.open) * units,
            Side::Sell => held.open_sell += i128::from(order.open) * units,
        }
    }
    found
}

/// The id in the 14 characters of OUCH.
///
/// # Panics
/// When they are none that the gateway writes.
#[must_use]
pub fn id_of(text: &[u8; 14]) -> ClOrdId {
    assert_eq!(text[13], b' ', "13 characters and a space");
    ClOrdId::from_text(&text[..13]).expect("a ClOrdID in base 36")
}
