//! Errors as a Kubernetes server reports them: `Status` objects with code, reason, causes and the usual texts.
//!
//! Clients branch on the code and the reason and people read the message, so all three follow the real server word by
//! word. Field errors keep their kind, so that `causes` can be filled as well as the message.

use json_tree::{Map, Value, json};

/// A refused request: what a client receives as a `Status` object of kind failure.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// The HTTP status code.
    pub code: u16,
    /// The machine-readable reason, such as `NotFound`; empty where the real server leaves it out.
    pub reason: &'static str,
    /// The text for people.
    pub message: String,
    /// The object the error is about, with its causes.
    pub details: Option<Box<Details>>,
}

/// The `details` of a [`ApiError`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Details {
    /// The name of the object.
    pub name: String,
    /// The API group of the object.
    pub group: String,
    /// The resource (or, for invalid objects, the kind).
    pub kind: String,
    /// The uid of the object, where a precondition was about it.
    pub uid: String,
    /// One entry for each field or condition that was wrong.
    pub causes: Vec<Cause>,
    /// When a retry makes sense, in seconds; zero leaves it out.
    pub retry_after_seconds: u32,
}

/// One cause of a refusal.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cause {
    /// The kind of cause, such as `FieldValueRequired`.
    pub reason: String,
    /// The text for people.
    pub message: String,
    /// The field, as a dotted path; empty if the cause is not about a field.
    pub field: String,
}

/// A resource as error texts name it: `deployments.apps`, or `pods` in the core group.
pub(crate) fn qualified(resource: &str, group: &str) -> String {
    if group.is_empty() {
        resource.to_owned()
    } else {
        format!("{resource}.{group}")
    }
}

impl ApiError {
    /// Makes an error without details.
    #[must_use]
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: None,
        }
    }

    /// Adds the object the error is about.
    #[must_use]
    pub fn about(mut self, group: &str, kind: &str, name: &str) -> Self {
        let details = self.details.get_or_insert_with(Box::default);
        details.group = group.to_owned();
        details.kind = kind.to_owned();
        details.name = name.to_owned();
        self
    }

    /// Adds a cause.
    #[must_use]
    pub fn cause(mut self, reason: &str, message: impl Into<String>, field: &str) -> Self {
        self.details.get_or_insert_with(Box::default).causes.push(Cause {
            reason: reason.to_owned(),
            message: message.into(),
            field: field.to_owned(),
        });
        self
    }

    /// Adds the number of seconds after which a client may try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.details.get_or_insert_with(Box::default).retry_after_seconds = seconds;
        self
    }

    /// The object does not exist.
    #[must_use]
    pub fn not_found(group: &str, resource: &str, name: &str) -> Self {
        Self::new(
            404,
            "NotFound",
            format!("{} \"{name}\" not found", qualified(resource, group)),
        )
        .about(group, resource, name)
    }

    /// The path names no resource that is served.
    #[must_use]
    pub fn unknown_resource() -> Self {
        let mut error = Self::new(404, "NotFound", "the server could not find the requested resource");
        error.details = Some(Box::default());
        error
    }

    /// An object of that name is there already.
    #[must_use]
    pub fn already_exists(group: &str, resource: &str, name: &str) -> Self {
        Self::new(
            409,
            "AlreadyExists",
            format!("{} \"{name}\" already exists", qualified(resource, group)),
        )
        .about(group, resource, name)
    }

    /// The write cannot be done on the object as it is now.
    #[must_use]
    pub fn conflict(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let what = qualified(resource, group);
        Self::new(
            409,
            "Conflict",
            format!("Operation cannot be fulfilled on {what} \"{name}\": {why}"),
        )
        .about(group, resource, name)
    }

    /// The writer had an older version of the object in hand.
    #[must_use]
    pub fn modified(group: &str, resource: &str, name: &str) -> Self {
        Self::conflict(group, resource, name, MODIFIED)
    }

    /// The request is understood and refused.
    #[must_use]
    pub fn forbidden(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let what = qualified(resource, group);
        let message = if name.is_empty() {
            format!("{what} is forbidden: {why}")
        } else {
            format!("{what} \"{name}\" is forbidden: {why}")
        };
        Self::new(403, "Forbidden", message).about(group, resource, name)
    }

    /// The caller is not known.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// The request makes no sense.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// The resource does not know this verb.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        let mut error = Self::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        );
        error.details = Some(Box::default());
        error
    }

    /// Something broke on the server's side.
    #[must_use]
    pub fn internal(message: &str) -> Self {
        let text = format!("Internal error occurred: {message}");
        Self::new(500, "InternalError", text).cause("", message, "")
    }

    /// The version asked for has been forgotten.
    #[must_use]
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// The body is larger than the server takes.
    #[must_use]
    pub fn too_large(limit: usize) -> Self {
        Self::new(
            413,
            "RequestEntityTooLarge",
            format!("Request entity is too large: limit is {limit}"),
        )
    }

    /// The body is in a format the server does not read.
    #[must_use]
    pub fn unsupported_media_type(accepted: &[&str]) -> Self {
        let list = accepted.join(", ");
        Self::new(
            415,
            "UnsupportedMediaType",
            format!("the body of the request was in an unknown format - accepted media types include: {list}"),
        )
    }

    /// The object breaks the rules of its kind. `fields` must not be empty for the message to make sense.
    #[must_use]
    pub fn invalid(group: &str, kind: &str, name: &str, fields: &[FieldError]) -> Self {
        let mut texts: Vec<String> = Vec::new();
        for text in fields.iter().map(ToString::to_string) {
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        let list = match texts.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let what = qualified(kind, group);
        let mut error =
            Self::new(422, "Invalid", format!("{what} \"{name}\" is invalid: {list}")).about(group, kind, name);
        for field in fields {
            error = error.cause(field.kind.reason(), field.body(), &field.field);
        }
        error
    }

    /// The `Status` object as a client receives it.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if let Some(map) = status.as_object_mut() {
            if !self.reason.is_empty() {
                map.insert("reason", self.reason.into());
            }
            if let Some(details) = &self.details {
                map.insert("details", details.to_value());
            }
        }
        status
    }
}

/// What a writer with an old version is told.
pub(crate) const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

impl Details {
    fn to_value(&self) -> Value {
        let mut out = Map::new();
        for (key, text) in [
            ("name", &self.name),
            ("group", &self.group),
            ("kind", &self.kind),
            ("uid", &self.uid),
        ] {
            if !text.is_empty() {
                out.insert(key, Value::from(text.as_str()));
            }
        }
        if !self.causes.is_empty() {
            out.insert("causes", self.causes.iter().map(Cause::to_value).collect());
        }
        if self.retry_after_seconds > 0 {
            out.insert("retryAfterSeconds", self.retry_after_seconds.into());
        }
        Value::Object(out)
    }
}

impl Cause {
    fn to_value(&self) -> Value {
        let mut out = Map::new();
        for (key, text) in [
            ("reason", &self.reason),
            ("message", &self.message),
            ("field", &self.field),
        ] {
            if !text.is_empty() {
                out.insert(key, Value::from(text.as_str()));
            }
        }
        Value::Object(out)
    }
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldError {
    /// The dotted path of the field.
    pub field: String,
    /// The kind of error.
    pub kind: FieldErrorKind,
    /// The refused value, where the text shows it.
    pub value: Option<Value>,
    /// What would be right.
    pub detail: String,
}

/// The kinds of field errors that the API machinery knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldErrorKind {
    /// The field must be set.
    Required,
    /// The value is not acceptable.
    Invalid,
    /// The value is not one of a closed list.
    NotSupported,
    /// The value is there twice.
    Duplicate,
    /// The field must not be set here.
    Forbidden,
    /// The text is too long.
    TooLong,
    /// The list has too many entries.
    TooMany,
    /// The value refers to something that is not there.
    NotFound,
    /// The value has the wrong type.
    TypeInvalid,
}

impl FieldErrorKind {
    /// The `reason` of the cause.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Required => "FieldValueRequired",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::NotFound => "FieldValueNotFound",
            Self::TypeInvalid => "FieldValueTypeInvalid",
        }
    }

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Required => "Required value",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Duplicate => "Duplicate value",
            Self::Forbidden => "Forbidden",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
            Self::NotFound => "Not found",
        }
    }
}

impl FieldError {
    /// The field must be set.
    #[must_use]
    pub fn required(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            kind: FieldErrorKind::Required,
            value: None,
            detail: detail.into(),
        }
    }

    /// The value is not acceptable, with what would be.
    #[must_use]
    pub fn invalid(field: impl Into<String>, value: impl Into<Value>, detail: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            kind: FieldErrorKind::Invalid,
            value: Some(value.into()),
            detail: detail.into(),
        }
    }

    /// The value is not one of `supported`.
    #[must_use]
    pub fn not_supported(field: impl Into<String>, value: impl Into<Value>, supported: &[&str]) -> Self {
        let list: Vec<String> = supported.iter().map(|text| format!("\"{text}\"")).collect();
        Self {
            field: field.into(),
            kind: FieldErrorKind::NotSupported,
            value: Some(value.into()),
            detail: format!("supported values: {}", list.join(", ")),
        }
    }

    /// The value is there twice.
    #[must_use]
    pub fn duplicate(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self {
            field: field.into(),
            kind: FieldErrorKind::Duplicate,
            value: Some(value.into()),
            detail: String::new(),
        }
    }

    /// The field must not be set here.
    #[must_use]
    pub fn forbidden(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            kind: FieldErrorKind::Forbidden,
            value: None,
            detail: detail.into(),
        }
    }

    /// The text is longer than `limit` bytes.
    #[must_use]
    pub fn too_long(field: impl Into<String>, limit: usize) -> Self {
        let detail = format!("may not be more than {limit} bytes");
        Self {
            field: field.into(),
            kind: FieldErrorKind::TooLong,
            value: None,
            detail,
        }
    }

    /// The part after the field: what `causes` carry as message.
    #[must_use]
    pub fn body(&self) -> String {
        let mut out = self.kind.text().to_owned();
        if let Some(value) = &self.value {
            out.push_str(": ");
            out.push_str(&value.to_string());
        }
        if !self.detail.is_empty() {
            out.push_str(": ");
            out.push_str(&self.detail);
        }
        out
    }
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_of_the_real_server() {
        let check = |error: ApiError, code: u16, text: &str| {
            assert_eq!((error.code, error.message.as_str()), (code, text));
        };
        check(
            ApiError::not_found("apps", "deployments", "x"),
            404,
            "deployments.apps \"x\" not found",
        );
        check(
            ApiError::already_exists("", "pods", "x"),
            409,
            "pods \"x\" already exists",
        );
        check(
            ApiError::modified("apps", "deployments", "x"),
            409,
            "Operation cannot be fulfilled on deployments.apps \"x\": the object has been modified; please apply your changes to the latest version and try again",
        );
        check(
            ApiError::invalid("", "X", "y", &[FieldError::required("spec.foo", "")]),
            422,
            "X \"y\" is invalid: spec.foo: Required value",
        );
        check(
            ApiError::invalid(
                "",
                "Pod",
                "y",
                &[
                    FieldError::not_supported("spec.restartPolicy", "x", &["Always", "Never"]),
                    FieldError::invalid("a.b", 3, "must be less"),
                ],
            ),
            422,
            "Pod \"y\" is invalid: [spec.restartPolicy: Unsupported value: \"x\": supported values: \"Always\", \"Never\", a.b: Invalid value: 3: must be less]",
        );
    }
}
