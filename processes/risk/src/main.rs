//! `tickway-risk`: the process between every strategy and every gateway. It parses, attaches and runs; nothing else.
#![forbid(unsafe_code)]

use risk::shell::{FAILPOINTS, RiskShell};
use runtime::alloc::CountingAllocator;
use runtime::process::{Arguments, Process, exit_code};
use runtime::usage::parse;
use shm_layout::types::Role;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn main() -> ExitCode {
    exit_code(&run(&parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let failpoints: [&[_]; 3] = [&shm_layout::ring::FAILPOINTS, &shm_layout::stamped::FAILPOINTS, &FAILPOINTS];
    let (process, status) = Process::attach(Role::Risk, arguments, &failpoints)?;
    let around = status.loop_view();
    let mut shell = RiskShell::attach(&process, status)?;
    process.run(around, &mut shell);
    Ok(shell.outcome()?)
}
