//! Failpoints: named places where a test or an exercise may stop, delay or kill the process.
//!
//! They are always compiled, so that what is tested is what runs. A disarmed one costs one relaxed load and a predicted
//! branch. A crate declares its own as statics, lists them, and arms one by the name given in the host file:
//!
//! ```
//! use shm_layout::failpoint::{Failpoint, arm};
//!
//! static BEFORE_SEND: Failpoint = Failpoint::new("gateway.before_send");
//! static POINTS: [&Failpoint; 1] = [&BEFORE_SEND];
//!
//! assert!(arm(&POINTS, "gateway.before_send", |_| ()));
//! BEFORE_SEND.hit();
//! assert!(!arm(&POINTS, "gateway.no_such_place", |_| ()));
//! ```
//!
//! A failpoint never decides what happens: that is the hook's (raise SIGKILL, sleep, count).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// What an armed failpoint calls, with its name, each time that it is hit.
pub type Hook = fn(&'static str);

/// One named place. Declare it as a `static`.
#[derive(Debug)]
pub struct Failpoint {
    name: &'static str,
    armed: AtomicBool,
    hook: Mutex<Option<Hook>>,
}

impl Failpoint {
    /// A disarmed failpoint. Names are `crate_or_part.action.moment`, such as `ring.write.before_mark`.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, armed: AtomicBool::new(false), hook: Mutex::new(None) }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether a hit would call the hook: for a loop that asks once before its first round.
    #[inline]
    #[must_use]
    pub fn is_armed(&self) -> bool {
        self.armed.load(Ordering::Relaxed)
    }

    /// Calls the hook when armed.
    #[inline]
    pub fn hit(&self) {
        if self.is_armed() {
            self.fire();
        }
    }

    /// Makes every later hit, on any thread, call `hook`.
    pub fn arm(&self, hook: Hook) {
        *self.hook.lock().unwrap_or_else(PoisonError::into_inner) = Some(hook);
        self.armed.store(true, Ordering::Release);
    }

    /// Makes later hits do nothing.
    pub fn disarm(&self) {
        self.armed.store(false, Ordering::Release);
    }

    #[cold]
    #[inline(never)]
    fn fire(&self) {
        // Copied out first: a hook may panic or never return, and the lock must not stay held.
        let hook = *self.hook.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hook) = hook {
            hook(self.name);
        }
    }
}

/// Arms the failpoint called `name` among `points`; false when there is none of that name.
#[must_use]
pub fn arm(points: &[&'static Failpoint], name: &str, hook: Hook) -> bool {
    let found = points.iter().find(|point| point.name == name);
    if let Some(point) = found {
        point.arm(hook);
    }
    found.is_some()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn fires_only_while_armed() {
        static HITS: AtomicU32 = AtomicU32::new(0);
        static HERE: Failpoint = Failpoint::new("test.here");
        static THERE: Failpoint = Failpoint::new("test.there");
        let points = [&HERE, &THERE];
        HERE.hit();
        assert!(arm(&points, "test.here", |name| {
            assert_eq!(name, "test.here");
            HITS.fetch_add(1, Ordering::Relaxed);
        }));
        assert!(!arm(&points, "test.nowhere", |_| unreachable!()));
        THERE.hit();
        HERE.hit();
        HERE.hit();
        HERE.disarm();
        HERE.hit();
        assert_eq!(HITS.load(Ordering::Relaxed), 2);
    }
}
