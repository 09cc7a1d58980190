//! The registry over the network: the same contract as a store, at the far end of HTTP.
//!
//! A [`RegistryClient`] is a [`ports::Registry`]: what works on a store works on it, and fails alike. On top of the bare
//! calls it repeats those that may be repeated (full-jitter back-off, `Retry-After` honoured), reads the token file for
//! each request so that a renewed token counts at once, and goes on with the change feed where a cut left it.
//!
//! What may be repeated after a lost answer: GET, and unconditional PUT, DELETE and PATCH of `status` and
//! `lifecycle_status`. A conditional write, any other PATCH and a POST are sent once: when their answer is lost the call is
//! `Unavailable` and says that the write may have been carried out. Where no connection was made everything is tried again,
//! and everything but a POST where the server was too busy to begin. A DELETE that finds nothing after a lost answer has
//! done its work and succeeds.

mod acts;
mod approvals;
mod calls;
mod channels;
mod entries;
mod error;
mod feed;
mod ledger;
mod options;
mod reply;
mod retry;
mod sse;
mod transport;

pub use error::ClientError;
pub use options::ClientOptions;

use std::sync::Arc;

use ports::{Clock, Ids, RegistryError};

use transport::{Call, Transport};

/// Most entries that one answer of the change feed is asked to have.
const CHANGES_LIMIT: usize = 1000;

/// The registry at a URL.
#[derive(Debug, Clone)]
pub struct RegistryClient {
    transport: Arc<Transport>,
}

impl RegistryClient {
    /// A client; it connects with the first call.
    ///
    /// # Errors
    /// [`ClientError`] when the URL is not one of a server, or the certificates cannot be read.
    pub fn new(options: &ClientOptions, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Result<Self, ClientError> {
        Ok(Self {
            transport: Arc::new(Transport::new(options, clock, ids)?),
        })
    }

    /// The version that the server says it has, from its OpenAPI document.
    ///
    /// # Errors
    /// Those of a read, and [`RegistryError::Internal`] when the answer is not such a document.
    pub async fn server_version(&self) -> Result<String, RegistryError> {
        #[derive(serde::Deserialize)]
        struct Document {
            info: Info,
        }
        #[derive(serde::Deserialize)]
        struct Info {
            version: String,
        }
        let reply = self.transport.send(Call::get(crate::paths::OPENAPI)).await?;
        Ok(reply.json::<Document>()?.info.version)
    }
}
