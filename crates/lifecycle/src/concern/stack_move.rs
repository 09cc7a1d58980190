//! What to do next about one stack: pure.

use jiff::Timestamp;
use ports::cloud::{Stack, StackEvent, StackOutcome, StackPhase};
use serde::{Deserialize, Serialize};

/// What we last asked of a stack, so that an unchanged one costs no call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Digest of the request.
    pub digest: String,
    /// Id of the stack.
    pub stack: String,
    /// When its last update began, as the cloud shows it.
    pub updated: Option<Timestamp>,
}

/// The next move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// Make it.
    Create,
    /// Bring it to what is wanted. The cloud may answer that there is nothing to do, which is success whatever state the
    /// stack rests in (fault F4).
    Update,
    /// It is the husk of a creation that failed: delete it, then make it anew.
    DeleteHusk,
    /// Its roll-back got stuck: go on with it.
    ContinueRollback,
    /// Something is under way.
    Wait,
    /// It is as wanted.
    Done,
    /// Nobody but a person can help.
    Stuck(String),
}

/// Decides from what is seen. `digest` is that of the request that is wanted.
#[must_use]
pub fn next_move(seen: Option<&Stack>, digest: &str, asked: Option<&Asked>) -> Move {
    let Some(stack) = seen else { return Move::Create };
    let status = stack.status;
    if status.in_progress() {
        return Move::Wait;
    }
    match (status.phase, status.outcome) {
        (StackPhase::Review, _) => Move::DeleteHusk,
        (StackPhase::Create, StackOutcome::Failed) | (StackPhase::Rollback, _) => Move::DeleteHusk,
        (StackPhase::UpdateRollback, StackOutcome::Failed) => Move::ContinueRollback,
        (StackPhase::Delete, StackOutcome::Failed) => Move::Stuck(format!(
            "stack {} is {status}: its deletion failed half-way and must be finished by a person",
            stack.name
        )),
        (StackPhase::Delete, _) => Move::Create,
        _ => {
            let same = asked.is_some_and(|asked| {
                asked.digest == digest && asked.stack == stack.id && asked.updated == stack.updated
            });
            if same && status.succeeded() {
                Move::Done
            } else {
                Move::Update
            }
        }
    }
}

/// The cause of a failure: the first resource that failed by itself, not the ones that were cancelled because of it
/// (fault F4: the original shows the stack's own reason only).
#[must_use]
pub fn cause(stack: &str, events: &[StackEvent]) -> Option<String> {
    let failed = |event: &&StackEvent| event.status.outcome == StackOutcome::Failed && event.logical_id != stack;
    let cancelled = |event: &&StackEvent| {
        event
            .reason
            .as_deref()
            .is_some_and(|reason| reason.contains("cancelled"))
    };
    // Only the last operation counts: it begins with the stack's own event "in progress".
    let begins = |event: &StackEvent| {
        let began = matches!(
            event.status.phase,
            StackPhase::Create | StackPhase::Update | StackPhase::Delete
        );
        event.logical_id == stack && event.status.outcome == StackOutcome::InProgress && began
    };
    let from = events.iter().rposition(begins).unwrap_or(0);
    let recent = events.get(from..).unwrap_or_default();
    let first = recent.iter().filter(failed).find(|event| !cancelled(event));
    let event = first.or_else(|| recent.iter().find(failed))?;
    let reason = event.reason.as_deref().unwrap_or("no reason given");
    Some(format!("{} {}: {reason}", event.resource_type, event.logical_id))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ports::cloud::StackStatus;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn stack(phase: StackPhase, outcome: StackOutcome) -> Stack {
        Stack {
            id: "id-1".to_owned(),
            name: "kube-1".to_owned(),
            status: StackStatus::new(phase, outcome),
            status_reason: None,
            tags: BTreeMap::new(),
            parameters: BTreeMap::new(),
            outputs: BTreeMap::new(),
            exports: BTreeMap::new(),
            termination_protection: true,
            created: at(1),
            updated: Some(at(2)),
            deleted: None,
        }
    }

    fn asked(digest: &str) -> Asked {
        Asked {
            digest: digest.to_owned(),
            stack: "id-1".to_owned(),
            updated: Some(at(2)),
        }
    }

    #[track_caller]
    fn check(phase: StackPhase, outcome: StackOutcome, known: &str, expected: Move) {
        assert_eq!(
            next_move(Some(&stack(phase, outcome)), "d", Some(&asked(known))),
            expected
        );
    }

    #[test]
    fn f4_no_state_of_a_stack_fails_for_ever() {
        use StackOutcome::{CleanupInProgress, Complete, Failed, InProgress};
        use StackPhase::{Create, Delete, Review, Rollback, Update, UpdateRollback};
        assert_eq!(next_move(None, "d", None), Move::Create);
        check(Create, InProgress, "d", Move::Wait);
        check(Create, Complete, "d", Move::Done);
        check(Create, Complete, "other", Move::Update);
        check(Create, Failed, "d", Move::DeleteHusk);
        check(Rollback, Complete, "d", Move::DeleteHusk);
        check(Rollback, Failed, "d", Move::DeleteHusk);
        check(Rollback, InProgress, "d", Move::Wait);
        check(Update, CleanupInProgress, "d", Move::Wait);
        check(Update, Complete, "d", Move::Done);
        check(UpdateRollback, Complete, "d", Move::Update);
        check(UpdateRollback, Failed, "d", Move::ContinueRollback);
        check(UpdateRollback, InProgress, "d", Move::Wait);
        check(Review, InProgress, "d", Move::DeleteHusk);
        check(Delete, InProgress, "d", Move::Wait);
        check(Delete, Complete, "d", Move::Create);
    }

    #[test]
    fn a_stack_that_somebody_else_updated_is_looked_at_again() {
        let mut seen = stack(StackPhase::Update, StackOutcome::Complete);
        assert_eq!(next_move(Some(&seen), "d", Some(&asked("d"))), Move::Done);
        seen.updated = Some(at(3));
        assert_eq!(next_move(Some(&seen), "d", Some(&asked("d"))), Move::Update);
        seen.updated = Some(at(2));
        seen.id = "id-2".to_owned();
        assert_eq!(next_move(Some(&seen), "d", Some(&asked("d"))), Move::Update);
    }

    #[test]
    fn the_cause_is_the_resource_that_failed_by_itself_in_the_last_operation() {
        let event = |logical: &str, phase, outcome, reason: Option<&str>| StackEvent {
            sequence: 0,
            time: at(0),
            logical_id: logical.to_owned(),
            physical_id: None,
            resource_type: "AWS::IAM::Role".to_owned(),
            status: StackStatus::new(phase, outcome),
            reason: reason.map(str::to_owned),
        };
        use StackOutcome::{Failed, InProgress};
        use StackPhase::{Update, UpdateRollback};
        let events = [
            event("kube-1", Update, InProgress, None),
            event("Old", Update, Failed, Some("an older failure")),
            event("kube-1", Update, InProgress, Some("User Initiated")),
            event("Other", Update, Failed, Some("Resource update cancelled")),
            event("Role", Update, Failed, Some("name is too long")),
            event(
                "kube-1",
                UpdateRollback,
                InProgress,
                Some("The following resources failed"),
            ),
        ];
        assert_eq!(
            cause("kube-1", &events).unwrap(),
            "AWS::IAM::Role Role: name is too long"
        );
        assert_eq!(cause("kube-1", &events[..1]), None);
    }
}
