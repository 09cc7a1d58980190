//! What the manager writes to registry entries: the status as the original's readers know it.

use model::{Cluster, ClusterId, ClusterStatus, ClusterUpdate, LifecycleStatus, Problem};
use ports::registry::Detail;
use ports::{RegistryError, WriteContext};

use crate::concern::Failure;
use crate::pass::Reach;

/// A failure as the problem of a cluster, with detail and instance, which the original leaves empty.
fn problem(failure: &Failure) -> Problem {
    Problem {
        detail: (failure.detail != failure.title).then(|| failure.detail.clone()),
        instance: Some(failure.instance.clone()),
        ..Problem::general(failure.title.clone())
    }
}

impl Reach {
    /// Tells the registry that an update runs, as the original does: `next_version`, before anything is done.
    pub(crate) async fn mark_begun(
        &self,
        cluster: &Cluster,
        to: &str,
        context: &WriteContext,
    ) -> Result<(), RegistryError> {
        if cluster.status.next_version == to {
            return Ok(());
        }
        let mut status = ClusterStatus {
            next_version: to.to_owned(),
            ..cluster.status.clone()
        };
        // Another version was under way and is overtaken: its problems are not those of this one.
        if !cluster.status.next_version.is_empty() {
            status.problems.clear();
        }
        self.write_status(cluster, status, None, context).await
    }

    pub(crate) async fn write_status(
        &self,
        cluster: &Cluster,
        status: ClusterStatus,
        lifecycle: Option<LifecycleStatus>,
        context: &WriteContext,
    ) -> Result<(), RegistryError> {
        let update = ClusterUpdate {
            status: Some(status),
            lifecycle_status: lifecycle,
            ..ClusterUpdate::default()
        };
        self.registry
            .update_cluster(&cluster.id, update, context)
            .await
            .map(drop)
    }

    /// Writes a failure as the problem of a cluster whose pass this is.
    pub(crate) async fn report(
        &self,
        cluster: &Cluster,
        to: &str,
        failure: &Failure,
        context: &WriteContext,
    ) -> Result<(), RegistryError> {
        let mut status = cluster.status.clone();
        to.clone_into(&mut status.next_version);
        status.add_problem(problem(failure));
        if status == cluster.status {
            return Ok(());
        }
        self.write_status(cluster, status, None, context).await
    }

    /// Adds a problem to a cluster on which no pass runs.
    pub(crate) async fn tell(&self, cluster: &ClusterId, failure: &Failure) -> Result<(), RegistryError> {
        self.amend(cluster, |status| status.add_problem(problem(failure))).await
    }

    /// Changes the status of a cluster on which no pass of ours runs: read now, and written only if nobody has written since.
    /// A status is written as a whole, so one that is written from an old look would take back what another replica did.
    pub(crate) async fn amend(
        &self,
        cluster: &ClusterId,
        change: impl FnOnce(&mut ClusterStatus) + Send,
    ) -> Result<(), RegistryError> {
        let found = self.registry.get_cluster(cluster, Detail::Full).await?;
        let mut status = found.object.status.clone();
        change(&mut status);
        if status == found.object.status {
            return Ok(());
        }
        let context = self.context().expecting(found.revision);
        match self.write_status(&found.object, status, None, &context).await {
            // Who wrote is seen in the feed, and the cluster is looked at again.
            Err(RegistryError::WrongRevision { .. }) => Ok(()),
            other => other,
        }
    }
}
