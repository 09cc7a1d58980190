//! Reading a refusal: from the server's `Status` object to an [`AccessError`].

use std::time::Duration;

use serde::Deserialize;

use crate::call::{Call, Verb};
use crate::error::{AccessError, FieldConflict, InvalidField};

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    message: String,
    reason: String,
    details: Details,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    name: String,
    kind: String,
    causes: Vec<Cause>,
    retry_after_seconds: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Cause {
    reason: String,
    message: String,
    field: String,
}

/// What a server waits for at least if it says 429 without a time.
const THROTTLE: Duration = Duration::from_secs(1);

/// Phrases by which servers say that a field can never change. There is no machine-readable reason for it.
const IMMUTABLE: [&str; 7] = [
    "field is immutable",
    "is immutable after creation",
    "cannot change roleRef",
    "updates to statefulset spec for fields other than",
    "may not be changed in an update",
    "may not change once set",
    "are forbidden.",
];

/// The error that a reply with a failure code means.
///
/// `header` is the reply's `Retry-After` in seconds; the body's own number goes first, because proxies drop headers.
pub(crate) fn error_of(call: &Call, code: u16, header: Option<u64>, body: &[u8]) -> AccessError {
    let status: Status = serde_json::from_slice(body).unwrap_or_default();
    let subject = call.subject.clone();
    let secret = subject.starts_with("Secret ");
    let message = shown(&status.message, secret);
    let seconds = match status.details.retry_after_seconds {
        0 => header,
        own => Some(own),
    };
    let after = seconds.map(Duration::from_secs);
    if let Some((by, message)) = refused_by(&status.message) {
        return AccessError::AdmissionRefused {
            subject,
            by,
            message: shown(&message, secret),
        };
    }
    match code {
        401 => AccessError::Unauthorized { subject },
        403 if status
            .details
            .causes
            .iter()
            .any(|cause| cause.reason == "NamespaceTerminating") =>
        {
            AccessError::NamespaceTerminating { subject }
        }
        403 => AccessError::Forbidden { subject, message },
        404 if status.details.name.is_empty() => AccessError::NotServed { subject },
        // A missing namespace is reported by its own name; the object that needed it is missing nothing itself.
        404 if status.details.kind == "namespaces" && !subject.starts_with("Namespace ") => AccessError::Invalid {
            subject,
            message,
            fields: Vec::new(),
        },
        404 => AccessError::NotFound { subject },
        405 => AccessError::NotServed { subject },
        409 => conflict(call, &status, message),
        410 => AccessError::Expired { subject },
        429 => too_many(call, &status, message, after),
        400 | 406 | 413 | 415 | 422 => invalid(subject, &status, message, secret),
        _ => broken(call, code, &status, message, after),
    }
}

fn conflict(call: &Call, status: &Status, message: String) -> AccessError {
    let subject = call.subject.clone();
    let fields = status
        .details
        .causes
        .iter()
        .filter(|cause| cause.reason == "FieldManagerConflict");
    let conflicts: Vec<FieldConflict> = fields
        .map(|cause| FieldConflict {
            field: cause.field.clone(),
            manager: quoted(&cause.message).unwrap_or(&cause.message).to_owned(),
        })
        .collect();
    if !conflicts.is_empty() {
        return AccessError::FieldConflict { subject, conflicts };
    }
    match status.reason.as_str() {
        "AlreadyExists" => AccessError::Exists { subject },
        _ => AccessError::Stale { subject, message },
    }
}

fn too_many(call: &Call, status: &Status, message: String, after: Option<Duration>) -> AccessError {
    let subject = call.subject.clone();
    let budget = status
        .details
        .causes
        .iter()
        .find(|cause| cause.reason == "DisruptionBudget");
    match budget {
        Some(cause) => AccessError::BudgetRefused {
            subject,
            message: cause.message.clone(),
            after,
        },
        None if call.verb == Verb::Evict && message.contains("disruption budget") => AccessError::BudgetRefused {
            subject,
            message,
            after,
        },
        None => AccessError::Throttled {
            subject,
            after: after.unwrap_or(THROTTLE),
        },
    }
}

fn invalid(subject: String, status: &Status, message: String, secret: bool) -> AccessError {
    let fixed = |cause: &&Cause| IMMUTABLE.iter().any(|phrase| cause.message.contains(phrase));
    let fields: Vec<String> = status
        .details
        .causes
        .iter()
        .filter(fixed)
        .map(|cause| cause.field.clone())
        .collect();
    if !fields.is_empty() {
        return AccessError::Immutable {
            subject,
            message,
            fields,
        };
    }
    let fields = status.details.causes.iter().map(|cause| InvalidField {
        field: cause.field.clone(),
        reason: cause.reason.clone(),
        message: shown(&cause.message, secret),
    });
    AccessError::Invalid {
        subject,
        message,
        fields: fields.collect(),
    }
}

fn broken(call: &Call, code: u16, status: &Status, message: String, after: Option<Duration>) -> AccessError {
    let subject = call.subject.clone();
    if let Some((_, rest)) = status.message.split_once("failed calling webhook ") {
        return AccessError::WebhookUnavailable {
            subject,
            webhook: quoted(rest).unwrap_or_default().to_owned(),
            message,
        };
    }
    // The server gave up on its own work: a write may have gone through.
    let gave_up = code == 504 || status.reason == "Timeout";
    match (gave_up && call.verb.writes(), after) {
        (true, _) => AccessError::UnknownOutcome {
            subject,
            verb: call.verb.name(),
            why: message,
        },
        (false, Some(after)) => AccessError::Throttled { subject, after },
        (false, None) => AccessError::Server { subject, code, message },
    }
}

/// Who refused at admission, with its words.
fn refused_by(message: &str) -> Option<(String, String)> {
    if let Some((_, rest)) = message.split_once("admission webhook ")
        && let Some((name, words)) = rest.split_once(" denied the request")
    {
        let name = quoted(name).unwrap_or(name);
        let words = words.trim_start_matches([':', ' ']);
        return Some((format!("webhook {name:?}"), words.to_owned()));
    }
    let (_, rest) = message.split_once("ValidatingAdmissionPolicy '")?;
    let (name, rest) = rest.split_once('\'')?;
    let (_, words) = rest.split_once("denied request: ")?;
    Some((format!("policy {name:?}"), words.to_owned()))
}

/// The first text in double quotes.
fn quoted(text: &str) -> Option<&str> {
    text.split('"').nth(1)
}

/// A message as it may be shown: values of a Secret are cut out, which servers quote after `Invalid value`.
fn shown(message: &str, secret: bool) -> String {
    if !secret {
        return message.to_owned();
    }
    match message.find("Invalid value") {
        Some(place) => format!("{}Invalid value: <masked>", message.get(..place).unwrap_or_default()),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests;
