//! A whole instance of stand-ins (`examples/stand_in.rs`) under the real supervisor: start, watch, restart through the
//! barrier, adoption, refusal and the clean stop, with real signals.
#![forbid(unsafe_code)]

mod world;
mod zombie;

use nix::sys::signal::{Signal, kill};
use serde_json::json;
use std::fs;
use world::{ROLES, World, pid_of, process, runs_again, text};

#[test]
fn starts_restarts_through_the_barrier_and_stops_clean() {
    let mut world = World::new("life");
    world.start(&[]);
    let status = world.until("all run", |status| ROLES.iter().all(|role| runs_again(status, role, 0)));
    // A second instance of the name is refused in one line, with the holder's pid.
    let second = world.command(&[]).output().unwrap();
    assert_eq!(second.status.code(), Some(75));
    let held = format!("pid {}", world.supervisor.as_ref().unwrap().id());
    let said = text(&second);
    assert!(
        said.contains(&held) && said.lines().filter(|line| line.starts_with("tickway-supervisor")).count() == 1,
        "{said}"
    );
    assert_eq!(world.ask(&json!({"command": "arm", "strategy": 0})).unwrap()["ok"], true);
    world.until("armed", |status| process(status, "strategy")["armed"] == true);
    // An armed strategy is killed: it returns through fence, rebuild and equal hash, and is armed again.
    kill(pid_of(&status, "strategy"), Signal::SIGKILL).unwrap();
    let status = world.until("armed again", |status| {
        runs_again(status, "strategy", 1) && process(status, "strategy")["armed"] == true
    });
    // Risk is stopped, not dead: it is killed, proven dead, and returns.
    kill(pid_of(&status, "risk"), Signal::SIGSTOP).unwrap();
    let status = world.until("risk is back", |status| runs_again(status, "risk", 1));
    for role in ["feed-handler", "recorder"] {
        kill(pid_of(&status, role), Signal::SIGKILL).unwrap();
        world.until("it is back", |status| runs_again(status, role, 1));
    }
    let epochs = fs::read_to_string(world.data().join("state/epochs")).unwrap();
    assert!(epochs.contains("strategy 0 2\n") && epochs.contains("execution-gateway 0 1\n"), "{epochs}");
    assert_eq!(world.end(Signal::SIGINT), Some(0), "{}", world.logs());
    let left: Vec<_> = fs::read_dir(world.regions()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    // The stand-in's journal has no flusher, so its records are in the tail alone: that is never removed.
    assert_eq!(left, ["journal_tail.0"]);
    // The next boot goes on with that tail, and with epochs that never came before.
    world.start(&[]);
    world.until("all run", |status| ROLES.iter().all(|role| runs_again(status, role, 0)));
    let epochs = fs::read_to_string(world.data().join("state/epochs")).unwrap();
    assert!(epochs.contains("strategy 0 3\n") && epochs.contains("supervisor 0 2\n"), "{epochs}");
    assert_eq!(world.ask(&json!({"command": "stop"})).unwrap()["ok"], true);
    assert_eq!(world.supervisor.take().unwrap().wait().unwrap().code(), Some(0), "{}", world.logs());
}

#[test]
fn a_new_supervisor_adopts_what_lives_and_restarts_what_does_not() {
    let mut world = World::new("adopt");
    world.start(&[]);
    world.ask(&json!({"command": "arm", "strategy": 0})).unwrap();
    let before = world.until("armed", |status| process(status, "strategy")["armed"] == true);
    assert_eq!(world.end(Signal::SIGKILL), None);
    kill(pid_of(&before, "risk"), Signal::SIGKILL).unwrap();
    world.start(&[]);
    let after = world.until("risk is back", |status| runs_again(status, "risk", 1));
    for role in ["feed-handler", "strategy", "execution-gateway", "recorder"] {
        assert_eq!(pid_of(&after, role), pid_of(&before, role), "{role} lived on");
    }
    assert_eq!(process(&after, "strategy")["armed"], true);
    assert_eq!(after["armed_by_operator"], json!([0]));
    // A gateway's death latches the kill, disarms, and leaves the rest running.
    kill(pid_of(&after, "execution-gateway"), Signal::SIGKILL).unwrap();
    let killed = world.until("killed", |status| status["kill_generation"] != 0);
    assert_eq!((&killed["state"], &killed["armed_by_operator"]), (&json!("degraded"), &json!([])));
    assert_eq!(world.ask(&json!({"command": "arm", "strategy": 0})).unwrap()["ok"], false);
    // --replace ends everything of the earlier boot.
    assert_eq!(world.end(Signal::SIGKILL), None);
    world.start(&["--replace"]);
    let fresh = world.until("all run", |status| ROLES.iter().all(|role| runs_again(status, role, 0)));
    for role in ["feed-handler", "strategy", "risk", "recorder"] {
        // A zombie that nobody reaped yet is dead too: it has no arguments left.
        let arguments = fs::read(format!("/proc/{}/cmdline", pid_of(&after, role)));
        assert!(arguments.unwrap_or_default().is_empty(), "{role} of the earlier boot is dead");
        assert_ne!(pid_of(&fresh, role), pid_of(&after, role));
    }
    assert_eq!(world.end(Signal::SIGTERM), Some(0), "{}", world.logs());
}

#[test]
fn a_start_that_fails_leaves_no_process_and_no_region() {
    let world = World::new("fails");
    // A recorder that cannot run at all.
    let recorder = world.dir.path().join("tickway-recorder");
    fs::remove_file(&recorder).unwrap();
    fs::copy("/bin/false", &recorder).unwrap();
    let output = world.command(&[]).output().unwrap();
    assert_eq!(output.status.code(), Some(70), "{}", text(&output));
    let regions = fs::read_dir(world.regions()).into_iter().flatten().count();
    // The stand-in gateway's fences are in its tail alone.
    assert!(regions <= 1, "{}", text(&output));
    let host = world.data().join("host.toml");
    assert!(supervisor::strays::find(&host).is_empty());
    fs::remove_file(&recorder).unwrap();
    let output = world.command(&[]).output().unwrap();
    assert_eq!(output.status.code(), Some(71));
    assert!(text(&output).contains("cargo build"), "{}", text(&output));
}

#[test]
fn a_damaged_journal_tail_is_neither_removed_nor_begun_beside() {
    let mut world = World::new("damaged");
    fs::create_dir_all(world.regions()).unwrap();
    let tail = world.regions().join("journal_tail.0");
    fs::write(&tail, [0xff; 8192]).unwrap();
    let output = world.command(&[]).output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(70), "{said}");
    assert!(said.contains(tail.to_str().unwrap()) && said.contains("move it away"), "{said}");
    assert_eq!(fs::read(&tail).unwrap(), [0xff; 8192], "it is left as it was");
    // Moved away, as it says.
    fs::remove_file(&tail).unwrap();
    world.start(&[]);
    assert_eq!(world.end(Signal::SIGTERM), Some(0), "{}", world.logs());
    // What a start that died in the making has left is nothing.
    fs::create_dir_all(world.regions()).unwrap();
    fs::write(&tail, [0; 8192]).unwrap();
    world.start(&[]);
    assert_eq!(world.end(Signal::SIGTERM), Some(0), "{}", world.logs());
}
