//! Taking a cluster down: nodes first, then its stacks, the main one last. What is left behind is listed.

use std::collections::BTreeSet;

use model::{Cluster, Progress};
use ports::cloud::CloudError;

use super::stack_run::StackRun;
use super::stacks::delete_stack;
use super::wanted::owned_tag;
use super::{Failure, Finding};

/// Rounds over stacks that import from each other (the original's number).
const ROUNDS: usize = 15;

/// Deletes everything that carries the cluster's tag, and nothing else (V11). The caller has made sure that the deletion was
/// agreed to.
pub(crate) async fn decommission(run: &StackRun<'_>, cluster: &Cluster) -> Finding {
    let mut last: BTreeSet<String> = BTreeSet::new();
    for round in 0..ROUNDS {
        let names = match owned(run, cluster).await {
            Ok(names) => names,
            Err(error) => return Finding::Failed(Failure::of("decommission", "the stacks cannot be listed", &error)),
        };
        if names.is_empty() {
            break;
        }
        let mut each = Vec::new();
        for name in &names {
            each.push(delete_stack(run, name));
        }
        let finding = futures::future::join_all(each)
            .await
            .into_iter()
            .fold(Finding::Done, Finding::and);
        let left: BTreeSet<String> = names.into_iter().collect();
        match finding {
            Finding::Done => {}
            // A stack whose exports are in use goes in a later round, once its users are gone.
            Finding::Failed(_) if round + 1 < ROUNDS && left != last => {}
            other => return other,
        }
        last = left;
    }
    match delete_stack(run, &cluster.local_id).await {
        Finding::Done => {}
        other => return other,
    }
    leftovers(run, cluster).await
}

/// Names of the cluster's stacks besides the main one.
async fn owned(run: &StackRun<'_>, cluster: &Cluster) -> Result<Vec<String>, CloudError> {
    let (key, value) = owned_tag(cluster);
    let all = run.cloud.stacks().await?;
    let ours = all
        .into_iter()
        .filter(|stack| stack.tags.get(&key) == Some(&value) || !run.guard.rules.ours);
    Ok(ours
        .map(|stack| stack.name)
        .filter(|name| *name != cluster.local_id)
        .collect())
}

/// Lists what carries the cluster's tag and outlived its stacks: the original leaves it behind without a word.
async fn leftovers(run: &StackRun<'_>, cluster: &Cluster) -> Finding {
    let (key, value) = owned_tag(cluster);
    let tags = std::collections::BTreeMap::from([(key, value)]);
    let mut left = Vec::new();
    match run.cloud.load_balancers(&tags).await {
        Ok(balancers) => left.extend(
            balancers
                .iter()
                .map(|balancer| format!("load balancer {}", balancer.name)),
        ),
        Err(error) => return Finding::Failed(Failure::of("decommission", "load balancers cannot be listed", &error)),
    }
    match run.cloud.volumes(&tags).await {
        Ok(volumes) => left.extend(volumes.iter().map(|volume| format!("volume {}", volume.id))),
        Err(error) => return Finding::Failed(Failure::of("decommission", "volumes cannot be listed", &error)),
    }
    let prefix = format!("{}/", cluster.local_id);
    match run.cloud.list_objects(run.bucket, &prefix).await {
        Ok(objects) if !objects.is_empty() => {
            left.push(format!("{} objects under {}/{prefix}", objects.len(), run.bucket))
        }
        Ok(_) | Err(CloudError::NotFound { .. }) => {}
        Err(error) => return Finding::Failed(Failure::of("decommission", "objects cannot be listed", &error)),
    }
    let message = if left.is_empty() {
        "nothing is left behind".to_owned()
    } else {
        format!("left behind: {}", left.join(", "))
    };
    run.journal.note("decommission/leftovers", Progress::Done, &message);
    Finding::Done
}
