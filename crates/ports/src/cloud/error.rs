//! The one error of all cloud calls.

use std::time::Duration;

use crate::error::{Classified, Fault, Retry};

/// Why a cloud refused or did not answer.
///
/// `call` is the name of the provider's call, such as `UpdateStack`, so that an operator finds it in the provider's audit
/// trail; `message` is the provider's own sentence, which never holds values of secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloudError {
    /// Too many calls; nothing was done.
    #[error("{call}: the cloud asks for fewer calls, next one in {} ms", after.as_millis())]
    Throttled {
        /// The call.
        call: &'static str,
        /// When the next one may be tried.
        after: Duration,
    },
    /// The object does not exist, or not yet for this reader.
    #[error("{kind} {id} does not exist")]
    NotFound {
        /// Kind of object, such as `stack`.
        kind: &'static str,
        /// Its name or id as asked for.
        id: String,
    },
    /// An object of that name exists already.
    #[error("{kind} {id} exists already")]
    AlreadyExists {
        /// Kind of object.
        kind: &'static str,
        /// Its name.
        id: String,
    },
    /// The request is wrong in itself; the same one will be refused again.
    #[error("{call}: {message}")]
    Invalid {
        /// The call.
        call: &'static str,
        /// The provider's text.
        message: String,
    },
    /// The state of the object forbids this call now: in use, protected, or busy with another operation.
    #[error("{call}: {kind} {id}: {message}")]
    Conflict {
        /// The call.
        call: &'static str,
        /// Kind of object.
        kind: &'static str,
        /// Its name or id.
        id: String,
        /// The provider's text.
        message: String,
    },
    /// A condition of the request did not hold, such as an etag that has moved; nothing was written.
    #[error("{call}: {kind} {id} has changed")]
    PreconditionFailed {
        /// The call.
        call: &'static str,
        /// Kind of object.
        kind: &'static str,
        /// Its name.
        id: String,
    },
    /// The identity may not do this.
    #[error("{call}: access denied: {message}")]
    Denied {
        /// The call.
        call: &'static str,
        /// The provider's text.
        message: String,
    },
    /// A quota of the account or a limit of the service is reached.
    #[error("{call}: limit reached: {message}")]
    Limit {
        /// The call.
        call: &'static str,
        /// The provider's text.
        message: String,
    },
    /// The service failed before it did anything.
    #[error("{call}: the service is unavailable: {message}")]
    Unavailable {
        /// The call.
        call: &'static str,
        /// The provider's text.
        message: String,
    },
    /// No answer came: the work may have been done or not. Look again before repeating.
    #[error("{call}: no answer came, the work may have been done")]
    OutcomeUnknown {
        /// The call.
        call: &'static str,
    },
}

impl CloudError {
    /// True for [`CloudError::NotFound`], which deletions take as success.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }
}

impl Classified for CloudError {
    fn fault(&self) -> Fault {
        match self {
            Self::Throttled { .. } | Self::Unavailable { .. } | Self::OutcomeUnknown { .. } => Fault::Cloud,
            Self::Limit { .. } | Self::Denied { .. } => Fault::User,
            Self::Invalid { .. } => Fault::Config,
            Self::NotFound { .. }
            | Self::AlreadyExists { .. }
            | Self::Conflict { .. }
            | Self::PreconditionFailed { .. } => Fault::User,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Throttled { after, .. } => Retry::After(*after),
            Self::Unavailable { .. } => Retry::After(Duration::from_secs(2)),
            Self::Conflict { .. } => Retry::After(Duration::from_secs(15)),
            Self::OutcomeUnknown { .. } | Self::PreconditionFailed { .. } => Retry::Now,
            Self::Limit { .. } => Retry::After(Duration::from_secs(300)),
            Self::NotFound { .. } | Self::AlreadyExists { .. } | Self::Invalid { .. } | Self::Denied { .. } => {
                Retry::Never
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_says_whose_fault_it_is_and_when_to_try_again() {
        let call = "UpdateStack";
        let message = || "text".to_owned();
        let second = Duration::from_secs(1);
        let cases = [
            (
                CloudError::Throttled { call, after: second },
                Fault::Cloud,
                Retry::After(second),
            ),
            (CloudError::OutcomeUnknown { call }, Fault::Cloud, Retry::Now),
            (
                CloudError::NotFound {
                    kind: "stack",
                    id: message(),
                },
                Fault::User,
                Retry::Never,
            ),
            (
                CloudError::Invalid {
                    call,
                    message: message(),
                },
                Fault::Config,
                Retry::Never,
            ),
            (
                CloudError::Denied {
                    call,
                    message: message(),
                },
                Fault::User,
                Retry::Never,
            ),
            (
                CloudError::Unavailable {
                    call,
                    message: message(),
                },
                Fault::Cloud,
                Retry::After(Duration::from_secs(2)),
            ),
        ];
        for (error, fault, retry) in cases {
            assert_eq!((error.fault(), error.retry()), (fault, retry), "{error}");
        }
    }
}
