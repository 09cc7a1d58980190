//! ReplicaSets and ReplicationControllers: so many pods of one template.

mod plan;
pub(crate) mod rank;

use json_tree::Value;
use kube_sim::{ApiError, Stored};

use crate::cache::PodView;
use crate::controllers::support::interest::{adopters, claimable, controlled, is_numbered, owners_of_pod};
use crate::controllers::support::meta::{DELETION_COST, controller_of, deletion_cost};
use crate::controllers::support::pods::Pod;
use crate::controllers::support::tree::{text, uid};
use crate::engine::{Action, Change, Controller, View};
use crate::kind::{Key, Kind};

/// The controller of ReplicaSets, or of ReplicationControllers.
#[derive(Debug)]
pub(crate) struct ReplicaSets {
    kind: Kind,
}

impl ReplicaSets {
    /// The controller of `apps/v1` ReplicaSets.
    pub(crate) fn new() -> Self {
        Self {
            kind: Kind::REPLICA_SET,
        }
    }

    /// The controller of ReplicationControllers, their elder brothers.
    pub(crate) fn replication_controllers() -> Self {
        Self {
            kind: Kind::REPLICATION_CONTROLLER,
        }
    }

    /// The pods of all sets that have the same controller: they crowd nodes together.
    fn related(&self, view: &View<'_>, set: &Value) -> Vec<Pod> {
        let Some(owner) = controller_of(set).and_then(|owner| text(owner, &["uid"])) else {
            return view.pods_of(uid(set)).cloned().collect();
        };
        let sets = controlled(view, self.kind, owner);
        sets.iter()
            .flat_map(|set| view.pods_of(uid(set)).cloned().collect::<Vec<_>>())
            .collect()
    }
}

/// Whether a pod can say at all how dear it is. Few do, and the others need not be parsed.
fn may_cost(pod: &Stored) -> bool {
    // What text is looked for in text is found many bytes at a time, if it is as short as the name without its prefix.
    let name = DELETION_COST.rsplit('/').next().unwrap_or(DELETION_COST);
    std::str::from_utf8(pod.bytes()).is_ok_and(|pod| pod.contains(name))
}

impl Controller for ReplicaSets {
    fn name(&self) -> &'static str {
        if self.kind == Kind::REPLICA_SET {
            "replicaset-controller"
        } else {
            "replication-controller"
        }
    }

    fn interested(&self, change: &Change, view: &View<'_>) -> Vec<Key> {
        if change.key.kind == self.kind {
            // Of a set it writes the status alone, which follows from what it has just looked at.
            let own = change.actor == self.name();
            return if own { Vec::new() } else { vec![change.key.clone()] };
        }
        if change.key.kind != Kind::POD || !is_numbered(change) {
            return Vec::new();
        }
        let mut keys = owners_of_pod(change, self.kind);
        keys.extend(adopters(change, view, self.kind));
        keys
    }

    fn reconcile(&self, view: &View<'_>, key: &Key) -> Vec<Action> {
        let Some(set) = view.object(key) else {
            return Vec::new();
        };
        let pods = claimable(view, &set, &key.namespace);
        let wanted = plan::wanted(&set);
        // Only who gives pods up has to know their neighbours.
        let related = if pods.len() > wanted {
            self.related(view, &set)
        } else {
            Vec::new()
        };
        let cost = |pod: &PodView| {
            let stored = view.stored(Kind::POD, &pod.namespace, &pod.name);
            stored
                .filter(may_cost)
                .map_or(0, |stored| deletion_cost(&stored.tree()))
        };
        let input = plan::Input {
            kind: self.kind,
            set: &set,
            pods: &pods,
            related: &related,
            deletion_cost: &cost,
            now: view.now,
        };
        plan::plan(&input).into_actions()
    }

    fn failed(&self, view: &View<'_>, key: &Key, action: &Action, error: &ApiError) -> Vec<Action> {
        match (action, view.object(key)) {
            (Action::Create { .. }, Some(set)) => {
                let input = plan::Input {
                    kind: self.kind,
                    set: &set,
                    pods: &claimable(view, &set, &key.namespace),
                    related: &[],
                    deletion_cost: &|_| 0,
                    now: view.now,
                };
                plan::refused(&input, &error.message).into_actions()
            }
            _ => Vec::new(),
        }
    }
}
