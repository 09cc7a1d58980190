//! Ids of requests.

use http::{HeaderMap, HeaderName, HeaderValue};
use ports::Ids;

/// The header that carries it, both ways.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id that is taken from a caller.
const MAX_BYTES: usize = 128;

/// Id of one request; in the extensions of the request, in logs, audit records, errors and the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// The caller's id when it sent a sane one, otherwise a new one.
    ///
    /// Sane means 1 to 128 characters out of letters, digits and `-_.:/+=`: such an id can stand in a log line or a
    /// header without being mistaken for anything else.
    #[must_use]
    pub fn take(headers: &HeaderMap, ids: &dyn Ids) -> Self {
        let sane = |id: &&str| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/+=".contains(&b);
            (1..=MAX_BYTES).contains(&id.len()) && id.bytes().all(plain)
        };
        let given = headers.get(HEADER).and_then(|value| value.to_str().ok()).filter(sane);
        Self(given.map_or_else(|| ids.uuid(), str::to_owned))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }
}

#[cfg(test)]
mod tests {
    use ports::SeededIds;

    use super::*;

    #[test]
    fn sane_ids_are_kept_and_others_replaced() {
        let long = "a".repeat(129);
        for (given, kept) in [
            ("abc-1_2.3:4/5+6=", true),
            ("", false),
            ("a b", false),
            ("a\"b", false),
            ("{x}", false),
            (long.as_str(), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, HeaderValue::from_str(given).unwrap());
            let id = RequestId::take(&headers, &SeededIds::new(1));
            assert_eq!(id.as_str() == given, kept, "{given:?}");
        }
        assert_eq!(
            RequestId::take(&HeaderMap::new(), &SeededIds::new(1)).as_str().len(),
            36
        );
    }
}
