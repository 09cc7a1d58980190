//! Selectors over fields: `channel=beta,environment!=test,region in (a, b)`.
//!
//! People and policies pick clusters with one language. A selector knows nothing of what it selects from: who asks gives the
//! text of a field by its path, so that nothing has to be turned into JSON first.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Cluster, Invalid};

#[cfg(test)]
mod tests;

/// What a field must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldTest {
    /// One of these.
    In(Vec<String>),
    /// None of these.
    NotIn(Vec<String>),
}

/// One requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The field, such as `status`, `next_version`.
    pub path: Vec<String>,
    /// What it must be.
    pub test: FieldTest,
}

/// Requirements that must all hold; without any, everything is selected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    text: String,
    requirements: Vec<Requirement>,
}

/// The members of clusters that policies select by: what people set, not what an update changes, so that a cluster does not
/// leave a selection in the middle of an update.
pub const CLUSTER_FIELDS: &[&str] = &[
    "id",
    "alias",
    "infrastructure_account",
    "region",
    "local_id",
    "provider",
    "api_server_url",
    "channel",
    "environment",
    "criticality_level",
    "config_items",
];

impl Selector {
    /// Reads a selector; `fields` are the members that objects of the kind have.
    ///
    /// # Errors
    /// [`Invalid`] with the part that makes no sense.
    pub fn parse(text: &str, fields: &[&str]) -> Result<Self, Invalid> {
        let mut requirements = Vec::new();
        for part in split(text)? {
            let requirement = requirement(part.trim())?;
            let first = requirement.path.first().map(String::as_str).unwrap_or_default();
            if !fields.contains(&first) {
                let rule = format!("there is no field {first:?}; fields are {}", fields.join(", "));
                return Err(bad(part.trim(), rule));
            }
            requirements.push(requirement);
        }
        Ok(Self {
            text: text.trim().to_owned(),
            requirements,
        })
    }

    /// Reads a selector of clusters by [`CLUSTER_FIELDS`]; the empty text selects all.
    ///
    /// # Errors
    /// As [`Selector::parse`].
    pub fn of_clusters(text: &str) -> Result<Self, Invalid> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        Self::parse(text, CLUSTER_FIELDS)
    }

    /// Whether it selects everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// The text that it was read from.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its requirements.
    #[must_use]
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// True when every requirement is met by the fields, which `text_of` gives; what is not there is the empty text, so
    /// `field!=` selects what is set.
    pub fn holds(&self, text_of: impl Fn(&[String]) -> String) -> bool {
        self.requirements.iter().all(|requirement| {
            let found = text_of(&requirement.path);
            match &requirement.test {
                FieldTest::In(values) => values.contains(&found),
                FieldTest::NotIn(values) => !values.contains(&found),
            }
        })
    }

    /// Whether it selects this cluster.
    #[must_use]
    pub fn selects(&self, cluster: &Cluster) -> bool {
        self.holds(|path| cluster_field(cluster, path))
    }
}

/// A field of a cluster as text; empty for what is not there. Paths are those of [`CLUSTER_FIELDS`], config items with their
/// key behind a dot.
#[must_use]
pub fn cluster_field(cluster: &Cluster, path: &[String]) -> String {
    let Some((first, rest)) = path.split_first() else {
        return String::new();
    };
    match (first.as_str(), rest.is_empty()) {
        ("id", true) => cluster.id.to_string(),
        ("alias", true) => cluster.alias.to_string(),
        ("infrastructure_account", true) => cluster.infrastructure_account.to_string(),
        ("region", true) => cluster.region.clone(),
        ("local_id", true) => cluster.local_id.clone(),
        ("provider", true) => cluster.provider.clone(),
        ("api_server_url", true) => cluster.api_server_url.clone(),
        ("channel", true) => cluster.channel.clone(),
        ("environment", true) => cluster.environment.clone(),
        ("criticality_level", true) => cluster.criticality_level.to_string(),
        ("config_items", false) => cluster
            .config_items
            .get(rest.join(".").as_str())
            .cloned()
            .unwrap_or_default(),
        _ => String::new(),
    }
}

impl Serialize for Selector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// In documents selectors select clusters.
impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::of_clusters(&text).map_err(serde::de::Error::custom)
    }
}

/// Splits at commas outside parentheses.
fn split(text: &str) -> Result<Vec<&str>, Invalid> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_u32);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => return Err(bad(text, "has a ) without a (")),
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    if depth > 0 {
        return Err(bad(text, "has a ( without a )"));
    }
    parts.push(text.get(start..).unwrap_or_default());
    Ok(parts)
}

fn requirement(text: &str) -> Result<Requirement, Invalid> {
    let (field, test) = if let Some((field, value)) = text.split_once("!=") {
        (field, FieldTest::NotIn(vec![value.trim().to_owned()]))
    } else if let Some((field, values)) = set(text, " notin") {
        (field, FieldTest::NotIn(values))
    } else if let Some((field, values)) = set(text, " in") {
        (field, FieldTest::In(values))
    } else if let Some((field, value)) = text.split_once('=') {
        (
            field,
            FieldTest::In(vec![value.strip_prefix('=').unwrap_or(value).trim().to_owned()]),
        )
    } else {
        return Err(bad(
            text,
            "must have the form field=value, field!=value, field in (a,b) or field notin (a,b)",
        ));
    };
    let path: Vec<String> = field.trim().split('.').map(str::to_owned).collect();
    if path
        .iter()
        .any(|name| name.is_empty() || name.contains(char::is_whitespace))
    {
        return Err(bad(text, "must begin with the name of a field"));
    }
    Ok(Requirement { path, test })
}

/// `field in (a, b)`.
fn set<'a>(text: &'a str, word: &str) -> Option<(&'a str, Vec<String>)> {
    let (head, list) = text.strip_suffix(')')?.split_once('(')?;
    let field = head.trim_end().strip_suffix(word)?;
    Some((field, list.split(',').map(|value| value.trim().to_owned()).collect()))
}

fn bad(text: &str, rule: impl Into<String>) -> Invalid {
    Invalid::new("selector", rule, text)
}
