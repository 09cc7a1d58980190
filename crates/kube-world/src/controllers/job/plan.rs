//! What a Job does in one turn: count, judge whether it is over, start or stop pods.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use json_tree::{Value, json};

use super::backoff::{self, Ended};
use super::count::{Rules, Tally, tally};
use super::outcome::{self, Outcome};
use super::pods::{JobPod, TRACKING};
use super::{indexes, make};
use crate::controllers::replicaset::rank::{Candidate, compare};
use crate::controllers::support::acts::Acts;
use crate::controllers::support::conditions::{self, Habit, Says};
use crate::controllers::support::pods::PodExt;
use crate::controllers::support::tree::{at, deleting, flag, int, name, remove, set, stamp, time};
use crate::kind::Kind;

/// The most pods that are started in one turn.
const BURST: usize = 500;
/// How Jobs keep conditions: beside the transition there is a time of the last look.
const HABIT: Habit = Habit {
    touched: "lastProbeTime",
    messages: true,
    to_end: false,
};

/// Everything the planner looks at.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    pub(crate) job: &'a Value,
    /// The pods that the Job controls.
    pub(crate) pods: &'a [JobPod],
    pub(crate) now: Timestamp,
}

struct Turn<'a> {
    input: &'a Input<'a>,
    rules: Rules<'a>,
    tally: Tally,
    status: Value,
    acts: Acts,
}

/// Whether a Job is over, as its conditions say: `Complete` or `Failed`.
pub(crate) fn finished(job: &Value) -> Option<&'static str> {
    let empty = json!({});
    let status = job.get("status").unwrap_or(&empty);
    ["Complete", "Failed"]
        .into_iter()
        .find(|kind| conditions::is_true(status, kind))
}

/// Plans one turn.
pub(crate) fn plan(input: &Input<'_>) -> Acts {
    let mut acts = Acts::default();
    if deleting(input.job) || finished(input.job).is_some() {
        release(input.pods, |_| true, &mut acts);
        if !deleting(input.job) {
            expire(input, &mut acts);
        }
        return acts;
    }
    let rules = Rules::read(input.job);
    let status = input.job.get("status").cloned().unwrap_or_else(|| json!({}));
    let mut turn = Turn {
        input,
        rules,
        tally: tally(input.job, rules, input.pods),
        status,
        acts,
    };
    turn.go();
    turn.acts
}

/// Lets go of counted pods.
fn release(pods: &[JobPod], counted: impl Fn(&JobPod) -> bool, acts: &mut Acts) {
    for pod in pods.iter().filter(|pod| pod.tracked && counted(pod)) {
        let left: Vec<&String> = pod.finalizers.iter().filter(|name| *name != TRACKING).collect();
        let left = if left.is_empty() { Value::Null } else { json!(left) };
        let patch = json!({"metadata": {"finalizers": left}});
        acts.patch_key(pod.pod.key(), patch);
    }
}

/// Deletes a finished Job after `ttlSecondsAfterFinished`.
fn expire(input: &Input<'_>, acts: &mut Acts) {
    let (Some(seconds), Some(kind)) = (
        int(input.job, &["spec", "ttlSecondsAfterFinished"]),
        finished(input.job),
    ) else {
        return;
    };
    let empty = json!({});
    let condition = conditions::find(input.job.get("status").unwrap_or(&empty), kind);
    let since = condition.and_then(|condition| time(condition, &["lastTransitionTime"]));
    match since.and_then(|since| since.checked_add(SignedDuration::from_secs(seconds)).ok()) {
        Some(end) if end > input.now => acts.wake(end),
        Some(_) => {
            acts.delete(Kind::JOB, input.job);
        }
        None => {}
    }
}

impl<'a> Turn<'a> {
    fn active(&self) -> Vec<&'a JobPod> {
        self.input.pods.iter().filter(|pod| pod.pod.is_active()).collect()
    }

    fn terminating(&self) -> usize {
        self.input.pods.iter().filter(|pod| pod.is_going()).count()
    }

    fn go(&mut self) {
        let suspended = flag(self.input.job, &["spec", "suspend"]);
        self.suspend_or_resume(suspended);
        let started = time(&self.status, &["startTime"]);
        let outcome = outcome::judge(self.input, &self.rules, &self.tally, &self.status, started);
        match &outcome {
            Outcome::Under(Some(deadline)) => self.acts.wake(*deadline),
            Outcome::Under(None) => {}
            Outcome::Over { .. } => {}
        }
        let active = match &outcome {
            Outcome::Over { .. } => {
                self.stop_all();
                0
            }
            Outcome::Under(_) if suspended => {
                self.stop_all();
                0
            }
            Outcome::Under(_) => self.manage(),
        };
        self.write(active, &outcome);
        let counted: BTreeSet<&str> = self
            .tally
            .uncounted_succeeded
            .iter()
            .chain(&self.tally.uncounted_failed)
            .map(String::as_str)
            .collect();
        release(self.input.pods, |pod| counted.contains(&*pod.pod.uid), &mut self.acts);
    }

    fn suspend_or_resume(&mut self, suspended: bool) {
        let was = conditions::is_true(&self.status, "Suspended");
        let job = self.input.job;
        if suspended {
            if !was {
                let says = Says {
                    kind: "Suspended",
                    status: "True",
                    reason: "JobSuspended",
                    message: "Job suspended",
                };
                conditions::put(&mut self.status, says, HABIT, self.input.now);
                self.acts.event(Kind::JOB, job, "Suspended", "Job suspended".to_owned());
            }
            remove(&mut self.status, &["startTime"]);
            return;
        }
        if was {
            let says = Says {
                kind: "Suspended",
                status: "False",
                reason: "JobResumed",
                message: "Job resumed",
            };
            conditions::put(&mut self.status, says, HABIT, self.input.now);
            self.acts.event(Kind::JOB, job, "Resumed", "Job resumed".to_owned());
        }
        if at(&self.status, &["startTime"]).is_none() {
            set(&mut self.status, &["startTime"], stamp(self.input.now));
        }
    }

    fn stop(&mut self, pod: &JobPod) {
        let pod = &pod.pod;
        self.acts.delete_key(pod.key(), &pod.uid);
        self.acts.event(
            Kind::JOB,
            self.input.job,
            "SuccessfulDelete",
            format!("Deleted pod: {}", pod.name),
        );
    }

    fn stop_all(&mut self) {
        for pod in self.active() {
            self.stop(pod);
        }
    }

    /// Starts or stops pods; returns how many are active afterwards.
    fn manage(&mut self) -> usize {
        let active = self.active();
        let spec = |field: &str| int(self.input.job, &["spec", field]);
        let parallelism = usize::try_from(spec("parallelism").unwrap_or(1)).unwrap_or(0);
        let done = self.tally.succeeded + count(self.tally.failed_indexes.len());
        let wanted = match self.rules.completions {
            // Without a number of completions the first success lets the others run to their end.
            None if self.tally.succeeded > 0 => active.len(),
            None => parallelism,
            Some(completions) => parallelism.min(usize::try_from(completions - done).unwrap_or(0)),
        };
        if active.len() > wanted {
            return self.stop_surplus(active, wanted);
        }
        let replaced = if self.rules.only_failed { self.terminating() } else { 0 };
        let missing = wanted.saturating_sub(active.len()).saturating_sub(replaced).min(BURST);
        if missing == 0 {
            return active.len();
        }
        active.len() + self.start(&active, missing)
    }

    fn stop_surplus(&mut self, mut active: Vec<&'a JobPod>, wanted: usize) -> usize {
        let now = self.input.now;
        active.sort_by(|one, two| {
            compare(
                &Candidate::of(&one.pod, 0, one.deletion_cost),
                &Candidate::of(&two.pod, 0, two.deletion_cost),
                now,
            )
        });
        for pod in active.iter().take(active.len() - wanted) {
            self.stop(pod);
        }
        wanted
    }

    fn start(&mut self, active: &[&JobPod], missing: usize) -> usize {
        let whiches = if self.rules.indexed {
            self.pending_indexes(active, missing)
        } else {
            if let Some(end) = backoff::until(&self.ended(None), self.input.now) {
                self.acts.wake(end);
                return 0;
            }
            vec![
                make::Which {
                    index: None,
                    failures: None
                };
                missing
            ]
        };
        let mut taken: BTreeSet<String> = self.input.pods.iter().map(|pod| pod.pod.name.to_string()).collect();
        for (number, which) in whiches.iter().enumerate() {
            let pod = make::pod(self.input.job, *which, self.input.now, number, &mut taken);
            let text = format!("Created pod: {}", name(&pod));
            self.acts.create(Kind::POD, pod);
            self.acts.event(Kind::JOB, self.input.job, "SuccessfulCreate", text);
        }
        whiches.len()
    }

    /// The lowest indexes that nobody works on and that need not wait.
    fn pending_indexes(&mut self, active: &[&JobPod], missing: usize) -> Vec<make::Which> {
        let busy: BTreeSet<i64> = active.iter().filter_map(|pod| pod.index).collect();
        let going: BTreeSet<i64> = if self.rules.only_failed {
            self.input
                .pods
                .iter()
                .filter(|pod| pod.is_going())
                .filter_map(|pod| pod.index)
                .collect()
        } else {
            BTreeSet::new()
        };
        let per_index = self.rules.limit_per_index.is_some();
        if !per_index && let Some(end) = backoff::until(&self.ended(None), self.input.now) {
            self.acts.wake(end);
            return Vec::new();
        }
        let mut out = Vec::new();
        for index in 0..self.rules.completions.unwrap_or(0) {
            let settled = self.tally.completed.contains(&index) || self.tally.failed_indexes.contains(&index);
            if settled || busy.contains(&index) || going.contains(&index) {
                continue;
            }
            if out.len() >= missing {
                break;
            }
            if per_index && let Some(end) = backoff::until(&self.ended(Some(index)), self.input.now) {
                self.acts.wake(end);
                continue;
            }
            let failures = per_index.then(|| self.tally.index_failures.get(&index).copied().unwrap_or(0));
            out.push(make::Which {
                index: Some(index),
                failures,
            });
        }
        out
    }

    /// The pods that ended, of one index or of all.
    fn ended(&self, index: Option<i64>) -> Vec<Ended> {
        let wanted = self
            .input
            .pods
            .iter()
            .filter(|pod| index.is_none() || pod.index == index);
        wanted
            .filter(|pod| pod.succeeded() || pod.failed(self.rules.only_failed))
            .filter_map(|pod| {
                Some(Ended {
                    when: pod.finished?,
                    failed: !pod.succeeded(),
                })
            })
            .collect()
    }

    fn write(&mut self, active: usize, outcome: &Outcome) {
        let ready = self.active().iter().filter(|pod| pod.pod.ready).count();
        let over = matches!(outcome, Outcome::Over { .. });
        let stopping = if over || flag(self.input.job, &["spec", "suspend"]) {
            self.active().len()
        } else {
            0
        };
        let terminating = self.terminating() + stopping;
        for (field, number) in [
            ("active", count(active)),
            ("succeeded", self.tally.succeeded),
            ("failed", self.tally.failed),
        ] {
            if number > 0 {
                set(&mut self.status, &[field], number);
            } else {
                remove(&mut self.status, &[field]);
            }
        }
        set(
            &mut self.status,
            &["ready"],
            if over { 0 } else { count(ready.min(active)) },
        );
        set(&mut self.status, &["terminating"], count(terminating));
        self.write_text("completedIndexes", &indexes::print(&self.tally.completed));
        if self.rules.limit_per_index.is_some() {
            set(
                &mut self.status,
                &["failedIndexes"],
                indexes::print(&self.tally.failed_indexes),
            );
        }
        let mut uncounted = json!({});
        for (kind, uids) in [
            ("succeeded", &self.tally.uncounted_succeeded),
            ("failed", &self.tally.uncounted_failed),
        ] {
            if !uids.is_empty() {
                set(&mut uncounted, &[kind], uids.clone());
            }
        }
        set(&mut self.status, &["uncountedTerminatedPods"], uncounted);
        if let Outcome::Over { .. } = outcome {
            outcome::write(
                outcome,
                self.input.job,
                terminating == 0,
                &mut self.status,
                HABIT,
                self.input.now,
                &mut self.acts,
            );
        }
        self.acts.status(Kind::JOB, self.input.job, &self.status);
    }

    fn write_text(&mut self, field: &str, text: &str) {
        if text.is_empty() {
            remove(&mut self.status, &[field]);
        } else {
            set(&mut self.status, &[field], text);
        }
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
