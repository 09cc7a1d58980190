//! Reading files for `create`, `apply`, `delete` and `import`: YAML or JSON, a registry document, a list, or one object.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use cli_args::Kind;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::objects::{POOL_FIELDS, fields};

/// The kinds that files hold, in the order in which they are carried out: what belongs to another comes after it. All others
/// are made by commands of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FileKind {
    Account,
    Cluster,
    NodePool,
}

impl From<FileKind> for Kind {
    fn from(kind: FileKind) -> Self {
        match kind {
            FileKind::Account => Self::Accounts,
            FileKind::Cluster => Self::Clusters,
            FileKind::NodePool => Self::NodePools,
        }
    }
}

/// Largest input; a registry of 10,000 clusters has about 60 MB.
const MAX_BYTES: u64 = 256 << 20;
/// Names of the kinds in files, as an object may state its own.
const KINDS: [(&str, FileKind); 3] = [
    ("Cluster", FileKind::Cluster),
    ("InfrastructureAccount", FileKind::Account),
    ("NodePool", FileKind::NodePool),
];
/// Members by which an object that states no kind is recognised, looked for in this order.
const MARKS: [(FileKind, &[&str]); 3] = [
    (
        FileKind::NodePool,
        &["instance_types", "profile", "discount_strategy", "min_size", "max_size"],
    ),
    (
        FileKind::Cluster,
        &[
            "local_id",
            "alias",
            "infrastructure_account",
            "api_server_url",
            "channel",
            "provider",
            "config_items",
        ],
    ),
    (FileKind::Account, &["external_id", "cost_center", "owner", "type"]),
];

/// An object of a file, not yet read into a type, since `apply` takes objects of which members are missing.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) kind: FileKind,
    pub(crate) members: Map<String, Value>,
    /// File and line, for errors.
    pub(crate) place: String,
}

impl Given {
    /// A text member.
    pub(crate) fn text(&self, name: &str) -> Result<&str, Failure> {
        match self.members.get(name) {
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(self.failure(format!("{name} must be a text"))),
            None => Err(self.failure(format!("{name} is missing"))),
        }
    }

    /// The object as a type.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_path_to_error::deserialize(Value::Object(self.members.clone())).map_err(|error| {
            // A missing member of the object itself has no path, which prints as a dot.
            let text = error.to_string();
            self.failure(text.strip_prefix(".: ").unwrap_or(&text))
        })
    }

    /// A failure that names the object's place.
    pub(crate) fn failure(&self, why: impl std::fmt::Display) -> Failure {
        Failure::new(format!("{}: {why}", self.place))
    }
}

/// All objects of all files: accounts first, then clusters, then node pools, so that each finds what it belongs to.
pub(crate) fn read_objects(files: &[PathBuf]) -> Result<Vec<Given>, Failure> {
    let mut objects = Vec::new();
    for path in expand(files)? {
        let (name, text) = read_text(&path)?;
        for (line, value) in documents(&name, &text)? {
            gather(value, &format!("{name}, line {line}"), &mut objects)?;
        }
    }
    if objects.is_empty() {
        return Err(Failure::new("the files hold no objects"));
    }
    objects.sort_by_key(|given: &Given| given.kind);
    Ok(objects)
}

/// The text of a file, or of standard input for `-`, with the name to call it by.
pub(crate) fn read_text(path: &Path) -> Result<(String, String), Failure> {
    let stdin = path == Path::new("-");
    let name = if stdin {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    };
    let failed = |error: std::io::Error| {
        let why = match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
            std::io::ErrorKind::InvalidData => "must be UTF-8".to_owned(),
            _ => error.to_string(),
        };
        Failure::new(format!("{name}: {why}"))
    };
    let mut text = String::new();
    let read = if stdin {
        std::io::stdin().lock().take(MAX_BYTES + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text))
    };
    let bytes = read.map_err(failed)?;
    if u64::try_from(bytes).unwrap_or(u64::MAX) > MAX_BYTES {
        return Err(Failure::new(format!("{name}: must have at most {MAX_BYTES} bytes")));
    }
    Ok((name, text))
}

/// Directories become their files, in name order.
fn expand(files: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut all = Vec::new();
    for path in files {
        if !path.is_dir() {
            all.push(path.clone());
            continue;
        }
        let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let file = entry.map_err(failed)?.path();
            let known = file
                .extension()
                .and_then(|e| e.to_str())
                .is_some_and(|e| matches!(e, "yaml" | "yml" | "json"));
            if known && file.is_file() {
                inside.push(file);
            }
        }
        if inside.is_empty() {
            return Err(Failure::new(format!(
                "{}: there are no .yaml, .yml or .json files",
                path.display()
            )));
        }
        inside.sort();
        all.extend(inside);
    }
    Ok(all)
}

/// The documents of a text with their lines.
fn documents(name: &str, text: &str) -> Result<Vec<(usize, Value)>, Failure> {
    let documents = yaml::load_documents(text, &yaml::Options::strict());
    let documents = documents.map_err(|error| Failure::new(format!("{name}: {error}")))?;
    Ok(documents
        .into_iter()
        .map(|document| (document.line, document.value))
        .collect())
}

fn gather(value: Value, place: &str, objects: &mut Vec<Given>) -> Result<(), Failure> {
    let Value::Object(members) = value else {
        return Err(Failure::new(format!("{place}: must be an object")));
    };
    let lists = [
        ("infrastructure_accounts", Some(FileKind::Account)),
        ("clusters", Some(FileKind::Cluster)),
        ("items", None),
    ];
    if !lists.iter().any(|(name, _)| members.contains_key(*name)) {
        objects.push(one(members, None, place)?);
        return Ok(());
    }
    for (name, value) in members {
        let Some((_, kind)) = lists.iter().find(|(list, _)| *list == name) else {
            let failure = Failure::new(format!("{place}: unknown member {name:?}"));
            return Err(failure.hint("a registry document has clusters and infrastructure_accounts, a list has items"));
        };
        let items = match value {
            Value::Array(items) => items,
            Value::Null => Vec::new(),
            _ => return Err(Failure::new(format!("{place}: {name} must be a list"))),
        };
        for (i, item) in items.into_iter().enumerate() {
            let place = format!("{place}, {name}[{i}]");
            let Value::Object(members) = item else {
                return Err(Failure::new(format!("{place}: must be an object")));
            };
            objects.push(one(members, *kind, &place)?);
        }
    }
    Ok(())
}

fn one(mut members: Map<String, Value>, kind: Option<FileKind>, place: &str) -> Result<Given, Failure> {
    let stated = members
        .remove("kind")
        .map(|stated| stated_kind(&stated, place))
        .transpose()?;
    let marked = || {
        let found = MARKS
            .iter()
            .find(|(_, marks)| marks.iter().any(|mark| members.contains_key(*mark)));
        found.map(|(kind, _)| *kind)
    };
    let Some(kind) = kind.or(stated).or_else(marked) else {
        let failure = Failure::new(format!("{place}: cannot tell what kind of object this is"));
        return Err(failure.hint("add \"kind\": Cluster, InfrastructureAccount or NodePool"));
    };
    if kind == FileKind::Cluster {
        // Joined from the account when a document is exported; the registry knows them from there.
        members.remove("owner");
        members.remove("account_name");
    }
    let given = Given {
        kind,
        members,
        place: place.to_owned(),
    };
    check_members(&given)?;
    Ok(given)
}

fn stated_kind(stated: &Value, place: &str) -> Result<FileKind, Failure> {
    let text = stated.as_str().unwrap_or_default();
    KINDS
        .iter()
        .find(|(name, _)| *name == text)
        .map(|(_, kind)| *kind)
        .ok_or_else(|| {
            let names = KINDS.map(|(name, _)| name).join(", ");
            Failure::new(format!("{place}: unknown kind {text:?}")).hint(format!("kinds are {names}"))
        })
}

/// Refuses members that the kind does not have, and values of config items that are not texts. The latter here, because the
/// message of the type would repeat the value, which may be a secret.
fn check_members(given: &Given) -> Result<(), Failure> {
    unknown(given, &given.members, fields(given.kind.into()), "")?;
    items_are_texts(given, &given.members, "")?;
    if let (FileKind::Cluster, Some(Value::Array(pools))) = (given.kind, given.members.get("node_pools")) {
        for (i, pool) in pools.iter().enumerate() {
            let path = format!("node_pools[{i}].");
            let Value::Object(members) = pool else {
                return Err(given.failure(format!("node_pools[{i}] must be an object")));
            };
            let known: Vec<&str> = POOL_FIELDS.iter().filter(|name| **name != "cluster").copied().collect();
            unknown(given, members, &known, &path)?;
            items_are_texts(given, members, &path)?;
        }
    }
    Ok(())
}

fn unknown(given: &Given, members: &Map<String, Value>, known: &[&str], path: &str) -> Result<(), Failure> {
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let failure = given.failure(format!("unknown member \"{path}{name}\""));
            Err(failure.hint(format!("members are {}", known.join(", "))))
        }
    }
}

fn items_are_texts(given: &Given, members: &Map<String, Value>, path: &str) -> Result<(), Failure> {
    let Some(Value::Object(items)) = members.get("config_items") else {
        return Ok(());
    };
    match items.iter().find(|(_, value)| !value.is_string()) {
        None => Ok(()),
        Some((key, _)) => {
            let failure = given.failure(format!("{path}config_items.{key} must be a text"));
            Err(failure.hint("put the value in quotes"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::{ACCOUNT_FIELDS, CLUSTER_FIELDS};

    fn gathered(text: &str) -> Result<Vec<Given>, String> {
        let mut objects = Vec::new();
        let all = documents("f.yaml", text).and_then(|documents| {
            documents
                .into_iter()
                .try_for_each(|(line, value)| gather(value, &format!("f.yaml, line {line}"), &mut objects))
        });
        match all {
            Ok(()) => Ok(objects),
            Err(Failure::Said { message, .. }) => Err(message),
            Err(other) => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn kinds_are_recognised() {
        for (text, expected) in [
            (
                "clusters: [{id: ab}]\ninfrastructure_accounts: [{id: ac}]",
                vec![FileKind::Cluster, FileKind::Account],
            ),
            (
                "items: [{id: ab, alias: x}, {name: p, min_size: 1}]",
                vec![FileKind::Cluster, FileKind::NodePool],
            ),
            ("{id: ab, channel: beta}", vec![FileKind::Cluster]),
            ("{id: ab, external_id: '1'}", vec![FileKind::Account]),
            ("{cluster: ab, name: p, profile: q}", vec![FileKind::NodePool]),
            ("{kind: Cluster, id: ab}", vec![FileKind::Cluster]),
            (
                "{id: ab, alias: x}\n---\n{id: ac, alias: y}\n",
                vec![FileKind::Cluster, FileKind::Cluster],
            ),
            ("{\"id\": \"ab\", \"alias\": \"x\"}", vec![FileKind::Cluster]),
            ("clusters:", vec![]),
        ] {
            let kinds: Vec<FileKind> = gathered(text).unwrap().iter().map(|given| given.kind).collect();
            assert_eq!(kinds, expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_place() {
        for (text, expected) in [
            ("{kind: Pod, id: ab}", "f.yaml, line 1: unknown kind \"Pod\""),
            ("{id: ab}", "f.yaml, line 1: cannot tell what kind of object this is"),
            (
                "{id: ab, alias: x, chanel: beta}",
                "f.yaml, line 1: unknown member \"chanel\"",
            ),
            ("clusters: []\nother: 1", "f.yaml, line 1: unknown member \"other\""),
            ("clusters: [1]", "f.yaml, line 1, clusters[0]: must be an object"),
            ("[1]", "f.yaml, line 1: must be an object"),
            (
                "{id: ab, node_pools: [{name: p, size: 3}], alias: x}",
                "f.yaml, line 1: unknown member \"node_pools[0].size\"",
            ),
        ] {
            assert_eq!(gathered(text).unwrap_err(), expected, "{text}");
        }
        let secret = gathered("{id: ab, alias: x, config_items: {db_password: 12345}}").unwrap_err();
        assert_eq!(secret, "f.yaml, line 1: config_items.db_password must be a text");
    }

    #[test]
    fn marks_are_members_of_their_kinds() {
        for (kind, marks) in MARKS {
            assert!(marks.iter().all(|mark| fields(kind.into()).contains(mark)), "{kind:?}");
        }
        // A mark must not be a member of a kind that is looked for later.
        let pool_marks = MARKS[0].1;
        assert!(
            pool_marks
                .iter()
                .all(|mark| !CLUSTER_FIELDS.contains(mark) && !ACCOUNT_FIELDS.contains(mark))
        );
        assert!(MARKS[1].1.iter().all(|mark| !ACCOUNT_FIELDS.contains(mark)));
    }
}
