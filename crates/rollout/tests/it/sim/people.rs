//! Those who act beside the managers: database operators, finalizers, owners who edit budgets, people who block, and the
//! cloud that takes machines.

use std::sync::Arc;
use std::time::Duration;

use disruption::Block;
use jiff::{SignedDuration, Timestamp};
use json_tree::{Value, json};
use kube_sim::{ApiServer, DeleteOptions, Place, UserInfo};
use ports::Clock;
use ports::cloud::InstanceId;

use super::book::Book;
use super::case::Case;
use super::dice::Dice;
use super::facts::{Facts, Kind, Name};
use super::objects::SPACE;
use super::oracle::Oracle;
use super::site::Site;

const PODS: Place<'static> = Place {
    group: "",
    version: "v1",
    resource: "pods",
    namespace: SPACE,
};

/// What an operator does to a pod.
enum Act {
    Patch(String, Value),
    Delete(String),
}

/// Works as all operators of a cluster, once a minute.
pub(crate) async fn operate(oracle: Arc<Oracle>, clock: impl Clock) {
    loop {
        clock.sleep(Duration::from_secs(60)).await;
        let acts = oracle.look(|state, now| {
            let mut acts = databases(&state.facts);
            acts.extend(search(&state.facts, now));
            acts.extend(unmounts(&state.facts, now));
            acts
        });
        let server: &ApiServer = oracle.server();
        let local = server.local(UserInfo::admin());
        for act in acts {
            // What is gone in this moment needs nothing.
            match act {
                Act::Patch(name, patch) => _ = local.patch(PODS, &name, "", &patch).await,
                Act::Delete(name) => _ = local.delete(PODS, &name, &DeleteOptions::default()).await,
            }
        }
    }
}

/// Moves primaries off nodes that are closed and have lost the label, and promotes a member where none is left.
fn databases(facts: &Facts) -> Vec<Act> {
    let mut acts = Vec::new();
    for (owner, set) in facts.replicas.keys() {
        let members: Vec<(&Name, &super::facts::PodFacts)> = facts.members(set).collect();
        if owner != "statefulset" || members.iter().all(|(_, pod)| !pod.labels.contains_key("spilo-role")) {
            continue;
        }
        let role =
            |name: &Name, role: &str| Act::Patch(name.1.clone(), json!({"metadata": {"labels": {"spilo-role": role}}}));
        let stays = |pod: &super::facts::PodFacts| {
            facts
                .nodes
                .get(&pod.node)
                .is_some_and(|node| !node.cordoned && node.draining.is_none())
        };
        let heirs = members.iter().filter(|(_, pod)| pod.healthy() && pod.primary.is_none());
        let heir = heirs
            .clone()
            .find(|(_, pod)| stays(pod))
            .or_else(|| heirs.clone().next());
        match (members.iter().find(|(_, pod)| pod.primary.is_some()), heir) {
            (Some((name, pod)), Some((heir, next))) => {
                let node = facts.nodes.get(&pod.node);
                let asked = node.is_some_and(|node| node.cordoned && node.status != "ready");
                let works = pod.labels.get("operator").is_some_and(|operator| operator == "works");
                if asked && works && stays(next) {
                    acts.push(role(heir, "master"));
                    acts.push(role(name, "replica"));
                }
            }
            (None, Some((heir, _))) => acts.push(role(heir, "master")),
            _ => {}
        }
    }
    acts
}

/// Moves data off pods on nodes that drain, for five minutes, and lets the pods go then.
fn search(facts: &Facts, now: Timestamp) -> Vec<Act> {
    let mut acts = Vec::new();
    for (name, pod) in &facts.pods {
        let ours = pod.labels.get("operator").is_some_and(|operator| operator == "search");
        let drains = facts.nodes.get(&pod.node).is_some_and(|node| node.draining.is_some());
        if !ours || !drains || pod.deleted.is_some() {
            continue;
        }
        match pod.moving {
            None => acts.push(Act::Patch(
                name.1.clone(),
                json!({"metadata": {"annotations": {"operator.zalando.org/draining": "true"}}}),
            )),
            Some(at) if now.duration_since(at) >= SignedDuration::from_mins(5) => {
                acts.push(Act::Delete(name.1.clone()))
            }
            Some(_) => {}
        }
    }
    acts
}

fn unmounts(facts: &Facts, now: Timestamp) -> Vec<Act> {
    let due = |pod: &super::facts::PodFacts| {
        let minutes = pod.unmount.map(SignedDuration::from_mins);
        pod.deleted
            .zip(minutes)
            .is_some_and(|(at, minutes)| now.duration_since(at) >= minutes)
    };
    let pods = facts.pods.iter().filter(|(_, pod)| due(pod));
    pods.map(|(name, _)| Act::Patch(name.1.clone(), json!({"metadata": {"finalizers": null}})))
        .collect()
}

/// Somebody's pods come one after another for a quarter of an hour.
pub(crate) async fn burst(oracle: Arc<Oracle>, clock: impl Clock, dice: Dice) {
    let local = oracle.server().local(UserInfo::admin());
    for number in 0..40 {
        clock.sleep(Duration::from_secs(dice.within(5, 40))).await;
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("burst-{number}"), "namespace": SPACE},
            "spec": {"containers": [{"name": "app", "image": "app:1", "resources": {"requests": {"cpu": "100m"}}}]}});
        // Without it there is one pod less.
        let _ = local.create(PODS, pod).await;
    }
}

/// Owners delete a pod of a Deployment or set every few minutes until `end`; its controller makes another one.
pub(crate) async fn restart(oracle: Arc<Oracle>, clock: impl Clock, dice: Dice, end: Timestamp) {
    let local = oracle.server().local(UserInfo::admin());
    while clock.now() < end {
        clock.sleep(Duration::from_secs(dice.within(60, 600))).await;
        let owned: Vec<String> = oracle.look(|state, _| {
            let pods = state
                .facts
                .pods
                .iter()
                .filter(|(_, pod)| matches!(pod.kind, Kind::Plain | Kind::Set(_)) && pod.deleted.is_none());
            pods.map(|(name, _)| name.1.clone()).collect()
        });
        if !owned.is_empty() {
            // What is gone in this moment is made anew already.
            let _ = local.delete(PODS, &dice.pick(&owned), &DeleteOptions::default()).await;
        }
    }
}

/// One thing that people or the cloud do, drawn.
pub(crate) async fn meddle(site: &Site, case: &Case, book: &Book, dice: &Dice) {
    let now = site.clock.now();
    match dice.below(8) {
        0 | 1 if case.taste.people => {
            let until = dice.one_in(2).then(|| now + dice.minutes(1, 40));
            book.block(Some(Block {
                reason: "drawn".into(),
                owner: None,
                since: now,
                until,
            }));
        }
        2 if case.taste.people => book.block(None),
        3 | 4 if case.taste.people => edit(site, dice).await,
        5 if case.taste.people && dice.one_in(3) => site.define().await,
        6 | 7 if case.taste.losses => lose(site, case, dice, now),
        _ => {}
    }
}

/// An owner edits a budget or the size of a workload while its pods move.
async fn edit(site: &Site, dice: &Dice) {
    let budgets: Vec<Name> = site
        .oracle
        .look(|state, _| state.facts.budgets.keys().cloned().collect());
    if budgets.is_empty() {
        return;
    }
    let name = dice.pick(&budgets).1;
    let spec = match dice.below(4) {
        0 => None,
        1 => Some(json!({"maxUnavailable": 0, "minAvailable": null})),
        2 => Some(json!({"maxUnavailable": null, "minAvailable": "100%"})),
        _ => Some(json!({"maxUnavailable": 1, "minAvailable": null})),
    };
    site.budget(&name, spec).await;
}

/// The cloud takes a machine: with a notice, by plan, or without a word.
fn lose(site: &Site, case: &Case, dice: &Dice, now: Timestamp) {
    let mut machines = site.cloud.instances_now();
    machines.retain(|one| one.state == ports::cloud::InstanceState::Running);
    if machines.is_empty() {
        return;
    }
    let id: InstanceId = dice.pick(&machines).id;
    match dice.below(3) {
        0 if case.spot => site.cloud.interrupt_spot(&id),
        1 => {
            let at = now + dice.minutes(10, 60);
            site.oracle.ends(id.as_str(), at);
            site.cloud.schedule_retirement(&id, at);
        }
        2 if dice.one_in(3) => {
            site.oracle.lost(id.as_str());
            site.cloud.kill_instance(&id);
        }
        _ => {}
    }
    site.touch();
}
