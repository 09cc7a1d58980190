//! A real platform repository: all its objects are accepted, applied again without change, diffed and deleted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::Method;
use json_tree::{Value, json};
use kube_sim::{AllowAllWebhooks, ApiServer};
use ports::{Clock, SeededIds, SimClock};

use crate::kubectl::Session;

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

/// Where the repository's manifests are.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/kubernetes-on-aws/normalised/manifests")
}

/// All objects of the fixture; none if it is not there.
fn objects() -> Option<Vec<Value>> {
    let root = root();
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
                .map(|document| Value::from(document.value))
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

async fn plurals(server: &ApiServer, objects: &[Value]) -> Value {
    let mut out = json_tree::Map::new();
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
                out.insert(version, list["resources"].clone());
            }
        }
    }
    Value::Object(out)
}

/// A server whose admission webhooks allow everything: the repository registers some that fail closed, and who would answer
/// them runs in the cluster.
fn bench() -> ApiServer {
    let clock: Arc<dyn Clock> = Arc::new(SimClock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()));
    ApiServer::builder(clock, Arc::new(SeededIds::new(7)))
        .webhooks(Arc::new(AllowAllWebhooks))
        .build()
}

/// Applies an object from the server's side, as one manager; returns the code and the answer.
async fn apply(server: &ApiServer, path: &str, more: &str, object: &Value) -> (u16, Value) {
    let path = format!("{path}?fieldManager=kubectl&force=true{more}");
    send(server, Method::PATCH, &path, APPLY, object.clone()).await
}

/// Applies all objects to an empty server; returns their paths.
async fn filled(server: &ApiServer, objects: &[Value]) -> Vec<String> {
    let mut known = plurals(server, objects).await;
    let mut paths = Vec::new();
    for object in objects {
        if known.get(object["apiVersion"].as_str().unwrap()).is_none() {
            known = plurals(server, objects).await;
        }
        let path = path_of(&known, object);
        let (code, body) = apply(server, &path, "", object).await;
        // Some namespaces are in every cluster.
        assert!(
            code == 201 || (code == 200 && is_lasting(&path)),
            "{path}: {code} {body}"
        );
        paths.push(path);
    }
    paths
}

/// Namespaces that a cluster is born with and that nobody can delete.
fn is_lasting(path: &str) -> bool {
    ["default", "kube-system", "kube-public"]
        .iter()
        .any(|name| path == format!("/api/v1/namespaces/{name}"))
}

#[tokio::test]
async fn a_platform_repository_is_accepted() {
    let Some(objects) = objects() else { return };
    assert_eq!(objects.len(), 373);
    let server = bench();
    let paths = filled(&server, &objects).await;
    let written = server.resource_version();
    for (path, object) in paths.iter().zip(&objects) {
        let (_, live) = get(&server, path).await;
        // The difference that a server-side diff shows: what an apply would leave, beside what is there.
        let (code, merged) = apply(&server, path, "&dryRun=All", object).await;
        assert_eq!((code, &merged), (200, &live), "{path}");
        let (code, _) = apply(&server, path, "", object).await;
        assert_eq!(code, 200, "{path}");
        assert_eq!(
            server.resource_version(),
            written,
            "applying {path} again changes nothing"
        );
    }
    for path in paths.iter().rev() {
        let (code, body) = delete(&server, path).await;
        if is_lasting(path) {
            let text = "is forbidden: this namespace may not be deleted";
            assert!(code == 403 && message(&body).ends_with(text), "{path}: {code} {body}");
        } else {
            assert_eq!(code, 200, "{path}: {body}");
            assert_eq!(get(&server, path).await.0, 404, "{path}");
        }
    }
}

#[tokio::test]
async fn kubectl_sees_no_difference() {
    let (Some(objects), Some(session)) = (objects(), Session::with(bench()).await) else {
        return;
    };
    let paths = filled(session.server(), &objects).await;
    let written = session.server().resource_version();
    let folder = root();
    for how in ["--server-side --force-conflicts --field-manager=kubectl ", ""] {
        let found = session
            .run(&format!("diff {how}-R -f {}", folder.display()), "", 0, &[])
            .await;
        assert_eq!(found, "", "kubectl diff {how}");
    }
    assert_eq!(session.server().resource_version(), written, "a diff writes nothing");
    // And what differs is shown: without this, a diff that shows nothing would pass as well.
    let map = objects.iter().position(|object| object["kind"] == "ConfigMap").unwrap();
    let change = json!({"data": {"strange": "value"}});
    let (code, body) = patch(session.server(), &paths[map], MERGE, change).await;
    assert_eq!(code, 200, "{body}");
    let wish = objects[map].to_string();
    let clean = session
        .run("diff --server-side --field-manager=kubectl -f -", &wish, 0, &[])
        .await;
    assert_eq!(clean, "", "another manager's field is no difference");
    let (code, body) = patch(session.server(), &paths[map], MERGE, json!({"data": objects[map]["data"].as_object().unwrap().keys().map(|key| (key.clone(), json!("else"))).collect::<json_tree::Map>()})).await;
    assert_eq!(code, 200, "{body}");
    for how in ["--server-side --force-conflicts --field-manager=kubectl ", ""] {
        session
            .run(&format!("diff {how}-f -"), &wish, 1, &["-  ", ": else"])
            .await;
    }
}
