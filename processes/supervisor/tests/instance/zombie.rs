//! A stopped writer under a supervisor that died meanwhile: the next supervisor, which is not its parent, kills it by
//! pidfd, and nothing of it is repaired before its death is proven (design: zombies).

use crate::world::{PATIENCE, ROLES, World, pid_of, process};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runtime::child::{ProcessId, is_alive, start_time};
use std::fs;
use std::time::Duration;

fn is_stopped(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
    stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" T"))
}

/// Stops a process, and waits until it is.
fn stop(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGSTOP).expect("it is of this instance");
    for _ in 0..PATIENCE {
        if is_stopped(pid) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("process {pid} does not stop");
}

#[test]
fn a_stopped_writer_is_proven_dead_by_the_next_supervisor_before_its_ring_is_taken_over() {
    let mut world = World::new("zombie");
    world.start(&[]);
    let before = world.until("all run", |status| ROLES.iter().all(|role| process(status, role)["state"] == "Running"));
    for role in ["strategy", "risk"] {
        let pid = pid_of(&before, role).as_raw();
        let start_time = start_time(pid as u32).expect("it lives");
        let stopped = ProcessId { pid: pid as u32, start_time };
        // Stopped when its supervisor dies (which must not notice, and is stopped first): the kernel may hang it up and wake
        // it, and it lives. Then stopped for good.
        world.signal(Signal::SIGSTOP);
        stop(pid);
        world.end(Signal::SIGKILL);
        stop(pid);
        assert!(is_alive(stopped), "{role}: stopped, not dead\n{}", world.logs());
        world.start(&[]);
        let after = world.until("its next life", |status| {
            let row = process(status, role);
            let lives = row["pid"].as_i64().is_some_and(|now| now != 0 && now != i64::from(pid));
            // Whenever a successor has a pid, the stopped one has ended, reaped or not.
            assert!(!lives || !is_alive(stopped), "{role}: a successor beside a stopped writer");
            lives && row["state"] == "Running"
        });
        assert_eq!(process(&after, role)["restarts"], 1, "{role}");
    }
    let epochs = fs::read_to_string(world.data().join("state/epochs")).expect("the epochs are kept");
    assert!(epochs.contains("strategy 0 2\n") && epochs.contains("risk 0 2\n"), "{epochs}");
}
