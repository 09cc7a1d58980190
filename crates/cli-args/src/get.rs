//! `get`.

use clap::{Args, ValueEnum};

use crate::Output;

/// Kinds of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Kind {
    /// Clusters
    #[value(name = "clusters", alias = "cluster", alias = "cl")]
    Clusters,
    /// Node pools
    #[value(
        name = "nodepools",
        alias = "nodepool",
        alias = "np",
        alias = "node-pools",
        alias = "node-pool"
    )]
    NodePools,
    /// Infrastructure accounts
    #[value(
        name = "accounts",
        alias = "account",
        alias = "ac",
        alias = "infrastructure-accounts",
        alias = "infrastructure-account"
    )]
    Accounts,
    /// Blocks that hold
    #[value(name = "blocks", alias = "block")]
    Blocks,
    /// Updates
    #[value(name = "updates", alias = "update", alias = "up")]
    Updates,
    /// Requests and agreements to deletions
    #[value(name = "approvals", alias = "approval")]
    Approvals,
    /// Rollouts of node pools
    #[value(name = "rollouts", alias = "rollout")]
    Rollouts,
    /// Evidence of forced terminations
    #[value(name = "evidence", alias = "forced-terminations", alias = "forced-termination")]
    Evidence,
    /// Channels and their gates
    #[value(name = "channels", alias = "channel", alias = "ch")]
    Channels,
    /// Changes that walk through channels, wave by wave
    #[value(name = "waves", alias = "wave")]
    Waves,
    /// Pauses, freezes and fast lanes
    #[value(name = "acts", alias = "act")]
    Acts,
    /// What has been so for too long
    #[value(name = "alarms", alias = "alarm")]
    Alarms,
}

/// Show clusters, node pools, accounts, blocks, updates, approvals, rollouts, evidence, channels, waves, acts or alarms
///
/// Prints a table of the objects, of all of them or of those that are named. A cluster is named by its id or by its
/// alias. Selectors look at fields: channel=beta, environment!=test, "region in (eu-central-1, eu-west-1)",
/// config_items.key=value, status.next_version!= (not empty). Several, separated by commas, must all hold. Blocks, updates,
/// approvals, rollouts and evidence are named by their clusters; of updates, rollouts and evidence the newest 200 are shown.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # All clusters
  fleetwright get clusters

  # One cluster as YAML, by its alias
  fleetwright get cluster kube-1 -o yaml

  # Production clusters that are not on stable, and every change to them from now on
  fleetwright get clusters -l 'environment=production,channel!=stable' --watch

  # Ids of all clusters that are being updated
  fleetwright get clusters -l 'status.next_version!=' -o 'jsonpath={range .items[*]}{.id}{\"\\n\"}{end}'

  # Node pools of one cluster, of all clusters
  fleetwright get nodepools --cluster kube-1
  fleetwright get nodepools

  # Who blocks what; how updates of a cluster go, a line for each step that they make
  fleetwright get blocks
  fleetwright get updates kube-1 --watch

  # Which deletions wait for somebody's agreement
  fleetwright get approvals

  # Node pools whose nodes are being replaced; pods that were terminated by force, and by which right
  fleetwright get rollouts
  fleetwright get evidence kube-1 -o yaml

  # Which commit each channel stands at, how many clusters have it, and what its gate waits for
  fleetwright get channels

  # How far each change is on its way, wave by wave; who paused or froze what; what has been so for too long
  fleetwright get waves --watch
  fleetwright get acts
  fleetwright get alarms

  # Columns of one's own
  fleetwright get clusters -o custom-columns=ALIAS:.alias,BLOCK:.config_items.cluster_update_block")]
pub struct GetArgs {
    /// What to show: clusters (cl), nodepools (np), accounts (ac), blocks, updates, approvals, rollouts, evidence, channels (ch), waves, acts or alarms; singular works too
    #[arg(value_enum, value_name = "KIND")]
    pub kind: Kind,

    /// Names of objects; for clusters, blocks, updates and approvals ids or aliases of clusters
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,

    /// Output format: table, wide, json, yaml, name, jsonpath=TEMPLATE, custom-columns=SPEC
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Output>,

    /// Show only objects whose fields fit: =, ==, !=, in (a,b), notin (a,b)
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,

    /// Go on after the list: print each object again whenever it changes
    #[arg(short, long)]
    pub watch: bool,

    /// Leave out the line with the column names
    #[arg(long)]
    pub no_headers: bool,

    /// Sort by a field, such as .channel or {.status.current_version}
    #[arg(long, value_name = "PATH")]
    pub sort_by: Option<String>,

    /// Cluster whose node pools to show, by id or alias
    #[arg(short = 'c', long, value_name = "CLUSTER")]
    pub cluster: Option<String>,
}
