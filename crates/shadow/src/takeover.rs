//! What would change if Fleetwright took a cluster over at the version that it has: read from the cluster and its cloud,
//! written nowhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube_access::applyset::PART_OF;
use lifecycle::preview::stacks::{FoundStack, Owner, StackLook, StackLooks};
use model::{Cluster, ClusterVersion};
use plan::{
    ClusterInput, ClusterPlan, Deletion, FieldEdit, FleetPlan, Inputs, LineEdit, NodeCount, Phase, PlanId, PoolChange,
    StackChange, StackKind, Subject, Verb, Why,
};
use ports::cloud::StackStatus;
use render::{DesiredCluster, DesiredPool, PoolDefinition, Stack};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What taking a cluster over would change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Takeover {
    /// The changes, and in its errors what could not be looked at.
    pub plan: ClusterPlan,
    /// What the plan's id is bound to.
    pub input: ClusterInput,
    /// Objects that would get nothing but our mark: a label of theirs, and our name on their fields. Nothing in them changes.
    pub marked: usize,
}

impl Takeover {
    /// The id of the plan, which adopting asks for when something would change.
    #[must_use]
    pub fn id(&self) -> PlanId {
        self.inputs().id()
    }

    /// True if everything was looked at and nothing would change.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.plan.is_empty() && self.plan.errors.is_empty()
    }

    fn inputs(&self) -> Inputs {
        let mut input = self.input.clone();
        let unseen = self
            .plan
            .errors
            .iter()
            .map(|error| (error.clone(), "not seen".to_owned()));
        input.live.get_or_insert_default().extend(unseen);
        Inputs {
            clusters: BTreeMap::from([(self.plan.cluster.clone(), input)]),
        }
    }

    /// The plan of this cluster alone, for reports.
    #[must_use]
    pub fn fleet_plan(&self) -> FleetPlan {
        FleetPlan::new("what is there", "taking over", self.inputs(), vec![self.plan.clone()])
    }

    /// A cluster that could not be looked at.
    #[must_use]
    pub fn unseen(cluster: &Cluster, why: impl Into<String>) -> Self {
        let subject = subject(cluster);
        Self {
            input: input(cluster, "", ""),
            plan: ClusterPlan::failed(&subject, vec![why.into()]),
            marked: 0,
        }
    }
}

/// The cluster as plans name it.
pub(crate) fn subject(cluster: &Cluster) -> Subject {
    let count = |size: i64| u64::try_from(size).unwrap_or_default();
    let pools = cluster.node_pools.iter().map(|pool| {
        let nodes = NodeCount {
            min: count(pool.min_size),
            max: count(pool.max_size),
            seen: None,
        };
        (pool.name.to_string(), nodes)
    });
    Subject {
        id: cluster.id.to_string(),
        alias: cluster.alias.to_string(),
        environment: cluster.environment.clone(),
        nodes: pools.collect(),
    }
}

/// What the id is bound to, before anything was seen.
pub(crate) fn input(cluster: &Cluster, to: &str, facts: &str) -> ClusterInput {
    ClusterInput {
        alias: cluster.alias.to_string(),
        from: cluster.status.current_version.clone(),
        to: to.to_owned(),
        facts: facts.to_owned(),
        live: Some(BTreeMap::new()),
    }
}

/// The plan of stacks and node pools: what is in the cloud beside what git wants. Without a cloud neither is there.
pub(crate) fn of_stacks(
    cluster: &Cluster,
    desired: &DesiredCluster,
    looks: Option<&StackLooks>,
    hide: &dyn Fn(&str) -> String,
) -> ClusterPlan {
    let subject = subject(cluster);
    let (mut before, mut after) = (desired.clone(), desired.clone());
    if let Some(looks) = looks {
        as_found(&mut before, &mut after, looks);
    }
    let mut plan = plan::plan_cluster(&subject, Some(&before), Some(&after), hide);
    plan.from.clone_from(&cluster.status.current_version);
    for look in looks.iter().flat_map(|looks| &looks.wanted) {
        if let Some(found) = &look.found {
            beside_templates(&mut plan, &subject, desired, look, found);
        }
    }
    for name in looks.iter().flat_map(|looks| &looks.deleted) {
        plan.deletions.push(Deletion {
            phase: Phase::Before,
            target: format!("stack {name}"),
        });
    }
    for pool in looks.iter().flat_map(|looks| looks.gone.keys()) {
        plan.pools.push(PoolChange {
            pool: pool.clone(),
            profile: String::new(),
            verb: Verb::Delete,
            why: vec![Why::Gone],
            nodes: NodeCount::default(),
        });
    }
    plan
}

/// Puts the templates that are there into one side and those that would be sent into the other. The etcd stack of a cluster
/// that does not manage it was not looked at, and stays equal on both sides.
fn as_found(before: &mut DesiredCluster, after: &mut DesiredCluster, looks: &StackLooks) {
    for look in &looks.wanted {
        let wanted = Arc::<str>::from(look.wanted.as_str());
        let found = look
            .found
            .as_ref()
            .map(|found| Arc::<str>::from(found.template.as_str()));
        match &look.owner {
            Owner::Main => side(&mut before.main_stack, &mut after.main_stack, found, wanted),
            Owner::Etcd => {
                if let (Some(before), Some(after)) = (&mut before.etcd, &mut after.etcd) {
                    side(&mut before.stack, &mut after.stack, found, wanted);
                }
            }
            Owner::Extra => {
                for stack in after.extra_stacks.iter_mut().filter(|stack| stack.name == look.name) {
                    stack.text = Arc::clone(&wanted);
                }
                match found {
                    Some(found) => {
                        for stack in before.extra_stacks.iter_mut().filter(|stack| stack.name == look.name) {
                            stack.text = Arc::clone(&found);
                        }
                    }
                    None => before.extra_stacks.retain(|stack| stack.name != look.name),
                }
            }
            Owner::Pool(name) => {
                for pool in after.pools.iter_mut().filter(|pool| pool.name == *name) {
                    pool_text(pool, &wanted);
                }
                match found {
                    Some(found) => {
                        for pool in before.pools.iter_mut().filter(|pool| pool.name == *name) {
                            pool_text(pool, &found);
                            if found != wanted {
                                pool.hash.push_str(" as found");
                            }
                        }
                    }
                    None => before.pools.retain(|pool| pool.name != *name),
                }
            }
        }
    }
}

fn side(before: &mut Option<Stack>, after: &mut Option<Stack>, found: Option<Arc<str>>, wanted: Arc<str>) {
    if let Some(stack) = after {
        stack.text = wanted;
    }
    match (found, before.as_mut()) {
        (Some(found), Some(stack)) => stack.text = found,
        _ => *before = None,
    }
}

fn pool_text(pool: &mut DesiredPool, text: &Arc<str>) {
    if let Some(PoolDefinition::Stack(stack)) = &mut pool.definition {
        stack.text = Arc::clone(text);
    }
}

/// What of a stack is not its template: tags, and a state from which it would be repaired.
fn beside_templates(
    plan: &mut ClusterPlan,
    subject: &Subject,
    desired: &DesiredCluster,
    look: &StackLook,
    found: &FoundStack,
) {
    let mut lines = Vec::new();
    for (key, now, wanted) in &found.tags {
        lines.extend(now.iter().map(|now| LineEdit('-', format!("tag {key}: {now}"))));
        lines.extend(
            wanted
                .iter()
                .map(|wanted| LineEdit('+', format!("tag {key}: {wanted}"))),
        );
    }
    lines.extend(repair(found.status).map(|text| LineEdit('+', text)));
    if lines.is_empty() {
        return;
    }
    if let Owner::Pool(name) = &look.owner {
        let texts = lines.into_iter().map(|LineEdit(_, text)| text).collect();
        let why = Why::InPlace(texts);
        match plan.pools.iter_mut().find(|pool| pool.pool == *name) {
            Some(pool) => pool.why.push(why),
            None => plan.pools.push(PoolChange {
                pool: name.clone(),
                profile: desired
                    .pools
                    .iter()
                    .find(|pool| pool.name == *name)
                    .map(|pool| pool.profile.clone())
                    .unwrap_or_default(),
                verb: Verb::Update,
                why: vec![why],
                nodes: subject.nodes.get(name).copied().unwrap_or_default(),
            }),
        }
        return;
    }
    match plan.stacks.iter_mut().find(|stack| stack.name == look.name) {
        Some(stack) => stack.lines.extend(lines),
        None => plan.stacks.push(StackChange {
            name: look.name.clone(),
            kind: match look.owner {
                Owner::Etcd => StackKind::Etcd,
                Owner::Extra => StackKind::Extra,
                Owner::Main | Owner::Pool(_) => StackKind::Main,
            },
            verb: Verb::Update,
            resources: Vec::new(),
            lines,
        }),
    }
}

/// What a pass would do about the state that a stack rests in, besides its template.
fn repair(status: StackStatus) -> Option<String> {
    if status.in_progress() {
        return Some(format!("it is {status}: something is under way"));
    }
    (!status.can_update()).then(|| format!("it is {status}, from which a pass would repair it"))
}

/// A digest of each stack that is not as wanted, by its name.
pub(crate) fn digests(looks: &StackLooks) -> BTreeMap<String, String> {
    let differing = looks.wanted.iter().filter(|look| !look.is_as_wanted());
    let of = |look: &StackLook| {
        let found = look.found.as_ref();
        let text = format!("{:?} {}", found.map(|f| (&f.template, &f.tags, f.status)), look.wanted);
        short(text.as_bytes())
    };
    let gone = looks
        .gone
        .iter()
        .map(|(pool, stack)| (stack.clone(), format!("of pool {pool}, which left")));
    let deleted = looks
        .deleted
        .iter()
        .map(|name| (name.clone(), "deleted by name".to_owned()));
    differing
        .map(|look| (look.name.clone(), of(look)))
        .chain(gone)
        .chain(deleted)
        .collect()
}

/// The first characters of a digest.
pub(crate) fn short(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes)).chars().take(16).collect()
}

/// Takes the objects out of which nothing changes but that they get our mark, and answers how many these were.
pub(crate) fn without_marks(plan: &mut ClusterPlan, digests: &mut BTreeMap<String, String>) -> usize {
    let all = plan.objects.len();
    for object in &mut plan.objects {
        object.fields.retain(|field| !is_mark(field));
    }
    let mut kept = Vec::new();
    for object in std::mem::take(&mut plan.objects) {
        if object.verb == Verb::Update && object.fields.is_empty() {
            digests.remove(&object.object.to_string());
        } else {
            kept.push(object);
        }
    }
    plan.objects = kept;
    all - plan.objects.len()
}

/// The label by which we find what is ours; alone in the map where an object has no other label.
fn is_mark(field: &FieldEdit) -> bool {
    let only = |value: &serde_json::Value| {
        let map = value.as_object();
        map.is_some_and(|map| map.len() == 1 && map.contains_key(PART_OF))
    };
    field.path.contains(PART_OF)
        || (field.path == "metadata.labels" && field.old.is_none() && field.new.as_ref().is_some_and(only))
}

/// The configuration of a version string, if it names one.
pub(crate) fn config_of(version: &str) -> Option<String> {
    let version = ClusterVersion::parse(version);
    (version != ClusterVersion::default()).then_some(version.config)
}
