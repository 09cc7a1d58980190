//! `up`.

use std::path::PathBuf;

use clap::Args;

/// Start everything here: a registry with an example fleet
///
/// Runs the Cluster Registry in this process, on a SQLite file in a data directory. An empty registry is filled with the
/// example fleet. It listens on the loopback interface only and asks nobody for a token: it is for looking around, not
/// for production; see "registry serve" for that. Ctrl-C stops it; started again, it goes on with the same data.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Start with the example fleet
  fleetwright up

  # Keep the data elsewhere and listen on another port
  fleetwright up --data /tmp/try --port 9090")]
pub struct UpArgs {
    /// Directory for the data [default: $XDG_DATA_HOME/fleetwright]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,

    /// Port on the loopback interface; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub port: u16,

    /// Leave an empty registry empty
    #[arg(long)]
    pub empty: bool,
}
