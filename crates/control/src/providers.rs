//! Which cloud a cluster is in, by its provider.

use std::sync::Arc;

use async_trait::async_trait;
use lifecycle::connect::{CloudSource, Trouble};
use lifecycle::need::EXISTING;
use model::Cluster;
use ports::cloud::{Cloud, Clouds};

/// Opens the cloud of a cluster's account and region. Clusters that others built (provider `kubeconfig`) are in none: they
/// get manifests only.
pub struct CloudsByProvider(Arc<dyn Clouds>);

impl CloudsByProvider {
    /// All other clusters are in these clouds.
    #[must_use]
    pub fn new(clouds: Arc<dyn Clouds>) -> Self {
        Self(clouds)
    }
}

#[async_trait]
impl CloudSource for CloudsByProvider {
    async fn cloud(&self, cluster: &Cluster) -> Result<Option<Arc<dyn Cloud>>, Trouble> {
        if cluster.provider == EXISTING {
            return Ok(None);
        }
        let opened = self.0.open(&cluster.infrastructure_account, &cluster.region).await;
        opened.map(Some).map_err(|error| Box::new(error) as Trouble)
    }
}
