//! Stacks of a cluster, apart from those of its node pools.

use std::collections::{BTreeMap, BTreeSet};

use render::{DesiredCluster, Stack};
use serde_json::Value;

use crate::change::{LineEdit, StackChange, StackKind, Verb};
use crate::objects::Hide;

/// Stacks with their kinds and output paths, in the order of their update.
fn stacks(side: &DesiredCluster) -> Vec<(StackKind, &Stack)> {
    let etcd = side.etcd.as_ref().and_then(|etcd| etcd.stack.as_ref());
    let main = side.main_stack.iter().map(|stack| (StackKind::Main, stack));
    let extra = side.extra_stacks.iter().map(|stack| (StackKind::Extra, stack));
    etcd.into_iter()
        .map(|stack| (StackKind::Etcd, stack))
        .chain(main)
        .chain(extra)
        .collect()
}

/// Main and etcd stacks are the same stack whatever they are called; extra stacks go by name.
fn key(kind: &StackKind, stack: &Stack) -> (StackKind, String) {
    let name = match kind {
        StackKind::Extra => stack.name.clone(),
        StackKind::Main | StackKind::Etcd => String::new(),
    };
    (kind.clone(), name)
}

/// What happens to each stack. `lines` gives the edit of two texts.
pub(crate) fn stack_changes(before: &DesiredCluster, after: &DesiredCluster, hide: &Hide<'_>) -> Vec<StackChange> {
    let (old, new) = (stacks(before), stacks(after));
    let known: BTreeMap<_, _> = old.iter().map(|(kind, stack)| (key(kind, stack), *stack)).collect();
    let wanted: BTreeSet<_> = new.iter().map(|(kind, stack)| key(kind, stack)).collect();
    let change = |kind: &StackKind, stack: &Stack, verb, old: &str, new: &str| StackChange {
        name: stack.name.clone(),
        kind: kind.clone(),
        verb,
        resources: changed_resources(old, new),
        lines: line_edits(old, new, hide),
    };
    let mut changes = Vec::new();
    for (kind, stack) in &new {
        match known.get(&key(kind, stack)) {
            None => changes.push(change(kind, stack, Verb::Create, "", "")),
            Some(old) if old.text != stack.text => {
                changes.push(change(kind, stack, Verb::Update, &old.text, &stack.text));
            }
            Some(_) => {}
        }
    }
    for (kind, stack) in old.iter().filter(|(kind, stack)| !wanted.contains(&key(kind, stack))) {
        changes.push(change(kind, stack, Verb::Delete, "", ""));
    }
    changes
}

/// The lines that go and come between two texts, masked.
pub(crate) fn line_edits(old: &str, new: &str, hide: &Hide<'_>) -> Vec<LineEdit> {
    if old == new {
        return Vec::new();
    }
    let edits = render::edited_lines(old, new).into_iter();
    edits.map(|(sign, line)| LineEdit(sign, hide(&line))).collect()
}

/// A template as a tree. Functions in their short form lose their tags, which comparing does not need.
pub(crate) fn template(text: &str) -> Option<Value> {
    let document = yaml::load_value(text, &yaml::Options::manifests()).ok()?;
    document.value.get("Resources")?.is_object().then_some(document.value)
}

/// `Type name` of each resource that differs, in order of names; empty when a text is no template.
fn changed_resources(old: &str, new: &str) -> Vec<String> {
    let (Some(old), Some(new)) = (template(old), template(new)) else {
        return Vec::new();
    };
    let resources = |template: &Value| {
        template
            .get("Resources")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default()
    };
    let (old, new) = (resources(&old), resources(&new));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let differing = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
    differing
        .map(|name| {
            let sign = match (old.contains_key(name), new.contains_key(name)) {
                (false, _) => "+",
                (_, false) => "-",
                _ => "~",
            };
            let resource = new.get(name).or(old.get(name));
            let kind = resource
                .and_then(|r| r.get("Type"))
                .and_then(Value::as_str)
                .unwrap_or("?");
            format!("{sign} {kind} {name}")
        })
        .collect()
}
