//! Who asks, and whether they may: the two seams that real clusters configure.
//!
//! Without configuration everybody is `system:admin` and may do everything, as on a development cluster.

use std::collections::BTreeMap;

use async_trait::async_trait;
use http::HeaderMap;
use json_tree::{Value, json};

use crate::request::RequestInfo;
use crate::server::ApiServer;
use crate::status::ApiError;

/// The user behind a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserInfo {
    /// The name, such as `system:serviceaccount:ns:name`.
    pub name: String,
    /// The uid, if the user has one.
    pub uid: String,
    /// The groups.
    pub groups: Vec<String>,
    /// What else the authenticator knows.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl UserInfo {
    /// The administrator of a cluster.
    #[must_use]
    pub fn admin() -> Self {
        Self {
            name: "system:admin".to_owned(),
            groups: vec!["system:masters".to_owned(), "system:authenticated".to_owned()],
            ..Self::default()
        }
    }

    /// The user as reviews and admission requests show it.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut out = json!({"username": self.name, "groups": self.groups});
        if !self.uid.is_empty() {
            out["uid"] = self.uid.as_str().into();
        }
        if !self.extra.is_empty() {
            out["extra"] = json!(self.extra);
        }
        out
    }
}

/// Finds the user behind a request.
#[async_trait]
pub trait Authenticator: Send + Sync + std::fmt::Debug {
    /// The user of a request with these headers.
    ///
    /// # Errors
    /// `401 Unauthorized` if the credentials are wrong.
    async fn authenticate(&self, server: &ApiServer, headers: &HeaderMap) -> Result<UserInfo, ApiError>;

    /// Judges a token for a `TokenReview`; none if it is not good.
    async fn review(&self, server: &ApiServer, token: &str, audiences: &[String]) -> Option<UserInfo>;

    /// Issues a token for a ServiceAccount (a `TokenRequest`).
    ///
    /// # Errors
    /// Where the server issues no tokens.
    async fn issue(&self, server: &ApiServer, request: &TokenRequest) -> Result<String, ApiError>;
}

/// What a ServiceAccount's token is asked for.
#[derive(Debug, Clone, Default)]
pub struct TokenRequest {
    /// The namespace of the ServiceAccount.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Who shall accept the token.
    pub audiences: Vec<String>,
    /// When it ends, in seconds since 1970.
    pub expires: i64,
}

/// What an authorizer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Allowed, with the reason.
    Allow(String),
    /// Refused, with the reason.
    Deny(String),
    /// Not known to be allowed, which refuses as well; the reason may be empty.
    NoOpinion(String),
}

/// Decides whether a user may do something.
#[async_trait]
pub trait Authorizer: Send + Sync + std::fmt::Debug {
    /// Judges one request.
    async fn authorize(&self, server: &ApiServer, user: &UserInfo, request: &RequestInfo) -> Decision;

    /// What the user may do in a namespace, for a `SelfSubjectRulesReview`: the review's `status`.
    async fn rules(&self, server: &ApiServer, user: &UserInfo, namespace: &str) -> Value;

    /// Cluster-scoped objects that the authorizer needs to find in a new server, such as roles.
    fn initial_objects(&self) -> Vec<Value> {
        Vec::new()
    }
}

/// Everybody is the administrator; tokens of ServiceAccounts are recognised by their form.
#[derive(Debug, Clone, Copy, Default)]
pub struct AnyoneIsAdmin;

/// How the tokens of [`AnyoneIsAdmin`] begin.
const TOKEN_PREFIX: &str = "sim-token:";

#[async_trait]
impl Authenticator for AnyoneIsAdmin {
    async fn authenticate(&self, _server: &ApiServer, headers: &HeaderMap) -> Result<UserInfo, ApiError> {
        let bearer = headers
            .get(http::header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.strip_prefix("Bearer "));
        Ok(bearer.and_then(service_account).unwrap_or_else(UserInfo::admin))
    }

    async fn review(&self, _server: &ApiServer, token: &str, _audiences: &[String]) -> Option<UserInfo> {
        service_account(token)
    }

    async fn issue(&self, _server: &ApiServer, request: &TokenRequest) -> Result<String, ApiError> {
        Ok(format!(
            "{TOKEN_PREFIX}{}:{}:{}:{}",
            request.namespace, request.name, request.uid, request.expires
        ))
    }
}

fn service_account(token: &str) -> Option<UserInfo> {
    let mut parts = token.strip_prefix(TOKEN_PREFIX)?.split(':');
    let (namespace, name, uid) = (parts.next()?, parts.next()?, parts.next()?);
    Some(UserInfo {
        name: format!("system:serviceaccount:{namespace}:{name}"),
        uid: uid.to_owned(),
        groups: vec![
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
            "system:authenticated".to_owned(),
        ],
        extra: BTreeMap::new(),
    })
}

/// Everybody may do everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct AllowAll;

#[async_trait]
impl Authorizer for AllowAll {
    async fn authorize(&self, _server: &ApiServer, _user: &UserInfo, _request: &RequestInfo) -> Decision {
        Decision::Allow(String::new())
    }

    async fn rules(&self, _server: &ApiServer, _user: &UserInfo, _namespace: &str) -> Value {
        json!({
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            "incomplete": false,
        })
    }
}

/// The refusal of a request, as the real server words it.
pub(crate) fn refusal(user: &UserInfo, info: &RequestInfo, reason: &str) -> ApiError {
    let because = if reason.is_empty() {
        String::new()
    } else {
        format!(": {reason}")
    };
    if !info.is_resource {
        let text = format!(
            "User \"{}\" cannot {} path \"{}\"{because}",
            user.name, info.verb, info.path
        );
        let mut error = ApiError::new(403, "Forbidden", format!("forbidden: {text}"));
        error.details = Some(Box::default());
        return error;
    }
    let what = if info.subresource.is_empty() {
        info.resource.clone()
    } else {
        format!("{}/{}", info.resource, info.subresource)
    };
    let place = if info.namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace \"{}\"", info.namespace)
    };
    let why = format!(
        "User \"{}\" cannot {} resource \"{what}\" in API group \"{}\" {place}{because}",
        user.name, info.verb, info.group
    );
    ApiError::forbidden(&info.group, &info.resource, &info.name, &why)
}
