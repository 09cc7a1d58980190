//! The body of every refusal: RFC 7807 that still carries the members of the original's `Error`.

use std::time::Duration;

use model::Invalid;
use ports::RegistryError;
use ports::registry::Revision;
use serde::{Deserialize, Serialize};

use crate::ErrorKind;

/// What a request is answered with when it is refused or fails.
///
/// `type`, `title`, `status`, `detail` and `instance` are those of RFC 7807; `code`, `message` and `fields` those of the
/// original registry. Further members depend on the kind and let a client rebuild the error exactly.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Error))]
#[serde(default)]
pub struct ErrorBody {
    /// URI of the kind of error.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "openapi", schema(format = "uri"))]
    pub uri: String,
    /// One line for people, the same for every occurrence of the kind.
    pub title: String,
    /// The HTTP status code.
    #[cfg_attr(feature = "openapi", schema(minimum = 400, maximum = 599))]
    pub status: u16,
    /// This occurrence in words.
    pub detail: String,
    /// Path of the request.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub instance: String,
    /// The HTTP status code, as the original registry names it.
    pub code: i32,
    /// The same as `detail`, as the original registry names it.
    pub message: String,
    /// Names of the fields concerned, separated by commas; empty when there is none.
    pub fields: String,
    /// Each broken rule.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Id of the request, to find it in the server's logs.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub request_id: String,
    /// Kind of the object that was not found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Id of the object that was not found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The unique field whose value is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The value that is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Id of the object that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// Revision that the writer expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<i64>,
    /// Revision of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual: Option<i64>,
    /// Lease that is no longer held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease: Option<String>,
    /// Fencing number that the writer gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<i64>,
    /// Seconds after which to try again, as in the header `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 0))]
    pub retry_after: Option<u64>,
}

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldError {
    /// Path of the field, such as `node_pools[2].instance_types`.
    pub field: String,
    /// The rule in words.
    pub rule: String,
    /// The offending value, cut and quoted, or its description where it may be a secret.
    pub value: String,
}

impl ErrorBody {
    /// A body of this kind that says `detail`.
    #[must_use]
    pub fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self {
            uri: kind.uri().to_owned(),
            title: kind.title().to_owned(),
            status: kind.status(),
            code: i32::from(kind.status()),
            message: detail.clone(),
            detail,
            ..Self::default()
        }
    }

    /// A body that lists broken rules.
    #[must_use]
    pub fn invalid(problems: &[Invalid]) -> Self {
        let detail = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let errors = problems
            .iter()
            .map(|p| FieldError {
                field: p.field.clone(),
                rule: p.rule.clone(),
                value: p.value.clone(),
            })
            .collect();
        let fields = problems.iter().map(|p| p.field.as_str()).collect::<Vec<_>>().join(",");
        Self {
            errors,
            fields,
            ..Self::new(ErrorKind::Invalid, detail)
        }
    }

    /// The kind of error, when this version knows it.
    #[must_use]
    pub fn kind(&self) -> Option<ErrorKind> {
        ErrorKind::from_uri(&self.uri)
    }
}

impl From<&RegistryError> for ErrorBody {
    fn from(error: &RegistryError) -> Self {
        let detail = error.to_string();
        match error {
            RegistryError::NotFound { kind, id } => Self {
                object: Some((*kind).to_owned()),
                id: Some(id.clone()),
                ..Self::new(ErrorKind::NotFound, detail)
            },
            RegistryError::AlreadyExists { field, value, holder } => Self {
                fields: (*field).to_owned(),
                field: Some((*field).to_owned()),
                value: Some(value.clone()),
                holder: Some(holder.clone()),
                ..Self::new(ErrorKind::AlreadyExists, detail)
            },
            RegistryError::Invalid(problems) => Self::invalid(problems),
            RegistryError::WrongRevision { expected, actual } => Self {
                expected: Some(expected.0),
                actual: Some(actual.0),
                ..Self::new(ErrorKind::WrongRevision, detail)
            },
            RegistryError::Forbidden(_) => Self::new(ErrorKind::Forbidden, detail),
            RegistryError::Unauthorized(_) => Self::new(ErrorKind::Unauthorized, detail),
            RegistryError::FenceLost { lease, token } => Self {
                lease: Some(lease.clone()),
                token: Some(*token),
                ..Self::new(ErrorKind::FenceLost, detail)
            },
            RegistryError::Busy { retry_after } => Self {
                retry_after: Some(whole_seconds(*retry_after)),
                ..Self::new(ErrorKind::Busy, detail)
            },
            RegistryError::Unavailable(_) => Self {
                retry_after: Some(1),
                ..Self::new(ErrorKind::Unavailable, detail)
            },
            // Whatever else there is or will be is our failure; its cause belongs in the log, not in the answer.
            _ => Self::new(ErrorKind::Internal, "the registry failed"),
        }
    }
}

/// Rounded up, so that nobody comes back too early.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// What a server said about a failure of its own; the source of [`RegistryError::Internal`] and
/// [`RegistryError::Unavailable`] at the far end.
#[derive(Debug, thiserror::Error)]
#[error("the server answered {status}: {detail}")]
struct FarFailure {
    status: u16,
    detail: String,
}

impl From<ErrorBody> for RegistryError {
    fn from(body: ErrorBody) -> Self {
        let retry_after = Duration::from_secs(body.retry_after.unwrap_or(1));
        let far = |body: ErrorBody| {
            Box::new(FarFailure {
                status: body.status,
                detail: body.detail,
            })
        };
        match body.kind().or_else(|| kind_of_status(body.status)) {
            Some(ErrorKind::NotFound) => Self::NotFound {
                kind: object_name(body.object.as_deref()),
                id: body.id.unwrap_or_default(),
            },
            Some(ErrorKind::AlreadyExists) => Self::AlreadyExists {
                field: field_name(body.field.as_deref()),
                value: body.value.unwrap_or_default(),
                holder: body.holder.unwrap_or_default(),
            },
            Some(ErrorKind::Invalid) if !body.errors.is_empty() => Self::Invalid(
                body.errors
                    .into_iter()
                    .map(|e| Invalid {
                        field: e.field,
                        rule: e.rule,
                        value: e.value,
                    })
                    .collect(),
            ),
            Some(ErrorKind::WrongRevision) => Self::WrongRevision {
                expected: Revision(body.expected.unwrap_or_default()),
                actual: Revision(body.actual.unwrap_or_default()),
            },
            Some(ErrorKind::Forbidden) => Self::Forbidden(body.detail),
            Some(ErrorKind::Unauthorized) => Self::Unauthorized(body.detail),
            Some(ErrorKind::FenceLost) => Self::FenceLost {
                lease: body.lease.unwrap_or_default(),
                token: body.token.unwrap_or_default(),
            },
            Some(ErrorKind::Busy) => Self::Busy { retry_after },
            Some(ErrorKind::Unavailable) => Self::Unavailable(far(body)),
            Some(
                ErrorKind::Malformed
                | ErrorKind::Invalid
                | ErrorKind::TooLarge
                | ErrorKind::UnsupportedMediaType
                | ErrorKind::NotAcceptable,
            ) => Self::Invalid(vec![Invalid::new("request", body.detail, "")]),
            Some(ErrorKind::Internal | ErrorKind::NoSuchPath | ErrorKind::MethodNotAllowed | ErrorKind::Timeout)
            | None => Self::Internal(far(body)),
        }
    }
}

/// What a status code alone means, for bodies of servers that name no kind, such as the original registry or a proxy.
fn kind_of_status(status: u16) -> Option<ErrorKind> {
    match status {
        400 => Some(ErrorKind::Malformed),
        401 => Some(ErrorKind::Unauthorized),
        403 => Some(ErrorKind::Forbidden),
        404 => Some(ErrorKind::NotFound),
        409 => Some(ErrorKind::AlreadyExists),
        412 => Some(ErrorKind::WrongRevision),
        429 | 503 => Some(ErrorKind::Busy),
        502 | 504 => Some(ErrorKind::Unavailable),
        _ => None,
    }
}

/// The error type holds names from the program's own text; one that a newer server knows reads `object`.
fn object_name(name: Option<&str>) -> &'static str {
    [
        "cluster",
        "infrastructure account",
        "node pool",
        "config item",
        "block",
        "update",
        "gate of channel",
    ]
    .into_iter()
    .find(|known| Some(*known) == name)
    .unwrap_or("object")
}

/// As [`object_name`], for unique fields.
fn field_name(name: Option<&str>) -> &'static str {
    ["id", "alias", "local_id", "name"]
        .into_iter()
        .find(|known| Some(*known) == name)
        .unwrap_or("field")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(error: RegistryError) {
        let body = ErrorBody::from(&error);
        let text = serde_json::to_string(&body).unwrap();
        let read: ErrorBody = serde_json::from_str(&text).unwrap();
        assert_eq!(read, body);
        assert_eq!(i32::from(body.status), body.code);
        assert_eq!(body.detail, body.message);
        let again = RegistryError::from(read);
        assert_eq!(std::mem::discriminant(&again), std::mem::discriminant(&error), "{text}");
        if !matches!(again, RegistryError::Internal(_) | RegistryError::Unavailable(_)) {
            assert_eq!(again.to_string(), error.to_string(), "{text}");
        }
    }

    #[test]
    fn every_error_survives_the_wire() {
        let id = || "aws:1:r:kube-1".to_owned();
        there_and_back(RegistryError::NotFound {
            kind: "node pool",
            id: id(),
        });
        there_and_back(RegistryError::AlreadyExists {
            field: "alias",
            value: "kube".into(),
            holder: id(),
        });
        there_and_back(RegistryError::Invalid(vec![
            Invalid::new("alias", "must match", "K"),
            Invalid::hidden("config_items.a_key", "must be short", "secret"),
        ]));
        there_and_back(RegistryError::WrongRevision {
            expected: Revision(3),
            actual: Revision(4),
        });
        there_and_back(RegistryError::Forbidden("it is ready".into()));
        there_and_back(RegistryError::Unauthorized("no token".into()));
        there_and_back(RegistryError::FenceLost {
            lease: "cluster/x".into(),
            token: 7,
        });
        there_and_back(RegistryError::Busy {
            retry_after: Duration::from_secs(2),
        });
        there_and_back(RegistryError::Unavailable("refused".into()));
        there_and_back(RegistryError::Internal("disk".into()));
    }

    #[test]
    fn causes_and_hidden_values_stay_inside() {
        let internal = ErrorBody::from(&RegistryError::Internal("password=hunter2".into()));
        let hidden = ErrorBody::from(&RegistryError::Invalid(vec![Invalid::hidden(
            "config_items.a_key",
            "r",
            "hunter2",
        )]));
        for body in [internal, hidden] {
            assert!(!serde_json::to_string(&body).unwrap().contains("hunter2"));
        }
    }

    #[test]
    fn a_bare_body_of_the_original_is_read_by_its_status() {
        for (status, expected) in [
            (404, "object \"\" not found"),
            (403, ""),
            (500, "the registry failed"),
            (503, "the registry asks to try again in 1 s"),
        ] {
            let body = ErrorBody {
                status,
                ..ErrorBody::default()
            };
            assert_eq!(RegistryError::from(body).to_string(), expected);
        }
    }

    #[test]
    fn uris_are_unique_and_found_again() {
        for kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::from_uri(kind.uri()), Some(kind));
        }
    }
}
