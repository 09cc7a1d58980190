//! Who may call, and what they may do.
//!
//! [`Access`] is either open (loopback only, asked for by flag) or held by an [`Authenticate`]: a [`TokenFile`], an
//! [`Oidc`] issuer, or several in an [`AnyOf`]. What a caller may do is its [`Role`].

mod access;
mod bearer;
mod host;
mod oidc;
mod role;
mod token_file;

pub use access::{Access, Loopback, NotLoopback};
pub(crate) use bearer::authenticate;
pub(crate) use host::{check_host, check_host_bare};
pub use oidc::{Fetch, FetchError, HttpFetch, Oidc, OidcOptions};
pub use role::{Role, UnknownRole};
pub use token_file::{TokenFile, TokenFileError, hash_token};

use std::sync::Arc;

use async_trait::async_trait;

/// A known caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Name of the token or subject of the JWT; stands in audit records.
    pub name: String,
    /// What it may do.
    pub role: Role,
}

/// Why a token names nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Not a token of this kind; another authenticator may know it.
    #[error("the token is not known")]
    Unknown,
    /// A token of this kind that is not accepted; the reason never repeats any of it.
    #[error("{0}")]
    Refused(String),
    /// The token may be fine, but it cannot be told now.
    #[error("{0}")]
    Unavailable(String),
}

/// Tells who sends a bearer token.
#[async_trait]
pub trait Authenticate: Send + Sync {
    /// The caller that this token belongs to.
    async fn identify(&self, token: &str) -> Result<Caller, AuthError>;
}

/// Several authenticators; the first that knows a token decides.
#[derive(Clone, Default)]
pub struct AnyOf(pub Vec<Arc<dyn Authenticate>>);

#[async_trait]
impl Authenticate for AnyOf {
    async fn identify(&self, token: &str) -> Result<Caller, AuthError> {
        for one in &self.0 {
            match one.identify(token).await {
                Err(AuthError::Unknown) => {}
                decided => return decided,
            }
        }
        Err(AuthError::Unknown)
    }
}
