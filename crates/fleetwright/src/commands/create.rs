//! `create`.

use cli_args::CreateArgs;
use model::{Cluster, InfrastructureAccount, NodePool, Validate as _};
use ports::{Registry as _, RegistryError};

use super::DRY_RUN;
use crate::console::Console;
use crate::documents::{FileKind, Given, read_objects};
use crate::failure::Failure;
use crate::objects::{account_name, cluster_name, pool_name};
use crate::session::Session;
use crate::settings::Settings;

pub(super) async fn run(args: CreateArgs, settings: &Settings, console: &mut Console) -> Result<(), Failure> {
    let objects = read_objects(&args.files)?;
    let session = Session::new(settings)?;
    let note = if args.dry_run { DRY_RUN } else { "" };
    let mut failed = false;
    for given in objects {
        match create(&session, &given, args.dry_run).await {
            Ok(name) => console.line(&format!("{name} created{note}"))?,
            // The rest is still tried: with many files, one message per run would be a chore.
            Err(failure) => {
                failed = true;
                console.fail(&failure);
            }
        }
    }
    if failed { Err(Failure::AlreadySaid) } else { Ok(()) }
}

async fn create(session: &Session, given: &Given, dry_run: bool) -> Result<String, Failure> {
    match given.kind {
        FileKind::Cluster => create_cluster(session, given, dry_run).await,
        FileKind::Account => create_account(session, given, dry_run).await,
        FileKind::NodePool => create_pool(session, given, dry_run).await,
    }
}

/// Adds a cluster. Its status belongs to the lifecycle manager and is left out: a file that was made from another cluster
/// must not claim that this one runs that one's version.
pub(super) async fn create_cluster(session: &Session, given: &Given, dry_run: bool) -> Result<String, Failure> {
    let mut given = given.clone();
    given.members.remove("status");
    given.members.remove("created_at");
    let cluster: Cluster = given.read()?;
    let name = cluster_name(&cluster);
    let here = |error: RegistryError| Failure::from(error).while_doing(&given.place);
    if !dry_run {
        session
            .client
            .create_cluster(cluster, &session.write())
            .await
            .map_err(here)?;
        return Ok(name);
    }
    cluster.validate().map_err(|problems| here(problems.into()))?;
    for (field, value) in [("id", cluster.id.as_str()), ("alias", cluster.alias.as_str())] {
        match session.find_cluster(value).await {
            Ok(holder) => return Err(here(taken(field, value, holder.object.id.as_str()))),
            Err(RegistryError::NotFound { .. }) => {}
            Err(error) => return Err(here(error)),
        }
    }
    Ok(name)
}

/// Adds an account.
pub(super) async fn create_account(session: &Session, given: &Given, dry_run: bool) -> Result<String, Failure> {
    let account: InfrastructureAccount = given.read()?;
    let name = account_name(account.id.as_str());
    let here = |error: RegistryError| Failure::from(error).while_doing(&given.place);
    if !dry_run {
        session
            .client
            .create_account(account, &session.write())
            .await
            .map_err(here)?;
        return Ok(name);
    }
    account.validate().map_err(|problems| here(problems.into()))?;
    match session.client.get_account(&account.id).await {
        Ok(_) => Err(here(taken("id", account.id.as_str(), account.id.as_str()))),
        Err(RegistryError::NotFound { .. }) => Ok(name),
        Err(error) => Err(here(error)),
    }
}

/// Adds a node pool to a cluster. The API can only put a pool, which would replace one that exists; the revision of the
/// cluster holds the place between the look and the write.
async fn create_pool(session: &Session, given: &Given, dry_run: bool) -> Result<String, Failure> {
    let cluster = session
        .cluster(given.text("cluster")?)
        .await
        .map_err(|f| f.while_doing(&given.place))?;
    let pool = read_pool(given)?;
    let name = pool_name(cluster.object.alias.as_str(), pool.name.as_str());
    let here = |error: RegistryError| Failure::from(error).while_doing(&given.place);
    if cluster.object.node_pool(pool.name.as_str()).is_some() {
        return Err(here(taken("name", pool.name.as_str(), cluster.object.id.as_str())));
    }
    if !dry_run {
        let context = session.write().expecting(cluster.revision);
        session
            .client
            .put_node_pool(&cluster.object.id, pool, &context)
            .await
            .map_err(here)?;
    }
    Ok(name)
}

/// A node pool without the member that names its cluster, checked.
fn read_pool(given: &Given) -> Result<NodePool, Failure> {
    let mut given = given.clone();
    given.members.remove("cluster");
    let pool: NodePool = given.read()?;
    pool.validate()
        .map_err(|problems| Failure::from(problems).while_doing(&given.place))?;
    Ok(pool)
}

fn taken(field: &'static str, value: &str, holder: &str) -> RegistryError {
    RegistryError::AlreadyExists {
        field,
        value: value.to_owned(),
        holder: holder.to_owned(),
    }
}
