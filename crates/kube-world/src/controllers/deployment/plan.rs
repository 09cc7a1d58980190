//! What a Deployment does in one turn.
//!
//! Each turn makes one move (a new ReplicaSet, a growth, a shrinking) and tells the status; the change that follows
//! brings the next turn. So what a watcher sees goes in the same small steps as on a real cluster.

use std::borrow::Cow;

use jiff::Timestamp;
use json_tree::{Value, json};
use kube_sim::LabelSelector;

use super::rolling::{self, Resize, SetSize, by_age};
use super::sets::{self, bounds, desired, find_new, is_rolling, size, wanted};
use super::{progress, status};
use crate::controllers::support::acts::Acts;
use crate::controllers::support::meta::{controller_of, controller_ref};
use crate::controllers::support::pods::{Pod, PodExt};
use crate::controllers::support::tree::{annotation, at, created, deleting, flag, int, name, set, text, texts, uid};
use crate::kind::{Key, Kind};

/// Everything the planner looks at.
pub(crate) struct Input<'a> {
    pub(crate) deployment: &'a Value,
    /// The ReplicaSets of the namespace that the Deployment controls or could adopt.
    pub(crate) sets: &'a [&'a Value],
    /// The pods of its ReplicaSets; only `Recreate` looks at them.
    pub(crate) pods: &'a [Pod],
    /// Whether a ReplicaSet of the namespace has this name, for collisions of hashes.
    pub(crate) is_taken: &'a dyn Fn(&str) -> bool,
    pub(crate) now: Timestamp,
}

/// One turn under way.
struct Turn<'a> {
    deployment: &'a Value,
    /// Oldest first, as they will be after the acts so far.
    sets: Vec<Cow<'a, Value>>,
    new: Option<usize>,
    now: Timestamp,
    acts: Acts,
    /// Conditions that the turn itself set already.
    noted: Option<(&'static str, &'static str, String)>,
}

/// The selector of a Deployment.
pub(crate) fn selector(deployment: &Value) -> LabelSelector {
    LabelSelector::from_object(at(deployment, &["spec", "selector"]))
}

/// What is told when the new ReplicaSet could not be made.
pub(crate) fn refused(deployment: &Value, set: &str, why: &str, now: Timestamp) -> Acts {
    let mut acts = Acts::default();
    let message = format!("Failed to create new replica set \"{set}\": {why}");
    acts.warn(Kind::DEPLOYMENT, deployment, "ReplicaSetCreateError", message.clone());
    let mut status = deployment.get("status").cloned().unwrap_or_else(|| json!({}));
    progress::says(&mut status, "False", "ReplicaSetCreateError", &message, now);
    acts.status(Kind::DEPLOYMENT, deployment, &status);
    acts
}

/// Plans one turn.
pub(crate) fn plan(input: &Input<'_>) -> Acts {
    let mut acts = Acts::default();
    let selector = selector(input.deployment);
    if selector.is_empty() {
        let why = "This deployment is selecting all pods. A non-empty selector is required.";
        acts.warn(Kind::DEPLOYMENT, input.deployment, "SelectingAll", why.to_owned());
        return acts;
    }
    let sets = claim(input, &selector, &mut acts);
    let refs: Vec<&Value> = sets.iter().map(|set| &**set).collect();
    let new = find_new(input.deployment, &refs).and_then(|new| refs.iter().position(|set| name(set) == name(new)));
    let mut turn = Turn {
        deployment: input.deployment,
        sets,
        new,
        now: input.now,
        acts,
        noted: None,
    };
    if deleting(input.deployment) {
        turn.tell(false);
        return turn.acts;
    }
    let paused = flag(input.deployment, &["spec", "paused"]);
    turn.note_pause(paused);
    if paused || turn.is_resized() {
        turn.renumber();
        turn.resize_all();
        if paused {
            turn.clean();
        }
        turn.tell(false);
    } else if is_rolling(input.deployment) {
        turn.roll(input);
    } else {
        turn.recreate(input);
    }
    turn.acts
}

/// Takes in orphaned ReplicaSets and lets go of those that the selector does not find any more.
fn claim<'a>(input: &Input<'a>, selector: &LabelSelector, acts: &mut Acts) -> Vec<Cow<'a, Value>> {
    let going = deleting(input.deployment);
    let mut mine = Vec::new();
    for &set in input.sets {
        let fits = selector.matches_with(|key| text(set, &["metadata", "labels", key]));
        match controller_of(set) {
            Some(owner) if text(owner, &["uid"]) == Some(uid(input.deployment)) => {
                if fits {
                    mine.push(Cow::Borrowed(set));
                } else if !going {
                    acts.patch(Kind::REPLICA_SET, set, json!({"metadata": {"ownerReferences": null}}));
                }
            }
            None if fits && !going && !deleting(set) => {
                let reference = controller_ref(Kind::DEPLOYMENT, input.deployment);
                acts.patch(
                    Kind::REPLICA_SET,
                    set,
                    json!({"metadata": {"ownerReferences": [reference]}}),
                );
                mine.push(Cow::Borrowed(set));
            }
            _ => {}
        }
    }
    mine.sort_by(|one, two| created(one).cmp(&created(two)).then_with(|| name(one).cmp(name(two))));
    mine
}

impl Turn<'_> {
    fn new_set(&self) -> Option<&Value> {
        self.new.and_then(|index| self.sets.get(index)).map(|set| &**set)
    }

    fn all(&self) -> impl Iterator<Item = &Value> + Clone {
        self.sets.iter().map(|set| &**set)
    }

    fn old_sets(&self) -> impl Iterator<Item = &Value> {
        let new = self.new;
        self.sets
            .iter()
            .enumerate()
            .filter(move |(index, _)| Some(*index) != new)
            .map(|(_, set)| &**set)
    }

    fn old_sizes(&self) -> Vec<SetSize> {
        self.old_sets().map(size).collect()
    }

    /// Whether the size of the Deployment changed since its ReplicaSets were last told it.
    fn is_resized(&self) -> bool {
        let told = |set: &Value| annotation(set, sets::DESIRED).and_then(|told| told.parse::<i64>().ok());
        let active = self.all().filter(|set| wanted(set) > 0);
        active.filter_map(told).any(|told| told != desired(self.deployment))
    }

    fn note_pause(&mut self, paused: bool) {
        let empty = json!({});
        let status = self.deployment.get("status").unwrap_or(&empty);
        let Some(spec) = self
            .deployment
            .get("spec")
            .filter(|spec| progress::deadline(spec).is_some())
        else {
            return;
        };
        let reason = progress::reason(status);
        if reason == Some("ProgressDeadlineExceeded") || spec.is_null() {
            return;
        }
        match (paused, reason == Some("DeploymentPaused")) {
            (true, false) => self.noted = Some(("Unknown", "DeploymentPaused", "Deployment is paused".to_owned())),
            (false, true) => self.noted = Some(("Unknown", "DeploymentResumed", "Deployment is resumed".to_owned())),
            _ => {}
        }
    }

    /// Gives the new ReplicaSet its number and annotations. Returns whether it had to be changed.
    fn renumber(&mut self) -> bool {
        let number = self.old_sets().map(sets::revision).max().unwrap_or(0).saturating_add(1);
        let Some(new) = self.new_set() else {
            return false;
        };
        let mut patch = json!({});
        let mut number_now = annotation(new, sets::REVISION).unwrap_or_default().to_owned();
        if !sets::is_annotated(self.deployment, new, number) {
            let mut annotations = sets::new_annotations(self.deployment, Some(new), number);
            if annotations != texts(new, &["metadata", "annotations"]) {
                set(&mut patch, &["metadata", "annotations"], json!(annotations));
            }
            number_now = annotations.remove(sets::REVISION).unwrap_or_default();
        }
        let ready = |object: &Value| int(object, &["spec", "minReadySeconds"]).unwrap_or(0);
        if ready(new) != ready(self.deployment) {
            set(&mut patch, &["spec", "minReadySeconds"], ready(self.deployment));
        }
        let changed = patch != json!({});
        let (key, new_name) = (Key::of(Kind::REPLICA_SET, new), name(new).to_owned());
        if changed {
            self.acts.patch_key(key, patch);
        }
        self.show_number(&number_now);
        let status = self.deployment.get("status").unwrap_or(&Value::Null);
        if progress::reason(status).is_none() && self.noted.is_none() {
            self.noted = Some((
                "True",
                "FoundNewReplicaSet",
                format!("Found new replica set \"{new_name}\""),
            ));
        }
        changed
    }

    /// The Deployment shows the number of its template.
    fn show_number(&mut self, number: &str) {
        if annotation(self.deployment, sets::REVISION) != Some(number) {
            let patch = json!({"metadata": {"annotations": {sets::REVISION: number}}});
            self.acts.patch(Kind::DEPLOYMENT, self.deployment, patch);
        }
    }

    fn make_new(&mut self, input: &Input<'_>) {
        let number = self.all().map(sets::revision).max().unwrap_or(0).saturating_add(1);
        let others: i64 = self.all().map(wanted).sum();
        let limits = bounds(self.deployment);
        let replicas = if is_rolling(self.deployment) {
            rolling::new_size(limits, 0, others)
        } else {
            limits.desired
        };
        let known = int(self.deployment, &["status", "collisionCount"]);
        // A set of that name with another template is in the way: the next hash is tried, and its count remembered.
        let mut collisions = known;
        let mut made = sets::make(self.deployment, replicas, number, collisions);
        while (input.is_taken)(name(&made)) {
            collisions = Some(collisions.unwrap_or(0) + 1);
            made = sets::make(self.deployment, replicas, number, collisions);
        }
        if collisions != known {
            let patch = json!({"collisionCount": collisions});
            self.acts
                .patch_status(Key::of(Kind::DEPLOYMENT, self.deployment), patch);
        }
        let made_name = name(&made).to_owned();
        self.acts.create(Kind::REPLICA_SET, made);
        if replicas > 0 {
            let text = format!("Scaled up replica set {made_name} from 0 to {replicas}");
            self.acts
                .event(Kind::DEPLOYMENT, self.deployment, "ScalingReplicaSet", text);
        }
        self.show_number(&number.to_string());
        let spec = self.deployment.get("spec").unwrap_or(&Value::Null);
        if progress::deadline(spec).is_some() {
            self.noted = Some((
                "True",
                "NewReplicaSetCreated",
                format!("Created new replica set \"{made_name}\""),
            ));
        }
    }

    /// Tells a ReplicaSet its size, with the Deployment's own.
    fn resize(&mut self, resize: &Resize, remember: bool) {
        let Some(index) = self.sets.iter().position(|set| name(set) == resize.0) else {
            return;
        };
        let Some(target) = self.sets.get(index) else {
            return;
        };
        let before = wanted(target);
        let mut patch = json!({});
        if before != resize.1 {
            set(&mut patch, &["spec", "replicas"], resize.1);
        }
        if before != resize.1 || remember {
            for (key, value) in sets::size_annotations(bounds(self.deployment)) {
                if annotation(target, &key) != Some(value.as_str()) {
                    set(&mut patch, &["metadata", "annotations", &key], value);
                }
            }
        }
        if patch == json!({}) {
            return;
        }
        self.acts.patch(Kind::REPLICA_SET, target, patch);
        if before != resize.1 {
            let way = if resize.1 > before { "up" } else { "down" };
            let text = format!("Scaled {way} replica set {} from {before} to {}", resize.0, resize.1);
            self.acts
                .event(Kind::DEPLOYMENT, self.deployment, "ScalingReplicaSet", text);
        }
        if let Some(target) = self.sets.get_mut(index) {
            set(target.to_mut(), &["spec", "replicas"], resize.1);
        }
    }

    /// Follows a change of the Deployment's size, outside of a rollout's own steps.
    fn resize_all(&mut self) {
        let limits = bounds(self.deployment);
        let active: Vec<SetSize> = self.all().filter(|set| wanted(set) > 0).map(size).collect();
        let single = match active.as_slice() {
            [] => self.new_set().map(size).or_else(|| self.old_sizes().pop()),
            [one] => Some(one.clone()),
            _ => None,
        };
        if let Some(single) = single {
            self.resize(&(single.name, limits.desired), true);
            return;
        }
        if active.is_empty() {
            return;
        }
        if self.new_set().is_some_and(|new| is_saturated(new, limits.desired)) {
            let mut old = self.old_sizes();
            by_age(&mut old);
            for set in old.into_iter().filter(|set| set.wanted > 0) {
                self.resize(&(set.name, 0), false);
            }
            return;
        }
        if is_rolling(self.deployment) {
            let replicas = int(self.deployment, &["status", "replicas"]).unwrap_or(0);
            for resize in rolling::proportional(limits, &active, replicas) {
                self.resize(&resize, true);
            }
        }
    }

    fn roll(&mut self, input: &Input<'_>) {
        if self.new.is_none() {
            self.make_new(input);
            self.tell(true);
            return;
        }
        if self.renumber() {
            self.tell(true);
            return;
        }
        let limits = bounds(self.deployment);
        let Some(new) = self.new_set().map(size) else {
            return;
        };
        let old = self.old_sizes();
        let others: i64 = old.iter().map(|set| set.wanted).sum();
        let grown = rolling::new_size(limits, new.wanted, others);
        if grown != new.wanted {
            self.resize(&(new.name, grown), false);
        } else {
            let resizes = rolling::shrink_old(limits, &new, &old);
            for resize in &resizes {
                self.resize(resize, false);
            }
            if resizes.is_empty() && self.is_complete() {
                self.clean();
            }
        }
        self.tell(true);
    }

    fn recreate(&mut self, input: &Input<'_>) {
        let mut old = self.old_sizes();
        by_age(&mut old);
        let active: Vec<Resize> = old
            .into_iter()
            .filter(|set| set.wanted > 0)
            .map(|set| (set.name, 0))
            .collect();
        if !active.is_empty() {
            active.iter().for_each(|resize| self.resize(resize, false));
            self.tell(true);
            return;
        }
        let new_uid = self.new_set().map(uid);
        let running = |pod: &&Pod| !pod.phase.is_terminal() && new_uid.is_none_or(|uid| !pod.is_controlled_by(uid));
        let counted = self
            .old_sets()
            .any(|set| int(set, &["status", "replicas"]).unwrap_or(0) > 0);
        if counted || input.pods.iter().any(|pod| running(&pod)) {
            self.tell(true);
            return;
        }
        match self.new_set().map(size) {
            None => self.make_new(input),
            Some(new) => {
                if !self.renumber() {
                    self.resize(&(new.name, desired(self.deployment)), false);
                    if self.is_complete() {
                        self.clean();
                    }
                }
            }
        }
        self.tell(true);
    }

    fn is_complete(&self) -> bool {
        status::is_complete(self.deployment, self.all(), self.new_set())
    }

    fn clean(&mut self) {
        let old: Vec<&Value> = self.old_sets().collect();
        let surplus: Vec<Value> = sets::surplus(self.deployment, &old).into_iter().cloned().collect();
        for set in &surplus {
            self.acts.delete(Kind::REPLICA_SET, set);
        }
    }

    /// Tells the status, and wakes up when the rollout would be taken for stuck.
    fn tell(&mut self, rollout: bool) {
        let all: Vec<&Value> = self.all().collect();
        let mut status = status::compute(self.deployment, &all, self.new_set(), self.now);
        if let Some((word, reason, message)) = &self.noted {
            progress::says(&mut status, word, reason, message, self.now);
        }
        if rollout {
            status::with_rollout(self.deployment, &all, self.new_set(), &mut status, self.now);
        }
        self.acts.status(Kind::DEPLOYMENT, self.deployment, &status);
        let spec = self.deployment.get("spec").unwrap_or(&Value::Null);
        if rollout && let Some(moment) = progress::stuck_at(spec, &status).filter(|moment| *moment > self.now) {
            self.acts.wake(moment);
        }
    }
}

/// Whether the new ReplicaSet alone is all the Deployment asks for.
fn is_saturated(new: &Value, desired: i64) -> bool {
    let told = annotation(new, sets::DESIRED).and_then(|told| told.parse::<i64>().ok());
    wanted(new) == desired
        && told == Some(desired)
        && int(new, &["status", "availableReplicas"]).unwrap_or(0) == desired
}
