//! `top`.

use clap::Args;

/// Show the fleet on the full screen
///
/// Clusters, updates, rollouts and blocks, live, with the keys of k9s: arrows or j and k move, Enter goes into, Esc goes back,
/// "/" filters, ":" jumps to a view, "?" helps, q leaves. It changes nothing. It needs a terminal; for scripts there is
/// "fleetwright get clusters -w".
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  fleetwright top\n  fleetwright top updates")]
pub struct TopArgs {
    /// View to begin with: clusters, updates, rollouts or blocks.
    #[arg(value_name = "VIEW", default_value = "clusters", value_parser = ["clusters", "updates", "rollouts", "blocks"])]
    pub view: String,
}
