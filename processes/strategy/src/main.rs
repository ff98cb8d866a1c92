//! `tickway-strategy`: one strategy of the host file, by its index. It parses, attaches and runs; nothing else.
#![forbid(unsafe_code)]

use runtime::alloc::CountingAllocator;
use runtime::process::{Arguments, Process, exit_code};
use runtime::usage::parse;
use shm_layout::types::Role;
use std::process::ExitCode;
use strategy::shell::{FAILPOINTS, StrategyShell};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn main() -> ExitCode {
    exit_code(&run(&parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let failpoints: [&[_]; 3] = [&shm_layout::ring::FAILPOINTS, &shm_layout::stamped::FAILPOINTS, &FAILPOINTS];
    let (process, status) = Process::attach(Role::Strategy, arguments, &failpoints)?;
    let around = status.loop_view();
    let mut shell = StrategyShell::attach(&process, status)?;
    process.run(around, &mut shell);
    Ok(shell.outcome()?)
}
