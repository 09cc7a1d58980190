//! What stands in the place of clouds where this version enters none: clusters that others built get manifests, and no others
//! can be looked after.

use std::sync::Arc;

use async_trait::async_trait;
use lifecycle::connect::{CloudSource, FactSource, Trouble};
use lifecycle::need::EXISTING;
use model::Cluster;
use ports::cloud::Cloud;
use ports::{Classified, Fault, Retry};
use render::Facts;

/// No cloud, and no facts from one.
pub(crate) struct NoCloud;

/// A cluster whose provider needs a cloud.
#[derive(Debug, thiserror::Error)]
#[error(
    "provider {0} needs a cloud, and this version enters none; only clusters with the provider {EXISTING} are managed"
)]
struct NeedsCloud(String);

impl Classified for NeedsCloud {
    fn fault(&self) -> Fault {
        Fault::User
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}

#[async_trait]
impl CloudSource for NoCloud {
    async fn cloud(&self, cluster: &Cluster) -> Result<Option<Arc<dyn Cloud>>, Trouble> {
        if cluster.provider == EXISTING {
            return Ok(None);
        }
        Err(Box::new(NeedsCloud(cluster.provider.clone())))
    }
}

#[async_trait]
impl FactSource for NoCloud {
    async fn facts(&self, cluster: &Cluster) -> Result<Arc<Facts>, Trouble> {
        self.cloud(cluster).await.map(|_| Arc::default())
    }
}
