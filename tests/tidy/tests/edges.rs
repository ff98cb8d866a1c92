//! Dependencies point one way, and every process has the same rooms.
#![forbid(unsafe_code)]

use tidy::{expect_none, root, sources};

/// Crates in the order of the flow: each may depend only on earlier layers.
const LAYERS: &[&[&str]] = &[
    &["shm-layout", "protocols"],
    &["machine", "book", "orders"],
    &["journal"],
    &["runtime"],
    &["feed-handler", "strategy", "risk", "execution-gateway", "recorder", "supervisor"],
    &["benches"],
    &["exchange-sim", "fused"],
    // It reads the venue's terms as the venue does.
    &["tickway", "xtask"],
];

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|names| names.contains(&name))
}

/// Names under `[dependencies]` of a manifest.
fn dependencies(manifest: &str) -> Vec<String> {
    manifest
        .lines()
        .skip_while(|line| line.trim() != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn dependencies_point_one_way() {
    let mut findings = Vec::new();
    for manifest in sources("toml").iter().filter(|source| source.path.ends_with("/Cargo.toml")) {
        let name =
            manifest.text.lines().find_map(|line| line.strip_prefix("name = \"")).unwrap_or("").trim_end_matches('"');
        let Some(own) = layer(name) else { continue };
        for dependency in dependencies(&manifest.text) {
            let Some(other) = layer(&dependency) else { continue };
            if other >= own {
                findings.push(format!(
                    "{}: {name} depends on {dependency}, which is not in an earlier layer; move what both need down",
                    manifest.path
                ));
            }
        }
    }
    expect_none(&findings);
}

#[test]
fn the_simulated_venue_keeps_its_own_account() {
    let manifest =
        std::fs::read_to_string(root().join("tools/exchange-sim/Cargo.toml")).expect("the venue has a manifest");
    let ours: Vec<String> = dependencies(&manifest)
        .into_iter()
        .filter(|name| layer(name).is_some() && name != "protocols" && name != "shm-layout")
        .map(|name| {
            format!("tools/exchange-sim/Cargo.toml: depends on {name}; the venue must count independently of it")
        })
        .collect();
    expect_none(&ours);
}

#[test]
fn every_process_has_the_five_rooms() {
    let mut findings = Vec::new();
    for process in LAYERS[4] {
        for room in ["lib.rs", "machine.rs", "config.rs", "shell.rs", "main.rs"] {
            let path = format!("processes/{process}/src/{room}");
            if !root().join(&path).exists() {
                findings.push(format!("{path}: missing; every process has the same five rooms"));
            }
        }
    }
    expect_none(&findings);
}
