//! How a cluster fares after an update: the verdict that waves, gates and people read.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{ClusterId, words};

/// What is known about a cluster's health after an update.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum HealthState {
    /// The check time runs.
    #[default]
    Checking,
    /// It was as healthy as before for the whole check time.
    Healthy,
    /// Something got worse and stayed so.
    Unhealthy,
    /// Something that has to be known cannot be read. This is never taken for "healthy" (V12).
    Undecided,
}

impl HealthState {
    /// The spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Checking => "checking",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Undecided => "undecided",
        }
    }
}

/// One thing that got worse, or that cannot be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HealthReason {
    /// The component whose workload it is; empty for what belongs to none, such as a node.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub component: String,
    /// What it is about, such as `Deployment kube-system/skipper`, `Node ip-10-2-3-4`, `api` or the name of a check.
    pub subject: String,
    /// What is wrong with it, in one sentence.
    pub message: String,
    /// Since when it has been seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub since: Option<Timestamp>,
}

/// What the looks at a cluster after an update came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HealthVerdict {
    /// The word.
    pub state: HealthState,
    /// Since when it has been so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub since: Option<Timestamp>,
    /// While it is checked: when that is decided at the latest. Absent where nobody can know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub until: Option<Timestamp>,
    /// What got worse, what is not there yet, or what cannot be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<HealthReason>,
}

impl HealthVerdict {
    /// The verdict in one sentence: the word, the first reason, and how many more there are.
    ///
    /// ```
    /// use model::{HealthReason, HealthState, HealthVerdict};
    ///
    /// let reason = HealthReason {
    ///     component: "skipper".into(), subject: "Deployment kube-system/skipper".into(),
    ///     message: "0 of 2 pods are available".into(), since: None,
    /// };
    /// let verdict = HealthVerdict { state: HealthState::Unhealthy, reasons: vec![reason], ..HealthVerdict::default() };
    /// assert_eq!(verdict.sentence(), "unhealthy: Deployment kube-system/skipper (skipper): 0 of 2 pods are available");
    /// ```
    #[must_use]
    pub fn sentence(&self) -> String {
        let word = self.state.as_str();
        let until = match (self.state, self.until) {
            (HealthState::Checking, Some(until)) => format!(", decided by {}", words::moment(until)),
            _ => String::new(),
        };
        match self.reasons.as_slice() {
            [] => format!("{word}{until}"),
            [first] => format!("{word}: {}{until}", first.sentence()),
            [first, more @ ..] => format!("{word}: {} (and {} more){until}", first.sentence(), more.len()),
        }
    }
}

impl HealthReason {
    /// Subject, component and message.
    #[must_use]
    pub fn sentence(&self) -> String {
        if self.component.is_empty() {
            format!("{}: {}", self.subject, self.message)
        } else {
            format!("{} ({}): {}", self.subject, self.component, self.message)
        }
    }
}

/// Equal reasons folded over clusters: what is wrong, and in which clusters, most clusters first (the common cause).
#[must_use]
pub fn common_causes<'a>(
    verdicts: impl IntoIterator<Item = (&'a ClusterId, &'a HealthVerdict)>,
) -> Vec<(String, Vec<ClusterId>)> {
    let mut by_subject: BTreeMap<(String, String), Vec<ClusterId>> = BTreeMap::new();
    for (cluster, verdict) in verdicts {
        for reason in &verdict.reasons {
            let key = (reason.component.clone(), reason.subject.clone());
            by_subject.entry(key).or_default().push(cluster.clone());
        }
    }
    let mut folded: Vec<(String, Vec<ClusterId>)> = by_subject
        .into_iter()
        .map(|((component, subject), clusters)| {
            let what = if component.is_empty() {
                subject
            } else {
                format!("{subject} ({component})")
            };
            (what, clusters)
        })
        .collect();
    folded.sort_by(|(one, a), (other, b)| b.len().cmp(&a.len()).then_with(|| one.cmp(other)));
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(subjects: &[&str]) -> HealthVerdict {
        let reason = |subject: &&str| HealthReason {
            component: "dns".to_owned(),
            subject: (*subject).to_owned(),
            message: "not available".to_owned(),
            since: None,
        };
        HealthVerdict {
            state: HealthState::Unhealthy,
            reasons: subjects.iter().map(reason).collect(),
            ..HealthVerdict::default()
        }
    }

    #[test]
    fn a_verdict_is_one_sentence() {
        let until = Some(Timestamp::from_second(1_700_000_000).unwrap());
        let checking = HealthVerdict {
            until,
            ..HealthVerdict::default()
        };
        assert_eq!(checking.sentence(), "checking, decided by 2023-11-14 22:13 UTC");
        assert_eq!(
            verdict(&["a", "b", "c"]).sentence(),
            "unhealthy: a (dns): not available (and 2 more)"
        );
    }

    #[test]
    fn equal_reasons_of_many_clusters_fold_into_one() {
        let id = |n: u32| format!("aws:1:r:kube-{n}").parse::<ClusterId>().unwrap();
        let (one, two, three) = (verdict(&["x", "y"]), verdict(&["y"]), verdict(&["y"]));
        let (a, b, c) = (id(1), id(2), id(3));
        let folded = common_causes([(&a, &one), (&b, &two), (&c, &three)]);
        let told: Vec<(&str, usize)> = folded.iter().map(|(what, all)| (what.as_str(), all.len())).collect();
        assert_eq!(told, [("y (dns)", 3), ("x (dns)", 1)]);
    }
}
