//! The kernel's scheduling class of a hot process, and the one combination that is refused.
//!
//! `sched_yield` under SCHED_FIFO gives a CPU to nobody of a lower class, and to a FIFO neighbour only in its turn: where
//! processes share CPUs that has been measured as hundreds of milliseconds per pass. SCHED_FIFO therefore goes with a
//! pure spin alone, and a pure spin under it only where the kernel does not throttle realtime classes.

use crate::error::RuntimeError;
use crate::wait::WaitStrategy;
use serde::{Deserialize, Serialize};

/// Where the kernel says for how long of each period realtime classes may run; -1 = always.
const THROTTLE: &str = "/proc/sys/kernel/sched_rt_runtime_us";

/// `host.scheduler`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheduler {
    /// SCHED_OTHER: whatever the process inherited, unless that is realtime and the process yields.
    #[default]
    Other,
    /// SCHED_FIFO, priority 1: only where every hot process spins on a CPU of its own.
    Fifo,
}

/// Why a hot process that waits like this may not run under that class; `None` when it may. `throttle` is the content of
/// the kernel's switch.
fn objection(is_realtime: bool, wait: WaitStrategy, throttle: &str) -> Option<(&'static str, &'static str)> {
    match wait {
        _ if !is_realtime => None,
        WaitStrategy::Yield => Some((
            "sched_yield under a realtime class starves the other processes of the CPU",
            "write host.scheduler = \"other\" and start without chrt, or give each hot process a CPU of its own",
        )),
        WaitStrategy::Spin if throttle.trim() != "-1" => Some((
            "the kernel stops a realtime class that spins, for 50 ms of each second",
            "write -1 to /proc/sys/kernel/sched_rt_runtime_us, or host.scheduler = \"other\"",
        )),
        WaitStrategy::Spin | WaitStrategy::Nap(_) => None,
    }
}

/// Refuses a host file's wish that could not be carried out: known before anything is started.
///
/// # Errors
/// With the reason and the way out.
pub fn check(wanted: Scheduler, wait: WaitStrategy) -> Result<(), RuntimeError> {
    refuse(wanted == Scheduler::Fifo, wait)
}

fn refuse(is_realtime: bool, wait: WaitStrategy) -> Result<(), RuntimeError> {
    let throttle = if is_realtime { std::fs::read_to_string(THROTTLE).unwrap_or_default() } else { String::new() };
    objection(is_realtime, wait, &throttle).map_or(Ok(()), |(what, cure)| Err(RuntimeError::refused(what, cure)))
}

/// Puts the calling process into the class wanted, once it is known that it may be there; the class that it inherited is
/// held against the same rule. A napping process stays as it is.
///
/// # Errors
/// A class that does not go with the wait, or that the kernel does not grant.
pub fn enter(wanted: Scheduler, wait: WaitStrategy) -> Result<(), RuntimeError> {
    let is_hot = !matches!(wait, WaitStrategy::Nap(_));
    refuse(is_realtime() || (is_hot && wanted == Scheduler::Fifo), wait)?;
    if is_hot && wanted == Scheduler::Fifo {
        let parameters = libc::sched_param { sched_priority: 1 };
        // SAFETY: `parameters` is a valid sched_param for the kernel to read; 0 names the calling thread.
        let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) };
        if result != 0 {
            let cure = "grant CAP_SYS_NICE or an RLIMIT_RTPRIO, or write host.scheduler = \"other\"";
            return Err(RuntimeError::system("enter SCHED_FIFO", std::io::Error::last_os_error(), cure));
        }
    }
    Ok(())
}

/// Puts the calling thread, and the children that it spawns from now on, among the cold: `SCHED_BATCH`, so that its
/// wake-up waits until the hot process that has the core yields, instead of interrupting an order half-way. A realtime
/// class stays, so that [`enter`] can still refuse it.
///
/// # Errors
/// When the kernel refuses.
pub fn become_cold() -> Result<(), RuntimeError> {
    change(libc::SCHED_OTHER, libc::SCHED_BATCH)
}

/// Undoes [`become_cold`]: what a hot process spawned by a cold one does first, before [`enter`].
///
/// # Errors
/// When the kernel refuses.
pub fn become_hot() -> Result<(), RuntimeError> {
    change(libc::SCHED_BATCH, libc::SCHED_OTHER)
}

/// How far a [`give_way`] steps back: to a 28th of an ordinary process's weight.
const GIVEN_WAY: libc::c_int = 15;

/// Lets a child step back behind the hot process that it shares a CPU with: of two that yield after every pass it then has
/// one for about 28 of the other's. For what stands for another machine, such as a simulated venue.
///
/// # Errors
/// When the kernel refuses.
pub fn give_way(pid: u32) -> Result<(), RuntimeError> {
    // SAFETY: the call reads nothing of this process's memory. Stepping back needs no right.
    if unsafe { libc::setpriority(libc::PRIO_PROCESS, pid, GIVEN_WAY) } == 0 {
        return Ok(());
    }
    let cure = "allow setpriority in the sandbox";
    Err(RuntimeError::system(format!("set the priority of process {pid}"), std::io::Error::last_os_error(), cure))
}

fn change(from: libc::c_int, to: libc::c_int) -> Result<(), RuntimeError> {
    if policy() != from {
        return Ok(());
    }
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: `parameters` is a valid sched_param for the kernel to read; 0 names the calling thread.
    if unsafe { libc::sched_setscheduler(0, to, &raw const parameters) } == 0 {
        return Ok(());
    }
    let cure = "allow sched_setscheduler in the sandbox";
    Err(RuntimeError::system("set the scheduling class", std::io::Error::last_os_error(), cure))
}

fn policy() -> libc::c_int {
    // SAFETY: the call reads nothing of this process's memory; 0 names the calling thread.
    let policy = unsafe { libc::sched_getscheduler(0) };
    policy & !libc::SCHED_RESET_ON_FORK
}

fn is_realtime() -> bool {
    matches!(policy(), libc::SCHED_FIFO | libc::SCHED_RR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_yield_is_refused_under_a_realtime_class_and_a_spin_where_it_is_throttled() {
        let (spin, nap) = (WaitStrategy::Spin, WaitStrategy::Nap(50));
        for throttle in ["950000\n", "-1\n"] {
            let (what, cure) = objection(true, WaitStrategy::Yield, throttle).expect("refused");
            assert!(what.contains("sched_yield") && cure.contains("host.scheduler"));
            assert_eq!(objection(true, nap, throttle), None);
            assert_eq!(objection(false, WaitStrategy::Yield, throttle), None);
        }
        assert!(objection(true, spin, "950000\n").is_some() && objection(true, spin, "-1\n").is_none());
        assert!(check(Scheduler::Other, WaitStrategy::Yield).is_ok());
        assert!(check(Scheduler::Fifo, WaitStrategy::Yield).is_err());
    }

    #[test]
    fn a_cold_thread_is_batch_and_becomes_ordinary_again() {
        std::thread::spawn(|| {
            become_cold().unwrap();
            assert_eq!(policy(), libc::SCHED_BATCH);
            become_hot().unwrap();
            assert_eq!(policy(), libc::SCHED_OTHER);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn who_gives_way_stays_ordinary_with_less_weight() {
        // A thread, whose weight ends with it, stands for the child.
        std::thread::spawn(|| {
            give_way(nix::unistd::gettid().as_raw() as u32).unwrap();
            let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
            // proc(5): the nineteenth field is the nice value; two stand before the name's closing parenthesis.
            let (_, rest) = stat.rsplit_once(')').unwrap();
            assert_eq!((rest.split_whitespace().nth(16), policy()), (Some("15"), libc::SCHED_OTHER), "{stat}");
        })
        .join()
        .unwrap();
        assert!(give_way(0x7fff_ffff).is_err(), "nobody has this number");
    }

    #[test]
    fn a_process_that_inherited_a_realtime_class_does_not_start_to_yield() {
        // In a thread of its own: the class is the thread's, and ends with it.
        std::thread::spawn(|| {
            let parameters = libc::sched_param { sched_priority: 1 };
            // SAFETY: `parameters` is a valid sched_param for the kernel to read; 0 names the calling thread.
            if unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) } != 0 {
                use std::io::Write;
                let _ = writeln!(std::io::stderr(), "skipped: no right to enter SCHED_FIFO");
                return;
            }
            // Neither way does an inherited realtime class vanish unsaid.
            become_cold().unwrap();
            become_hot().unwrap();
            let error = enter(Scheduler::Other, WaitStrategy::Yield).unwrap_err().to_string();
            assert!(error.contains("realtime") && error.contains("chrt"), "{error}");
        })
        .join()
        .unwrap();
        assert!(enter(Scheduler::Other, WaitStrategy::Yield).is_ok());
    }
}
