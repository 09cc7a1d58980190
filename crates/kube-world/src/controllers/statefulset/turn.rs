//! One turn of a StatefulSet: revisions, the next steps of the order, claims, status, history.

use std::collections::BTreeSet;

use jiff::Timestamp;
use json_tree::{Value, json};

use super::plan::{Member, Shape, Step, Update, Why, plan};
use super::pods::{self, POD_INDEX, POD_NAME};
use crate::cache::Phase;
use crate::controllers::support::acts::Acts;
use crate::controllers::support::int_or_percent::{IntOrPercent, Round};
use crate::controllers::support::pods::{Pod, PodExt, next_available};
use crate::controllers::support::revisions::{self, Newest, POD_LABEL};
use crate::controllers::support::tree::{at, deleting, generation, int, name, set, text};
use crate::kind::Kind;

/// Everything the planner looks at.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    pub(crate) set: &'a Value,
    /// The set's revisions, oldest first.
    pub(crate) revisions: &'a [&'a Value],
    /// The set's pods.
    pub(crate) pods: &'a [Pod],
    /// The claims of the namespace that are named like those of the set.
    pub(crate) claims: &'a [Value],
    pub(crate) now: Timestamp,
}

struct Turn<'a> {
    input: &'a Input<'a>,
    newest: Newest<'a>,
    current: String,
    members: Vec<(Member, &'a Pod)>,
    min_ready: i64,
    acts: Acts,
}

/// Plans one turn.
pub(crate) fn turn(input: &Input<'_>) -> Acts {
    let mut acts = Acts::default();
    let newest = revisions::newest(Kind::STATEFUL_SET, input.set, input.revisions);
    match &newest {
        Newest::Make(revision) => acts.create(Kind::CONTROLLER_REVISION, revision.clone()),
        Newest::Renumber(revision, number) => {
            acts.patch(Kind::CONTROLLER_REVISION, revision, json!({"revision": number}));
        }
        Newest::Is(_) => {}
    }
    let told = text(input.set, &["status", "currentRevision"]).unwrap_or_default();
    let known = input.revisions.iter().any(|revision| name(revision) == told);
    let current = if known {
        told.to_owned()
    } else {
        name(newest.revision()).to_owned()
    };
    let min_ready = int(input.set, &["spec", "minReadySeconds"]).unwrap_or(0);
    let own = name(input.set);
    let member = |pod: &'_ Pod| -> Option<Member> {
        let ordinal = pods::ordinal(own, &pod.name)?;
        Some(Member {
            ordinal,
            name: pod.name.to_string(),
            revision: pod.label(POD_LABEL).unwrap_or_default().to_owned(),
            ended: pod.phase.is_terminal(),
            terminating: pod.is_deleting(),
            pending: pod.phase == Phase::Pending,
            available: pod.phase == Phase::Running && pod.available(min_ready, input.now),
            identity: pod.label(POD_NAME) == Some(&pod.name) && pod.label(POD_INDEX) == Some(&ordinal.to_string()),
        })
    };
    let members = input.pods.iter().filter_map(|pod| Some((member(pod)?, pod))).collect();
    let mut turn = Turn {
        input,
        newest,
        current,
        members,
        min_ready,
        acts,
    };
    if !deleting(input.set) {
        turn.step();
    }
    turn.tell();
    if !deleting(input.set) {
        turn.clean();
    }
    turn.acts
}

impl Turn<'_> {
    fn shape(&self) -> Shape {
        let set = self.input.set;
        let replicas = int(set, &["spec", "replicas"]).unwrap_or(1);
        let rolling = |field: &str| at(set, &["spec", "updateStrategy", "rollingUpdate", field]);
        let update = if text(set, &["spec", "updateStrategy", "type"]) == Some("OnDelete") {
            Update::OnDelete
        } else {
            let most = IntOrPercent::read(rolling("maxUnavailable"));
            Update::Rolling {
                partition: rolling("partition").and_then(Value::as_i64).unwrap_or(0),
                unavailable: most.map_or(1, |most| most.of(replicas, Round::Up)).max(1),
            }
        };
        Shape {
            start: pods::start(set),
            replicas,
            ordered: text(set, &["spec", "podManagementPolicy"]) != Some("Parallel"),
            update,
            update_revision: name(self.newest.revision()).to_owned(),
        }
    }

    fn step(&mut self) {
        let shape = self.shape();
        let members: Vec<Member> = self.members.iter().map(|(member, _)| member.clone()).collect();
        self.own_claims(&shape);
        for step in plan(&shape, &members) {
            match step {
                Step::Create { ordinal } => self.create(&shape, ordinal),
                Step::Claims { ordinal } => self.claims(ordinal),
                Step::Identify { name } => self.identify(&name),
                Step::Delete { name, why } => self.delete(&name, why),
            }
        }
    }

    /// Claims go with the set or with their pod, as the retention policy says.
    fn own_claims(&mut self, shape: &Shape) {
        let end = shape.start + shape.replicas;
        let own = name(self.input.set);
        let mut patches = Vec::new();
        for (member, pod) in &self.members {
            let condemned = member.ordinal < shape.start || member.ordinal >= end;
            for template in pods::claim_templates(self.input.set) {
                let wanted = pods::claim_name(template, own, member.ordinal);
                let found = self.input.claims.iter().find(|claim| name(claim) == wanted);
                if let Some(claim) = found
                    && let Some(owners) = pods::claim_owners(self.input.set, (&pod.name, &pod.uid), condemned, claim)
                {
                    patches.push((claim, json!({"metadata": {"ownerReferences": owners}})));
                }
            }
        }
        for (claim, patch) in patches {
            self.acts.patch(Kind::PERSISTENT_VOLUME_CLAIM, claim, patch);
        }
    }

    fn claims(&mut self, ordinal: i64) {
        let set = self.input.set;
        for template in pods::claim_templates(set) {
            let wanted = pods::claim_name(template, name(set), ordinal);
            if self.input.claims.iter().any(|claim| name(claim) == wanted) {
                continue;
            }
            self.acts
                .create(Kind::PERSISTENT_VOLUME_CLAIM, pods::claim(set, template, ordinal));
            let own = name(set);
            let message = format!("create Claim {wanted} Pod {own}-{ordinal} in StatefulSet {own} success");
            self.acts.event(Kind::STATEFUL_SET, set, "SuccessfulCreate", message);
        }
    }

    fn create(&mut self, shape: &Shape, ordinal: i64) {
        let set = self.input.set;
        let stays = matches!(shape.update, Update::Rolling { partition, .. } if ordinal - shape.start < partition);
        let held = self
            .input
            .revisions
            .iter()
            .find(|revision| stays && name(revision) == self.current);
        let held = held.and_then(|revision| Some((revisions::template(revision)?, self.current.clone())));
        let (template, revision) = held.unwrap_or_else(|| {
            (
                at(set, &["spec", "template"]).cloned().unwrap_or_default(),
                shape.update_revision.clone(),
            )
        });
        // A claim that is on its way out would take the new pod's data with it: the pod waits until it is gone.
        let stale = pods::claim_templates(set).iter().any(|template| {
            let wanted = pods::claim_name(template, name(set), ordinal);
            self.input
                .claims
                .iter()
                .any(|claim| name(claim) == wanted && deleting(claim))
        });
        if stale {
            return;
        }
        self.claims(ordinal);
        self.acts
            .create(Kind::POD, pods::make(set, &template, &revision, ordinal));
        let own = name(set);
        let message = format!("create Pod {own}-{ordinal} in StatefulSet {own} successful");
        self.acts.event(Kind::STATEFUL_SET, set, "SuccessfulCreate", message);
    }

    fn identify(&mut self, pod_name: &str) {
        if let Some((member, pod)) = self.members.iter().find(|(member, _)| member.name == pod_name) {
            let labels = json!({POD_NAME: pod_name, POD_INDEX: member.ordinal.to_string()});
            self.acts.patch_key(pod.key(), json!({"metadata": {"labels": labels}}));
        }
    }

    fn delete(&mut self, pod_name: &str, why: Why) {
        let Some((_, pod)) = self.members.iter().find(|(member, _)| member.name == pod_name) else {
            return;
        };
        let set = self.input.set;
        let own = name(set);
        if why == Why::Ended {
            let message = format!(
                "StatefulSet {}/{own} is recreating failed Pod {pod_name}",
                pod.namespace
            );
            self.acts.warn(Kind::STATEFUL_SET, set, "RecreatingFailedPod", message);
        }
        self.acts.delete_key(pod.key(), &pod.uid);
        let message = format!("delete Pod {pod_name} in StatefulSet {own} successful");
        self.acts.event(Kind::STATEFUL_SET, set, "SuccessfulDelete", message);
    }

    fn tell(&mut self) {
        let newest = name(self.newest.revision()).to_owned();
        let count = |wanted: &dyn Fn(&Member, &Pod) -> bool| {
            let found = self.members.iter().filter(|(member, pod)| wanted(member, pod)).count();
            i64::try_from(found).unwrap_or(i64::MAX)
        };
        let running = |pod: &Pod| pod.phase == Phase::Running && pod.ready;
        let replicas = count(&|_, _| true);
        let ready = count(&|_, pod| running(pod));
        let mut current = count(&|member, _| !member.terminating && member.revision == self.current);
        let updated = count(&|member, _| !member.terminating && member.revision == newest);
        let available = count(&|member, _| member.available);
        let wanted = int(self.input.set, &["spec", "replicas"]).unwrap_or(1);
        let rolling = text(self.input.set, &["spec", "updateStrategy", "type"]) != Some("OnDelete");
        if rolling && updated == wanted && ready == wanted && replicas == wanted {
            self.current.clone_from(&newest);
            current = updated;
        }
        let mut status = json!({
            "observedGeneration": generation(self.input.set), "replicas": replicas, "availableReplicas": available,
            "currentRevision": self.current, "updateRevision": newest,
            "collisionCount": int(self.input.set, &["status", "collisionCount"]).unwrap_or(0)});
        for (field, number) in [
            ("readyReplicas", ready),
            ("currentReplicas", current),
            ("updatedReplicas", updated),
        ] {
            if number > 0 {
                set(&mut status, &[field], number);
            }
        }
        if let Some(conditions) = at(self.input.set, &["status", "conditions"]) {
            set(&mut status, &["conditions"], conditions.clone());
        }
        self.acts.status(Kind::STATEFUL_SET, self.input.set, &status);
        if let Some(moment) = next_available(self.input.pods, self.min_ready, self.input.now) {
            self.acts.wake(moment);
        }
    }

    /// Forgets revisions that nothing uses any more, beyond the limit of the history.
    fn clean(&mut self) {
        let limit = int(self.input.set, &["spec", "revisionHistoryLimit"]).unwrap_or(10);
        let mut used: BTreeSet<&str> = self
            .members
            .iter()
            .map(|(member, _)| member.revision.as_str())
            .collect();
        used.insert(&self.current);
        used.insert(name(self.newest.revision()));
        for revision in revisions::surplus(self.input.revisions, limit, |revision| used.contains(name(revision))) {
            self.acts.delete(Kind::CONTROLLER_REVISION, revision);
        }
    }
}
