//! Decoding of a real tree's rendered manifests.

use std::path::{Path, PathBuf};

use serde_json::Value;
use yaml::{Options, WarningKind, load_documents, to_stream};

fn fixture() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/kubernetes-on-aws");
    if root.is_dir() {
        return Some(root);
    }
    println!("passing over: the fixture kubernetes-on-aws is not here");
    None
}

fn files(root: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            out.extend(files(&path));
        } else {
            out.push(path);
        }
    }
    out.sort();
    out
}

fn values(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    let documents = load_documents(&text, &Options::manifests()).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    documents.into_iter().map(|d| d.value).collect()
}

#[test]
fn facts_44_to_46_and_48_expected_decodes_to_normalised() {
    let Some(root) = fixture() else { return };
    let expected = root.join("expected/manifests");
    let normalised = root.join("normalised/manifests");
    let (mut objects, mut empty) = (0, 0);
    for path in files(&expected) {
        let name = path.strip_prefix(&expected).unwrap();
        if name == Path::new("deletions.yaml") {
            continue;
        }
        let found = values(&path);
        let other = normalised.join(name);
        let wanted = if other.exists() { values(&other) } else { Vec::new() };
        assert_eq!(found, wanted, "{}", name.display());
        objects += found.len();
        empty += usize::from(found.is_empty());
        let printed = to_stream(&found);
        let again: Vec<Value> = load_documents(&printed, &Options::strict())
            .unwrap()
            .into_iter()
            .map(|d| d.value)
            .collect();
        assert_eq!(again, found, "{}", name.display());
    }
    assert_eq!((objects, empty), (373, 29));
}

#[test]
fn fact_45_the_last_of_two_equal_keys_wins() {
    let Some(root) = fixture() else { return };
    for (file, key) in [
        ("cluster-lifecycle-controller/deployment.yaml", "env"),
        ("z-karpenter/deployment.yaml", "dnsPolicy"),
    ] {
        let text = std::fs::read_to_string(root.join("expected/manifests").join(file)).unwrap();
        let documents = load_documents(&text, &Options::manifests()).unwrap();
        let found = documents
            .iter()
            .flat_map(|d| &d.warnings)
            .any(|w| matches!(&w.kind, WarningKind::DuplicateKey { key: k, .. } if k == key));
        assert!(found, "{file}");
        assert!(load_documents(&text, &Options::strict()).is_err(), "{file}");
    }
}
