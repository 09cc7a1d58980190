//! The object store: buckets with versions, conditional writes.

use std::collections::BTreeMap;

use ports::cloud::{CloudError, ObjectInfo, ObjectVersion, PutCondition, StoredObject};
use sha2::{Digest, Sha256};

use crate::world::World;

/// One version of an object; without bytes it is the mark of a deletion.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) info: ObjectInfo,
    pub(crate) bytes: Option<Vec<u8>>,
}

/// A bucket.
#[derive(Debug, Clone, Default)]
pub(crate) struct BucketRecord {
    pub(crate) versioned: bool,
    /// Versions of each key, oldest first; never empty.
    pub(crate) objects: BTreeMap<String, Vec<Version>>,
}

fn missing(key: &str) -> CloudError {
    let (kind, id) = ("object", key.to_owned());
    CloudError::NotFound { kind, id }
}

impl World {
    fn bucket_mut(&mut self, bucket: &str) -> Result<&mut BucketRecord, CloudError> {
        let missing = || CloudError::NotFound {
            kind: "bucket",
            id: bucket.to_owned(),
        };
        self.state.buckets.get_mut(bucket).ok_or_else(missing)
    }

    pub(crate) fn ensure_bucket(&mut self, bucket: &str) -> Result<(), CloudError> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
        if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(plain) {
            let message = format!("InvalidBucketName: The specified bucket is not valid: {bucket}");
            return Err(CloudError::Invalid {
                call: "CreateBucket",
                message,
            });
        }
        self.state.buckets.entry(bucket.to_owned()).or_default();
        Ok(())
    }

    pub(crate) fn put_object(
        &mut self,
        bucket: &str,
        key: &str,
        bytes: &[u8],
        condition: &PutCondition,
    ) -> Result<ObjectInfo, CloudError> {
        let number = self.count("object-version");
        let version = self.random.hex("object-version", &number.to_string(), 32);
        let now = self.now;
        let record = self.bucket_mut(bucket)?;
        let current = record.objects.get(key).and_then(|versions| versions.last());
        let current = current
            .filter(|version| version.bytes.is_some())
            .map(|version| version.info.etag.clone());
        let holds = match condition {
            PutCondition::Always => true,
            PutCondition::IfAbsent => current.is_none(),
            PutCondition::IfMatches(etag) => current.as_ref() == Some(etag),
        };
        if !holds {
            return Err(CloudError::PreconditionFailed {
                call: "PutObject",
                kind: "object",
                id: key.to_owned(),
            });
        }
        let etag: String = hex::encode(Sha256::digest(bytes)).chars().take(32).collect();
        let info = ObjectInfo {
            key: key.to_owned(),
            size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            etag,
            modified: now,
            version: record.versioned.then_some(version),
        };
        let versions = record.objects.entry(key.to_owned()).or_default();
        if !record.versioned {
            versions.clear();
        }
        versions.push(Version {
            info: info.clone(),
            bytes: Some(bytes.to_vec()),
        });
        Ok(info)
    }

    pub(crate) fn object(&mut self, bucket: &str, key: &str) -> Result<StoredObject, CloudError> {
        let newest = self
            .bucket_mut(bucket)?
            .objects
            .get(key)
            .and_then(|versions| versions.last());
        let found = newest.and_then(|version| Some((version.info.clone(), version.bytes.clone()?)));
        let (info, bytes) = found.ok_or_else(|| missing(key))?;
        Ok(StoredObject { info, bytes })
    }

    pub(crate) fn list_objects(&mut self, bucket: &str, prefix: &str) -> Result<Vec<ObjectInfo>, CloudError> {
        let objects = &self.bucket_mut(bucket)?.objects;
        let newest = objects
            .iter()
            .filter(|(key, _)| key.starts_with(prefix))
            .filter_map(|(_, v)| v.last());
        Ok(newest
            .filter(|version| version.bytes.is_some())
            .map(|version| version.info.clone())
            .collect())
    }

    pub(crate) fn object_versions(&mut self, bucket: &str, prefix: &str) -> Result<Vec<ObjectVersion>, CloudError> {
        let objects = &self.bucket_mut(bucket)?.objects;
        let all = objects
            .iter()
            .filter(|(key, _)| key.starts_with(prefix))
            .flat_map(|(_, versions)| {
                versions.iter().rev().enumerate().map(|(age, version)| ObjectVersion {
                    info: version.info.clone(),
                    is_latest: age == 0,
                    is_delete_marker: version.bytes.is_none(),
                })
            });
        Ok(all.collect())
    }

    pub(crate) fn delete_object(&mut self, bucket: &str, key: &str, version: Option<&str>) -> Result<(), CloudError> {
        let number = self.count("object-version");
        let marker = self.random.hex("object-version", &number.to_string(), 32);
        let now = self.now;
        let record = self.bucket_mut(bucket)?;
        let versioned = record.versioned;
        let Some(versions) = record.objects.get_mut(key) else {
            return Ok(());
        };
        match version {
            Some(version) => versions.retain(|v| v.info.version.as_deref() != Some(version)),
            None if versioned => {
                let info = ObjectInfo {
                    key: key.to_owned(),
                    size: 0,
                    etag: String::new(),
                    modified: now,
                    version: Some(marker),
                };
                versions.push(Version { info, bytes: None });
            }
            None => versions.clear(),
        }
        if versions.is_empty() {
            record.objects.remove(key);
        }
        Ok(())
    }

    pub(crate) fn delete_bucket(&mut self, bucket: &str) -> Result<(), CloudError> {
        if !self.bucket_mut(bucket)?.objects.is_empty() {
            return Err(CloudError::Conflict {
                call: "DeleteBucket",
                kind: "bucket",
                id: bucket.to_owned(),
                message: "BucketNotEmpty: The bucket you tried to delete is not empty".to_owned(),
            });
        }
        self.state.buckets.remove(bucket);
        Ok(())
    }
}
