//! As many messages as will go through, in batches. The rate counts from the sender's first measured message to the moment
//! at which the last receiver has taken the last one: nothing in flight is counted.

use super::{Yield, checksum, fill, pattern::sum};
use crate::BenchError;
use crate::lane::{Receiver, Sender};
use crate::meeting::{Meeting, Word};
use crate::trial::{Counts, TrialSpec};
use runtime::clock::tsc;

/// Batches between two looks at the clock.
const BATCHES_PER_LOOK: u32 = 64;

pub(super) fn send<const W: usize, S: Sender<W>>(
    spec: &TrialSpec,
    (batch, warm_up, measure_ms): (usize, u64, u64),
    meeting: &Meeting,
    there: &mut S,
) -> Result<Yield, BenchError> {
    let mut patience = meeting.patience();
    let mut counts = Counts::default();
    let mut sent = 0_u64;
    let mut end = u64::MAX;
    let mut batches = 0_u32;
    loop {
        let first = sent;
        let taken = there.send_batch(batch, |index, words| fill(first.wrapping_add(index as u64), words));
        sent = sent.wrapping_add(taken as u64);
        if taken == 0 {
            counts.full = counts.full.wrapping_add(1);
            patience.empty_poll()?;
        }
        batches = batches.wrapping_add(1);
        if batches.is_multiple_of(BATCHES_PER_LOOK) {
            let now = tsc();
            if end == u64::MAX && sent >= warm_up {
                // The receivers count from this message.
                meeting.store(Word::Epoch, sent);
                meeting.store(Word::Started, now);
                end = now.wrapping_add(spec.timeline.ticks(measure_ms * 1_000_000));
            } else if now >= end {
                break;
            }
        }
    }
    meeting.store(Word::Sent, sent);
    counts.messages = sent;
    counts.checksum = checksum::<W>(sent);
    Ok(Yield { counts: vec![counts], ..Yield::default() })
}

pub(super) fn receive<const W: usize, R: Receiver<W>>(
    spec: &TrialSpec,
    batch: usize,
    _warm_up: u64,
    meeting: &Meeting,
    there: &mut [R],
) -> Result<Yield, BenchError> {
    let mut patience = meeting.patience();
    let mut counts = vec![Counts::default(); there.len()];
    let mut open = there.len();
    while open > 0 {
        for (receiver, counts) in there.iter_mut().zip(&mut counts) {
            let (mut next, mut total, mut disordered) = (counts.messages, counts.checksum, 0_u64);
            let taken = receiver.receive(batch, |words| {
                disordered = disordered.wrapping_add(u64::from(words[0] != next));
                next = next.wrapping_add(1);
                total = total.wrapping_add(sum(words));
            });
            (counts.messages, counts.checksum) = (next, total);
            counts.disordered = counts.disordered.wrapping_add(disordered);
            if taken == 0 {
                patience.empty_poll()?;
                let sent = meeting.load(Word::Sent);
                if sent != 0 && counts.full == 0 && counts.messages.wrapping_add(receiver.lost()) >= sent {
                    // A receiver's own mark that it has everything; taken back below.
                    counts.full = 1;
                    open -= 1;
                }
            }
        }
    }
    let end = tsc();
    for (receiver, counts) in there.iter().zip(&mut counts) {
        counts.full = 0;
        counts.lost = receiver.lost();
    }
    let measured = meeting.load(Word::Sent).wrapping_sub(meeting.load(Word::Epoch));
    let seconds = spec.timeline.ns(end.wrapping_sub(meeting.load(Word::Started))) as f64 / 1e9;
    Ok(Yield { counts, per_second: Some(measured as f64 / seconds), ..Yield::default() })
}
