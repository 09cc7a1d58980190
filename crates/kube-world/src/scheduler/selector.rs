//! Label selectors of pods and node selector terms, parsed once and compared by value.

use std::collections::{BTreeMap, BTreeSet};

use json_tree::Value;

use super::read::{self, Labels};

/// One condition on the labels (or fields) of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Requirement {
    /// Name of the label.
    pub key: String,
    /// What must hold for its value.
    pub operator: Operator,
}

/// The operators of label selectors and node selectors.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operator {
    /// The value is one of these.
    In(BTreeSet<String>),
    /// The label is absent, or its value is none of these.
    NotIn(BTreeSet<String>),
    /// The label is there.
    Exists,
    /// The label is absent.
    DoesNotExist,
    /// The value is a whole number above this one (node selectors only).
    Gt(i64),
    /// The value is a whole number below this one (node selectors only).
    Lt(i64),
    /// An operator or operand that cannot be read: it holds for nothing.
    Never,
}

impl Requirement {
    /// The condition that a label has exactly this value.
    #[must_use]
    pub fn equals(key: &str, value: &str) -> Self {
        Self {
            key: key.to_owned(),
            operator: Operator::In(BTreeSet::from([value.to_owned()])),
        }
    }

    fn from_json(expression: &Value) -> Self {
        let values = || {
            read::texts(expression, &["values"])
                .into_iter()
                .collect::<BTreeSet<_>>()
        };
        let number = || values().into_iter().next().and_then(|text| text.parse::<i64>().ok());
        let operator = match read::text(expression, &["operator"]) {
            Some("In") => Operator::In(values()),
            Some("NotIn") => Operator::NotIn(values()),
            Some("Exists") => Operator::Exists,
            Some("DoesNotExist") => Operator::DoesNotExist,
            Some("Gt") => number().map_or(Operator::Never, Operator::Gt),
            Some("Lt") => number().map_or(Operator::Never, Operator::Lt),
            _ => Operator::Never,
        };
        let key = read::text(expression, &["key"]).unwrap_or_default().to_owned();
        Self { key, operator }
    }

    fn holds(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|text| text.parse::<i64>().ok());
        match &self.operator {
            Operator::In(values) => value.is_some_and(|text| values.contains(text)),
            Operator::NotIn(values) => value.is_none_or(|text| !values.contains(text)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Gt(bound) => number().is_some_and(|found| found > *bound),
            Operator::Lt(bound) => number().is_some_and(|found| found < *bound),
            Operator::Never => false,
        }
    }

    /// Whether these labels meet the condition.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matches_with(|key| labels.get(key).map(String::as_str))
    }

    /// Whether labels that this function looks up meet the condition.
    pub fn matches_with<'l>(&self, label: impl Fn(&str) -> Option<&'l str>) -> bool {
        self.holds(label(&self.key))
    }
}

/// A label selector over pods.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Selector {
    /// Selects nothing: what an absent selector means.
    Nothing,
    /// All of these hold; without any, everything is selected.
    All(Vec<Requirement>),
}

impl Selector {
    /// Reads a `LabelSelector` object.
    #[must_use]
    pub fn from_json(selector: Option<&Value>) -> Self {
        let Some(selector) = selector.filter(|selector| selector.is_object()) else {
            return Self::Nothing;
        };
        let mut requirements = equal_to(&read::labels(selector, &["matchLabels"]));
        requirements.extend(
            read::list(selector, &["matchExpressions"])
                .iter()
                .map(Requirement::from_json),
        );
        requirements.sort();
        requirements.dedup();
        Self::All(requirements)
    }

    /// The selector of a Service or a replication controller: plain equality, where an empty one selects nothing.
    #[must_use]
    pub fn from_map(labels: &Labels) -> Self {
        if labels.is_empty() {
            return Self::Nothing;
        }
        Self::All(equal_to(labels))
    }

    /// Whether an object with these labels is selected.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        match self {
            Self::Nothing => false,
            Self::All(requirements) => requirements.iter().all(|requirement| requirement.matches(labels)),
        }
    }

    /// Whether it selects everything.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        matches!(self, Self::All(requirements) if requirements.is_empty())
    }

    /// Narrows the selector by further conditions; one that selects nothing stays so.
    #[must_use]
    pub fn and(self, more: impl IntoIterator<Item = Requirement>) -> Self {
        match self {
            Self::Nothing => Self::Nothing,
            Self::All(mut requirements) => {
                requirements.extend(more);
                requirements.sort();
                requirements.dedup();
                Self::All(requirements)
            }
        }
    }
}

fn equal_to(labels: &Labels) -> Vec<Requirement> {
    labels
        .iter()
        .map(|(key, value)| Requirement::equals(key, value))
        .collect()
}

/// One alternative of a node selector: all of its conditions hold. Without any condition it matches no node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct NodeTerm {
    /// Conditions on the node's labels.
    pub expressions: Vec<Requirement>,
    /// Conditions on the node's fields; only `metadata.name` exists.
    pub fields: Vec<Requirement>,
}

impl NodeTerm {
    /// Reads a `NodeSelectorTerm`.
    #[must_use]
    pub fn from_json(term: &Value) -> Self {
        let read = |name: &str| read::list(term, &[name]).iter().map(Requirement::from_json).collect();
        Self {
            expressions: read("matchExpressions"),
            fields: read("matchFields"),
        }
    }

    /// Whether a node of this name and labels matches.
    #[must_use]
    pub fn matches(&self, name: &str, labels: &Labels) -> bool {
        self.matches_with(name, |key| labels.get(key).map(String::as_str))
    }

    /// Whether a node of this name matches whose labels this function looks up.
    pub fn matches_with<'l>(&self, name: &str, label: impl Fn(&str) -> Option<&'l str>) -> bool {
        let any = !self.expressions.is_empty() || !self.fields.is_empty();
        let field = |condition: &Requirement| condition.key == "metadata.name" && condition.holds(Some(name));
        let expression = |condition: &Requirement| condition.matches_with(&label);
        any && self.expressions.iter().all(expression) && self.fields.iter().all(field)
    }

    /// The node names that the term is bound to by its fields, if it is.
    #[must_use]
    pub fn names(&self) -> Option<BTreeSet<String>> {
        let mut names: Option<BTreeSet<String>> = None;
        for condition in &self.fields {
            if let (true, Operator::In(values)) = (condition.key == "metadata.name", &condition.operator) {
                names = Some(match names {
                    None => values.clone(),
                    Some(before) => before.intersection(values).cloned().collect(),
                });
            }
        }
        names
    }
}

/// The selector that stands for "pods like this one": the selectors of all services that select the pod, and of its owner.
///
/// Without any, the cluster's default spreading does not apply to the pod (answer `None`).
#[must_use]
pub fn default_selector(
    pod: &Labels,
    services: &[BTreeMap<String, String>],
    owner: Option<&Selector>,
) -> Option<Selector> {
    let selecting = services
        .iter()
        .filter(|service| Selector::from_map(service).matches(pod));
    let mut requirements: Vec<Requirement> = selecting.flat_map(equal_to).collect();
    if let Some(Selector::All(of_owner)) = owner {
        requirements.extend(of_owner.iter().cloned());
    }
    (!requirements.is_empty()).then(|| Selector::All(Vec::new()).and(requirements))
}
