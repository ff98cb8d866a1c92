//! Folds a journal into an `OrdersState`: what a restarting strategy, risk or gateway starts from.

use crate::frame;
use crate::reader::{End, Entry, Journal};
use crate::record::{ExecutionRecord, Fence, Intent, Record, RecordType, Sent, VenueMessage, payload_of};
use orders::{Applied, FoldError, OrdersState};
use shm_layout::message::execution::{Checkpoint, Execution, ExecutionKind};
use shm_layout::message::order::OrderRequest;
use shm_layout::message::{BadMessage, Words128};
use shm_layout::types::{ClOrdId, Role};
use zerocopy::{FromBytes, transmute};

/// How far to fold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Through {
    /// To the end.
    End,
    /// Through this journal sequence.
    Sequence(u64),
    /// Through the fence of this (role, index, epoch).
    Fence(Role, u8, u32),
}

/// What was learnt beside orders and positions.
#[derive(Clone, Debug, Default)]
pub struct Rebuilt {
    /// Last sequence folded.
    pub through_journal_sequence: u64,
    /// The fence asked for was reached.
    pub fence: Option<Fence>,
    /// Per strategy id: the highest ClOrdID of any request of it, also refused ones; `NONE` = none.
    pub last_cl_ord_ids: Vec<ClOrdId>,
    /// Per strategy id: the highest `intent_sequence` of any journaled request, for `resume_after`.
    pub last_intent_sequences: Vec<u64>,
    /// Highest UserRefNum journaled.
    pub last_user_ref_num: u32,
    /// Checkpoints at which the hash was compared.
    pub checkpoints: u64,
    /// How the journal ended; `None` when the fold ended before it.
    pub end: Option<End>,
}

/// Why a journal could not be folded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RebuildError {
    /// A message does not follow from the state.
    #[error(transparent)]
    Fold(#[from] FoldError),
    /// A payload is not what its type says.
    #[error("journal sequence {0}: payload is not what its type says")]
    Payload(u64),
    /// A message in a payload is not one.
    #[error("journal sequence {sequence}: {bad}")]
    Message {
        /// Journal sequence.
        sequence: u64,
        /// What is wrong.
        bad: BadMessage,
    },
    /// The state's hash is not the one that the gateway had.
    #[error("journal sequence {0}: state hash differs from the checkpoint's")]
    Hash(u64),
    /// The journal is not readable further.
    #[error("journal ends in {0:?}")]
    Corrupt(End),
    /// The fence or sequence asked for is not in the journal.
    #[error("journal ends before the point asked for")]
    Missing,
}

/// Folds `journal` into `state`. An unfiltered state is compared with every checkpoint's hash.
///
/// # Errors
/// [`RebuildError`]; the state is then void.
pub fn rebuild(journal: &Journal<'_>, state: &mut OrdersState, through: Through) -> Result<Rebuilt, RebuildError> {
    let mut rebuilt = Rebuilt {
        last_cl_ord_ids: vec![ClOrdId::NONE; usize::from(ClOrdId::STRATEGY_MAX) + 1],
        last_intent_sequences: vec![0; usize::from(ClOrdId::STRATEGY_MAX) + 1],
        ..Rebuilt::default()
    };
    let mut entries = journal.entries();
    for entry in entries.by_ref() {
        let sequence = entry.header.sequence;
        if matches!(through, Through::Sequence(last) if sequence > last) {
            return Ok(rebuilt);
        }
        let fence = fold_entry(&entry, state, &mut rebuilt)?;
        rebuilt.through_journal_sequence = sequence;
        if let (Some(fence), Through::Fence(role, index, epoch)) = (fence, through)
            && (fence.role, fence.index, fence.epoch) == (role as u8, index, epoch)
        {
            rebuilt.fence = Some(fence);
            return Ok(rebuilt);
        }
    }
    rebuilt.end = entries.end();
    match (rebuilt.end, through) {
        (Some(end @ End::Corrupt { .. }), _) => Err(RebuildError::Corrupt(end)),
        (_, Through::Fence(..)) => Err(RebuildError::Missing),
        (_, Through::Sequence(last)) if rebuilt.through_journal_sequence < last => Err(RebuildError::Missing),
        _ => Ok(rebuilt),
    }
}

/// Folds one entry. The four types that make up a journal are read where they lie: a [`Record`] has room for a fence, and
/// would be copied whole for each of them.
fn fold_entry(
    entry: &Entry<'_>,
    state: &mut OrdersState,
    rebuilt: &mut Rebuilt,
) -> Result<Option<Fence>, RebuildError> {
    let (sequence, header, payload) = (entry.header.sequence, &entry.header, entry.payload);
    let bad = |_| RebuildError::Payload(sequence);
    let known = RecordType::from_u16(header.record_type).filter(|_| header.version == frame::VERSION);
    match known {
        Some(number @ RecordType::Intent) => {
            let intent: Intent = payload_of(payload, number).map_err(bad)?;
            fold_request(sequence, &intent.request, intent.user_ref_num, rebuilt)?;
        }
        Some(RecordType::Execution | RecordType::CancelReject) if payload.len() == size_of::<ExecutionRecord>() => {
            let report = Words128::read_from_prefix(payload);
            let (report, _) = report.expect("an execution record begins with its report");
            fold_execution(sequence, &report, state, rebuilt)?;
        }
        // They change nothing here; their length is still theirs.
        Some(RecordType::Sent) if payload.len() == size_of::<Sent>() => {}
        Some(RecordType::VenueMessage) if payload.len() == size_of::<VenueMessage>() => {}
        _ => {
            let record = entry.record().map_err(bad)?;
            fold(sequence, &record, state, rebuilt)?;
            return Ok(if let Record::Fence(fence) = record { Some(fence) } else { None });
        }
    }
    Ok(None)
}

/// Folds one record.
///
/// # Errors
/// [`RebuildError`].
pub fn fold(
    sequence: u64,
    record: &Record,
    state: &mut OrdersState,
    rebuilt: &mut Rebuilt,
) -> Result<(), RebuildError> {
    match record {
        Record::Intent(intent) => fold_request(sequence, &intent.request, intent.user_ref_num, rebuilt)?,
        Record::Adopted(adopted) => fold_request(sequence, &adopted.request, adopted.user_ref_num, rebuilt)?,
        Record::Execution(execution) | Record::CancelReject(execution) => {
            fold_execution(sequence, &transmute!(execution.report), state, rebuilt)?;
        }
        Record::Checkpoint(checkpoint) => {
            let message = Checkpoint {
                kind: ExecutionKind::Checkpoint as u8,
                journal_sequence: sequence,
                state_hash: checkpoint.state_hash,
                ..Checkpoint::default()
            };
            let applied = state.apply(&Execution::Checkpoint(message))?;
            if state.strategy().is_none() && applied != Applied::Old {
                rebuilt.checkpoints += 1;
                if state.hash() != checkpoint.state_hash {
                    return Err(RebuildError::Hash(sequence));
                }
            }
        }
        Record::StartOfDayPosition(start) => {
            if state.through_journal_sequence() < sequence {
                state.start_of_day(start.strategy_id, start.instrument_id, start.qty, start.px)?;
            }
        }
        Record::Sent(_)
        | Record::NotSent(_)
        | Record::VenueMessage(_)
        | Record::Fence(_)
        | Record::Kill(_)
        | Record::ArmChange(_)
        | Record::SessionEvent(_)
        | Record::Config(_)
        | Record::Reserved(_) => {}
    }
    Ok(())
}

/// A request that reached the gateway, whatever became of it.
fn fold_request(
    sequence: u64,
    request: &Words128,
    user_ref_num: u32,
    rebuilt: &mut Rebuilt,
) -> Result<(), RebuildError> {
    let request = OrderRequest::decode(request).map_err(|bad| RebuildError::Message { sequence, bad })?;
    let header = request.header();
    note_id(header.strategy_id, header.cl_ord_id, rebuilt);
    if let Some(last) = rebuilt.last_intent_sequences.get_mut(usize::from(header.strategy_id)) {
        *last = (*last).max(request.intent_sequence());
    }
    rebuilt.last_user_ref_num = rebuilt.last_user_ref_num.max(user_ref_num);
    Ok(())
}

/// What was published of an order.
fn fold_execution(
    sequence: u64,
    report: &Words128,
    state: &mut OrdersState,
    rebuilt: &mut Rebuilt,
) -> Result<(), RebuildError> {
    let message = Execution::decode(report).map_err(|bad| RebuildError::Message { sequence, bad })?;
    if message.journal_sequence() != sequence {
        return Err(RebuildError::Payload(sequence));
    }
    if let Execution::Report(report) | Execution::CancelReject(report) = &message {
        note_id(report.strategy_id, report.cl_ord_id, rebuilt);
    }
    state.apply(&message)?;
    Ok(())
}

fn note_id(strategy: u16, id: ClOrdId, rebuilt: &mut Rebuilt) {
    if let Some(last) = rebuilt.last_cl_ord_ids.get_mut(usize::from(strategy)) {
        *last = (*last).max(id);
    }
}
