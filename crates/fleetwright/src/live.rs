//! Looking into a live cluster by kubeconfig, with the contract that the registry sets for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use cli_args::{GlobalArgs, PolicyName, TargetArgs};
use disruption::{Environment, Policy};
use kube_access::{Access, Context};
use model::{Cluster, ConfigItems};
use ports::{SystemClock, SystemIds};
use rollout::Look;

use crate::failure::Failure;
use crate::kubeconfig;
use crate::session::Session;
use crate::settings::{Env, Settings};

/// A look at a cluster, and the contract of each of its pools.
pub(crate) struct Live {
    pub(crate) look: Look,
    pools: BTreeMap<String, Policy>,
    rest: Policy,
}

impl Live {
    /// Reads the registry for the contract and the cluster for everything else.
    pub(crate) async fn read(target: &TargetArgs, global: &GlobalArgs, env: &Env) -> Result<Self, Failure> {
        let (name, context, pools, rest) = match target.policy {
            Some(published) => {
                let policy = Policy::of(environment(published));
                (target.cluster.clone(), target.cluster.clone(), BTreeMap::new(), policy)
            }
            None => {
                let session = Session::new(&Settings::resolve(global, env)?)?;
                let cluster = session.cluster(&target.cluster).await?.object;
                let (pools, rest) = policies(&cluster)?;
                (cluster.alias.to_string(), cluster.alias.to_string(), pools, rest)
            }
        };
        let context = target.kube_context.clone().unwrap_or(context);
        let file = match &target.kubeconfig {
            Some(file) => file.clone(),
            None => kubeconfig::files(env)
                .into_iter()
                .find(|file| file.exists())
                .ok_or_else(|| {
                    Failure::new("there is no kubeconfig").hint("give --kubeconfig FILE, or set KUBECONFIG")
                })?,
        };
        let settings = Context::new(&name, Arc::new(SystemClock), Arc::new(SystemIds));
        let failed = |error: &dyn std::error::Error| Failure::of(error).while_doing(format!("cluster {name}"));
        let access = Access::from_kubeconfig(settings, &file, Some(&context)).await;
        let access = access.map_err(|error| {
            failed(&error).hint(format!(
                "{} must have a context {context:?}; --kube-context names another",
                file.display()
            ))
        })?;
        let look = Look::take(&access, &name).await.map_err(|error| failed(&error))?;
        Ok(Self { look, pools, rest })
    }

    /// The contract of a pool; the cluster's for a pool that the registry does not know.
    pub(crate) fn policy(&self, pool: Option<&disruption::PoolName>) -> &Policy {
        let own = pool.and_then(|pool| self.pools.get(pool.as_str()));
        own.unwrap_or(&self.rest)
    }
}

/// The environment whose numbers were published.
pub(crate) fn environment(name: PolicyName) -> Environment {
    match name {
        PolicyName::Production => Environment::Production,
        PolicyName::Test => Environment::Test,
    }
}

/// The contract of each pool and of the cluster, as its config items set them.
fn policies(cluster: &Cluster) -> Result<(BTreeMap<String, Policy>, Policy), Failure> {
    let base = Some(Environment::named(&cluster.environment));
    let resolve = |layers: &[&ConfigItems]| {
        Policy::resolve(base, layers).map_err(|problems| {
            let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Failure::new(format!("cluster {}: {}", cluster.alias, all.join("; ")))
        })
    };
    let mut pools = BTreeMap::new();
    for pool in &cluster.node_pools {
        pools.insert(
            pool.name.to_string(),
            resolve(&[&pool.config_items, &cluster.config_items])?,
        );
    }
    Ok((pools, resolve(&[&cluster.config_items])?))
}
