//! The table of built-in types.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use kubemerge::schema::{self, Kind, ListKind, Scalar};
use serde_json::Value;

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
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--format-version", "1"])
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
            let granular = source.contains(&format!("list::map(\n            &mut self.{}", snake(&field)));
            if granular {
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
