//! Opening the journal: the tail that survived, the files, what recovery does about their ends, and the state that they
//! lead to.

use crate::config::{Durability, GatewayConfig};
use crate::resume::Memory;
use anyhow::Context;
use journal::record::Config;
use journal::tail::{self, BadTail};
use journal::{Flusher, FlusherConfig, Journal, Record, TailSnapshot, TailWriter, Through, recovery};
use orders::OrdersState;
use runtime::process::Process;
use runtime::store::{FileStore, read_segments};
use shm_layout::ring::sync::{Ordering, SharedWords};
use shm_layout::types::fnv1a64;

/// Most bytes of records in one write and sync: what a stalled disk left behind is caught up in few of them. Of a small
/// tail a quarter, so that some of it is free again before all of it is synced.
const BATCH_BYTES: usize = 1 << 20;

/// A journal, ready to be continued.
pub(super) struct Ledger {
    /// Where the gateway appends; its `Config` record is in.
    pub tail: TailWriter,
    /// What moves it to files.
    pub flusher: Flusher<FileStore>,
    /// What all earlier records lead to.
    pub state: OrdersState,
    /// What they tell of the venue's session.
    pub memory: Memory,
}

impl Ledger {
    /// Opens the journal of this gateway.
    ///
    /// # Errors
    /// A journal that recovery halts at, or that cannot be folded or continued; nothing of it was changed then but what
    /// recovery's plan erases.
    pub(super) fn open(process: &Process, config: &GatewayConfig, state: OrdersState) -> anyhow::Result<Self> {
        let me = process.identity;
        let epoch = u32::try_from(me.epoch).context("the epoch does not fit 32 bits")?;
        let path = process.instance.journal_tail(me.index);
        let spec = tail::region_spec(me.index, config.tail_bytes.get() as usize);
        let words = process.ports.foreign_writer(&path, spec, me)?;
        let at = || path.display().to_string();
        initialise_if_new(&words, process.boot_stamp).with_context(at)?;
        // The tail before the files: what is released is in the files.
        let snapshot = TailSnapshot::take(&words).with_context(at)?;
        let directory = process.instance.journal(me.index);
        let segments = read_segments(&directory)?;
        let borrowed: Vec<(u32, &[u8])> = segments.iter().map(|(id, bytes)| (*id, bytes.as_slice())).collect();
        let in_files = || directory.display().to_string();
        let plan = recovery::plan(&borrowed, Some(&snapshot)).with_context(in_files)?;
        let mut state = state;
        let earlier = Journal::new(&borrowed, Some(&snapshot));
        journal::rebuild(&earlier, &mut state, Through::End).with_context(in_files)?;
        let mut memory = Memory::default();
        for entry in earlier.entries() {
            memory.note(&entry.record().with_context(in_files)?);
        }
        let mut store = FileStore::new(&directory);
        recovery::repair(&plan, &mut store).with_context(in_files)?;
        let mut tail =
            TailWriter::attach(words.clone(), process.boot_stamp, epoch, plan.resume.last_sequence).with_context(at)?;
        let flusher = flusher_config(process, config, epoch);
        let flusher = Flusher::new(words, store, flusher, &plan.resume).with_context(in_files)?;
        tail.append(&Record::Config(Config {
            config_hash: process.file.config_hash(),
            instrument_table_hash: process.file.instruments().hash(),
            durability: u64::from(level(config.durability)),
            now_ns: process.clock.now(),
        }))
        .with_context(at)?;
        Ok(Self { tail, flusher, state, memory })
    }
}

/// A region that is all new is made an empty tail; whatever else is no tail is an error.
fn initialise_if_new(words: &SharedWords, boot_stamp: u64) -> Result<(), BadTail> {
    match tail::check(words, None) {
        Err(BadTail::Magic) if words.load(0, Ordering::Acquire) == 0 => {
            tail::initialise(words, boot_stamp);
            Ok(())
        }
        checked => checked.map(|_| ()),
    }
}

fn flusher_config(process: &Process, config: &GatewayConfig, epoch: u32) -> FlusherConfig {
    let host_name = std::fs::read("/proc/sys/kernel/hostname").unwrap_or_default();
    FlusherConfig {
        boot_stamp: process.boot_stamp,
        config_hash: process.file.config_hash(),
        instrument_table_hash: process.file.instruments().hash(),
        host_name_hash: fnv1a64(host_name.trim_ascii()),
        epoch,
        durability: level(config.durability),
        gateway: process.identity.index,
        segment_bytes: config.segment_bytes.get(),
        batch_bytes: BATCH_BYTES.min(config.tail_bytes.get() as usize / 4),
    }
}

const fn level(durability: Durability) -> u8 {
    match durability {
        Durability::L0 => 0,
        Durability::L2 => 2,
    }
}
