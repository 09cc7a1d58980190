//! Node pools: whose nodes are replaced, and why.

use std::collections::{BTreeMap, BTreeSet};

use render::{Content, DesiredCluster, DesiredPool, ObjectId, PoolDefinition, RemoteFile};
use serde_json::Value;

use crate::change::{NodeCount, PoolChange, Subject, Verb, Why};
use crate::stacks::template;

/// What happens to each pool: those that stay or come in the registry's order, then those that go.
pub(crate) fn pool_changes(subject: &Subject, before: &DesiredCluster, after: &DesiredCluster) -> Vec<PoolChange> {
    let known: BTreeMap<&str, &DesiredPool> = before.pools.iter().map(|pool| (pool.name.as_str(), pool)).collect();
    let wanted: BTreeSet<&str> = after.pools.iter().map(|pool| pool.name.as_str()).collect();
    let change = |pool: &DesiredPool, verb, why| PoolChange {
        pool: pool.name.clone(),
        profile: pool.profile.clone(),
        verb,
        why,
        nodes: subject.nodes.get(&pool.name).copied().unwrap_or_default(),
    };
    let mut changes = Vec::new();
    for pool in &after.pools {
        match known.get(pool.name.as_str()) {
            None => changes.push(change(pool, Verb::Create, vec![Why::New])),
            Some(old) => {
                let why = reasons(old, pool);
                if !why.is_empty() {
                    let in_place = why.iter().all(|why| matches!(why, Why::InPlace(_)));
                    changes.push(change(pool, if in_place { Verb::Update } else { Verb::Replace }, why));
                }
            }
        }
    }
    let gone = before.pools.iter().filter(|pool| !wanted.contains(pool.name.as_str()));
    changes.extend(gone.map(|pool| change(pool, Verb::Delete, vec![Why::Gone])));
    changes
}

impl PoolChange {
    /// Nodes that have to be drained.
    #[must_use]
    pub fn drained(&self) -> Option<NodeCount> {
        matches!(self.verb, Verb::Replace | Verb::Delete).then_some(self.nodes)
    }
}

/// Every reason for a change, those that replace nodes first. User data and files are part of the launch template or of the
/// node class, so a change of theirs replaces the nodes whatever the definition says of itself (facts 4.1, 4.6).
fn reasons(old: &DesiredPool, new: &DesiredPool) -> Vec<Why> {
    let mut why = Vec::new();
    if old.hash == new.hash {
        return why;
    }
    if old.user_data != new.user_data {
        let text = |data: &Option<std::sync::Arc<str>>| data.as_deref().unwrap_or_default().to_owned();
        let lines = render::edited_lines(&text(&old.user_data), &text(&new.user_data)).len();
        why.push(Why::UserData(lines));
    }
    let files = changed_files(&old.files, &new.files);
    if !files.is_empty() {
        why.push(Why::Files(files));
    }
    match (&old.definition, &new.definition) {
        (Some(PoolDefinition::Stack(old)), Some(PoolDefinition::Stack(new))) if old.text == new.text => {}
        (Some(PoolDefinition::Stack(old)), Some(PoolDefinition::Stack(new))) => {
            why.extend(stack_reasons(&old.text, &new.text));
        }
        (Some(PoolDefinition::Provisioners(old)), Some(PoolDefinition::Provisioners(new))) => {
            why.extend(provisioner_reasons(old, new));
        }
        (old, new) if old != new => why.push(Why::Unreadable),
        _ => {}
    }
    why
}

/// Paths of files whose content, mode or encryption differs.
fn changed_files(old: &[RemoteFile], new: &[RemoteFile]) -> Vec<String> {
    let by_path = |files: &'_ [RemoteFile]| -> BTreeMap<String, RemoteFile> {
        files.iter().map(|file| (file.path.clone(), file.clone())).collect()
    };
    let (old, new) = (by_path(old), by_path(new));
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    paths
        .into_iter()
        .filter(|path| old.get(*path) != new.get(*path))
        .cloned()
        .collect()
}

/// A group's nodes are outdated when its launch template gets a new version or its choice of instances changes; sizes, tags
/// and hooks of the group change in place (facts 4.1).
fn stack_reasons(old: &str, new: &str) -> Vec<Why> {
    let (Some(old), Some(new)) = (template(old), template(new)) else {
        return vec![Why::Unreadable];
    };
    let mut launch = BTreeSet::new();
    let mut instances = BTreeSet::new();
    let mut in_place = BTreeSet::new();
    for change in yaml::diff(&old, &new) {
        let path = change.path.to_string();
        let Some(rest) = path.strip_prefix("Resources.") else {
            // Images come from mappings; parameters and conditions may lead anywhere.
            match path.split('.').next().unwrap_or_default() {
                "Mappings" | "Parameters" | "Conditions" => launch.insert(path),
                _ => in_place.insert(path),
            };
            continue;
        };
        let (name, property) = rest.split_once('.').unwrap_or((rest, ""));
        match kind_of(&old, &new, name) {
            "AWS::EC2::LaunchTemplate" => {
                let property = property.strip_prefix("Properties.").unwrap_or(property);
                let property = property.strip_prefix("LaunchTemplateData.").unwrap_or(property);
                launch.insert(if property.is_empty() {
                    name.to_owned()
                } else {
                    property.to_owned()
                })
            }
            "AWS::AutoScaling::AutoScalingGroup" if chooses_instances(property) => instances.insert(path.clone()),
            _ => in_place.insert(rest.to_owned()),
        };
    }
    let mut why = Vec::new();
    if !launch.is_empty() {
        why.push(Why::LaunchTemplate(launch.into_iter().collect()));
    }
    if !instances.is_empty() {
        why.push(Why::Instances(instances.into_iter().collect::<Vec<_>>().join(", ")));
    }
    if !in_place.is_empty() {
        why.push(Why::InPlace(in_place.into_iter().collect()));
    }
    why
}

fn chooses_instances(property: &str) -> bool {
    property.starts_with("Properties.LaunchTemplate") || property.starts_with("Properties.MixedInstancesPolicy")
}

fn kind_of<'t>(old: &'t Value, new: &'t Value, name: &str) -> &'t str {
    let kind = |template: &'t Value| template.get("Resources")?.get(name)?.get("Type")?.as_str();
    kind(new).or_else(|| kind(old)).unwrap_or_default()
}

/// Karpenter's nodes drift with their class and with the template of their pool; limits, weight and disruption do not touch
/// running nodes (facts 4.7).
fn provisioner_reasons(old: &Content, new: &Content) -> Vec<Why> {
    let index = |content: &'_ Content| -> BTreeMap<ObjectId, Value> {
        let ids = content.objects.iter().map(ObjectId::of);
        ids.zip(content.values()).collect()
    };
    let (old, new) = (index(old), index(new));
    let ids: BTreeSet<&ObjectId> = old.keys().chain(new.keys()).collect();
    let (mut drift, mut in_place) = (BTreeSet::new(), BTreeSet::new());
    for id in ids {
        let (Some(before), Some(after)) = (old.get(id), new.get(id)) else {
            in_place.insert(id.to_string());
            continue;
        };
        for change in yaml::diff(before, after) {
            let path = change.path.to_string();
            let drifts = match id.kind.as_str() {
                "EC2NodeClass" | "AWSNodeTemplate" => path.starts_with("spec"),
                "NodePool" => path.starts_with("spec.template"),
                "Provisioner" => !path.starts_with("spec.limits") && path.starts_with("spec"),
                _ => false,
            };
            let place = format!("{} {path}", id.kind);
            if drifts {
                drift.insert(place)
            } else {
                in_place.insert(place)
            };
        }
    }
    let mut why = Vec::new();
    if !drift.is_empty() {
        why.push(Why::Provisioner(drift.into_iter().collect()));
    }
    if !in_place.is_empty() {
        why.push(Why::InPlace(in_place.into_iter().collect()));
    }
    why
}
