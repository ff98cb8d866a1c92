//! What a replayed gateway sent and journaled, session by session, to be compared with the wire ring and the journal.

use crate::capture::CapturedRing;
use crate::process::Finding;
use crate::report::{Difference, Stop};
use execution_gateway::{Input, Output, SendTag, Sending};
use journal::{End, Journal, Record};
use shm_layout::message::WORDS_128;
use shm_layout::message::wire::{WireChunk, WireKind};
use shm_layout::topology::RingId;

/// The trail.
#[derive(Debug, Default)]
pub(super) struct Trail {
    /// Messages handed to the socket, by connection that stood.
    sessions: Vec<Vec<Sending>>,
    records: Vec<Record>,
    /// Sequence of the last record before the first of these; `None` before a life began.
    after: Option<u64>,
}

impl Trail {
    /// A life began, whose journal goes on after `after`.
    pub(super) const fn start(&mut self, after: u64) {
        self.after = Some(after);
    }

    pub(super) const fn has_started(&self) -> bool {
        self.after.is_some()
    }

    pub(super) fn on_input(&mut self, input: &Input) {
        match input {
            Input::Connected => self.sessions.push(Vec::new()),
            // The socket's word that no byte of it was written.
            Input::NotSent { user_ref_num, .. } => {
                let Some(session) = self.sessions.last_mut() else { return };
                let opens = |sending: &Sending| matches!(sending.tag, SendTag::Opening { user_ref_num: number, .. } if number == *user_ref_num);
                if let Some(place) = session.iter().rposition(opens) {
                    session.remove(place);
                }
            }
            _ => {}
        }
    }

    pub(super) fn on_output(&mut self, output: &Output) {
        match output {
            Output::Journal { record, .. } => self.records.push(*record),
            Output::Send(sending) => {
                if let Some(session) = self.sessions.last_mut() {
                    session.push(*sending);
                }
            }
            _ => {}
        }
    }

    /// Of each connection, the bytes that the socket took are what was handed to it, up to where the connection ended.
    pub(super) fn compare_sent(&self, ring: RingId, captured: &CapturedRing) -> Finding {
        let mut finding = Finding::default();
        let mut sessions: Vec<(u64, Vec<u8>)> = Vec::new();
        for (expected, (sequence, words)) in (1..).zip(captured.from(1)) {
            if sequence != expected {
                finding.stopped_at = Some(Stop::Gap { ring, sequence: expected });
                break;
            }
            let words: Option<&[u64; WORDS_128]> = words.try_into().ok();
            let Some(chunk) = words.and_then(|words| WireChunk::decode(words).ok()) else { continue };
            if chunk.kind == WireKind::Connected as u8 {
                sessions.push((sequence, Vec::new()));
            } else if chunk.kind == WireKind::StreamSent as u8
                && let Some((_, bytes)) = sessions.last_mut()
            {
                bytes.extend_from_slice(chunk.bytes());
            }
        }
        for (place, (sequence, bytes)) in sessions.iter().enumerate() {
            let replayed: Vec<u8> = (self.sessions.get(place).into_iter().flatten())
                .flat_map(|sending| sending.bytes[..sending.length].iter().copied())
                .collect();
            if !replayed.starts_with(bytes) {
                let same = replayed.iter().zip(bytes).take_while(|(one, other)| one == other).count();
                finding.difference = Some(Difference {
                    step: 0,
                    ring,
                    sequence: *sequence,
                    replayed: Some(around(&replayed, same)),
                    captured: Some(around(bytes, same)),
                });
                return finding;
            }
            finding.outputs += bytes.len() as u64;
        }
        finding
    }

    /// Every record in the files is the one that the machine asked for; a whole run has no other.
    pub(super) fn compare_journal(&self, segments: &[(u32, &[u8])], whole: bool) -> Finding {
        let mut finding = Finding::default();
        let after = self.after.unwrap_or(0);
        let mut entries = Journal::new(segments, None).entries();
        for entry in entries.by_ref() {
            let sequence = entry.header.sequence;
            let Some(place) = sequence.checked_sub(after + 1) else { continue };
            let Some(record) = self.records.get(place as usize) else {
                // Unless it is whole, the replay stopped before.
                finding.disagreement = whole.then(|| format!("journal sequence {sequence} was not replayed"));
                return finding;
            };
            let kind = record.record_type() as u16;
            if (kind, record.payload()) != (entry.header.record_type, entry.payload) {
                let what = format!("journal sequence {sequence} is {:?}, replayed {record:?}", entry.record());
                finding.disagreement = Some(what);
                return finding;
            }
            finding.outputs += 1;
        }
        match entries.end() {
            Some(End::Complete { last_sequence }) if whole && last_sequence != after + self.records.len() as u64 => {
                let what =
                    format!("the journal ends at {last_sequence}, the replay at {}", after + self.records.len() as u64);
                finding.disagreement = Some(what);
            }
            Some(end @ (End::Torn { .. } | End::Corrupt { .. })) => {
                finding.stopped_at = Some(Stop::Unreadable(format!("the journal ends in {end:?}")));
            }
            _ => {}
        }
        finding
    }
}

/// The bytes around a place, as words, to show.
fn around(bytes: &[u8], place: usize) -> Vec<u64> {
    let from = place.saturating_sub(8);
    bytes[from..bytes.len().min(place + 24)].iter().map(|byte| u64::from(*byte)).collect()
}
