//! Counting the pods of a Job: each ended pod once, and what that makes of indexes and limits.
//!
//! A pod carries a finalizer until it was counted. Its uid goes into `status.uncountedTerminatedPods` together with the
//! new count, then the finalizer goes, then the uid. Whatever is interrupted, no pod is counted twice or not at all.

use std::collections::{BTreeMap, BTreeSet};

use json_tree::Value;

use super::indexes;
use super::pods::JobPod;
use super::policy::{Verdict, judge};
use crate::controllers::support::tree::{at, int, list, text};

/// The state of a Job after counting.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    pub(crate) succeeded: i64,
    pub(crate) failed: i64,
    pub(crate) completed: BTreeSet<i64>,
    pub(crate) failed_indexes: BTreeSet<i64>,
    /// Uids of pods that are counted and still carry the finalizer.
    pub(crate) uncounted_succeeded: Vec<String>,
    pub(crate) uncounted_failed: Vec<String>,
    /// The message of a rule that fails the Job.
    pub(crate) fatal: Option<String>,
    /// How often each index failed so far, where a limit per index counts them.
    pub(crate) index_failures: BTreeMap<i64, i64>,
}

/// What the counting has to know of a Job.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) indexed: bool,
    pub(crate) completions: Option<i64>,
    pub(crate) limit_per_index: Option<i64>,
    pub(crate) only_failed: bool,
    pub(crate) policy: Option<&'a Value>,
}

impl<'a> Rules<'a> {
    /// Reads the rules of a Job.
    pub(crate) fn read(job: &'a Value) -> Self {
        let policy = at(job, &["spec", "podFailurePolicy"]);
        Self {
            indexed: text(job, &["spec", "completionMode"]) == Some("Indexed"),
            completions: int(job, &["spec", "completions"]),
            limit_per_index: int(job, &["spec", "backoffLimitPerIndex"]),
            // A Job that looks at how pods fail has to wait until they have.
            only_failed: policy.is_some() || text(job, &["spec", "podReplacementPolicy"]) == Some("Failed"),
            policy,
        }
    }
}

/// Counts the pods that ended since the status was written.
pub(crate) fn tally(job: &Value, rules: Rules<'_>, pods: &[JobPod]) -> Tally {
    let completions = rules.completions.unwrap_or(i64::MAX);
    let set = |field: &str| indexes::parse(text(job, &["status", field]).unwrap_or_default(), completions);
    let mut tally = Tally {
        succeeded: int(job, &["status", "succeeded"]).unwrap_or(0),
        failed: int(job, &["status", "failed"]).unwrap_or(0),
        completed: if rules.indexed {
            set("completedIndexes")
        } else {
            BTreeSet::new()
        },
        failed_indexes: if rules.limit_per_index.is_some() {
            set("failedIndexes")
        } else {
            BTreeSet::new()
        },
        ..Tally::default()
    };
    let noted = |kind: &str| -> BTreeSet<&str> {
        let uids = list(job, &["status", "uncountedTerminatedPods", kind]);
        uids.iter().filter_map(Value::as_str).collect()
    };
    let (noted_good, noted_bad) = (noted("succeeded"), noted("failed"));
    for pod in pods {
        if let (Some(index), Some(_)) = (pod.index, rules.limit_per_index)
            && pod.failed(rules.only_failed)
        {
            let counts = i64::from(judge(rules.policy, pod) != Verdict::Ignore);
            let failures = tally.index_failures.entry(index).or_default();
            *failures = (*failures).max(pod.index_failures + counts);
        }
        if !pod.tracked {
            continue;
        }
        let known = noted_good.contains(&*pod.pod.uid) || noted_bad.contains(&*pod.pod.uid);
        if pod.succeeded() {
            tally.uncounted_succeeded.push(pod.pod.uid.to_string());
            if !known {
                tally.succeed(rules, pod);
            }
        } else if pod.failed(rules.only_failed) {
            tally.uncounted_failed.push(pod.pod.uid.to_string());
            if !known {
                tally.fail(rules, pod);
            }
        }
    }
    tally
}

impl Tally {
    fn succeed(&mut self, rules: Rules<'_>, pod: &JobPod) {
        match pod.index.filter(|_| rules.indexed) {
            Some(index) => {
                if rules.completions.is_none_or(|all| index < all) && self.completed.insert(index) {
                    self.succeeded += 1;
                    self.failed_indexes.remove(&index);
                }
            }
            None => self.succeeded += 1,
        }
    }

    fn fail(&mut self, rules: Rules<'_>, pod: &JobPod) {
        let verdict = judge(rules.policy, pod);
        match &verdict {
            Verdict::Ignore => return,
            Verdict::FailJob(message) => {
                self.fatal.get_or_insert_with(|| message.clone());
            }
            Verdict::Count | Verdict::FailIndex => {}
        }
        self.failed += 1;
        if let (Some(index), Some(limit)) = (pod.index, rules.limit_per_index)
            && !self.completed.contains(&index)
            && (verdict == Verdict::FailIndex || pod.index_failures >= limit)
        {
            self.failed_indexes.insert(index);
        }
    }
}
