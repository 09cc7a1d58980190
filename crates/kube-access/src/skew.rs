//! How far our clock is from the server's, as its answers tell.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};

use crate::access::Access;
use crate::call::Call;
use crate::error::AccessError;

/// The difference that the last answer with a time told, in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Skew(AtomicI64);

/// By how much a clock is certainly wrong that showed `sent` and `got` around an answer which the server made at `date`, in
/// whole seconds. Positive: it is ahead.
fn certain(sent: Timestamp, got: Timestamp, date: Timestamp) -> SignedDuration {
    let until = date.saturating_add(SignedDuration::from_secs(1)).unwrap_or(date);
    if sent > until {
        sent.duration_since(until)
    } else if got < date {
        got.duration_since(date)
    } else {
        SignedDuration::ZERO
    }
}

impl Skew {
    /// Takes the time of an answer in; one without a time tells nothing.
    pub(crate) fn note(&self, sent: Timestamp, got: Timestamp, headers: &http::HeaderMap) {
        let text = headers.get(http::header::DATE).and_then(|value| value.to_str().ok());
        let date = text.and_then(|text| DateTimeParser::new().parse_timestamp(text).ok());
        if let Some(date) = date {
            let millis = certain(sent, got, date).as_millis();
            self.0
                .store(i64::try_from(millis).unwrap_or(i64::MAX), Ordering::Relaxed);
        }
    }

    fn read(&self) -> SignedDuration {
        SignedDuration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

impl Access {
    /// By how much our clock certainly differed from the server's at its last answer: positive when ours was ahead, zero when
    /// they may have agreed or no answer told. The server's time is the header `Date`, in whole seconds; the time that an
    /// answer takes is not counted as a difference.
    #[must_use]
    pub fn clock_skew(&self) -> SignedDuration {
        self.inner.skew.read()
    }

    /// Asks the server for its version only, to see that it answers and what its clock shows.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn ping(&self) -> Result<(), AccessError> {
        self.call(&Call::discover("/version", "application/json"))
            .await
            .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_certain_difference_counts() {
        let at = |text: &str| {
            format!("2026-03-02T08:{text}Z")
                .parse::<Timestamp>()
                .unwrap_or_default()
        };
        for (sent, got, date, seconds) in [
            ("00:00", "00:00", "00:00", 0),
            // Made within the second before, or during a slow answer.
            ("00:00.900", "00:20", "00:00", 0),
            ("00:00", "00:20", "00:19", 0),
            ("10:01", "10:02", "00:00", 600),
            ("00:00", "00:01", "10:01", -600),
        ] {
            let found = certain(at(sent), at(got), at(date));
            assert_eq!(found.as_secs(), seconds, "{sent} {got} {date}");
        }
    }

    #[test]
    fn the_time_of_an_answer_is_read() {
        let skew = Skew::default();
        let now: Timestamp = "2026-03-02T08:10:00Z".parse().unwrap_or_default();
        let mut headers = http::HeaderMap::new();
        skew.note(now, now, &headers);
        assert_eq!(skew.read(), SignedDuration::ZERO);
        headers.insert(
            http::header::DATE,
            http::HeaderValue::from_static("Mon, 02 Mar 2026 08:00:00 GMT"),
        );
        skew.note(now, now, &headers);
        assert_eq!(skew.read(), SignedDuration::from_secs(599));
    }
}
