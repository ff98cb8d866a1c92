//! `tickway-execution-gateway`: the gateway of one venue, started by the supervisor. It parses, attaches and runs; nothing
//! else.
#![forbid(unsafe_code)]

use execution_gateway::shell::{FAILPOINTS, Shell};
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
    let failpoints: [&[_]; 4] =
        [&shm_layout::ring::FAILPOINTS, &shm_layout::stamped::FAILPOINTS, &journal::FAILPOINTS, &FAILPOINTS];
    let (process, status) = Process::attach(Role::ExecutionGateway, arguments, &failpoints)?;
    let around = status.loop_view();
    let mut shell = Shell::attach(&process, status)?;
    process.run(around, &mut shell);
    Ok(shell.end()?)
}
