//! `apply`.

use cli_args::ApplyArgs;
use model::{
    AccountId, Cluster, ClusterId, ClusterUpdate, InfrastructureAccountUpdate, NodePool, NodePoolUpdate, Validate as _,
};
use ports::registry::{Detail, Revision, Versioned};
use ports::{Registry as _, RegistryError};
use serde_json::Value;

use super::DRY_RUN;
use super::create::{create_account, create_cluster};
use crate::console::Console;
use crate::documents::{FileKind, Given, read_objects};
use crate::failure::Failure;
use crate::objects::{account_name, cluster_name, pool_name};
use crate::session::Session;
use crate::settings::Settings;

/// What became of an object.
struct Applied {
    name: String,
    verb: &'static str,
    /// What the person should know besides.
    notes: Vec<String>,
}

impl Applied {
    fn new(name: String, changed: bool) -> Self {
        Self {
            name,
            verb: if changed { "configured" } else { "unchanged" },
            notes: Vec::new(),
        }
    }
}

pub(super) async fn run(args: ApplyArgs, settings: &Settings, console: &mut Console) -> Result<(), Failure> {
    let objects = read_objects(&args.files)?;
    let session = Session::new(settings)?;
    let note = if args.dry_run { DRY_RUN } else { "" };
    let mut failed = false;
    for given in objects {
        let applied = match given.kind {
            FileKind::Cluster => apply_cluster(&session, &given, &args).await,
            FileKind::Account => apply_account(&session, &given, args.dry_run).await,
            FileKind::NodePool => apply_pool(&session, &given, args.dry_run).await,
        };
        match applied {
            Ok(applied) => {
                console.line(&format!("{} {}{note}", applied.name, applied.verb))?;
                applied.notes.iter().for_each(|text| console.warn(text));
            }
            Err(failure) => {
                failed = true;
                console.fail(&failure);
            }
        }
    }
    if failed { Err(Failure::AlreadySaid) } else { Ok(()) }
}

async fn apply_cluster(session: &Session, given: &Given, args: &ApplyArgs) -> Result<Applied, Failure> {
    let here = |error: RegistryError| Failure::from(error).while_doing(&given.place);
    let id: ClusterId = given
        .text("id")?
        .parse()
        .map_err(|error: model::Invalid| given.failure(error))?;
    let stored = match session.client.get_cluster(&id, Detail::Full).await {
        Ok(stored) => stored,
        Err(RegistryError::NotFound { .. }) => {
            let name = create_cluster(session, given, args.dry_run).await?;
            return Ok(Applied {
                name,
                verb: "created",
                notes: Vec::new(),
            });
        }
        Err(error) => return Err(here(error)),
    };
    let (update, pools) = cluster_update(given)?;
    let target = update
        .clone()
        .apply(&stored.object)
        .map_err(|problems| here(problems.into()))?;
    let steps = pool_steps(&stored.object, pools, args.prune).map_err(|problems| here(problems.into()))?;
    let changes_fields = target != stored.object;
    let mut applied = Applied::new(cluster_name(&target), changes_fields || steps.changes());
    if !steps.left.is_empty() {
        let names = steps.left.join(", ");
        applied.notes.push(format!(
            "{} keeps node pools that the file does not name: {names} (see --prune)",
            applied.name
        ));
    }
    if !args.dry_run {
        let mut revision = stored.revision;
        if changes_fields {
            let context = session.write().expecting(revision);
            revision = session
                .client
                .update_cluster(&id, update, &context)
                .await
                .map_err(here)?
                .revision;
        }
        carry_out(session, &id, revision, steps).await.map_err(here)?;
    }
    Ok(applied)
}

/// The members of the file as an update, and its node pools when it names any. Status and creation time are left out: they
/// are what the lifecycle manager and the registry say, and a file holds an old copy of them at best.
fn cluster_update(given: &Given) -> Result<(ClusterUpdate, Option<Vec<NodePool>>), Failure> {
    let mut fields = given.clone();
    fields.members.remove("status");
    fields.members.remove("created_at");
    let pools = match fields.members.remove("node_pools") {
        None | Some(Value::Null) => None,
        Some(pools) => {
            let read = serde_path_to_error::deserialize(pools);
            Some(read.map_err(|error| given.failure(format!("node_pools{error}")))?)
        }
    };
    Ok((fields.read()?, pools))
}

/// Node pools to write and to remove, and names of those that stay although the file does not name them.
#[derive(Debug, Default)]
struct PoolSteps {
    put: Vec<NodePool>,
    remove: Vec<model::NodePoolName>,
    left: Vec<String>,
}

impl PoolSteps {
    fn changes(&self) -> bool {
        !self.put.is_empty() || !self.remove.is_empty()
    }
}

fn pool_steps(stored: &Cluster, given: Option<Vec<NodePool>>, prune: bool) -> Result<PoolSteps, Vec<model::Invalid>> {
    let Some(given) = given else {
        return Ok(PoolSteps::default());
    };
    let whole = Cluster {
        node_pools: given,
        ..stored.clone()
    };
    // All rules are checked before the first write, also that names are unique.
    whole.validate()?;
    let mut steps = PoolSteps::default();
    for pool in &stored.node_pools {
        match (whole.node_pool(pool.name.as_str()), prune) {
            (Some(_), _) => {}
            (None, true) => steps.remove.push(pool.name.clone()),
            (None, false) => steps.left.push(pool.name.to_string()),
        }
    }
    let changed = |pool: &NodePool| stored.node_pool(pool.name.as_str()) != Some(pool);
    steps.put = whole.node_pools.into_iter().filter(changed).collect();
    Ok(steps)
}

/// Each step expects the revision that the one before it made: whoever writes in between stops the rest.
async fn carry_out(
    session: &Session,
    id: &ClusterId,
    mut revision: Revision,
    steps: PoolSteps,
) -> Result<(), RegistryError> {
    for pool in steps.put {
        let context = session.write().expecting(revision);
        revision = session.client.put_node_pool(id, pool, &context).await?.revision;
    }
    for name in steps.remove {
        let context = session.write().expecting(revision);
        revision = session.client.remove_node_pool(id, &name, &context).await?;
    }
    Ok(())
}

async fn apply_account(session: &Session, given: &Given, dry_run: bool) -> Result<Applied, Failure> {
    let here = |error: RegistryError| Failure::from(error).while_doing(&given.place);
    let id: AccountId = given
        .text("id")?
        .parse()
        .map_err(|error: model::Invalid| given.failure(error))?;
    let stored = match session.client.get_account(&id).await {
        Ok(stored) => stored,
        Err(RegistryError::NotFound { .. }) => {
            let name = create_account(session, given, dry_run).await?;
            return Ok(Applied {
                name,
                verb: "created",
                notes: Vec::new(),
            });
        }
        Err(error) => return Err(here(error)),
    };
    let update: InfrastructureAccountUpdate = given.read()?;
    let target = update
        .clone()
        .apply(&stored.object)
        .map_err(|problems| here(problems.into()))?;
    let changed = target != stored.object;
    if changed && !dry_run {
        let context = session.write().expecting(stored.revision);
        session
            .client
            .update_account(&id, update, &context)
            .await
            .map_err(here)?;
    }
    Ok(Applied::new(account_name(id.as_str()), changed))
}

async fn apply_pool(session: &Session, given: &Given, dry_run: bool) -> Result<Applied, Failure> {
    let here = |error: RegistryError| Failure::from(error).while_doing(&given.place);
    let cluster = session
        .cluster(given.text("cluster")?)
        .await
        .map_err(|f| f.while_doing(&given.place))?;
    let mut fields = given.clone();
    fields.members.remove("cluster");
    let name = given.text("name")?;
    let shown = pool_name(cluster.object.alias.as_str(), name);
    let Versioned {
        object: cluster,
        revision,
    } = cluster;
    let Some(stored) = cluster.node_pool(name) else {
        let pool: NodePool = fields.read()?;
        pool.validate().map_err(|problems| here(problems.into()))?;
        if !dry_run {
            let context = session.write().expecting(revision);
            session
                .client
                .put_node_pool(&cluster.id, pool, &context)
                .await
                .map_err(here)?;
        }
        return Ok(Applied {
            name: shown,
            verb: "created",
            notes: Vec::new(),
        });
    };
    let update: NodePoolUpdate = fields.read()?;
    let target = update.clone().apply(stored).map_err(|problems| here(problems.into()))?;
    let changed = target != *stored;
    if changed && !dry_run {
        let context = session.write().expecting(revision);
        session
            .client
            .update_node_pool(&cluster.id, &target.name, update, &context)
            .await
            .map_err(here)?;
    }
    Ok(Applied::new(shown, changed))
}
