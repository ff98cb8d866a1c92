//! A whole instance in a directory of its own, with the neighbours of the gateway scripted: risk, a strategy, the
//! supervisor, the operator's kill file, and a venue on loopback.

#![allow(dead_code, reason = "each test file uses its part")]

pub mod proxy;
pub mod venue;

use execution_gateway::shell::Shell;
use journal::Record;
use journal::verify::verify;
use runtime::clock::{Clock, calibrate};
use runtime::config::{HostFile, InstanceName};
use runtime::duty_cycle::Agent;
use runtime::instance::Instance;
use runtime::kill_file::{self, KillFile};
use runtime::ports::{Identity, Ports};
use runtime::process::{Arguments, Process};
use runtime::store::read_segments;
use runtime::wait::WaitStrategy;
use shm_layout::control_page::{CONTROL_PAGE_WORDS, ControlPage, ControlPageReader};
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::message::execution::{Execution, ExecutionReport};
use shm_layout::message::order::*;
use shm_layout::message::step::Step;
use shm_layout::message::{WORDS_64, WORDS_128};
use shm_layout::ring::sync::{Ordering, SharedWords};
use shm_layout::ring::{RingReader, RingWriter, Start};
use shm_layout::status::{StatusReader, StatusWriter};
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use venue::Venue;

pub const CENT: i64 = UNITS / 100;
/// Epoch of the scripted risk.
pub const RISK_EPOCH: u32 = 2;

pub const fn ring(kind: RingKind, writer: Role) -> RingId {
    RingId { kind, writer, index: 0, gateway: 0 }
}

const fn identity(role: Role, epoch: u64) -> Identity {
    Identity { role, index: 0, epoch }
}

/// The instance and everyone but the gateway.
pub struct World {
    dir: tempfile::TempDir,
    pub file: HostFile,
    page: SharedWords,
    pub clock: Clock,
    pub venue: Venue,
    pub control: RingWriter<WORDS_64>,
    pub entry: RingWriter<WORDS_128>,
    pub execution: RingReader<WORDS_128>,
    pub kill: KillFile,
    risk: StatusWriter,
    strategy: StatusWriter,
    /// Neighbours beat before each pass.
    pub beating: [bool; 2],
    risk_sequence: u64,
}

impl World {
    pub fn new() -> Self {
        Self::with(|text| text)
    }

    /// With a change to the host file's text.
    pub fn with(change: impl FnOnce(String) -> String) -> Self {
        let venue = Venue::listen();
        let mut text = include_str!("../../../../tuning/demo.toml").to_owned();
        let address = format!("order_entry_address = \"{}\"", venue.address());
        text = text.replacen("order_entry_address = \"127.0.0.1:0\"", &address, 1);
        for (key, slots) in
            [("order_intent", 16384), ("order_entry", 16384), ("execution", 16384), ("market_data", 65536)]
        {
            text = text.replacen(&format!("\n{key} = {slots}\n"), &format!("\n{key} = 1024\n"), 1);
        }
        for key in ["step", "wire"] {
            text = text.replacen(&format!("\n{key} = 65536\n"), &format!("\n{key} = 4096\n"), 1);
        }
        text = text.replacen("segment_bytes = 16777216", "segment_bytes = 1048576", 1);
        text = text.replacen("tail_bytes = 8388608", "tail_bytes = 1048576", 1);
        let file = HostFile::parse("demo.toml", &change(text)).unwrap();
        let (dir, page) = (tempfile::tempdir().unwrap(), SharedWords::heap(CONTROL_PAGE_WORDS));
        let _ = ControlPage::new(&page);
        let instance = instance(dir.path());
        instance.create_directories(1).unwrap();
        let ports = Ports::new(&instance, &file, 7, ControlPageReader::new(&page));
        let clock = Clock::new(calibrate());
        ports.create_all(clock.now()).unwrap();
        kill_file::create_if_absent(&instance.kill_file()).unwrap();
        let status = |role| ports.status_writer(identity(role, 1), clock.now()).unwrap();
        let risk = identity(Role::Risk, u64::from(RISK_EPOCH));
        let supervisor = identity(Role::Supervisor, 1);
        let mut world = Self {
            control: ports.writer(ring(RingKind::Control, Role::Supervisor), supervisor).unwrap(),
            entry: ports.writer(ring(RingKind::OrderEntry, Role::Risk), risk).unwrap(),
            execution: ports.tap(ring(RingKind::Execution, Role::ExecutionGateway), Start::Oldest).unwrap(),
            kill: KillFile::open(&instance.kill_file()).unwrap(),
            risk: status(Role::Risk),
            strategy: status(Role::Strategy),
            beating: [true; 2],
            risk_sequence: 0,
            venue,
            clock,
            file,
            page,
            dir,
        };
        world.tell(ControlKind::Epoch, Some(Role::Risk), RISK_EPOCH);
        world
    }

    /// A life of the gateway.
    pub fn gateway(&mut self, epoch: u64) -> anyhow::Result<(Shell, StatusReader)> {
        let instance = instance(self.dir.path());
        let page = ControlPageReader::new(&self.page);
        let me = identity(Role::ExecutionGateway, epoch);
        let ports = Ports::new(&instance, &self.file, 7, page.clone());
        let status = ports.status_writer(me, self.clock.now())?;
        let reader = status.reader();
        let arguments = Arguments {
            host: std::path::PathBuf::new(),
            index: 0,
            epoch,
            restarts: 0,
            core: None,
            wait: WaitStrategy::Yield,
            turn_after: Vec::new(),
            snapshot: None,
        };
        let file = self.file.clone();
        let process =
            Process { identity: me, arguments, file, instance, ports, page, boot_stamp: 7, clock: self.clock };
        Ok((Shell::attach(&process, status)?, reader))
    }

    /// One pass of the shell, the neighbours beating as they do.
    pub fn pass(&mut self, shell: &mut Shell) -> usize {
        let now = self.clock.now();
        for (status, beats) in [&self.risk, &self.strategy].into_iter().zip(self.beating) {
            if beats {
                status.heartbeat(now);
            }
        }
        shell.duty_cycle(now)
    }

    /// Passes and venue in turn until `done`.
    pub fn until(&mut self, shell: &mut Shell, mut done: impl FnMut(&mut Self, &Shell) -> bool) {
        for _ in 0..20_000 {
            self.pass(shell);
            self.venue.poll();
            if done(self, shell) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_micros(100));
        }
        panic!("it never came to that: {:?}", shell.machine().counters());
    }

    /// A life that has logged in.
    pub fn open(&mut self) -> (Shell, StatusReader) {
        let (mut shell, status) = self.gateway(9).unwrap();
        self.until(&mut shell, |_, shell| shell.machine().session_open());
        (shell, status)
    }

    /// Hands a request over as risk would; it is numbered here.
    pub fn enter(&mut self, request: OrderRequest) -> u64 {
        self.risk_sequence += 1;
        let numbered = |header: &mut OrderHeader| {
            (header.risk_epoch, header.risk_sequence) = (RISK_EPOCH, self.risk_sequence);
        };
        let request = match request {
            OrderRequest::NewOrderSingle(mut order) => {
                numbered(&mut order.header);
                OrderRequest::NewOrderSingle(order)
            }
            OrderRequest::OrderCancelRequest(mut cancel) => {
                numbered(&mut cancel.header);
                OrderRequest::OrderCancelRequest(cancel)
            }
            other => other,
        };
        self.entry.push(&request.encode()).unwrap()
    }

    pub fn tell(&mut self, kind: ControlKind, role: Option<Role>, epoch: u32) -> u64 {
        let role = role.map_or(0, |role| role as u8);
        let control = Control { kind: kind as u8, role, epoch, now_ns: self.clock.now(), ..Control::default() };
        self.control.push(&control.encode()).unwrap()
    }

    /// Reports published since the last call.
    pub fn reports(&mut self) -> Vec<ExecutionReport> {
        let mut words = [[0; WORDS_128]; 1024];
        let count = self.execution.read_batch(&mut words).unwrap();
        let all = words[..count].iter().map(|words| Execution::decode(words).unwrap());
        all.filter_map(|execution| if let Execution::Report(report) = execution { Some(report) } else { None })
            .collect()
    }

    pub fn counters(status: &StatusReader) -> BTreeMap<String, u64> {
        status.counters().iter().map(|(label, value)| (label.to_string(), value)).collect()
    }

    /// The gateway's steps, in all lives.
    pub fn steps(&self) -> Vec<Step> {
        let words = self.read_all::<WORDS_64>(ring(RingKind::Step, Role::ExecutionGateway));
        words.iter().map(|words| Step::decode(words).unwrap()).collect()
    }

    /// A ring, from its oldest message on.
    pub fn read_all<const W: usize>(&self, ring: RingId) -> Vec<[u64; W]> {
        let ports = Ports::new(&instance(self.dir.path()), &self.file, 7, ControlPageReader::new(&self.page));
        let mut reader: RingReader<W> = ports.tap(ring, Start::Oldest).unwrap();
        let mut words = vec![[0; W]; 4096];
        let count = reader.read_batch(&mut words).unwrap();
        words.truncate(count);
        words
    }

    /// Directory of the journal's files.
    pub fn journal(&self) -> PathBuf {
        instance(self.dir.path()).journal(0)
    }

    /// The journal's segment files.
    pub fn segments(&self) -> Vec<(u32, Vec<u8>)> {
        read_segments(&self.journal()).unwrap()
    }

    /// The records of the journal's files, which must be sound.
    pub fn journaled(&self) -> Vec<Record> {
        let segments = self.segments();
        let segments: Vec<(u32, &[u8])> = segments.iter().map(|(id, bytes)| (*id, bytes.as_slice())).collect();
        let report = verify(&segments);
        assert!(report.findings.is_empty(), "{report:?}");
        journal::Journal::new(&segments, None).entries().map(|entry| entry.record().unwrap()).collect()
    }

    /// Makes it as if a gateway that is dead now had been killed before its flusher came to anything: no file, and the
    /// tail has every record. It must have room for all of them, so that none was written over.
    pub fn forget_files(&self) {
        let instance = instance(self.dir.path());
        let ports = Ports::new(&instance, &self.file, 7, ControlPageReader::new(&self.page));
        let table: execution_gateway::config::GatewayConfig = self.file.table("execution-gateway").unwrap();
        let spec = journal::tail::region_spec(0, table.tail_bytes.get() as usize);
        let me = identity(Role::ExecutionGateway, 9);
        let words = ports.foreign_writer(&instance.journal_tail(0), spec, me).unwrap();
        // committed_bytes; then what the flusher writes, by the drawing of the tail.
        assert!((1..table.tail_bytes.get()).contains(&words.load(128 / 8, Ordering::Acquire)));
        for byte in [256, 264, 272, 280, 288] {
            words.store(byte / 8, 0, Ordering::Release);
        }
        std::fs::remove_dir_all(self.journal()).unwrap();
        std::fs::create_dir(self.journal()).unwrap();
    }

    /// Ends a life in order.
    pub fn stop(&mut self, shell: &mut Shell) {
        self.tell(ControlKind::Stop, Some(Role::ExecutionGateway), 0);
        self.until(shell, |_, shell| shell.finished());
    }
}

fn instance(dir: &Path) -> Instance {
    Instance::beneath(&InstanceName::new("w").unwrap(), &dir.join("shm"), &dir.join("data"))
}

fn id(counter: u32) -> ClOrdId {
    ClOrdId::new(0, 1, 0, counter).unwrap()
}

fn header(kind: OrderKind, counter: u32) -> OrderHeader {
    let cancel = kind == OrderKind::OrderCancelRequest;
    OrderHeader {
        kind: kind as u8,
        side: Side::Buy as u8,
        ord_type: if cancel { 0 } else { OrdType::Limit as u8 },
        time_in_force: if cancel { 0 } else { TimeInForce::Day as u8 },
        cl_ord_id: id(counter),
        ..OrderHeader::default()
    }
}

/// Buys ten at 100.
pub fn buy(counter: u32) -> OrderRequest {
    OrderRequest::NewOrderSingle(NewOrderSingle {
        header: header(OrderKind::NewOrderSingle, counter),
        price: Price(100 * UNITS),
        order_qty: Qty(10 * UNITS),
        ..NewOrderSingle::default()
    })
}

/// Cancels the order with counter `orig`.
pub fn cancel(counter: u32, orig: u32) -> OrderRequest {
    OrderRequest::OrderCancelRequest(OrderCancelRequest {
        header: header(OrderKind::OrderCancelRequest, counter),
        orig_cl_ord_id: id(orig),
        ..OrderCancelRequest::default()
    })
}
