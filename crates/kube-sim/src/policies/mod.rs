//! ValidatingAdmissionPolicies: rules in CEL that are objects of the cluster.

mod check;
pub(crate) mod matching;
mod policy;

use std::sync::Arc;

use async_trait::async_trait;
use json_tree::Value;

pub(crate) use check::validate;
pub(crate) use policy::{conditions_hold, scope};

use crate::admission::{Admission, Review};
use crate::compiled::{Compiled, any};
use crate::registry::{GroupResource, split_api_version};
use crate::selector::LabelSelector;
use crate::server::ApiServer;
use crate::status::ApiError;
use crate::value::{at, list, name, text, text_map};
use matching::{Scope, as_seen, is_exempt};
use policy::{Finding, Policy};

const GROUP: &str = "admissionregistration.k8s.io";

/// Evaluates the ValidatingAdmissionPolicies of the server's own store, each compiled once per version. Every server has
/// this plugin; audit annotations and the action `Audit` leave no trace, as nothing keeps an audit log.
#[derive(Debug, Default)]
pub struct Policies {
    policies: Compiled<Policy>,
    bindings: Compiled<Binding>,
}

/// What a policy applies to, with which parameters, and what becomes of its findings.
#[derive(Debug)]
struct Binding {
    name: String,
    policy: String,
    scope: Option<Scope>,
    params: Option<Value>,
    actions: Vec<String>,
}

impl Binding {
    fn read(object: &Value) -> Self {
        let actions = list(object, &["spec", "validationActions"]).iter();
        Self {
            name: name(object).to_owned(),
            policy: text(object, &["spec", "policyName"]).unwrap_or_default().to_owned(),
            scope: at(object, &["spec", "matchResources"])
                .filter(|found| found.is_object())
                .map(Scope::of_policy),
            params: at(object, &["spec", "paramRef"])
                .filter(|found| found.is_object())
                .cloned(),
            actions: actions
                .filter_map(|action| action.as_str().map(str::to_owned))
                .collect(),
        }
    }

    fn does(&self, action: &str) -> bool {
        self.actions.iter().any(|known| known == action)
    }

    fn applies(&self, server: &ApiServer, review: &Review) -> bool {
        self.scope.as_ref().is_none_or(|scope| {
            scope.selects(server, review) && (!scope.has_rules() || scope.finds(server, review).is_some())
        })
    }
}

#[async_trait]
impl Admission for Policies {
    fn active(&self, server: &ApiServer, group: &str) -> bool {
        group != GROUP && any(server, GROUP, "validatingadmissionpolicybindings")
    }

    async fn mutate(&self, _server: &ApiServer, _review: &mut Review) -> Result<(), ApiError> {
        Ok(())
    }

    async fn validate(&self, server: &ApiServer, review: &mut Review) -> Result<(), ApiError> {
        if is_exempt(review) {
            return Ok(());
        }
        let policies = self.policies.all(
            server,
            &GroupResource::new(GROUP, "validatingadmissionpolicies"),
            "",
            Policy::read,
        );
        let bindings = self.bindings.all(
            server,
            &GroupResource::new(GROUP, "validatingadmissionpolicybindings"),
            "",
            Binding::read,
        );
        let mut denials = Vec::new();
        for policy in policies {
            if !policy.scope.selects(server, review) {
                continue;
            }
            let Some(seen) = policy.scope.finds(server, review) else {
                continue;
            };
            let shown = as_seen(server, review, &seen);
            for binding in bindings.iter().filter(|binding| binding.policy == policy.name) {
                if binding.applies(server, review) {
                    judge(server, &policy, binding, (&shown, review), &mut denials);
                }
            }
        }
        denials.into_iter().next().map_or(Ok(()), Err)
    }
}

/// Runs a policy for one binding; denials are collected, warnings go into the review.
fn judge(
    server: &ApiServer,
    policy: &Arc<Policy>,
    binding: &Binding,
    (shown, review): (&Review, &mut Review),
    denials: &mut Vec<ApiError>,
) {
    let findings = match params(server, policy, binding, review) {
        Ok(params) => params
            .iter()
            .flat_map(|params| policy.evaluate(server, shown, review, params.as_ref()))
            .collect(),
        Err(message) if policy.fails => vec![Finding {
            message,
            reason: "Invalid",
        }],
        Err(_) => Vec::new(),
    };
    for finding in findings {
        let title = format!(
            "ValidatingAdmissionPolicy '{}' with binding '{}'",
            policy.name, binding.name
        );
        if binding.does("Warn") {
            review
                .warnings
                .push(format!("Validation failed for {title}: {}", finding.message));
        }
        if binding.does("Deny") {
            denials.push(denial(
                review,
                &format!("{title} denied request: {}", finding.message),
                finding.reason,
            ));
        }
    }
}

fn denial(review: &Review, message: &str, reason: &'static str) -> ApiError {
    let mut error = ApiError::forbidden(&review.group, &review.resource, &review.name, message).cause("", message, "");
    error.reason = reason;
    error.code = match reason {
        "Forbidden" => 403,
        "RequestEntityTooLarge" => 413,
        _ => 422,
    };
    error
}

/// The parameters that a policy runs with, one run each; an entry without a value is a run without parameters.
fn params(
    server: &ApiServer,
    policy: &Policy,
    binding: &Binding,
    review: &Review,
) -> Result<Vec<Option<Value>>, String> {
    let (Some((api_version, kind)), Some(reference)) = (&policy.param_kind, &binding.params) else {
        return Ok(vec![None]);
    };
    let registry = server.core.state().registry.clone();
    let (group, _) = split_api_version(api_version);
    let resource = registry.find_kind(group, kind).ok_or_else(|| {
        format!(
            "failed to configure policy: failed to find resource referenced by paramKind: '{api_version}, Kind={kind}'"
        )
    })?;
    let field = |field: &str| text(reference, &[field]).unwrap_or_default();
    let namespace = match (resource.namespaced, field("namespace")) {
        (false, _) => "",
        (true, "") => review.namespace.as_str(),
        (true, named) => named,
    };
    let found: Vec<Value> = if field("name").is_empty() {
        let selector = LabelSelector::from_object(at(reference, &["selector"]));
        let all = server
            .read_all(resource.group(), resource.plural(), namespace)
            .into_iter();
        all.filter(|object| selector.matches(&text_map(object, &["metadata", "labels"])))
            .collect()
    } else {
        server
            .read(resource.group(), resource.plural(), namespace, field("name"))
            .into_iter()
            .collect()
    };
    if !found.is_empty() {
        return Ok(found.into_iter().map(Some).collect());
    }
    if field("parameterNotFoundAction") == "Deny" {
        return Err(
            "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"
                .to_owned(),
        );
    }
    Ok(Vec::new())
}
