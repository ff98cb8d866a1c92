//! The same demo with stages that share processes: the books balance, readers see each role, and a host's death is the
//! death of its stages.
#![forbid(unsafe_code)]

use nix::sys::signal::Signal;
use system::Bench;

fn pid(bench: &Bench, role: &str) -> u64 {
    bench.process(role)["pid"].as_u64().expect("a pid is a number")
}

#[test]
fn shared_processes_balance_as_single_ones_do() {
    for (placement, hosts) in [("paired", 2), ("fused", 1)] {
        let bench = Bench::new(placement);
        let mut demo = bench.demo(5, &["--placement", placement]);
        demo.wait_second(1);
        let roles = ["feed-handler", "strategy", "risk", "execution-gateway"];
        let pids: std::collections::BTreeSet<u64> = roles.iter().map(|role| pid(&bench, role)).collect();
        assert_eq!(pids.len(), hosts, "{placement}");
        let run = demo.wait();
        assert_eq!(run.code, Some(0), "{placement}: {run:#?}");
        let report = run.json();
        assert_eq!((&report["verdict"], &report["placement"]), (&"ok".into(), &placement.into()));
        assert!(report["orders"]["sent"].as_u64() > Some(0), "{}", report["orders"]);
        for role in roles {
            assert_eq!(report["allocations_after_start"][format!("{role}/0")], 0, "{placement}: {role}");
        }
        bench.expect_nothing_left();
    }
}

#[test]
fn both_stages_of_a_killed_host_come_back_in_a_new_one() {
    let bench = Bench::new("host");
    let mut demo = bench.demo(14, &["--placement", "paired"]);
    demo.wait_second(2);
    let (feed, risk) = (pid(&bench, "feed-handler"), pid(&bench, "risk"));
    assert_eq!(feed, pid(&bench, "strategy"));
    bench.signal("strategy", Signal::SIGKILL);
    bench.wait_restarted("feed-handler", 1);
    bench.wait_restarted("strategy", 1);
    let new = pid(&bench, "strategy");
    assert_eq!(new, pid(&bench, "feed-handler"));
    assert!(new != feed && pid(&bench, "risk") == risk, "the other host lives on");
    let run = demo.wait();
    assert_eq!(run.code, Some(0), "{run:#?}");
    assert_eq!(run.json()["kill"]["engaged"], false);
    bench.expect_nothing_left();
}

#[test]
fn a_killed_fused_host_latches_the_kill_and_the_demo_ends_with_a_report() {
    let bench = Bench::new("whole-host");
    let mut demo = bench.demo(6, &["--placement", "fused"]);
    demo.wait_second(2);
    bench.signal("risk", Signal::SIGKILL);
    let run = demo.wait();
    assert_eq!(run.code, Some(1), "a gateway's death is a finding: {run:#?}");
    assert_eq!(run.json()["kill"]["engaged"], true);
    bench.expect_nothing_left();
}
