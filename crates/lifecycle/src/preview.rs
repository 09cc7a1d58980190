//! What a pass over the manifests of a cluster would do, asked of the cluster itself. Nothing is written anywhere.

pub mod stacks;
mod told;

use std::collections::BTreeMap;

use kube_access::apply::{Applier, ApplyReport, Memory, Policy};
use kube_access::applyset::{ApplySet, PrunePlan, PruneRefusal, Threshold};
use kube_access::deletions::DeletionResult;
use kube_access::{Access, Depth, Mode, Selection};
use ports::Fault;
use render::DesiredCluster;
use serde_json::Value;

use crate::concern::{Failure, components};

/// Label of a node with the name of its pool (fact 4.2).
const POOL_LABEL: &str = "node.kubernetes.io/node-pool";

/// What would happen.
#[derive(Debug, Clone)]
pub struct Preview {
    /// What would become of each object that git wants.
    pub report: ApplyReport,
    /// What left git and would be deleted.
    pub prune: PrunePlan,
    /// Why the prune would not be carried out without somebody's agreement.
    pub asks: Option<PruneRefusal>,
    /// Deletions before the components are applied.
    pub before: Vec<DeletionResult>,
    /// Deletions after the components are applied.
    pub after: Vec<DeletionResult>,
    /// Nodes of each pool.
    pub nodes: BTreeMap<String, u64>,
}

/// Looks, with the same planner and the same questions as a pass has. `adopted` is a cluster that others built: nothing of
/// theirs is deleted.
///
/// # Errors
/// When the cluster does not answer, or the manifests make no sense; and when `access` is not in [`Mode::DryRun`]: then a look
/// would be more than a look.
pub async fn preview(
    access: &Access,
    desired: &DesiredCluster,
    (policy, threshold): (Policy, Threshold),
    adopted: bool,
) -> Result<Preview, Failure> {
    const PATH: &str = "manifests";
    if access.mode() != Mode::DryRun {
        let title = "the cluster was opened for writing, a look must not write";
        return Err(Failure::told(PATH, title, Fault::Us));
    }
    let unreachable = |error| Failure::of(PATH, "the cluster cannot be looked at", &error);
    let deletions = |error| Failure::of("deletions", "the deletions make no sense", &error);
    let mut before = Vec::new();
    if !adopted {
        before = access
            .run_deletions(&desired.deletions.pre_apply)
            .await
            .map_err(deletions)?;
    }
    let applier = Applier::new(access.clone(), ApplySet::default()).policy(policy);
    let plan = applier
        .plan(&components(desired))
        .await
        .map_err(|error| Failure::of(PATH, "the manifests cannot be applied", &error))?;
    let pass = applier
        .apply(&plan, &mut Memory::default(), None)
        .await
        .map_err(unreachable)?;
    let mut prune = applier.plan_prune(&plan, &pass.observation);
    let mut after = Vec::new();
    if adopted {
        prune.items.clear();
    } else {
        after = access
            .run_deletions(&desired.deletions.post_apply)
            .await
            .map_err(deletions)?;
    }
    let asks = match prune.items.is_empty() {
        true => None,
        false => prune.allowed(threshold, None).err(),
    };
    Ok(Preview {
        report: pass.report,
        prune,
        asks,
        before,
        after,
        nodes: nodes(access).await.map_err(unreachable)?,
    })
}

/// How many nodes each pool has.
async fn nodes(access: &Access) -> Result<BTreeMap<String, u64>, kube_access::AccessError> {
    let mut pools = BTreeMap::new();
    let kinds = access.kinds().await?;
    // Simulated APIs may serve no nodes.
    let Some(kind) = kinds.exact("v1", "Node") else {
        return Ok(pools);
    };
    for node in access.list(kind, &Selection::default(), Depth::Metadata).await? {
        let label = node
            .pointer("/metadata/labels")
            .and_then(|labels| labels.get(POOL_LABEL))
            .and_then(Value::as_str);
        if let Some(pool) = label {
            *pools.entry(pool.to_owned()).or_insert(0) += 1;
        }
    }
    Ok(pools)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kube_access::{Context, Settings};
    use kube_sim::ApiServer;
    use ports::{SeededIds, SystemClock};

    use super::*;

    fn access(server: &ApiServer, mode: Mode) -> Access {
        let mut context = Context::new("kube-1", Arc::new(SystemClock), Arc::new(SeededIds::new(2)));
        context.settings = Settings {
            mode,
            ..Settings::default()
        };
        Access::from_service(context, server.clone())
    }

    #[tokio::test]
    async fn a_look_writes_nothing_and_must_not_be_able_to() {
        let server = ApiServer::new(Arc::new(SystemClock), Arc::new(SeededIds::new(1)));
        let how = || (Policy::default(), Threshold::default());
        let desired = DesiredCluster::default();
        let refused = preview(&access(&server, Mode::Live), &desired, how(), false)
            .await
            .unwrap_err();
        assert!(refused.title.contains("a look must not write"), "{}", refused.title);
        let before = server.resource_version();
        let seen = preview(&access(&server, Mode::DryRun), &desired, how(), false)
            .await
            .unwrap();
        assert!(seen.report.results.is_empty() && seen.prune.items.is_empty() && seen.asks.is_none());
        assert_eq!(server.resource_version(), before);
    }
}
