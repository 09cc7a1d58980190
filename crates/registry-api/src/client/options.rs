//! What a client is made from.

use std::path::PathBuf;
use std::time::Duration;

/// Where the server is, and how to talk to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientOptions {
    /// URL of the server; a path in it stands before every path of the API.
    pub server: String,
    /// File with the bearer token.
    pub token_file: Option<PathBuf>,
    /// File with PEM certificates to trust instead of those of the system.
    pub ca_file: Option<PathBuf>,
    /// Longest time for one attempt of a call.
    pub request_timeout: Duration,
    /// How often a call is repeated at most.
    pub retries: u32,
    /// How often a call is repeated at most when the server answers that it is busy or about to be there (429, 502, 503, 504).
    pub busy_retries: u32,
    /// How the client names itself.
    pub user_agent: String,
}

impl ClientOptions {
    /// The server at this URL, without token, with the certificates of the system.
    #[must_use]
    pub fn new(server: impl Into<String>) -> Self {
        Self {
            server: server.into(),
            token_file: None,
            ca_file: None,
            request_timeout: Duration::from_secs(30),
            retries: 4,
            busy_retries: 4,
            user_agent: concat!("fleetwright/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}
