//! The address of a view, taken apart and put together: what is in it reproduces the page.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// Everything that has a meaning in a query string.
const QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'&')
    .add(b'=')
    .add(b'+')
    .add(b'%')
    .add(b'?');
/// Everything that has a meaning in a path.
const PATH: &AsciiSet = &QUERY.add(b'/').add(b'{').add(b'}').add(b'`');

/// One part of a path, escaped.
pub(crate) fn part(text: &str) -> String {
    utf8_percent_encode(text, PATH).to_string()
}

/// What a page was asked for: its path and its query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ask {
    path: String,
    pairs: BTreeMap<String, String>,
}

/// A view that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {rule}, not {value:?}")]
pub(crate) struct BadAsk {
    pub(crate) field: &'static str,
    pub(crate) rule: String,
    pub(crate) value: String,
}

impl Ask {
    /// Reads an address; of a name that is given twice the last one counts.
    pub(crate) fn of(uri: &http::Uri) -> Self {
        Self {
            path: uri.path().to_owned(),
            pairs: pairs(uri.query().unwrap_or_default()),
        }
    }

    /// The value of a name; empty when it is not there.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.pairs.get(name).map_or("", String::as_str)
    }

    /// The same view with another value; without the name when the value is empty.
    pub(crate) fn with(&self, name: &str, value: &str) -> String {
        let mut pairs = self.pairs.clone();
        pairs.remove(name);
        if !value.is_empty() {
            pairs.insert(name.to_owned(), value.to_owned());
        }
        let encode = |text: &str| utf8_percent_encode(text, QUERY).to_string();
        let query: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect();
        if query.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{}", self.path, query.join("&"))
        }
    }

    /// The pairs apart from some, for hidden fields of a form that sets those.
    pub(crate) fn except<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = (&'a str, &'a str)> {
        let all = self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        all.filter(move |(name, _)| !names.contains(name))
    }

    /// The value of a name, which must be one of these or absent.
    pub(crate) fn one_of(&self, field: &'static str, known: &[&'static str]) -> Result<Option<&'static str>, BadAsk> {
        let value = self.get(field);
        if value.is_empty() {
            return Ok(None);
        }
        let found = known.iter().find(|known| **known == value);
        found.copied().map(Some).ok_or_else(|| BadAsk {
            field,
            rule: format!("must be one of {}", known.join(", ")),
            value: value.to_owned(),
        })
    }
}

/// The pairs of a query or of the body of a form.
pub(crate) fn pairs(text: &str) -> BTreeMap<String, String> {
    let decode = |text: &str| {
        percent_decode_str(&text.replace('+', " "))
            .decode_utf8_lossy()
            .into_owned()
    };
    let parts = text.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reproduces_the_view() {
        let ask = Ask::of(&"/clusters?q=a+b%26c&state=failing".parse().unwrap());
        assert_eq!(
            (ask.get("q"), ask.get("state"), ask.get("sort")),
            ("a b&c", "failing", "")
        );
        let other = ask.with("sort", "älter");
        assert_eq!(other, "/clusters?q=a%20b%26c&sort=%C3%A4lter&state=failing");
        assert_eq!(Ask::of(&other.parse().unwrap()).get("sort"), "älter");
        assert_eq!(Ask::of(&"/x?q=1".parse().unwrap()).with("q", ""), "/x");
    }

    #[test]
    fn an_unknown_choice_is_named() {
        let ask = Ask::of(&"/?download=pdf".parse().unwrap());
        let refused = ask.one_of("download", &["tsv", "json"]).unwrap_err();
        assert_eq!(refused.to_string(), "download: must be one of tsv, json, not \"pdf\"");
    }
}
