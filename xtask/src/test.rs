//! Everything that CI runs.

use crate::run::{cargo, step};
use crate::{tidy, tools};

/// What of the test run is wanted.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only the steps that need no build of tests: format, tidy, clippy.
    #[arg(long)]
    quick: bool,
}

/// Runs the steps, soonest failure first.
///
/// # Errors
/// The first step that failed.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    step("format", &mut cargo(["fmt", "--all", "--check"]))?;
    println!("\n=== tidy: cargo xtask tidy");
    tidy::run()?;
    step(
        "clippy",
        &mut cargo([
            "clippy",
            "--workspace",
            "--all-targets",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ]),
    )?;
    if options.quick {
        return Ok(());
    }
    tools::ensure();
    step(
        "docs",
        cargo(["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings"),
    )?;
    // Snapshots are compared, never rewritten, here.
    step(
        "tests",
        cargo(["test", "--workspace", "--quiet", "--no-fail-fast"]).env("INSTA_UPDATE", "no"),
    )?;
    // Thousands of seeds, every guard switched off once: unoptimised it would take an hour.
    step(
        "simulation of rollouts",
        &mut cargo([
            "test",
            "--release",
            "--quiet",
            "-p",
            "rollout",
            "--test",
            "it",
            "--",
            "sim::",
            "--show-output",
        ]),
    )?;
    println!("\nall steps passed");
    Ok(())
}

/// Rewrites the checked-in documents that are generated from code.
///
/// # Errors
/// When a generator fails.
pub(crate) fn codegen() -> anyhow::Result<()> {
    step(
        "openapi",
        cargo(["test", "--quiet", "-p", "registry", "--test", "it", "document"]).env("UPDATE_OPENAPI", "1"),
    )
}
