//! A message there and back, one at a time. Half of a round trip is one way: comparable with the anchor, whose loop is the
//! same but for the lane.

use super::{Yield, fill, pattern::sum};
use crate::BenchError;
use crate::anchor::BATCH;
use crate::lane::{Receiver, Sender};
use crate::meeting::{Meeting, Patience, Word};
use crate::recorder::Recorder;
use crate::trial::{Counts, TrialSpec};
use runtime::clock::tsc;

/// Round trips before the first stamp.
const WARM_UP: u64 = 20_000;
/// First word of the message that ends the work.
const END: u64 = u64::MAX;
/// Intervals of the time series.
const INTERVALS: usize = 20;

struct Pinger<'a, const W: usize, S, R> {
    there: &'a mut S,
    back: &'a mut R,
    patience: Patience,
    counts: Counts,
    words: [u64; W],
}

impl<const W: usize, S: Sender<W>, R: Receiver<W>> Pinger<'_, W, S, R> {
    /// One round trip. The answer must be the question.
    #[inline(always)]
    fn round_trip(&mut self) -> Result<(), BenchError> {
        self.words[0] = self.counts.messages;
        while !self.there.send(&self.words) {
            self.counts.full += 1;
            self.patience.empty_poll()?;
        }
        let mut answer = 0;
        while self.back.receive(1, |words| answer = sum(words)) == 0 {
            self.patience.empty_poll()?;
        }
        if answer != sum(&self.words) {
            self.counts.disordered += 1;
        }
        self.counts.messages += 1;
        self.counts.checksum = self.counts.checksum.wrapping_add(answer);
        Ok(())
    }
}

pub(super) fn ping<const W: usize, S: Sender<W>, R: Receiver<W>>(
    spec: &TrialSpec,
    measure_ms: u64,
    meeting: &Meeting,
    there: &mut S,
    back: &mut R,
) -> Result<Yield, BenchError> {
    let line = &spec.timeline;
    let half_ms = (measure_ms / 2).max(1);
    let mut words = [0; W];
    fill(1, &mut words);
    let mut pinger = Pinger { there, back, patience: meeting.patience(), counts: Counts::default(), words };
    // Stored to, so that its pages are present and no fault falls into a batch.
    let mut batches_ps = vec![1; 1 << 20];
    batches_ps.clear();
    let interval_us = (half_ms * 1_000 / INTERVALS as u64).max(1);
    let mut recorder = Recorder::new(INTERVALS, interval_us, line.ticks(interval_us * 1_000).max(1));
    for _ in 0..WARM_UP {
        pinger.round_trip()?;
    }
    let end = tsc().wrapping_add(line.ticks(half_ms * 1_000_000));
    loop {
        let start = tsc();
        if start > end || batches_ps.len() == batches_ps.capacity() {
            break;
        }
        for _ in 0..BATCH {
            pinger.round_trip()?;
        }
        batches_ps.push(line.ps_each(tsc().wrapping_sub(start), 2 * BATCH));
    }
    let first = tsc();
    let end = first.wrapping_add(line.ticks(half_ms * 1_000_000));
    recorder.begin(first);
    let mut start = tsc();
    while start < end {
        pinger.round_trip()?;
        let now = tsc();
        recorder.record(now, line.ns(now.wrapping_sub(start)) / 2);
        start = tsc();
    }
    let mut counts = pinger.counts;
    counts.lost = pinger.back.lost();
    let last = [END; W];
    while !pinger.there.send(&last) {
        pinger.patience.empty_poll()?;
    }
    meeting.store(Word::Sent, counts.messages);
    batches_ps.sort_unstable();
    Ok(Yield { counts: vec![counts], intervals: recorder.counts(), batches_ps, ..Yield::default() })
}

pub(super) fn pong<const W: usize, S: Sender<W>, R: Receiver<W>>(
    meeting: &Meeting,
    there: &mut R,
    back: &mut S,
) -> Result<Yield, BenchError> {
    let mut patience = meeting.patience();
    let mut counts = Counts::default();
    let mut taken = [0; W];
    loop {
        while there.receive(1, |words| taken = *words) == 0 {
            patience.empty_poll()?;
        }
        if taken[0] == END {
            break;
        }
        while !back.send(&taken) {
            counts.full += 1;
            patience.empty_poll()?;
        }
        counts.disordered += u64::from(taken[0] != counts.messages);
        counts.messages += 1;
        counts.checksum = counts.checksum.wrapping_add(sum(&taken));
    }
    counts.lost = there.lost();
    Ok(Yield { counts: vec![counts], ..Yield::default() })
}
