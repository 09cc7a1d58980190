//! `version`.

use clap::Args;

use crate::Output;

/// Print the versions of client and server
///
/// When no server answers, the client's version is printed and the exit code is 1.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  fleetwright version
  fleetwright version --client -o json")]
pub struct VersionArgs {
    /// Ask no server
    #[arg(long)]
    pub client: bool,

    /// Output format: json, yaml
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Output>,
}
