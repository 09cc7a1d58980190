//! Rules between pods as they stand in a pod's spec: affinity terms and topology spread constraints.

use std::collections::BTreeSet;

use json_tree::Value;

use super::read::{self, Labels};
use super::selector::{Operator, Requirement, Selector};

/// The label that tells nodes apart.
pub const HOSTNAME: &str = "kubernetes.io/hostname";
/// The label of a node's zone.
pub const ZONE: &str = "topology.kubernetes.io/zone";

/// The pods that a rule speaks of: in these namespaces, with these labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodSet {
    /// Namespaces by name.
    pub namespaces: BTreeSet<String>,
    /// Namespaces by their labels, besides the named ones.
    pub namespace_selector: Selector,
    /// The pods' labels.
    pub selector: Selector,
}

impl PodSet {
    /// Pods of one namespace.
    #[must_use]
    pub fn within(namespace: &str, selector: Selector) -> Self {
        Self {
            namespaces: BTreeSet::from([namespace.to_owned()]),
            namespace_selector: Selector::Nothing,
            selector,
        }
    }

    /// Whether a pod belongs to the set.
    #[must_use]
    pub fn contains(&self, namespace: &str, namespace_labels: &Labels, labels: &Labels) -> bool {
        (self.namespaces.contains(namespace) || self.namespace_selector.matches(namespace_labels))
            && self.selector.matches(labels)
    }
}

/// A term of pod affinity or anti-affinity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AffinityTerm {
    /// The pods to be near to, or away from.
    pub pods: PodSet,
    /// The node label whose equal values mean "near".
    pub topology_key: String,
}

impl AffinityTerm {
    fn from_json(term: &Value, namespace: &str, labels: &Labels) -> Self {
        let mut namespaces: BTreeSet<String> = read::texts(term, &["namespaces"]).into_iter().collect();
        let by_labels = read::at(term, &["namespaceSelector"]).filter(|selector| selector.is_object());
        if namespaces.is_empty() && by_labels.is_none() {
            namespaces.insert(namespace.to_owned());
        }
        let keys = |name: &str| read::texts(term, &[name]);
        let same = own_values(labels, &keys("matchLabelKeys"));
        let other = own_values(labels, &keys("mismatchLabelKeys"))
            .into_iter()
            .map(|mut condition| {
                if let Operator::In(values) = condition.operator {
                    condition.operator = Operator::NotIn(values);
                }
                condition
            });
        let selector = Selector::from_json(read::at(term, &["labelSelector"]))
            .and(same)
            .and(other);
        Self {
            pods: PodSet {
                namespaces,
                namespace_selector: Selector::from_json(by_labels),
                selector,
            },
            topology_key: read::text(term, &["topologyKey"]).unwrap_or_default().to_owned(),
        }
    }
}

/// The conditions "same value as mine" for each key that the pod has as a label.
///
/// The API server writes these conditions into the selector as well; the selector's set form makes them one.
fn own_values(labels: &Labels, keys: &[String]) -> Vec<Requirement> {
    let condition = |key: &String| Some(Requirement::equals(key, labels.get(key)?));
    keys.iter().filter_map(condition).collect()
}

/// The rules towards other pods.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct PodAffinity {
    /// Pods to be near to; all terms together.
    pub required: Vec<AffinityTerm>,
    /// Pods to be away from, each term by itself.
    pub required_anti: Vec<AffinityTerm>,
    /// Weighted wishes: positive weights attract, negative ones repel.
    pub preferred: Vec<(i64, AffinityTerm)>,
}

impl PodAffinity {
    /// Reads a pod's `spec.affinity`.
    #[must_use]
    pub fn from_json(affinity: Option<&Value>, namespace: &str, labels: &Labels) -> Self {
        let Some(affinity) = affinity else {
            return Self::default();
        };
        let required = |kind: &str| -> Vec<AffinityTerm> {
            let terms = read::list(affinity, &[kind, "requiredDuringSchedulingIgnoredDuringExecution"]);
            terms
                .iter()
                .map(|term| AffinityTerm::from_json(term, namespace, labels))
                .collect()
        };
        let preferred = |kind: &str, sign: i64| -> Vec<(i64, AffinityTerm)> {
            let terms = read::list(affinity, &[kind, "preferredDuringSchedulingIgnoredDuringExecution"]);
            let read = |term: &Value| {
                let weight = sign * i64::from(read::int32(term, &["weight"]).unwrap_or_default());
                Some((
                    weight,
                    AffinityTerm::from_json(term.get("podAffinityTerm")?, namespace, labels),
                ))
            };
            terms.iter().filter_map(read).collect()
        };
        let mut wishes = preferred("podAffinity", 1);
        wishes.extend(preferred("podAntiAffinity", -1));
        Self {
            required: required("podAffinity"),
            required_anti: required("podAntiAffinity"),
            preferred: wishes,
        }
    }
}

/// A topology spread constraint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spread {
    /// How far the fullest may be above the emptiest domain.
    pub max_skew: i64,
    /// The node label whose values are the domains.
    pub topology_key: String,
    /// `DoNotSchedule`; otherwise `ScheduleAnyway`.
    pub required: bool,
    /// The pods that are counted, of the pod's own namespace.
    pub selector: Selector,
    /// With fewer domains than this, the emptiest counts as empty.
    pub min_domains: i64,
    /// Count only nodes that the pod's node selector and affinity allow (the default).
    pub honor_affinity: bool,
    /// Count only nodes whose taints the pod tolerates. The default is not to: a cordoned or tainted node stays a domain.
    pub honor_taints: bool,
}

impl Spread {
    /// Reads an item of `spec.topologySpreadConstraints`.
    #[must_use]
    pub fn from_json(constraint: &Value, labels: &Labels) -> Self {
        let policy =
            |name: &str, default: bool| read::text(constraint, &[name]).map_or(default, |policy| policy == "Honor");
        let same = own_values(labels, &read::texts(constraint, &["matchLabelKeys"]));
        Self {
            max_skew: i64::from(read::int32(constraint, &["maxSkew"]).unwrap_or(1)),
            topology_key: read::text(constraint, &["topologyKey"]).unwrap_or_default().to_owned(),
            required: read::text(constraint, &["whenUnsatisfiable"]) != Some("ScheduleAnyway"),
            selector: Selector::from_json(read::at(constraint, &["labelSelector"])).and(same),
            min_domains: i64::from(read::int32(constraint, &["minDomains"]).unwrap_or(1)),
            honor_affinity: policy("nodeAffinityPolicy", true),
            honor_taints: policy("nodeTaintsPolicy", false),
        }
    }

    /// The constraints of a cluster without own ones: over nodes and, more loosely, over zones.
    #[must_use]
    pub fn cluster_defaults(selector: &Selector) -> Vec<Self> {
        let soft = |topology_key: &str, max_skew: i64| Self {
            max_skew,
            topology_key: topology_key.to_owned(),
            required: false,
            selector: selector.clone(),
            min_domains: 1,
            honor_affinity: true,
            honor_taints: false,
        };
        vec![soft(HOSTNAME, 3), soft(ZONE, 5)]
    }
}
