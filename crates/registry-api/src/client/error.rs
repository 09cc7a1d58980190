//! Why a client could not be made, and what went wrong on the way.

use std::path::PathBuf;

use ports::{Classified, Fault, Retry};

/// Why a client could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The URL is not one of a server.
    #[error("server {url:?}: {rule}")]
    Server {
        /// What was given, without user name and password.
        url: String,
        /// What it should be.
        rule: &'static str,
    },
    /// The file with certificates cannot be read.
    #[error("certificate file {}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file with certificates holds none.
    #[error("certificate file {}: must hold certificates in PEM", path.display())]
    NoCertificates {
        /// The file.
        path: PathBuf,
    },
    /// The TLS library refused its settings.
    #[error("the HTTP client cannot be set up")]
    Setup(#[source] reqwest::Error),
}

impl Classified for ClientError {
    fn fault(&self) -> Fault {
        match self {
            Self::Setup(_) => Fault::Us,
            _ => Fault::User,
        }
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}

/// What went wrong between the two ends; the source of `Unavailable` and `Internal`.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// No connection, or it broke, or the answer took too long.
    #[error("{action} {url}")]
    Request {
        /// What was tried.
        action: &'static str,
        /// The URL, without query.
        url: String,
        /// Why it failed; its own URL is taken out, since it would repeat filters.
        #[source]
        source: reqwest::Error,
    },
    /// The answer is not what the API promises: most likely no registry listens there.
    #[error("{url} answered {status} with {content}, not with the registry API: check the URL of the server")]
    NotTheApi {
        /// The URL, without query.
        url: String,
        /// Status code.
        status: u16,
        /// Content type, or what stands in its place.
        content: String,
    },
    /// The answer's members are not those of the expected object.
    #[error("the answer of {url} cannot be read")]
    Unreadable {
        /// The URL, without query.
        url: String,
        /// Which member, at which place.
        #[source]
        source: serde_json::Error,
    },
    /// A header that the API promises is missing or is not a number.
    #[error("{url} answered without a usable header {header}")]
    Header {
        /// The URL, without query.
        url: String,
        /// The header.
        header: &'static str,
    },
    /// The server failed, and said so without a body of the API.
    #[error("{url} answered {status}")]
    Status {
        /// The URL, without query.
        url: String,
        /// Status code.
        status: u16,
    },
    /// The answer to a write was lost.
    #[error("the write may have been carried out, read the object before repeating it")]
    Unsure {
        /// How the answer was lost.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The change feed breaks its own rules.
    #[error("the change feed of {url}: {rule}")]
    Feed {
        /// The URL, without query.
        url: String,
        /// The broken rule.
        rule: &'static str,
    },
}
