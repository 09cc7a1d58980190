//! The plan of an apply: which object in which phase, and what it waits for. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::component::Component;
use super::references::references;
use crate::discovery::Kinds;
use crate::resource::{GroupKind, ObjectKey, map_mut, meta, split_api_version, text_at};

/// When a step is taken. Phases follow each other; within a component the levels do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Namespaces, before everything.
    Namespaces,
    /// CustomResourceDefinitions, which have to be established before anything else goes on.
    Definitions,
    /// The components, by their place in the order.
    Component(usize),
}

/// Why a step waits for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The other is its namespace.
    Namespace,
    /// The other defines its kind.
    Definition,
    /// It names the other in this field.
    Reference(&'static str),
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace => f.write_str("it is its namespace"),
            Self::Definition => f.write_str("it defines its kind"),
            Self::Reference(field) => write!(f, "{field} names it"),
        }
    }
}

/// A step that has to succeed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// Its place in [`ApplyPlan::steps`]; always an earlier one.
    pub step: usize,
    /// Why.
    pub rule: Rule,
}

/// One object to apply.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The component that the object comes from.
    pub component: String,
    /// The object's key, with its namespace filled in.
    pub key: ObjectKey,
    /// Its `apiVersion`.
    pub api_version: String,
    /// When.
    pub phase: Phase,
    /// Its turn within the phase: after all steps of lower levels.
    pub level: usize,
    /// What it waits for, in order.
    pub needs: Vec<Need>,
    /// The object as it is sent.
    pub object: Arc<Value>,
    /// SHA-256 of it, in hex: equal as long as git wants the same.
    pub hash: String,
}

/// An oddity that does not stop the apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanWarning {
    /// Two manifests define the object; the later one counts.
    Duplicate {
        /// The object.
        key: ObjectKey,
        /// The component whose version is dropped.
        dropped: String,
        /// The component whose version counts.
        kept: String,
    },
    /// An object of the cluster carries a namespace, which is dropped.
    NamespaceDropped {
        /// The object.
        key: ObjectKey,
    },
}

/// Why no plan can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// An object lacks what every object has.
    #[error("component {component}: object {place}: {rule}")]
    NoObject {
        /// The component.
        component: String,
        /// Place in the component, counted from 1.
        place: usize,
        /// What is missing.
        rule: &'static str,
    },
}

/// Ordered steps. Prints itself, one line a step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ApplyPlan {
    /// The steps in order.
    pub steps: Vec<Step>,
    /// Oddities.
    pub warnings: Vec<PlanWarning>,
}

impl ApplyPlan {
    /// The keys of all objects.
    #[must_use]
    pub fn keys(&self) -> BTreeSet<&ObjectKey> {
        self.steps.iter().map(|step| &step.key).collect()
    }

    /// The kinds of all objects.
    #[must_use]
    pub fn kinds(&self) -> BTreeSet<GroupKind> {
        self.steps.iter().map(|step| step.key.kind.clone()).collect()
    }

    /// The namespaces that objects are in.
    #[must_use]
    pub fn namespaces(&self) -> BTreeSet<String> {
        let namespaces = self.steps.iter().map(|step| &step.key.namespace);
        namespaces.filter(|name| !name.is_empty()).cloned().collect()
    }
}

impl fmt::Display for ApplyPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            match step.phase {
                Phase::Namespaces => f.write_str("namespaces")?,
                Phase::Definitions => f.write_str("definitions")?,
                Phase::Component(_) => write!(f, "{}/{}", step.component, step.level)?,
            }
            write!(f, ": {}", step.key)?;
            for need in &step.needs {
                if let Some(other) = self.steps.get(need.step) {
                    write!(f, "; after {} ({})", other.key, need.rule)?;
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// What the plan adds to objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Additions {
    /// The namespace of objects that name none; the original records `default`.
    pub default_namespace: String,
    /// Labels of every object: the membership of its set.
    pub labels: BTreeMap<String, String>,
}

impl Default for Additions {
    fn default() -> Self {
        Self {
            default_namespace: "default".to_owned(),
            labels: BTreeMap::new(),
        }
    }
}

pub(crate) const DEFINITION: (&str, &str) = ("apiextensions.k8s.io", "CustomResourceDefinition");

/// Orders the objects of all components.
///
/// Namespaces go first and definitions second, from whichever component they come. Everything else follows in the order of
/// the components. Within a component an object goes after those that it needs; besides that the order of the manifests holds.
/// An object needs its namespace, the definition of its kind, and what it names ([`Rule`]), as far as these are in the plan
/// and stand before it.
///
/// # Errors
/// If an object has no `apiVersion`, `kind` or name, or is a list.
pub fn plan(components: &[Component], kinds: &Kinds, additions: &Additions) -> Result<ApplyPlan, PlanError> {
    let scopes = scopes(components, kinds);
    let mut warnings = Vec::new();
    let mut steps: Vec<Step> = Vec::new();
    let mut places: BTreeMap<ObjectKey, usize> = BTreeMap::new();
    for (number, component) in components.iter().enumerate() {
        for (place, object) in component.objects.iter().enumerate() {
            let step = step(component, number, place, object, &scopes, additions, &mut warnings)?;
            if let Some(earlier) = places.insert(step.key.clone(), steps.len())
                && let Some(earlier) = steps.get_mut(earlier)
            {
                warnings.push(PlanWarning::Duplicate {
                    key: step.key.clone(),
                    dropped: std::mem::take(&mut earlier.component),
                    kept: step.component.clone(),
                });
                // Marked as dropped; removed below, when no place is needed any more.
                earlier.hash.clear();
            }
            steps.push(step);
        }
    }
    steps.retain(|step| !step.hash.is_empty());
    steps.sort_by_key(|step| step.phase);
    link(&mut steps);
    // Stable: within a level the order of the manifests stays. Needs point to places, so they move along.
    let mut order: Vec<usize> = (0..steps.len()).collect();
    order.sort_by_key(|place| steps.get(*place).map(|step| (step.phase, step.level)));
    let mut moved = vec![0; order.len()];
    for (new, old) in order.iter().enumerate() {
        if let Some(slot) = moved.get_mut(*old) {
            *slot = new;
        }
    }
    let mut slots: Vec<Option<Step>> = steps.into_iter().map(Some).collect();
    let mut sorted: Vec<Step> = order.iter().filter_map(|old| slots.get_mut(*old)?.take()).collect();
    for step in &mut sorted {
        for need in &mut step.needs {
            need.step = moved.get(need.step).copied().unwrap_or(need.step);
        }
    }
    Ok(ApplyPlan {
        steps: sorted,
        warnings,
    })
}

/// Whether kinds live in namespaces: what the definitions of the plan say goes before what the cluster serves now.
fn scopes(components: &[Component], kinds: &Kinds) -> BTreeMap<GroupKind, bool> {
    let mut scopes: BTreeMap<GroupKind, bool> = BTreeMap::new();
    for kind in kinds.all() {
        scopes.entry(kind.id.clone()).or_insert(kind.namespaced);
    }
    for object in components.iter().flat_map(|component| &component.objects) {
        if let Some((defined, namespaced)) = defines(object) {
            scopes.insert(defined, namespaced);
        }
    }
    scopes
}

/// The kind that a CustomResourceDefinition defines, and whether it lives in namespaces.
pub(crate) fn defines(object: &Value) -> Option<(GroupKind, bool)> {
    let (group, _) = split_api_version(text_at(object, &["apiVersion"]));
    if (group, text_at(object, &["kind"])) != DEFINITION {
        return None;
    }
    let kind = GroupKind::new(
        text_at(object, &["spec", "group"]),
        text_at(object, &["spec", "names", "kind"]),
    );
    Some((kind, text_at(object, &["spec", "scope"]) == "Namespaced"))
}

fn step(
    component: &Component,
    number: usize,
    place: usize,
    object: &Arc<Value>,
    scopes: &BTreeMap<GroupKind, bool>,
    additions: &Additions,
    warnings: &mut Vec<PlanWarning>,
) -> Result<Step, PlanError> {
    let wrong = |rule| PlanError::NoObject {
        component: component.name.clone(),
        place: place + 1,
        rule,
    };
    let api_version = text_at(object, &["apiVersion"]);
    let (group, _) = split_api_version(api_version);
    let kind = GroupKind::new(group, text_at(object, &["kind"]));
    let name = meta(object, "name");
    if api_version.is_empty() || kind.kind.is_empty() {
        return Err(wrong("has no apiVersion or no kind"));
    }
    if name.is_empty() {
        return Err(wrong(
            "has no metadata.name (lists and generated names cannot be applied)",
        ));
    }
    let written = meta(object, "namespace");
    let namespace = match scopes.get(&kind) {
        Some(false) => "",
        Some(true) if written.is_empty() => additions.default_namespace.as_str(),
        Some(true) | None => written,
    };
    let key = ObjectKey::new(kind, namespace, name);
    if namespace.is_empty() && !written.is_empty() {
        warnings.push(PlanWarning::NamespaceDropped { key: key.clone() });
    }
    let mut sent = Value::clone(object);
    prepare(&mut sent, namespace, &additions.labels);
    let phase = match (key.kind.group.as_str(), key.kind.kind.as_str()) {
        ("", "Namespace") => Phase::Namespaces,
        one if one == DEFINITION => Phase::Definitions,
        _ => Phase::Component(number),
    };
    Ok(Step {
        component: component.name.clone(),
        api_version: api_version.to_owned(),
        hash: digest(sent.to_string().as_bytes()),
        key,
        phase,
        level: 0,
        needs: Vec::new(),
        object: Arc::new(sent),
    })
}

/// Puts namespace and labels in, and takes out what only a server may write and what an apply must not carry.
fn prepare(object: &mut Value, namespace: &str, labels: &BTreeMap<String, String>) {
    if let Some(metadata) = map_mut(object, &["metadata"]) {
        for field in [
            "managedFields",
            "resourceVersion",
            "uid",
            "creationTimestamp",
            "generation",
            "selfLink",
        ] {
            metadata.remove(field);
        }
        if namespace.is_empty() {
            metadata.remove("namespace");
        } else {
            metadata.insert("namespace".to_owned(), namespace.into());
        }
    }
    if !labels.is_empty()
        && let Some(map) = map_mut(object, &["metadata", "labels"])
    {
        map.extend(labels.iter().map(|(key, value)| (key.clone(), value.as_str().into())));
    }
    // Status belongs to controllers; some generators of manifests leave an empty one behind.
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
    }
}

/// Finds what each step needs, and its level from that.
fn link(steps: &mut [Step]) {
    let mut by_key: BTreeMap<ObjectKey, usize> = BTreeMap::new();
    let mut definitions: BTreeMap<GroupKind, usize> = BTreeMap::new();
    for place in 0..steps.len() {
        let Some(step) = steps.get(place) else { continue };
        let mut needs = BTreeMap::new();
        let mut need = |found: Option<&usize>, rule| {
            if let Some(found) = found {
                needs.entry(*found).or_insert(rule);
            }
        };
        if !step.key.namespace.is_empty() {
            let namespace = ObjectKey::new(GroupKind::new("", "Namespace"), "", &step.key.namespace);
            need(by_key.get(&namespace), Rule::Namespace);
        }
        need(definitions.get(&step.key.kind), Rule::Definition);
        for (field, key) in references(&step.key, &step.object) {
            need(by_key.get(&key), Rule::Reference(field));
        }
        let level = needs.keys().filter_map(|need| steps.get(*need));
        let level = level
            .filter(|need| need.phase == step.phase)
            .map(|need| need.level + 1)
            .max()
            .unwrap_or(0);
        by_key.insert(step.key.clone(), place);
        if let Some((defined, _)) = defines(&step.object) {
            definitions.insert(defined, place);
        }
        if let Some(step) = steps.get_mut(place) {
            step.level = level;
            step.needs = needs.into_iter().map(|(step, rule)| Need { step, rule }).collect();
        }
    }
}

/// SHA-256 in hex.
pub(crate) fn digest(bytes: &[u8]) -> String {
    use fmt::Write;
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut out, byte| {
            // Writing to a String cannot fail.
            let _ = write!(out, "{byte:02x}");
            out
        })
}

#[cfg(test)]
mod tests;
