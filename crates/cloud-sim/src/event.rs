//! The one log of everything that happened, in a stable text form.

use std::fmt;

use jiff::Timestamp;
use ports::cloud::{ActivityStatus, GroupName, InstanceId, InstanceLifecycle, StackStatus};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Number, from 1 without gaps.
    pub sequence: u64,
    /// When.
    pub time: Timestamp,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// To an instance.
    Instance {
        /// Which.
        id: InstanceId,
        /// Group that it is in, if any.
        group: Option<GroupName>,
        /// What.
        change: InstanceChange,
    },
    /// A group's configuration or existence.
    Group {
        /// Which.
        name: GroupName,
        /// What, in words.
        change: String,
    },
    /// A group did or tried something.
    Activity {
        /// Group.
        group: GroupName,
        /// How it stands.
        status: ActivityStatus,
        /// What and why not.
        text: String,
    },
    /// A stack or one of its resources.
    Stack {
        /// Name of the stack.
        stack: String,
        /// Resource; the stack's name for the stack itself.
        logical_id: String,
        /// Type.
        resource_type: String,
        /// State that it went to.
        status: StackStatus,
        /// Why.
        reason: Option<String>,
    },
    /// A call that writes, with its outcome.
    Call {
        /// Name of the call.
        call: &'static str,
        /// On what.
        subject: String,
        /// `ok`, or the class of the refusal.
        outcome: &'static str,
    },
    /// A fault of the plan came to pass.
    Fault {
        /// What it hit: a call, an instance, a resource.
        subject: String,
        /// What it was.
        kind: String,
    },
}

/// What happened to an instance. A bridge to a simulated cluster turns these into nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstanceChange {
    /// Launched; boots now.
    Pending,
    /// Up: its kubelet may start.
    Running,
    /// Its place in its group changed.
    Lifecycle(InstanceLifecycle),
    /// The cloud advises to move on, ahead of a notice.
    RebalanceRecommended,
    /// The cloud takes it back at that time.
    SpotNotice(Timestamp),
    /// Its group holds it for unhealthy.
    Unhealthy,
    /// It shuts down: its kubelet stops.
    ShuttingDown,
    /// Gone: its node should go.
    Terminated,
    /// Put into its group.
    Attached,
    /// Taken out of its group, lives on.
    Detached,
}

impl fmt::Display for InstanceChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending => f.write_str("pending"),
            Self::Running => f.write_str("running"),
            Self::Lifecycle(lifecycle) => write!(f, "lifecycle {lifecycle}"),
            Self::RebalanceRecommended => f.write_str("rebalance-recommended"),
            Self::SpotNotice(at) => write!(f, "spot-notice {at}"),
            Self::Unhealthy => f.write_str("unhealthy"),
            Self::ShuttingDown => f.write_str("shutting-down"),
            Self::Terminated => f.write_str("terminated"),
            Self::Attached => f.write_str("attached"),
            Self::Detached => f.write_str("detached"),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance { id, group, change } => {
                write!(f, "instance {id} {change}")?;
                group.as_ref().map_or(Ok(()), |group| write!(f, " group={group}"))
            }
            Self::Group { name, change } => write!(f, "group {name} {change}"),
            Self::Activity { group, status, text } => write!(f, "activity {group} {status:?} {text:?}"),
            Self::Stack {
                stack,
                logical_id,
                resource_type,
                status,
                reason,
            } => {
                write!(f, "stack {stack} {logical_id} {resource_type} {status}")?;
                reason.as_ref().map_or(Ok(()), |reason| write!(f, " {reason:?}"))
            }
            Self::Call { call, subject, outcome } => write!(f, "call {call} {subject} {outcome}"),
            Self::Fault { subject, kind } => write!(f, "fault {subject} {kind}"),
        }
    }
}

/// The text form: one line, the same for the same happening in every run and on every machine.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.sequence, self.time, self.what)
    }
}

/// The log. Old parts can be forgotten; numbers go on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    events: std::collections::VecDeque<Event>,
    last: u64,
}

impl Log {
    pub(crate) fn push(&mut self, time: Timestamp, what: What) {
        self.last += 1;
        let sequence = self.last;
        self.events.push_back(Event { sequence, time, what });
    }

    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Events after a number, oldest first.
    pub(crate) fn since(&self, after: u64) -> impl Iterator<Item = &Event> {
        let first = self.events.front().map_or(self.last + 1, |event| event.sequence);
        let skip = usize::try_from((after + 1).saturating_sub(first)).unwrap_or(usize::MAX);
        self.events.range(skip.min(self.events.len())..)
    }

    pub(crate) fn forget_up_to(&mut self, sequence: u64) {
        while self.events.front().is_some_and(|event| event.sequence <= sequence) {
            self.events.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_numbers_events_and_can_forget_old_ones() {
        let mut log = Log::default();
        for n in 0..5 {
            let change = format!("change-{n}");
            let name = GroupName::from("g");
            log.push(Timestamp::UNIX_EPOCH, What::Group { name, change });
        }
        let lines = |log: &Log, after| log.since(after).map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(lines(&log, 4), ["5 1970-01-01T00:00:00Z group g change-4"]);
        log.forget_up_to(3);
        assert_eq!(lines(&log, 0).len(), 2);
        assert_eq!(lines(&log, 5).len(), 0);
        assert_eq!(log.last(), 5);
    }
}
