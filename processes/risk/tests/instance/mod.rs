//! A whole instance in a directory of its own, with the neighbours of risk scripted: strategies, gateway, feed handler,
//! supervisor and the operator's kill file, over real regions.

#![allow(dead_code, reason = "each test file uses its part")]

use risk::shell::RiskShell;
use runtime::clock::{Clock, calibrate};
use runtime::config::{HostFile, InstanceName};
use runtime::duty_cycle::Agent;
use runtime::instance::Instance;
use runtime::kill_file::{self, KillFile};
use runtime::ports::{Identity, Ports};
use runtime::process::{Arguments, Process};
use runtime::wait::WaitStrategy;
use shm_layout::control_page::{CONTROL_PAGE_WORDS, ControlPage, ControlPageReader};
use shm_layout::image::{ImageEntry, ImageWriter, Level};
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::message::execution::{Checkpoint, Execution, ExecutionKind, ExecutionReport};
use shm_layout::message::order::*;
use shm_layout::message::step::Step;
use shm_layout::message::{WORDS_64, WORDS_128};
use shm_layout::ring::sync::SharedWords;
use shm_layout::ring::{Full, RingReader, RingWriter, Start};
use shm_layout::status::{StatusReader, StatusWriter};
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::*;
use std::path::{Path, PathBuf};

pub const CENT: i64 = UNITS / 100;
pub const STRATEGIES: u8 = 2;
pub const SLOTS: usize = 64;

pub const fn ring(kind: RingKind, writer: Role, index: u8) -> RingId {
    RingId { kind, writer, index, gateway: 0 }
}

const fn identity(role: Role, index: u8, epoch: u64) -> Identity {
    Identity { role, index, epoch }
}

/// The instance and everyone but risk.
pub struct World {
    dir: tempfile::TempDir,
    file: HostFile,
    page: SharedWords,
    clock: Clock,
    pub now: Nanos,
    pub strategies: Vec<RingWriter<WORDS_128>>,
    pub control: RingWriter<WORDS_64>,
    pub execution: RingWriter<WORDS_128>,
    pub entry: RingReader<WORDS_128>,
    pub image: ImageWriter,
    pub kill: KillFile,
    gateway_status: StatusWriter,
    journal_sequence: u64,
}

impl World {
    pub fn new() -> Self {
        let mut text = include_str!("../../../../tuning/demo.toml").to_owned();
        for (key, slots) in [
            ("order_intent", 16384),
            ("order_entry", 16384),
            ("execution", 16384),
            ("control", 1024),
            ("step", 65536),
            ("wire", 65536),
            ("market_data", 65536),
        ] {
            let kept = if key == "step" { 1024 } else { SLOTS };
            text = text.replacen(&format!("\n{key} = {slots}\n"), &format!("\n{key} = {kept}\n"), 1);
        }
        text += "\n[[strategy]]\nkind = \"mean_reversion\"\naccount_id = 2\ninstruments = [\"AAAA\"]\n";
        let file = HostFile::parse("demo.toml", &text).unwrap();
        let (dir, page) = (tempfile::tempdir().unwrap(), SharedWords::heap(CONTROL_PAGE_WORDS));
        let _ = ControlPage::new(&page);
        let instance = instance(dir.path());
        instance.create_directories(1).unwrap();
        let ports = Ports::new(&instance, &file, 7, ControlPageReader::new(&page));
        let clock = Clock::new(calibrate());
        ports.create_all(clock.now()).unwrap();
        kill_file::create_if_absent(&instance.kill_file()).unwrap();
        let gateway = identity(Role::ExecutionGateway, 0, 1);
        let gateway_status = ports.status_writer(gateway, clock.now()).unwrap();
        let entry = ring(RingKind::OrderEntry, Role::Risk, 0);
        let strategy = |index| {
            let intent = ring(RingKind::OrderIntent, Role::Strategy, index);
            ports.writer(intent, identity(Role::Strategy, index, 1)).unwrap()
        };
        let image = ImageWriter::new(&ports.image(0, Some(identity(Role::FeedHandler, 0, 1))).unwrap());
        Self {
            now: clock.now(),
            strategies: (0..STRATEGIES).map(strategy).collect(),
            control: ports
                .writer(ring(RingKind::Control, Role::Supervisor, 0), identity(Role::Supervisor, 0, 1))
                .unwrap(),
            execution: ports.writer(ring(RingKind::Execution, Role::ExecutionGateway, 0), gateway).unwrap(),
            entry: ports.gating_reader(entry, gateway, &gateway_status, None).unwrap(),
            kill: KillFile::open(&instance.kill_file()).unwrap(),
            gateway_status,
            image,
            clock,
            file,
            page,
            dir,
            journal_sequence: 0,
        }
    }

    /// A market of 99.99 / 100.01 in the only instrument, trusted, at `now`.
    pub fn quote(&mut self) {
        let level = |cents: i64| Level { price: Price(cents * CENT), qty: Qty(UNITS) };
        let mut entry = ImageEntry {
            validity: BookValidity::Trusted as u8,
            trading_status: TradingStatus::Trading as u8,
            bid_count: 1,
            ask_count: 1,
            channel_sequence: 5,
            ..ImageEntry::default()
        };
        (entry.bids[0], entry.asks[0]) = (level(9_999), level(10_001));
        self.image.write(&entry);
        self.image.write_channel(ChannelState::Synchronized, 5, self.now);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A life of risk, one second before `now`: its throttles, exhausted at the start, are full again.
    pub fn risk(&mut self, epoch: u64, snapshot: Option<PathBuf>) -> anyhow::Result<(RiskShell, StatusReader)> {
        let instance = instance(self.dir.path());
        let page = ControlPageReader::new(&self.page);
        let me = identity(Role::Risk, 0, epoch);
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
        let shell = RiskShell::attach(&process, status)?;
        self.now = self.clock.now().plus(1_000_000_000);
        Ok((shell, reader))
    }

    /// One pass, a microsecond later.
    pub fn pass(&mut self, shell: &mut RiskShell) -> usize {
        self.now = self.now.plus(1_000);
        shell.duty_cycle(self.now)
    }

    pub fn intend(&mut self, request: &OrderRequest) -> Result<u64, Full> {
        self.strategies[usize::from(request.header().strategy_id)].push(&request.encode())
    }

    /// What lies on `order_entry`, taken by the gateway.
    pub fn entries(&mut self) -> Vec<OrderRequest> {
        let mut words = [[0; WORDS_128]; SLOTS];
        let count = self.entry.read_batch(&mut words).expect("it gates its writer");
        self.entry.commit();
        words[..count].iter().map(|words| OrderRequest::decode(words).unwrap()).collect()
    }

    pub fn tell(&mut self, kind: ControlKind, role: Option<Role>, epoch: u32) -> u64 {
        let role = role.map_or(0, |role| role as u8);
        let control = Control { kind: kind as u8, role, epoch, now_ns: self.now, ..Control::default() };
        self.control.push(&control.encode()).unwrap()
    }

    /// The gateway's report that it took a request; returns it.
    pub fn report_pending(&mut self, request: &OrderRequest) -> Execution {
        let OrderRequest::NewOrderSingle(order) = request else { panic!("a new order") };
        self.journal_sequence += 1;
        let header = &order.header;
        let report = Execution::Report(ExecutionReport {
            kind: ExecutionKind::ExecutionReport as u8,
            side: header.side,
            ord_status: OrdStatus::PendingNew as u8,
            exec_type: ExecType::PendingNew as u8,
            strategy_id: header.strategy_id,
            cl_ord_id: header.cl_ord_id,
            journal_sequence: self.journal_sequence,
            price: order.price,
            leaves_qty: order.order_qty,
            ..ExecutionReport::default()
        });
        self.execution.push(&report.encode()).unwrap();
        report
    }

    pub fn checkpoint(&mut self, state_hash: u64) -> Execution {
        self.journal_sequence += 1;
        let kind = ExecutionKind::Checkpoint as u8;
        let journal_sequence = self.journal_sequence;
        let checkpoint =
            Execution::Checkpoint(Checkpoint { kind, journal_sequence, state_hash, ..Checkpoint::default() });
        self.execution.push(&checkpoint.encode()).unwrap();
        checkpoint
    }

    /// A tap of any ring, from its oldest message on.
    pub fn read_all<const W: usize>(&self, ring: RingId) -> Vec<[u64; W]> {
        let ports = Ports::new(&instance(self.dir.path()), &self.file, 7, ControlPageReader::new(&self.page));
        let mut reader: RingReader<W> = ports.tap(ring, Start::Oldest).unwrap();
        let mut words = vec![[0; W]; 4096];
        let count = reader.read_batch(&mut words).unwrap();
        words.truncate(count);
        words
    }

    /// Risk's steps, in all lives.
    pub fn steps(&self) -> Vec<Step> {
        let words = self.read_all::<WORDS_64>(ring(RingKind::Step, Role::Risk, 0));
        words.iter().map(|words| Step::decode(words).unwrap()).collect()
    }

    pub fn host_file(&self) -> &HostFile {
        &self.file
    }
}

fn instance(dir: &Path) -> Instance {
    Instance::beneath(&InstanceName::new("w").unwrap(), &dir.join("shm"), &dir.join("data"))
}

fn header(kind: OrderKind, strategy: u16, counter: u32) -> OrderHeader {
    let cancel = kind == OrderKind::OrderCancelRequest;
    OrderHeader {
        kind: kind as u8,
        side: Side::Buy as u8,
        ord_type: if cancel { 0 } else { OrdType::Limit as u8 },
        time_in_force: if cancel { 0 } else { TimeInForce::Day as u8 },
        strategy_id: strategy,
        cl_ord_id: ClOrdId::new(0, 1, strategy, counter).unwrap(),
        ..OrderHeader::default()
    }
}

/// Buys one at 100.
pub fn buy(strategy: u16, counter: u32) -> OrderRequest {
    OrderRequest::NewOrderSingle(NewOrderSingle {
        header: header(OrderKind::NewOrderSingle, strategy, counter),
        price: Price(100 * UNITS),
        order_qty: Qty(UNITS),
        ..NewOrderSingle::default()
    })
}

/// Cancels the order with counter `orig`.
pub fn cancel(strategy: u16, counter: u32, orig: u32) -> OrderRequest {
    OrderRequest::OrderCancelRequest(OrderCancelRequest {
        header: header(OrderKind::OrderCancelRequest, strategy, counter),
        orig_cl_ord_id: ClOrdId::new(0, 1, strategy, orig).unwrap(),
        ..OrderCancelRequest::default()
    })
}

pub fn reasons(requests: &[OrderRequest]) -> Vec<RejectReason> {
    requests.iter().map(|request| request.header().reject_reason()).collect()
}
