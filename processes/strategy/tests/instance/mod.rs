//! A whole instance in a directory of its own, with the neighbours of a strategy scripted: feed handler, risk, gateway and
//! supervisor, over real regions.

#![allow(dead_code, reason = "each test file uses its part")]

use runtime::clock::{Clock, calibrate};
use runtime::config::{HostFile, InstanceName};
use runtime::duty_cycle::Agent;
use runtime::instance::Instance;
use runtime::ports::{Identity, Ports};
use runtime::process::{Arguments, Process};
use runtime::wait::WaitStrategy;
use shm_layout::control_page::{CONTROL_PAGE_WORDS, ControlPage, ControlPageReader};
use shm_layout::image::{ImageEntry, ImageWriter, Level};
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::message::execution::{Checkpoint, Execution, ExecutionKind, ExecutionReport};
use shm_layout::message::market_data::{MarketData, MarketDataHeader, MarketDataKind, TopOfBook};
use shm_layout::message::order::{NewOrderSingle, OrderCancelRequest, OrderHeader, OrderKind, OrderRequest};
use shm_layout::message::step::Step;
use shm_layout::message::{WORDS_64, WORDS_128};
use shm_layout::ring::sync::SharedWords;
use shm_layout::ring::{RingReader, RingWriter, Start};
use shm_layout::status::{StatusReader, StatusWriter};
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use strategy::shell::StrategyShell;

pub const CENT: i64 = UNITS / 100;
pub const MS: u64 = 1_000_000;
/// Slots of `market_data` and `control`.
pub const SLOTS: usize = 64;
const SYMBOL: InstrumentId = InstrumentId(0);

pub const fn ring(kind: RingKind, writer: Role) -> RingId {
    RingId { kind, writer, index: 0, gateway: 0 }
}

const fn identity(role: Role, epoch: u64) -> Identity {
    Identity { role, index: 0, epoch }
}

/// The instance and everyone but the strategy.
pub struct World {
    dir: tempfile::TempDir,
    file: HostFile,
    page: SharedWords,
    clock: Clock,
    pub now: Nanos,
    pub market_data: RingWriter<WORDS_64>,
    pub image: ImageWriter,
    pub image_words: SharedWords,
    pub control: RingWriter<WORDS_64>,
    pub execution: RingWriter<WORDS_128>,
    intents: RingReader<WORDS_128>,
    risk_status: StatusWriter,
    channel_sequence: u64,
    journal_sequence: u64,
    /// Bid and ask, in cents.
    pub market: (i64, i64),
}

impl World {
    pub fn new() -> Self {
        Self::with_intent_slots(256)
    }

    /// With so many slots in `order_intent`.
    pub fn with_intent_slots(order_intent: usize) -> Self {
        let mut text = include_str!("../../../../tuning/demo.toml").to_owned();
        for (key, slots, kept) in [
            ("order_intent", 16384, order_intent),
            ("order_entry", 16384, SLOTS),
            ("execution", 16384, SLOTS),
            ("control", 1024, SLOTS),
            ("step", 65536, 4096),
            ("wire", 65536, SLOTS),
            ("market_data", 65536, SLOTS),
        ] {
            text = text.replacen(&format!("\n{key} = {slots}\n"), &format!("\n{key} = {kept}\n"), 1);
        }
        let row = "instruments = [\"AAAA\"]\n";
        text = text.replacen(
            row,
            &format!("{row}sample_interval_ms = 1\nwindow = 4\norder_timeout_ms = 10000\nentry_milli_sigma = 1500\n"),
            1,
        );
        let file = HostFile::parse("demo.toml", &text).unwrap();
        let (dir, page) = (tempfile::tempdir().unwrap(), SharedWords::heap(CONTROL_PAGE_WORDS));
        let _ = ControlPage::new(&page);
        let instance = instance(dir.path());
        instance.create_directories(1).unwrap();
        let ports = Ports::new(&instance, &file, 7, ControlPageReader::new(&page));
        let clock = Clock::new(calibrate());
        ports.create_all(clock.now()).unwrap();
        let (risk, feed) = (identity(Role::Risk, 1), identity(Role::FeedHandler, 1));
        let risk_status = ports.status_writer(risk, clock.now()).unwrap();
        let intent = ring(RingKind::OrderIntent, Role::Strategy);
        let image_words = ports.image(0, Some(feed)).unwrap();
        let mut world = Self {
            now: clock.now(),
            market_data: ports.writer(ring(RingKind::MarketData, Role::FeedHandler), feed).unwrap(),
            image: ImageWriter::new(&image_words),
            image_words,
            control: ports.writer(ring(RingKind::Control, Role::Supervisor), identity(Role::Supervisor, 1)).unwrap(),
            execution: ports
                .writer(ring(RingKind::Execution, Role::ExecutionGateway), identity(Role::ExecutionGateway, 1))
                .unwrap(),
            intents: ports.gating_reader(intent, risk, &risk_status, None).unwrap(),
            risk_status,
            clock,
            file,
            page,
            dir,
            channel_sequence: 10,
            journal_sequence: 0,
            market: (9_999, 10_001),
        };
        world.channel(ChannelState::Synchronized);
        world.quote(9_999, 10_001);
        world
    }

    pub fn channel(&mut self, state: ChannelState) {
        self.image.write_channel(state, self.channel_sequence, self.now);
    }

    /// The market moves to these cents: in the image, and as one message for each side, the one that closes the spread
    /// first.
    pub fn quote(&mut self, bid: i64, ask: i64) {
        let falls = bid < self.market.0;
        self.market = (bid, ask);
        self.channel_sequence += 2;
        let level = |cents: i64| Level { price: Price(cents * CENT), qty: Qty(100 * UNITS) };
        let mut entry = ImageEntry {
            validity: BookValidity::Trusted as u8,
            trading_status: TradingStatus::Trading as u8,
            bid_count: 1,
            ask_count: 1,
            channel_sequence: self.channel_sequence,
            receive_ns: self.now,
            ..ImageEntry::default()
        };
        (entry.bids[0], entry.asks[0]) = (level(bid), level(ask));
        self.image.write(&entry);
        let mut sides = [(Side::Buy, bid), (Side::Sell, ask)];
        if falls {
            sides.reverse();
        }
        for ((side, cents), back) in sides.into_iter().zip([1, 0]) {
            let header = MarketDataHeader {
                kind: MarketDataKind::TopOfBook as u8,
                side: side as u8,
                validity: BookValidity::Trusted as u8,
                trading_status: TradingStatus::Trading as u8,
                receive_ns: self.now,
                channel_sequence: self.channel_sequence - back,
                ..MarketDataHeader::default()
            };
            let top = TopOfBook { header, price: Price(cents * CENT), qty: Qty(100 * UNITS) };
            self.market_data.push(&MarketData::TopOfBook(top).encode()).unwrap();
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn host_file(&self) -> &HostFile {
        &self.file
    }

    pub fn strategy(&mut self, epoch: u64, snapshot: Option<PathBuf>) -> anyhow::Result<(StrategyShell, StatusReader)> {
        let instance = instance(self.dir.path());
        let (page, me) = (ControlPageReader::new(&self.page), identity(Role::Strategy, epoch));
        let ports = Ports::new(&instance, &self.file, 7, page.clone());
        let status = ports.status_writer(me, self.clock.now())?;
        let reader = status.reader();
        let arguments = Arguments {
            host: PathBuf::new(),
            index: 0,
            epoch,
            restarts: 0,
            core: None,
            wait: WaitStrategy::Yield,
            turn_after: Vec::new(),
            snapshot,
        };
        let file = self.file.clone();
        let process =
            Process { identity: me, arguments, file, instance, ports, page, boot_stamp: 7, clock: self.clock };
        let shell = StrategyShell::attach(&process, status)?;
        self.now = self.now.max(self.clock.now());
        Ok((shell, reader))
    }

    /// One pass, a millisecond later: one sample of the mid.
    pub fn pass(&mut self, shell: &mut StrategyShell) -> usize {
        self.now = self.now.plus(MS);
        shell.duty_cycle(self.now)
    }

    /// A market that swings by a cent for longer than the window is, in so many passes a swing: no reason to trade.
    pub fn calm(&mut self, shell: &mut StrategyShell, passes: usize) {
        for round in 0..8 {
            self.quote(9_999 + round % 2, 10_001 + round % 2);
            for _ in 0..passes {
                self.pass(shell);
            }
        }
    }

    /// The same, and then a fall by half: a reason to buy.
    pub fn fall(&mut self, shell: &mut StrategyShell) {
        self.calm(shell, 1);
        self.quote(9_949, 9_951);
        self.pass(shell);
    }

    /// An earlier life left so many cancels on `order_intent`, which risk has not read.
    pub fn leave(&mut self, count: u32) {
        let ports = Ports::new(&instance(self.dir.path()), &self.file, 7, ControlPageReader::new(&self.page));
        let intent = ring(RingKind::OrderIntent, Role::Strategy);
        let mut writer: RingWriter<WORDS_128> = ports.writer(intent, identity(Role::Strategy, 1)).unwrap();
        for counter in 1..=count {
            let header = OrderHeader {
                kind: OrderKind::OrderCancelRequest as u8,
                side: Side::Buy as u8,
                cl_ord_id: ClOrdId::new(0, 1, 0, counter).unwrap(),
                ..OrderHeader::default()
            };
            let cancel = OrderCancelRequest { header, ..OrderCancelRequest::default() };
            writer.push(&OrderRequest::OrderCancelRequest(cancel).encode()).unwrap();
        }
    }

    /// What lies on `order_intent`, taken by risk.
    pub fn intents(&mut self) -> Vec<OrderRequest> {
        let mut words = [[0; WORDS_128]; 256];
        let count = self.intents.read_batch(&mut words).expect("it gates its writer");
        self.intents.commit();
        words[..count].iter().map(|words| OrderRequest::decode(words).unwrap()).collect()
    }

    pub fn tell(&mut self, kind: ControlKind, role: Role, epoch: u32) -> u64 {
        let control = Control { kind: kind as u8, role: role as u8, epoch, now_ns: self.now, ..Control::default() };
        self.control.push(&control.encode()).unwrap()
    }

    /// The gateway's report of an event of an order, with so much executed now.
    pub fn report(&mut self, order: &NewOrderSingle, exec_type: ExecType, status: OrdStatus, last: Qty) -> Execution {
        self.journal_sequence += 1;
        let (header, left) = (&order.header, Qty(order.order_qty.0 - last.0));
        let report = Execution::Report(ExecutionReport {
            kind: ExecutionKind::ExecutionReport as u8,
            side: header.side,
            ord_status: status as u8,
            exec_type: exec_type as u8,
            strategy_id: header.strategy_id,
            cl_ord_id: header.cl_ord_id,
            journal_sequence: self.journal_sequence,
            price: order.price,
            leaves_qty: if status.is_terminal() { Qty::ZERO } else { left },
            cum_qty: last,
            last_qty: last,
            last_px: if last == Qty::ZERO { Price::ZERO } else { order.price },
            ..ExecutionReport::default()
        });
        self.execution.push(&report.encode()).unwrap();
        report
    }

    /// The whole life of an order that is executed at once.
    pub fn fill(&mut self, order: &NewOrderSingle) -> Vec<Execution> {
        vec![
            self.report(order, ExecType::PendingNew, OrdStatus::PendingNew, Qty::ZERO),
            self.report(order, ExecType::New, OrdStatus::New, Qty::ZERO),
            self.report(order, ExecType::Trade, OrdStatus::Filled, order.order_qty),
        ]
    }

    pub fn checkpoint(&mut self) -> u64 {
        self.journal_sequence += 1;
        let (kind, journal_sequence) = (ExecutionKind::Checkpoint as u8, self.journal_sequence);
        let checkpoint = Checkpoint { kind, journal_sequence, state_hash: 1, ..Checkpoint::default() };
        self.execution.push(&Execution::Checkpoint(checkpoint).encode()).unwrap();
        journal_sequence
    }

    /// A ring from its oldest message on, with the sequence of the first.
    pub fn read_all<const W: usize>(&self, ring: RingId) -> (u64, Vec<[u64; W]>) {
        let ports = Ports::new(&instance(self.dir.path()), &self.file, 7, ControlPageReader::new(&self.page));
        let mut reader: RingReader<W> = ports.tap(ring, Start::Oldest).unwrap();
        let mut words = vec![[0; W]; 8192];
        let count = reader.read_batch(&mut words).unwrap();
        words.truncate(count);
        (reader.next_sequence() - count as u64, words)
    }

    pub fn steps(&self) -> Vec<Step> {
        let (_, words) = self.read_all::<WORDS_64>(ring(RingKind::Step, Role::Strategy));
        words.iter().map(|words| Step::decode(words).unwrap()).collect()
    }
}

fn instance(dir: &Path) -> Instance {
    Instance::beneath(&InstanceName::new("w").unwrap(), &dir.join("shm"), &dir.join("data"))
}

pub fn counters(status: &StatusReader) -> BTreeMap<String, u64> {
    status.counters().iter().collect()
}

pub fn new_orders(requests: &[OrderRequest]) -> Vec<NewOrderSingle> {
    let order = |request: &OrderRequest| match request {
        OrderRequest::NewOrderSingle(order) => Some(*order),
        _ => None,
    };
    requests.iter().filter_map(order).collect()
}

pub fn is_cancel(request: &OrderRequest) -> bool {
    matches!(request, OrderRequest::OrderCancelRequest(_))
}

/// The instrument.
pub const fn symbol() -> InstrumentId {
    SYMBOL
}
