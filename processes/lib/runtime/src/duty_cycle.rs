//! The run loop of every process: clock, duty cycle, heartbeat and progress, stop flag, wait.

use crate::alloc;
use crate::clock::Clock;
use crate::signal;
use crate::turn::Turn;
use crate::wait::WaitStrategy;
use shm_layout::status::{ProcessState, StatusWriter};
use shm_layout::types::Nanos;

/// A process's shell, as the loop sees it. Several agents may share one process.
pub trait Agent {
    /// Does what there is to do at `now` and returns how much that was; 0 = idle. It never blocks.
    fn duty_cycle(&mut self, now: Nanos) -> usize;

    /// Whether the last pass, which had work, saw that no more of it waits: a batch shorter than it may be is an empty poll. A
    /// process that shares its CPU then gives it away without another pass, for which its neighbour would wait.
    fn drained(&self) -> bool {
        false
    }

    /// A stop was asked for by signal; the agent may need more passes to end in order.
    fn stop(&mut self) {}

    /// Whether it has ended: by its own choice, or after [`Agent::stop`].
    fn finished(&self) -> bool;
}

/// What the loop needs beside the agent.
#[derive(Debug)]
pub struct RunLoop {
    /// The instance's time line.
    pub clock: Clock,
    /// A view of this process's status region; the loop stores heartbeat, progress, state and the allocation count.
    pub status: StatusWriter,
    /// How to wait when idle.
    pub wait: WaitStrategy,
    /// The turn to look for on a CPU that yielding processes share.
    pub turn: Option<Turn>,
}

/// Runs the agent until it has finished; SIGINT and SIGTERM ask it to stop. Allocations are counted from the first pass on.
pub fn run(agent: &mut impl Agent, around: &mut RunLoop) {
    run_until(agent, around, signal::stop_requested);
}

/// As [`run`], with another source of the wish to stop: for tests and for agents that share a process.
pub fn run_until(agent: &mut impl Agent, around: &mut RunLoop, mut stop: impl FnMut() -> bool) {
    let mut stopping = false;
    let RunLoop { clock, status, wait, turn } = around;
    // First: who sees it running holds it to its heartbeat, and its start may have taken long.
    status.heartbeat(clock.now());
    status.set_state(ProcessState::Running);
    alloc::start_counting();
    let mut allocations = 0;
    while !agent.finished() {
        if !stopping && stop() {
            stopping = true;
            agent.stop();
        }
        let now = clock.now();
        let work_count = agent.duty_cycle(now);
        status.heartbeat(now);
        if work_count != 0 {
            status.add_progress(work_count as u64);
        }
        let counted = alloc::allocations();
        if counted != allocations {
            allocations = counted;
            status.set_allocations_after_start(counted);
        }
        let napped = work_count == 0 && turn.as_mut().is_some_and(|turn| turn.seek(now));
        if !napped {
            wait.idle(if agent.drained() { 0 } else { work_count });
        }
    }
    alloc::stop_counting();
    status.set_state(ProcessState::Stopping);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::calibrate;
    use shm_layout::ring::sync::SharedWords;
    use shm_layout::status::{STATUS_WORDS, StatusReader};

    struct Worker {
        passes: usize,
        last: Nanos,
        stopped: bool,
        drains: bool,
    }

    impl Agent for Worker {
        fn drained(&self) -> bool {
            self.drains
        }

        fn stop(&mut self) {
            self.stopped = true;
        }

        fn finished(&self) -> bool {
            self.stopped
        }

        fn duty_cycle(&mut self, now: Nanos) -> usize {
            assert!(now >= self.last);
            (self.passes, self.last) = (self.passes + 1, now);
            // Work on every second pass: 2 units.
            if self.passes.is_multiple_of(2) { 2 } else { 0 }
        }
    }

    #[test]
    fn each_pass_beats_and_adds_the_work_done() {
        let _turn = alloc::COUNTING.lock().unwrap();
        let body = SharedWords::heap(STATUS_WORDS);
        let status = StatusWriter::start(&body, 3, 42, Nanos(0));
        let mut around = RunLoop { clock: Clock::new(calibrate()), status, wait: WaitStrategy::Yield, turn: None };
        let mut worker = Worker { passes: 0, last: Nanos(0), stopped: false, drains: false };
        let mut passes = 0;
        run_until(&mut worker, &mut around, || {
            passes += 1;
            passes > 9
        });
        let reader = StatusReader::new(&body);
        assert_eq!((worker.passes, reader.progress()), (10, 10));
        assert_eq!(reader.heartbeat(), worker.last);
        assert_eq!(reader.state(), Some(ProcessState::Stopping));
    }

    #[test]
    fn a_pass_that_saw_the_end_of_its_work_waits_as_an_idle_one() {
        let _turn = alloc::COUNTING.lock().unwrap();
        let body = SharedWords::heap(STATUS_WORDS);
        let status = StatusWriter::start(&body, 3, 42, Nanos(0));
        // Only a nap can be seen from here, and only that it was not shorter.
        let wait = WaitStrategy::Nap(2_000);
        let mut around = RunLoop { clock: Clock::new(calibrate()), status, wait, turn: None };
        // Passes 2 to 10 by twos have work, and each of the ten waits.
        let mut worker = Worker { passes: 0, last: Nanos(0), stopped: false, drains: true };
        let (mut passes, start) = (0, around.clock.now());
        run_until(&mut worker, &mut around, || {
            passes += 1;
            passes > 9
        });
        assert_eq!(worker.passes, 10);
        assert!(around.clock.now().0 - start.0 >= 20_000_000, "ten naps");
    }
}
