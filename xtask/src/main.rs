//! The chores of the project.
//!
//! `cargo xtask test` runs everything that CI runs, in the order of what fails soonest: format, tidy rules, clippy, docs,
//! tests. Each step is a process that anyone can run by hand; the step prints its command line first.
//!
//! What this crate deliberately does not do: it contains no product code, and nothing of the product depends on it.
//!
//! Main modules: [`run`] starts commands, [`tools`] installs what the tests need, [`tidy`] holds the rules of the house.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a chore talks to the person who started it"
)]

mod layers;
mod run;
mod test;
mod tidy;
mod tools;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The chores of the project")]
struct Args {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Runs everything that CI runs; installs what the tests need when it may.
    Test(test::Options),
    /// Checks the rules of the house: layers, file sizes, crate texts, banned marks.
    Tidy,
    /// Rewrites the checked-in documents that are generated from code (OpenAPI).
    Codegen,
    /// Installs what the tests need, or says what to install.
    Tools,
}

fn main() -> anyhow::Result<()> {
    match Args::parse().chore {
        Chore::Test(options) => test::run(&options),
        Chore::Tidy => tidy::run(),
        Chore::Codegen => test::codegen(),
        Chore::Tools => {
            tools::ensure();
            Ok(())
        }
    }
}
