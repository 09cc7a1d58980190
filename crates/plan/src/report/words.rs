//! What the reports say alike.

use std::collections::BTreeSet;

use model::words::count;

use crate::change::{Change, FieldEdit, Phase, Verb};
use crate::fleet::{Counts, FleetPlan};
use crate::fold::Block;

/// `1 cluster (a)`, or `12 clusters (a, b, c, 9 more)`.
pub(super) fn clusters(names: &BTreeSet<String>, shown: usize) -> String {
    let plural = if names.len() == 1 { "" } else { "s" };
    let listed: Vec<&str> = names.iter().take(shown).map(String::as_str).collect();
    let more = names.len().saturating_sub(shown);
    let rest = if more > 0 {
        format!(", {more} more")
    } else {
        String::new()
    };
    format!("{} cluster{plural} ({}{rest})", names.len(), listed.join(", "))
}

/// The last line of a plan.
pub(super) fn total(counts: &Counts) -> String {
    let mut parts = vec![
        format!("{} to create", counts.create),
        format!("{} to change", counts.update),
        format!("{} to replace", counts.replace),
        format!("{} to delete", counts.delete),
    ];
    if counts.rolled_pools > 0 {
        let pools = count(counts.rolled_pools, "node pool");
        parts.push(format!("nodes of {pools} to drain ({})", counts.rolled_nodes));
    }
    format!(
        "Plan: {} in {} of {}.",
        parts.join(", "),
        counts.changed,
        count(counts.clusters, "cluster")
    )
}

/// The details of a change, a line each, with the indentation of their nesting in spaces.
pub(super) fn details(block: &Block, most: usize) -> Vec<(Option<Verb>, String)> {
    let plain = |text: String| (None, text);
    let mut lines: Vec<(Option<Verb>, String)> = Vec::new();
    match &block.change {
        Change::Pool(pool) => {
            lines.extend(pool.why.iter().map(|why| plain(why.to_string())));
            if let Some(drained) = block.drained {
                let basis = if drained.seen.is_some() {
                    "seen"
                } else {
                    "by the registry's bounds"
                };
                lines.push(plain(format!("{drained} to drain, {basis}")));
            }
        }
        Change::Stack(stack) => {
            lines.extend(stack.resources.iter().map(|resource| plain(resource.clone())));
            lines.extend(stack.lines.iter().map(|line| {
                let verb = if line.0 == '-' { Verb::Delete } else { Verb::Create };
                (Some(verb), line.1.clone())
            }));
        }
        Change::Deletion(deletion) => lines.push(plain(match deletion.phase {
            Phase::Before => "before the components are applied".to_owned(),
            Phase::After => "after the components are applied".to_owned(),
        })),
        Change::Object(object) => {
            match (object.verb, object.component.as_str()) {
                (Verb::Delete, "") => lines.push(plain("git holds it no more".to_owned())),
                (Verb::Delete, component) => lines.push(plain(format!("component {component} holds it no more"))),
                _ => {}
            }
            if let Some(field) = &object.immutable {
                lines.push(plain(format!("{field} cannot be changed in place")));
            }
            lines.extend(
                object
                    .fields
                    .iter()
                    .map(|field| (Some(field_verb(field)), field_words(field))),
            );
        }
    }
    if lines.len() > most {
        let more = lines.len() - most;
        lines.truncate(most);
        lines.push(plain(format!("({})", count(more, "more line"))));
    }
    lines
}

fn field_verb(field: &FieldEdit) -> Verb {
    match (&field.old, &field.new) {
        (None, Some(_)) => Verb::Create,
        (Some(_), None) => Verb::Delete,
        _ => Verb::Update,
    }
}

fn field_words(field: &FieldEdit) -> String {
    if field.reordered {
        return format!("{}: another order", field.path);
    }
    match (&field.old, &field.new) {
        (Some(old), Some(new)) if old == new => format!("{}: changed (hidden)", field.path),
        (Some(old), Some(new)) => format!("{}: {} -> {}", field.path, short(old), short(new)),
        (None, Some(value)) | (Some(value), None) => format!("{}: {}", field.path, short(value)),
        (None, None) => field.path.clone(),
    }
}

/// Longest value that is shown whole, in characters.
const LONGEST: usize = 120;

fn short(value: &serde_json::Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= LONGEST {
        return text;
    }
    let start: String = text.chars().take(LONGEST).collect();
    format!("{start}... ({} characters)", text.chars().count())
}

/// The deletions of a plan apart: how many objects each cluster would lose.
pub(super) fn pruned(plan: &FleetPlan) -> Vec<(String, usize)> {
    let clusters = plan.clusters.iter().map(|c| (c.alias.clone(), c.pruned()));
    clusters.filter(|(_, pruned)| *pruned > 0).collect()
}
