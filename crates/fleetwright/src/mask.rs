//! Secrets out of rendered texts.

use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::secrets::MASK;
use render::{DesiredCluster, Input, SCHEMA_PATH, Schema};

/// Shorter words are masked only where they stand alone: a secret `abc` must not take it out of every longer word.
const ALONE_BELOW: usize = 8;
/// Words with fewer characters are not masked.
const SHORTEST: usize = 3;

/// The secret words of some clusters.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mask {
    words: BTreeSet<String>,
}

impl Mask {
    /// Adds the secrets that a cluster's templates can see: config items of cluster and pools that the schema or their name
    /// marks, everything stored encrypted, and what the facts decrypt; each as it is, line by line, and in base64.
    pub(crate) fn add(&mut self, input: &Input, desired: &DesiredCluster) {
        let schema = schema(input);
        let ciphertext = |value: &str| value.starts_with("aws:kms:");
        let stored = &input.cluster.config_items;
        for (key, value) in &desired.items {
            if schema.is_secret(key, value) || stored.get(key.as_str()).is_some_and(|v| ciphertext(v)) {
                self.word(value);
            }
        }
        for pool in &input.cluster.node_pools {
            for (_, value) in pool
                .config_items
                .iter()
                .filter(|(key, value)| schema.is_secret(key.as_str(), value))
            {
                self.word(value);
            }
        }
        for plain in input.facts.decrypted.values() {
            self.word(plain);
        }
    }

    /// Adds what the entries of clusters in the same account hold secret: templates see their siblings.
    pub(crate) fn add_siblings(&mut self, input: &Input) {
        let schema = schema(input);
        for sibling in &input.account_clusters {
            let pools = sibling.node_pools.iter().flat_map(|pool| &pool.config_items);
            let items = sibling.config_items.iter().chain(pools);
            for (_, value) in items.filter(|(key, value)| schema.is_secret(key.as_str(), value)) {
                self.word(value);
            }
        }
    }

    /// Adds the words of another mask.
    pub(crate) fn merge(&mut self, other: Self) {
        self.words.extend(other.words);
    }

    /// Whether the values of this config item are secret for this cluster.
    pub(crate) fn is_secret(input: &Input, key: &str) -> bool {
        let stored = input
            .cluster
            .config_items
            .get(key)
            .map(String::as_str)
            .unwrap_or_default();
        schema(input).is_secret(key, stored)
    }

    fn word(&mut self, value: &str) {
        let trimmed = value.trim();
        // Nobody's secret has one or two characters, and masking each `s` hides nothing but the text.
        if trimmed.chars().count() < SHORTEST {
            return;
        }
        self.words.insert(STANDARD.encode(value));
        self.words.extend(
            trimmed
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .map(str::to_owned),
        );
        self.words.insert(trimmed.to_owned());
    }

    /// What hides the words.
    pub(crate) fn hider(&self) -> Hider {
        let words: Vec<&String> = self.words.iter().collect();
        let finder = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&words);
        Hider {
            finder: finder.ok().filter(|_| !words.is_empty()),
        }
    }
}

/// Hides the words of a [`Mask`] in texts.
pub(crate) struct Hider {
    finder: Option<AhoCorasick>,
}

impl Hider {
    /// The text with every secret word replaced, and every encoded text that holds one.
    pub(crate) fn hide(&self, text: &str) -> String {
        let Some(finder) = &self.finder else {
            return text.to_owned();
        };
        let mut out = String::with_capacity(text.len());
        let mut kept = 0;
        for (start, token) in encoded(text) {
            if decoded(token).is_some_and(|inner| self.finds(&inner)) {
                out.push_str(&self.hide_plain(finder, text.get(kept..start).unwrap_or_default()));
                out.push_str(MASK);
                kept = start + token.len();
            }
        }
        out.push_str(&self.hide_plain(finder, text.get(kept..).unwrap_or_default()));
        out
    }

    /// Whether hiding would change the text.
    fn finds(&self, text: &str) -> bool {
        self.finder
            .as_ref()
            .is_some_and(|finder| self.hide_plain(finder, text) != text)
    }

    fn hide_plain(&self, finder: &AhoCorasick, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut kept = 0;
        for found in finder.find_iter(text) {
            let before = text.get(..found.start()).and_then(|t| t.chars().next_back());
            let after = text.get(found.end()..).and_then(|t| t.chars().next());
            let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | '.'));
            if found.len() < ALONE_BELOW && (inside(before) || inside(after)) {
                continue;
            }
            out.push_str(text.get(kept..found.start()).unwrap_or_default());
            out.push_str(MASK);
            kept = found.end();
        }
        out.push_str(text.get(kept..).unwrap_or_default());
        out
    }
}

/// Fewer characters of base64 hold no secret that is masked inside of a longer text.
const SHORTEST_ENCODED: usize = 12;

/// The parts of a text that look like base64, with their places.
fn encoded(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    let mut at = 0;
    let parts = std::iter::from_fn(move || {
        let start = at + text.get(at..)?.find(inner)?;
        let rest = text.get(start..)?;
        let part = rest.get(..rest.find(|c| !inner(c)).unwrap_or(rest.len()))?;
        at = start + part.len();
        Some((start, part))
    });
    let parts = parts.map(|(start, part)| {
        // `key=` may stand in front of it; padding stands only at the end.
        let key = part.trim_end_matches('=').rfind('=').map_or(0, |at| at + 1);
        (start + key, part.get(key..).unwrap_or_default())
    });
    parts.filter(|(_, part)| part.len() >= SHORTEST_ENCODED)
}

/// The text in base64, or in gzip in base64.
fn decoded(token: &str) -> Option<String> {
    render::unpack(token).or_else(|| String::from_utf8(STANDARD.decode(token).ok()?).ok())
}

fn schema(input: &Input) -> Schema {
    let text = input
        .config
        .sources()
        .iter()
        .find_map(|source| source.tree.text(SCHEMA_PATH));
    text.and_then(|text| Schema::parse(text).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(secrets: &[&str], text: &str) -> String {
        let mut mask = Mask::default();
        secrets.iter().for_each(|secret| mask.word(secret));
        mask.hider().hide(text)
    }

    #[test]
    fn secrets_are_hidden_as_they_are_by_line_and_in_base64() {
        assert_eq!(
            hidden(&["correcthorse"], "a: correcthorse-battery"),
            "a: <masked>-battery"
        );
        assert_eq!(hidden(&["correcthorse"], "b: Y29ycmVjdGhvcnNl"), "b: <masked>");
        assert_eq!(
            hidden(&["first line\nsecond line"], "  first line\n  second line\n"),
            "  <masked>\n  <masked>\n"
        );
    }

    #[test]
    fn short_secrets_are_hidden_where_they_stand_alone() {
        let text = "abc: abcd\ny: \"abc\"\n";
        assert_eq!(hidden(&["abc"], text), "<masked>: abcd\ny: \"<masked>\"\n");
        assert_eq!(hidden(&["s"], "it's"), "it's");
    }

    #[test]
    fn encoded_texts_that_hold_a_secret_are_hidden_as_a_whole() {
        let secret = "correcthorse";
        let inside = STANDARD.encode("password: correcthorse\n");
        let packed = render::pack("#cloud-config\npassword: correcthorse\n");
        let harmless = STANDARD.encode("password: batterystaple\n");
        for (text, expected) in [
            (format!("data: {inside}\n"), "data: <masked>\n".to_owned()),
            (format!("a: \"{packed}\" # b"), "a: \"<masked>\" # b".to_owned()),
            (format!("x={inside},y"), "x=<masked>,y".to_owned()),
            (format!("data: {harmless}\n"), format!("data: {harmless}\n")),
            (
                format!("{inside} correcthorse {harmless}"),
                format!("<masked> <masked> {harmless}"),
            ),
            (
                "ä/usr/local/bin/correct=".to_owned(),
                "ä/usr/local/bin/correct=".to_owned(),
            ),
        ] {
            assert_eq!(hidden(&[secret], &text), expected);
        }
    }

    #[test]
    fn nothing_secret_changes_nothing() {
        assert_eq!(hidden(&[""], "a: b"), "a: b");
    }
}
