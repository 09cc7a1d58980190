//! `delete`.

use cli_args::{DeleteArgs, Kind};
use model::{Cluster, LifecycleStatus, NodePoolName};
use ports::registry::Versioned;
use ports::{Registry as _, RegistryError};

use super::DRY_RUN;
use crate::console::Console;
use crate::documents::{FileKind, read_objects};
use crate::failure::Failure;
use crate::objects::{cluster_name, pool_name};
use crate::session::Session;
use crate::settings::Settings;

/// What to remove.
enum Target {
    Cluster(String),
    Pool { cluster: String, name: String },
}

pub(super) async fn run(args: DeleteArgs, settings: &Settings, console: &mut Console) -> Result<(), Failure> {
    let targets = targets(&args)?;
    let session = Session::new(settings)?;
    let note = if args.dry_run { DRY_RUN } else { "" };
    let mut failed = false;
    for target in targets {
        let deleted = match &target {
            Target::Cluster(name) => delete_cluster(&session, name, args.dry_run).await,
            Target::Pool { cluster, name } => delete_pool(&session, cluster, name, args.dry_run).await,
        };
        match deleted {
            Ok(name) => console.line(&format!("{name} deleted{note}"))?,
            Err(RegistryError::NotFound { .. }) if args.ignore_not_found => {}
            Err(error) => {
                failed = true;
                let forbidden = matches!(error, RegistryError::Forbidden(_));
                let failure = Failure::from(error);
                let hint = "a cluster is removed once its lifecycle_status is requested or decommissioned";
                console.fail(&if forbidden { failure.hint(hint) } else { failure });
            }
        }
    }
    if failed { Err(Failure::AlreadySaid) } else { Ok(()) }
}

fn targets(args: &DeleteArgs) -> Result<Vec<Target>, Failure> {
    let accounts_stay = || {
        Failure::new("accounts cannot be removed from the registry")
            .hint("set the account's lifecycle_status to decommissioned with \"fleetwright apply\"")
    };
    let mut targets = Vec::new();
    match (args.kind, &args.cluster) {
        (Some(Kind::Clusters), None) => targets.extend(args.names.iter().cloned().map(Target::Cluster)),
        (Some(Kind::Clusters), Some(_)) => return Err(Failure::new("--cluster is for node pools")),
        (Some(Kind::NodePools), Some(cluster)) => {
            let pool = |name: &String| Target::Pool {
                cluster: cluster.clone(),
                name: name.clone(),
            };
            targets.extend(args.names.iter().map(pool));
        }
        (Some(Kind::NodePools), None) => return Err(Failure::new("--cluster must name the cluster of the node pools")),
        (Some(Kind::Accounts), _) => return Err(accounts_stay()),
        (Some(Kind::Blocks), _) => {
            return Err(Failure::new("blocks are lifted, and stay in the history")
                .hint("\"fleetwright unblock CLUSTER\" lifts those of a cluster"));
        }
        (Some(Kind::Approvals), _) => {
            return Err(Failure::new("approvals are called off, and stay in the history")
                .hint("\"fleetwright cancel prune CLUSTER\", \"fleetwright cancel decommission CLUSTER\""));
        }
        (Some(Kind::Updates | Kind::Rollouts | Kind::Evidence), _) => {
            return Err(Failure::new("updates, rollouts and evidence stay in the history"));
        }
        (Some(Kind::Channels), _) => {
            return Err(Failure::new("channels are branches of the configuration").hint("delete the branch in git"));
        }
        (Some(Kind::Acts), _) => {
            return Err(Failure::new("pauses, freezes and fast lanes are ended, and stay in the history").hint(
                "\"fleetwright resume channel CHANNEL\", \"fleetwright unfreeze ID\", \"fleetwright fast-lane close ID\"",
            ));
        }
        (Some(Kind::Waves | Kind::Alarms), _) => {
            return Err(Failure::new("waves and alarms end with their cause"));
        }
        (None, _) => {
            // Node pools first: they are gone with their cluster otherwise.
            for given in read_objects(&args.files)?.into_iter().rev() {
                targets.push(match given.kind {
                    FileKind::Cluster => Target::Cluster(given.text("id")?.to_owned()),
                    FileKind::NodePool => Target::Pool {
                        cluster: given.text("cluster")?.to_owned(),
                        name: given.text("name")?.to_owned(),
                    },
                    FileKind::Account => return Err(accounts_stay()),
                });
            }
        }
    }
    Ok(targets)
}

async fn delete_cluster(session: &Session, name: &str, dry_run: bool) -> Result<String, RegistryError> {
    let Versioned {
        object: cluster,
        revision,
    } = session.find_cluster(name).await?;
    if dry_run {
        would_be_removed(&cluster)?;
    } else {
        // What was looked up by alias is what is removed, unchanged.
        session
            .client
            .delete_cluster(&cluster.id, &session.write().expecting(revision))
            .await?;
    }
    Ok(cluster_name(&cluster))
}

/// The registry's own rule, for a dry run.
fn would_be_removed(cluster: &Cluster) -> Result<(), RegistryError> {
    match cluster.lifecycle_status {
        LifecycleStatus::Requested | LifecycleStatus::Decommissioned => Ok(()),
        state => Err(RegistryError::Forbidden(format!("cluster {} is {state}", cluster.id))),
    }
}

async fn delete_pool(session: &Session, cluster: &str, name: &str, dry_run: bool) -> Result<String, RegistryError> {
    let cluster = session.find_cluster(cluster).await?.object;
    let pool: NodePoolName = name.parse()?;
    if cluster.node_pool(name).is_none() {
        return Err(RegistryError::NotFound {
            kind: "node pool",
            id: name.to_owned(),
        });
    }
    if !dry_run {
        session
            .client
            .delete_node_pool(&cluster.id, &pool, &session.write())
            .await?;
    }
    Ok(pool_name(cluster.alias.as_str(), name))
}
