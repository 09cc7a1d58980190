//! Why a call failed: whose fault it is, and whether trying again helps.

use std::time::Duration;

use ports::{Classified, Fault, Retry};

/// A field that somebody else owns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldConflict {
    /// The field as the server writes it, such as `.spec.replicas`.
    pub field: String,
    /// The manager that owns it.
    pub manager: String,
}

/// A reason that the server gives for an invalid object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidField {
    /// The field, such as `spec.replicas`; empty if the reason is not about one.
    pub field: String,
    /// The server's code for the reason, such as `FieldValueInvalid`.
    pub reason: String,
    /// The text for people. It never contains a value of a Secret.
    pub message: String,
}

/// A call that failed. `subject` is the object or collection it was about, such as `Deployment.apps default/web`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// No connection could be made, so nothing was done.
    #[error("{subject}: no connection to the cluster: {why}")]
    Unreachable {
        /// What the call was about.
        subject: String,
        /// What the network said.
        why: String,
    },
    /// The answer was lost on its way or too late: the server may or may not have done what it was asked.
    #[error("{subject}: the answer was lost ({why}); it is unknown whether the cluster carried out the {verb}")]
    UnknownOutcome {
        /// What the call was about.
        subject: String,
        /// What was asked.
        verb: &'static str,
        /// How the answer was lost.
        why: String,
    },
    /// A read whose answer was lost or too late.
    #[error("{subject}: no answer: {why}")]
    NoAnswer {
        /// What the call was about.
        subject: String,
        /// How the answer was lost.
        why: String,
    },
    /// Fields belong to other managers.
    #[error("{subject}: {}", conflicts_text(.conflicts))]
    FieldConflict {
        /// The object.
        subject: String,
        /// The fields with their owners.
        conflicts: Vec<FieldConflict>,
    },
    /// The object is not any more what the caller had seen.
    #[error("{subject}: changed since it was read: {message}")]
    Stale {
        /// The object.
        subject: String,
        /// The server's words.
        message: String,
    },
    /// There is an object of that name already.
    #[error("{subject}: exists already")]
    Exists {
        /// The object.
        subject: String,
    },
    /// The object breaks the rules of its kind.
    #[error("{subject}: invalid: {message}")]
    Invalid {
        /// The object.
        subject: String,
        /// The server's words, without values of Secrets.
        message: String,
        /// Its reasons by field.
        fields: Vec<InvalidField>,
    },
    /// The change touches fields that can never change; only a new object can have them.
    #[error("{subject}: cannot be changed in place: {message}")]
    Immutable {
        /// The object.
        subject: String,
        /// The server's words, without values of Secrets.
        message: String,
        /// The fields that cannot change.
        fields: Vec<String>,
    },
    /// The credentials do not allow it.
    #[error("{subject}: forbidden: {message}")]
    Forbidden {
        /// What the call was about.
        subject: String,
        /// The server's words.
        message: String,
    },
    /// The credentials are unknown or expired.
    #[error("{subject}: the cluster does not accept the credentials")]
    Unauthorized {
        /// What the call was about.
        subject: String,
    },
    /// The namespace is being deleted.
    #[error("{subject}: its namespace is being deleted")]
    NamespaceTerminating {
        /// The object.
        subject: String,
    },
    /// An admission webhook or policy says no.
    #[error("{subject}: refused by {by}: {message}")]
    AdmissionRefused {
        /// The object.
        subject: String,
        /// Who refused: `webhook "x.example.org"` or `policy "x"`.
        by: String,
        /// Its words.
        message: String,
    },
    /// An admission webhook that must be asked does not answer.
    #[error("{subject}: webhook \"{webhook}\" cannot be asked: {message}")]
    WebhookUnavailable {
        /// The object.
        subject: String,
        /// The webhook.
        webhook: String,
        /// What happened.
        message: String,
    },
    /// The server asks for fewer requests.
    #[error("{subject}: the cluster asks to wait {} s", .after.as_secs())]
    Throttled {
        /// What the call was about.
        subject: String,
        /// How long.
        after: Duration,
    },
    /// A disruption budget does not allow the eviction now.
    #[error("{subject}: eviction refused: {message}")]
    BudgetRefused {
        /// The pod.
        subject: String,
        /// The server's words, with the budget's name and counts.
        message: String,
        /// When the server says that trying again makes sense, if it says so.
        after: Option<Duration>,
    },
    /// The object does not exist.
    #[error("{subject}: not found")]
    NotFound {
        /// The object.
        subject: String,
    },
    /// The cluster does not serve this kind or version.
    #[error("{subject}: the cluster does not serve this kind")]
    NotServed {
        /// The object or collection.
        subject: String,
    },
    /// The version that the call wanted to continue from is forgotten.
    #[error("{subject}: the version to continue from is gone")]
    Expired {
        /// The collection.
        subject: String,
    },
    /// The server broke.
    #[error("{subject}: the cluster answered {code}: {message}")]
    Server {
        /// What the call was about.
        subject: String,
        /// The HTTP status code.
        code: u16,
        /// The server's words.
        message: String,
    },
    /// The answer is not what the Kubernetes API promises.
    #[error("{subject}: unreadable answer: {why}")]
    Unreadable {
        /// What the call was about.
        subject: String,
        /// What is wrong with it.
        why: String,
    },
    /// Discovery did not answer for some groups, so what they hold is unknown.
    #[error("{subject}: discovery is incomplete for {}", .groups.join(", "))]
    PartialDiscovery {
        /// What needed the answer.
        subject: String,
        /// The groups that did not answer.
        groups: Vec<String>,
    },
    /// The object was written and did not become usable in time.
    #[error("{subject}: not {state} after {} s", .waited.as_secs())]
    NotReady {
        /// The object.
        subject: String,
        /// What was waited for, such as `established`.
        state: &'static str,
        /// How long.
        waited: Duration,
    },
    /// The set belongs to another tool, which would take offence.
    #[error("{subject}: the set is managed by {tooling:?}")]
    ForeignSet {
        /// The parent object of the set.
        subject: String,
        /// The tool that says it manages it.
        tooling: String,
    },
    /// A write was about to leave in dry-run mode. It did not.
    #[error("{subject}: a {verb} in dry-run mode was stopped")]
    DryRunWrite {
        /// What the call was about.
        subject: String,
        /// What was asked.
        verb: &'static str,
    },
    /// The gate did not permit a write. It did not leave.
    #[error("{subject}: a {verb} was stopped before it left")]
    Stopped {
        /// What the call was about.
        subject: String,
        /// What was asked.
        verb: &'static str,
    },
    /// The connection settings make no sense.
    #[error("connection settings: {what}: {why}")]
    Settings {
        /// Which setting.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

fn conflicts_text(conflicts: &[FieldConflict]) -> String {
    let one = |conflict: &FieldConflict| format!("{} is owned by {:?}", conflict.field, conflict.manager);
    conflicts.iter().map(one).collect::<Vec<_>>().join(", ")
}

impl AccessError {
    /// True if the object, or its whole kind, is not there.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::NotFound { .. } | Self::NotServed { .. })
    }
}

/// What a call that met a passing trouble waits at least.
const SOON: Duration = Duration::from_secs(1);
/// What a call waits that met a trouble which somebody has to end.
const LATER: Duration = Duration::from_secs(30);

impl Classified for AccessError {
    fn fault(&self) -> Fault {
        match self {
            Self::Unreachable { .. }
            | Self::UnknownOutcome { .. }
            | Self::NoAnswer { .. }
            | Self::NamespaceTerminating { .. }
            | Self::WebhookUnavailable { .. }
            | Self::Throttled { .. }
            | Self::BudgetRefused { .. }
            | Self::Expired { .. }
            | Self::Server { .. }
            | Self::Unreadable { .. }
            | Self::NotReady { .. }
            | Self::Stale { .. }
            | Self::PartialDiscovery { .. } => Fault::Cluster,
            Self::FieldConflict { .. }
            | Self::Invalid { .. }
            | Self::Immutable { .. }
            | Self::AdmissionRefused { .. }
            | Self::NotServed { .. } => Fault::Config,
            Self::Exists { .. }
            | Self::Forbidden { .. }
            | Self::Unauthorized { .. }
            | Self::NotFound { .. }
            | Self::ForeignSet { .. }
            | Self::Settings { .. } => Fault::User,
            Self::DryRunWrite { .. } | Self::Stopped { .. } => Fault::Us,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Unreachable { .. }
            | Self::UnknownOutcome { .. }
            | Self::NoAnswer { .. }
            | Self::Server { .. }
            | Self::Unreadable { .. } => Retry::After(SOON),
            Self::NamespaceTerminating { .. }
            | Self::WebhookUnavailable { .. }
            | Self::NotReady { .. }
            | Self::PartialDiscovery { .. }
            | Self::Unauthorized { .. } => Retry::After(LATER),
            Self::Throttled { after, .. } => Retry::After(*after),
            Self::BudgetRefused { after, .. } => Retry::After(after.unwrap_or(LATER)),
            Self::Stale { .. } | Self::Exists { .. } | Self::Expired { .. } => Retry::Now,
            Self::FieldConflict { .. }
            | Self::Invalid { .. }
            | Self::Immutable { .. }
            | Self::Forbidden { .. }
            | Self::AdmissionRefused { .. }
            | Self::NotFound { .. }
            | Self::NotServed { .. }
            | Self::DryRunWrite { .. }
            | Self::Stopped { .. }
            | Self::ForeignSet { .. }
            | Self::Settings { .. } => Retry::Never,
        }
    }
}
