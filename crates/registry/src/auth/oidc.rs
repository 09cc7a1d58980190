//! JWTs of an OpenID Connect issuer.

mod claims;
mod fetch;
mod keys;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use ports::Clock;
use serde_json::Value;

use super::{AuthError, Authenticate, Caller, Role};
use keys::Keys;

pub use fetch::{Fetch, FetchError, HttpFetch};

/// Algorithms that are accepted: signatures with a public key only. `none` and shared secrets never are.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// Which JWTs are accepted and what their holders may do.
#[derive(Debug, Clone)]
pub struct OidcOptions {
    /// The issuer, exactly as in the claim `iss`; its discovery document names the keys.
    pub issuer: String,
    /// The token must be meant for one of these (`aud`).
    pub audiences: Vec<String>,
    /// Where the keys are, when the discovery document is not to be asked.
    pub keys_url: Option<String>,
    /// Claims that hold roles or groups; a dot goes into an object (`realm_access.roles`).
    pub role_claims: Vec<String>,
    /// What each value of those claims means; the highest role wins.
    pub roles: BTreeMap<String, Role>,
    /// How far the issuer's clock may be off.
    pub skew: Duration,
    /// After this long the keys are fetched again.
    pub keys_for: Duration,
    /// An unknown key makes the keys be fetched again, but not more often than this.
    pub keys_pause: Duration,
}

impl OidcOptions {
    /// Tokens of this issuer for this audience, with the usual bounds; claims `roles` and `groups` hold the names
    /// `reader`, `operator` and `admin` themselves.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audiences: vec![audience.into()],
            keys_url: None,
            role_claims: vec!["roles".to_owned(), "groups".to_owned()],
            roles: Role::ALL.map(|role| (role.as_str().to_owned(), role)).into(),
            skew: Duration::from_secs(60),
            keys_for: Duration::from_secs(3600),
            keys_pause: Duration::from_secs(30),
        }
    }
}

/// Accepts the JWTs of one issuer. Its keys are fetched when first needed, kept, and fetched again when they are old or a
/// token names one that is not known; so the issuer may rotate them at any time.
pub struct Oidc {
    options: OidcOptions,
    clock: Arc<dyn Clock>,
    keys: Keys,
}

impl Oidc {
    /// An authenticator that fetches keys through `fetch`.
    #[must_use]
    pub fn new(options: OidcOptions, fetch: Arc<dyn Fetch>, clock: Arc<dyn Clock>) -> Self {
        let keys = Keys::new(&options, fetch, Arc::clone(&clock));
        Self { options, clock, keys }
    }
}

#[async_trait]
impl Authenticate for Oidc {
    async fn identify(&self, token: &str) -> Result<Caller, AuthError> {
        // Three parts make a JWT; anything else may be known to another authenticator.
        if token.split('.').count() != 3 {
            return Err(AuthError::Unknown);
        }
        let refused = |reason: &str| AuthError::Refused(reason.to_owned());
        let header = decode_header(token)
            .map_err(|_| refused("the token's header cannot be read or names an algorithm that is not accepted"))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(refused("the token's algorithm is not accepted"));
        }
        let key = self.keys.find(header.kid.as_deref(), header.alg).await?;
        // The library reads the wall clock for `exp` and `nbf`, so it checks the signature and nothing else.
        let mut signature = Validation::new(header.alg);
        signature.required_spec_claims.clear();
        signature.validate_exp = false;
        signature.validate_nbf = false;
        signature.validate_aud = false;
        let claims: Value = decode(token, &key, &signature)
            .map_err(|_| refused("the token's signature is wrong"))?
            .claims;
        claims::caller(&claims, &self.options, self.clock.now())
    }
}
