//! `config`.

use clap::{Args, Subcommand};

use crate::Output;

/// Show and change the configuration of this program
///
/// The configuration file holds contexts: a server each, with the file of its token. A flag wins over its environment
/// variable, which wins over the file, which wins over the default.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub command: ConfigCommand,
}

/// What can be done with the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the values in force and where each comes from
    #[command(after_help = "Examples:
  fleetwright config view
  fleetwright config view --context production -o json")]
    View(ViewArgs),
    /// List the contexts
    #[command(after_help = "Examples:
  fleetwright config get-contexts")]
    GetContexts(GetContextsArgs),
    /// Make a context the current one
    #[command(after_help = "Examples:
  fleetwright config use-context production")]
    UseContext(UseContextArgs),
    /// Add a context, or change the given values of one
    ///
    /// The values are those of the global flags --server, --token-file, --ca-file and --request-timeout, and
    /// --default-output. An empty --server or --default-output removes the entry. The current context is not changed,
    /// unless there was none.
    #[command(after_help = "Examples:
  fleetwright config set-context production --server https://registry.example.org --token-file ~/.fleetwright-token
  fleetwright config set-context production --default-output wide")]
    SetContext(SetContextArgs),
}

/// How to print the values.
#[derive(Debug, Args)]
pub struct ViewArgs {
    /// Output format: table, json, yaml
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Output>,
}

/// How to print the contexts.
#[derive(Debug, Args)]
pub struct GetContextsArgs {
    /// Leave out the line with the column names
    #[arg(long)]
    pub no_headers: bool,
}

/// Which context to use.
#[derive(Debug, Args)]
pub struct UseContextArgs {
    /// Name of the context
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// Which context to write.
#[derive(Debug, Args)]
pub struct SetContextArgs {
    /// Name of the context
    #[arg(value_name = "NAME")]
    pub name: String,

    /// Output format of "get" in this context when none is asked for
    #[arg(long, value_name = "FORMAT")]
    pub default_output: Option<String>,
}
