//! `tickway-recorder`: every ring into capture files, started by the supervisor.
#![forbid(unsafe_code)]

use recorder::Shell;
use runtime::process::{Arguments, Process, exit_code};
use runtime::usage::parse;
use shm_layout::types::Role;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: runtime::alloc::CountingAllocator = runtime::alloc::CountingAllocator;

fn main() -> ExitCode {
    exit_code(&run(&parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let failpoints: [&[_]; 2] = [&shm_layout::ring::FAILPOINTS, &shm_layout::stamped::FAILPOINTS];
    let (process, status) = Process::attach(Role::Recorder, arguments, &failpoints)?;
    let around = status.loop_view();
    let mut shell = Shell::new(&process, status)?;
    process.run(around, &mut shell);
    shell.end()
}
