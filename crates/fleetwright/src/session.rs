//! A client with what commands need of it: finding clusters by id or alias, contexts of writes.

use std::sync::Arc;

use model::{Alias, Cluster, ClusterId};
use ports::registry::{ClusterFilter, Detail, PageRequest, Versioned};
use ports::{Clock, Ids, Registry, RegistryError, SystemClock, SystemIds, WriteContext};
use registry_api::client::{ClientOptions, RegistryClient};

use crate::failure::Failure;
use crate::settings::Settings;

/// The connection of one command.
pub(crate) struct Session {
    pub(crate) client: RegistryClient,
    pub(crate) clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl Session {
    /// A session with the server in force; nothing is sent yet.
    pub(crate) fn new(settings: &Settings) -> Result<Self, Failure> {
        let options = ClientOptions {
            token_file: settings.token_file.value.clone(),
            ca_file: settings.ca_file.value.clone(),
            request_timeout: settings.request_timeout.value,
            // A person waits: a few quick repetitions bridge a restart, more would hide that the server is away.
            retries: 2,
            // One that answers "not yet" is there: a roll-out of it or a fail-over of its database takes some seconds.
            busy_retries: 8,
            ..ClientOptions::new(settings.server.value.clone())
        };
        let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) = (Arc::new(SystemClock), Arc::new(SystemIds));
        let client = RegistryClient::new(&options, Arc::clone(&clock), Arc::clone(&ids))?;
        Ok(Self { client, clock, ids })
    }

    /// Context of a write: the server knows the actor by the token.
    pub(crate) fn write(&self) -> WriteContext {
        WriteContext::by("", self.ids.uuid())
    }

    /// The cluster with this alias or id; `cluster/NAME`, as success lines print it, is taken too.
    pub(crate) async fn cluster(&self, name: &str) -> Result<Versioned<Cluster>, Failure> {
        match self.find_cluster(name).await {
            Err(RegistryError::NotFound { kind, .. }) => {
                let message = format!("{kind} {name:?} not found: it is neither an id nor an alias");
                Err(Failure::new(message).hint("\"fleetwright get clusters\" lists them"))
            }
            found => found.map_err(Failure::from),
        }
    }

    /// As [`Session::cluster`], with the plain refusal.
    pub(crate) async fn find_cluster(&self, name: &str) -> Result<Versioned<Cluster>, RegistryError> {
        let name = name.strip_prefix("cluster/").unwrap_or(name);
        // An alias never holds a colon, ids of the provider always do.
        if name.parse::<Alias>().is_ok() {
            let filter = ClusterFilter {
                alias: Some(name.to_owned()),
                ..ClusterFilter::default()
            };
            let page = self
                .client
                .list_clusters(&filter, Detail::Brief, &PageRequest::all())
                .await?;
            if let Some(found) = page.items.into_iter().next() {
                return self.client.get_cluster(&found.object.id, Detail::Full).await;
            }
        }
        let id: ClusterId = name.parse()?;
        self.client.get_cluster(&id, Detail::Full).await
    }
}
