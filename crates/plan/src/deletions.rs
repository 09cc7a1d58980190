//! Entries that are new in the files of deletions. Old ones are carried out at every update and find nothing any more.

use model::{Deletion as Entry, DeletionTarget};
use render::DesiredCluster;

use crate::change::{Deletion, Phase};

/// Entries of `after` that `before` does not have, in the order in which they are carried out.
pub(crate) fn new_deletions(before: Option<&DesiredCluster>, after: &DesiredCluster) -> Vec<Deletion> {
    let none = Vec::new();
    let objects = |phase, entries: &[Entry], known: &[Entry]| -> Vec<Deletion> {
        let new = entries.iter().filter(|entry| !known.contains(entry));
        new.map(|entry| Deletion {
            phase,
            target: words(entry),
        })
        .collect()
    };
    let stacks = |phase, names: &[String], known: &[String]| -> Vec<Deletion> {
        let new = names.iter().filter(|name| !known.contains(name));
        new.map(|name| Deletion {
            phase,
            target: format!("stack {name}"),
        })
        .collect()
    };
    let known = before.map(|before| &before.deletions);
    let mut all = objects(
        Phase::Before,
        &after.deletions.pre_apply,
        known.map_or(&[][..], |known| &known.pre_apply),
    );
    all.extend(stacks(
        Phase::Before,
        &after.stack_deletions_pre,
        before.map_or(&none, |before| &before.stack_deletions_pre),
    ));
    all.extend(objects(
        Phase::After,
        &after.deletions.post_apply,
        known.map_or(&[][..], |known| &known.post_apply),
    ));
    all.extend(stacks(
        Phase::After,
        &after.stack_deletions_post,
        before.map_or(&none, |before| &before.stack_deletions_post),
    ));
    all
}

fn words(entry: &Entry) -> String {
    let place = entry
        .namespace
        .as_deref()
        .map(|namespace| format!("{namespace}/"))
        .unwrap_or_default();
    let target = match &entry.target {
        DeletionTarget::Name(name) => format!("{} {place}{name}", entry.kind),
        DeletionTarget::Selector(selector) => format!("every {} {place}* with {selector}", entry.kind),
        DeletionTarget::Labels(labels) => {
            let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("every {} {place}* with {}", entry.kind, labels.join(","))
        }
    };
    match entry.has_owner {
        Some(true) => format!("{target} that has an owner"),
        Some(false) => format!("{target} that has no owner"),
        None => target,
    }
}
