//! The one shipped binary: the command line of Fleetwright, and the servers that it starts.
//!
//! It deliberately holds no logic of the fleet: it reads the command line (grammar in `cli-args`), works out the settings in
//! force, and hands over to one module per command. Results go to standard output, everything else to standard error.
//! Exit codes: 0 success, 1 the command failed, 2 the command line is wrong; `diff` has kubectl's: 1 differs, 2 failed;
//! `plan --detailed-exitcode` has terraform's: 1 failed, 2 something changes; of `rehearse` 2 means that something was left.
//!
//! A command takes its arguments, the settings and a [`console::Console`], and gives `Ok` or a [`failure::Failure`] that
//! says what is wrong and what to do. To add one: a file in `cli-args`, a file in `commands`, a line in `commands::run`.

mod age;
mod approvals;
mod carrying_out;
mod channels;
mod commands;
mod config_file;
mod console;
mod documents;
mod failure;
mod fleet;
mod fleet_metrics;
mod fleet_policy;
mod jsonpath;
mod kubeconfig;
mod ledger;
mod live;
mod looking;
mod mask;
mod movement;
mod no_cloud;
mod notices;
mod objects;
mod pictures;
mod planning;
mod print;
mod progress;
mod prometheus;
mod records;
mod selector;
mod serving;
mod session;
mod settings;
mod shadowing;
mod spans;
mod table;

use std::process::ExitCode;

use clap::Parser as _;
use cli_args::Cli;

use console::Console;
use settings::Env;

/// Simulated clusters and what is read from real ones are small values by the million.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let env = Env::of_process();
    let mut console = Console::new(cli.global.color.unwrap_or_default(), &env);
    let result = commands::run(cli, &env, &mut console).and_then(|()| console.flush());
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            console.fail(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}
