//! Keys that encrypt pool files and config items.

use async_trait::async_trait;

use super::CloudError;

/// A key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Id (ARN).
    pub arn: String,
    /// False while it is disabled or waits for its deletion.
    pub enabled: bool,
}

/// Keys of one account and region.
#[async_trait]
pub trait Keys: Send + Sync {
    /// A key by ARN, id or alias such as `alias/etcd-cluster` (cloud fact 4.6).
    async fn key(&self, key: &str) -> Result<Key, CloudError>;

    /// Encrypts at most 4,096 bytes. Two calls give two ciphertexts.
    ///
    /// # Errors
    /// [`CloudError::Invalid`] for more bytes.
    async fn encrypt(&self, key: &str, plaintext: &[u8]) -> Result<Vec<u8>, CloudError>;

    /// Decrypts what a key of this account and region encrypted; the ciphertext names its key. Config items that begin
    /// with `aws:kms:` carry such a ciphertext (cloud fact 2.4).
    ///
    /// # Errors
    /// [`CloudError::Invalid`] for a text that is no ciphertext; [`CloudError::NotFound`] when its key is gone. Neither
    /// holds the text.
    async fn decrypt(&self, ciphertext: &[u8]) -> Result<Vec<u8>, CloudError>;
}
