//! The plan of one cluster.

use render::DesiredCluster;

use crate::change::{ClusterPlan, Subject};
use crate::deletions::new_deletions;
use crate::objects::object_changes;
use crate::pools::pool_changes;
use crate::stacks::stack_changes;

/// What bringing a cluster from one desired state to another would do. `before` is `None` for a cluster that is made,
/// `after` for one that goes. `hide` masks secrets in texts and values.
#[must_use]
pub fn plan_cluster(
    subject: &Subject,
    before: Option<&DesiredCluster>,
    after: Option<&DesiredCluster>,
    hide: &dyn Fn(&str) -> String,
) -> ClusterPlan {
    let nothing = DesiredCluster::default();
    let version = |side: Option<&DesiredCluster>| side.map(|side| side.version.clone()).unwrap_or_default();
    let (from, to) = (version(before), version(after));
    let (old, new) = (before.unwrap_or(&nothing), after.unwrap_or(&nothing));
    ClusterPlan {
        cluster: subject.id.clone(),
        alias: subject.alias.clone(),
        from,
        to,
        stacks: stack_changes(old, new, hide),
        pools: pool_changes(subject, old, new),
        objects: object_changes(old, new, hide),
        deletions: after.map(|after| new_deletions(before, after)).unwrap_or_default(),
        errors: Vec::new(),
    }
}
