//! The little that the command line needs to know of kubeconfigs: which API server the current context leads to, and which
//! context leads to a cluster.

use std::path::PathBuf;

use cli_args::env_vars;
use model::Cluster;
use serde::Deserialize;

use crate::documents::read_text;
use crate::failure::Failure;
use crate::settings::Env;

#[derive(Debug, Default, Deserialize)]
struct Kubeconfig {
    #[serde(rename = "current-context", default)]
    current: String,
    #[serde(default)]
    contexts: Vec<Named<Context>>,
    #[serde(default)]
    clusters: Vec<Named<Server>>,
}

#[derive(Debug, Deserialize)]
struct Named<T> {
    name: String,
    #[serde(alias = "context", alias = "cluster")]
    value: T,
}

#[derive(Debug, Deserialize)]
struct Context {
    cluster: String,
}

#[derive(Debug, Deserialize)]
struct Server {
    server: String,
}

/// URL of the API server of the current context. Files are merged as kubectl does: whoever says something first wins.
pub(crate) fn current_server(env: &Env) -> Result<String, Failure> {
    let nobody = |why: &str| {
        Failure::new(format!("nobody is logged in to a cluster: {why}")).hint("name the cluster with --cluster")
    };
    let mut merged = Kubeconfig::default();
    for path in files(env).into_iter().filter(|path| path.exists()) {
        let (name, text) = read_text(&path)?;
        let read: Kubeconfig = yaml::from_str(&text).map_err(|error| Failure::new(format!("{name}: {error}")))?;
        if merged.current.is_empty() {
            merged.current = read.current;
        }
        merged.contexts.extend(read.contexts);
        merged.clusters.extend(read.clusters);
    }
    if merged.current.is_empty() {
        return Err(nobody("there is no current context in the kubeconfig"));
    }
    let context = merged.contexts.iter().find(|context| context.name == merged.current);
    let context = context.ok_or_else(|| nobody(&format!("context {:?} is not in the kubeconfig", merged.current)))?;
    let server = merged
        .clusters
        .iter()
        .find(|cluster| cluster.name == context.value.cluster);
    server
        .map(|cluster| cluster.value.server.clone())
        .ok_or_else(|| nobody(&format!("cluster {:?} is not in the kubeconfig", context.value.cluster)))
}

/// The context that leads to a cluster, and the file that it is in: one that has the alias or the id of the cluster, else one
/// whose server is the cluster's.
pub(crate) fn context_of(files: &[PathBuf], cluster: &Cluster) -> Result<(PathBuf, String), Failure> {
    let mut by_server = None;
    for path in files.iter().filter(|path| path.exists()) {
        let (name, text) = read_text(path)?;
        let read: Kubeconfig = yaml::from_str(&text).map_err(|error| Failure::new(format!("{name}: {error}")))?;
        for context in &read.contexts {
            if context.name == cluster.alias.as_str() || context.name == cluster.id.as_str() {
                return Ok((path.clone(), context.name.clone()));
            }
            let server = read.clusters.iter().find(|server| server.name == context.value.cluster);
            let url = |url: &str| url.trim_end_matches('/').to_owned();
            if by_server.is_none()
                && server.is_some_and(|server| url(&server.value.server) == url(&cluster.api_server_url))
            {
                by_server = Some((path.clone(), context.name.clone()));
            }
        }
    }
    by_server.ok_or_else(|| {
        let message = format!(
            "cluster {} is in no kubeconfig, neither by its name nor by its server",
            cluster.alias
        );
        Failure::new(message).hint("--kubeconfig FILE names one that has a context for it")
    })
}

/// The files that kubectl would read.
pub(crate) fn files(env: &Env) -> Vec<PathBuf> {
    match (env.get(&env_vars::KUBECONFIG), env.get(&env_vars::HOME)) {
        (Some(list), _) => std::env::split_paths(list)
            .filter(|path| !path.as_os_str().is_empty())
            .collect(),
        (None, Some(home)) => vec![PathBuf::from(home).join(".kube").join("config")],
        (None, None) => Vec::new(),
    }
}
