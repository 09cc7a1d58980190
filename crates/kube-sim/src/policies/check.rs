//! The rules for objects that configure admission: policies, bindings and webhook configurations.

use json_tree::Value;

use super::policy::VARIABLES;
use crate::cel::{Expression, Refused, Wanted};
use crate::status::FieldError;
use crate::value::{at, list, text};

/// The errors of an object of group `admissionregistration.k8s.io`.
pub(crate) fn validate(plural: &str, object: &Value) -> Vec<FieldError> {
    match plural {
        "validatingadmissionpolicies" => policy(object),
        "validatingadmissionpolicybindings" => binding(object),
        "mutatingwebhookconfigurations" | "validatingwebhookconfigurations" => webhooks(object),
        _ => Vec::new(),
    }
}

/// The error for an expression that does not compile or gives the wrong type.
fn expression_error(field: &str, source: &str, variables: &[&str], wanted: Wanted) -> Option<FieldError> {
    if source.trim().is_empty() {
        return Some(FieldError::required(field, "expression is not specified"));
    }
    let why = match Expression::compile(source, variables, wanted).err()? {
        Refused::Compile(text) => text,
        Refused::Type(found) => {
            let wanted = match wanted {
                Wanted::Text => "string",
                Wanted::TextOrNull => "one of [string null_type]",
                Wanted::Bool | Wanted::Anything => "bool",
            };
            format!("must evaluate to {wanted} but got {found}")
        }
    };
    Some(FieldError::invalid(field, source.trim(), why))
}

fn policy(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if at(object, &["spec", "matchConstraints"]).is_none_or(Value::is_null) {
        errors.push(FieldError::required("spec.matchConstraints", ""));
    } else if list(object, &["spec", "matchConstraints", "resourceRules"]).is_empty() {
        errors.push(FieldError::required("spec.matchConstraints.resourceRules", ""));
    }
    let expressions = |section: &str, field: &str, wanted: Wanted, errors: &mut Vec<FieldError>| {
        for (place, entry) in list(object, &["spec", section]).iter().enumerate() {
            let source = text(entry, &[field]).unwrap_or_default();
            errors.extend(expression_error(
                &format!("spec.{section}[{place}].{field}"),
                source,
                VARIABLES,
                wanted,
            ));
        }
    };
    expressions("matchConditions", "expression", Wanted::Bool, &mut errors);
    expressions("variables", "expression", Wanted::Anything, &mut errors);
    if list(object, &["spec", "validations"]).is_empty() && list(object, &["spec", "auditAnnotations"]).is_empty() {
        const NEEDED: &str = "validations or auditAnnotations must contain at least one item";
        errors.push(FieldError::required("spec.validations", NEEDED));
        errors.push(FieldError::required("spec.auditAnnotations", NEEDED));
    }
    for (place, validation) in list(object, &["spec", "validations"]).iter().enumerate() {
        errors.extend(validation_errors(validation, &format!("spec.validations[{place}]")));
    }
    expressions("auditAnnotations", "valueExpression", Wanted::TextOrNull, &mut errors);
    errors
}

fn validation_errors(validation: &Value, path: &str) -> Vec<FieldError> {
    let field = |field: &str| text(validation, &[field]).unwrap_or_default();
    let mut errors = Vec::new();
    errors.extend(expression_error(
        &format!("{path}.expression"),
        field("expression"),
        VARIABLES,
        Wanted::Bool,
    ));
    if !field("messageExpression").is_empty() {
        let place = format!("{path}.messageExpression");
        errors.extend(expression_error(
            &place,
            field("messageExpression"),
            VARIABLES,
            Wanted::Text,
        ));
    }
    let reasons = ["Forbidden", "Invalid", "RequestEntityTooLarge"];
    if !field("reason").is_empty() && !reasons.contains(&field("reason")) {
        errors.push(FieldError::not_supported(
            format!("{path}.reason"),
            field("reason"),
            &reasons,
        ));
    }
    errors
}

fn binding(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if text(object, &["spec", "policyName"]).is_none_or(str::is_empty) {
        errors.push(FieldError::required("spec.policyName", ""));
    }
    let field = "spec.validationActions";
    let actions = list(object, &["spec", "validationActions"]);
    if actions.is_empty() {
        errors.push(FieldError::required(
            field,
            "at least one validation action is required",
        ));
    }
    let known = ["Audit", "Deny", "Warn"];
    for (place, action) in actions.iter().enumerate() {
        if !action.as_str().is_some_and(|action| known.contains(&action)) {
            errors.push(FieldError::not_supported(
                format!("{field}[{place}]"),
                action.clone(),
                &known,
            ));
        }
        if actions.iter().take(place).any(|before| before == action) {
            errors.push(FieldError::duplicate(format!("{field}[{place}]"), action.clone()));
        }
    }
    let has = |wanted: &str| actions.iter().any(|action| action == wanted);
    if has("Deny") && has("Warn") {
        let why = "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)";
        errors.push(FieldError::invalid(field, Value::from(actions.to_vec()), why));
    }
    errors
}

fn webhooks(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let hooks = list(object, &["webhooks"]);
    for (place, webhook) in hooks.iter().enumerate() {
        let path = format!("webhooks[{place}]");
        let name = text(webhook, &["name"]).unwrap_or_default();
        errors.extend(webhook_name(name, &path));
        if hooks
            .iter()
            .take(place)
            .any(|before| text(before, &["name"]) == Some(name))
        {
            errors.push(FieldError::duplicate(format!("{path}.name"), name));
        }
        errors.extend(client_config(webhook, &format!("{path}.clientConfig")));
        errors.extend(webhook_options(webhook, &path));
    }
    errors
}

fn webhook_name(name: &str, path: &str) -> Option<FieldError> {
    let field = format!("{path}.name");
    if name.is_empty() {
        return Some(FieldError::required(field, ""));
    }
    let why = "should be a domain with at least three segments separated by dots";
    (name.split('.').filter(|part| !part.is_empty()).count() < 3).then(|| FieldError::invalid(field, name, why))
}

fn client_config(webhook: &Value, path: &str) -> Option<FieldError> {
    let config = at(webhook, &["clientConfig"])?;
    let url = text(config, &["url"]);
    if url.is_some() == at(config, &["service"]).is_some_and(Value::is_object) {
        let why = "exactly one of url or service is required";
        return Some(FieldError::required(path, why));
    }
    let url = url?;
    let field = format!("{path}.url");
    const FORM: &str = "; desired format: https://host[/path]";
    let Some((scheme, rest)) = url.split_once("://") else {
        return Some(FieldError::required(field, format!("url must be a valid URL{FORM}")));
    };
    if scheme != "https" {
        return Some(FieldError::invalid(
            field,
            scheme,
            format!("'https' is the only allowed URL scheme{FORM}"),
        ));
    }
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() {
        return Some(FieldError::invalid(
            field,
            host,
            format!("host must be specified{FORM}"),
        ));
    }
    if host.contains('@') {
        return Some(FieldError::invalid(
            field,
            host,
            "user information is not permitted in the URL",
        ));
    }
    let part = |mark: char, what: &str| {
        let found = rest.split_once(mark).map(|(_, tail)| tail.to_owned())?;
        Some(FieldError::invalid(
            field.clone(),
            found,
            format!("{what} are not permitted in the URL"),
        ))
    };
    part('#', "fragments").or_else(|| part('?', "query parameters"))
}

fn webhook_options(webhook: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let effects = ["None", "NoneOnDryRun"];
    match text(webhook, &["sideEffects"]) {
        Some(found) if effects.contains(&found) => {}
        Some(found) => errors.push(FieldError::not_supported(
            format!("{path}.sideEffects"),
            found,
            &effects,
        )),
        None => errors.push(FieldError::required(
            format!("{path}.sideEffects"),
            "must specify one of None, NoneOnDryRun",
        )),
    }
    if let Some(seconds) = at(webhook, &["timeoutSeconds"]).and_then(Value::as_i64)
        && !(1..=30).contains(&seconds)
    {
        let why = "the timeout value must be between 1 and 30 seconds";
        errors.push(FieldError::invalid(format!("{path}.timeoutSeconds"), seconds, why));
    }
    let versions = list(webhook, &["admissionReviewVersions"]);
    let field = format!("{path}.admissionReviewVersions");
    if versions.is_empty() {
        errors.push(FieldError::required(field, "must specify one of v1, v1beta1"));
    } else if !versions.iter().any(|version| version == "v1" || version == "v1beta1") {
        let why = "must include at least one of v1, v1beta1";
        errors.push(FieldError::invalid(field, Value::from(versions.to_vec()), why));
    }
    let variables = ["object", "oldObject", "request", "authorizer"];
    for (place, condition) in list(webhook, &["matchConditions"]).iter().enumerate() {
        let field = format!("{path}.matchConditions[{place}].expression");
        let source = text(condition, &["expression"]).unwrap_or_default();
        errors.extend(expression_error(&field, source, &variables, Wanted::Bool));
    }
    errors
}
