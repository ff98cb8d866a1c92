//! Instructions per operation, counted by valgrind: figures that noise cannot change, for a gate in CI.
//!
//! Valgrind's callgrind runs this program again for each workload and counts inside [`benches::micro::measured_pass`] only.
//! No further tool is needed: a benchmark framework would bring a runner to install whose version must fit the library's,
//! and would count the same instructions. It never counts cycles, cache misses or time. It is a program, not a bench target:
//! those are built with every peer.
#![forbid(unsafe_code)]

use benches::micro::measured_pass;
use benches::work;
use std::io::Write as _;
use std::process::Command;

/// Passes counted.
const PASSES: u64 = 3;
/// The function inside which instructions are counted.
const COUNTED: &str = "*measured_pass*";

fn main() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [run, name] if run == "--run" => work_through(name),
        names => {
            if !has_valgrind() {
                writeln!(std::io::stderr(), "skipped: valgrind is not installed here (apt-get install valgrind)")
                    .map_err(|error| error.to_string())?;
                return Ok(());
            }
            for (name, _) in work::ALL.iter().filter(|(name, _)| names.is_empty() || names.iter().any(|n| n == name)) {
                println!("budget {name}_instructions {:.2}", count(name)?);
            }
            Ok(())
        }
    }
}

/// What valgrind runs: the workload's passes, and how many operations they were.
fn work_through(name: &str) -> Result<(), String> {
    let mut workload = work::find(name).ok_or_else(|| format!("no workload is named {name}"))?;
    let mut checksum = 0_u64;
    for _ in 0..PASSES {
        workload.prepare();
        checksum = checksum.rotate_left(1) ^ measured_pass(workload.as_mut());
    }
    println!("{} {checksum:016x}", PASSES * workload.operations());
    Ok(())
}

fn has_valgrind() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Instructions per operation of a workload.
fn count(name: &str) -> Result<f64, String> {
    let program = std::env::current_exe().map_err(|error| format!("this program's path: {error}"))?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", &format!("--toggle-collect={COUNTED}")])
        .arg(program)
        .args(["--run", name])
        .output()
        .map_err(|error| format!("valgrind did not start: {error}"))?;
    let (said, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let operations: Option<f64> = said.split_whitespace().next().and_then(|word| word.parse().ok());
    let counted: Option<f64> = told
        .lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, number)| number.split_whitespace().next()?.parse().ok());
    match (operations, counted) {
        (Some(operations), Some(counted)) if operations > 0.0 && counted > operations => Ok(counted / operations),
        _ => Err(format!("{name}: valgrind counted nothing:\n{told}")),
    }
}
