//! Which simulation and which of its clusters is meant.

use clap::Args;

/// A running simulation.
#[derive(Debug, Clone, Default, Args)]
pub struct SimulationArgs {
    /// Process id of the simulation, as "sim list" shows it; needed where several run
    #[arg(long, value_name = "PID")]
    pub simulation: Option<u32>,
}

/// A cluster of a running simulation.
#[derive(Debug, Clone, Default, Args)]
pub struct ClusterArgs {
    /// The simulation.
    #[command(flatten)]
    pub simulation: SimulationArgs,

    /// Name of the cluster, such as sim-1; needed where the simulation has several
    #[arg(short, long, value_name = "NAME")]
    pub cluster: Option<String>,
}
