//! The object store: user data of pools, large templates.

use async_trait::async_trait;
use jiff::Timestamp;

use super::CloudError;

/// Under which condition an object is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PutCondition {
    /// Always.
    #[default]
    Always,
    /// Only if no object of that key exists.
    IfAbsent,
    /// Only if its etag is this one.
    IfMatches(String),
}

/// An object without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Key.
    pub key: String,
    /// Size in bytes.
    pub size: u64,
    /// Changes with the content.
    pub etag: String,
    /// When it was written.
    pub modified: Timestamp,
    /// Version, in buckets that keep versions.
    pub version: Option<String>,
}

/// An object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// What is known about it.
    pub info: ObjectInfo,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// One version of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectVersion {
    /// The version.
    pub info: ObjectInfo,
    /// True for the newest.
    pub is_latest: bool,
    /// True for the mark that a deletion leaves.
    pub is_delete_marker: bool,
}

/// The object store of one account, seen from one region.
#[async_trait]
pub trait Objects: Send + Sync {
    /// Makes a bucket unless it is ours already; in us-east-1 as well, where the original fails (fault F16).
    async fn ensure_bucket(&self, bucket: &str) -> Result<(), CloudError>;

    /// Writes an object; returns what was written.
    ///
    /// # Errors
    /// [`CloudError::PreconditionFailed`] when the condition does not hold.
    async fn put_object(
        &self,
        bucket: &str,
        key: &str,
        bytes: &[u8],
        condition: &PutCondition,
    ) -> Result<ObjectInfo, CloudError>;

    /// Reads an object.
    async fn object(&self, bucket: &str, key: &str) -> Result<StoredObject, CloudError>;

    /// What is known about an object, without reading it; pool files are content-addressed (cloud fact 4.6), so an unchanged one
    /// need not be written again.
    async fn object_info(&self, bucket: &str, key: &str) -> Result<ObjectInfo, CloudError>;

    /// Objects whose key begins with `prefix`, in key order.
    async fn list_objects(&self, bucket: &str, prefix: &str) -> Result<Vec<ObjectInfo>, CloudError>;

    /// All versions of objects whose key begins with `prefix`, by key and then newest first.
    async fn object_versions(&self, bucket: &str, prefix: &str) -> Result<Vec<ObjectVersion>, CloudError>;

    /// Deletes an object, or one version of it for good. One that is gone already is a success.
    async fn delete_object(&self, bucket: &str, key: &str, version: Option<&str>) -> Result<(), CloudError>;

    /// Deletes an empty bucket.
    ///
    /// # Errors
    /// [`CloudError::Conflict`] while anything is in it, versions included.
    async fn delete_bucket(&self, bucket: &str) -> Result<(), CloudError>;
}
