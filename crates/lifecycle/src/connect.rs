//! Where clusters, clouds and facts come from: the ports that a program or a simulation fills.

use std::sync::Arc;

use async_trait::async_trait;
use kube_access::Access;
use model::Cluster;
use ports::Classified;
use ports::cloud::Cloud;
use render::Facts;

/// An error with its class, whoever made it.
pub type Trouble = Box<dyn ClassifiedError>;

/// An error that says whose fault it is and whether trying again helps.
pub trait ClassifiedError: std::error::Error + Classified + Send + Sync + 'static {}

impl<E: std::error::Error + Classified + Send + Sync + 'static> ClassifiedError for E {}

/// Opens the Kubernetes API of clusters.
#[async_trait]
pub trait Connector: Send + Sync {
    /// A handle on the cluster's API; the same one as long as it serves, so that its discovery cache is kept.
    ///
    /// # Errors
    /// When the cluster cannot be found or its credentials not be had.
    async fn open(&self, cluster: &Cluster) -> Result<Access, Trouble>;
}

/// Finds out what only the cloud knows about a cluster.
#[async_trait]
pub trait FactSource: Send + Sync {
    /// The facts. Those that cannot be known yet (outputs of a stack that is not there) are missing.
    ///
    /// # Errors
    /// When the cloud cannot be asked: an error, never "no facts".
    async fn facts(&self, cluster: &Cluster) -> Result<Arc<Facts>, Trouble>;
}

/// Opens the cloud that a cluster is in.
#[async_trait]
pub trait CloudSource: Send + Sync {
    /// The cloud, or `None` for clusters that others built (provider `kubeconfig`): those get manifests only.
    ///
    /// # Errors
    /// When the account cannot be entered.
    async fn cloud(&self, cluster: &Cluster) -> Result<Option<Arc<dyn Cloud>>, Trouble>;
}
