//! Flags that every command takes.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Which server, as whom, and how to print. The environment variables behind these flags are in [`crate::env_vars`].
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// URL of the server; a path in it is kept
    #[arg(
        short = 's',
        long,
        global = true,
        value_name = "URL",
        help = "URL of the server, such as https://registry.example.org; a path in it is kept"
    )]
    pub server: Option<String>,

    /// File with the bearer token, read again whenever it changes; for "registry serve" the list of accepted tokens
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// File with PEM certificates to trust instead of those of the system
    #[arg(long, global = true, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,

    /// Context of the configuration file to use instead of the current one
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,

    /// Configuration file [default: $XDG_CONFIG_HOME/fleetwright/config.yaml]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Give up on a request after this many seconds [default: 30]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub request_timeout: Option<u64>,

    /// When to colour messages; NO_COLOR turns colours off unless "always" is given [default: auto]
    #[arg(long, global = true, value_name = "WHEN", value_enum)]
    pub color: Option<ColorChoice>,
}

/// When to colour messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set or TERM is dumb
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}
