//! The table of built-in types.

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
