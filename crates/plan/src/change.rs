//! What can change, as values that can be saved and read again.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What happens to something. The order is that of a report: what is lost comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// It goes.
    Delete,
    /// It goes and comes again: an immutable field changes, or nodes are replaced.
    Replace,
    /// It changes in place.
    Update,
    /// It is new.
    Create,
}

impl Verb {
    /// The sign that terraform's users know.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Delete => "-",
            Self::Replace => "-/+",
            Self::Update => "~",
            Self::Create => "+",
        }
    }
}

/// A cluster as a plan names it, with the nodes that its pools may have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Id of the cluster.
    pub id: String,
    /// The name that people use.
    pub alias: String,
    /// `production`, `test` and so on.
    pub environment: String,
    /// Nodes of each pool.
    pub nodes: BTreeMap<String, NodeCount>,
}

/// How many nodes a pool has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeCount {
    /// Lower bound of the registry.
    pub min: u64,
    /// Upper bound of the registry.
    pub max: u64,
    /// Nodes that were seen; `None` when nobody looked.
    pub seen: Option<u64>,
}

impl fmt::Display for NodeCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.seen, self.min == self.max) {
            (Some(1), _) => f.write_str("1 node"),
            (Some(seen), _) => write!(f, "{seen} nodes"),
            (None, true) => write!(f, "{} nodes", self.min),
            (None, false) => write!(f, "{} to {} nodes", self.min, self.max),
        }
    }
}

/// Identity of an object in a cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectRef {
    /// `apiVersion` without its version; empty for the core group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

impl From<render::ObjectId> for ObjectRef {
    fn from(id: render::ObjectId) -> Self {
        Self {
            group: id.group,
            kind: id.kind,
            namespace: id.namespace,
            name: id.name,
        }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " {namespace}/{}", self.name),
            None => write!(f, " {}", self.name),
        }
    }
}

/// A changed field. Secret values are masked; that they changed is still said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldEdit {
    /// Where, such as `spec.containers[name=web].image`.
    pub path: String,
    /// Before; `None` where the field did not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// After; `None` where the field does not exist any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
    /// The elements of a list stand in another order; nothing else about it changes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reordered: bool,
}

/// A line that goes (`-`) or comes (`+`), in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LineEdit(pub char, pub String);

/// What happens to one object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObjectChange {
    /// Which.
    pub object: ObjectRef,
    /// The component that holds it; for deletions the one that held it.
    pub component: String,
    /// What.
    pub verb: Verb,
    /// The changed fields of an update or replacement.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldEdit>,
    /// The field that cannot be changed in place, if the object has to be made anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub immutable: Option<String>,
}

/// Which stack of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StackKind {
    /// The stack of the cluster itself.
    Main,
    /// The stack of etcd.
    Etcd,
    /// A stack of `cf-manifests`.
    Extra,
}

/// What happens to one stack. Stacks of node pools are told with their pools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackChange {
    /// Name of the stack.
    pub name: String,
    /// Which one it is.
    pub kind: StackKind,
    /// What.
    pub verb: Verb,
    /// Changed resources of the template, `Type name`; empty when the template could not be read as one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// The lines that go and come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<LineEdit>,
}

/// Why something about a node pool changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The user data of its nodes differs in this many lines.
    UserData(usize),
    /// Files that its nodes load at boot differ.
    Files(Vec<String>),
    /// The launch template of its stack differs in these properties.
    LaunchTemplate(Vec<String>),
    /// The group's choice of instances differs.
    Instances(String),
    /// Objects for Karpenter differ in fields that make nodes drift.
    Provisioner(Vec<String>),
    /// Other parts of its stack or objects differ: they change in place.
    InPlace(Vec<String>),
    /// The text could not be read as a template, so its nodes are taken to be replaced.
    Unreadable,
    /// The pool is new.
    New,
    /// The pool is in the registry no more: its nodes are drained first.
    Gone,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UserData(1) => f.write_str("user data changes (1 line)"),
            Self::UserData(lines) => write!(f, "user data changes ({lines} lines)"),
            Self::Files(paths) => write!(f, "files of the nodes change: {}", paths.join(", ")),
            Self::LaunchTemplate(properties) => write!(f, "launch template changes: {}", properties.join(", ")),
            Self::Instances(what) => write!(f, "choice of instances changes: {what}"),
            Self::Provisioner(fields) => write!(f, "nodes drift: {}", fields.join(", ")),
            Self::InPlace(parts) => write!(f, "changes in place: {}", parts.join(", ")),
            Self::Unreadable => {
                f.write_str("the definition changes and could not be read; nodes are taken to be replaced")
            }
            Self::New => f.write_str("new in the registry"),
            Self::Gone => f.write_str("in the registry no more; nodes are drained first"),
        }
    }
}

/// What happens to one node pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolChange {
    /// Name of the pool.
    pub pool: String,
    /// Its profile.
    pub profile: String,
    /// [`Verb::Replace`] means that its nodes are replaced.
    pub verb: Verb,
    /// Every reason.
    pub why: Vec<Why>,
    /// How many nodes it has.
    pub nodes: NodeCount,
}

/// When a deletion of `deletions.yaml` is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Before the components are applied.
    Before,
    /// After the components are applied.
    After,
}

/// An entry that is new in a file of deletions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Deletion {
    /// When.
    pub phase: Phase,
    /// What, in words: kind, namespace and name, labels or selector; or a stack.
    pub target: String,
}

/// Any change, for reports that treat all alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Of a node pool.
    Pool(PoolChange),
    /// Of a stack.
    Stack(StackChange),
    /// A new entry of a file of deletions.
    Deletion(Deletion),
    /// Of an object.
    Object(ObjectChange),
}

impl Change {
    /// What happens.
    #[must_use]
    pub fn verb(&self) -> Verb {
        match self {
            Self::Pool(pool) => pool.verb,
            Self::Stack(stack) => stack.verb,
            Self::Deletion(_) => Verb::Delete,
            Self::Object(object) => object.verb,
        }
    }

    /// What it happens to. Stacks of one kind have the cluster's name in theirs, so the kind stands for it.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::Pool(pool) => format!("node pool {}", pool.pool),
            Self::Stack(stack) => match stack.kind {
                StackKind::Main => "cluster stack".to_owned(),
                StackKind::Etcd => "etcd stack".to_owned(),
                StackKind::Extra => format!("stack {}", stack.name),
            },
            Self::Deletion(deletion) => deletion.target.clone(),
            Self::Object(object) => object.object.to_string(),
        }
    }
}

/// What an update would do to one cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ClusterPlan {
    /// Id of the cluster.
    pub cluster: String,
    /// The name that people use.
    pub alias: String,
    /// Version before; empty for a cluster that is made.
    pub from: String,
    /// Version after; empty for a cluster that goes.
    pub to: String,
    /// Stacks that change, in the order of their update.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stacks: Vec<StackChange>,
    /// Node pools that change, in the registry's order; pools that go come last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pools: Vec<PoolChange>,
    /// Objects that change, in the order of application; objects that go come last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<ObjectChange>,
    /// New entries of the files of deletions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deletions: Vec<Deletion>,
    /// Why the plan is not complete; such a plan cannot be applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}

impl ClusterPlan {
    /// A cluster that cannot be planned.
    #[must_use]
    pub fn failed(subject: &Subject, errors: Vec<String>) -> Self {
        Self {
            cluster: subject.id.clone(),
            alias: subject.alias.clone(),
            errors,
            ..Self::default()
        }
    }

    /// True if the update would change nothing but the version.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stacks.is_empty() && self.pools.is_empty() && self.objects.is_empty() && self.deletions.is_empty()
    }

    /// All changes, in the order of the fields.
    pub fn changes(&self) -> impl Iterator<Item = Change> {
        let pools = self.pools.iter().cloned().map(Change::Pool);
        let stacks = self.stacks.iter().cloned().map(Change::Stack);
        let deletions = self.deletions.iter().cloned().map(Change::Deletion);
        let objects = self.objects.iter().cloned().map(Change::Object);
        stacks.chain(pools).chain(deletions).chain(objects)
    }

    /// How many objects would be pruned since git holds them no more. Consent to deletions is bound to this number.
    #[must_use]
    pub fn pruned(&self) -> usize {
        let gone = |object: &&ObjectChange| object.verb == Verb::Delete;
        self.objects.iter().filter(gone).count()
    }
}
