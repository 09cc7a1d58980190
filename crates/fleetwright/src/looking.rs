//! Clusters as a kubeconfig leads to them, and what they say an apply would do.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use kube_access::{Access, Context, Mode};
use lifecycle::preview::preview;
use model::Cluster;
use plan::ClusterPlan;
use ports::{SystemClock, SystemIds};
use render::DesiredCluster;

use crate::failure::Failure;
use crate::kubeconfig;
use crate::settings::Env;

/// The way to clusters.
#[derive(Debug, Clone)]
pub(crate) struct Clusters {
    files: Vec<PathBuf>,
}

/// What a look at a cluster gave.
pub(crate) struct Seen {
    pub(crate) plan: ClusterPlan,
    /// A digest of each change, by what it changes.
    pub(crate) digests: BTreeMap<String, String>,
    /// Why its prune would wait for somebody's agreement.
    pub(crate) asks: Option<String>,
}

impl Clusters {
    /// The clusters of one kubeconfig, or of those that kubectl would read.
    pub(crate) fn of(file: Option<PathBuf>, env: &Env) -> Self {
        Self {
            files: match file {
                Some(file) => vec![file],
                None => kubeconfig::files(env),
            },
        }
    }

    /// Opens a cluster: by the context that has its alias or id, else by the one whose server is the cluster's.
    pub(crate) async fn open(&self, cluster: &Cluster, mode: Mode) -> Result<Access, Failure> {
        let (file, name) = kubeconfig::context_of(&self.files, cluster)?;
        let mut context = Context::new(cluster.alias.as_str(), Arc::new(SystemClock), Arc::new(SystemIds));
        context.settings.mode = mode;
        let access = Access::from_kubeconfig(context, &file, Some(&name)).await;
        access.map_err(|error| Failure::of(&error).while_doing(format!("cluster {}", cluster.alias)))
    }

    /// Looks into a cluster and adds what it says to the plan of its stacks and pools.
    pub(crate) async fn look(
        &self,
        cluster: &Cluster,
        desired: &DesiredCluster,
        mut plan: ClusterPlan,
        hide: &(dyn Fn(&str) -> String + Sync),
    ) -> Result<Seen, String> {
        let access = self
            .open(cluster, Mode::DryRun)
            .await
            .map_err(|failure| failure.text())?;
        let settings = lifecycle::Settings::default();
        let adopted = lifecycle::need::keeps_all(cluster);
        let seen = preview(&access, desired, (settings.policy, settings.threshold), adopted)
            .await
            .map_err(|failure| failure.title)?;
        let digests = seen.tell(&mut plan, hide);
        let asks = seen.asks.as_ref().map(ToString::to_string);
        Ok(Seen { plan, digests, asks })
    }
}
