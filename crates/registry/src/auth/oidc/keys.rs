//! The issuer's keys: fetched, kept, rotated.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use ports::Clock;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use super::{Fetch, FetchError, OidcOptions};
use crate::auth::AuthError;
use crate::error::chain;

/// The issuer's keys as last fetched.
pub(super) struct Keys {
    issuer: String,
    url: Option<String>,
    keep: Duration,
    pause: Duration,
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    // One task fetches while the others wait for what it finds.
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    keys: Vec<Jwk>,
    fetched: Option<Timestamp>,
    tried: Option<Timestamp>,
}

/// Why keys are not to be had.
#[derive(Debug, thiserror::Error)]
enum KeysError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("{0} is not what it should be")]
    Document(String),
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Keys {
    pub(super) fn new(options: &OidcOptions, fetch: Arc<dyn Fetch>, clock: Arc<dyn Clock>) -> Self {
        Self {
            issuer: options.issuer.clone(),
            url: options.keys_url.clone(),
            keep: options.keys_for,
            pause: options.keys_pause,
            fetch,
            clock,
            kept: Mutex::default(),
        }
    }

    /// The key of this id that fits the algorithm; without an id, the only one that fits.
    pub(super) async fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Result<DecodingKey, AuthError> {
        let mut kept = self.kept.lock().await;
        let now = self.clock.now();
        let older = |since: Option<Timestamp>, than: Duration| {
            since.is_none_or(|since| now.duration_since(since).unsigned_abs() >= than)
        };
        let missing = pick(&kept.keys, id, algorithm).is_none();
        // Strangers can invent key ids, so unknown ones do not make us fetch more often than once per pause.
        if (missing || older(kept.fetched, self.keep)) && older(kept.tried, self.pause) {
            kept.tried = Some(now);
            match self.fetch_keys().await {
                Ok(keys) => {
                    kept.keys = keys;
                    kept.fetched = Some(now);
                }
                // The keys that are there may still be good; without any, nobody can be told.
                Err(error) => tracing::error!(error = chain(&error), "the issuer's keys cannot be fetched"),
            }
        }
        if kept.fetched.is_none() {
            return Err(AuthError::Unavailable("the issuer's keys cannot be fetched".to_owned()));
        }
        let refused = |reason: &str| AuthError::Refused(reason.to_owned());
        let key = pick(&kept.keys, id, algorithm)
            .ok_or_else(|| refused("the token is signed with a key that its issuer does not publish"))?;
        DecodingKey::from_jwk(key).map_err(|_| refused("the issuer's key cannot be used"))
    }

    async fn fetch_keys(&self) -> Result<Vec<Jwk>, KeysError> {
        let url = match &self.url {
            Some(url) => url.clone(),
            None => self.discover().await?,
        };
        let document = self.fetch.get(&url).await?;
        let set: Value = serde_json::from_slice(&document).map_err(|_| KeysError::Document(url.clone()))?;
        let keys = set
            .get("keys")
            .and_then(Value::as_array)
            .ok_or_else(|| KeysError::Document(url.clone()))?;
        // One key of a kind that is not known here must not make the others useless.
        Ok(keys.iter().filter_map(|key| Jwk::deserialize(key).ok()).collect())
    }

    async fn discover(&self) -> Result<String, KeysError> {
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let document = self.fetch.get(&url).await?;
        let found: Discovery = serde_json::from_slice(&document).map_err(|_| KeysError::Document(url.clone()))?;
        if found.issuer == self.issuer {
            Ok(found.jwks_uri)
        } else {
            Err(KeysError::Document(url))
        }
    }
}

fn pick<'a>(keys: &'a [Jwk], id: Option<&str>, algorithm: Algorithm) -> Option<&'a Jwk> {
    let mut fitting = keys.iter().filter(|key| fits(key, algorithm));
    match id {
        Some(id) => fitting.find(|key| key.common.key_id.as_deref() == Some(id)),
        None => {
            let only = fitting.next();
            if fitting.next().is_some() { None } else { only }
        }
    }
}

/// True when the key is for signatures with this algorithm: a key is never used with another family than its own.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    let for_signatures = !matches!(
        key.common.public_key_use,
        Some(PublicKeyUse::Encryption | PublicKeyUse::Other(_))
    );
    let named = key
        .common
        .key_algorithm
        .is_none_or(|name| name.to_string() == format!("{algorithm:?}"));
    let family = match (&key.algorithm, algorithm) {
        (
            AlgorithmParameters::RSA(_),
            Algorithm::RS256
            | Algorithm::RS384
            | Algorithm::RS512
            | Algorithm::PS256
            | Algorithm::PS384
            | Algorithm::PS512,
        ) => true,
        (AlgorithmParameters::EllipticCurve(key), Algorithm::ES256) => key.curve == EllipticCurve::P256,
        (AlgorithmParameters::EllipticCurve(key), Algorithm::ES384) => key.curve == EllipticCurve::P384,
        (AlgorithmParameters::OctetKeyPair(_), Algorithm::EdDSA) => true,
        _ => false,
    };
    for_signatures && named && family
}
