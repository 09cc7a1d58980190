//! Pictures of clusters: the objects of a dump in a file or directory, or a look at the cluster through a kubeconfig.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use disruption::ClusterObjects;
use jiff::Timestamp;
use kube_access::{Access, Context, Depth, GroupKind, Selection};
use model::Cluster;
use plan::Picture;
use ports::{Clock as _, SystemClock, SystemIds};
use serde_json::Value;

use crate::documents::read_text;
use crate::failure::Failure;
use crate::fleet::Fleet;

/// Kinds that the disruption contract looks at; who cannot read them cannot forecast.
const CONTRACT: [(&str, &str); 7] = [
    ("", "Node"),
    ("", "Pod"),
    ("policy", "PodDisruptionBudget"),
    ("", "PersistentVolume"),
    ("", "PersistentVolumeClaim"),
    ("apps", "StatefulSet"),
    ("batch", "Job"),
];
/// What a living copy of a cluster needs beside them.
const WORKLOADS: [(&str, &str); 9] = [
    ("", "Namespace"),
    ("", "Service"),
    ("", "ServiceAccount"),
    ("apps", "Deployment"),
    ("apps", "ReplicaSet"),
    ("apps", "DaemonSet"),
    ("batch", "CronJob"),
    ("storage.k8s.io", "StorageClass"),
    ("scheduling.k8s.io", "PriorityClass"),
];
/// Endings of files that hold objects.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// The objects of one cluster.
#[derive(Debug, Clone)]
pub(crate) struct Dump {
    /// Where they come from, in words.
    pub(crate) source: String,
    /// When they were looked at; the newest instant in them for files, which carry no date.
    pub(crate) at: Timestamp,
    /// Each with its place, for errors.
    pub(crate) objects: Vec<(String, Value)>,
}

/// How much is asked of a living cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What the disruption contract looks at.
    Contract,
    /// Everything that makes the workloads live.
    Workloads,
}

impl Dump {
    /// The cluster as the disruption contract sees it.
    pub(crate) fn picture(&self) -> Result<Picture, Failure> {
        let mut objects = ClusterObjects::default();
        for (place, object) in &self.objects {
            objects
                .take(object)
                .map_err(|error| Failure::of(&error).while_doing(place))?;
        }
        Ok(Picture {
            view: objects.into_view(),
            at: self.at,
            source: self.source.clone(),
        })
    }
}

/// Dumps by the alias of their cluster.
pub(crate) type Dumps = BTreeMap<String, Dump>;

/// Reads dumps as the user named them: `CLUSTER=PATH`, a directory with files or directories named after clusters, or, for
/// a single cluster, its file.
pub(crate) fn read(paths: &[String], fleet: &Fleet) -> Result<Dumps, Failure> {
    let mut dumps = Dumps::new();
    for text in paths {
        let named = text
            .split_once('=')
            .and_then(|(name, path)| Some((find(fleet, name)?, path)));
        match named {
            Some((cluster, path)) => add(&mut dumps, cluster, &[PathBuf::from(path)])?,
            None => read_path(&mut dumps, Path::new(text), fleet)?,
        }
    }
    Ok(dumps)
}

fn read_path(dumps: &mut Dumps, path: &Path, fleet: &Fleet) -> Result<(), Failure> {
    if !path.is_dir() {
        return match fleet.subjects.as_slice() {
            [one] => add(dumps, &one.cluster, &[path.to_owned()]),
            _ => Err(Failure::new(format!(
                "{}: which cluster is this? Several are selected",
                path.display()
            ))
            .hint(format!(
                "say CLUSTER={}, or name a directory with a file for each cluster",
                path.display()
            ))),
        };
    }
    let mut found = 0;
    for subject in &fleet.subjects {
        let cluster = &subject.cluster;
        let files = candidates(path, cluster);
        if !files.is_empty() {
            add(dumps, cluster, &files)?;
            found += 1;
        }
    }
    if found == 0 {
        let why = "has no file and no directory named after a selected cluster";
        return Err(Failure::new(format!("{}: {why}", path.display()))
            .hint("names are ALIAS.yaml, ALIAS.json or ALIAS/ with such files in it"));
    }
    Ok(())
}

/// The files of a cluster in a directory, in their order.
fn candidates(directory: &Path, cluster: &Cluster) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for name in [cluster.alias.as_str().to_owned(), cluster.id.as_str().replace(':', "-")] {
        for ending in ENDINGS {
            let file = directory.join(format!("{name}.{ending}"));
            if file.is_file() {
                files.push(file);
            }
        }
        let Ok(inside) = std::fs::read_dir(directory.join(&name)) else {
            continue;
        };
        let of_ending = |path: &PathBuf| {
            let ending = path.extension().and_then(std::ffi::OsStr::to_str);
            ending.is_some_and(|ending| ENDINGS.contains(&ending))
        };
        files.extend(inside.filter_map(|entry| Some(entry.ok()?.path())).filter(of_ending));
    }
    files.sort();
    files
}

fn add(dumps: &mut Dumps, cluster: &Cluster, files: &[PathBuf]) -> Result<(), Failure> {
    let mut objects = Vec::new();
    let mut sources = Vec::new();
    for file in files {
        let (name, text) = read_text(file)?;
        objects.extend(objects_of(&name, &text)?);
        sources.push(name);
    }
    let source = sources.join(", ");
    let newest = objects
        .iter()
        .filter_map(|(_, object)| disruption::newest_instant(object))
        .max();
    let at = newest.ok_or_else(|| Failure::new(format!("{source}: holds no object with a time in it")))?;
    if !objects.iter().any(|(_, object)| kind(object) == "Node") {
        return Err(Failure::new(format!("{source}: holds no Node")).hint(
            "kubectl get nodes,pods,pdb,pv,pvc,deployments,replicasets,statefulsets,daemonsets,jobs -A -o yaml",
        ));
    }
    dumps.insert(cluster.alias.to_string(), Dump { source, at, objects });
    Ok(())
}

fn kind(object: &Value) -> &str {
    object.get("kind").and_then(Value::as_str).unwrap_or_default()
}

/// The objects of a text: YAML documents or JSON, lists taken apart. No error repeats a value.
fn objects_of(name: &str, text: &str) -> Result<Vec<(String, Value)>, Failure> {
    let broken = |error: &dyn std::fmt::Display| Failure::new(format!("{name}: {error}"));
    let documents: Vec<(String, Value)> = if text.trim_start().starts_with('{') {
        let value = serde_json::from_str(text)
            .map_err(|error| broken(&format!("line {}, column {}: not JSON", error.line(), error.column())))?;
        vec![(name.to_owned(), value)]
    } else {
        let documents = yaml::load_documents(text, &yaml::Options::manifests()).map_err(|error| broken(&error))?;
        let placed = |document: yaml::Document| (format!("{name}, line {}", document.line), document.value);
        documents.into_iter().map(placed).collect()
    };
    let mut objects = Vec::new();
    for (place, document) in documents {
        let list = kind(&document)
            .ends_with("List")
            .then(|| document.get("items"))
            .flatten();
        match list.and_then(Value::as_array) {
            Some(items) => {
                let of = kind(&document).trim_end_matches("List").to_owned();
                for (number, item) in items.iter().enumerate() {
                    let mut item = item.clone();
                    // Items of a typed list do not say what they are.
                    if kind(&item).is_empty() && !of.is_empty() {
                        item["kind"] = of.clone().into();
                    }
                    objects.push((format!("{place}, items[{number}]"), item));
                }
            }
            None if kind(&document).is_empty() => {
                return Err(Failure::new(format!(
                    "{place}: kind is missing: not an object of a cluster"
                )));
            }
            None => objects.push((place, document)),
        }
    }
    Ok(objects)
}

/// Looks at every selected cluster through a kubeconfig. The context of a cluster has its alias or id for a name; for a
/// single cluster the current context will do.
pub(crate) async fn look(kubeconfig: &Path, fleet: &Fleet, extent: Extent) -> Result<Dumps, Failure> {
    let mut dumps = Dumps::new();
    for subject in &fleet.subjects {
        let cluster = &subject.cluster;
        let dump = look_at(kubeconfig, cluster, fleet.subjects.len() == 1, extent).await;
        dumps.insert(
            cluster.alias.to_string(),
            dump.map_err(|failure| failure.while_doing(format!("cluster {}", cluster.alias)))?,
        );
    }
    Ok(dumps)
}

async fn look_at(kubeconfig: &Path, cluster: &Cluster, alone: bool, extent: Extent) -> Result<Dump, Failure> {
    let name = kubeconfig.display();
    let (mut access, mut source) = (None, String::new());
    for context in [Some(cluster.alias.as_str()), Some(cluster.id.as_str()), None] {
        if context.is_none() && !alone {
            break;
        }
        let means = Context::new(cluster.alias.as_str(), Arc::new(SystemClock), Arc::new(SystemIds));
        match Access::from_kubeconfig(means, kubeconfig, context).await {
            Ok(found) => {
                access = Some(found);
                source = format!("context {} of {name}", context.unwrap_or("in force"));
                break;
            }
            Err(error) if context.is_none() => return Err(Failure::of(&error)),
            Err(_) => {}
        }
    }
    let access = access.ok_or_else(|| {
        Failure::new(format!("{name} has no context {:?}", cluster.alias.as_str()))
            .hint("contexts are found by alias or id; \"--cluster NAME\" alone takes the current one")
    })?;
    let kinds = access.kinds().await.map_err(|error| Failure::of(&error))?;
    let workloads: &[(&str, &str)] = match extent {
        Extent::Contract => &[],
        Extent::Workloads => &WORKLOADS,
    };
    let mut objects = Vec::new();
    for (group, of) in CONTRACT.iter().chain(workloads) {
        let Some(kind) = kinds.preferred(&GroupKind::new(group, of)) else {
            return Err(Failure::new(format!("the cluster does not serve {of}")));
        };
        let list = access
            .list(kind, &Selection::default(), Depth::Full)
            .await
            .map_err(|error| Failure::of(&error))?;
        for (number, mut object) in list.into_iter().enumerate() {
            object["kind"] = (*of).into();
            object["apiVersion"] = kind.api_version().into();
            objects.push((format!("{source}, {of} {number}"), object));
        }
    }
    Ok(Dump {
        source,
        at: SystemClock.now(),
        objects,
    })
}

fn find<'f>(fleet: &'f Fleet, name: &str) -> Option<&'f Cluster> {
    let clusters = fleet.subjects.iter().map(|subject| &*subject.cluster);
    clusters
        .into_iter()
        .find(|cluster| cluster.alias.as_str() == name || cluster.id.as_str() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Result<Vec<String>, String> {
        let told = |failure| match failure {
            Failure::Said { message, .. } => message,
            other => format!("{other:?}"),
        };
        let objects = objects_of("f", text).map_err(told)?;
        Ok(objects
            .into_iter()
            .map(|(place, object)| format!("{place}: {}", kind(&object)))
            .collect())
    }

    #[test]
    fn lists_are_taken_apart_and_every_object_has_a_place() {
        let check = |text: &str, expected: &[&str]| assert_eq!(places(text).unwrap(), expected, "{text}");
        check("kind: Node\n---\nkind: Pod\n", &["f, line 1: Node", "f, line 3: Pod"]);
        check(
            "kind: List\nitems:\n- kind: Pod\n- kind: Node\n",
            &["f, line 1, items[0]: Pod", "f, line 1, items[1]: Node"],
        );
        check(r#"{"kind": "PodList", "items": [{}]}"#, &["f, items[0]: Pod"]);
        check(r#"{"kind": "Node"}"#, &["f: Node"]);
    }

    #[test]
    fn what_is_no_dump_is_refused_with_its_place_and_without_its_values() {
        for (text, expected) in [
            ("{\"kind\": \"Node\",\n secret-value", "f: line 2, column 2: not JSON"),
            (
                "name: secret-value\n",
                "f, line 1: kind is missing: not an object of a cluster",
            ),
        ] {
            assert_eq!(places(text).unwrap_err(), expected);
        }
    }
}
