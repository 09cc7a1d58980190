//! What a DaemonSet does in one turn: a pod on every node that should have one, replaced a few at a time.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use jiff::Timestamp;
use json_tree::{Value, json};

use super::placement::{self, Placement, Verdict};
use super::update::{OnNode, turn};
use crate::cache::{NodeView, by_labels};
use crate::controllers::support::acts::Acts;
use crate::controllers::support::int_or_percent::{IntOrPercent, Round};
use crate::controllers::support::meta::{controller_ref, generate_name, pod_from_template, set_generated_name};
use crate::controllers::support::pods::{Pod, PodExt, next_available};
use crate::controllers::support::revisions::{self, Newest, POD_LABEL, hash_of};
use crate::controllers::support::tree::{annotation, at, deleting, generation, int, name, set, text, uid};
use crate::engine::EventType;
use crate::kind::{Key, Kind};

/// The most pods that are made or deleted in one turn.
const BURST: usize = 250;
/// The annotation with the number of the template, and the label that pods carry it in.
const GENERATION: &str = "deprecated.daemonset.template.generation";
const GENERATION_LABEL: &str = "pod-template-generation";

/// A pod and the node that it is on or tied to.
#[derive(Debug, Clone)]
pub(crate) struct Daemon<'a> {
    pub(crate) pod: &'a Pod,
    pub(crate) node: Cow<'a, str>,
}

/// Everything the planner looks at.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    pub(crate) set: &'a Value,
    /// The set's revisions, oldest first.
    pub(crate) revisions: &'a [&'a Value],
    /// The set's pods.
    pub(crate) daemons: &'a [Daemon<'a>],
    /// All nodes in order.
    pub(crate) nodes: &'a [&'a NodeView],
    pub(crate) now: Timestamp,
}

/// A node as the daemons see it.
#[derive(Debug, Clone)]
struct Site<'a> {
    name: &'a str,
    verdict: Verdict,
    /// Where its pods are among all.
    pods: Range<usize>,
}

struct Turn<'a> {
    input: &'a Input<'a>,
    spec: Value,
    hash: String,
    /// All pods, those of one node together, oldest first.
    pods: Vec<&'a Pod>,
    /// The nodes in order.
    sites: Vec<Site<'a>>,
    /// Where the pods are that belong to no node that is there.
    strays: Vec<usize>,
    /// On how many nodes a daemon should run.
    wanted: usize,
    min_ready: i64,
    acts: Acts,
}

/// Plans one turn.
pub(crate) fn plan(input: &Input<'_>) -> Acts {
    let mut acts = Acts::default();
    let newest = revisions::newest(Kind::DAEMON_SET, input.set, input.revisions);
    match &newest {
        Newest::Make(revision) => acts.create(Kind::CONTROLLER_REVISION, revision.clone()),
        Newest::Renumber(revision, number) => {
            acts.patch(Kind::CONTROLLER_REVISION, revision, json!({"revision": number}));
        }
        Newest::Is(_) => {}
    }
    let spec = placement::spec_of(input.set);
    let (pods, sites, strays) = survey(input, &Placement::of(&spec));
    let hash = hash_of(newest.revision()).to_owned();
    let min_ready = int(input.set, &["spec", "minReadySeconds"]).unwrap_or(0);
    let wanted = sites.iter().filter(|site| site.verdict.run).count();
    let mut turn = Turn {
        input,
        spec,
        hash,
        pods,
        sites,
        strays,
        wanted,
        min_ready,
        acts,
    };
    if !deleting(input.set) {
        turn.manage();
    }
    turn.tell();
    if !deleting(input.set) {
        turn.clean();
    }
    turn.acts
}

/// Finds the pods of each node, and those of none that is there. Most turns look at a thousand nodes for the sake of one, so no
/// list is made for a node of its own.
fn survey<'a>(input: &'a Input<'a>, placement: &Placement) -> (Vec<&'a Pod>, Vec<Site<'a>>, Vec<usize>) {
    let mut daemons: Vec<&Daemon<'_>> = input.daemons.iter().collect();
    daemons.sort_unstable_by(|one, two| {
        let age = |pod: &'a Pod| (pod.node.is_none(), pod.created, &pod.name);
        one.node.cmp(&two.node).then_with(|| age(one.pod).cmp(&age(two.pod)))
    });
    let (mut sites, mut strays) = (Vec::with_capacity(input.nodes.len()), Vec::new());
    let mut next = 0;
    let is_at = |place: usize, wanted: Ordering, node: &str| {
        let daemon = daemons.get(place);
        daemon.is_some_and(|daemon| (*daemon.node).cmp(node) == wanted)
    };
    for node in input.nodes {
        while is_at(next, Ordering::Less, &node.name) {
            strays.push(next);
            next += 1;
        }
        let first = next;
        while is_at(next, Ordering::Equal, &node.name) {
            next += 1;
        }
        sites.push(Site {
            name: &node.name,
            verdict: placement.judge(node),
            pods: first..next,
        });
    }
    strays.extend(next..daemons.len());
    (daemons.into_iter().map(|daemon| daemon.pod).collect(), sites, strays)
}

impl<'a> Turn<'a> {
    fn is_current(&self, pod: &Pod) -> bool {
        pod.label(POD_LABEL) == Some(self.hash.as_str())
    }

    fn is_available(&self, pod: &Pod) -> bool {
        pod.available(self.min_ready, self.input.now) && !pod.is_deleting()
    }

    fn surge(&self) -> i64 {
        self.allowance("maxSurge", Round::Up, 0)
    }

    fn allowance(&self, field: &str, round: Round, default: i64) -> i64 {
        if text(self.input.set, &["spec", "updateStrategy", "type"]) == Some("OnDelete") {
            return 0;
        }
        let wish = IntOrPercent::read(at(self.input.set, &["spec", "updateStrategy", "rollingUpdate", field]));
        let wanted = i64::try_from(self.wanted).unwrap_or(i64::MAX);
        wish.map_or(default, |wish| wish.of(wanted, round))
    }

    fn pods_on(&self, site: &Site<'_>) -> &[&'a Pod] {
        self.pods.get(site.pods.clone()).unwrap_or_default()
    }

    /// Pods where they are missing, none where they do not belong; then, when all are there, the next step of an update.
    fn manage(&mut self) {
        let (mut make, mut delete): (Vec<String>, Vec<&Pod>) = (Vec::new(), Vec::new());
        let sites = std::mem::take(&mut self.sites);
        for site in &sites {
            self.manage_node(site, &mut make, &mut delete);
        }
        self.sites = sites;
        // A pod that waits for a node that is gone would wait for ever.
        let strays = self.strays.iter().filter_map(|place| self.pods.get(*place));
        delete.extend(strays.filter(|pod| pod.node.is_none() && !pod.is_deleting()));
        if make.is_empty()
            && delete.is_empty()
            && text(self.input.set, &["spec", "updateStrategy", "type"]) != Some("OnDelete")
        {
            self.update(&mut make, &mut delete);
        }
        delete.truncate(BURST);
        make.truncate(BURST);
        for pod in delete {
            self.acts.delete_key(pod.key(), &pod.uid);
            self.acts.event(
                Kind::DAEMON_SET,
                self.input.set,
                "SuccessfulDelete",
                format!("Deleted pod: {}", pod.name),
            );
        }
        self.make(&make);
    }

    fn manage_node(&mut self, site: &Site<'a>, make: &mut Vec<String>, delete: &mut Vec<&'a Pod>) {
        let (node, verdict) = (site.name, site.verdict);
        let is_well = |pod: &Pod| verdict.stay && !pod.is_deleting() && !pod.phase.is_terminal();
        let pods = match self.pods_on(site) {
            [pod] if is_well(pod) => return,
            pods => pods.to_vec(),
        };
        if !verdict.stay {
            delete.extend(pods.iter().copied().filter(|pod| !pod.is_deleting()));
            return;
        }
        if pods.is_empty() {
            if verdict.run {
                make.push(node.to_owned());
            }
            return;
        }
        let mut running: Vec<&'a Pod> = Vec::new();
        for pod in pods.into_iter().filter(|pod| !pod.is_deleting()) {
            if !pod.phase.is_terminal() {
                running.push(pod);
                continue;
            }
            let failed = pod.phase == crate::cache::Phase::Failed;
            let (reason, word) = if failed {
                ("FailedDaemonPod", "failed")
            } else {
                ("SucceededDaemonPod", "succeeded")
            };
            let text = if failed {
                format!(
                    "Found {word} daemon pod {}/{} on node {node}, will try to kill it",
                    pod.namespace, pod.name
                )
            } else {
                format!(
                    "Found {word} daemon pod {}/{} on node {node}, will try to delete it",
                    pod.namespace, pod.name
                )
            };
            let event_type = if failed { EventType::Warning } else { EventType::Normal };
            self.acts
                .tell(Key::of(Kind::DAEMON_SET, self.input.set), event_type, reason, text);
            delete.push(pod);
        }
        self.single_out(&running, delete);
    }

    /// Of several pods on a node one is kept, while a surge one of each kind.
    fn single_out(&self, running: &[&'a Pod], delete: &mut Vec<&'a Pod>) {
        if self.surge() == 0 {
            delete.extend(running.iter().copied().skip(1));
            return;
        }
        let (new, old): (Vec<&Pod>, Vec<&Pod>) = running.iter().copied().partition(|pod| self.is_current(pod));
        delete.extend(new.into_iter().skip(1));
        delete.extend(old.into_iter().skip(1));
    }

    fn update(&mut self, make: &mut Vec<String>, delete: &mut Vec<&'a Pod>) {
        // Only pods of an older template have a successor.
        let mut is_current = by_labels(|pod| pod.label(POD_LABEL) == Some(self.hash.as_str()));
        if self.pods.iter().all(|pod| is_current(pod)) {
            return;
        }
        let (surge, unavailable) = (self.surge(), self.allowance("maxUnavailable", Round::Up, 1));
        // With neither, no update could ever move.
        let unavailable = if surge == 0 { unavailable.max(1) } else { unavailable };
        let sites = self.sites.iter().filter(|site| site.verdict.run);
        let nodes: Vec<OnNode> = sites.map(|site| self.on_node(site)).collect();
        let found = turn(&nodes, surge, unavailable);
        let pods: BTreeMap<&str, &Pod> = self.pods.iter().map(|pod| (&*pod.name, *pod)).collect();
        delete.extend(found.delete.iter().filter_map(|name| pods.get(name.as_str()).copied()));
        make.extend(found.surge);
    }

    fn on_node(&self, site: &Site<'_>) -> OnNode {
        let mut out = OnNode {
            node: site.name.to_owned(),
            ..OnNode::default()
        };
        for pod in self.pods_on(site) {
            let seen = Some((pod.name.to_string(), self.is_available(pod)));
            if self.is_current(pod) {
                // A new pod on its way out is not a new pod.
                if !pod.is_deleting() {
                    out.new = seen;
                }
            } else if !pod.is_deleting() {
                out.old = seen;
            }
        }
        out
    }

    fn make(&mut self, nodes: &[String]) {
        if nodes.is_empty() {
            return;
        }
        let set_name = name(self.input.set);
        let base = format!("{set_name}-");
        let mut made: BTreeSet<String> = BTreeSet::new();
        let template = at(self.input.set, &["spec", "template"]).cloned().unwrap_or_default();
        let moment = self.input.now.to_string();
        for node in nodes {
            let reference = controller_ref(Kind::DAEMON_SET, self.input.set);
            let mut pod = pod_from_template(self.input.set, reference, &template);
            let mut spec = self.spec.clone();
            placement::pin(&mut spec, node);
            set(&mut pod, &["spec"], spec);
            set(&mut pod, &["metadata", "labels", POD_LABEL], self.hash.as_str());
            if let Some(number) = annotation(self.input.set, GENERATION) {
                set(&mut pod, &["metadata", "labels", GENERATION_LABEL], number);
            }
            let is_taken = |name: &str| made.contains(name) || self.pods.iter().any(|pod| *pod.name == *name);
            let generated = generate_name(&base, &[uid(self.input.set), &moment, node], is_taken);
            made.insert(generated.clone());
            set_generated_name(&mut pod, &base, generated.clone());
            self.acts.create(Kind::POD, pod);
            self.acts.event(
                Kind::DAEMON_SET,
                self.input.set,
                "SuccessfulCreate",
                format!("Created pod: {generated}"),
            );
        }
    }

    fn tell(&mut self) {
        let (mut desired, mut current, mut misplaced, mut ready, mut updated, mut available) = (0_i64, 0, 0, 0, 0, 0);
        let mut is_current = by_labels(|pod| pod.label(POD_LABEL) == Some(self.hash.as_str()));
        for site in &self.sites {
            let pods = self.pods_on(site);
            if !site.verdict.run {
                misplaced += i64::from(!pods.is_empty());
                continue;
            }
            desired += 1;
            current += i64::from(!pods.is_empty());
            let mut best: Option<&&Pod> = None;
            for pod in pods {
                if best.is_none_or(|best| !best.ready && pod.ready) {
                    best = Some(pod);
                }
            }
            updated += i64::from(pods.iter().any(|pod| is_current(pod)));
            if let Some(pod) = best.filter(|pod| pod.ready) {
                ready += 1;
                available += i64::from(self.is_available(pod));
            }
        }
        let mut status = json!({
            "desiredNumberScheduled": desired, "currentNumberScheduled": current, "numberMisscheduled": misplaced,
            "numberReady": ready, "observedGeneration": generation(self.input.set)});
        for (field, number) in [
            ("updatedNumberScheduled", updated),
            ("numberAvailable", available),
            ("numberUnavailable", desired - available),
        ] {
            if number > 0 {
                set(&mut status, &[field], number);
            }
        }
        for field in ["collisionCount", "conditions"] {
            if let Some(old) = at(self.input.set, &["status", field]) {
                set(&mut status, &[field], old.clone());
            }
        }
        self.acts.status(Kind::DAEMON_SET, self.input.set, &status);
        if let Some(moment) = next_available(self.pods.iter().copied(), self.min_ready, self.input.now) {
            self.acts.wake(moment);
        }
    }

    /// Forgets revisions that no pod has any more, beyond the limit of the history.
    fn clean(&mut self) {
        let limit = int(self.input.set, &["spec", "revisionHistoryLimit"]).unwrap_or(10);
        let is_of = |hash: &str| {
            let mut has = by_labels(|pod| pod.label(POD_LABEL) == Some(hash));
            self.pods.iter().any(|pod| has(pod))
        };
        let in_use = |revision: &Value| hash_of(revision) == self.hash || is_of(hash_of(revision));
        for revision in revisions::surplus(self.input.revisions, limit, in_use) {
            self.acts.delete(Kind::CONTROLLER_REVISION, revision);
        }
    }
}
