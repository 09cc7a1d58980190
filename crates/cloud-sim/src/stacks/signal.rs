//! What a running task waits for: signals of instances, batches of a rolling update, a group that goes.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use ports::cloud::{CloudError, GroupName, InstanceId, Shrink, StackOutcome};

use super::run::TaskState;
use crate::world::{World, later};

/// What a task waits for.
#[derive(Debug, Clone)]
pub(super) enum Wait {
    /// So many instances to say that they are ready.
    Signals {
        needed: u32,
        deadline: Timestamp,
        heard: BTreeSet<InstanceId>,
        failed: BTreeSet<InstanceId>,
    },
    /// A group that is gone.
    Gone(GroupName),
    /// A rolling update.
    Rolling(Rolling),
}

impl Wait {
    pub(super) fn signals(needed: u32, deadline: Timestamp) -> Self {
        Self::Signals {
            needed,
            deadline,
            heard: BTreeSet::new(),
            failed: BTreeSet::new(),
        }
    }
}

/// A rolling update of a group, batch by batch.
#[derive(Debug, Clone)]
pub(super) struct Rolling {
    pub(super) group: GroupName,
    /// Instances of the old kind that still have to go.
    pub(super) outdated: Vec<InstanceId>,
    pub(super) total: usize,
    pub(super) batch_size: usize,
    pub(super) pause: Duration,
    pub(super) wait_for_signals: bool,
    /// Share of a batch that must signal success, in percent.
    pub(super) success_percent: usize,
    /// The batch under way.
    pub(super) batch: Option<Batch>,
}

#[derive(Debug, Clone)]
pub(super) struct Batch {
    leaving: Vec<InstanceId>,
    /// Members when it began, which are not new.
    before: BTreeSet<InstanceId>,
    heard: BTreeSet<InstanceId>,
    failed: BTreeSet<InstanceId>,
    began: Timestamp,
    deadline: Timestamp,
}

/// How a wait stands.
pub(super) enum Progress {
    Done,
    Failed(String),
    /// Goes on; with a time at which to look again, if nothing happens before.
    Waiting(Box<Wait>, Option<Timestamp>),
}

/// Longest time that a batch without signals may take to come into service.
const STABILISE: Duration = Duration::from_secs(3600);

/// Seconds of a time such as `PT15M` or plain seconds.
pub(super) fn seconds(text: &str, default: u64) -> u64 {
    if let Ok(plain) = text.parse() {
        return plain;
    }
    let Some(rest) = text.strip_prefix("PT") else {
        return default;
    };
    let (mut total, mut number) = (0_u64, 0_u64);
    for letter in rest.chars() {
        let unit = match letter {
            'H' => 3600,
            'M' => 60,
            'S' => 1,
            digit => {
                number = number
                    .saturating_mul(10)
                    .saturating_add(digit.to_digit(10).unwrap_or(0).into());
                continue;
            }
        };
        total = total.saturating_add(number.saturating_mul(unit));
        number = 0;
    }
    total
}

impl World {
    /// A signal of an instance for a resource.
    pub(crate) fn signal(&mut self, id: &str, logical_id: &str, instance: &InstanceId, success: bool) -> bool {
        let Some(stack) = self.state.stacks.get_mut(id) else {
            return false;
        };
        let operation = stack.operation.as_mut();
        let Some(task) = operation.and_then(|operation| operation.tasks.get_mut(logical_id)) else {
            return false;
        };
        if task.state != TaskState::Running {
            return false;
        }
        let (heard, failed) = match &mut task.wait {
            Some(Wait::Signals { heard, failed, .. }) => (heard, failed),
            Some(Wait::Rolling(Rolling { batch: Some(batch), .. })) => (&mut batch.heard, &mut batch.failed),
            _ => return false,
        };
        let new = if success {
            heard.insert(instance.clone())
        } else {
            failed.insert(instance.clone())
        };
        let phase = task.phase;
        if new {
            let word = if success { "SUCCESS" } else { "FAILURE" };
            let reason = format!("Received {word} signal with UniqueId {instance}");
            self.set_resource_status(id, logical_id, phase, StackOutcome::InProgress, Some(reason));
            self.poke_task(id, logical_id);
        }
        true
    }

    /// The same as a call of somebody's, refused where nothing waits for it.
    pub(crate) fn signal_resource(
        &mut self,
        stack: &str,
        logical_id: &str,
        instance: &InstanceId,
        success: bool,
    ) -> Result<(), CloudError> {
        let call = "SignalResource";
        let record = self.stack(stack)?;
        let id = record.id.clone();
        let Some(status) = record.resources.get(logical_id).map(|resource| resource.status) else {
            let message = format!("Resource {logical_id} does not exist for stack {stack}");
            return Err(CloudError::Invalid { call, message });
        };
        if self.signal(&id, logical_id, instance, success) {
            return Ok(());
        }
        let message = format!("Resource {logical_id} is in {status} state and cannot be signaled");
        Err(CloudError::Invalid { call, message })
    }

    /// Looks whether what a task waits for has come.
    pub(super) fn progress(&mut self, id: &str, key: &str, wait: Wait) -> Progress {
        match wait {
            Wait::Gone(group) if self.state.groups.contains_key(&group) => {
                let again = later(self.now, Duration::from_secs(15));
                Progress::Waiting(Box::new(Wait::Gone(group)), Some(again))
            }
            Wait::Gone(_) => Progress::Done,
            Wait::Rolling(rolling) => self.roll(id, key, rolling),
            Wait::Signals {
                needed,
                deadline,
                heard,
                failed,
            } => {
                let got = u32::try_from(heard.len()).unwrap_or(u32::MAX);
                if got >= needed {
                    return Progress::Done;
                }
                if !failed.is_empty() || self.now >= deadline {
                    return Progress::Failed(format!(
                        "Received {} FAILURE signal(s) and {got} SUCCESS signal(s) out of {needed} within the specified duration",
                        failed.len()
                    ));
                }
                let wait = Wait::Signals {
                    needed,
                    deadline,
                    heard,
                    failed,
                };
                Progress::Waiting(Box::new(wait), Some(deadline))
            }
        }
    }

    fn roll(&mut self, id: &str, key: &str, mut rolling: Rolling) -> Progress {
        if let Some(batch) = rolling.batch.take() {
            match self.batch_progress(&rolling, &batch) {
                BatchProgress::Failed(reason) => return Progress::Failed(reason),
                BatchProgress::Waiting(again) => {
                    rolling.batch = Some(batch);
                    return Progress::Waiting(Box::new(Wait::Rolling(rolling)), Some(again));
                }
                BatchProgress::Done => {
                    let done = rolling.total.saturating_sub(rolling.outdated.len());
                    let percent = done * 100 / rolling.total.max(1);
                    let names = listed(&batch.leaving);
                    let text = format!("Successfully terminated instance(s) [{names}] (Progress {percent}%).");
                    self.update_event(id, key, text);
                }
            }
        }
        if rolling.outdated.is_empty() {
            return Progress::Done;
        }
        self.start_batch(id, key, &mut rolling);
        let again = later(self.now, Duration::from_secs(30));
        Progress::Waiting(Box::new(Wait::Rolling(rolling)), Some(again))
    }

    pub(super) fn update_event(&mut self, id: &str, key: &str, text: String) {
        self.set_resource_status(
            id,
            key,
            ports::cloud::StackPhase::Update,
            StackOutcome::InProgress,
            Some(text),
        );
    }

    fn start_batch(&mut self, id: &str, key: &str, rolling: &mut Rolling) {
        let size = rolling.batch_size.min(rolling.outdated.len());
        let leaving: Vec<InstanceId> = rolling.outdated.drain(..size).collect();
        let group = self.state.groups.get(&rolling.group);
        let before = group
            .map(|group| group.members.keys().cloned().collect())
            .unwrap_or_default();
        let text = format!(
            "Terminating instance(s) [{}]; replacing with {size} new instance(s).",
            listed(&leaving)
        );
        self.update_event(id, key, text);
        for instance in &leaving {
            // One that is leaving or gone already counts as replaced.
            let _ = self.terminate_in_group(instance, Shrink::No);
        }
        let limit = if rolling.wait_for_signals {
            rolling.pause
        } else {
            STABILISE.max(rolling.pause)
        };
        rolling.batch = Some(Batch {
            leaving,
            before,
            heard: BTreeSet::new(),
            failed: BTreeSet::new(),
            began: self.now,
            deadline: later(self.now, limit),
        });
    }

    fn batch_progress(&self, rolling: &Rolling, batch: &Batch) -> BatchProgress {
        let Some(group) = self.state.groups.get(&rolling.group) else {
            return BatchProgress::Failed(format!("Group {} is gone", rolling.group));
        };
        let size = batch.leaving.len();
        if rolling.wait_for_signals {
            let needed = (size * rolling.success_percent).div_ceil(100);
            let new = batch
                .heard
                .iter()
                .filter(|instance| !batch.before.contains(*instance))
                .count();
            if !batch.failed.is_empty() && size - batch.failed.len().min(size) < needed {
                return BatchProgress::Failed(format!(
                    "Received {} FAILURE signal(s) out of {size}. Unable to satisfy {}% MinSuccessfulInstancesPercent requirement",
                    batch.failed.len(),
                    rolling.success_percent
                ));
            }
            let gone = batch
                .leaving
                .iter()
                .all(|instance| !group.members.contains_key(instance));
            if new >= needed && gone {
                return BatchProgress::Done;
            }
            if self.now >= batch.deadline && new < needed {
                return BatchProgress::Failed(format!(
                    "Received {new} SUCCESS signal(s) out of {size}. Unable to satisfy {}% MinSuccessfulInstancesPercent requirement",
                    rolling.success_percent
                ));
            }
            let again = if new < needed {
                batch.deadline
            } else {
                later(self.now, Duration::from_secs(15))
            };
            return BatchProgress::Waiting(again);
        }
        let gone = batch
            .leaving
            .iter()
            .all(|instance| !group.members.contains_key(instance));
        let full = group.in_service() >= usize::try_from(group.desired).unwrap_or(usize::MAX);
        let paused = later(batch.began, rolling.pause);
        if gone && full && self.now >= paused {
            BatchProgress::Done
        } else if self.now >= batch.deadline {
            BatchProgress::Failed("Group did not stabilize.".to_owned())
        } else {
            BatchProgress::Waiting(later(self.now, Duration::from_secs(15)).max(paused).min(batch.deadline))
        }
    }
}

enum BatchProgress {
    Done,
    Failed(String),
    Waiting(Timestamp),
}

fn listed(ids: &[InstanceId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_are_read_in_both_forms() {
        for (text, expected) in [
            ("PT15M", 900),
            ("PT1H30S", 3630),
            ("600", 600),
            ("soon", 7),
            ("PT0S", 0),
        ] {
            assert_eq!(super::seconds(text, 7), expected, "{text}");
        }
    }
}
