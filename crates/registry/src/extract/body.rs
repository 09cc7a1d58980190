//! Request bodies.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use model::{
    Cluster, ClusterUpdate, InfrastructureAccount, InfrastructureAccountUpdate, Invalid, NodePool, NodePoolUpdate,
    Validate,
};
use registry_api::{
    ActDraft, AnyAct, ApprovalDraft, BlockDraft, ConfigValue, DecommissionDraft, ErrorKind, GateAgreementDraft,
    LedgerEntryDraft,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::strict::{check_nul, read_json, whole_numbers};
use crate::error::ApiError;
use crate::state::AppState;

/// Longest value of a config item, in bytes, for the OpenAPI document; the bound of `model`, which the registry enforces.
pub(crate) const MAX_ITEM_BYTES: usize = 256 * 1024;

/// A type that a body is read into.
pub(crate) trait Incoming: DeserializeOwned + Serialize {
    /// False for a body whose text is a part of something that the path names: the registry, which knows the whole,
    /// refuses it under the name of that place.
    const WHOLE: bool = true;

    /// Adds every broken rule beyond the shape.
    fn check(&self, problems: &mut Vec<Invalid>);
}

macro_rules! validated {
    ($($kind:ty),+) => {
        $(impl Incoming for $kind {
            fn check(&self, problems: &mut Vec<Invalid>) {
                Validate::check(self, problems);
            }
        })+
    };
}

validated!(Cluster, InfrastructureAccount, NodePool);

/// Updates and agreements are checked together with the object that they change or concern.
macro_rules! checked_later {
    ($($kind:ty),+) => {
        $(impl Incoming for $kind {
            fn check(&self, _: &mut Vec<Invalid>) {}
        })+
    };
}

checked_later!(
    ClusterUpdate,
    InfrastructureAccountUpdate,
    NodePoolUpdate,
    ApprovalDraft,
    GateAgreementDraft,
    DecommissionDraft,
    LedgerEntryDraft
);

impl Incoming for ConfigValue {
    const WHOLE: bool = false;

    fn check(&self, _: &mut Vec<Invalid>) {}
}

impl Incoming for ActDraft {
    fn check(&self, problems: &mut Vec<Invalid>) {
        match self.clone().act() {
            Ok(AnyAct::Pause(pause)) => pause.check(problems),
            Ok(AnyAct::Freeze(freeze)) => freeze.check(problems),
            Ok(AnyAct::FastLane(lane)) => lane.check(problems),
            Err(refused) => problems.push(refused),
        }
    }
}

impl Incoming for BlockDraft {
    fn check(&self, problems: &mut Vec<Invalid>) {
        // Whoever sets it is known and sound; an owner that is not named is the caller.
        self.block("caller").check(problems);
    }
}

/// A JSON body, read strictly.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: Incoming> FromRequest<AppState> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        if content_type(request.headers()).as_deref() != Some("application/json") {
            return Err(ApiError::new(
                ErrorKind::UnsupportedMediaType,
                "the body must be application/json",
            ));
        }
        let text = read_text(request.into_body(), state).await?;
        let mut value: Value = serde_json::from_str(&text).map_err(|error| {
            // The place is enough; serde_json's syntax errors repeat nothing of the text, but this holds whatever they do.
            let detail = format!("the body is not JSON: line {}, column {}", error.line(), error.column());
            ApiError::new(ErrorKind::Malformed, detail)
        })?;
        whole_numbers(&mut value);
        let mut problems = Vec::new();
        if T::WHOLE {
            check_nul(&value, "", &mut problems);
        }
        let read: T = read_json(&value, "").map_err(|found| {
            problems.extend(found);
            std::mem::take(&mut problems)
        })?;
        read.check(&mut problems);
        // A rule of the type and the general one may both name a place; once is enough.
        problems.dedup_by(|a, b| a.field == b.field && a.rule == b.rule);
        if problems.is_empty() {
            Ok(Self(read))
        } else {
            Err(problems.into())
        }
    }
}

/// The media type of a body, in lower case, without parameters; nothing when they name another charset than UTF-8.
pub(crate) fn content_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?.to_ascii_lowercase();
    let mut parts = text.split(';').map(str::trim);
    let kind = parts.next()?.to_owned();
    let charset = parts.find_map(|part| part.strip_prefix("charset=")).unwrap_or("utf-8");
    (charset.trim_matches('"') == "utf-8").then_some(kind)
}

/// The body as text, within the server's bounds of size and time.
pub(crate) async fn read_text(body: Body, state: &AppState) -> Result<String, ApiError> {
    let limit = state.limits.body_bytes;
    let collecting = Limited::new(body, limit).collect();
    let collected = tokio::select! {
        collected = collecting => collected,
        () = state.clock.sleep(state.limits.body_timeout) => {
            let detail = format!("the body did not arrive within {} s", state.limits.body_timeout.as_secs());
            return Err(ApiError::new(ErrorKind::Timeout, detail));
        }
    };
    let bytes = match collected {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Err(ApiError::new(
                ErrorKind::TooLarge,
                format!("the body must have at most {limit} bytes"),
            ));
        }
        Err(_) => return Err(ApiError::new(ErrorKind::Malformed, "the body did not arrive whole")),
    };
    String::from_utf8(bytes.into()).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        ApiError::new(ErrorKind::Malformed, format!("the body is not UTF-8: byte {at}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_of_config_values_is_the_models() {
        let pool = |bytes: usize| -> NodePool {
            serde_json::from_value(serde_json::json!({
                "name": "worker", "profile": "p", "instance_types": ["m5"], "discount_strategy": "none",
                "min_size": 0, "max_size": 0, "config_items": {"a_key": "x".repeat(bytes)}
            }))
            .unwrap()
        };
        assert!(pool(MAX_ITEM_BYTES).validate().is_ok());
        assert!(pool(MAX_ITEM_BYTES + 1).validate().is_err());
    }

    #[test]
    fn media_types_are_compared_without_parameters() {
        for (text, expected) in [
            ("application/json", Some("application/json")),
            ("Application/JSON; Charset=UTF-8", Some("application/json")),
            ("application/json; charset=\"utf-8\"", Some("application/json")),
            ("application/json; charset=latin1", None),
            ("text/plain", Some("text/plain")),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, text.parse().unwrap());
            assert_eq!(content_type(&headers).as_deref(), expected, "{text}");
        }
    }
}
