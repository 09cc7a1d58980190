//! Clusters that exist: the contexts of a kubeconfig become registered clusters, only looked at until somebody says more.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use cli_args::UpArgs;
use control::{Control, Options};
use kube_access::{Access, AccessError, Context};
use lifecycle::connect::{Connector, Trouble};
use lifecycle::need::{EXISTING, MANAGE};
use lifecycle::{Configuration, Reach, Settings};
use model::{Cluster, FileRegistry};
use ports::config_source::ConfigSources;
use ports::registry::ImportMode;
use ports::{Ids as _, Registry as _, RegistryError, SystemClock, SystemIds, WriteContext};
use serde::Deserialize;
use serde_json::json;

use super::repository::{Content, Repository};
use super::welcome::program;
use super::{Places, open_page, source};
use crate::console::Console;
use crate::documents::read_text;
use crate::failure::Failure;
use crate::no_cloud::NoCloud;
use crate::prometheus::HttpPrometheus;
use crate::serving::Serving;

/// The part of a kubeconfig that names clusters.
#[derive(Debug, Deserialize)]
struct KubeConfig {
    #[serde(default)]
    contexts: Vec<NamedContext>,
    #[serde(default)]
    clusters: Vec<NamedCluster>,
}

#[derive(Debug, Deserialize)]
struct NamedContext {
    name: String,
    context: InContext,
}

#[derive(Debug, Deserialize)]
struct InContext {
    cluster: String,
}

#[derive(Debug, Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Server,
}

#[derive(Debug, Deserialize)]
struct Server {
    server: String,
}

/// A context with the address behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    context: String,
    server: String,
}

/// The contexts of a kubeconfig.
fn contexts(name: &str, text: &str) -> Result<Vec<Found>, Failure> {
    let read: KubeConfig = yaml::from_str(text).map_err(|error| Failure::new(format!("{name}: {error}")))?;
    if read.contexts.is_empty() {
        return Err(Failure::new(format!("{name}: has no contexts")));
    }
    let find = |context: NamedContext| {
        let cluster = read.clusters.iter().find(|one| one.name == context.context.cluster);
        let missing = || {
            let (context, cluster) = (&context.name, &context.context.cluster);
            Failure::new(format!(
                "{name}: context {context:?} names cluster {cluster:?}, which is not there"
            ))
        };
        Ok(Found {
            server: cluster.ok_or_else(missing)?.cluster.server.clone(),
            context: context.name,
        })
    };
    read.contexts.into_iter().map(find).collect()
}

/// What a context is called in the registry: aliases have letters, digits and dashes.
fn alias(context: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let text: String = context.chars().map(plain).collect();
    text.trim_matches('-').to_owned()
}

/// The registry document of the contexts: one account for all of them.
fn document(found: &[Found]) -> Result<FileRegistry, Failure> {
    let clusters: Vec<_> = found
        .iter()
        .map(|one| {
            let alias = alias(&one.context);
            json!({
                "id": format!("kubeconfig:local:here:{alias}"), "alias": alias, "infrastructure_account": "kubeconfig:local",
                "region": "here", "local_id": alias, "provider": EXISTING, "api_server_url": one.server, "channel": "dev",
                "environment": "production", "criticality_level": 2, "lifecycle_status": "ready",
                "config_items": {"kubeconfig_context": one.context},
            })
        })
        .collect();
    let document = json!({
        "infrastructure_accounts": [{
            "id": "kubeconfig:local", "type": "kubeconfig", "name": "local", "owner": "whoever runs fleetwright up",
            "cost_center": "none", "environment": "production", "criticality_level": 2, "external_id": "local",
            "lifecycle_status": "ready",
        }],
        "clusters": clusters,
    });
    serde_json::from_value(document).map_err(|error| Failure::of(&error).while_doing("kubeconfig"))
}

/// Registers the clusters and looks after those that somebody said may be managed.
pub(super) async fn run(
    file: &Path,
    args: &UpArgs,
    places: &Places,
    serving: Serving,
    console: &mut Console,
) -> Result<(), Failure> {
    let (name, text) = read_text(file)?;
    let found = contexts(&name, &text)?;
    let context = WriteContext::by("fleetwright up", SystemIds.uuid());
    let known = register(&serving, &found, &context).await?;
    let repository = Repository::open(&places.repository(), Content::Minimal)?;
    let source = source(places, &repository)?;
    let sources = ConfigSources::new(vec![source.clone()]).map_err(|error| Failure::of(&error))?;
    let reach = Reach {
        registry: serving.store.clone(),
        ledger: serving.store.clone(),
        configuration: Configuration::new(sources),
        connector: Arc::new(Contexts::new(file.to_owned())),
        clouds: Arc::new(NoCloud),
        facts: Arc::new(NoCloud),
        clock: Arc::new(SystemClock),
        ids: Arc::new(SystemIds),
        settings: Settings {
            prometheus: Some(Arc::new(HttpPrometheus::new()?)),
            promote: Some(source),
            ..Settings::default()
        },
    };
    let options = Options {
        notices: crate::notices::to(args.notify_url.as_deref())?,
        ..Options::default()
    };
    let (control, _handle) = Control::new(Arc::new(reach), options);
    let (url, shutdown) = (serving.url(), serving.shutdown());
    let program = program();
    console.line(&format!("The Cluster Registry runs at {url}"))?;
    console.line(&format!(
        "It holds the {} clusters of {name}; {known} were known already. They are only looked at.\n\n  {program} get clusters\n\n\
         To have one of them managed from {} (branch dev, a ConfigMap to begin with):\n\n  {program} set config-item ALIAS {MANAGE}=true",
        found.len(),
        repository.path().display(),
    ))?;
    console.flush()?;
    open_page(args, &url, console);
    let end = shutdown.clone();
    let running = tokio::spawn(control.run(async move { end.begun().await }));
    serving.run().await;
    // A panic of it has been told already.
    let _ = running.await;
    console.say("stopped; the data stay");
    Ok(())
}

/// Registers what is not registered; answers how many were.
async fn register(serving: &Serving, found: &[Found], context: &WriteContext) -> Result<usize, Failure> {
    let document = document(found)?;
    if serving.store.last_change().await? == 0 {
        serving.store.import(document, ImportMode::Create, context).await?;
        return Ok(0);
    }
    for account in document.infrastructure_accounts {
        taken(serving.store.create_account(account, context).await.map(drop))?;
    }
    let mut known = 0;
    for entry in document.clusters {
        known += usize::from(taken(
            serving.store.create_cluster(entry.cluster, context).await.map(drop),
        )?);
    }
    Ok(known)
}

/// Whether something was there before.
fn taken(created: Result<(), RegistryError>) -> Result<bool, Failure> {
    match created {
        Ok(()) => Ok(false),
        Err(RegistryError::AlreadyExists { .. }) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Opens clusters through the contexts of a kubeconfig.
pub(crate) struct Contexts {
    file: PathBuf,
    open: Mutex<BTreeMap<String, Access>>,
}

impl Contexts {
    /// Through this file.
    pub(crate) fn new(file: PathBuf) -> Self {
        Self {
            file,
            open: Mutex::default(),
        }
    }
}

#[async_trait]
impl Connector for Contexts {
    async fn open(&self, cluster: &Cluster) -> Result<Access, Trouble> {
        let named = cluster.config_items.get("kubeconfig_context").map(String::as_str);
        let context = named.unwrap_or(cluster.alias.as_str()).to_owned();
        if let Some(known) = self.open.lock().unwrap_or_else(PoisonError::into_inner).get(&context) {
            return Ok(known.clone());
        }
        let means = Context::new(cluster.alias.as_str(), Arc::new(SystemClock), Arc::new(SystemIds));
        let opened = Access::from_kubeconfig(means, &self.file, Some(&context)).await;
        let access = opened.map_err(|error: AccessError| Box::new(error) as Trouble)?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(open.entry(context).or_insert(access).clone())
    }
}

#[cfg(test)]
mod tests {
    use model::Validate as _;

    use super::*;

    const FILE: &str = "
contexts:
- {name: prod@eu, context: {cluster: one, user: me}}
- {name: minikube, context: {cluster: two, user: me}}
clusters:
- {name: one, cluster: {server: 'https://one.example.org'}}
- {name: two, cluster: {server: 'https://127.0.0.1:6443'}}
";

    #[test]
    fn contexts_become_sound_clusters() {
        let found = contexts("file", FILE).unwrap();
        let document = document(&found).unwrap();
        let aliases: Vec<&str> = document.clusters.iter().map(|one| one.cluster.alias.as_str()).collect();
        assert_eq!(aliases, ["prod-eu", "minikube"]);
        for entry in &document.clusters {
            assert_eq!(entry.cluster.validate(), Ok(()));
        }
        assert_eq!(
            document.clusters[0].cluster.config_items["kubeconfig_context"],
            "prod@eu"
        );
    }

    #[test]
    fn a_broken_file_is_one_clear_line() {
        for (text, expected) in [
            ("contexts: []", "file: has no contexts"),
            (
                "contexts: [{name: a, context: {cluster: b}}]",
                "file: context \"a\" names cluster \"b\", which is not there",
            ),
        ] {
            let Err(Failure::Said { message, .. }) = contexts("file", text) else {
                panic!("{text}")
            };
            assert_eq!(message, expected);
        }
    }
}
