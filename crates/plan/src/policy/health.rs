//! How health is judged after an update.

use std::collections::BTreeSet;
use std::fmt;

use model::selector::Selector;
use model::{Cluster, Invalid, Validate};
use serde::{Deserialize, Serialize};

use super::Span;
use crate::health::{Condition, Rules};

/// How health is judged. Without the section every update is checked for some minutes against what was there before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct HealthPolicy {
    /// How long a cluster has to be healthy without a break after an update; `0s` when nothing is checked.
    pub check_time: Span,
    /// Clusters with another check time; the first entry that selects a cluster counts.
    pub check_times: Vec<CheckTime>,
    /// How long workloads may take to become available before anything is held against an update.
    pub settle: Span,
    /// How long a healthy cluster is watched after an update. Its verdict can turn meanwhile.
    pub watch: Span,
    /// How long something may be worse than before without counting.
    pub tolerate: Span,
    /// Between two looks while a cluster is checked.
    pub interval: Span,
    /// Between two looks while a healthy one is watched.
    pub watch_interval: Span,
    /// How slow the API may answer, in percent of what it took before.
    pub latency_percent: u32,
    /// An API that answers within this is never slow.
    pub latency_floor: Span,
    /// How long a new node may take to become ready.
    pub young_node: Span,
    /// How long a pod may be pending.
    pub pending_after: Span,
    /// How many more pods than before may be pending for longer.
    pub more_pending: u32,
    /// How long what was seen before an update that did not end well is compared with.
    pub baseline_age: Span,
    /// Address of the Prometheus that queries are asked from, such as `https://prometheus.example.org`.
    pub prometheus: String,
    /// Checks of one's own.
    pub checks: Vec<HealthCheck>,
}

/// A check time of some clusters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckTime {
    /// Which clusters.
    pub clusters: Selector,
    /// Their check time.
    pub check_time: Span,
}

/// A check of one's own: a condition on objects, or a query. Exactly one of them is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct HealthCheck {
    /// Its name in verdicts.
    pub name: String,
    /// Clusters that it is for; all when left out.
    pub clusters: Selector,
    /// Objects and the condition that each of them meets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects: Option<ObjectsCheck>,
    /// A query and the bounds of its values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<QueryCheck>,
}

/// A condition on objects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ObjectsCheck {
    /// Group and version, such as `apps/v1`.
    pub api_version: String,
    /// Kind, such as `Deployment`.
    pub kind: String,
    /// Only objects of this namespace; all when left out.
    pub namespace: String,
    /// Only objects that this label selector matches.
    pub labels: String,
    /// The condition, in CEL; it reads `object` and `cluster`.
    pub condition: String,
    /// Whether it is fine when there is no such object. It is not, unless this is said.
    pub may_be_none: bool,
}

/// A query with its bounds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct QueryCheck {
    /// The query in PromQL; `$cluster`, `$id`, `$channel`, `$environment` and `$region` stand for those of the cluster.
    pub promql: String,
    /// No series is above this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<Bound>,
    /// No series is below this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<Bound>,
    /// Whether it is fine when there is no series, as with a query for alerts that fire. Otherwise that is missing data, and
    /// no verdict rests on it.
    pub may_be_none: bool,
}

/// A bound of values.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bound(pub f64);

impl PartialEq for Bound {
    fn eq(&self, other: &Self) -> bool {
        self.0.total_cmp(&other.0).is_eq()
    }
}

impl Eq for Bound {}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Default for HealthPolicy {
    fn default() -> Self {
        let test = Selector::of_clusters("environment in (test, e2e)").unwrap_or_default();
        let check_times = match test.is_empty() {
            true => Vec::new(),
            false => vec![CheckTime {
                clusters: test,
                check_time: Span::seconds(60),
            }],
        };
        Self {
            check_time: Span::seconds(5 * 60),
            check_times,
            settle: Span::seconds(15 * 60),
            watch: Span::hours(2),
            tolerate: Span::seconds(2 * 60),
            interval: Span::seconds(30),
            watch_interval: Span::seconds(5 * 60),
            latency_percent: 300,
            latency_floor: Span::seconds(1),
            young_node: Span::seconds(10 * 60),
            pending_after: Span::seconds(5 * 60),
            more_pending: 5,
            baseline_age: Span::hours(24),
            prometheus: String::new(),
            checks: Vec::new(),
        }
    }
}

impl HealthPolicy {
    /// What counts for one cluster.
    #[must_use]
    pub fn rules(&self, cluster: &Cluster) -> Rules {
        let own = self.check_times.iter().find(|own| own.clusters.selects(cluster));
        let check_time = own.map_or(self.check_time, |own| own.check_time).get();
        Rules {
            check_time,
            settle: self.settle.get(),
            watch: self.watch.get().max(check_time),
            tolerate: self.tolerate.get(),
            // At least two looks fall into every check time.
            interval: self.interval.get().min(check_time / 2),
            watch_interval: self.watch_interval.get(),
            latency_percent: self.latency_percent.into(),
            latency_floor: self.latency_floor.get(),
            young_node: self.young_node.get(),
            pending_after: self.pending_after.get(),
            more_pending: usize::try_from(self.more_pending).unwrap_or(usize::MAX),
        }
    }

    /// The checks of one's own that are for a cluster.
    pub fn checks_of<'p>(&'p self, cluster: &'p Cluster) -> impl Iterator<Item = &'p HealthCheck> {
        self.checks.iter().filter(|check| check.clusters.selects(cluster))
    }
}

impl Validate for HealthPolicy {
    fn check(&self, problems: &mut Vec<Invalid>) {
        for (name, span) in [("interval", self.interval), ("watchInterval", self.watch_interval)] {
            if span < Span::seconds(1) {
                problems.push(Invalid::new(name, "must be at least 1s", span));
            }
        }
        if self.latency_percent < 100 {
            let rule = "must be at least 100: an API that is as fast as before is not slow";
            problems.push(Invalid::new("latencyPercent", rule, self.latency_percent));
        }
        let address = self.prometheus.as_str();
        if !address.is_empty() && !address.starts_with("http://") && !address.starts_with("https://") {
            let rule = "must be an address that begins with http:// or https://";
            problems.push(Invalid::new("prometheus", rule, address));
        }
        let mut names = BTreeSet::new();
        for (i, check) in self.checks.iter().enumerate() {
            let place = |field: &str| format!("checks[{i}].{field}");
            if check.name.trim().is_empty() || !names.insert(check.name.as_str()) {
                let rule = "must be a name that no other check has";
                problems.push(Invalid::new(place("name"), rule, &check.name));
            }
            match (&check.objects, &check.query) {
                (Some(objects), None) => objects.check(&place("objects"), problems),
                (None, Some(query)) => query.check(&place("query"), address, problems),
                _ => {
                    let rule = "must have exactly one of objects, query";
                    problems.push(Invalid::new(format!("checks[{i}]"), rule, &check.name));
                }
            }
        }
    }
}

impl ObjectsCheck {
    fn check(&self, place: &str, problems: &mut Vec<Invalid>) {
        for (name, value) in [("apiVersion", &self.api_version), ("kind", &self.kind)] {
            if value.is_empty() {
                problems.push(Invalid::new(format!("{place}.{name}"), "must be given", ""));
            }
        }
        if let Err(error) = Condition::compile(&self.condition) {
            problems.push(Invalid::new(
                format!("{place}.condition"),
                error.to_string(),
                &self.condition,
            ));
        }
    }
}

impl QueryCheck {
    fn check(&self, place: &str, address: &str, problems: &mut Vec<Invalid>) {
        if self.promql.trim().is_empty() {
            problems.push(Invalid::new(format!("{place}.promql"), "must be given", ""));
        }
        if self.at_most.is_none() && self.at_least.is_none() {
            problems.push(Invalid::new(place, "must have atMost, atLeast or both", ""));
        }
        if address.is_empty() {
            problems.push(Invalid::new(place, "needs health.prometheus, the server to ask", ""));
        }
    }
}
