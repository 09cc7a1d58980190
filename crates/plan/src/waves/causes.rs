//! Equal problems of many clusters as one.

use std::collections::BTreeMap;

use model::Cluster;
use serde::{Deserialize, Serialize};

/// Something that went wrong in a cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Trouble {
    /// What it is about: a step such as `manifests/kube-proxy`; empty for the whole.
    pub about: String,
    /// The sentence.
    pub says: String,
}

/// A problem that clusters have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommonCause {
    /// What it is about.
    pub about: String,
    /// The sentence, as the first of the clusters has it.
    pub says: String,
    /// Aliases of the clusters.
    pub clusters: Vec<String>,
}

/// Folds equal problems; the one that most clusters have comes first. Problems are equal when they differ only in names of the
/// cluster itself and in numbers.
#[must_use]
pub fn fold_causes<'a>(troubles: impl IntoIterator<Item = (&'a Cluster, &'a [Trouble])>) -> Vec<CommonCause> {
    let mut folded: BTreeMap<(String, String), CommonCause> = BTreeMap::new();
    for (cluster, troubles) in troubles {
        for trouble in troubles {
            let key = (essence(cluster, &trouble.about), essence(cluster, &trouble.says));
            let cause = folded.entry(key).or_insert_with(|| CommonCause {
                about: trouble.about.clone(),
                says: trouble.says.clone(),
                clusters: Vec::new(),
            });
            let alias = cluster.alias.to_string();
            if !cause.clusters.contains(&alias) {
                cause.clusters.push(alias);
            }
        }
    }
    let mut causes: Vec<CommonCause> = folded.into_values().collect();
    causes.sort_by(|a, b| {
        b.clusters
            .len()
            .cmp(&a.clusters.len())
            .then_with(|| a.about.cmp(&b.about))
    });
    causes
}

/// A sentence without what is only this cluster's: its names, and numbers, which are often ports, ids and counts.
fn essence(cluster: &Cluster, text: &str) -> String {
    let mut text = text.to_owned();
    // Long names first: the id contains the account and the local id.
    for name in [
        cluster.id.as_str(),
        cluster.api_server_url.as_str(),
        cluster.infrastructure_account.as_str(),
        cluster.alias.as_str(),
        cluster.local_id.as_str(),
    ] {
        if name.len() > 2 {
            text = text.replace(name, "<cluster>");
        }
    }
    let mut essence = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_ascii_digit() {
            false => essence.push(c),
            true if essence.ends_with('#') => {}
            true => essence.push('#'),
        }
    }
    essence
}
