//! `tickway debug`: hidden commands that provoke what a counter must show.

use crate::failure::{Failure, Finding, Outcome};
use crate::output;
use crate::place::Which;
use crate::socket::{Request, Supervisor};
use clap::{Args, Subcommand};
use shm_layout::types::Role;

/// Provoke what a counter must show
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Let a process allocate once after its start
    Allocate(Arguments),
}

/// Arguments of `debug allocate`.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Role of the process, such as strategy
    #[arg(long, value_parser = role)]
    role: Role,
    /// Its index
    #[arg(long, default_value_t = 0)]
    index: u8,
    #[command(flatten)]
    which: Which,
}

fn role(text: &str) -> Result<Role, String> {
    let roles = || Role::ALL.iter().map(|role| role.folder()).collect::<Vec<_>>().join(", ");
    Role::from_folder(text).ok_or_else(|| format!("the roles are {}", roles()))
}

impl Command {
    /// Runs the command.
    ///
    /// # Errors
    /// When the supervisor cannot be reached or refuses.
    pub fn run(&self) -> Outcome {
        let Self::Allocate(arguments) = self;
        arguments.run()
    }
}

impl Arguments {
    fn run(&self) -> Result<Finding, Failure> {
        let place = self.which.find()?;
        let request = Request::AllocateOnce { role: self.role, index: self.index };
        Supervisor::connect(&place.instance)?.ask(&request)?;
        output::line(&format!("{}/{} is told to allocate once", self.role.folder(), self.index))?;
        Ok(Finding::Good)
    }
}
