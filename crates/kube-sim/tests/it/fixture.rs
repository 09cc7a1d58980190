//! A real platform repository: all its objects are accepted, applied again without change, and deleted.

use std::path::{Path, PathBuf};

use http::Method;
use serde_json::Value;

use crate::support::*;

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, out);
        } else {
            out.push(path);
        }
    }
}

/// All objects of the fixture; none if it is not there.
pub(crate) fn objects() -> Option<Vec<Value>> {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/kubernetes-on-aws/normalised/manifests");
    if !root.is_dir() {
        println!("the fixture is not there: this test passes over it");
        return None;
    }
    let mut paths = Vec::new();
    files(&root, &mut paths);
    let mut all = Vec::new();
    for path in paths
        .iter()
        .filter(|path| path.extension().is_some_and(|ext| ext == "yaml" || ext == "json"))
    {
        let text = std::fs::read_to_string(path).unwrap();
        let documents = yaml::load_documents(&text, &yaml::Options::manifests()).unwrap();
        all.extend(
            documents
                .into_iter()
                .map(|document| document.value)
                .filter(Value::is_object),
        );
    }
    // Definitions first, then namespaces and classes: a real apply needs several passes instead.
    all.sort_by_key(|object| match object["kind"].as_str() {
        Some("CustomResourceDefinition") => 0,
        Some("Namespace") => 1,
        _ => 2,
    });
    Some(all)
}

/// The path of an object, by the plural of its kind.
fn path_of(plurals: &Value, object: &Value) -> String {
    let version = object["apiVersion"].as_str().unwrap();
    let root = if version.contains('/') {
        format!("/apis/{version}")
    } else {
        format!("/api/{version}")
    };
    let kind = object["kind"].as_str().unwrap();
    let entry = plurals[version]
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["kind"] == kind && !r["name"].as_str().unwrap().contains('/'));
    let entry = entry.unwrap_or_else(|| panic!("{kind} in {version} is not served"));
    let name = object["metadata"]["name"].as_str().unwrap();
    let plural = entry["name"].as_str().unwrap();
    if entry["namespaced"] == true {
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
        format!("{root}/namespaces/{namespace}/{plural}/{name}")
    } else {
        format!("{root}/{plural}/{name}")
    }
}

async fn plurals(server: &kube_sim::ApiServer, objects: &[Value]) -> Value {
    let mut out = serde_json::Map::new();
    for object in objects {
        let version = object["apiVersion"].as_str().unwrap();
        if !out.contains_key(version) {
            let root = if version.contains('/') {
                format!("/apis/{version}")
            } else {
                format!("/api/{version}")
            };
            let (_, list) = get(server, &root).await;
            if list["resources"].is_array() {
                out.insert(version.to_owned(), list["resources"].clone());
            }
        }
    }
    Value::Object(out)
}

#[tokio::test]
async fn a_platform_repository_is_accepted() {
    let Some(objects) = objects() else { return };
    assert_eq!(objects.len(), 373);
    let server = server();
    let mut paths = Vec::new();
    for pass in 0..2 {
        let before = server.resource_version();
        let mut known = plurals(&server, &objects).await;
        for object in &objects {
            if known.get(object["apiVersion"].as_str().unwrap()).is_none() {
                known = plurals(&server, &objects).await;
            }
            let path = path_of(&known, object);
            let (code, body) = send(
                &server,
                Method::PATCH,
                &format!("{path}?fieldManager=me&force=true"),
                APPLY,
                object.clone(),
            )
            .await;
            assert!(code == 200 || code == 201, "pass {pass}: {path}: {code} {body}");
            if pass == 0 {
                paths.push(path);
            } else {
                assert_eq!(
                    server.resource_version(),
                    before,
                    "applying {path} again changes nothing: {body}"
                );
            }
        }
    }
    for path in paths.iter().rev() {
        let (code, body) = delete(&server, path).await;
        assert!(code == 200 || code == 404 || code == 403, "{path}: {code} {body}");
    }
    assert!(server.read_all("apps", "deployments", "").is_empty());
}
