//! Nodes with their pods, drawn as in Kubernetes Operational View, with why each node that is to go is still there.

use std::collections::BTreeMap;

use jiff::Timestamp;
use maud::{Markup, html};
use model::words::count;
use rollout::{ClusterStatus, NodeStatus};

use crate::form::Ask;
use crate::table::{Cell, Table};
use crate::words::when;
use crate::workloads::{NodeView, PodState, PodView, Workloads};

/// Nodes drawn before one asks for all.
const DRAWN: usize = 120;
/// Restarts shown as ticks, at most (fact OV-2).
const TICKS: i64 = 4;
const GIB: i64 = 1 << 30;

/// The picture.
pub(crate) fn picture(seen: &Workloads, rollouts: Option<&ClusterStatus>, ask: &Ask, now: Timestamp) -> Markup {
    let going: BTreeMap<String, &NodeStatus> = rollouts
        .iter()
        .flat_map(|status| &status.pools)
        .flat_map(|pool| &pool.nodes)
        .map(|node| (node.node.to_string(), node))
        .collect();
    let all = ask.get("nodes") == "all";
    let drawn = if all { seen.nodes.len() } else { DRAWN };
    let mut pools: BTreeMap<&str, Vec<&NodeView>> = BTreeMap::new();
    for node in seen.nodes.iter().take(drawn) {
        pools.entry(&node.pool).or_default().push(node);
    }
    html! {
        p.legend {
            (count(seen.nodes.len(), "node")) ", " (count(seen.pods().count(), "pod"))
            @for state in [PodState::Ready, PodState::Unready, PodState::Pending, PodState::Broken, PodState::Succeeded, PodState::Leaving] {
                @let number = seen.pods().filter(|pod| pod.state == state).count();
                @if number > 0 { span.key { span class={ "pod " (state.word()) } {} (number) " " (state.word()) } }
            }
        }
        @for (pool, nodes) in &pools {
            h3 { (if pool.is_empty() { "without a pool" } else { pool }) }
            div.nodes { @for node in nodes { (draw(node, going.get(&node.name).copied(), now)) } }
        }
        @if seen.nodes.len() > drawn { p { a href=(ask.with("nodes", "all")) { "Draw all " (seen.nodes.len()) " nodes" } } }
        @if !seen.unassigned.is_empty() {
            h3 { "Pods without a node" }
            div.node.unassigned { (pods(&seen.unassigned)) }
        }
        @if seen.nodes.is_empty() && seen.unassigned.is_empty() { p.none { "No nodes." } }
    }
}

fn draw(node: &NodeView, going: Option<&NodeStatus>, now: Timestamp) -> Markup {
    let state = match going {
        Some(going) if going.draining.is_some() => "draining",
        Some(_) => "going",
        None if !node.ready => "unready",
        None if node.cordoned => "cordoned",
        None => "ready",
    };
    html! {
        div class={ "node " (state) } id={ "node-" (node.name) } {
            div.node-head {
                strong title=(node.name) { (node.name) }
                @if state != "ready" { span.node-state { (state) } }
            }
            div.node-facts {
                (node.instance_type) " · " (node.zone) @if let Some(at) = node.created { " · " (when(at, now)) }
            }
            (bar("CPU", node.cpu, node.cpu_requested(), |millis| format!("{:.1} cores", float(millis) / 1000.0)))
            (bar("memory", node.memory, node.memory_requested(), |bytes| format!("{:.1} GiB", float(bytes) / float(GIB))))
            (pods(&node.pods))
            @if let Some(going) = going { (why(going, now)) }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
fn float(number: i64) -> f64 {
    number as f64
}

/// Reserved, requested and free parts of what a node has (fact OV-1).
fn bar(name: &str, (capacity, allocatable): (i64, i64), requested: i64, say: fn(i64) -> String) -> Markup {
    let share = |part: i64| {
        if capacity > 0 {
            (part.max(0) * 100 / capacity).min(100)
        } else {
            0
        }
    };
    let reserved = share(capacity - allocatable);
    let used = share(requested).min(100 - reserved);
    let title = format!(
        "{name}: capacity {}, reserved {}, requested {}",
        say(capacity),
        say(capacity - allocatable),
        say(requested)
    );
    html! {
        svg.bar viewBox="0 0 100 4" preserveAspectRatio="none" role="img" aria-label=(title) {
            title { (title) }
            rect.bar-all width="100" height="4" {}
            rect.bar-reserved width=(reserved) height="4" {}
            rect.bar-used x=(reserved) width=(used) height="4" {}
        }
    }
}

fn pods(pods: &[PodView]) -> Markup {
    html! {
        div.pods role="list" {
            @for pod in pods {
                @let ticks = pod.restarts.min(TICKS);
                span role="listitem" class={ "pod " (pod.state.word()) " r" (ticks) } title={ (pod.namespace) "/" (pod.name) ", " (pod.status) @if pod.restarts > 0 { ", " (pod.restarts) " restarts" } @if !pod.owner.is_empty() { ", of " (pod.owner) } } {
                    span.hide { (pod.namespace) "/" (pod.name) " " (pod.state.word()) }
                }
            }
        }
    }
}

fn why(going: &NodeStatus, now: Timestamp) -> Markup {
    html! {
        p.why { (without_cluster(&going.sentence)) }
        @if let Some(latest) = going.latest { p.why { "Gone at the latest " time datetime=(latest) title=(latest) { (when(latest, now)) } "." } }
        @if !going.pods.is_empty() {
            details id={ "why-" (going.node) } {
                summary { (count(going.pods.len(), "pod")) }
                ul { @for pod in &going.pods { li { (without_cluster(&pod.sentence)) } } }
            }
        }
    }
}

/// The sentence without its first words: on the page of a cluster everybody knows which one it is.
fn without_cluster(sentence: &str) -> &str {
    let rest = sentence.strip_prefix("cluster ").and_then(|rest| rest.split_once(": "));
    rest.map_or(sentence, |(_, rest)| rest)
}

/// The nodes as a table, for files.
pub(crate) fn node_table(seen: &Workloads) -> Table {
    let rows = seen.nodes.iter().map(|node| {
        vec![
            Cell::text(node.name.as_str()),
            Cell::text(node.pool.as_str()),
            Cell::text(node.zone.as_str()),
            Cell::text(node.instance_type.as_str()),
            Cell::text(node.version.as_str()),
            Cell::text(if node.ready { "ready" } else { "not ready" }),
            Cell::text(if node.cordoned { "cordoned" } else { "" }),
            Cell::number(i64::try_from(node.pods.len()).unwrap_or(i64::MAX)),
            Cell::number(node.cpu.1),
            Cell::number(node.cpu_requested()),
            Cell::number(node.memory.1),
            Cell::number(node.memory_requested()),
            Cell::text(node.created.map(|at| at.to_string()).unwrap_or_default()),
        ]
    });
    Table {
        columns: &[
            ("name", "Name"),
            ("pool", "Pool"),
            ("zone", "Zone"),
            ("type", "Instance type"),
            ("version", "Version"),
            ("ready", "Ready"),
            ("cordoned", "Cordoned"),
            ("pods", "Pods"),
            ("cpu_allocatable_millis", "CPU allocatable (millicores)"),
            ("cpu_requested_millis", "CPU requested (millicores)"),
            ("memory_allocatable_bytes", "Memory allocatable (bytes)"),
            ("memory_requested_bytes", "Memory requested (bytes)"),
            ("created", "Created"),
        ],
        rows: rows.collect(),
        empty: "",
    }
}

/// The pods as a table, for files.
pub(crate) fn pod_table(seen: &Workloads) -> Table {
    let with_node = seen
        .nodes
        .iter()
        .flat_map(|node| node.pods.iter().map(|pod| (node.name.as_str(), pod)));
    let all = with_node.chain(seen.unassigned.iter().map(|pod| ("", pod)));
    let rows = all.map(|(node, pod)| {
        vec![
            Cell::text(pod.namespace.as_str()),
            Cell::text(pod.name.as_str()),
            Cell::text(node),
            Cell::text(pod.state.word()),
            Cell::text(pod.status.as_str()),
            Cell::number(pod.restarts),
            Cell::text(pod.owner.as_str()),
        ]
    });
    Table {
        columns: &[
            ("namespace", "Namespace"),
            ("name", "Name"),
            ("node", "Node"),
            ("state", "State"),
            ("status", "Status"),
            ("restarts", "Restarts"),
            ("owner", "Owner"),
        ],
        rows: rows.collect(),
        empty: "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_leave_out_the_cluster_that_one_looks_at() {
        for (sentence, said) in [
            (
                "cluster aws:1:eu:kube-1 waits: node a waits for its turn: 3 of 6",
                "node a waits for its turn: 3 of 6",
            ),
            ("node a drains: 2 pods", "node a drains: 2 pods"),
        ] {
            assert_eq!(without_cluster(sentence), said);
        }
    }
}
