//! Admission: what may change or refuse a write after it was authorized and before it is stored.

use async_trait::async_trait;
use json_tree::Value;

use crate::auth::UserInfo;
use crate::server::ApiServer;
use crate::status::ApiError;

/// What is being done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A new object.
    Create,
    /// A changed object.
    Update,
    /// A deletion.
    Delete,
    /// A connection, such as a log.
    Connect,
}

impl Operation {
    /// The operation's name in admission requests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }
}

/// A write under review.
#[derive(Debug, Clone)]
pub struct Review {
    /// What is being done.
    pub operation: Operation,
    /// By whom.
    pub user: UserInfo,
    /// The API group of the resource.
    pub group: String,
    /// The version the client speaks.
    pub version: String,
    /// The plural name of the resource.
    pub resource: String,
    /// The subresource; empty for the object itself.
    pub subresource: String,
    /// The kind of the object under review.
    pub kind: String,
    /// The namespace; empty for cluster-scoped objects.
    pub namespace: String,
    /// The name; may be empty where it is still to be generated.
    pub name: String,
    /// The object as it would be stored; null for deletions.
    pub object: Value,
    /// The object as it is stored now; null for creations.
    pub old_object: Value,
    /// Whether nothing will be stored.
    pub dry_run: bool,
    /// The options of the request as an object (`CreateOptions` and so on).
    pub options: Value,
    /// Warnings for the client; they travel in `Warning` headers.
    pub warnings: Vec<String>,
}

/// Changes or refuses writes. Plugins run in the order they were given: all `mutate` first, then all `validate`.
#[async_trait]
pub trait Admission: Send + Sync + std::fmt::Debug {
    /// Whether the plugin may have to say anything about objects of a group as the server is now; reviews that
    /// concern nobody are not made.
    fn active(&self, _server: &ApiServer, _group: &str) -> bool {
        true
    }

    /// May change `review.object`.
    ///
    /// # Errors
    /// Refuses the write.
    async fn mutate(&self, server: &ApiServer, review: &mut Review) -> Result<(), ApiError>;

    /// Judges the final object.
    ///
    /// # Errors
    /// Refuses the write.
    async fn validate(&self, server: &ApiServer, review: &mut Review) -> Result<(), ApiError>;
}
