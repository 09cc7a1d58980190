//! Definitions of node pools: files in the object store, then the pool's stack. Replacing the nodes is another's work: it
//! sees by itself which are outdated, and no manifest waits for it.

use std::collections::BTreeSet;

use futures::future::join_all;
use model::{Cluster, Progress};
use ports::cloud::{CloudError, PutCondition};
use render::{DesiredCluster, DesiredPool, PoolDefinition};

use super::stack_run::StackRun;
use super::stacks::delete_stack;
use super::wanted::{Place, owned_tag, request};
use super::{Failure, Finding};
use crate::archive::archive;

/// Brings the definition of every pool to what is wanted, all at the same time, then deletes the stacks of pools that are
/// gone and have no nodes any more.
pub(crate) async fn pools(run: &StackRun<'_>, cluster: &Cluster, desired: &DesiredCluster) -> Finding {
    let mut each = Vec::new();
    for pool in &desired.pools {
        let concern = format!("pools/{}", pool.name);
        each.push(async move { run.turns.take(&concern, pool_definition(run, cluster, pool)).await });
    }
    let all = join_all(each).await.into_iter().fold(Finding::Done, Finding::and);
    if matches!(all, Finding::Refused(_)) {
        return all;
    }
    let gone = run.turns.take("pools", vanished(run, cluster, desired)).await;
    all.and(gone)
}

async fn pool_definition(run: &StackRun<'_>, cluster: &Cluster, pool: &DesiredPool) -> Finding {
    // Karpenter's objects are manifests: they are applied and pruned with the others.
    let Some(PoolDefinition::Stack(stack)) = &pool.definition else {
        return files(run, cluster, pool).await;
    };
    match files(run, cluster, pool).await {
        Finding::Done => {}
        other => return other,
    }
    let path = format!("pools/{}/stack", pool.name);
    let wanted = request(cluster, &Place::Pool(pool, stack));
    run.run(&path, wanted, &stack.text).await.0
}

/// Puts the files of a pool where its nodes look for them. The key is the digest of the rendered text, so what is there
/// needs not be written again.
async fn files(run: &StackRun<'_>, cluster: &Cluster, pool: &DesiredPool) -> Finding {
    let (Some(text), false) = (&pool.files_text, pool.files.is_empty()) else {
        return Finding::Done;
    };
    let path = format!("pools/{}/files", pool.name);
    let failed = |title: &str, error: &CloudError| Finding::Failed(Failure::of(&path, title, error));
    let role = if pool.profile.contains("master") {
        "master"
    } else {
        "worker"
    };
    let key = crate::archive::key(&cluster.local_id, role, text);
    match run.cloud.object_info(run.bucket, &key).await {
        Ok(_) => return Finding::Done,
        Err(CloudError::NotFound { .. }) => {}
        Err(error) => return failed("the pool's files cannot be looked at", &error),
    }
    run.journal.begin(&path);
    let main = run.cloud.stack(&cluster.local_id).await;
    let output = if role == "master" {
        "MasterFilesEncryptionKey"
    } else {
        "WorkerFilesEncryptionKey"
    };
    let key_id = main
        .ok()
        .and_then(|stack| stack.outputs.get(output).cloned())
        .unwrap_or_default();
    let bytes = match archive(run.cloud, &key_id, &pool.files).await {
        Ok(bytes) => bytes,
        Err(error) => return failed("the pool's files cannot be encrypted", &error),
    };
    if let Err(refusal) = run.permit().await {
        return refusal.into();
    }
    match run.store(&key, &bytes, &PutCondition::IfAbsent).await {
        Ok(_) | Err(CloudError::PreconditionFailed { .. }) => {
            run.journal.note(&path, Progress::Done, "");
            Finding::Done
        }
        Err(error) => failed("the pool's files cannot be stored", &error),
    }
}

/// Stacks of pools that left the registry: deleted once nothing runs in them. A stack is ours only with the tags of a pool
/// of this cluster (V11).
async fn vanished(run: &StackRun<'_>, cluster: &Cluster, desired: &DesiredCluster) -> Finding {
    let stacks = match run.cloud.stacks().await {
        Ok(stacks) => stacks,
        Err(error) => return Finding::Failed(Failure::of("pools", "the stacks cannot be listed", &error)),
    };
    let wanted: BTreeSet<&str> = desired.pools.iter().map(|pool| pool.name.as_str()).collect();
    let (key, value) = owned_tag(cluster);
    let gone = stacks.iter().filter_map(|stack| {
        let tagged = stack.tags.get(&key) == Some(&value) || !run.guard.rules.ours;
        let own = tagged && stack.tags.contains_key("kubernetes.io/role/node-pool");
        let pool = stack.tags.get("kubernetes.io/node-pool")?;
        (own && !wanted.contains(pool.as_str())).then(|| (pool.clone(), stack.name.clone()))
    });
    let mut all = Finding::Done;
    for (pool, stack) in gone.collect::<Vec<_>>() {
        all = all.and(remove_pool(run, cluster, &pool, &stack).await);
        if matches!(all, Finding::Refused(_)) {
            return all;
        }
    }
    all
}

async fn remove_pool(run: &StackRun<'_>, cluster: &Cluster, pool: &str, stack: &str) -> Finding {
    let path = format!("pools/{pool}");
    let (key, value) = owned_tag(cluster);
    let tags = [(key, value), ("NodePool".to_owned(), pool.to_owned())];
    let groups = match run.cloud.groups(&tags.into()).await {
        Ok(groups) => groups,
        Err(error) => return Finding::Failed(Failure::of(&path, "the pool's groups cannot be listed", &error)),
    };
    let nodes: usize = groups.iter().map(|group| group.instances.len()).sum();
    if nodes > 0 {
        let sentence = format!(
            "node pool {pool} left the registry and waits until its nodes are drained: {nodes} left; the disruption policy bounds it"
        );
        run.journal.note(&path, Progress::Waiting, &sentence);
        let until = run.clock.now().saturating_add(std::time::Duration::from_secs(60));
        return Finding::Wait {
            until: until.unwrap_or(jiff::Timestamp::MAX),
            sentence,
        };
    }
    delete_stack(run, stack).await
}
