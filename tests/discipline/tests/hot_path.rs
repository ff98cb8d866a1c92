//! The hot processes of a real demo, held against the rules while they trade.
//!
//! | placement   | durability | checked                                               | of                         |
//! | ----------- | ---------- | ----------------------------------------------------- | -------------------------- |
//! | `processes` | L0         | code of their own; allocations and page faults; calls | each of the four processes |
//! | `processes` | L2         | calls                                                 | the gateway                |
//! | `fused`     | L0         | calls                                                 | the host of all four       |
//!
//! Calls are those of the main thread: at L2 it is the flusher's that syncs. `paired`, faults at L2 or in a shared process,
//! and the two together are not checked; `placements.rs` looks at the allocations of shared processes.
#![forbid(unsafe_code)]

use discipline::{Faults, Role, Rule, Tally, Trace, Violation, check, strace};
use nix::sys::signal::Signal;
use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use runtime::clock::monotonic_ns;
use std::io::Write;
use std::thread::sleep;
use std::time::Duration;
use system::{Bench, Running};

/// Second of the demo from which on its state is steady: books are filled, sessions are up, every ring has been written.
const STEADY: usize = 4;
/// How long the faults are watched.
const WATCHED: Duration = Duration::from_secs(3);
/// How long each process is traced: it runs ten times slower meanwhile.
const TRACED: Duration = Duration::from_millis(700);
/// How long a stopped one is traced: the supervisor holds it to be hung after a second.
const STOPPED: Duration = Duration::from_millis(200);

/// Past the harness's capture, where the runner counts it.
fn skip(why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

fn pid(bench: &Bench, role: Role) -> u32 {
    bench.process(role.name())["pid"].as_u64().expect("a pid is a number") as u32
}

/// A demo in its steady state.
fn steady(bench: &Bench, extra: &[&str]) -> Running {
    let mut demo = bench.demo(60, &[&["--rate", "8000"], extra].concat());
    demo.wait_second(STEADY);
    demo
}

/// Maps of code that lie in the cache of a process binary's file.
fn code_of_files(pid: u32) -> Vec<String> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("it lives");
    let of_binary = |line: &&str| line.contains(" r-xp ") && line.contains("/tickway-");
    maps.lines().filter(of_binary).map(str::to_owned).collect()
}

#[test]
fn hot_processes_run_from_code_of_their_own_and_cold_ones_from_their_files() {
    let bench = Bench::new("code");
    let demo = steady(&bench, &[]);
    for role in Role::ALL {
        let pid = pid(&bench, role);
        assert_eq!(code_of_files(pid), Vec::<String>::new(), "{}", role.name());
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("it lives");
        let own = maps.lines().find(|line| line.contains(" r-xp 00000000 00:00 0")).expect("code of no file");
        // Where the environment's RUSTFLAGS take the place of those in .cargo/config.toml, it is not linked for huge pages.
        let aligned =
            usize::from_str_radix(&own[..own.find('-').expect("a range")], 16).expect("hexadecimal") % (2 << 20);
        assert!(aligned == 0 || std::env::var_os("RUSTFLAGS").is_some(), "{own}");
    }
    let recorder = bench.process("recorder")["pid"].as_u64().expect("a pid is a number");
    assert_eq!(code_of_files(recorder as u32).len(), 1);
    demo.signal(Signal::SIGINT);
    assert_eq!(demo.wait().code, Some(0));
}

fn counter(bench: &Bench, role: Role, name: &str) -> u64 {
    bench.process(role.name())["counters"][name].as_u64().unwrap_or(0)
}

#[test]
fn nothing_is_allocated_and_no_page_faults_while_it_trades() {
    let bench = Bench::on_disk("faults");
    if statfs(bench.folder()).is_ok_and(|stat| stat.filesystem_type() == TMPFS_MAGIC) {
        return skip("the folder for temporary files is in memory: a journal's pages are not cleaned there");
    }
    let demo = steady(&bench, &[]);
    let pids = Role::ALL.map(|role| pid(&bench, role));
    let faults = || pids.map(|pid| Faults::of_main_thread(pid).expect("it lives"));
    let (before, sent) = (faults(), counter(&bench, Role::Gateway, "orders_sent"));
    sleep(WATCHED);
    let after = faults();
    assert!(counter(&bench, Role::Gateway, "orders_sent") > sent, "it must trade meanwhile");
    for (index, role) in Role::ALL.into_iter().enumerate() {
        let grown = after[index].since(before[index]);
        assert_eq!(grown, Faults::default(), "{}: page faults in the steady state", role.name());
        let row = bench.process(role.name());
        assert_eq!(row["allocations_after_start"], 0, "{}: allocations after start", role.name());
        assert_eq!(row["restarts"], 0, "{}", role.name());
    }
    demo.signal(Signal::SIGINT);
    assert_eq!(demo.wait().code, Some(0));
}

#[test]
fn only_socket_calls_stand_between_an_input_and_its_last_output() {
    let bench = Bench::new("calls");
    let demo = steady(&bench, &[]);
    for role in Role::ALL {
        let trace = match traced(&bench, &[role], TRACED) {
            Ok(trace) => trace,
            Err(why) => return skip(&why),
        };
        let tally = expect_sound(role.name(), &role.rule(), &trace);
        match role {
            Role::FeedHandler => assert!(tally.inputs > 20 && tally.empty_reads > 20, "feed handler: {tally:?}"),
            Role::Gateway => expect_orders("gateway", &tally),
            // On a CPU of its own it spins, and makes no call at all.
            Role::Strategy | Role::Risk => {
                assert!(tally.yields == 0 || tally.yields > 20, "{}: {tally:?}", role.name())
            }
        }
    }
    // One that is stopped makes no wrong call either, and must not pass.
    bench.signal(Role::Strategy.name(), Signal::SIGSTOP);
    let trace = traced(&bench, &[Role::Strategy], STOPPED).expect("it was traced before");
    bench.signal(Role::Strategy.name(), Signal::SIGCONT);
    assert_eq!(check(&Role::Strategy.rule(), &trace), Err(vec![Violation::Stopped]));
    end(demo);
}

#[test]
fn a_gateway_whose_orders_wait_for_the_disk_makes_only_socket_calls_too() {
    let bench = Bench::new("calls-synced");
    let own = include_str!("../../../tuning/demo.toml");
    let synced = own.replacen("durability = \"L0\"", "durability = \"L2\"", 1);
    assert_ne!(own, synced);
    let host = bench.write("synced.toml", synced);
    let demo = steady(&bench, &["--host", host.to_str().expect("the folder's name is UTF-8")]);
    let trace = match traced(&bench, &[Role::Gateway], TRACED) {
        Ok(trace) => trace,
        Err(why) => return skip(&why),
    };
    expect_orders("synced gateway", &expect_sound("synced gateway", &Role::Gateway.rule(), &trace));
    end(demo);
    assert!(bench.journal().iter().any(|record| record["durability"] == 2), "the journal says another durability");
}

#[test]
fn all_stages_in_one_process_make_only_socket_calls_too() {
    let bench = Bench::new("calls-fused");
    let demo = steady(&bench, &["--placement", "fused"]);
    let trace = match traced(&bench, &Role::ALL, TRACED) {
        Ok(trace) => trace,
        Err(why) => return skip(&why),
    };
    expect_orders("fused host", &expect_sound("fused host", &Rule::FUSED, &trace));
    end(demo);
}

/// Traces the one process of these stages; an error says why nothing can be traced here.
fn traced(bench: &Bench, stages: &[Role], span: Duration) -> Result<Trace, String> {
    let of_stages = |key: &str| {
        let status = bench.status().expect("the instance lives");
        let rows = status["processes"].as_array().cloned().unwrap_or_default();
        let row = |role: &Role| rows.iter().find(|row| row["role"] == role.name()).expect("a row for each role");
        stages.iter().map(|role| row(role)[key].as_u64().expect("a number")).collect::<Vec<_>>()
    };
    let pids = of_stages("pid");
    assert!(pids.iter().all(|pid| *pid == pids[0]), "one process has {stages:?}: {pids:?}");
    let started_ns = monotonic_ns();
    let (calls, progress) = strace(pids[0] as u32, bench.folder(), || {
        let before = of_stages("progress");
        sleep(span);
        // One that was restarted meanwhile has begun anew.
        of_stages("progress").iter().zip(before).map(|(after, before)| after.saturating_sub(before)).min().unwrap_or(0)
    })?;
    Ok(Trace { calls, span: Duration::from_nanos(monotonic_ns() - started_ns), progress })
}

fn expect_sound(what: &str, rule: &Rule, trace: &Trace) -> Tally {
    check(rule, trace).unwrap_or_else(|violations| {
        let shown: Vec<String> = violations.iter().take(10).map(ToString::to_string).collect();
        panic!("{what}: {} violations in {} calls: {shown:#?}", violations.len(), trace.calls.len());
    })
}

/// A trace without an order proves nothing of orders.
fn expect_orders(what: &str, tally: &Tally) {
    assert!(tally.inputs > 5 && tally.outputs > 5 && tally.empty_reads > 20, "{what}: {tally:?}");
}

fn end(demo: Running) {
    demo.signal(Signal::SIGINT);
    // Slowed down tenfold, leases may have lapsed: whether its counts balance is for other tests to say.
    let _ = demo.wait();
}
