//! The commands, a module each.

mod apply;
mod apply_plan;
mod approve;
mod block;
mod cluster_update;
mod completion;
mod config;
mod controllers;
mod create;
mod delete;
mod describe;
mod diff;
mod explain;
mod export;
mod get;
mod history;
mod import;
mod lint;
pub(crate) mod plan;
mod registry;
mod rehearse;
mod render;
mod serve;
mod set;
mod shadow;
mod sim;
mod top;
mod unset;
mod up;
mod version;
mod waves;
mod why;

use std::future::Future;

use cli_args::{Cli, Command};

use crate::console::Console;
use crate::failure::Failure;
use crate::settings::{Env, Settings};

pub(crate) use registry::{database_of, no_database};

/// Says of a line that nothing was written.
const DRY_RUN: &str = " (dry run)";

/// Runs the command.
pub(crate) fn run(cli: Cli, env: &Env, console: &mut Console) -> Result<(), Failure> {
    let settings = || Settings::resolve(&cli.global, env);
    match cli.command {
        Command::Up(args) => servers(up::run(args, env, console)),
        Command::Get(args) => client(get::run(args, &settings()?, console)),
        Command::Describe(args) => client(describe::run(args, &cli.global, env, console)),
        Command::Create(args) => client(create::run(args, &settings()?, console)),
        Command::Apply(mut args) => match args.plan.take() {
            Some(plan) => servers(apply_plan::run(plan, args, settings()?, env, console)),
            None => client(apply::run(args, &settings()?, console)),
        },
        Command::Delete(args) => client(delete::run(args, &settings()?, console)),
        Command::Set(args) => client(set::run(args, &settings()?, console)),
        Command::Unset(args) => client(unset::run(args, &settings()?, console)),
        Command::Block(args) => client(block::run(args, &settings()?, console)),
        Command::Unblock(args) => client(block::unblock(args, &settings()?, console)),
        Command::Pause(args) => client(waves::pause(args, &settings()?, console)),
        Command::Resume(args) => client(waves::resume(args, &settings()?, console)),
        Command::Freeze(args) => client(waves::freeze(args, &settings()?, console)),
        Command::Unfreeze(args) => client(waves::unfreeze(args, &settings()?, console)),
        Command::FastLane(args) => client(waves::fast_lane(args, &settings()?, console)),
        Command::Approve(args) => client(approve::run(args, &settings()?, console)),
        Command::Decommission(args) => client(approve::decommission(args, &settings()?, console)),
        Command::Cancel(args) => client(approve::cancel(args, &settings()?, console)),
        Command::ClusterUpdate(args) => client(cluster_update::run(args, &settings()?, env, console)),
        Command::Top(args) => client(top::run(args, &settings()?, console)),
        Command::History(args) => client(history::run(args, &settings()?, console)),
        Command::Import(args) => client(import::run(args, &settings()?, console)),
        Command::Export(args) => client(export::run(args, &settings()?, console)),
        Command::Render(args) => servers(render::run(args, settings()?, env, console)),
        Command::Diff(args) => {
            trouble(settings().and_then(|settings| servers(diff::run(args, settings, env, console))))
        }
        Command::Plan(args) => servers(plan::run(args, settings()?, env, console)),
        Command::Rehearse(args) => servers(rehearse::run(args, settings()?, env, console)),
        Command::Explain(args) => servers(explain::run(args, settings()?, env, console)),
        Command::Lint(args) => servers(lint::run(args, settings()?, env, console)),
        Command::Shadow(args) => servers(shadow::run(args, settings()?, env, console)),
        Command::Adopt(args) => servers(shadow::adopt(args, settings()?, env, console)),
        Command::HandBack(args) => servers(shadow::hand_back(args, settings()?, env, console)),
        Command::Registry(args) => servers(registry::run(args, cli.global.token_file.as_deref(), env, console)),
        Command::Serve(args) => servers(serve::run(args, cli.global.token_file.as_deref(), env, console)),
        Command::Sim(args) => servers(sim::run(args, &settings()?, env, console)),
        Command::Config(args) => config::run(args, &cli.global, env, console),
        Command::Completion(args) => completion::run(&args, console),
        Command::Why(args) => client(why::run(args, &cli.global, env, console)),
        Command::Controllers(args) => servers(controllers::run(args, env, console)),
        Command::Version(args) => client(version::run(args, &settings()?, console)),
    }
}

/// Keeps the exit code 1 for "something differs": a failure of `diff` itself ends with 2.
fn trouble(result: Result<(), Failure>) -> Result<(), Failure> {
    result.map_err(|failure| match failure {
        Failure::Differs | Failure::BrokenPipe => failure,
        other => Failure::Trouble(Box::new(other)),
    })
}

/// Runs a client command: one thread is plenty.
fn client(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    block_on(tokio::runtime::Builder::new_current_thread(), command)
}

/// Runs servers. They have two threads more than the machine has cores: rendering and simulated clusters may work for tens of
/// milliseconds without a pause, and on a small machine a page must not wait for two of them.
fn servers(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZeroUsize::get);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(cores.saturating_add(2));
    block_on(builder, command)
}

fn block_on(
    mut builder: tokio::runtime::Builder,
    command: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    let runtime = builder
        .enable_all()
        .build()
        .map_err(|error| Failure::of(&error).while_doing("starting"))?;
    runtime.block_on(command)
}
