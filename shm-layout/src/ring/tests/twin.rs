//! The ring against a naive twin: a queue of sequences that drops its oldest message.

use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;

#[derive(Clone, Copy, Debug)]
enum Step {
    Write { count: usize },
    WriteReserved { count: usize },
    Abandon,
    TakeOver,
    Read { reader: usize, count: usize },
    Commit { reader: usize },
    Join { reader: usize, start: Start },
}

fn step() -> impl Strategy<Value = Step> {
    let start = prop_oneof![Just(Start::Oldest), Just(Start::Latest), (0..200_u64).prop_map(Start::After)];
    prop_oneof![
        6 => (0..12_usize).prop_map(|count| Step::Write { count }),
        1 => (0..12_usize).prop_map(|count| Step::WriteReserved { count }),
        1 => Just(Step::Abandon),
        1 => Just(Step::TakeOver),
        8 => (0..2_usize, 0..12_usize).prop_map(|(reader, count)| Step::Read { reader, count }),
        6 => (0..2_usize).prop_map(|reader| Step::Commit { reader }),
        1 => (0..2_usize, start).prop_map(|(reader, start)| Step::Join { reader, start }),
    ]
}

/// What is readable, as anyone would write it: the last `slots` messages.
struct Twin {
    held: VecDeque<u64>,
    published: u64,
    slots: usize,
}

impl Twin {
    fn publish(&mut self, count: usize) {
        for _ in 0..count {
            self.published += 1;
            self.held.push_back(self.published);
            if self.held.len() > self.slots {
                self.held.pop_front();
            }
        }
    }

    fn oldest(&self) -> u64 {
        self.held.front().copied().unwrap_or(1)
    }

    /// What a reader at `next` gets: the sequences, or where it must go on.
    fn read(&self, next: u64, count: usize) -> Result<Vec<u64>, u64> {
        if count > 0 && next < self.oldest() {
            return Err((next + 1).max(self.oldest() + self.slots as u64 / 8));
        }
        Ok(self.held.iter().copied().filter(|sequence| *sequence >= next).take(count).collect())
    }
}

/// Runs `steps` with a tap (reader 0) and, when `gated`, a gating reader 1 (else another tap).
fn run(slots: usize, reserve: usize, gated: bool, steps: &[Step]) -> Result<(), TestCaseError> {
    let (words, mut writer) = writer(slots);
    let cursor = SharedWords::heap(1);
    let gate = Gate { cursor: cursor.read_only(), parked: None };
    let attach = |reader: usize, start| {
        let attached = super::reader(&words, slots, start);
        if gated && reader == 1 { attached.with_cursor(cursor.clone()) } else { attached }
    };
    let equip = |writer: &mut RingWriter<7>| {
        writer.set_reserve(reserve);
        if gated {
            writer.add_gate(gate.clone());
        }
    };
    equip(&mut writer);
    let mut readers = [attach(0, Start::Oldest), attach(1, Start::Oldest)];
    let mut twin = Twin { held: VecDeque::new(), published: 0, slots };
    // Told to begin where no writer has been: what such a reader meets until then it counts.
    let mut ahead = [false; 2];
    let mut committed = 0;
    for step in steps {
        match *step {
            Step::Write { count } | Step::WriteReserved { count } => {
                let reserved = matches!(step, Step::WriteReserved { .. });
                let free = if gated { slots - (twin.published - committed) as usize } else { slots };
                let kept = if reserved || !gated { 0 } else { reserve };
                let fits = count == 0 && !gated || count + kept <= free;
                let claim = if reserved { writer.claim_reserved(count) } else { writer.claim(count) };
                prop_assert_eq!(claim.is_ok(), fits);
                if let Ok(mut claim) = claim {
                    (0..count).for_each(|index| claim.write(index, &payload(twin.published + 1 + index as u64)));
                    twin.publish(count);
                    prop_assert_eq!(claim.publish(), twin.published);
                }
            }
            Step::Abandon => drop(writer.claim(1)),
            Step::TakeOver => {
                writer = RingWriter::attach(words.clone(), slots).expect("honest remains");
                equip(&mut writer);
            }
            Step::Read { reader, count } => {
                let reader = &mut readers[reader];
                let expected = twin.read(reader.next_sequence(), count);
                let from = reader.next_sequence();
                match (read(reader, count), expected) {
                    (Ok(found), Ok(sequences)) => prop_assert_eq!(found, sequences.len()),
                    (Err(Lapped { missed }), Err(next)) => {
                        prop_assert_eq!((reader.next_sequence(), from + missed), (next, next));
                    }
                    (found, expected) => prop_assert!(false, "{found:?} instead of {expected:?}"),
                }
            }
            Step::Commit { reader } => {
                readers[reader].commit();
                committed = if reader == 1 { readers[1].next_sequence() - 1 } else { committed };
            }
            // A gating reader resumes where it left off; a tap may join anywhere.
            Step::Join { reader, start } => {
                let resume = gated && reader == 1;
                readers[reader] = attach(reader, if resume { Start::After(committed) } else { start });
                ahead[reader] = readers[reader].next_sequence() > twin.published + 1;
            }
        }
        prop_assert_eq!(writer.published(), twin.published);
        for (reader, ahead) in readers.iter().zip(ahead) {
            prop_assert!(reader.corrupt() == 0 || ahead);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_ring_of_taps_agrees(
        slots in prop_oneof![Just(2_usize), Just(4), Just(8), Just(16)],
        steps in prop::collection::vec(step(), 0..200),
    ) {
        run(slots, 0, false, &steps)?;
    }

    #[test]
    fn a_gated_ring_agrees(
        slots in prop_oneof![Just(4_usize), Just(8), Just(16)],
        reserve in 0..4_usize,
        steps in prop::collection::vec(step(), 0..200),
    ) {
        run(slots, reserve, true, &steps)?;
    }
}
