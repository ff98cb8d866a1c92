//! A dead instance in a temporary directory, and the command run on it.

mod command;

pub use command::{Run, tickway};

use journal::memory;
use journal::record::{Intent, Record, Sent};
use journal::{Flusher, Resume, TailWriter, tail};
use runtime::config::{HostFile, InstanceName};
use runtime::instance::Instance;
use runtime::kill_file;
use runtime::ports::{Identity, Ports};
use runtime::store::FileStore;
use shm_layout::control_page::{CONTROL_PAGE_WORDS, ControlPage};
use shm_layout::message::execution::{Execution, ExecutionKind, ExecutionReport};
use shm_layout::message::order::{NewOrderSingle, OrderHeader, OrderKind, OrderRequest};
use shm_layout::ring::sync::SharedWords;
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::{
    ClOrdId, ExecType, InstrumentId, Nanos, OrdStatus, OrdType, Price, Qty, Role, Side, TimeInForce,
};
use std::path::Path;

/// Slots of the `order_intent` ring.
pub const SLOTS: u64 = 64;
/// Messages that were published in it: more than it holds.
pub const PUBLISHED: u64 = 100;
/// Boot stamp of the instance.
pub const BOOT: u64 = memory::BOOT_STAMP;
const NOW: Nanos = Nanos(1_000);

/// An instance that has died.
pub struct World {
    _directory: tempfile::TempDir,
    pub instance: Instance,
    regions: String,
    data: String,
}

impl World {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let name = InstanceName::new("dead").unwrap();
        let instance = Instance::beneath(&name, &directory.path().join("shm"), &directory.path().join("data"));
        Self::of(instance, directory)
    }

    /// In these directories.
    pub fn of(instance: Instance, directory: tempfile::TempDir) -> Self {
        instance.create_directories(1).unwrap();
        let text = include_str!("../../../../tuning/demo.toml")
            .replace("instance = \"demo\"", &format!("instance = \"{}\"", instance.name().as_str()))
            .replace("order_intent = 16384", "order_intent = 64");
        let file = HostFile::parse("demo.toml", &text).unwrap();
        std::fs::write(instance.host_file(), file.echo()).unwrap();
        kill_file::create_if_absent(&instance.kill_file()).unwrap();
        write_regions(&instance, &file);
        write_journal(&instance);
        let text = |path: &Path| path.display().to_string();
        let (regions, data) = (text(instance.regions()), text(instance.data()));
        Self { _directory: directory, instance, regions, data }
    }

    /// Runs the command on this instance.
    pub fn tickway(&self, arguments: &[&str]) -> Run {
        let place = ["--regions", &self.regions, "--data", &self.data];
        tickway(&[arguments, &place[..]].concat())
    }
}

/// A new order of the strategy, the `count`th.
pub fn new_order(count: u32) -> OrderRequest {
    let header = OrderHeader {
        kind: OrderKind::NewOrderSingle as u8,
        side: Side::Buy as u8,
        ord_type: OrdType::Limit as u8,
        time_in_force: TimeInForce::Day as u8,
        cl_ord_id: ClOrdId::new(0, 1, 0, count).unwrap(),
        instrument_id: InstrumentId(0),
        ..OrderHeader::default()
    };
    let (price, order_qty) = (Price::parse("10.5").unwrap(), Qty::parse("100").unwrap());
    OrderRequest::NewOrderSingle(NewOrderSingle { header, price, order_qty, ..NewOrderSingle::default() })
}

fn write_regions(instance: &Instance, file: &HostFile) {
    let page = ControlPage::new(&SharedWords::heap(CONTROL_PAGE_WORDS));
    let ports = Ports::new(instance, file, BOOT, page.reader());
    ports.create_all(NOW).unwrap();
    let strategy = Identity { role: Role::Strategy, index: 0, epoch: 4 };
    let risk = Identity { role: Role::Risk, index: 0, epoch: 2 };
    let _status = ports.status_writer(strategy, NOW).unwrap();
    let status = ports.status_writer(risk, NOW).unwrap();
    let ring = RingId { kind: RingKind::OrderIntent, writer: Role::Strategy, index: 0, gateway: 0 };
    let mut writer = ports.writer::<15>(ring, strategy).unwrap();
    let mut reader = ports.gating_reader::<15>(ring, risk, &status, None).unwrap();
    let mut batch = [[0; 15]; 10];
    for count in 1..=PUBLISHED as u32 {
        writer.push(&new_order(count).encode()).unwrap();
        // Risk reads all but the last ten.
        if count % 10 == 0 && u64::from(count) < PUBLISHED {
            assert_eq!(reader.read_batch(&mut batch), Ok(10));
            reader.commit();
        }
    }
}

/// An order of 100, of which 40 are executed.
fn write_journal(instance: &Instance) {
    let words = memory::new_tail(tail::CAPACITY_BYTES_MIN);
    let mut writer = TailWriter::attach(words.clone(), BOOT, 1, 0).unwrap();
    let id = ClOrdId::new(0, 1, 0, 1).unwrap();
    let intent = Intent { request: new_order(1).encode(), user_ref_num: 1, flags: 0, now_ns: NOW };
    writer.append(&Record::Intent(intent)).unwrap();
    let qty = |text| Qty::parse(text).unwrap();
    let report = ExecutionReport {
        kind: ExecutionKind::ExecutionReport as u8,
        side: Side::Buy as u8,
        ord_status: OrdStatus::New as u8,
        exec_type: ExecType::New as u8,
        cl_ord_id: id,
        price: Price::parse("10.5").unwrap(),
        leaves_qty: qty("100"),
        ..ExecutionReport::default()
    };
    let trade = ExecutionReport {
        ord_status: OrdStatus::PartiallyFilled as u8,
        exec_type: ExecType::Trade as u8,
        leaves_qty: qty("60"),
        cum_qty: qty("40"),
        last_qty: qty("40"),
        last_px: Price::parse("10.5").unwrap(),
        ..report
    };
    let pending =
        ExecutionReport { ord_status: OrdStatus::PendingNew as u8, exec_type: ExecType::PendingNew as u8, ..report };
    let publish = |writer: &mut TailWriter, report: ExecutionReport| {
        let report = ExecutionReport { journal_sequence: writer.next_sequence(), ..report };
        writer.append(&Record::execution(&Execution::Report(report), 9, NOW)).unwrap();
    };
    publish(&mut writer, pending);
    let sent = Sent { cl_ord_id: id, user_ref_num: 1, write_ns: 100, send_ns: Nanos(2_000), receive_ns: Nanos(1_500) };
    writer.append(&Record::Sent(sent)).unwrap();
    publish(&mut writer, report);
    publish(&mut writer, trade);
    let store = FileStore::new(&instance.journal(0));
    let mut flusher = Flusher::new(words, store, memory::config(1 << 16, 1 << 14), &Resume::default()).unwrap();
    while flusher.poll(NOW).unwrap() > 0 {}
}
