//! Which core each hot process gets, and pinning to it.
//!
//! core_affinity aborts the process on an id that the kernel does not know, so every id is first held against the CPUs
//! that this process may use.

use crate::config::{ConfigError, CoreSpec, HostFile, WaitSpec};
use crate::error::RuntimeError;
use crate::wait::WaitStrategy;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use std::sync::OnceLock;

/// What this process could use before its first [`pin`].
static BEFORE_PIN: OnceLock<CpuSet> = OnceLock::new();

/// The CPUs that this process may run on, ascending. After [`pin`] that is one.
///
/// # Errors
/// When the kernel does not say.
pub fn allowed_cpus() -> Result<Vec<usize>, RuntimeError> {
    let set = sched_getaffinity(Pid::from_raw(0))
        .map_err(|error| RuntimeError::system("read the allowed CPUs", error.into(), "see the kernel's log (dmesg)"))?;
    Ok((0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false)).collect())
}

/// Pins the calling thread to one CPU.
///
/// # Errors
/// When the id is not among the allowed ones (they are listed), or the kernel refuses.
pub fn pin(core: usize) -> Result<(), RuntimeError> {
    let allowed = allowed_cpus()?;
    check_allowed(core, &allowed)?;
    if let Ok(set) = sched_getaffinity(Pid::from_raw(0)) {
        BEFORE_PIN.get_or_init(|| set);
    }
    if core_affinity::set_for_current(core_affinity::CoreId { id: core }) {
        return Ok(());
    }
    Err(RuntimeError::refused(format!("the kernel refused to pin to CPU {core}"), "correct host.cores"))
}

/// Gives the calling thread every CPU back that the process could use before its first [`pin`]; without one it has them.
/// For a cold thread beside a pinned one, whose affinity it inherits.
///
/// # Errors
/// When the kernel refuses.
pub fn unpin() -> Result<(), RuntimeError> {
    let Some(set) = BEFORE_PIN.get() else { return Ok(()) };
    sched_setaffinity(Pid::from_raw(0), set)
        .map_err(|error| RuntimeError::system("widen a thread's CPUs", error.into(), "see the kernel's log (dmesg)"))
}

fn check_allowed(core: usize, allowed: &[usize]) -> Result<(), RuntimeError> {
    if allowed.contains(&core) {
        return Ok(());
    }
    let what = format!("CPU {core} is not one this process may use (it may use {})", listed(allowed));
    Err(RuntimeError::refused(what, "correct host.cores, or the cpuset or taskset of the shell"))
}

/// Refuses a host file that lists a CPU which this process may not use: to be asked before anything is started.
///
/// # Errors
/// Names the file, the line and the item of `host.cores`.
pub fn check_cores(file: &HostFile) -> Result<(), ConfigError> {
    let CoreSpec::Listed(cores) = &file.host().cores else { return Ok(()) };
    if cores.is_empty() {
        return Err(file.error_at("host.cores", "no CPU is listed", "list CPU ids or write \"auto\""));
    }
    let allowed = allowed_cpus().map_err(|error| file.error_at("host.cores", error.to_string(), "mount /proc"))?;
    match cores.iter().enumerate().find(|(_, core)| !allowed.contains(core)) {
        None => Ok(()),
        Some((place, core)) => {
            let what = format!("CPU {core} is not one this process may use (it may use {})", listed(&allowed));
            let cure = "list others or write \"auto\", or widen the cpuset or taskset of the shell";
            Err(file.error_at(&format!("host.cores[{place}]"), what, cure))
        }
    }
}

fn listed(cpus: &[usize]) -> String {
    cpus.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

/// Who runs where, and how it waits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CorePlan {
    /// CPU of each hot process, in role order.
    pub cores: Vec<usize>,
    /// How the hot processes wait.
    pub wait: WaitStrategy,
    /// The choice in one line, to be printed.
    pub line: String,
}

/// Spreads `hot` processes over the CPUs that this process may use.
///
/// # Errors
/// When a listed CPU is not among them.
pub fn plan_cores(hot: usize, cores: &CoreSpec, wait: WaitSpec, nap_us: u32) -> Result<CorePlan, RuntimeError> {
    plan_over(&allowed_cpus()?, hot, cores, wait, nap_us)
}

fn plan_over(
    allowed: &[usize],
    hot: usize,
    spec: &CoreSpec,
    wait: WaitSpec,
    nap_us: u32,
) -> Result<CorePlan, RuntimeError> {
    let pool = match spec {
        // The first CPU is left to the cold processes and the kernel, where that leaves each hot process one.
        CoreSpec::Auto if allowed.len() > hot => allowed[1..].to_vec(),
        CoreSpec::Auto => allowed.to_vec(),
        CoreSpec::Listed(listed) => {
            listed.iter().try_for_each(|core| check_allowed(*core, allowed))?;
            listed.clone()
        }
    };
    if pool.is_empty() {
        return Err(RuntimeError::refused("host.cores lists no CPU", "list CPU ids or write \"auto\""));
    }
    let cores: Vec<usize> = (0..hot).map(|process| pool[place(process, hot, pool.len())]).collect();
    // A CPU must be left over: cold processes do not interrupt a hot one, so beside one that never yields they would starve
    // until the kernel's tick.
    let alone = pool.len() >= hot && allowed.len() > hot;
    let wait = match wait {
        WaitSpec::Auto if alone => WaitStrategy::Spin,
        WaitSpec::Auto | WaitSpec::Yield => WaitStrategy::Yield,
        WaitSpec::Spin => WaitStrategy::Spin,
        WaitSpec::Nap => WaitStrategy::Nap(nap_us),
    };
    let why = if alone { "each has a CPU of its own, the cold have another" } else { "CPUs are shared" };
    let line = format!("cores: {hot} hot processes on CPUs [{}], wait {wait} ({why})", listed(&cores));
    Ok(CorePlan { cores, wait, line })
}

/// How many of the other stages the last one on the path is worth: a gateway journals and writes to a socket, which takes
/// longer than feed handler, strategy and risk together.
const LAST_WEIGHT: usize = 3;

/// The CPU, of `cpus`, of a hot process in role order. Neighbours on the path share one: a yield hands the order on, and
/// only one hop waits for another CPU's turn. The last stage has a CPU for itself where that leaves the others no more than
/// an even share of the weight; no CPU is left idle.
fn place(process: usize, hot: usize, cpus: usize) -> usize {
    if cpus >= hot {
        return process;
    }
    if cpus == 1 {
        return 0;
    }
    // The last CPU has the last stage, and before it what is missing to an even share of the weight.
    let share = (hot - 1 + LAST_WEIGHT).div_ceil(cpus);
    let beside_last = share.saturating_sub(LAST_WEIGHT).min(hot - cpus);
    let others = hot - 1 - beside_last;
    if process >= others { cpus - 1 } else { process * (cpus - 1) / others }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spins_only_where_each_has_its_own() {
        let plan = |allowed: &[usize], hot| plan_over(allowed, hot, &CoreSpec::Auto, WaitSpec::Auto, 50).unwrap();
        let wide = plan(&[0, 1, 2, 3, 4], 4);
        assert_eq!((wide.cores.as_slice(), wide.wait), (&[1, 2, 3, 4][..], WaitStrategy::Spin));
        let narrow = plan(&[0, 1], 4);
        assert_eq!((narrow.cores.as_slice(), narrow.wait), (&[0, 0, 0, 1][..], WaitStrategy::Yield));
        assert!(
            narrow.line.contains("[0, 0, 0, 1]") && narrow.line.contains("yield") && narrow.line.contains("shared")
        );
        let exact = plan(&[3, 7], 2);
        assert_eq!((exact.cores.as_slice(), exact.wait), (&[3, 7][..], WaitStrategy::Yield), "none left for the cold");
        let spare = plan(&[3, 7, 8], 2);
        assert_eq!((spare.cores.as_slice(), spare.wait), (&[7, 8][..], WaitStrategy::Spin));
        assert_eq!(plan(&[3, 7], 3).wait, WaitStrategy::Yield, "one more than CPUs: every process of a CPU yields");
    }

    #[test]
    fn neighbours_share_a_cpu_and_the_gateway_has_room() {
        let places = |hot, cpus| (0..hot).map(|process| place(process, hot, cpus)).collect::<Vec<_>>();
        assert_eq!(places(4, 1), [0, 0, 0, 0]);
        assert_eq!(places(4, 2), [0, 0, 0, 1]);
        assert_eq!(places(4, 3), [0, 0, 1, 2]);
        assert_eq!(places(2, 2), [0, 1]);
        assert_eq!(places(6, 2), [0, 0, 0, 0, 1, 1]);
        assert_eq!(places(6, 5), [0, 0, 1, 2, 3, 4]);
        assert_eq!(places(4, 6), [0, 1, 2, 3]);
        for (hot, cpus) in (1..20).flat_map(|hot| (1..20).map(move |cpus| (hot, cpus))) {
            let places = places(hot, cpus);
            assert!(places.is_sorted() && places.iter().all(|place| *place < cpus), "{hot} on {cpus}: {places:?}");
            let used: std::collections::BTreeSet<_> = places.iter().collect();
            assert_eq!(used.len(), hot.min(cpus), "{hot} on {cpus} leaves a CPU idle: {places:?}");
        }
    }

    #[test]
    fn listed_ids_are_checked_and_wishes_obeyed() {
        let listed = CoreSpec::Listed(vec![2, 9]);
        let error = plan_over(&[0, 1, 2], 2, &listed, WaitSpec::Auto, 50).unwrap_err().to_string();
        assert!(error.contains("CPU 9") && error.contains("0, 1, 2"), "{error}");
        let listed = CoreSpec::Listed(vec![2, 1]);
        let plan = plan_over(&[0, 1, 2], 2, &listed, WaitSpec::Nap, 70).unwrap();
        assert_eq!((plan.cores, plan.wait), (vec![2, 1], WaitStrategy::Nap(70)));
        assert!(plan_over(&[0], 1, &CoreSpec::Listed(vec![]), WaitSpec::Auto, 50).is_err());
    }

    #[test]
    fn a_listed_cpu_that_is_not_there_is_told_by_file_key_and_line() {
        let first = allowed_cpus().unwrap()[0];
        let read = |cores: &str| {
            let text = include_str!("../../../../tuning/demo.toml").replace("cores = \"auto\"", cores);
            HostFile::parse("host.toml", &text).unwrap()
        };
        check_cores(&read("cores = \"auto\"")).unwrap();
        check_cores(&read(&format!("cores = [{first}]"))).unwrap();
        let told = check_cores(&read(&format!("cores = [\n  {first},\n  5000,\n]"))).unwrap_err();
        assert!(told.key == "host.cores[1]" && told.what.contains("CPU 5000"), "{told}");
        let one = check_cores(&read("cores = [5000]")).unwrap_err();
        assert_eq!(told.line, one.line + 2, "the item's own line: {told}");
        assert_eq!(check_cores(&read("cores = []")).unwrap_err().key, "host.cores");
    }

    #[test]
    fn an_id_that_does_not_exist_is_an_error_and_a_good_one_pins() {
        let error = pin(5000).unwrap_err().to_string();
        assert!(error.contains("CPU 5000"), "{error}");
        // In a thread of its own: the affinity is the thread's.
        std::thread::spawn(|| {
            let before = allowed_cpus().unwrap();
            let last = *before.last().unwrap();
            pin(last).unwrap();
            assert_eq!(allowed_cpus().unwrap(), [last]);
            // A thread inherits the one CPU, and can have all of them back.
            std::thread::spawn(move || {
                assert_eq!(allowed_cpus().unwrap(), [last]);
                unpin().unwrap();
                assert_eq!(allowed_cpus().unwrap(), before);
            })
            .join()
            .unwrap();
        })
        .join()
        .unwrap();
    }
}
