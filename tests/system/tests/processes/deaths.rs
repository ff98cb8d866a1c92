//! Deaths and stops of processes in the middle of a demo.

use crate::journal::assert_sent_once;
use crate::report::{self, count};
use nix::sys::signal::Signal;
use system::Bench;

const ROLES: [&str; 4] = ["strategy", "risk", "feed-handler", "recorder"];

#[test]
fn each_process_killed_once_is_restarted_once_and_nothing_is_lost_or_doubled() {
    let bench = Bench::new("killed");
    let mut demo = bench.demo(10, &["--seed", "3"]);
    for (turn, role) in ROLES.into_iter().enumerate() {
        demo.wait_second(1 + 2 * turn);
        bench.signal(role, Signal::SIGKILL);
        bench.wait_restarted(role, 1);
    }
    let report = report::good(&demo.wait());
    for role in ROLES {
        assert_eq!(report::restarts(&report, role), 1, "{role}");
    }
    assert_eq!(report::restarts(&report, "execution-gateway"), 0);
    assert!(count(&report, "orders.sent") > 0 && count(&report, "fills.count") > 0);
    assert_sent_once(&bench.journal());
    bench.expect_nothing_left();
}

#[test]
fn a_stopped_process_is_killed_proven_dead_and_restarted() {
    let bench = Bench::new("stopped");
    // Long: a restart waits for its epoch to be synced, which a busy disk can hold up for seconds.
    let mut demo = bench.demo(20, &["--seed", "4"]);
    for (turn, role) in ["strategy", "risk"].into_iter().enumerate() {
        demo.wait_second(1 + 3 * turn);
        let pid = bench.signal(role, Signal::SIGSTOP);
        bench.wait_restarted(role, 1);
        assert_eq!(runtime::child::start_time(pid), None, "the stopped {role} is no more");
    }
    let report = report::good(&demo.wait());
    assert_eq!((report::restarts(&report, "strategy"), report::restarts(&report, "risk")), (1, 1));
    bench.expect_nothing_left();
}
