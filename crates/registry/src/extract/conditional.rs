//! Revisions as entity tags.

use http::{HeaderMap, HeaderValue, header};
use model::Invalid;
use ports::registry::Revision;

use crate::error::ApiError;

/// The tag of a revision.
pub(crate) fn etag(revision: Revision) -> HeaderValue {
    // Digits and quotes always make a header value.
    HeaderValue::from_str(&format!("\"{revision}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
}

/// The revision that `If-Match` names; nothing when it is absent or `*`, which every existing object matches.
pub(crate) fn if_match(headers: &HeaderMap) -> Result<Option<Revision>, ApiError> {
    let mut values = headers.get_all(header::IF_MATCH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if values.next().is_none() {
        if text == "*" {
            return Ok(None);
        }
        if let Some(revision) = revision_of(text) {
            return Ok(Some(revision));
        }
    }
    let rule = "must be `*` or one revision in quotes, as the header ETag gives it";
    Err(ApiError::invalid(Invalid::new("If-Match", rule, text)))
}

fn revision_of(tag: &str) -> Option<Revision> {
    let digits = tag.strip_prefix('"')?.strip_suffix('"')?;
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| plain).map(Revision)
}

/// True when `If-None-Match` names this revision, weakly or not, so that the caller has the object already.
pub(crate) fn not_modified(headers: &HeaderMap, revision: Revision) -> bool {
    let tags = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok());
    tags.flat_map(|list| list.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || revision_of(tag.strip_prefix("W/").unwrap_or(tag)) == Some(revision))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_match_is_one_revision_or_a_star() {
        for (text, expected) in [
            ("\"3\"", Some(Some(3))),
            ("*", Some(None)),
            ("3", None),
            ("W/\"3\"", None),
            ("\"\"", None),
            ("\"+3\"", None),
            ("\"3\", \"4\"", None),
            ("\"99999999999999999999\"", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_MATCH, HeaderValue::from_str(text).unwrap());
            let found = if_match(&headers).ok().map(|r| r.map(|r| r.0));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn if_none_match_takes_lists_and_weak_tags() {
        for (text, expected) in [
            ("\"3\"", true),
            ("\"1\", W/\"3\"", true),
            ("*", true),
            ("\"4\"", false),
            ("x", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_str(text).unwrap());
            assert_eq!(not_modified(&headers, Revision(3)), expected, "{text}");
        }
    }
}
