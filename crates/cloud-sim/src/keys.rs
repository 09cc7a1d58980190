//! Keys. The ciphertexts only need to look and behave like ones: they name their key, differ each time, and fail when they
//! were changed. They protect nothing.

use ports::cloud::{CloudError, Key};
use sha2::{Digest, Sha256};

use crate::world::World;

/// A key.
#[derive(Debug, Clone)]
pub(crate) struct KeyRecord {
    pub(crate) arn: String,
    pub(crate) enabled: bool,
}

const MAGIC: &[u8] = b"sim-kms1";
const ID: usize = 36;
const NONCE: usize = 16;
const MAC: usize = 16;
/// The provider's bound on what a key encrypts directly.
const MAX_PLAINTEXT: usize = 4096;

fn stream(id: &[u8], nonce: &[u8], bytes: &[u8]) -> Vec<u8> {
    let block = |number: usize| {
        let hash = Sha256::new()
            .chain_update(b"stream")
            .chain_update(id)
            .chain_update(nonce);
        hash.chain_update(number.to_be_bytes()).finalize()
    };
    let mixed = bytes.chunks(32).enumerate().flat_map(|(number, chunk)| {
        let mask = block(number);
        chunk
            .iter()
            .zip(mask)
            .map(|(byte, mask)| byte ^ mask)
            .collect::<Vec<_>>()
    });
    mixed.collect()
}

fn mac(id: &[u8], nonce: &[u8], body: &[u8]) -> Vec<u8> {
    let hash = Sha256::new()
        .chain_update(b"mac")
        .chain_update(id)
        .chain_update(nonce)
        .chain_update(body)
        .finalize();
    hash.into_iter().take(MAC).collect()
}

impl World {
    /// Makes a key; returns its id.
    pub(crate) fn create_key(&mut self) -> String {
        let id = self.new_uuid("key");
        let arn = format!("arn:aws:kms:{}:{}:key/{id}", self.options.region, self.options.account);
        self.state.keys.insert(id.clone(), KeyRecord { arn, enabled: true });
        id
    }

    /// A key by id, ARN or alias.
    pub(crate) fn key(&self, key: &str) -> Result<(String, Key), CloudError> {
        let missing = || CloudError::NotFound {
            kind: "key",
            id: key.to_owned(),
        };
        let alias = key
            .rsplit_once(":alias/")
            .map_or_else(|| key.to_owned(), |(_, name)| format!("alias/{name}"));
        let id = match self.state.aliases.get(&alias) {
            Some(id) => id.as_str(),
            None => key.rsplit('/').next().unwrap_or(key),
        };
        let record = self.state.keys.get(id).ok_or_else(missing)?;
        let view = Key {
            arn: record.arn.clone(),
            enabled: record.enabled,
        };
        Ok((id.to_owned(), view))
    }

    fn usable_key(&self, call: &'static str, key: &str) -> Result<String, CloudError> {
        let (id, view) = self.key(key)?;
        if !view.enabled {
            return Err(CloudError::Conflict {
                call,
                kind: "key",
                id: view.arn,
                message: "KMSInvalidStateException: the key is pending deletion or disabled".to_owned(),
            });
        }
        Ok(id)
    }

    pub(crate) fn encrypt(&mut self, key: &str, plaintext: &[u8]) -> Result<Vec<u8>, CloudError> {
        let call = "Encrypt";
        let id = self.usable_key(call, key)?;
        if plaintext.is_empty() || plaintext.len() > MAX_PLAINTEXT {
            let message =
                format!("1 validation error detected: 'plaintext' must have between 1 and {MAX_PLAINTEXT} bytes");
            return Err(CloudError::Invalid { call, message });
        }
        let number = self.count("nonce");
        let nonce = self.random.hex("nonce", &number.to_string(), NONCE).into_bytes();
        let body = stream(id.as_bytes(), &nonce, plaintext);
        let mac = mac(id.as_bytes(), &nonce, &body);
        Ok([MAGIC, id.as_bytes(), &nonce, &mac, &body].concat())
    }

    pub(crate) fn decrypt(&mut self, ciphertext: &[u8]) -> Result<Vec<u8>, CloudError> {
        let call = "Decrypt";
        let wrong = || CloudError::Invalid {
            call,
            message: "InvalidCiphertextException: the ciphertext is not one of this account".to_owned(),
        };
        let rest = ciphertext.strip_prefix(MAGIC).ok_or_else(wrong)?;
        let (id, rest) = rest.split_at_checked(ID).ok_or_else(wrong)?;
        let (nonce, rest) = rest.split_at_checked(NONCE).ok_or_else(wrong)?;
        let (found, body) = rest.split_at_checked(MAC).ok_or_else(wrong)?;
        if found != mac(id, nonce, body) {
            return Err(wrong());
        }
        self.usable_key(call, std::str::from_utf8(id).map_err(|_| wrong())?)?;
        Ok(stream(id, nonce, body))
    }
}
