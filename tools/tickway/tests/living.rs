//! Eyes on an instance that lives, as far as tools can tell: its lock is held and its control page is there. Copies of it do not.
#![forbid(unsafe_code)]

#[expect(dead_code, reason = "the world of the dead has more than the living need")]
mod world;

use runtime::clock::realtime_ns;
use runtime::config::InstanceName;
use runtime::control_page::{self, ControlPageRegion};
use runtime::instance::{Instance, InstanceLock};
use serde_json::json;
use shm_layout::types::Nanos;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use world::{BOOT, World, tickway};

/// An instance in the user's own directories, which go with it.
struct Living {
    world: World,
    lock: Option<InstanceLock>,
    _page: ControlPageRegion,
}

impl Living {
    fn new(name: &str) -> Self {
        let name = InstanceName::new(&format!("{name}-{}", std::process::id())).unwrap();
        let world = World::of(Instance::named(&name), tempfile::tempdir().unwrap());
        let lock = Some(InstanceLock::take(&world.instance).unwrap());
        let page = ControlPageRegion::create_or_adopt(&world.instance, BOOT, Nanos(1)).unwrap();
        Self { world, lock, _page: page }
    }

    fn name(&self) -> &str {
        self.world.instance.name().as_str()
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        drop(self.lock.take());
        let _ = control_page::remove(&self.world.instance);
        let _ = std::fs::remove_dir_all(self.world.instance.regions());
        let _ = std::fs::remove_dir_all(self.world.instance.data());
    }
}

/// Copies a directory, and what is in it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn a_copy_is_not_taken_for_the_living() {
    let living = Living::new("original");
    let status = |arguments: &[&str]| tickway(&[&["status", "--json"], arguments].concat()).json();
    let own = status(&["--instance", living.name()]);
    assert_eq!((&own["live"], &own["boot_stamp"].is_string()), (&json!(true), &true), "{own}");
    let elsewhere = tempfile::tempdir().unwrap();
    // The copies have the instance's name too.
    let (regions, data) = (elsewhere.path().join(living.name()), elsewhere.path().join("data").join(living.name()));
    copy(living.world.instance.regions(), &regions);
    copy(living.world.instance.data(), &data);
    let (regions, data) = (regions.to_str().unwrap(), data.to_str().unwrap());
    for copied in [&["--regions", regions][..], &["--data", data], &["--regions", regions, "--data", data]] {
        let told = status(copied);
        assert_eq!((&told["live"], &told["boot_stamp"]), (&json!(false), &json!(null)), "{copied:?}: {told}");
    }
    assert_eq!(status(&["--data", data])["processes"], json!([]), "beside a copy of the data lie no regions");
    let own = living.world.instance.regions().to_str().unwrap();
    assert_eq!(status(&["--regions", own])["live"], json!(true), "the directory itself, by its name");
}

#[test]
fn what_follows_ends_with_the_instance() {
    let mut living = Living::new("ending");
    let follow = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_tickway"))
            .args(arguments)
            .args(["--follow", "--instance", living.name()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let mut children = [
        follow(&["ring", "tail", "order_intent.0-0", "--oldest"]),
        follow(&["ring", "lag", "order_intent.0-0", "--interval-ms", "50"]),
    ];
    for child in &mut children {
        // Not read_line of a fresh reader each: what it buffers is lost to the next.
        let mut line = String::new();
        BufReader::with_capacity(1, child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.is_empty());
    }
    drop(living.lock.take());
    let begin = realtime_ns();
    for mut child in children {
        // What nobody reads would hold the child up.
        let mut out = child.stdout.take().unwrap();
        let reader = std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()).unwrap());
        let output = child.wait_with_output().unwrap();
        let _ = reader.join();
        assert!(realtime_ns().saturating_sub(begin) < 60_000_000_000);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("the instance has ended"), "{output:?}");
    }
}
