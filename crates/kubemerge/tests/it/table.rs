//! The table of built-in types.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use json_tree::Value;
use kubemerge::schema::{self, Kind, ListKind, Scalar};

#[test]
fn every_line_of_the_table_is_understood() {
    let text = include_str!("../../data/types.txt");
    let types = text.lines().filter(|line| !line.starts_with(['#', ' '])).count();
    assert!(types > 400, "{types}");
    for (group, version, kind) in schema::builtin_kinds() {
        let schema = schema::builtin(group, version, kind).unwrap();
        assert_eq!(
            schema.at(&["metadata"]).and_then(|meta| meta.name()),
            Some("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"),
            "{kind}"
        );
        assert_eq!(
            schema.at(&["kind"]).map(|field| field.kind()),
            Some(Kind::Scalar(Scalar::String)),
            "{kind}"
        );
    }
    // Every word after the name is a notation that the reader knows.
    for line in text.lines().filter(|line| line.starts_with(' ')) {
        let notation = line.split(' ').nth(2).unwrap().trim_start_matches(['[', '{']);
        let known =
            notation.len() == 1 || notation == "any" || text.lines().any(|l| l.split(' ').next() == Some(notation));
        assert!(known, "{line}");
    }
}

#[test]
fn keys_of_apply_and_of_strategic_merge_differ_where_kubernetes_says_so() {
    let check = |kind: (&str, &str, &str), path: &[&str], list: &str, apply: &[&str], strategic: Option<&str>| {
        let owner = schema::builtin(kind.0, kind.1, kind.2).unwrap().at(path).unwrap();
        let Kind::List {
            kind: ListKind::Map(keys),
        } = owner.field(list).unwrap().kind()
        else {
            panic!("{list} is no list map")
        };
        assert_eq!(
            keys.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(),
            apply,
            "{list}"
        );
        assert_eq!(
            owner.strategic(list).and_then(|s| s.key.as_deref()),
            strategic,
            "{list}"
        );
    };
    let pod = ("", "v1", "Pod");
    check(
        pod,
        &["spec", "containers", ""],
        "ports",
        &["containerPort", "protocol"],
        Some("containerPort"),
    );
    check(
        ("", "v1", "Service"),
        &["spec"],
        "ports",
        &["port", "protocol"],
        Some("port"),
    );
    check(
        pod,
        &["spec"],
        "topologySpreadConstraints",
        &["topologyKey", "whenUnsatisfiable"],
        Some("topologyKey"),
    );
    check(pod, &["spec", "containers", ""], "env", &["name"], Some("name"));
    check(pod, &["status"], "conditions", &["type"], Some("type"));
}

/// The source folder of k8s-openapi for the table's Kubernetes version, when the workspace depends on the crate.
fn k8s_openapi() -> Option<PathBuf> {
    // Without a platform cargo wants the sources of all, also of those that nobody has downloaded.
    let version = Command::new("rustc").arg("-vV").output().ok()?;
    let version = String::from_utf8(version.stdout).ok()?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "))?;
    let out = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--offline",
            "--format-version",
            "1",
            "--filter-platform",
            host,
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .ok()?;
    let metadata: Value = serde_json::from_slice(&out.stdout).ok()?;
    let package = metadata["packages"]
        .as_array()?
        .iter()
        .find(|package| package["name"] == "k8s-openapi")?;
    let folder = PathBuf::from(package["manifest_path"].as_str()?)
        .parent()?
        .join("src/v1_36");
    folder.is_dir().then_some(folder)
}

fn rust_files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

/// JSON names of the fields of the type in one source file, each with its Rust type, from the struct and its deserializer.
fn fields_of(source: &str) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for line in source.lines().map(str::trim) {
        if let Some((json, rust)) = line.split_once(" => Field::Key_") {
            names.insert(rust.trim_end_matches(',').to_owned(), json.trim_matches('"').to_owned());
        }
    }
    let body = source
        .lines()
        .skip_while(|line| !line.starts_with("pub struct "))
        .take_while(|line| *line != "}");
    let field = |line: &str| {
        let (name, kind) = line.strip_prefix("    pub ")?.trim_end_matches(',').split_once(": ")?;
        Some((names.get(name)?.clone(), kind.to_owned()))
    };
    body.filter_map(field).collect()
}

#[test]
fn the_table_agrees_with_k8s_openapi() {
    let Some(folder) = k8s_openapi() else {
        println!("passing over: the sources of k8s-openapi are not here");
        return;
    };
    let mut files = Vec::new();
    rust_files(&folder, &mut files);
    let mut compared = 0;
    for file in files {
        let source = std::fs::read_to_string(&file).unwrap();
        let Some(name) = source
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("// Generated from definition "))
        else {
            continue;
        };
        let (Some(schema), true) = (schema::definition(name), source.contains("\npub struct ")) else {
            continue;
        };
        compared += 1;
        let theirs = fields_of(&source);
        let at = schema.root();
        let ours: Vec<&str> = at
            .fields()
            .map(|(name, _)| name)
            .filter(|field| theirs.contains_key(*field) || !matches!(*field, "apiVersion" | "kind"))
            .collect();
        assert_eq!(ours, theirs.keys().map(String::as_str).collect::<Vec<_>>(), "{name}");
        for (field, kind) in theirs {
            // k8s-openapi makes ObjectMeta required, which it is not.
            let must = !kind.starts_with("Option<") && !kind.ends_with("::ObjectMeta");
            assert_eq!(at.required().contains(&field), must, "{name}.{field}");
            let (list, place) = (kind.contains("std::vec::Vec<"), at.field(&field).unwrap());
            let outer_map = kind
                .trim_start_matches("Option<")
                .starts_with("std::collections::BTreeMap<");
            assert_eq!(
                matches!(place.kind(), Kind::List { .. }),
                list && !outer_map,
                "{name}.{field}"
            );
            if let Some(wanted) = scalar_of(&kind) {
                assert!(
                    wanted.contains(&place.kind()),
                    "{name}.{field}: {kind} is {:?}",
                    place.kind()
                );
            }
            let granular = source.contains(&format!("list::map(\n            &mut self.{},", snake(&field)));
            let whole = source.contains(&format!("list::atomic(&mut self.{},", snake(&field)));
            if whole {
                assert_eq!(
                    place.kind(),
                    Kind::List {
                        kind: &ListKind::Atomic
                    },
                    "{name}.{field}"
                );
            }
            // k8s-openapi merges these by name; the API server holds them for one value.
            if granular && field != "volumeClaimTemplates" {
                assert!(
                    at.strategic(&field).is_some_and(|s| s.merge)
                        || matches!(place.kind(), Kind::List { kind: ListKind::Map(_) }),
                    "{name}.{field}"
                );
            }
        }
    }
    assert!(compared > 400, "{compared}");
}

/// Faults of one field of the table, given what an OpenAPI document says about it.
fn field_faults(at: schema::TypeRef<'_>, field: &str, said: &Value) -> Vec<String> {
    let Some(place) = at.field(field) else {
        return vec!["is not in the table".to_owned()];
    };
    let mut out = Vec::new();
    let mut check = |what: &str, ours: String, theirs: String| {
        if ours != theirs {
            out.push(format!("{what}: {ours}, not {theirs}"));
        }
    };
    let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
    if let Kind::List { kind } = place.kind() {
        let (ours, keys) = match kind {
            ListKind::Atomic => ("atomic", Vec::new()),
            ListKind::Set => ("set", Vec::new()),
            ListKind::Map(keys) => ("map", keys.iter().map(|key| key.name.as_str()).collect()),
        };
        let theirs = Some(text("x-kubernetes-list-type")).filter(|kind| !kind.is_empty());
        check(
            "list type",
            ours.to_owned(),
            theirs.unwrap_or_else(|| "atomic".to_owned()),
        );
        let theirs: Vec<&str> = said["x-kubernetes-list-map-keys"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        check("keys", format!("{keys:?}"), format!("{theirs:?}"));
    }
    let strategic = at.strategic(field).cloned().unwrap_or_default();
    check(
        "merge key",
        strategic.key.unwrap_or_default(),
        text("x-kubernetes-patch-merge-key"),
    );
    let strategy = text("x-kubernetes-patch-strategy");
    check(
        "merge",
        strategic.merge.to_string(),
        strategy.split(',').any(|word| word == "merge").to_string(),
    );
    check(
        "retain keys",
        strategic.retain_keys.to_string(),
        strategy.contains("retainKeys").to_string(),
    );
    if text("x-kubernetes-map-type") == "atomic" {
        check("atomic", place.is_atomic().to_string(), "true".to_owned());
    }
    let default = said
        .get("default")
        .filter(|default| default.as_object().is_none_or(|map| !map.is_empty()));
    if let Some(default) = default {
        check(
            "default",
            place.default().unwrap_or(&Value::Null).to_string(),
            default.to_string(),
        );
    }
    out
}

/// `KUBEMERGE_OPENAPI` names a file with `/openapi/v2` of an API server of the table's version.
#[test]
fn the_table_agrees_with_an_openapi_document() {
    let Some(path) = std::env::var_os("KUBEMERGE_OPENAPI") else {
        println!("passing over: KUBEMERGE_OPENAPI names no OpenAPI document");
        return;
    };
    let document: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let (mut faults, mut compared) = (Vec::new(), 0);
    for (name, definition) in document["definitions"].as_object().unwrap() {
        let Some(schema) = schema::definition(name) else {
            continue;
        };
        let at = schema.root();
        for (field, said) in definition["properties"].as_object().into_iter().flatten() {
            compared += 1;
            faults.extend(
                field_faults(at, field, said)
                    .into_iter()
                    .map(|fault| format!("{name}.{field} {fault}")),
            );
        }
        // The document does not say that a reference needs its name, as k8s-openapi and the API server's validation do; events
        // are the other way round.
        let required = definition["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        let theirs: BTreeSet<&str> = required
            .filter(|field| !matches!(*field, "metadata" | "eventTime"))
            .collect();
        let ours: BTreeSet<&str> = at.required().iter().map(String::as_str).collect();
        if ours.symmetric_difference(&theirs).any(|field| *field != "name") || !theirs.is_subset(&ours) {
            faults.push(format!("{name} requires {ours:?}, not {theirs:?}"));
        }
    }
    println!("compared {compared} fields");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(compared > 1_000, "{compared}");
}

/// What the table may say about a field with a Rust type of k8s-openapi; `None` for structs, lists and maps.
fn scalar_of(kind: &str) -> Option<Vec<Kind<'static>>> {
    let bare = kind.trim_start_matches("Option<").trim_end_matches('>');
    let scalar = match bare.rsplit("::").next()? {
        _ if bare.contains('<') => return None,
        "i32" => Scalar::Int32,
        "i64" => Scalar::Integer,
        "f64" => Scalar::Number,
        "bool" => Scalar::Boolean,
        "String" => Scalar::String,
        "IntOrString" => Scalar::IntOrString,
        "Quantity" => Scalar::Quantity,
        "Time" | "MicroTime" => Scalar::Time,
        "ByteString" => Scalar::Bytes,
        _ => return None,
    };
    Some(vec![Kind::Scalar(scalar)])
}

/// `hostIPs` as k8s-openapi spells it, for plain names; others just do not match.
fn snake(name: &str) -> String {
    name.chars().fold(String::new(), |mut out, c| {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
        out
    })
}
