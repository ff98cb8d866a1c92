//! `tickway-fused`: hosts several stages. It parses, takes what it is given and runs; nothing else.
#![forbid(unsafe_code)]

use fused::{Arguments, Host};
use runtime::alloc::CountingAllocator;
use runtime::process::exit_code;
use runtime::usage::parse;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn main() -> ExitCode {
    runtime::log::init();
    exit_code(&Host::new(&parse::<Arguments>()).and_then(|mut host| host.run()))
}
