//! Open or by token.

use std::net::SocketAddr;
use std::sync::Arc;

use super::Authenticate;

/// Who may call the server.
#[derive(Clone)]
pub enum Access {
    /// Everybody who reaches the loopback address and asks for it by such an address or as `localhost`, as admin. Requests
    /// for another host are refused: a web page could make a browser send them (DNS rebinding).
    Open(Loopback),
    /// Who sends a bearer token that the authenticator knows.
    Tokens(Arc<dyn Authenticate>),
}

/// Proof that an address can be reached from this machine only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loopback(SocketAddr);

/// An address that others can reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("access without tokens is for loopback addresses only, {0} can be reached from elsewhere: configure tokens")]
pub struct NotLoopback(pub SocketAddr);

impl Loopback {
    /// The proof for `address`.
    ///
    /// # Errors
    /// When the address is not a loopback one.
    pub fn new(address: SocketAddr) -> Result<Self, NotLoopback> {
        if address.ip().is_loopback() {
            Ok(Self(address))
        } else {
            Err(NotLoopback(address))
        }
    }

    /// The address.
    #[must_use]
    pub fn address(self) -> SocketAddr {
        self.0
    }
}
