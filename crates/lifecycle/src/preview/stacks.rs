//! What a pass would do to the stacks of a cluster, read from its cloud. Nothing is written anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use model::Cluster;
use ports::cloud::{Cloud, CloudError, Stack, StackStatus};
use render::{DesiredCluster, PoolDefinition};

use crate::concern::Failure;
use crate::concern::wanted::{self, Place};

/// A cloud of which nothing but reading is left: there is no way to write through it.
#[derive(Clone)]
pub struct Eyes(Arc<dyn Cloud>);

impl fmt::Debug for Eyes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Eyes").field(&self.0).finish()
    }
}

impl Eyes {
    /// Eyes on this cloud.
    #[must_use]
    pub fn on(cloud: Arc<dyn Cloud>) -> Self {
        Self(cloud)
    }

    /// One stack; `None` when there is none of that name.
    ///
    /// # Errors
    /// Those of the cloud.
    pub async fn stack(&self, name: &str) -> Result<Option<Stack>, CloudError> {
        match self.0.stack(name).await {
            Ok(stack) => Ok(Some(stack)),
            Err(CloudError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All stacks that are not deleted.
    ///
    /// # Errors
    /// Those of the cloud.
    pub async fn stacks(&self) -> Result<Vec<Stack>, CloudError> {
        self.0.stacks().await
    }

    /// The template that a stack was last made or updated from.
    ///
    /// # Errors
    /// Those of the cloud.
    pub async fn template(&self, name: &str) -> Result<String, CloudError> {
        self.0.stack_template(name).await
    }
}

/// Whose stack it is within the cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// The stack of etcd.
    Etcd,
    /// The stack of the cluster itself.
    Main,
    /// A stack of `cf-manifests`.
    Extra,
    /// That of this node pool.
    Pool(String),
}

/// One stack that git wants, beside what is there.
#[derive(Debug, Clone, PartialEq)]
pub struct StackLook {
    /// Whose it is.
    pub owner: Owner,
    /// Its name in the cloud.
    pub name: String,
    /// The template that would be sent: packed texts that are there keep their bytes (decision 0005).
    pub wanted: String,
    /// What is there; `None` when nothing is.
    pub found: Option<FoundStack>,
}

/// A stack that is there.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundStack {
    /// Its template.
    pub template: String,
    /// The state that it rests in, or what is under way.
    pub status: StackStatus,
    /// Tags that would change: key, value now, value to come.
    pub tags: Vec<(String, Option<String>, Option<String>)>,
}

impl StackLook {
    /// True if a pass would leave it as it is.
    #[must_use]
    pub fn is_as_wanted(&self) -> bool {
        self.found
            .as_ref()
            .is_some_and(|found| found.template == self.wanted && found.tags.is_empty() && found.status.can_update())
    }
}

/// All stacks of a cluster.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StackLooks {
    /// Those that git wants, in the order of a pass.
    pub wanted: Vec<StackLook>,
    /// Names of those that a file of deletions names and that are there.
    pub deleted: Vec<String>,
    /// Node pools that left the registry and whose stacks are there, by pool.
    pub gone: BTreeMap<String, String>,
}

/// Looks at the stacks of a cluster as a pass would.
///
/// # Errors
/// When the cloud does not answer: what cannot be read is never taken for "none".
pub async fn stack_looks(
    eyes: &Eyes,
    cluster: &Cluster,
    desired: &DesiredCluster,
    manage_etcd: bool,
) -> Result<StackLooks, Failure> {
    let failed = |error: CloudError| Failure::of("stacks", "the stacks cannot be looked at", &error);
    let mut looks = StackLooks::default();
    for (place, owner) in places(desired, manage_etcd) {
        let request = wanted::request(cluster, &place);
        let mut look = StackLook {
            owner,
            name: request.name.clone(),
            wanted: place.text().to_owned(),
            found: None,
        };
        if let Some(stack) = eyes.stack(&request.name).await.map_err(failed)? {
            let template = eyes.template(&request.name).await.map_err(failed)?;
            look.wanted = render::keep_packed(&template, place.text()).into_owned();
            look.found = Some(FoundStack {
                tags: tags(&stack.tags, &request.tags),
                status: stack.status,
                template,
            });
        }
        looks.wanted.push(look);
    }
    for name in desired.stack_deletions_pre.iter().chain(&desired.stack_deletions_post) {
        if eyes.stack(name).await.map_err(failed)?.is_some() {
            looks.deleted.push(name.clone());
        }
    }
    let pools: BTreeSet<&str> = desired.pools.iter().map(|pool| pool.name.as_str()).collect();
    for stack in eyes.stacks().await.map_err(failed)? {
        if let Some(pool) = wanted::pool_of(cluster, &stack).filter(|pool| !pools.contains(pool)) {
            looks.gone.insert(pool.to_owned(), stack.name.clone());
        }
    }
    Ok(looks)
}

/// The stacks that git wants, in the order of a pass.
fn places(desired: &DesiredCluster, manage_etcd: bool) -> Vec<(Place<'_>, Owner)> {
    let etcd = desired.etcd.as_ref().and_then(|etcd| etcd.stack.as_ref());
    let etcd = etcd
        .filter(|_| manage_etcd)
        .map(|stack| (Place::Etcd(stack), Owner::Etcd));
    let main = desired.main_stack.iter().map(|stack| (Place::Main(stack), Owner::Main));
    let extra = desired
        .extra_stacks
        .iter()
        .map(|stack| (Place::Extra(stack), Owner::Extra));
    let pools = desired.pools.iter().filter_map(|pool| match &pool.definition {
        Some(PoolDefinition::Stack(stack)) => Some((Place::Pool(pool, stack), Owner::Pool(pool.name.clone()))),
        _ => None,
    });
    etcd.into_iter().chain(main).chain(extra).chain(pools).collect()
}

fn tags(
    now: &BTreeMap<String, String>,
    wanted: &BTreeMap<String, String>,
) -> Vec<(String, Option<String>, Option<String>)> {
    let keys: BTreeSet<&String> = now.keys().chain(wanted.keys()).collect();
    keys.into_iter()
        .filter(|key| now.get(*key) != wanted.get(*key))
        .map(|key| (key.clone(), now.get(key).cloned(), wanted.get(key).cloned()))
        .collect()
}
