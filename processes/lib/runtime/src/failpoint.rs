//! Arms the failpoints that `[failpoint]` of the host file names, in a process that has them.
//!
//! A key is a point's name, `ring.write.after_mark`, or one for a single process, `strategy/0:ring.write.after_mark`.
//! The host file refuses the table unless `host.allow_failpoints` says so. A restarted process is left in peace unless
//! `lives` says otherwise: else each restart would die of the same point.

use crate::config::{FailpointAction, FailpointArm, Failpoints};
use shm_layout::failpoint::{Failpoint, arm};
use shm_layout::types::Role;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

struct Armed {
    name: String,
    action: FailpointAction,
    /// Hits that still pass.
    passes: AtomicU32,
}

/// What is armed in this process; written once, before any point is.
static ARMED: OnceLock<Vec<Armed>> = OnceLock::new();

/// Arms every point of `wanted` that is for this process and among `points`, and returns their names. `restarts` counts
/// this process's earlier lives. Call it once per stage, after reading the host file; only one stage of a process can have
/// any.
///
/// # Panics
/// When a second stage of this process would arm something.
pub fn arm_all(
    wanted: &Failpoints,
    points: &[&[&'static Failpoint]],
    role: Role,
    index: u8,
    restarts: u64,
) -> Vec<String> {
    let mine: Vec<Armed> = wanted
        .iter()
        .filter(|(_, arm)| arm.lives == 0 || restarts < u64::from(arm.lives))
        .filter_map(|(key, arm)| Some(armed(point_of(key, role, index)?, arm)))
        .collect();
    if mine.is_empty() {
        return Vec::new();
    }
    assert!(ARMED.set(mine).is_ok(), "failpoints are armed once");
    let all = ARMED.get().expect("just set");
    let armed = all.iter().filter(|armed| points.iter().any(|points| arm(points, &armed.name, act)));
    armed.map(|armed| armed.name.clone()).collect()
}

fn armed(name: &str, arm: &FailpointArm) -> Armed {
    Armed { name: name.to_owned(), action: arm.action, passes: AtomicU32::new(arm.after) }
}

/// The point of a key, if the key is for this process.
fn point_of(key: &str, role: Role, index: u8) -> Option<&str> {
    match key.split_once(':') {
        None => Some(key),
        Some((process, point)) => (process == format!("{}/{index}", role.folder())).then_some(point),
    }
}

/// What an armed point does.
fn act(name: &'static str) {
    let Some(armed) = ARMED.get().and_then(|all| all.iter().find(|armed| armed.name == name)) else { return };
    let passed = armed.passes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
    if passed.is_ok() {
        return;
    }
    match armed.action {
        FailpointAction::Kill => {
            // SIGKILL to oneself cannot be caught and does not return.
            let _ = nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::Signal::SIGKILL);
        }
        FailpointAction::Spin => loop {
            std::hint::spin_loop();
        },
        FailpointAction::SleepMs(ms) => std::thread::sleep(Duration::from_millis(u64::from(ms))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static NEAR: Failpoint = Failpoint::new("near.here");
    static FAR: Failpoint = Failpoint::new("far.there");
    static SPENT: Failpoint = Failpoint::new("spent.once");

    #[test]
    fn arms_only_what_is_for_this_process_and_this_life() {
        let sleep = |after, lives| FailpointArm { action: FailpointAction::SleepMs(1), after, lives };
        let kill = FailpointArm { action: FailpointAction::Kill, after: 0, lives: 1 };
        let wanted: Failpoints = [
            ("near.here".to_owned(), sleep(2, 0)),
            ("risk/0:far.there".to_owned(), kill),
            ("strategy/1:spent.once".to_owned(), kill),
            ("no.such.point".to_owned(), kill),
        ]
        .into();
        let points: [&'static Failpoint; 3] = [&NEAR, &FAR, &SPENT];
        assert_eq!(arm_all(&wanted, &[&points], Role::Strategy, 1, 1), ["near.here"]);
        // The others would kill the test.
        FAR.hit();
        SPENT.hit();
        NEAR.hit();
        NEAR.hit();
        let left = || ARMED.get().unwrap()[0].passes.load(Ordering::Relaxed);
        assert_eq!(left(), 0, "two hits passed");
        NEAR.hit();
        assert_eq!(left(), 0, "from the third on it acts");
        assert_eq!(point_of("risk/0:x", Role::Risk, 0), Some("x"));
        assert_eq!(point_of("risk/0:x", Role::Risk, 1), None);
    }
}
