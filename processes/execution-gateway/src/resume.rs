//! What a gateway that continues a journal has to know of the venue's session beside orders and positions: which number
//! named which request, what was executed under it, and where the session stands. Without it, a second life on the same
//! day would take the venue's replay for new executions.
//!
//! It is read from the journal before the gateway runs. It holds until the venue's first answer: a venue that no longer
//! has the session, or has less of it than was received, has begun another one, and nothing of this is used.

use crate::backlog::Walk;
use crate::config::Settings;
use crate::machine::{Chain, Gateway};
use crate::matches::Execution as Match;
use crate::user_refs::{RefKind, UserRef};
use journal::Record;
use journal::record::{ExecutionRecord, SessionEvent};
use orders::OrdersState;
use protocols::ouch::Outbound;
use protocols::soupbintcp::SessionName;
use shm_layout::message::order::{OrderHeader, OrderRequest};
use shm_layout::types::{ClOrdId, ExecType};
use std::collections::BTreeMap;

/// The rows of orders that have ended: none.
const NO_ROW: u32 = u32::MAX;

/// What a journal tells of the session, record by record.
#[derive(Clone, Debug)]
pub struct Memory {
    name: SessionName,
    /// Next sequence of the venue that was not received.
    next_sequence: u64,
    /// Something was told since the last message of the venue: its effect is in the journal.
    told: bool,
    requests: BTreeMap<u32, UserRef>,
    numbers: BTreeMap<ClOrdId, u32>,
    /// Shares that self-match prevention took off, by first number of the chain.
    prevented: BTreeMap<u32, u32>,
    /// The same of the last message, until its effect was told.
    preventing: Option<(u32, u32)>,
    executions: Vec<Match>,
    /// The last new order or replace, and its number, until a report told of it: the life before ended between the two.
    untold: Option<(u32, OrderRequest)>,
    last_cl_ord_ids: BTreeMap<u16, ClOrdId>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            name: SessionName::BLANK,
            next_sequence: 1,
            told: true,
            requests: BTreeMap::new(),
            numbers: BTreeMap::new(),
            prevented: BTreeMap::new(),
            preventing: None,
            executions: Vec::new(),
            untold: None,
            last_cl_ord_ids: BTreeMap::new(),
        }
    }
}

impl Memory {
    /// Takes the next record.
    pub fn note(&mut self, record: &Record) {
        match record {
            Record::Intent(intent) => self.note_request(&intent.request, intent.user_ref_num),
            Record::Adopted(adopted) => self.note_request(&adopted.request, adopted.user_ref_num),
            Record::VenueMessage(message) => {
                self.next_sequence = message.venue_sequence.saturating_add(1);
                self.told = false;
                self.preventing = match Outbound::parse(message.message()) {
                    Ok(Outbound::AiqCanceled(m)) => {
                        self.requests.get(&m.user_ref_num()).map(|used| (used.root, m.decrement()))
                    }
                    _ => None,
                };
            }
            Record::Execution(execution) => {
                self.told = true;
                if let Some((root, decrement)) = self.preventing.take() {
                    let prevented = self.prevented.entry(root).or_default();
                    *prevented = prevented.saturating_add(decrement);
                }
                self.note_execution(execution);
            }
            Record::CancelReject(_) => self.told = true,
            Record::NotSent(not_sent) => self.note_told(not_sent.cl_ord_id),
            Record::SessionEvent(event) if event.kind == SessionEvent::LOGIN => {
                let name = protocols::Alpha(event.session);
                if name != self.name || event.next_sequence < self.next_sequence {
                    let last_cl_ord_ids = std::mem::take(&mut self.last_cl_ord_ids);
                    let next_sequence = event.next_sequence;
                    *self = Self { name, next_sequence, last_cl_ord_ids, ..Self::default() };
                }
            }
            _ => {}
        }
    }

    fn note_told(&mut self, id: ClOrdId) {
        self.untold = self.untold.filter(|(_, request)| request.header().cl_ord_id != id);
    }

    fn note_request(&mut self, words: &shm_layout::message::Words128, user_ref_num: u32) {
        let Ok(request) = OrderRequest::decode(words) else { return };
        let header = request.header();
        let last = self.last_cl_ord_ids.entry(header.strategy_id).or_default();
        *last = (*last).max(header.cl_ord_id);
        let (kind, root) = match request {
            OrderRequest::NewOrderSingle(_) => (RefKind::New, user_ref_num),
            OrderRequest::OrderCancelReplaceRequest(replace) => {
                let original = self.numbers.get(&replace.orig_cl_ord_id).and_then(|number| self.requests.get(number));
                (RefKind::Replace, original.map_or(user_ref_num, |original| original.root))
            }
            OrderRequest::OrderCancelRequest(_) => return,
        };
        self.untold = Some((user_ref_num, request));
        self.numbers.insert(header.cl_ord_id, user_ref_num);
        self.requests.insert(user_ref_num, used(header, user_ref_num, root, kind));
    }

    fn note_execution(&mut self, execution: &ExecutionRecord) {
        let report = &execution.report;
        self.note_told(report.cl_ord_id);
        let Some(user_ref_num) = self.numbers.get(&report.cl_ord_id).copied() else { return };
        let match_number = execution.match_number;
        match ExecType::from_u8(report.exec_type) {
            Some(ExecType::Trade) => {
                let (qty, px) = (report.last_qty, report.last_px);
                self.executions.push(Match { user_ref_num, broken: false, match_number, qty, px });
            }
            Some(ExecType::TradeCancel) => {
                let same = |e: &&mut Match| e.match_number == match_number && e.user_ref_num == user_ref_num;
                if let Some(broken) = self.executions.iter_mut().find(same) {
                    broken.broken = true;
                }
            }
            _ => {}
        }
    }

    /// The next message to ask the venue for. The last one received is asked for again when nothing was told after it: it
    /// may have been journaled and not acted on.
    const fn resume_at(&self) -> u64 {
        if self.told { self.next_sequence } else { self.next_sequence - 1 }
    }
}

fn used(header: &OrderHeader, user_ref_num: u32, root: u32, kind: RefKind) -> UserRef {
    UserRef {
        user_ref_num,
        root,
        row: NO_ROW,
        kind,
        side: header.side(),
        sent: true,
        strategy_id: header.strategy_id,
        account_id: header.account_id,
        instrument_id: header.instrument_id,
        cl_ord_id: header.cl_ord_id,
        receive_ns: header.receive_ns,
    }
}

impl Gateway {
    /// A gateway that continues a journal after `journal_sequence`, whose records lead to `published` and told `memory`.
    /// The orders of the life before are its own; it cancels them, because nobody watched them meanwhile.
    ///
    /// # Panics
    /// On settings with no order capacity, or less than `published` has live orders.
    #[must_use]
    pub fn resumed(settings: Settings, published: OrdersState, journal_sequence: u64, memory: &Memory) -> Self {
        let mut gateway = Self::continuing(settings, published, journal_sequence);
        for (strategy, last) in &memory.last_cl_ord_ids {
            if let Some(owner) = gateway.strategies.get_mut(usize::from(*strategy)) {
                owner.last = *last;
            }
        }
        for execution in &memory.executions {
            gateway.matches.insert(*execution);
        }
        let mut live: Vec<orders::Order> = gateway.published.live_orders().copied().collect();
        if let Some((_, OrderRequest::NewOrderSingle(new))) = &memory.untold {
            live.push(orders::Order::new(new));
        }
        let mut rows = BTreeMap::new();
        for order in &live {
            let row = gateway.orders.insert(*order).expect("orders_max is below the number of live orders");
            let number = |id: ClOrdId| memory.numbers.get(&id).copied().unwrap_or(0);
            let working = number(order.cl_ord_id);
            let replacing = order.replace.map_or(0, |replace| number(replace.cl_ord_id));
            let root = memory.requests.get(&working).map_or(0, |used| used.root);
            let prevented = memory.prevented.get(&root).copied().unwrap_or(0);
            gateway.chains[row.index()] = Chain { root, working, replacing, prevented, ..Chain::default() };
            if root != 0 {
                rows.insert(root, row.index() as u32);
            }
        }
        if let Some((number, OrderRequest::OrderCancelReplaceRequest(replace))) = memory.untold {
            gateway.backlog.untold = Some((number, replace));
        }
        // Those of live orders last: where two numbers share a place, theirs is kept.
        let (alive, ended): (Vec<UserRef>, Vec<UserRef>) =
            memory.requests.values().copied().partition(|used| rows.contains_key(&used.root));
        for used in ended.into_iter().chain(alive) {
            gateway.refs.learn(UserRef { row: rows.get(&used.root).copied().unwrap_or(NO_ROW), ..used });
        }
        if !live.is_empty() {
            // What had no answer when the life before ended is in doubt; nothing connects before that is told.
            gateway.backlog.begin(machine::Nanos(0), Walk::Doubt);
            gateway.sweeps.begin_all(gateway.refs.next(), machine::Nanos(0));
        }
        gateway.session.remember(memory.name, memory.resume_at());
        gateway
    }

    /// The venue has another session than the journal told of: its numbers and matches name nothing here. Orders of the
    /// old one stay, in doubt and shown, until the operator clears them.
    pub(crate) fn forget_session(&mut self) {
        self.refs.clear();
        self.matches.clear();
        self.chains.fill(Chain::default());
        self.session.forget();
    }
}
