//! A demo that nothing disturbs.

use crate::report::{self, count};
use nix::sys::signal::Signal;
use system::Bench;

const HOT: [&str; 4] = ["feed-handler/0", "strategy/0", "risk/0", "execution-gateway/0"];

#[test]
fn a_demo_balances_and_its_capture_replays_to_the_byte() {
    let (bench, rate, seconds) = (Bench::new("whole"), 4_000, 6);
    let run = bench.demo(seconds, &["--rate", &rate.to_string(), "--seed", "11"]).wait();
    let report = report::good(&run);
    assert!(count(&report, "market.messages") >= rate * seconds * 8 / 10, "{}", report["market"]);
    assert_eq!(count(&report, "market.messages"), count(&report, "feed.received"));
    let by_type = report["market"]["by_type"].as_object().unwrap();
    assert_eq!(by_type.values().filter_map(|value| value.as_u64()).sum::<u64>(), count(&report, "market.messages"));
    assert!(count(&report, "orders.sent") > 0 && count(&report, "fills.count") > 0, "{}", report["orders"]);
    for process in HOT {
        assert_eq!(report["allocations_after_start"][process], 0, "{process}");
    }
    for role in ["feed-handler", "strategy", "risk", "execution-gateway", "recorder"] {
        assert_eq!(report::restarts(&report, role), 0, "{role}");
    }
    assert_eq!(report["kill"]["engaged"], false);
    bench.expect_nothing_left();

    let replayed = replay::verify(&bench.data().join("capture"), &bench.data().join("host.toml")).unwrap();
    assert!(replayed.is_whole(), "{replayed}");
    assert!(replayed.processes.len() == 4 && replayed.processes.iter().all(|one| one.outputs > 0), "{replayed}");
}

#[test]
fn an_allocation_after_start_is_counted_where_it_happened() {
    let bench = Bench::new("allocate");
    let mut demo = bench.demo(5, &[]);
    demo.wait_second(1);
    let told = bench.about(&["debug", "allocate", "--role", "risk"]);
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    bench.wait_for("risk", "allocation", |row| row["allocations_after_start"] == 1);
    assert_eq!(bench.process("strategy")["allocations_after_start"], 0);
    assert_eq!(report::of(&demo.wait(), 0)["allocations_after_start"]["risk/0"], 1);
    bench.expect_nothing_left();
}

#[test]
fn an_interrupt_brings_it_to_rest_early() {
    let bench = Bench::new("interrupt");
    let mut demo = bench.demo(60, &[]);
    demo.wait_second(3);
    demo.signal(Signal::SIGINT);
    let report = report::good(&demo.wait());
    assert!(count(&report, "seconds") < 60 && count(&report, "orders.sent") > 0);
    bench.expect_nothing_left();
}

#[test]
fn after_its_own_sigkill_everything_ends_in_order_and_the_next_demo_takes_over() {
    let bench = Bench::new("orphan");
    let mut demo = bench.demo(60, &[]);
    demo.wait_second(2);
    let port = format!("--group-port {}", 20_000 + demo.pid() % 20_000);
    assert_eq!(system::processes_naming(&port).len(), 1, "the venue");
    demo.signal(Signal::SIGKILL);
    assert_eq!(demo.wait().code, None);
    bench.wait_until("the venue ends with its standard input", || system::processes_naming(&port).is_empty());
    bench.wait_until("the supervisor ends with the demo", || bench.left().processes.is_empty());
    report::good(&bench.demo(3, &[]).wait());
    bench.expect_nothing_left();
}

#[test]
fn of_a_demo_that_was_killed_whole_the_next_one_takes_over() {
    let bench = Bench::new("whole");
    let mut demo = bench.demo(60, &[]);
    demo.wait_second(2);
    demo.signal(Signal::SIGKILL);
    // The supervisor first: it would restart the others, or end in order.
    for role in ["supervisor", "execution-gateway", "feed-handler", "strategy", "risk"] {
        bench.signal(role, Signal::SIGKILL);
    }
    assert_eq!(demo.wait().code, None);
    // The recorder lives on: the next demo ends it, and takes neither tail nor regions of the dead.
    report::good(&bench.demo(3, &[]).wait());
    bench.expect_nothing_left();
}

#[test]
fn a_closed_terminal_leaves_nothing_running() {
    let bench = Bench::new("hang-up");
    let mut demo = bench.demo(60, &[]);
    demo.wait_second(2);
    demo.signal(Signal::SIGHUP);
    report::good(&demo.wait());
    bench.expect_nothing_left();
}

#[test]
fn a_second_interrupt_at_once_leaves_nothing() {
    let bench = Bench::new("twice");
    for pause_ms in [0, 30, 80, 300] {
        let demo = bench.demo(60, &[]);
        // Once its handlers are there.
        std::thread::sleep(std::time::Duration::from_millis(50 + pause_ms));
        demo.signal(Signal::SIGINT);
        std::thread::sleep(std::time::Duration::from_millis(20));
        demo.signal(Signal::SIGINT);
        let run = demo.wait();
        assert!(matches!(run.code, Some(130) | None), "{run:#?}");
        bench.expect_nothing_left();
    }
}
