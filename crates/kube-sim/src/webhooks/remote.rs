//! Authorization by somebody else: the authorizer that posts a SubjectAccessReview.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use json_tree::{Value, json};

use super::call::{WebhookCaller, WebhookTarget};
use crate::auth::{Authorizer, Decision, UserInfo};
use crate::request::RequestInfo;
use crate::server::ApiServer;
use crate::value::{flag, text};

/// Asks a webhook whether a user may do something, as a server with `--authorization-mode=Webhook` does. What the
/// webhook cannot answer is refused. Members of `system:masters` are never asked about.
#[derive(Debug)]
pub struct WebhookAuthorizer {
    caller: Arc<dyn WebhookCaller>,
    target: WebhookTarget,
}

impl WebhookAuthorizer {
    /// An authorizer that posts to `url`, trusting the certificates in `ca_bundle` (PEM).
    #[must_use]
    pub fn new(caller: Arc<dyn WebhookCaller>, url: impl Into<String>, ca_bundle: Vec<u8>) -> Self {
        let timeout = Duration::from_secs(30);
        Self {
            caller,
            target: WebhookTarget {
                url: url.into(),
                service: None,
                ca_bundle,
                timeout,
            },
        }
    }
}

fn question(user: &UserInfo, request: &RequestInfo) -> Value {
    let mut spec = json!({"user": user.name, "groups": user.groups});
    if !user.uid.is_empty() {
        spec["uid"] = user.uid.as_str().into();
    }
    if !user.extra.is_empty() {
        spec["extra"] = json!(user.extra);
    }
    let (section, fields) = if request.is_resource {
        let fields = [
            ("verb", &request.verb),
            ("group", &request.group),
            ("version", &request.version),
            ("resource", &request.resource),
            ("subresource", &request.subresource),
            ("namespace", &request.namespace),
            ("name", &request.name),
        ];
        ("resourceAttributes", fields.to_vec())
    } else {
        (
            "nonResourceAttributes",
            vec![("verb", &request.verb), ("path", &request.path)],
        )
    };
    let fields = fields.into_iter().filter(|(_, text)| !text.is_empty());
    spec[section] = fields
        .map(|(name, text)| (name.to_owned(), Value::from(text.as_str())))
        .collect();
    json!({"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {}, "spec": spec})
}

#[async_trait]
impl Authorizer for WebhookAuthorizer {
    async fn authorize(&self, server: &ApiServer, user: &UserInfo, request: &RequestInfo) -> Decision {
        if user.groups.iter().any(|group| group == "system:masters") {
            return Decision::Allow(String::new());
        }
        let answer = match self.caller.call(server, &self.target, &question(user, request)).await {
            Ok(answer) => answer,
            Err(error) => return Decision::NoOpinion(error.to_string()),
        };
        let reason = text(&answer, &["status", "reason"]).unwrap_or_default().to_owned();
        if flag(&answer, &["status", "denied"]) {
            Decision::Deny(reason)
        } else if flag(&answer, &["status", "allowed"]) {
            Decision::Allow(reason)
        } else {
            Decision::NoOpinion(reason)
        }
    }

    async fn rules(&self, _server: &ApiServer, _user: &UserInfo, _namespace: &str) -> Value {
        json!({
            "resourceRules": [], "nonResourceRules": [], "incomplete": true,
            "evaluationError": "webhook authorizer does not support user rule resolution"})
    }
}
