//! The corpus that the fuzzer found, replayed: every input of `tests/fuzz/corpus`, by the body of its target.
#![forbid(unsafe_code)]

use neighbour::target::TARGETS;
use std::fs;
use std::path::{Path, PathBuf};

/// Most bytes of the whole corpus: it is part of the checkout.
const CORPUS_BYTES_MAX: u64 = 1 << 20;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("beside fuzz").join("fuzz/corpus")
}

fn inputs(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a readable entry").path())
        .collect();
    found.sort();
    found
}

#[test]
fn every_input_of_every_target_still_holds() {
    for (name, body) in TARGETS {
        let inputs = inputs(&corpus().join(name));
        assert!(!inputs.is_empty(), "{name} has no corpus: run `cargo xtask fuzz --target {name}`");
        for path in inputs {
            let input = fs::read(&path).expect("an input is readable");
            // A panic names the target and the input by its place in this loop.
            let shown = path.strip_prefix(corpus()).expect("below the corpus").display().to_string();
            let held = std::panic::catch_unwind(|| body(&input));
            assert!(held.is_ok(), "{shown}: see the panic above; `xxd` shows the input");
        }
    }
}

#[test]
fn targets_folders_and_binaries_are_the_same_names_and_small() {
    let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    let folders: Vec<String> =
        inputs(&corpus()).iter().map(|path| path.file_name().expect("a name").to_string_lossy().into_owned()).collect();
    assert_eq!(folders, sorted, "a folder of tests/fuzz/corpus per target");
    let manifest = fs::read_to_string(corpus().with_file_name("Cargo.toml")).expect("the fuzz workspace");
    let binaries: Vec<&str> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
        .filter(|name| *name != "fuzz")
        .collect();
    assert_eq!(binaries, names, "a binary of tests/fuzz/Cargo.toml per target");
    let bytes: u64 = folders
        .iter()
        .flat_map(|folder| inputs(&corpus().join(folder)))
        .map(|path| path.metadata().expect("a file").len())
        .sum();
    assert!(bytes <= CORPUS_BYTES_MAX, "the corpus has {bytes} bytes: minimise it with `cargo xtask fuzz`");
}

/// The bodies over bytes that no fuzzer chose: the ordinary tests look further than the corpus, a little.
#[test]
fn every_target_takes_random_and_plain_bytes() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for (_, body) in TARGETS {
        body(&[]);
        body(&[0; 300]);
        body(&[0xFF; 300]);
        for _ in 0..200 {
            let length = (next() % 400) as usize;
            let mask = if next().is_multiple_of(2) { 0xFF } else { 0x07 };
            let input: Vec<u8> = (0..length).map(|_| (next() >> 11) as u8 & mask).collect();
            body(&input);
        }
    }
}
