//! Flags that the commands about configuration share: where it comes from, and for which clusters.

use std::path::PathBuf;

use clap::Args;

/// Where configuration, registry and facts come from.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Sources")]
pub struct SourceArgs {
    /// Source of configuration as NAME:git:LOCATION or NAME:dir:PATH; repeat it for several, the first gives stacks and node pools
    #[arg(long = "config-source", value_name = "SOURCE", required = true)]
    pub config_sources: Vec<String>,

    /// Registry as a file (registry document in YAML or JSON) or URL [default: the server in force]
    #[arg(long, value_name = "FILE|URL")]
    pub registry: Option<String>,

    /// File with discovered facts (subnets, zones, images, ...)
    #[arg(long, value_name = "FILE")]
    pub facts: Option<PathBuf>,

    /// Directory for mirrors of git repositories [default: $XDG_CACHE_HOME/fleetwright/git]
    #[arg(long, value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,

    /// Use git mirrors as they are, without fetching
    #[arg(long)]
    pub offline: bool,

    /// File with a token for https repositories
    #[arg(long, value_name = "FILE")]
    pub git_token_file: Option<PathBuf>,

    /// Private key for ssh repositories
    #[arg(long, value_name = "FILE")]
    pub ssh_key: Option<PathBuf>,

    /// Known host keys for ssh repositories [default: those of the user and the machine]
    #[arg(long, value_name = "FILE")]
    pub ssh_known_hosts: Option<PathBuf>,

    /// Give directory sources the constant id of the original manager instead of a hash of their content
    #[arg(long)]
    pub constant_directory_id: bool,
}

/// How the sources of a saved plan are entered; what they are is in the plan.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Sources of the plan")]
pub struct SourceAccessArgs {
    /// Directory for mirrors of git repositories [default: $XDG_CACHE_HOME/fleetwright/git]
    #[arg(long, value_name = "DIR", conflicts_with = "files")]
    pub cache_dir: Option<PathBuf>,

    /// Use git mirrors as they are, without fetching
    #[arg(long, conflicts_with = "files")]
    pub offline: bool,

    /// File with a token for https repositories
    #[arg(long, value_name = "FILE", conflicts_with = "files")]
    pub git_token_file: Option<PathBuf>,

    /// Private key for ssh repositories
    #[arg(long, value_name = "FILE", conflicts_with = "files")]
    pub ssh_key: Option<PathBuf>,

    /// Known host keys for ssh repositories [default: those of the user and the machine]
    #[arg(long, value_name = "FILE", conflicts_with = "files")]
    pub ssh_known_hosts: Option<PathBuf>,
}

/// Which clusters, and the two versions of the configuration that are compared.
#[derive(Debug, Clone, Args)]
pub struct CompareArgs {
    /// Which clusters.
    #[command(flatten)]
    pub selection: SelectionArgs,

    /// Where things come from.
    #[command(flatten)]
    pub sources: SourceArgs,

    /// Channel or commit to start from [default: each cluster's own channel]
    #[arg(long, value_name = "COMMIT")]
    pub from: Option<String>,

    /// Channel or commit to go to [default: each cluster's own channel]
    #[arg(long, value_name = "COMMIT")]
    pub to: Option<String>,

    /// Sources of the version to go to, where they differ from --config-source
    #[arg(long = "to-config-source", value_name = "SOURCE")]
    pub to_config_sources: Vec<String>,
}

/// Which clusters.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Clusters")]
#[group(required = true, multiple = false)]
pub struct SelectionArgs {
    /// Cluster by id or alias; repeat it for several
    #[arg(long = "cluster", value_name = "NAME")]
    pub clusters: Vec<String>,

    /// Clusters whose fields match, such as channel=beta,environment!=test
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,

    /// All clusters that are not decommissioned
    #[arg(long)]
    pub all: bool,
}
