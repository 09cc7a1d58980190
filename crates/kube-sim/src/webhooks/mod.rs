//! Admission webhooks: somebody else changes or judges writes, over HTTP or in process.
//!
//! [`Webhooks`] reads the configurations in the server's own store and calls what they name through a
//! [`WebhookCaller`]. Webhooks run one after another in the order of their configurations' names, so runs replay.

mod call;
mod remote;
mod review;

use std::sync::Arc;

use async_trait::async_trait;
use json_tree::Value;

pub use call::{AllowAllWebhooks, CallError, LoopbackWebhooks, WebhookCaller, WebhookTarget};
pub use remote::WebhookAuthorizer;

use crate::admission::{Admission, Review};
use crate::cel::{Expression, Refused, Wanted};
use crate::compiled::{Compiled, any};
use crate::policies::matching::{Scope, Seen, as_seen, convert_in_place, is_exempt};
use crate::policies::{conditions_hold, scope};
use crate::registry::GroupResource;
use crate::server::{ApiServer, ApiServerBuilder};
use crate::status::ApiError;
use crate::value::{int, list, text};
use review::Answer;

const GROUP: &str = "admissionregistration.k8s.io";

impl ApiServerBuilder {
    /// Calls the admission webhooks that are configured in the server, through `caller`. Without this, configurations
    /// are stored and nothing is called.
    #[must_use]
    pub fn webhooks(self, caller: Arc<dyn WebhookCaller>) -> Self {
        self.admission(Arc::new(Webhooks::new(caller)))
    }
}

/// Calls mutating and validating admission webhooks.
#[derive(Debug)]
pub struct Webhooks {
    caller: Arc<dyn WebhookCaller>,
    mutating: Compiled<Vec<Webhook>>,
    validating: Compiled<Vec<Webhook>>,
}

/// One webhook of a configuration.
#[derive(Debug)]
struct Webhook {
    name: String,
    scope: Scope,
    conditions: Vec<Result<Expression, Refused>>,
    target: WebhookTarget,
    /// Whether failing calls refuse the write.
    fails: bool,
    /// Whether the webhook may be called for dry runs.
    dry_run: bool,
    reinvoked: bool,
}

/// The variables of the conditions of webhooks.
const VARIABLES: &[&str] = &["object", "oldObject", "request", "authorizer"];

impl Webhook {
    fn read(webhook: &Value) -> Self {
        let condition = |value: &Value| {
            Expression::compile(
                text(value, &["expression"]).unwrap_or_default(),
                VARIABLES,
                Wanted::Bool,
            )
        };
        Self {
            name: text(webhook, &["name"]).unwrap_or_default().to_owned(),
            scope: Scope::of_webhook(webhook),
            conditions: list(webhook, &["matchConditions"]).iter().map(condition).collect(),
            target: WebhookTarget::read(webhook, int(webhook, &["timeoutSeconds"]).unwrap_or(10)),
            fails: text(webhook, &["failurePolicy"]) != Some("Ignore"),
            dry_run: matches!(text(webhook, &["sideEffects"]), Some("None" | "NoneOnDryRun")),
            reinvoked: text(webhook, &["reinvocationPolicy"]) == Some("IfNeeded"),
        }
    }

    fn read_all(configuration: &Value) -> Vec<Self> {
        list(configuration, &["webhooks"]).iter().map(Self::read).collect()
    }

    /// In which version the webhook wants to see a write, if at all.
    fn wants(&self, server: &ApiServer, review: &Review) -> Result<Option<Seen>, ApiError> {
        if !self.scope.selects(server, review) {
            return Ok(None);
        }
        let Some(seen) = self.scope.finds(server, review) else {
            return Ok(None);
        };
        if self.conditions.is_empty() {
            return Ok(Some(seen));
        }
        let shown = as_seen(server, review, &seen);
        match conditions_hold(&self.conditions, &scope(server, &shown, review, None)) {
            Ok(true) => Ok(Some(seen)),
            Ok(false) => Ok(None),
            Err(why) if self.fails => Err(ApiError::forbidden(&review.group, &review.resource, &review.name, &why)),
            Err(_) => Ok(None),
        }
    }
}

impl Webhooks {
    /// A plugin that calls through `caller`.
    #[must_use]
    pub fn new(caller: Arc<dyn WebhookCaller>) -> Self {
        Self {
            caller,
            mutating: Compiled::default(),
            validating: Compiled::default(),
        }
    }

    /// Calls one webhook; none if it is not concerned or failed and may.
    async fn call(
        &self,
        server: &ApiServer,
        webhook: &Webhook,
        review: &mut Review,
        mutating: bool,
    ) -> Result<Option<(Seen, Answer)>, ApiError> {
        let Some(seen) = webhook.wants(server, review)? else {
            return Ok(None);
        };
        if review.dry_run && !webhook.dry_run {
            return Err(ApiError::bad_request(format!(
                "admission webhook \"{}\" does not support dry run",
                webhook.name
            )));
        }
        let uid = server.core.ids.uuid();
        let shown = as_seen(server, review, &seen);
        let body = review::request(&shown, review, &uid);
        let answer = match self.caller.call(server, &webhook.target, &body).await {
            Ok(answer) => review::read(&answer, &uid, mutating),
            Err(error) => Err(format!("failed to call webhook: {error}")),
        };
        match answer {
            Ok(answer) => {
                review.warnings.extend(answer.warnings.iter().cloned());
                Ok(Some((seen, answer)))
            }
            Err(_) if !webhook.fails => Ok(None),
            Err(why) => Err(ApiError::internal(&format!(
                "failed calling webhook \"{}\": {why}",
                webhook.name
            ))),
        }
    }

    /// Calls a mutating webhook and applies its patch; tells whether the object changed.
    async fn change(&self, server: &ApiServer, webhook: &Webhook, review: &mut Review) -> Result<bool, ApiError> {
        let Some((seen, answer)) = self.call(server, webhook, review, true).await? else {
            return Ok(false);
        };
        if !answer.allowed {
            return Err(review::denial(&webhook.name, &answer.status));
        }
        let Some(patch) = answer.patch else { return Ok(false) };
        let mut shown = as_seen(server, review, &seen).object;
        if shown.is_null() {
            return Err(ApiError::internal(
                "admission webhook attempted to modify the object, which is not supported for this operation",
            ));
        }
        shown = review::apply(&shown, &patch)?;
        let registry = server.core.state().registry.clone();
        if let Some(resource) = registry.find(&review.group, &review.resource) {
            convert_in_place(&mut shown, &resource, &review.version);
        }
        let changed = shown != review.object;
        review.object = shown;
        Ok(changed)
    }
}

#[async_trait]
impl Admission for Webhooks {
    fn active(&self, server: &ApiServer, group: &str) -> bool {
        let configured = |plural: &str| any(server, GROUP, plural);
        group != GROUP && (configured("mutatingwebhookconfigurations") || configured("validatingwebhookconfigurations"))
    }

    async fn mutate(&self, server: &ApiServer, review: &mut Review) -> Result<(), ApiError> {
        if is_exempt(review) {
            return Ok(());
        }
        let id = GroupResource::new(GROUP, "mutatingwebhookconfigurations");
        let configurations = self.mutating.all(server, &id, "", Webhook::read_all);
        let webhooks: Vec<&Webhook> = configurations.iter().flat_map(|webhooks| webhooks.iter()).collect();
        let mut last_change = None;
        for (place, webhook) in webhooks.iter().enumerate() {
            if self.change(server, webhook, review).await? {
                last_change = Some(place);
            }
        }
        // Webhooks that ran before a later one changed the object are called once more, if they ask for it.
        let before = last_change.unwrap_or(0);
        for webhook in webhooks.iter().take(before).filter(|webhook| webhook.reinvoked) {
            self.change(server, webhook, review).await?;
        }
        Ok(())
    }

    async fn validate(&self, server: &ApiServer, review: &mut Review) -> Result<(), ApiError> {
        if is_exempt(review) {
            return Ok(());
        }
        let id = GroupResource::new(GROUP, "validatingwebhookconfigurations");
        for configuration in self.validating.all(server, &id, "", Webhook::read_all) {
            for webhook in configuration.iter() {
                if let Some((_, answer)) = self.call(server, webhook, review, false).await?
                    && !answer.allowed
                {
                    return Err(review::denial(&webhook.name, &answer.status));
                }
            }
        }
        Ok(())
    }
}
