//! Stacks: sets of resources that the cloud makes, changes and deletes together.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{CloudError, InstanceId, Tags};

/// What a stack or a resource is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StackPhase {
    /// First creation.
    Create,
    /// Change to a new template.
    Update,
    /// Deletion.
    Delete,
    /// Undoing a failed creation: the resources are deleted, the stack stays as a husk that can only be deleted.
    Rollback,
    /// Undoing a failed update.
    UpdateRollback,
    /// A change set was made for a stack that does not exist; nothing is in it.
    Review,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StackOutcome {
    /// Under way.
    InProgress,
    /// The new state stands; what the old one had besides is being deleted.
    CleanupInProgress,
    /// Done.
    Complete,
    /// Stuck; a person or another call must help.
    Failed,
}

/// State of a stack, in two words as CloudFormation has it: `UPDATE_ROLLBACK_COMPLETE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StackStatus {
    /// What it is doing or did last.
    pub phase: StackPhase,
    /// How far it has come.
    pub outcome: StackOutcome,
}

impl StackStatus {
    /// The state.
    #[must_use]
    pub fn new(phase: StackPhase, outcome: StackOutcome) -> Self {
        Self { phase, outcome }
    }

    /// True while the cloud works on it; no other operation can begin then, except cancelling an update.
    #[must_use]
    pub fn in_progress(self) -> bool {
        self.phase != StackPhase::Review
            && matches!(self.outcome, StackOutcome::InProgress | StackOutcome::CleanupInProgress)
    }

    /// True when an update can begin: a complete creation, update or roll-back of an update. A stack whose *creation* was
    /// rolled back can only be deleted, and one whose update's roll-back failed must first continue it.
    #[must_use]
    pub fn can_update(self) -> bool {
        use StackPhase::{Create, Update, UpdateRollback};
        let complete = self.outcome == StackOutcome::Complete && matches!(self.phase, Create | Update | UpdateRollback);
        complete || self == Self::new(Update, StackOutcome::Failed)
    }

    /// True when the last operation did what was asked: its end is a complete creation, update or deletion.
    #[must_use]
    pub fn succeeded(self) -> bool {
        self.outcome == StackOutcome::Complete
            && matches!(self.phase, StackPhase::Create | StackPhase::Update | StackPhase::Delete)
    }
}

impl fmt::Display for StackStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match self.phase {
            StackPhase::Create => "CREATE",
            StackPhase::Update => "UPDATE",
            StackPhase::Delete => "DELETE",
            StackPhase::Rollback => "ROLLBACK",
            StackPhase::UpdateRollback => "UPDATE_ROLLBACK",
            StackPhase::Review => "REVIEW",
        };
        let outcome = match self.outcome {
            StackOutcome::InProgress => "IN_PROGRESS",
            StackOutcome::CleanupInProgress => "COMPLETE_CLEANUP_IN_PROGRESS",
            StackOutcome::Complete => "COMPLETE",
            StackOutcome::Failed => "FAILED",
        };
        write!(f, "{phase}_{outcome}")
    }
}

/// State of one resource of a stack. Resources know no roll-back of their own: undoing shows as an update or a deletion.
pub type ResourceStatus = StackStatus;

/// A stack as the cloud shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// Unique id; a deleted stack and its events can be read by it alone.
    pub id: String,
    /// Name, unique among the stacks of account and region that are not deleted.
    pub name: String,
    /// State.
    pub status: StackStatus,
    /// The provider's reason for the state, where it gives one. The cause of a failure stands in the resource's event.
    pub status_reason: Option<String>,
    /// Tags as given to the last create or update that was begun.
    pub tags: Tags,
    /// Values of parameters, those that the template hides masked by the provider.
    pub parameters: BTreeMap<String, String>,
    /// Outputs of the last complete state (fact: the main stack's outputs are template input, cloud fact 2.6).
    pub outputs: BTreeMap<String, String>,
    /// Output key to export name.
    pub exports: BTreeMap<String, String>,
    /// True when it cannot be deleted before the protection is lifted.
    pub termination_protection: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When the last update began.
    pub updated: Option<Timestamp>,
    /// When it was gone.
    pub deleted: Option<Timestamp>,
}

/// One line of a stack's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackEvent {
    /// Number within the stack, from 1 in the order that things happened.
    pub sequence: u64,
    /// When.
    pub time: Timestamp,
    /// Name of the resource in the template; the stack's own events carry the stack's name.
    pub logical_id: String,
    /// Name of the thing in the cloud; absent while it is not known.
    pub physical_id: Option<String>,
    /// Resource type, such as `AWS::IAM::Role`, or `AWS::CloudFormation::Stack`.
    pub resource_type: String,
    /// State that it went to.
    pub status: ResourceStatus,
    /// The provider's reason; for a failure this is the cause.
    pub reason: Option<String>,
}

/// A resource of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackResource {
    /// Name in the template.
    pub logical_id: String,
    /// Name of the thing in the cloud.
    pub physical_id: Option<String>,
    /// Type.
    pub resource_type: String,
    /// State.
    pub status: ResourceStatus,
    /// The provider's reason.
    pub reason: Option<String>,
}

/// Where the text of a template is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StackTemplate {
    /// In the request; at most 51,200 bytes.
    Inline(String),
    /// In the object store; the form for larger ones, up to 1 MB.
    Stored {
        /// Bucket.
        bucket: String,
        /// Key.
        key: String,
    },
}

/// What a stack shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackRequest {
    /// Name: a letter, then letters, digits and `-`, 128 at most.
    pub name: String,
    /// Template.
    pub template: StackTemplate,
    /// Values of its parameters.
    pub parameters: BTreeMap<String, String>,
    /// All tags; they are passed on to the resources and replace those of before.
    pub tags: Tags,
    /// What the template is allowed to contain, such as `CAPABILITY_NAMED_IAM` (cloud fact 5.2).
    pub capabilities: BTreeSet<String>,
    /// Create only: protect it from deletion at once.
    pub termination_protection: bool,
    /// Create only: keep a failed creation as `ROLLBACK_COMPLETE` instead of deleting it, so that its events can be read
    /// by name. The original manager lets it be deleted and so hides the cause (fault F4).
    pub keep_failed_creation: bool,
    /// Update only: resource types that this update may neither replace nor delete (the etcd stack's groups, buckets and
    /// roles, cloud fact 5.1). An attempt fails the resource and rolls the update back.
    pub protected_types: BTreeSet<String>,
    /// The same token makes a repeated create or update one and the same operation.
    pub idempotency_token: Option<String>,
}

impl StackRequest {
    /// A request without parameters, tags and capabilities.
    #[must_use]
    pub fn new(name: impl Into<String>, template: StackTemplate) -> Self {
        Self {
            name: name.into(),
            template,
            parameters: BTreeMap::new(),
            tags: Tags::new(),
            capabilities: BTreeSet::new(),
            termination_protection: false,
            keep_failed_creation: false,
            protected_types: BTreeSet::new(),
            idempotency_token: None,
        }
    }
}

/// What an update request led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StackUpdate {
    /// It runs.
    Started,
    /// "No updates are to be performed": the stack is as asked already. It says nothing about the state that the stack
    /// rests in, so the caller must not take `UPDATE_ROLLBACK_COMPLETE` for a failure of this request (fault F4).
    NothingToDo,
}

/// What an update would do to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PreviewedAction {
    /// Made.
    Add,
    /// Changed in place.
    Modify,
    /// Made anew, the old one deleted afterwards.
    Replace,
    /// Deleted.
    Remove,
}

/// One line of a preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceChange {
    /// Name in the template.
    pub logical_id: String,
    /// Type.
    pub resource_type: String,
    /// What would happen.
    pub action: PreviewedAction,
}

/// Stacks of one account and region. `stack` parameters take a name, or an id where a deleted one is meant.
///
/// Operations answer when they have begun; their end shows in [`Stack::status`].
#[async_trait]
pub trait Stacks: Send + Sync {
    /// All stacks that are not deleted, in name order. There is no cheap way to ask for tags, so callers filter
    /// (cloud fact 5.3: the original describes all stacks of the account).
    async fn stacks(&self) -> Result<Vec<Stack>, CloudError>;

    /// One stack.
    async fn stack(&self, stack: &str) -> Result<Stack, CloudError>;

    /// Events with a higher sequence number than `after`, oldest first; 0 gives all.
    async fn stack_events(&self, stack: &str, after: u64) -> Result<Vec<StackEvent>, CloudError>;

    /// Resources, in name order.
    async fn stack_resources(&self, stack: &str) -> Result<Vec<StackResource>, CloudError>;

    /// Text of the template that it was last made or updated from.
    async fn stack_template(&self, stack: &str) -> Result<String, CloudError>;

    /// Begins to make a stack; returns its id.
    ///
    /// # Errors
    /// [`CloudError::AlreadyExists`]; [`CloudError::Invalid`] for a template or name that is wrong, with nothing made;
    /// [`CloudError::Denied`] when a capability is missing.
    async fn create_stack(&self, request: &StackRequest) -> Result<String, CloudError>;

    /// Begins to bring a stack to a new template, parameters and tags.
    ///
    /// # Errors
    /// [`CloudError::Conflict`] when its state allows no update.
    async fn update_stack(&self, request: &StackRequest) -> Result<StackUpdate, CloudError>;

    /// What that update would do, without doing it.
    async fn preview_stack_update(&self, request: &StackRequest) -> Result<Vec<ResourceChange>, CloudError>;

    /// Begins to delete a stack; `retain` names resources that are left behind, which is allowed after a failed deletion
    /// only. A stack that is gone already is a success.
    ///
    /// # Errors
    /// [`CloudError::Conflict`] under termination protection or while another operation runs that cannot be stopped.
    async fn delete_stack(&self, stack: &str, retain: &BTreeSet<String>) -> Result<(), CloudError>;

    /// Stops a running update and rolls it back.
    async fn cancel_stack_update(&self, stack: &str) -> Result<(), CloudError>;

    /// Goes on with a roll-back that failed; `skip` names resources that are taken as rolled back.
    async fn continue_stack_rollback(&self, stack: &str, skip: &BTreeSet<String>) -> Result<(), CloudError>;

    /// Sets or lifts the protection from deletion.
    async fn set_stack_protection(&self, stack: &str, protected: bool) -> Result<(), CloudError>;

    /// Tells a stack that an instance of its group is ready, or has failed.
    async fn signal_stack_resource(
        &self,
        stack: &str,
        logical_id: &str,
        instance: &InstanceId,
        success: bool,
    ) -> Result<(), CloudError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_print_as_the_provider_writes_them_and_know_what_may_follow() {
        use StackOutcome::{CleanupInProgress, Complete, Failed, InProgress};
        use StackPhase::{Create, Delete, Review, Rollback, Update, UpdateRollback};
        let cases = [
            (Create, InProgress, "CREATE_IN_PROGRESS", true, false, false),
            (Create, Complete, "CREATE_COMPLETE", false, true, true),
            (Create, Failed, "CREATE_FAILED", false, false, false),
            (Rollback, Complete, "ROLLBACK_COMPLETE", false, false, false),
            (
                Update,
                CleanupInProgress,
                "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
                true,
                false,
                false,
            ),
            (UpdateRollback, Complete, "UPDATE_ROLLBACK_COMPLETE", false, true, false),
            (UpdateRollback, Failed, "UPDATE_ROLLBACK_FAILED", false, false, false),
            (Delete, Complete, "DELETE_COMPLETE", false, false, true),
            (Review, InProgress, "REVIEW_IN_PROGRESS", false, false, false),
        ];
        for (phase, outcome, text, in_progress, can_update, succeeded) in cases {
            let status = StackStatus::new(phase, outcome);
            assert_eq!(status.to_string(), text);
            let seen = (status.in_progress(), status.can_update(), status.succeeded());
            assert_eq!(seen, (in_progress, can_update, succeeded), "{text}");
        }
    }
}
