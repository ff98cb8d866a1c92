//! What a hot process may do between an input and its last output, as rules that a trace of the real process is held
//! against.
//!
//! In the steady state (every process runs, the strategies are armed, nothing fails) the main thread of a feed handler,
//! strategy, risk or gateway
//!
//! 1. allocates nothing: its status region's counter stays 0;
//! 2. touches no page for the first time: its own minor and major faults do not grow;
//! 3. makes only the calls of its [`Rule`]: reads and writes of its sockets, and `sched_yield`; a futex, a clock, a file, a
//!    mapping never, and a sleep only instead of the yield of an empty poll, rarely, of a process that looks for its turn on
//!    a shared CPU;
//! 4. yields only after an empty poll: once a read of a socket returned data, or bytes were written to it, its next
//!    `sched_yield` comes after a later read of the same socket that found nothing, so that everything the input caused has
//!    left before the CPU is given away. In a process of its own, a feed handler's `recvmmsg` that brought fewer than it had
//!    room for is such a read itself: the kernel looked again and found none;
//! 5. works: its progress grows while it is traced. A process that is stopped makes no wrong call either.
//!
//! Strategy and risk have no socket, so a trace cannot show where in a pass they yield. That is read in the source instead:
//! `tests/tidy/tests/waits.rs` names every place that may give the CPU away, and the run loops that may ask for it.
//!
//! It looks from outside only, at `/proc` and at what `strace` writes down; it never changes what it watches.
#![forbid(unsafe_code)]

mod check;
mod faults;
mod rule;
mod trace;

pub use check::{Tally, Trace, Violation, check};
pub use faults::Faults;
pub use rule::{Role, Rule};
pub use trace::{Call, Outcome, parse, strace};
