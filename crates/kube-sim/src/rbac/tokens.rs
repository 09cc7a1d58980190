//! Users by bearer token: a fixed table and the tokens that the server issues to ServiceAccounts.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use http::HeaderMap;

use crate::auth::{Authenticator, TokenRequest, UserInfo};
use crate::server::ApiServer;
use crate::status::ApiError;
use crate::value::uid;

const AUTHENTICATED: &str = "system:authenticated";

/// Finds users by bearer token. Requests without one come from `system:anonymous`, unless that is switched off.
///
/// Tokens of ServiceAccounts are opaque; they end with their time and with their account.
#[derive(Debug)]
pub struct TokenTable {
    users: BTreeMap<String, UserInfo>,
    anonymous: bool,
    issued: Mutex<BTreeMap<String, TokenRequest>>,
}

impl Default for TokenTable {
    fn default() -> Self {
        Self {
            users: BTreeMap::new(),
            anonymous: true,
            issued: Mutex::default(),
        }
    }
}

impl TokenTable {
    /// A table without tokens.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a token. Every user it finds is also in `system:authenticated`.
    #[must_use]
    pub fn with(mut self, token: impl Into<String>, user: UserInfo) -> Self {
        self.users.insert(token.into(), user);
        self
    }

    /// Refuses requests without a token.
    #[must_use]
    pub fn without_anonymous(mut self) -> Self {
        self.anonymous = false;
        self
    }

    fn find(&self, server: &ApiServer, token: &str) -> Option<UserInfo> {
        if let Some(user) = self.users.get(token) {
            return Some(authenticated(user.clone()));
        }
        let issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let request = issued
            .get(token)
            .filter(|request| request.expires > server.now().as_second())?
            .clone();
        drop(issued);
        let account = server.read("", "serviceaccounts", &request.namespace, &request.name)?;
        (uid(&account) == request.uid).then(|| service_account(&request))
    }
}

fn authenticated(mut user: UserInfo) -> UserInfo {
    if !user.groups.iter().any(|group| group == AUTHENTICATED) {
        user.groups.push(AUTHENTICATED.to_owned());
    }
    user
}

fn service_account(request: &TokenRequest) -> UserInfo {
    authenticated(UserInfo {
        name: format!("system:serviceaccount:{}:{}", request.namespace, request.name),
        uid: request.uid.clone(),
        groups: vec![
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{}", request.namespace),
        ],
        extra: BTreeMap::new(),
    })
}

#[async_trait]
impl Authenticator for TokenTable {
    async fn authenticate(&self, server: &ApiServer, headers: &HeaderMap) -> Result<UserInfo, ApiError> {
        let Some(header) = headers.get(http::header::AUTHORIZATION) else {
            let anonymous = || UserInfo {
                name: "system:anonymous".to_owned(),
                groups: vec!["system:unauthenticated".to_owned()],
                ..UserInfo::default()
            };
            return self.anonymous.then(anonymous).ok_or_else(ApiError::unauthorized);
        };
        let token = header.to_str().ok().and_then(|text| text.split_once(' '));
        let token = token
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim());
        token
            .and_then(|token| self.find(server, token))
            .ok_or_else(ApiError::unauthorized)
    }

    async fn review(&self, server: &ApiServer, token: &str, _audiences: &[String]) -> Option<UserInfo> {
        self.find(server, token)
    }

    async fn issue(&self, server: &ApiServer, request: &TokenRequest) -> Result<String, ApiError> {
        let token = format!("sim-{}", server.core.ids.uuid());
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let now = server.now().as_second();
        issued.retain(|_, known| known.expires > now);
        issued.insert(token.clone(), request.clone());
        Ok(token)
    }
}
