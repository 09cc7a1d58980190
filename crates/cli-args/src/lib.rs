//! The command line of `fleetwright` as a grammar: commands, flags, values, help texts, environment variables.
//!
//! It stands in a crate of its own so that shell completions, man pages and the reference in the documentation come from
//! the same source as the parser: whoever adds a flag has documented it. Values that a person types are parsed here into
//! types once ([`Output`], [`ItemAssignment`]), with an error that says what would have been right.
//!
//! What this crate deliberately does not do: it runs no command, opens no file, reads no environment variable and knows
//! no server. What the flags mean is decided in the binary; which environment variable stands behind which flag is
//! written down in [`env_vars`].
//!
//! Each command is one module with one `Args` type, so adding a command adds a file and a line in [`Command`].
//!
//! ```
//! use clap::Parser;
//! use cli_args::{Cli, Command, Output};
//!
//! let cli = Cli::try_parse_from(["fleetwright", "get", "clusters", "-o", "wide"])?;
//! let Command::Get(get) = cli.command else { unreachable!() };
//! assert_eq!(get.output, Some(Output::Wide));
//! # Ok::<(), clap::Error>(())
//! ```

mod apply;
mod approve;
mod assignment;
mod block;
mod cluster_update;
mod completion;
mod config;
mod controllers;
mod create;
mod delete;
mod describe;
mod diff;
pub mod env_vars;
mod explain;
mod export;
mod fleet;
mod generate;
mod get;
mod global;
mod history;
mod import;
mod lint;
mod output;
mod plan;
mod registry;
mod rehearse;
mod render;
mod serve;
mod set;
mod shadow;
mod sim;
mod term;
mod top;
mod unset;
mod up;
mod version;
mod waves;
mod why;

pub use apply::ApplyArgs;
pub use approve::{
    ApproveArgs, ApproveCommand, ApproveDecommissionArgs, ApproveGateArgs, ApprovePruneArgs, CancelArgs,
    CancelClusterArgs, CancelCommand, DecommissionArgs,
};
pub use assignment::ItemAssignment;
pub use block::{BlockArgs, ScopeName, UnblockArgs};
pub use cluster_update::{
    ClusterUpdateArgs, ClusterUpdateBlockArgs, ClusterUpdateCommand, ClusterUpdateStatusArgs, ClusterUpdateUnblockArgs,
};
pub use completion::{CompletionArgs, ShellName};
pub use config::{ConfigArgs, ConfigCommand, GetContextsArgs, SetContextArgs, UseContextArgs, ViewArgs};
pub use controllers::{ControllerName, ControllersArgs};
pub use create::CreateArgs;
pub use delete::DeleteArgs;
pub use describe::{
    DescribeArgs, DescribeChannelArgs, DescribeClusterArgs, DescribeCommand, DescribeUpdateArgs, DescribeWaveArgs,
};
pub use diff::{DiffArgs, ReportFormat};
pub use explain::{ExplainArgs, ExplainCommand, ExplainConfigItemArgs};
pub use export::{DocumentFormat, ExportArgs};
pub use fleet::{CompareArgs, SelectionArgs, SourceAccessArgs, SourceArgs};
pub use generate::{ManPage, command, completion_script, man_pages};
pub use get::{GetArgs, Kind};
pub use global::{ColorChoice, GlobalArgs};
pub use history::{HistoryArgs, HistoryCommand, HistoryObjectArgs};
pub use import::{ImportArgs, ImportModeName};
pub use lint::LintArgs;
pub use output::Output;
pub use plan::{PlanArgs, PlanFormat};
pub use registry::{LogFormat, RegistryArgs, RegistryCommand, ServeArgs};
pub use rehearse::{RehearsalFormat, RehearseArgs};
pub use render::RenderArgs;
pub use serve::{Role, ServeRolesArgs};
pub use set::{SetArgs, SetCommand, SetConfigItemArgs};
pub use shadow::{AdoptArgs, HandBackArgs, ShadowArgs, ShadowFormat, ShadowPlaceArgs};
pub use sim::{
    ApiFault, ApiFaultArgs, ClearFaultsArgs, ClockFaultArgs, CloudFault, CloudFaultArgs, CloudMarket, ClusterArgs,
    FaultArgs, FaultCommand, ListFaultsArgs, NodeFaultArgs, ScaleBounds, SimArgs, SimCommand, SimListArgs, SimLoadArgs,
    SimProfile, SimSnapshotArgs, SimUpArgs, SimulationArgs,
};
pub use top::TopArgs;
pub use unset::{UnsetArgs, UnsetCommand, UnsetConfigItemArgs};
pub use up::UpArgs;
pub use version::VersionArgs;
pub use waves::{
    FastLaneArgs, FastLaneCommand, FreezeArgs, OpenFastLaneArgs, PauseArgs, PauseChannelArgs, PauseCommand, ResumeArgs,
    ResumeChannelArgs, ResumeCommand, TermArgs, UnfreezeArgs,
};
pub use why::{NodeArgs, PodArgs, PolicyName, TargetArgs, WhyArgs, WhyCommand, WhyFormat};

use clap::{Parser, Subcommand};

/// Runs a fleet of Kubernetes clusters
///
/// Fleetwright keeps the list of all clusters (the Cluster Registry), answers questions about them, and changes them.
/// Results go to standard output, everything else to standard error.
#[derive(Debug, Parser)]
#[command(
    name = "fleetwright",
    version,
    propagate_version = false,
    disable_help_subcommand = false,
    after_help = "Use \"fleetwright <command> --help\" for more about a command.",
    after_long_help = TOP_HELP.as_str()
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// Flags that every command takes.
    #[command(flatten)]
    pub global: GlobalArgs,
}

/// Everything below the list of commands, made from the declarations so that it cannot go stale.
static TOP_HELP: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
    let mut text = String::from(
        "Exit codes:\n  0    success\n  1    the command failed; the reason is on standard error\n  2    the command line is wrong; of \"diff\": an error, where 1 means that something differs;\n     of \"plan --detailed-exitcode\": something changes;\n     of \"shadow --detailed-exitcode\": not all clusters agree;\n     of \"rehearse --detailed-exitcode\": something was left to be done\n\nEnvironment variables:\n",
    );
    for variable in env_vars::ALL {
        text.push_str(&format!("  {:<36} {}\n", variable.name, variable.help));
    }
    text.push_str("\nA flag wins over its environment variable, which wins over the configuration file, which wins over the default.\n\"fleetwright config view\" prints the values in force and where each comes from.\n\nUse \"fleetwright <command> --help\" for more about a command.");
    text
});

/// The commands, in the order in which help lists them.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start everything here: a registry, a simulated fleet, and what keeps it up to date
    Up(UpArgs),
    /// Show clusters, node pools, accounts, blocks, updates, approvals, rollouts or evidence
    Get(GetArgs),
    /// Show one object in detail
    Describe(DescribeArgs),
    /// Add objects from files
    Create(CreateArgs),
    /// Carry out a saved plan, or bring registry objects to what files say
    Apply(ApplyArgs),
    /// Remove objects
    Delete(DeleteArgs),
    /// Set config items
    Set(SetArgs),
    /// Remove config items
    Unset(UnsetArgs),
    /// Refuse updates of clusters for a while
    Block(BlockArgs),
    /// Allow updates of clusters again
    Unblock(UnblockArgs),
    /// Let nothing more begin
    Pause(PauseArgs),
    /// Go on with what was paused
    Resume(ResumeArgs),
    /// Let no cluster begin its next version for a while
    Freeze(FreezeArgs),
    /// End freezes before their time
    Unfreeze(UnfreezeArgs),
    /// Let one version pass waves, windows and freezes
    FastLane(FastLaneArgs),
    /// Agree to a deletion
    Approve(ApproveArgs),
    /// Ask for a cluster to be taken down
    Decommission(DecommissionArgs),
    /// Call off a deletion that was asked for or agreed to
    Cancel(CancelArgs),
    /// Block and unblock updates of the cluster that one works with
    ClusterUpdate(ClusterUpdateArgs),
    /// Show the fleet on the full screen
    Top(TopArgs),
    /// Show who changed an object, when, and what
    History(HistoryArgs),
    /// Write a whole registry document in one transaction
    Import(ImportArgs),
    /// Print the whole registry as one document
    Export(ExportArgs),
    /// Print what git wants clusters to be
    Render(RenderArgs),
    /// Compare what two versions of the configuration want clusters to be
    Diff(DiffArgs),
    /// Say what an update would do, before anything is done
    Plan(PlanArgs),
    /// Run an update on a twin of the fleet in compressed time
    Rehearse(RehearseArgs),
    /// Say where a value comes from
    Explain(ExplainArgs),
    /// Say why a node or a pod is still where it is
    Why(WhyArgs),
    /// Look for mistakes in configuration and registry
    Lint(LintArgs),
    /// Say what Fleetwright would do beside a Cluster Lifecycle Manager, and write nothing
    Shadow(ShadowArgs),
    /// Take one cluster over from a Cluster Lifecycle Manager
    Adopt(AdoptArgs),
    /// Hand one cluster back to the Cluster Lifecycle Manager that it came from
    HandBack(HandBackArgs),
    /// Run the Cluster Registry
    Registry(RegistryArgs),
    /// Serve the registry and look after the clusters that it holds
    Serve(ServeRolesArgs),
    /// Run the small controllers of one cluster
    Controllers(ControllersArgs),
    /// Run simulated Kubernetes clusters
    Sim(SimArgs),
    /// Show and change the configuration of this program
    Config(ConfigArgs),
    /// Print a completion script for a shell
    Completion(CompletionArgs),
    /// Print the versions of client and server
    Version(VersionArgs),
}

#[cfg(test)]
mod tests;
