//! `serve`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::registry::ServeArgs;
use model::duration::GoDuration;

/// Serve the registry and look after the clusters that it holds
///
/// The server of "registry serve" and, with the role lifecycle, the lifecycle manager: it brings clusters to the versions of
/// their channels. Clusters are reached through the contexts of a kubeconfig; a context is found by the cluster's config
/// item "kubeconfig_context", or else by its alias. This version manages clusters with the provider "kubeconfig" whose config
/// item "fleetwright_manage" is "true": manifests and drift; what leaves git is deleted there only with "fleetwright_prune" set to "true". It enters no cloud, so clusters
/// of other providers are told so as their problem, and nodes are not replaced. Several replicas on one PostgreSQL database share
/// the clusters by leases.
///
/// With --shadow the registry is another manager's: it is only read, every cluster is looked at again and again, and a history of
/// agreement is kept in the database ("shadow" prints it). Only clusters that "adopt" has moved are managed; to all others nothing is
/// ever written.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # The registry and the manager in one process
  fleetwright serve --roles registry,lifecycle --database postgres://fleetwright@db/registry \\
      --listen 0.0.0.0:8443 --tls-cert tls.crt --tls-key tls.key --token-file tokens \\
      --config-source main:git:https://git.example.org/fleet.git --kubeconfig /secrets/kubeconfig

  # Beside the manager that is in charge, for weeks, and then one cluster after the other
  fleetwright serve --shadow https://registry.example.org --shadow-token-file /secrets/registry-token \\
      --database sqlite:shadow.db --listen 0.0.0.0:8443 --tls-cert tls.crt --tls-key tls.key --token-file tokens \\
      --config-source main:git:https://git.example.org/fleet.git --kubeconfig /secrets/kubeconfig

  # Only look: nothing is written anywhere
  fleetwright serve --roles registry,lifecycle --dry-run --database sqlite:registry.db --no-auth \\
      --config-source main:dir:fleet --kubeconfig ~/.kube/config")]
pub struct ServeRolesArgs {
    /// What to run
    #[arg(long, value_enum, value_name = "ROLE", value_delimiter = ',', default_values_t = [Role::Registry, Role::Lifecycle])]
    pub roles: Vec<Role>,

    /// How to serve.
    #[command(flatten)]
    pub server: ServeArgs,

    /// Source of configuration as NAME:git:LOCATION or NAME:dir:PATH; repeat it for several
    #[arg(long = "config-source", value_name = "SOURCE")]
    pub config_sources: Vec<String>,

    /// Directory for mirrors of git repositories [default: $XDG_CACHE_HOME/fleetwright/git]
    #[arg(long, value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,

    /// File with a token for https repositories
    #[arg(long, value_name = "FILE")]
    pub git_token_file: Option<PathBuf>,

    /// Kubeconfig whose contexts lead to the clusters
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// File with the fleet policy: waves, limits, windows, freezes; read again when it changes [default: small limits]
    #[arg(long, value_name = "FILE")]
    pub fleet_policy: Option<PathBuf>,

    /// How many clusters are worked on at the same time
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub concurrency: u16,

    /// Write nothing: not to clusters, registry or history
    #[arg(long)]
    pub dry_run: bool,

    /// Shadow the manager of this registry, and manage only what was adopted
    #[arg(long, value_name = "URL", help_heading = "Shadow", conflicts_with = "dry_run")]
    pub shadow: Option<String>,

    /// File with the bearer token for that registry
    #[arg(long, value_name = "FILE", help_heading = "Shadow", requires = "shadow")]
    pub shadow_token_file: Option<PathBuf>,

    /// How long to wait between looks
    #[arg(long, value_name = "DURATION", help_heading = "Shadow", default_value = "10m", value_parser = crate::term::term)]
    pub shadow_interval: GoDuration,

    /// File with discovered facts (subnets, zones, images, ...)
    #[arg(long, value_name = "FILE", help_heading = "Shadow", requires = "shadow")]
    pub facts: Option<PathBuf>,
}

/// What a server can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// The Cluster Registry with its pages
    Registry,
    /// The lifecycle manager
    Lifecycle,
}
