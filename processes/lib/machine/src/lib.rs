//! The pure machine, and the one way to advance it.
//!
//! A machine never reads a clock, a file, a socket, the environment or a random number, and never allocates after
//! construction: `now` is an input. Live, replay, backtest and simulation all call [`Stepper::input`] and
//! [`Stepper::timer`], so that a recorded log of steps gives the same outputs to the byte.
#![forbid(unsafe_code)]

pub use shm_layout::types::Nanos;

/// A deterministic process core.
pub trait Machine {
    /// What it can be told.
    type Input;
    /// What it can ask its shell to do.
    type Output;
    /// Most outputs that one input or timer can cause: the shell polls only when every output has that much room, so
    /// `emit` never fails.
    const OUTPUTS_MAX: usize;

    /// Takes one input at `now`.
    fn on_input(&mut self, now: Nanos, input: &Self::Input, emit: &mut impl FnMut(Self::Output));

    /// The deadline was reached.
    fn on_timer(&mut self, now: Nanos, emit: &mut impl FnMut(Self::Output));

    /// When it next wants [`Machine::on_timer`]; it moves forward with every timer that fires.
    fn deadline(&self) -> Option<Nanos>;
}

/// A machine and the time it has seen: `now` never goes back, whatever the shell's clock says.
#[derive(Debug)]
pub struct Stepper<M> {
    /// The machine, to read its state.
    pub machine: M,
    now: Nanos,
}

impl<M: Machine> Stepper<M> {
    /// A machine that starts at `now`.
    pub const fn new(machine: M, now: Nanos) -> Self {
        Self { machine, now }
    }

    /// The last time it was given.
    pub const fn now(&self) -> Nanos {
        self.now
    }

    /// When its timer fires, if it is due by `now`: max(deadline, last now).
    pub fn due(&self, now: Nanos) -> Option<Nanos> {
        self.machine.deadline().filter(|deadline| *deadline <= now).map(|deadline| deadline.max(self.now))
    }

    /// Advances by one input; returns the `now` that the machine was given.
    pub fn input(&mut self, now: Nanos, input: &M::Input, emit: &mut impl FnMut(M::Output)) -> Nanos {
        self.now = self.now.max(now);
        self.machine.on_input(self.now, input, emit);
        self.now
    }

    /// Fires the timer if it is due by `now`; returns when it fired, to be recorded.
    pub fn timer(&mut self, now: Nanos, emit: &mut impl FnMut(M::Output)) -> Option<Nanos> {
        let at = self.due(now)?;
        self.now = at;
        self.machine.on_timer(at, emit);
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Emits the time of every call; wants a timer every 10 ns.
    struct Echo {
        deadline: Nanos,
    }

    impl Machine for Echo {
        type Input = u8;
        type Output = (Nanos, Option<u8>);
        const OUTPUTS_MAX: usize = 1;

        fn on_input(&mut self, now: Nanos, input: &u8, emit: &mut impl FnMut(Self::Output)) {
            emit((now, Some(*input)));
        }

        fn on_timer(&mut self, now: Nanos, emit: &mut impl FnMut(Self::Output)) {
            self.deadline = now.plus(10);
            emit((now, None));
        }

        fn deadline(&self) -> Option<Nanos> {
            Some(self.deadline)
        }
    }

    #[test]
    fn time_never_goes_back_and_timers_fire_at_the_later_of_deadline_and_now() {
        let mut stepper = Stepper::new(Echo { deadline: Nanos(10) }, Nanos(0));
        let mut seen = Vec::new();
        stepper.input(Nanos(5), &1, &mut |o| seen.push(o));
        assert_eq!(stepper.timer(Nanos(9), &mut |_| panic!("not due")), None);
        assert_eq!(stepper.timer(Nanos(30), &mut |o| seen.push(o)), Some(Nanos(10)));
        stepper.input(Nanos(50), &2, &mut |o| seen.push(o));
        stepper.input(Nanos(40), &3, &mut |o| seen.push(o));
        assert_eq!(stepper.timer(Nanos(60), &mut |o| seen.push(o)), Some(Nanos(50)));
        assert_eq!(
            seen,
            [(Nanos(5), Some(1)), (Nanos(10), None), (Nanos(50), Some(2)), (Nanos(50), Some(3)), (Nanos(50), None)]
        );
    }
}
