//! A desk around the gateway's machine: it carries outputs out, holds I1 and I2 against each of them, and speaks for a
//! venue byte by byte.
#![allow(dead_code, reason = "each test file uses a part")]

use execution_gateway::config::{Capital, Durability, Settings};
use execution_gateway::{Gateway, Input, Output, Received, SendTag};
use journal::Record;
use machine::{Machine, Stepper};
use protocols::Alpha;
use protocols::ouch::{Inbound, InboundRepr, OutboundRepr};
use protocols::soupbintcp::{Password, Timing};
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::message::execution::{Execution, ExecutionReport};
use shm_layout::message::order::{
    NewOrderSingle, OrderCancelReplaceRequest, OrderCancelRequest, OrderHeader, OrderKind, OrderRequest,
};
use shm_layout::types::{
    ClOrdId, InstrumentId, Nanos, Notional, OrdStatus, OrdType, Price, Qty, RejectReason, Role, Side, TimeInForce,
};
use std::collections::BTreeSet;

pub const SHARE: i64 = 100_000_000;

pub fn settings(durability: Durability) -> Settings {
    Settings {
        gateway: 0,
        username: Alpha::padded(b"TICK01").unwrap(),
        password: Password(Alpha::padded(b"SECRET").unwrap()),
        firm: Alpha::padded(b"TICK").unwrap(),
        symbols: vec![Alpha::padded(b"ALFA").unwrap(), Alpha::padded(b"BRAVO").unwrap()],
        strategies: 2,
        durability,
        capital: Capital { orders_max: Some(1_000), notional_max: Some(Notional(i128::MAX)) },
        orders_max: 64,
        checkpoint_ns: 500_000_000,
        reconnect_ns: 500_000_000,
        timing: Timing::default(),
    }
}

pub struct Desk {
    pub stepper: Stepper<Gateway>,
    pub now: Nanos,
    pub journal: Vec<Record>,
    pub published: Vec<Execution>,
    /// OUCH messages handed to the socket, in order.
    pub wire: Vec<InboundRepr>,
    pub connects: usize,
    pub finished: bool,
    pub kill_echo: Option<(u64, u64)>,
    pub fences: Vec<(Role, u8, u32, u64)>,
    /// What the shell's last look says; `None`: it may leave.
    pub last_look: Option<RejectReason>,
    /// Whether what was handed over is answered with Sent at once.
    pub answers: bool,
    sent_numbers: BTreeSet<u32>,
    venue_sequence: u64,
    risk_sequence: u64,
    pub entry_sequence: u64,
    counter: u32,
    pub risk_epoch: u32,
    /// What the machine was given: an input, or its timer.
    pub steps: Vec<(Nanos, Option<Input>)>,
    pub outputs: Vec<Output>,
    /// Most outputs of one timer so far.
    pub most: usize,
    /// Outputs left until it dies in the middle of a step.
    left: Option<usize>,
}

impl Desk {
    pub fn new(settings: Settings) -> Self {
        Self {
            stepper: Stepper::new(Gateway::new(settings, 0), Nanos(0)),
            now: Nanos(1_000_000_000),
            journal: Vec::new(),
            published: Vec::new(),
            wire: Vec::new(),
            connects: 0,
            finished: false,
            kill_echo: None,
            fences: Vec::new(),
            last_look: None,
            answers: true,
            sent_numbers: BTreeSet::new(),
            venue_sequence: 1,
            risk_sequence: 0,
            entry_sequence: 0,
            counter: 0,
            risk_epoch: 1,
            steps: Vec::new(),
            outputs: Vec::new(),
            most: 0,
            left: None,
        }
    }

    /// The gateway dies; the next life continues its journal, from which it learns everything.
    pub fn second_life(mut self) -> Self {
        let (published, memory) = self.fold();
        let gateway = Gateway::resumed(settings(Durability::L0), published, self.journal.len() as u64, &memory);
        self.stepper = Stepper::new(gateway, self.now);
        self.left = None;
        self.connects = 0;
        self.wire.clear();
        for (role, index) in [(Role::Risk, 0), (Role::Strategy, 0), (Role::Strategy, 1)] {
            self.epoch(role, index, 1);
            self.input(Input::Lease { role, index, held: true });
        }
        self.timers();
        assert_eq!(self.connects, 1, "the gateway wants to connect");
        self.input(Input::Connected);
        self
    }

    /// The last login request: session and sequence asked for.
    pub fn login_request(&self) -> (String, u64) {
        let is_login = |output: &Output| matches!(output, Output::Send(sending) if sending.bytes[2] == b'L');
        let Some(Output::Send(sending)) = self.outputs.iter().rev().find(|output| is_login(output)) else {
            panic!("no login was sent");
        };
        let text = |range: std::ops::Range<usize>| {
            String::from_utf8(sending.bytes[2..][range].to_vec()).unwrap().trim().to_owned()
        };
        (text(17..27), text(27..47).parse().unwrap())
    }

    /// A desk that trades: epochs announced, leases held, logged in, queried, open.
    pub fn open() -> Self {
        Self::open_with(settings(Durability::L0))
    }

    pub fn open_with(settings: Settings) -> Self {
        let mut desk = Self::new(settings);
        desk.epoch(Role::Risk, 0, 1);
        desk.epoch(Role::Strategy, 0, 1);
        desk.epoch(Role::Strategy, 1, 1);
        for (role, index) in [(Role::Risk, 0), (Role::Strategy, 0), (Role::Strategy, 1)] {
            desk.input(Input::Lease { role, index, held: true });
        }
        desk.login();
        assert!(desk.gateway().session_open());
        desk
    }

    pub fn login(&mut self) {
        self.timers();
        assert!(self.connects > 0, "the gateway wants to connect");
        self.input(Input::Connected);
        let sequence = self.venue_sequence;
        self.accept_login(sequence);
        let next = self.sent_numbers.last().map_or(1, |last| last + 1);
        self.query_answer(next);
    }

    pub fn accept_login(&mut self, sequence: u64) {
        self.frame(b'A', format!("{:>10}{:>20}", "SESSION001", sequence).as_bytes());
    }

    /// A new connection of the session: everything is answered that the gateway asks before it opens. `taken`: the numbers
    /// below it are what the venue has taken.
    pub fn reconnect(&mut self, taken: u32) {
        let said = self.wire.len();
        self.input(Input::Connected);
        self.accept_login(self.venue_sequence);
        self.says(&OutboundRepr::AccountQueryResponse(protocols::ouch::AccountQueryResponseRepr {
            timestamp_ns: 1,
            next_user_ref_num: taken,
        }));
        let probe = self.wire[said..].iter().find_map(|message| match message {
            InboundRepr::EnableOrderEntry(probe) => Some(*probe),
            _ => None,
        });
        if let Some(probe) = probe {
            let (user_ref_num, firm) = (probe.user_ref_num, probe.firm);
            let answer = protocols::ouch::EnableOrderEntryResponseRepr { timestamp_ns: 1, user_ref_num, firm };
            self.says(&OutboundRepr::EnableOrderEntryResponse(answer));
        }
    }

    pub fn cancelled_count(&self) -> usize {
        self.wire.iter().filter(|message| matches!(message, InboundRepr::CancelOrder(_))).count()
    }

    /// An execution, before any timer.
    pub fn give_execution(&mut self, user_ref_num: u32, quantity: u32) {
        let bytes = self.sequenced(&executed(user_ref_num, quantity, 1));
        let received = self.received(&bytes);
        self.give(received);
    }

    /// Numbers that cancels named, in order.
    pub fn cancelled(&self) -> Vec<u32> {
        let number = |m: &InboundRepr| if let InboundRepr::CancelOrder(c) = m { Some(c.user_ref_num) } else { None };
        self.wire.iter().filter_map(number).collect()
    }

    pub fn query_answer(&mut self, next_user_ref_num: u32) {
        assert!(matches!(self.wire.last(), Some(InboundRepr::AccountQuery(_))), "a query is out");
        self.says(&OutboundRepr::AccountQueryResponse(protocols::ouch::AccountQueryResponseRepr {
            timestamp_ns: 1,
            next_user_ref_num,
        }));
    }

    pub fn gateway(&self) -> &Gateway {
        &self.stepper.machine
    }

    /// Gives an input, what the socket says of its outputs, and then fires what is due, as the shell's next pass does.
    pub fn input(&mut self, input: Input) {
        self.give(input);
        self.timers();
    }

    /// The gateway dies after so many outputs more.
    pub const fn dies_after(&mut self, outputs: usize) {
        self.left = Some(outputs);
    }

    pub const fn is_dead(&self) -> bool {
        matches!(self.left, Some(0))
    }

    /// The journal folds to what the gateway holds.
    pub fn check_journal(&self) {
        let (fold, _) = self.fold();
        assert_eq!(fold.hash(), self.gateway().published().hash());
    }

    fn fold(&self) -> (orders::state::OrdersState, execution_gateway::Memory) {
        let mut memory = execution_gateway::Memory::default();
        let mut published = orders::state::OrdersState::with_capacity(64, 2, 2);
        let mut rebuilt = journal::Rebuilt {
            last_cl_ord_ids: vec![ClOrdId::NONE; 1024],
            last_intent_sequences: vec![0; 1024],
            ..journal::Rebuilt::default()
        };
        for (index, record) in self.journal.iter().enumerate() {
            memory.note(record);
            journal::rebuild::fold(index as u64 + 1, record, &mut published, &mut rebuilt).expect("the journal folds");
        }
        (published, memory)
    }

    /// Gives an input and what the socket says of its outputs; no timer fires.
    pub fn give(&mut self, input: Input) {
        if self.is_dead() {
            return;
        }
        self.now = self.now.plus(1_000);
        let mut outputs = Vec::new();
        let at = self.stepper.input(self.now, &input, &mut |output| outputs.push(output));
        let received = matches!(input, Input::Received(_));
        let most = if received { Gateway::OUTPUTS_MAX } else { Gateway::TIMER_OUTPUTS_MAX };
        assert!(outputs.len() <= most, "{} outputs of {input:?}", outputs.len());
        self.steps.push((at, Some(input)));
        self.carry_out(outputs);
    }

    /// Fires the timer once, if it is due.
    pub fn timer(&mut self) -> bool {
        if self.is_dead() {
            return false;
        }
        let mut outputs = Vec::new();
        let Some(at) = self.stepper.timer(self.now, &mut |output| outputs.push(output)) else { return false };
        self.check_timer(&outputs);
        self.steps.push((at, None));
        self.carry_out(outputs);
        true
    }

    /// No timer asks the shell for more than it keeps free.
    fn check_timer(&mut self, outputs: &[Output]) {
        let of = |kind: fn(&Output) -> bool| outputs.iter().filter(|output| kind(output)).count();
        let (sends, reports) = (of(|o| matches!(o, Output::Send(_))), of(|o| matches!(o, Output::Publish(_))));
        assert!(outputs.len() <= Gateway::TIMER_OUTPUTS_MAX, "{} outputs of a timer", outputs.len());
        assert!(sends <= Gateway::TIMER_SENDS_MAX && reports <= Gateway::TIMER_REPORTS_MAX, "{sends}, {reports}");
        self.most = self.most.max(outputs.len());
    }

    /// Fires what is due, until nothing is.
    pub fn timers(&mut self) {
        for _ in 0..10_000 {
            if !self.timer() {
                return;
            }
        }
        panic!("timers do not come to rest");
    }

    pub fn wait(&mut self, ns: u64) {
        self.now = self.now.plus(ns);
        self.timers();
    }

    fn carry_out(&mut self, outputs: Vec<Output>) {
        let mut answers = Vec::new();
        self.outputs.extend(outputs.iter().copied());
        for output in outputs {
            match &mut self.left {
                Some(0) => return,
                Some(left) => *left -= 1,
                None => {}
            }
            match output {
                Output::Journal { sequence, record } => {
                    self.journal.push(record);
                    assert_eq!(sequence, self.journal.len() as u64, "journal sequences are consecutive");
                }
                Output::Publish(execution) => self.published.push(execution),
                Output::Send(sending) => {
                    let bytes = &sending.bytes[..sending.length];
                    if bytes[2] == b'U' {
                        let message = Inbound::parse(&bytes[3..]).expect("it sends OUCH");
                        if let SendTag::Opening { user_ref_num, .. } = sending.tag {
                            self.check_order(user_ref_num);
                            if let Some(reason) = self.last_look {
                                answers.push(Input::NotSent { user_ref_num, reason });
                                continue;
                            }
                        }
                        self.wire.push(message.repr().expect("a known message"));
                    }
                    match sending.tag {
                        SendTag::Opening { user_ref_num, .. } | SendTag::Closing { user_ref_num } if self.answers => {
                            answers.push(Input::Sent { user_ref_num, send_ns: self.now.plus(5), write_ns: 5 });
                        }
                        _ => {}
                    }
                }
                Output::Connect => self.connects += 1,
                Output::Disconnect => {}
                Output::KillEcho { generation, journal_sequence } => {
                    self.kill_echo = Some((generation, journal_sequence));
                }
                Output::FenceEcho { role, index, epoch, journal_sequence } => {
                    self.fences.push((role, index, epoch, journal_sequence));
                }
                Output::Finished => self.finished = true,
            }
        }
        answers.into_iter().for_each(|answer| self.give(answer));
    }

    /// I1: the intent is journaled; I2: no number is handed over twice.
    fn check_order(&mut self, user_ref_num: u32) {
        let journaled = self.journal.iter().rev().any(|record| {
            matches!(record, Record::Intent(intent) if intent.user_ref_num == user_ref_num && intent.flags == 0)
        });
        assert!(journaled, "I1: UserRefNum {user_ref_num} has no intent");
        assert!(self.sent_numbers.insert(user_ref_num), "I2: UserRefNum {user_ref_num} was sent twice");
    }

    /// Bytes of the venue, as one read.
    pub fn bytes(&mut self, bytes: &[u8]) {
        let received = self.received(bytes);
        self.input(received);
    }

    fn received(&self, bytes: &[u8]) -> Input {
        let mut received = Received { receive_ns: self.now, length: bytes.len(), ..Received::default() };
        received.bytes[..bytes.len()].copy_from_slice(bytes);
        Input::Received(received)
    }

    pub fn frame(&mut self, packet_type: u8, payload: &[u8]) {
        let bytes = framed(packet_type, payload);
        self.bytes(&bytes);
    }

    /// A sequenced message of the venue.
    pub fn says(&mut self, message: &OutboundRepr) {
        let bytes = self.sequenced(message);
        self.bytes(&bytes);
    }

    pub fn sequenced(&mut self, message: &OutboundRepr) -> Vec<u8> {
        self.venue_sequence += 1;
        let mut payload = [0; 128];
        let length = message.encode_into(&mut payload).unwrap();
        framed(b'S', &payload[..length])
    }

    pub fn epoch(&mut self, role: Role, index: u8, epoch: u32) {
        let control = Control { kind: ControlKind::Epoch as u8, role: role as u8, index, epoch, ..Control::default() };
        self.input(Input::Control(control));
    }

    pub fn control(&mut self, kind: ControlKind) {
        self.input(Input::Control(Control { kind: kind as u8, ..Control::default() }));
    }

    pub fn header(&mut self, kind: OrderKind, strategy: u16) -> OrderHeader {
        self.counter += 1;
        self.risk_sequence += 1;
        let cancel = kind == OrderKind::OrderCancelRequest;
        OrderHeader {
            kind: kind as u8,
            side: Side::Buy as u8,
            ord_type: if cancel { 0 } else { OrdType::Limit as u8 },
            time_in_force: if cancel { 0 } else { TimeInForce::Day as u8 },
            strategy_id: strategy,
            cl_ord_id: ClOrdId::new(0, 1, strategy, self.counter).unwrap(),
            instrument_id: InstrumentId(0),
            risk_epoch: self.risk_epoch,
            risk_sequence: self.risk_sequence,
            receive_ns: Nanos(7),
            ..OrderHeader::default()
        }
    }

    pub fn request(&mut self, request: OrderRequest) {
        self.entry_sequence += 1;
        self.input(Input::Entry { sequence: self.entry_sequence, request: Ok(request) });
    }

    /// A new buy of strategy 0: its id.
    pub fn new_order(&mut self, shares: i64) -> ClOrdId {
        let new = NewOrderSingle {
            header: self.header(OrderKind::NewOrderSingle, 0),
            price: Price(10 * SHARE),
            order_qty: Qty(shares * SHARE),
            ..NewOrderSingle::default()
        };
        self.request(OrderRequest::NewOrderSingle(new));
        new.header.cl_ord_id
    }

    /// A new order that the venue has accepted: its id and number.
    pub fn working(&mut self, shares: i64) -> (ClOrdId, u32) {
        let id = self.new_order(shares);
        let number = self.last_number();
        self.accepted(number, shares as u32, id);
        assert_eq!(self.status(id), OrdStatus::New);
        (id, number)
    }

    pub fn cancel(&mut self, orig: ClOrdId) -> ClOrdId {
        let cancel = OrderCancelRequest {
            header: self.header(OrderKind::OrderCancelRequest, 0),
            orig_cl_ord_id: orig,
            ..OrderCancelRequest::default()
        };
        self.request(OrderRequest::OrderCancelRequest(cancel));
        cancel.header.cl_ord_id
    }

    pub fn replace(&mut self, orig: ClOrdId, shares: i64) -> ClOrdId {
        let replace = OrderCancelReplaceRequest {
            header: self.header(OrderKind::OrderCancelReplaceRequest, 0),
            price: Price(11 * SHARE),
            order_qty: Qty(shares * SHARE),
            orig_cl_ord_id: orig,
            ..OrderCancelReplaceRequest::default()
        };
        self.request(OrderRequest::OrderCancelReplaceRequest(replace));
        replace.header.cl_ord_id
    }

    pub fn last_number(&self) -> u32 {
        *self.sent_numbers.last().expect("an order was sent")
    }

    pub fn accepted(&mut self, user_ref_num: u32, quantity: u32, id: ClOrdId) {
        self.says(&accepted(user_ref_num, quantity, id, b'L'));
    }

    pub fn executed(&mut self, user_ref_num: u32, quantity: u32, match_number: u64) {
        self.says(&executed(user_ref_num, quantity, match_number));
    }

    pub fn canceled(&mut self, user_ref_num: u32, decrement: u32) {
        self.says(&OutboundRepr::OrderCanceled(protocols::ouch::OrderCanceledRepr {
            timestamp_ns: 1,
            user_ref_num,
            decrement,
            reason: b'U',
        }));
    }

    pub fn status(&self, id: ClOrdId) -> OrdStatus {
        self.gateway().orders().get(id).expect("the order is held").ord_status()
    }

    pub fn last_report(&self) -> ExecutionReport {
        match self.published.iter().rev().find(|e| !matches!(e, Execution::Checkpoint(_))) {
            Some(Execution::Report(report) | Execution::CancelReject(report)) => *report,
            _ => panic!("nothing was published"),
        }
    }

    pub fn reason(&self) -> RejectReason {
        RejectReason::from_u8(self.last_report().reason as u8).unwrap()
    }

    /// The fold of what was published is what the gateway itself holds.
    pub fn check_fold(&self) {
        let capacity = self.gateway().orders().capacity();
        let mut fold = orders::state::OrdersState::with_capacity(capacity, 2, 2);
        for execution in &self.published {
            fold.apply(execution).expect("the stream folds");
        }
        assert_eq!(fold.hash(), self.gateway().published().hash());
        for (_, order) in self.gateway().orders().live() {
            let folded = fold.order(order.cl_ord_id).expect("a live order is in the fold");
            assert_eq!(
                (folded.ord_status(), folded.leaves_qty, folded.cum_qty, folded.price),
                (order.ord_status(), order.leaves_qty, order.cum_qty, order.price)
            );
        }
    }
}

pub fn framed(packet_type: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u16 + 1).to_be_bytes().to_vec();
    bytes.push(packet_type);
    bytes.extend_from_slice(payload);
    bytes
}

pub fn accepted(user_ref_num: u32, quantity: u32, id: ClOrdId, order_state: u8) -> OutboundRepr {
    OutboundRepr::OrderAccepted(protocols::ouch::OrderAcceptedRepr {
        timestamp_ns: 1,
        user_ref_num,
        side: b'B',
        quantity,
        symbol: Alpha::padded(b"ALFA").unwrap(),
        price: 100_000,
        time_in_force: b'0',
        display: b'Y',
        order_reference_number: u64::from(user_ref_num) + 1_000,
        capacity: b'P',
        intermarket_sweep: b'N',
        cross_type: b'N',
        order_state,
        cl_ord_id: Alpha::padded(&id.to_text()).unwrap(),
    })
}

pub fn replaced(orig: u32, user_ref_num: u32, open: u32, id: ClOrdId) -> OutboundRepr {
    OutboundRepr::OrderReplaced(protocols::ouch::OrderReplacedRepr {
        timestamp_ns: 1,
        orig_user_ref_num: orig,
        user_ref_num,
        side: b'B',
        quantity: open,
        symbol: Alpha::padded(b"ALFA").unwrap(),
        price: 110_000,
        time_in_force: b'0',
        display: b'Y',
        order_reference_number: u64::from(user_ref_num) + 1_000,
        capacity: b'P',
        intermarket_sweep: b'N',
        cross_type: b'N',
        order_state: b'L',
        cl_ord_id: Alpha::padded(&id.to_text()).unwrap(),
    })
}

pub fn executed(user_ref_num: u32, quantity: u32, match_number: u64) -> OutboundRepr {
    OutboundRepr::OrderExecuted(protocols::ouch::OrderExecutedRepr {
        timestamp_ns: 1,
        user_ref_num,
        quantity,
        price: 100_000,
        liquidity_flag: b'A',
        match_number,
    })
}
