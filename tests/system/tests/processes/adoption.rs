//! A supervisor that dies while its processes trade: another takes them over, and none of them notices.

use nix::sys::signal::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use system::Bench;

const ROLES: [&str; 5] = ["feed-handler", "strategy", "risk", "execution-gateway", "recorder"];

fn pids(bench: &Bench) -> BTreeMap<&'static str, Value> {
    ROLES.into_iter().map(|role| (role, bench.process(role)["pid"].clone())).collect()
}

fn adopt(bench: &Bench) -> system::Run {
    bench.about(&["up", "--adopt", "--detach", "--data", bench.data().to_str().unwrap()])
}

#[test]
fn a_second_supervisor_adopts_what_trades_and_restarts_what_dies_after() {
    let bench = Bench::new("adopt");
    let mut demo = bench.demo(120, &["--seed", "9"]);
    demo.wait_second(2);
    let before = pids(&bench);
    // The demo would end everything with its supervisor; the venue is a process of its own and trades on.
    demo.signal(Signal::SIGSTOP);
    let refused = adopt(&bench);
    assert_eq!((refused.code, refused.stderr.lines().count()), (Some(69), 1), "while the first lives: {refused:#?}");
    bench.signal("supervisor", Signal::SIGKILL);
    bench.wait_until("end of the supervisor", || bench.status().is_some_and(|status| status["live"] == false));
    let told = bench.process("execution-gateway")["progress"].as_u64().unwrap();
    bench.wait_for("execution-gateway", "trading without a supervisor", |row| {
        row["progress"].as_u64() > Some(told + 10)
    });
    let adopted = adopt(&bench);
    assert_eq!(adopted.code, Some(0), "{adopted:#?}");
    assert_eq!(pids(&bench), before, "every process lives on");
    for role in ROLES {
        assert_eq!(bench.process(role)["restarts"], 0, "{role}");
    }
    bench.signal("strategy", Signal::SIGKILL);
    bench.wait_restarted("strategy", 1);
    bench.wait_for("strategy", "arming", |row| row["armed"] == true);
    let after = pids(&bench);
    for role in ROLES.into_iter().filter(|role| *role != "strategy") {
        assert_eq!(after[role], before[role], "{role} lives on");
    }
    let log = std::fs::read_to_string(bench.data().join("log/supervisor.log")).unwrap();
    for stage in ["synced after", "fenced by every living gateway after", "rebuilt after", "started and runs"] {
        assert!(log.contains(&format!("strategy/0: {stage}")) || log.contains(stage), "{stage} is told: {log}");
    }
    let down = bench.about(&["down"]);
    assert_eq!(down.code, Some(0), "{down:#?}");
    let verified = bench.about(&["journal", "verify", "--data", bench.data().to_str().unwrap()]);
    assert_eq!(verified.code, Some(0), "{verified:#?}");
    demo.signal(Signal::SIGKILL);
    assert_eq!(demo.wait().code, None);
    bench.wait_until("end of the venue", || bench.left().processes.is_empty());
    bench.expect_nothing_left();
    let nothing = adopt(&bench);
    assert_eq!((nothing.code, nothing.stderr.lines().count()), (Some(69), 1), "nobody is left: {nothing:#?}");
}
