//! What a shadow of one command or server stands on: another manager's registry, its configuration, clusters for looking.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use cli_args::{ShadowPlaceArgs, SourceArgs};
use kube_access::Mode;
use lifecycle::Configuration;
use lifecycle::connect::{CloudSource, Connector, FactSource, Trouble};
use model::{Cluster, ClusterId};
use ports::config_source::ConfigSources;
use ports::{Clock as _, Ids as _, Ledger, Registry, SystemClock, SystemIds, WriteContext};
use render::{DesiredCluster, Facts, FactsFile, Input};
use shadow::adoption::{Asked, Places};
use shadow::{Look, Masking, Means, Report, Shadow, history};
use store::{DatabaseUrl, MemoryRegistry, Store};

use crate::carrying_out::{Books, ByKubeconfig};
use crate::commands::database_of;
use crate::console::Console;
use crate::documents::read_text;
use crate::failure::Failure;
use crate::fleet;
use crate::looking::Clusters;
use crate::mask::Mask;
use crate::no_cloud::NoCloud;
use crate::settings::{Env, Settings};

/// The facts of a file; clusters that it does not name have its defaults.
pub(crate) struct FactsGiven(FactsFile);

impl FactsGiven {
    /// Reads the file; without one nothing is known.
    pub(crate) fn read(path: Option<&std::path::PathBuf>) -> Result<Self, Failure> {
        let Some(path) = path else {
            return Ok(Self(FactsFile::default()));
        };
        let (name, text) = read_text(path)?;
        let facts = FactsFile::parse(&text).map_err(|error| Failure::new(format!("{name}: {error}")))?;
        Ok(Self(facts))
    }
}

#[async_trait]
impl FactSource for FactsGiven {
    async fn facts(&self, cluster: &Cluster) -> Result<Arc<Facts>, Trouble> {
        Ok(Arc::new(self.0.for_cluster(cluster.id.as_str())))
    }
}

/// Hides what the schema of the configuration, or the name of a config item, marks as secret.
struct BySchema;

impl Masking for BySchema {
    fn hider(&self, input: &Input, desired: &DesiredCluster) -> Box<dyn Fn(&str) -> String + Send + Sync> {
        let mut mask = Mask::default();
        mask.add(input, desired);
        mask.add_siblings(input);
        let hider = mask.hider();
        Box::new(move |text| hider.hide(text))
    }
}

/// Opens clusters by the kubeconfig, for looking only.
pub(crate) fn looking(clusters: Clusters) -> Arc<dyn Connector> {
    Arc::new(ByKubeconfig(clusters, Mode::DryRun))
}

/// A shadow beside the manager of a registry.
pub(crate) fn shadow(
    registry: Arc<dyn Registry>,
    ledger: Arc<dyn Ledger>,
    configuration: Arc<Configuration>,
    clusters: Arc<dyn Connector>,
    clouds: Arc<dyn CloudSource>,
    facts: FactsGiven,
) -> Shadow {
    let settings = lifecycle::Settings::default();
    Shadow::new(Means {
        registry,
        ledger,
        configuration,
        connector: clusters,
        clouds,
        facts: Arc::new(facts),
        masking: Arc::new(BySchema),
        clock: Arc::new(SystemClock),
        policy: settings.policy,
        threshold: settings.threshold,
        manage_etcd: settings.manage_etcd,
    })
}

/// The same sources once more: whoever refreshes one of the two sets refreshes both.
pub(crate) fn shared(sources: &ConfigSources) -> Result<ConfigSources, Failure> {
    ConfigSources::new(sources.sources().to_vec()).map_err(|error| Failure::of(&error))
}

/// The shadow of one command.
pub(crate) struct Beside {
    pub(crate) shadow: Shadow,
    pub(crate) configuration: Arc<Configuration>,
    registry: Books,
    /// The shadow's own store; a command may do without one.
    store: Option<Arc<Store>>,
}

impl Beside {
    /// Opens everything; nothing is looked at yet.
    pub(crate) async fn open(
        sources: &SourceArgs,
        place: &ShadowPlaceArgs,
        mut settings: Settings,
        env: &Env,
        console: &mut Console,
    ) -> Result<Self, Failure> {
        let database = database_of(place.database.as_deref(), place.database_password_file.as_deref(), env)?;
        let registry = match sources.registry.as_deref() {
            Some(file) if !file.starts_with("http://") && !file.starts_with("https://") => {
                Books::of_document(fleet::read_registry(file)?).await?
            }
            url => {
                if let Some(url) = url {
                    url.clone_into(&mut settings.server.value);
                }
                Books::of_server(&settings)?
            }
        };
        let opened = fleet::open(&sources.config_sources, sources, env, console).await?;
        if let Some(why) = opened.unreachable() {
            console.warn(why);
        }
        let configuration = Arc::new(Configuration::new(opened.live()?));
        let store = match &database {
            Some(url) => Some(Arc::new(open(url).await?)),
            None => None,
        };
        let ledger: Arc<dyn Ledger> = match &store {
            Some(store) => Arc::clone(store) as _,
            None => Arc::new(MemoryRegistry::new(Arc::new(SystemClock))),
        };
        let clusters = Clusters::of(place.kubeconfig.clone(), env);
        let shadow = shadow(
            Arc::clone(&registry.registry),
            ledger,
            Arc::clone(&configuration),
            looking(clusters),
            Arc::new(NoCloud),
            FactsGiven::read(sources.facts.as_ref())?,
        );
        Ok(Self {
            shadow,
            configuration,
            registry,
            store,
        })
    }

    /// The clusters with these names; `None` for all.
    pub(crate) async fn select(&self, names: &[String]) -> Result<Option<BTreeSet<ClusterId>>, Failure> {
        if names.is_empty() {
            return Ok(None);
        }
        let subjects = self.shadow.subjects().await?;
        let id = |name: &String| {
            let name = name.strip_prefix("cluster/").unwrap_or(name);
            let named = |cluster: &Cluster| cluster.alias.as_str() == name || cluster.id.as_str() == name;
            let found = subjects.iter().find(|subject| named(&subject.cluster));
            found.map(|subject| subject.cluster.id.clone()).ok_or_else(|| {
                Failure::new(format!(
                    "cluster {name:?} not found: it is neither an id nor an alias of the registry"
                ))
            })
        };
        names.iter().map(id).collect::<Result<_, _>>().map(Some)
    }

    /// Looks, and takes what it saw into the history, if there is one.
    pub(crate) async fn report(&self, only: Option<&BTreeSet<ClusterId>>) -> Result<Report, Failure> {
        let mut report = self.shadow.report(only).await?;
        if let Some(store) = &self.store {
            let mut known = history::read(&**store).await?;
            let context = WriteContext::by("shadow", SystemIds.uuid());
            history::keep(&**store, &mut known, &mut report, &context).await?;
        }
        Ok(report)
    }

    /// Looks at one cluster.
    pub(crate) async fn look(&self, name: &str) -> Result<Look, Failure> {
        let only = self.select(&[name.to_owned()]).await?;
        let report = self.report(only.as_ref()).await?;
        let look = report.looks.into_iter().next();
        look.ok_or_else(|| Failure::new(format!("cluster {name:?} is gone from the registry")))
    }

    /// Refuses a cluster that nobody could look after once it is adopted.
    pub(crate) async fn can_manage(&self, cluster: &ClusterId) -> Result<(), Failure> {
        let subjects = self.shadow.subjects().await?;
        let found = subjects.iter().find(|subject| subject.cluster.id == *cluster);
        let Some(subject) = found.filter(|subject| subject.cluster.provider != Cluster::EXISTING) else {
            return Ok(());
        };
        let message = format!(
            "cluster {} is of provider {:?}, whose cloud this version does not enter: adopted, it would be looked after by nobody",
            subject.cluster.alias, subject.cluster.provider
        );
        Err(Failure::new(message).hint("\"fleetwright shadow\" goes on to look at it"))
    }

    /// Where adoptions are written.
    pub(crate) fn places(&self) -> Result<Places, Failure> {
        let Some(store) = &self.store else {
            return Err(crate::commands::no_database());
        };
        if self.registry.file {
            let failure = Failure::new("the registry is a file, and the original would not see what is written there");
            return Err(failure.hint("give --registry URL"));
        }
        Ok(Places {
            upstream: Arc::clone(&self.registry.registry),
            ledger: Arc::clone(store) as _,
            leases: Arc::clone(store) as _,
            clock: Arc::new(SystemClock),
        })
    }

    /// Finishes what is to be written.
    pub(crate) async fn close(self) {
        if let Some(store) = self.store {
            store.close().await;
        }
    }
}

async fn open(url: &DatabaseUrl) -> Result<Store, Failure> {
    let opened = Store::open(url, Arc::new(SystemClock)).await;
    opened.map_err(|error| Failure::of(&error))
}

/// Who asks, and why.
pub(crate) fn asked(by: Option<String>, reason: &str, env: &Env) -> Result<Asked, Failure> {
    let user = || env.get(&cli_args::env_vars::USER).map(str::to_owned);
    let Some(by) = by.or_else(user) else {
        return Err(Failure::new("it is not said who asks").hint("give --by NAME"));
    };
    let reason = reason.trim();
    if reason.is_empty() || reason.contains(['\n', '\r']) || reason.len() > 200 {
        return Err(Failure::new(
            "--reason: must be one line of at most 200 bytes, and not empty",
        ));
    }
    Ok(Asked {
        by,
        reason: reason.to_owned(),
        id: SystemIds.uuid(),
    })
}

/// Now, for messages.
pub(crate) fn now() -> jiff::Timestamp {
    SystemClock.now()
}
