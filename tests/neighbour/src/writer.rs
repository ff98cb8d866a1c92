//! Honest writers over files that a mutator scribbles on: they must not be brought down either.
//!
//! A writer knows what it wrote from its own memory alone; what it reads of others (a gating cursor, the flusher's words)
//! is taken only within limits.

use crate::reader::{Kind, SLOTS};
use journal::memory::{self, BOOT_STAMP, MemoryStore};
use journal::record::{CheckpointRecord, Record};
use journal::{Flusher, Resume, TailWriter, tail};
use shm_layout::control_page::{ControlPage, ROSTER, RealtimeOffset, RosterEntry, RosterState, SupervisorIdentity};
use shm_layout::image::{ImageEntry, ImageWriter};
use shm_layout::kill_page::{Engager, KillPage};
use shm_layout::message::market_data::{MarketData, MarketDataHeader, MarketDataKind, TopOfBook};
use shm_layout::message::order::{NewOrderSingle, OrderHeader, OrderKind, OrderRequest};
use shm_layout::region::{RegionHeader, RegionKind, RegionSpec};
use shm_layout::ring::sync::{Ordering, SharedWords};
use shm_layout::ring::{Gate, RingWriter};
use shm_layout::status::StatusWriter;
use shm_layout::types::{
    BookValidity, ChannelState, ClOrdId, Nanos, OrdType, Price, Qty, Role, Side, TimeInForce, TradingStatus,
};

/// Message `sequence` of a 64-byte ring.
#[must_use]
pub fn narrow(sequence: u64) -> [u64; 7] {
    let header = MarketDataHeader {
        kind: MarketDataKind::TopOfBook as u8,
        side: Side::Buy as u8,
        validity: BookValidity::Trusted as u8,
        trading_status: TradingStatus::Trading as u8,
        ..MarketDataHeader::default()
    };
    let (price, qty) = (Price(sequence as i64), Qty(!sequence as i64 & i64::MAX));
    MarketData::TopOfBook(TopOfBook { header, price, qty }).encode()
}

/// Message `sequence` of a 128-byte ring.
#[must_use]
pub fn wide(sequence: u64) -> [u64; 15] {
    let header = OrderHeader {
        kind: OrderKind::NewOrderSingle as u8,
        side: Side::Sell as u8,
        ord_type: OrdType::Limit as u8,
        time_in_force: TimeInForce::Day as u8,
        cl_ord_id: ClOrdId(sequence),
        ..OrderHeader::default()
    };
    let (price, order_qty) = (Price(sequence as i64), Qty(!sequence as i64 & i64::MAX));
    OrderRequest::NewOrderSingle(NewOrderSingle { header, price, order_qty, ..NewOrderSingle::default() }).encode()
}

/// Writes `words` as `kind` for as long as `goes_on` says; returns what was written.
pub fn run(kind: Kind, words: &SharedWords, goes_on: impl FnMut() -> bool) -> u64 {
    match kind {
        Kind::Ring64 => ring::<7>(words, narrow, goes_on),
        Kind::Ring128 => ring::<15>(words, wide, goes_on),
        Kind::Status => status(words, goes_on),
        Kind::Image => image(words, goes_on),
        Kind::JournalTail => journal(words, goes_on),
        Kind::ControlPage | Kind::KillPage | Kind::Region => page(kind, words, goes_on),
    }
}

/// A page made anew and written again and again: without its magic a reader would look no further.
fn page(kind: Kind, words: &SharedWords, mut goes_on: impl FnMut() -> bool) -> u64 {
    let mut written = 0;
    while goes_on() {
        match kind {
            Kind::KillPage => {
                let page = KillPage::create(words);
                page.engage(Engager::Operator, Nanos(written), "drill");
                page.release(Engager::Operator, Nanos(written));
            }
            Kind::ControlPage => {
                let page = ControlPage::new(words);
                page.set_supervisor(&SupervisorIdentity { pid: 1, start_time: 2, epoch: written });
                page.set_realtime(&RealtimeOffset { offset_ns: -1, sampled_ns: Nanos(written) });
                let entry = RosterEntry {
                    role: Role::Risk,
                    index: 0,
                    state: RosterState::Running,
                    core: None,
                    pid: 1,
                    start_time: 2,
                    epoch: written,
                    restarts: 0,
                };
                (0..ROSTER).for_each(|slot| page.set_roster(slot, &entry));
            }
            _ => {
                let body_words = words.len() - shm_layout::region::HEADER_WORDS;
                let spec = RegionSpec::foreign(RegionKind::Instruments, Role::Supervisor, 0, 1, body_words);
                RegionHeader::create(words, spec).set_writer(written, 1);
            }
        }
        written += 1;
        if written.is_multiple_of(64) {
            std::thread::yield_now();
        }
    }
    written
}

/// A ring's writer whose gating cursor is a word of the ring's own data, so that the mutator moves it too.
fn ring<const W: usize>(
    words: &SharedWords,
    message: impl Fn(u64) -> [u64; W],
    mut goes_on: impl FnMut() -> bool,
) -> u64 {
    let mut lives = 0;
    let mut written = 0;
    while goes_on() {
        lives += 1;
        // After its proven death a writer is replaced; a ring that it left damaged is refused, and made anew.
        let attached = RingWriter::<W>::attach(words.clone(), SLOTS);
        let mut writer = attached.unwrap_or_else(|_| {
            (0..words.len()).for_each(|index| words.store(index, 0, Ordering::Relaxed));
            RingWriter::attach(words.clone(), SLOTS).unwrap_or_else(|_| {
                // Scribbled over while it was made: a new one, of its own words.
                RingWriter::create(SharedWords::heap(words.len()), SLOTS).expect("zeroed words")
            })
        });
        if lives % 2 == 0 {
            writer
                .add_gate(Gate { cursor: words.slice(20, 1).read_only(), parked: Some(words.slice(2, 1).read_only()) });
            writer.set_reserve(8);
        }
        for _ in 0..2_000 {
            let next = writer.published() + 1;
            written += u64::from(writer.push(&message(next)).is_ok());
            let _ = (writer.room(), writer.room_reserved());
        }
        std::thread::yield_now();
    }
    written
}

fn status(words: &SharedWords, mut goes_on: impl FnMut() -> bool) -> u64 {
    let mut written = 0;
    while goes_on() {
        let writer = StatusWriter::start(words, written, std::process::id(), Nanos(written));
        writer.counters().define(0, "written");
        for _ in 0..500 {
            writer.heartbeat(Nanos(written));
            writer.add_progress(1);
            writer.counters().add(0, 1);
            written += 1;
        }
        std::thread::yield_now();
    }
    written
}

fn image(words: &SharedWords, mut goes_on: impl FnMut() -> bool) -> u64 {
    let mut written = 0;
    let mut writer = ImageWriter::new(words);
    while goes_on() {
        for _ in 0..500 {
            let entry = ImageEntry {
                instrument_id: shm_layout::types::InstrumentId((written % 2) as u32),
                channel_sequence: written,
                ..ImageEntry::default()
            };
            writer.write(&entry);
            writer.write_channel(ChannelState::Synchronized, written, Nanos(written));
            written += 1;
        }
        std::thread::yield_now();
    }
    written
}

/// A gateway's hand on its tail, and the flusher: what either refuses ends its life, and the next one takes the tail up.
fn journal(words: &SharedWords, mut goes_on: impl FnMut() -> bool) -> u64 {
    let mut written = 0;
    while goes_on() {
        (0..words.len()).for_each(|index| words.store(index, 0, Ordering::Relaxed));
        tail::initialise(words, BOOT_STAMP);
        let config = memory::config(1 << 16, 4096);
        let flusher = Flusher::new(words.clone(), MemoryStore::default(), config, &Resume::default());
        let (Ok(mut writer), Ok(mut flusher)) = (TailWriter::attach(words.clone(), BOOT_STAMP, 1, 0), flusher) else {
            continue;
        };
        for turn in 0..2_000_u64 {
            let record = Record::Checkpoint(CheckpointRecord { state_hash: turn, now_ns: Nanos(turn) });
            written += u64::from(writer.append(&record).is_ok());
            if turn % 8 == 0 && flusher.poll(Nanos(turn)).is_err() {
                break;
            }
        }
        std::thread::yield_now();
    }
    written
}
