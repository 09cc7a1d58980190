//! Reading answers.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG};
use http::{HeaderMap, StatusCode};
use ports::RegistryError;
use ports::registry::{Revision, Versioned};
use serde::de::DeserializeOwned;

use super::error::WireError;
use crate::ErrorBody;

/// A whole answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) url: String,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Reply {
    /// An answer without content, for a call that had been carried out before.
    pub(super) fn empty(url: String) -> Self {
        Self {
            url,
            status: StatusCode::NO_CONTENT,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// The object in the body.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, RegistryError> {
        if !self.is_json() {
            return Err(self.not_the_api());
        }
        serde_json::from_slice(&self.body).map_err(|source| {
            RegistryError::Internal(Box::new(WireError::Unreadable {
                url: self.url.clone(),
                source,
            }))
        })
    }

    /// The object with its revision from `ETag`.
    pub(super) fn versioned<T: DeserializeOwned>(&self) -> Result<Versioned<T>, RegistryError> {
        let object = self.json()?;
        Ok(Versioned {
            revision: self.revision()?,
            object,
        })
    }

    /// The revision in `ETag`. The original registry sends none: there every object is at revision 0, which no condition
    /// ever meets, so that conditional writes are refused rather than made blindly.
    pub(super) fn revision(&self) -> Result<Revision, RegistryError> {
        let Some(value) = self.headers.get(ETAG) else {
            return Ok(Revision(0));
        };
        let number = value.to_str().ok().and_then(|text| {
            text.trim()
                .trim_start_matches("W/")
                .trim_matches('"')
                .parse::<i64>()
                .ok()
        });
        number.map(Revision).ok_or_else(|| {
            RegistryError::Internal(Box::new(WireError::Header {
                url: self.url.clone(),
                header: "ETag",
            }))
        })
    }

    /// The refusal that the answer is. `subject` names what was asked for, where a bare 404 does not.
    pub(super) fn refusal(&self, subject: Option<&(&'static str, String)>) -> RegistryError {
        let body = if self.is_json() {
            serde_json::from_slice::<ErrorBody>(&self.body).ok()
        } else {
            None
        };
        let status = self.status.as_u16();
        match body {
            Some(body) if !body.uri.is_empty() => body.into(),
            // The original's `Error` has code and message only.
            Some(mut body) if body.code != 0 || !body.message.is_empty() => {
                body.status = status;
                body.detail = std::mem::take(&mut body.message);
                match subject {
                    Some((kind, id)) if status == 404 => RegistryError::NotFound { kind, id: id.clone() },
                    _ => body.into(),
                }
            }
            _ => self.bare_refusal(subject),
        }
    }

    fn bare_refusal(&self, subject: Option<&(&'static str, String)>) -> RegistryError {
        let status = self.status.as_u16();
        let wire = || {
            Box::new(WireError::Status {
                url: self.url.clone(),
                status,
            })
        };
        match (status, subject) {
            (404, Some((kind, id))) if self.body.is_empty() => RegistryError::NotFound { kind, id: id.clone() },
            (401, _) => RegistryError::Unauthorized(format!("{} does not accept the token", self.url)),
            (403, _) => RegistryError::Forbidden(format!("{} does not allow this to the token", self.url)),
            (429 | 502 | 503 | 504, _) => RegistryError::Unavailable(wire()),
            (500.., _) => RegistryError::Internal(wire()),
            _ => self.not_the_api(),
        }
    }

    fn not_the_api(&self) -> RegistryError {
        let content = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        RegistryError::Internal(Box::new(WireError::NotTheApi {
            url: self.url.clone(),
            status: self.status.as_u16(),
            content: content.unwrap_or("no content type").to_owned(),
        }))
    }

    fn is_json(&self) -> bool {
        let kind = self
            .headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind == "application/json" || kind.ends_with("+json")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, content: &str, body: &str) -> Reply {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content.parse().unwrap());
        Reply {
            url: "http://h/x".to_owned(),
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn refusals_of_other_servers_are_read_as_well_as_they_can_be() {
        let subject = ("cluster", "kube-1".to_owned());
        for (status, content, body, expected) in [
            (
                404,
                "application/json",
                r#"{"code":404,"message":"gone"}"#,
                "cluster \"kube-1\" not found",
            ),
            (404, "text/plain", "", "cluster \"kube-1\" not found"),
            (404, "text/html", "<html>", "the registry failed"),
            (
                403,
                "application/json",
                r#"{"code":403,"message":"not yours"}"#,
                "not yours",
            ),
            (401, "text/plain", "", "http://h/x does not accept the token"),
            (503, "text/html", "<html>", "the registry cannot be reached"),
            (500, "text/html", "<html>", "the registry failed"),
        ] {
            assert_eq!(
                reply(status, content, body).refusal(Some(&subject)).to_string(),
                expected,
                "{status} {body}"
            );
        }
    }

    #[test]
    fn an_answer_that_is_not_json_says_whom_it_came_from() {
        let error = reply(200, "text/html; charset=utf-8", "<html>")
            .json::<serde_json::Value>()
            .unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(
            source,
            "http://h/x answered 200 with text/html; charset=utf-8, not with the registry API: check the URL of the server"
        );
    }

    #[test]
    fn revisions_come_from_the_etag() {
        for (etag, expected) in [
            (Some("\"7\""), Some(7)),
            (Some("W/\"7\""), Some(7)),
            (Some("abc"), None),
            (None, Some(0)),
        ] {
            let mut reply = reply(200, "application/json", "{}");
            if let Some(etag) = etag {
                reply.headers.insert(ETAG, etag.parse().unwrap());
            }
            assert_eq!(reply.revision().ok(), expected.map(Revision), "{etag:?}");
        }
    }
}
