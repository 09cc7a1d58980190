//! `sim`: clusters that live in this process, and the commands that reach into them from another.
//!
//! `sim up` ([`up`]) makes the clusters ([`living`]) on a clock of its own, writes a kubeconfig, keeps an event log
//! ([`event_log`]) and opens a control endpoint ([`control`]); a note in the user's runtime directory ([`note`]) tells the other commands where it is.

mod control;
mod event_log;
mod fault;
pub(in crate::commands) mod kubeconfig;
mod list;
mod living;
mod note;
mod objects;
mod up;

use cli_args::{SimArgs, SimCommand};

use crate::console::Console;
use crate::failure::Failure;
use crate::settings::{Env, Settings};

pub(super) async fn run(args: SimArgs, settings: &Settings, env: &Env, console: &mut Console) -> Result<(), Failure> {
    match args.command {
        SimCommand::Up(args) => up::run(args, env, console).await,
        SimCommand::List(args) => list::run(&args, settings, env, console).await,
        SimCommand::Fault(args) => fault::run(args, settings, env, console).await,
        SimCommand::Snapshot(args) => objects::snapshot(&args, env, console).await,
        SimCommand::Load(args) => objects::load(&args, env, console).await,
    }
}
