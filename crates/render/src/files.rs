//! `files.yaml`: the files that nodes fetch at boot.

use std::fmt::Write as _;

use sha2::{Digest, Sha512};

/// A file for nodes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteFile {
    /// Absolute path on the node.
    pub path: String,
    /// Content, base64.
    #[serde(default)]
    pub data: String,
    /// Mode; octal in the file (fact 46).
    #[serde(default)]
    pub permissions: u32,
    /// Whether it is stored encrypted.
    #[serde(default)]
    pub encrypted: bool,
}

impl RemoteFile {
    /// Name in the archive: encrypted files get `.enc` (fact 46).
    #[must_use]
    pub fn archive_name(&self) -> String {
        if self.encrypted {
            format!("{}.enc", self.path)
        } else {
            self.path.clone()
        }
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Files {
    #[serde(default)]
    files: Vec<RemoteFile>,
}

/// Reads a rendered `files.yaml`: unknown members and duplicate keys are refused.
///
/// # Errors
/// [`yaml::Error`] with the place, and no content.
pub fn parse_files(text: &str) -> Result<Vec<RemoteFile>, yaml::Error> {
    let files: Option<Files> = yaml::from_str(text)?;
    Ok(files.map(|files| files.files).unwrap_or_default())
}

/// Where the archive of a rendered `files.yaml` is stored: the name depends on the text alone (fact 66).
pub(crate) fn archive_url(bucket: &str, local_id: &str, role: &str, text: &str) -> String {
    let mut url = format!("s3://{bucket}/{local_id}/{role}/");
    for byte in Sha512::digest(text) {
        // Writing to a string cannot fail.
        let _ = write!(url, "{byte:02x}");
    }
    url.push_str(".userdata");
    url
}
