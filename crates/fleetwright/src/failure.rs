//! What a command fails with: one line that says what is wrong, one that says what to do.

use std::error::Error;
use std::fmt;

use ports::RegistryError;

/// Why a command ends without success.
#[derive(Debug)]
pub(crate) enum Failure {
    /// To be said on standard error.
    Said {
        /// What is wrong.
        message: String,
        /// What to do about it, when that is known.
        hint: Option<String>,
    },
    /// It has been said, line by line, already.
    AlreadySaid,
    /// Two things that were compared differ, which is an answer and not a failure; it has its own exit code.
    Differs,
    /// A plan changes something, which is an answer as well; `--detailed-exitcode` asks for it.
    Changes,
    /// A failure of a command whose exit code 1 is an answer.
    Trouble(Box<Failure>),
    /// The reader of standard output has gone; nobody wants to hear about it.
    BrokenPipe,
}

impl Failure {
    /// The exit code of the process.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::BrokenPipe => 0,
            Self::Said { .. } | Self::AlreadySaid | Self::Differs => 1,
            Self::Trouble(_) | Self::Changes => 2,
        }
    }

    /// A failure in these words.
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self::Said {
            message: message.to_string(),
            hint: None,
        }
    }

    /// The same, with advice.
    pub(crate) fn hint(self, hint: impl fmt::Display) -> Self {
        match self {
            Self::Said { message, hint: None } => Self::Said {
                message,
                hint: Some(hint.to_string()),
            },
            other => other,
        }
    }

    /// The same, with what was being done before it.
    pub(crate) fn while_doing(self, what: impl fmt::Display) -> Self {
        match self {
            Self::Said { message, hint } => Self::Said {
                message: format!("{what}: {message}"),
                hint,
            },
            other => other,
        }
    }

    /// The message alone.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Said { message, .. } => message.clone(),
            Self::Trouble(inner) => inner.text(),
            Self::AlreadySaid | Self::Differs | Self::Changes | Self::BrokenPipe => String::new(),
        }
    }

    /// An error with all its causes.
    pub(crate) fn of(error: &dyn Error) -> Self {
        Self::new(chain(error))
    }
}

/// An error and its causes on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Some libraries repeat the cause in their own text.
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        let failure = Self::of(&error);
        match error {
            RegistryError::Unauthorized(_) => {
                failure.hint("give a token with --token-file or FLEETWRIGHT_TOKEN_FILE; \"fleetwright config view\" shows what is in force")
            }
            RegistryError::Unavailable(_) => failure.hint(
                "is the server running? \"fleetwright config view\" shows its URL, \"fleetwright up\" starts one here",
            ),
            RegistryError::WrongRevision { .. } => failure.hint("somebody else changed it meanwhile; run the command again"),
            RegistryError::Busy { .. } => failure.hint("run the command again in a while"),
            _ => failure,
        }
    }
}

impl From<registry_api::client::ClientError> for Failure {
    fn from(error: registry_api::client::ClientError) -> Self {
        Self::of(&error).hint("\"fleetwright config view\" shows where each value comes from")
    }
}

impl From<model::Invalid> for Failure {
    fn from(error: model::Invalid) -> Self {
        Self::new(error)
    }
}

impl From<Vec<model::Invalid>> for Failure {
    fn from(errors: Vec<model::Invalid>) -> Self {
        Self::from(RegistryError::Invalid(errors))
    }
}
