//! AdmissionReview objects: what a webhook is asked, and what its answer means.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use json_tree::{Value, json};

use crate::admission::Review;
use crate::policies::matching;
use crate::status::{ApiError, Cause, Details};
use crate::value::{at, flag, int, list, text};

/// The answer of a webhook.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) allowed: bool,
    pub(super) status: Value,
    /// A JSON patch.
    pub(super) patch: Option<Value>,
    pub(super) warnings: Vec<String>,
}

/// What a webhook is asked.
pub(super) fn request(shown: &Review, asked: &Review, uid: &str) -> Value {
    let mut request = matching::request(shown, asked, uid);
    request["object"] = shown.object.clone();
    request["oldObject"] = shown.old_object.clone();
    json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request})
}

/// Reads an answer; errors are the real server's texts.
pub(super) fn read(answer: &Value, uid: &str, mutating: bool) -> Result<Answer, String> {
    let version = text(answer, &["apiVersion"]).unwrap_or_default();
    if !matches!(version, "" | "admission.k8s.io/v1") {
        let found = version.rsplit('/').next().unwrap_or_default();
        return Err(format!(
            "failed to call webhook: converting ({found}.AdmissionReview) to (v1.AdmissionReview): unknown conversion"
        ));
    }
    let invalid = |why: &str| Err(format!("received invalid webhook response: {why}"));
    let Some(response) = at(answer, &["response"]).filter(|response| response.is_object()) else {
        return invalid("webhook response was absent");
    };
    let found = text(response, &["uid"]).unwrap_or_default();
    if found != uid {
        return invalid(&format!("expected response.uid=\"{uid}\", got \"{found}\""));
    }
    let patch = patch_bytes(response)?;
    if let Some(bytes) = &patch
        && !bytes.is_empty()
    {
        if !mutating {
            return invalid("validating webhook may not return response.patch");
        }
        match text(response, &["patchType"]) {
            None | Some("") => return invalid("webhook returned response.patch but not response.patchType"),
            Some("JSONPatch") => {}
            Some(other) => return Err(format!("unsupported patch type \"{other}\"")),
        }
    }
    let patch = match patch.filter(|bytes| !bytes.is_empty()) {
        None => None,
        Some(bytes) => Some(
            serde_json::from_slice(&bytes)
                .map_err(|error| format!("received undecodable patch in webhook response: {error}"))?,
        ),
    };
    Ok(Answer {
        allowed: flag(response, &["allowed"]),
        status: at(response, &["status"]).cloned().unwrap_or_default(),
        patch,
        warnings: list(response, &["warnings"])
            .iter()
            .filter_map(|text| text.as_str().map(str::to_owned))
            .collect(),
    })
}

/// The bytes of a patch: a text in base64, or (as some languages write bytes) a list of numbers.
fn patch_bytes(response: &Value) -> Result<Option<Vec<u8>>, String> {
    let broken = |why: String| format!("failed to call webhook: {why}");
    match at(response, &["patch"]) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => BASE64_STANDARD
            .decode(text)
            .map(Some)
            .map_err(|error| broken(format!("illegal base64 data: {error}"))),
        Some(Value::Array(numbers)) => {
            let bytes = numbers
                .iter()
                .map(|number| number.as_u64().and_then(|number| u8::try_from(number).ok()));
            bytes
                .collect::<Option<Vec<u8>>>()
                .map(Some)
                .ok_or_else(|| broken("response.patch is no list of bytes".to_owned()))
        }
        Some(_) => Err(broken("response.patch is neither text nor a list of bytes".to_owned())),
    }
}

/// Applies a webhook's patch.
pub(super) fn apply(object: &Value, patch: &Value) -> Result<Value, ApiError> {
    use kubemerge::json_patch::PatchError;
    kubemerge::json_patch::apply(object, patch).map_err(|error| {
        let text = match &error {
            PatchError::MissingPath {
                operation: operation @ "remove",
                path,
            } => {
                let key = path.rsplit('/').next().unwrap_or_default();
                format!(
                    "error in {operation} for path: '{path}': Unable to remove nonexistent key: {key}: missing value"
                )
            }
            other => other.to_string(),
        };
        ApiError::internal(&text)
    })
}

/// Reasons that clients branch on; a webhook's own words for others are only in the message.
const REASONS: &[&str] = &[
    "AlreadyExists",
    "BadRequest",
    "Conflict",
    "Expired",
    "Forbidden",
    "Gone",
    "InternalError",
    "Invalid",
    "MethodNotAllowed",
    "NotAcceptable",
    "NotFound",
    "RequestEntityTooLarge",
    "ServerTimeout",
    "ServiceUnavailable",
    "Timeout",
    "TooManyRequests",
    "Unauthorized",
    "UnsupportedMediaType",
];

/// The refusal that a webhook's answer makes.
pub(super) fn denial(webhook: &str, status: &Value) -> ApiError {
    let denied = format!("admission webhook \"{webhook}\" denied the request");
    let field = |name: &str| text(status, &[name]).unwrap_or_default();
    let message = match (field("message"), field("reason")) {
        ("", "") => format!("{denied} without explanation"),
        ("", reason) => format!("{denied}: {reason}"),
        (message, _) => format!("{denied}: {message}"),
    };
    let code = int(status, &["code"])
        .and_then(|code| u16::try_from(code).ok())
        .filter(|code| (400..600).contains(code));
    let reason = REASONS
        .iter()
        .find(|known| **known == field("reason"))
        .copied()
        .unwrap_or_default();
    let mut error = ApiError::new(code.unwrap_or(400), reason, message);
    error.details = at(status, &["details"])
        .filter(|details| details.is_object())
        .map(|found| Box::new(details(found)));
    error
}

fn details(value: &Value) -> Details {
    let field = |value: &Value, name: &str| text(value, &[name]).unwrap_or_default().to_owned();
    let cause = |value: &Value| Cause {
        reason: field(value, "reason"),
        message: field(value, "message"),
        field: field(value, "field"),
    };
    Details {
        name: field(value, "name"),
        group: field(value, "group"),
        kind: field(value, "kind"),
        uid: field(value, "uid"),
        causes: list(value, &["causes"]).iter().map(cause).collect(),
        retry_after_seconds: int(value, &["retryAfterSeconds"])
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(response: Value) -> Value {
        json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": response})
    }

    #[test]
    fn answers_are_read_as_on_a_real_server() {
        let check = |answer: Value, mutating: bool, expected: &str| {
            assert_eq!(read(&answer, "u", mutating).map(drop).unwrap_err(), expected);
        };
        check(
            json!({}),
            true,
            "received invalid webhook response: webhook response was absent",
        );
        check(
            answer(json!({"uid": "x"})),
            true,
            "received invalid webhook response: expected response.uid=\"u\", got \"x\"",
        );
        check(
            answer(json!({"uid": "u", "patch": "W10="})),
            true,
            "received invalid webhook response: webhook returned response.patch but not response.patchType",
        );
        check(
            answer(json!({"uid": "u", "patch": "W10=", "patchType": "Merge"})),
            true,
            "unsupported patch type \"Merge\"",
        );
        check(
            answer(json!({"uid": "u", "patch": "W10=", "patchType": "JSONPatch"})),
            false,
            "received invalid webhook response: validating webhook may not return response.patch",
        );
        for patch in [json!("W10="), json!([91, 93])] {
            let found = read(
                &answer(json!({"uid": "u", "patch": patch, "patchType": "JSONPatch"})),
                "u",
                true,
            )
            .unwrap();
            assert_eq!(found.patch, Some(json!([])));
        }
    }

    #[test]
    fn denials_have_the_words_of_a_real_server() {
        let check = |status: Value, code: u16, reason: &str, message: &str| {
            let error = denial("w.example.org", &status);
            assert_eq!(
                (error.code, error.reason, error.message.as_str()),
                (code, reason, message)
            );
        };
        let denied = "admission webhook \"w.example.org\" denied the request";
        check(Value::Null, 400, "", &format!("{denied} without explanation"));
        check(json!({"message": "because"}), 400, "", &format!("{denied}: because"));
        check(
            json!({"message": "because", "code": 200}),
            400,
            "",
            &format!("{denied}: because"),
        );
        check(
            json!({"reason": "Conflict", "code": 409}),
            409,
            "Conflict",
            &format!("{denied}: Conflict"),
        );
    }
}
