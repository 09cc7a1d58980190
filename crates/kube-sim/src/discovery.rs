//! Discovery and health: which groups, versions and resources are served, and that the server is there.

use std::sync::OnceLock;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use json_tree::{Value, json};

use crate::body::ReplyBody;
use crate::handlers::Answer;
use crate::registry::{Registry, Resource, Subresource, api_version};
use crate::server::{Context, json_response, text_response};
use crate::status::ApiError;
use crate::view::to_bytes;

/// Answers requests that name no resource.
pub(crate) fn answer(context: &Context) -> Answer {
    if context.method != http::Method::GET && context.method != http::Method::HEAD {
        return Err(ApiError::method_not_allowed());
    }
    let registry = context.core().state().registry.clone();
    let parts: Vec<&str> = context.info.path.split('/').filter(|part| !part.is_empty()).collect();
    let aggregated = context.accept.contains("as=APIGroupDiscoveryList");
    let body = match parts.as_slice() {
        ["healthz" | "livez" | "readyz", ..] => return Ok(text_response(200, "ok")),
        ["version"] => version(&context.core().config.version),
        [] => root(&registry),
        ["api"] if aggregated => return Ok(aggregated_response(&registry, true)),
        ["apis"] if aggregated => return Ok(aggregated_response(&registry, false)),
        ["api"] => json!({"kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:6443"}]}),
        ["apis"] => group_list(&registry),
        ["api", version] => resource_list(&registry, "", version)?,
        ["apis", group] => {
            let groups = registry.groups();
            let found = groups
                .iter()
                .find(|(name, _)| name == group)
                .ok_or_else(ApiError::unknown_resource)?;
            let mut body = group_entry(&found.0, &found.1);
            body["kind"] = "APIGroup".into();
            body["apiVersion"] = "v1".into();
            body
        }
        ["apis", group, version] => resource_list(&registry, group, version)?,
        _ => return Ok(text_response(404, "404 page not found\n")),
    };
    Ok(json_response(200, to_bytes(&body)))
}

fn version(text: &str) -> Value {
    let mut numbers = text.trim_start_matches('v').split('.');
    json!({
        "major": numbers.next().unwrap_or("1"), "minor": numbers.next().unwrap_or("34"), "gitVersion": text,
        "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z", "goVersion": "go1.24",
        "compiler": "gc", "platform": "linux/amd64"})
}

fn root(registry: &Registry) -> Value {
    let mut paths = vec!["/api".to_owned(), "/api/v1".to_owned(), "/apis".to_owned()];
    for (group, versions) in registry.groups().into_iter().filter(|(group, _)| !group.is_empty()) {
        paths.push(format!("/apis/{group}"));
        paths.extend(versions.iter().map(|version| format!("/apis/{group}/{version}")));
    }
    paths.extend(
        [
            "/healthz",
            "/livez",
            "/openapi/v2",
            "/openapi/v3",
            "/readyz",
            "/version",
        ]
        .map(str::to_owned),
    );
    json!({"paths": paths})
}

fn group_entry(group: &str, versions: &[String]) -> Value {
    let entry = |version: &String| json!({"groupVersion": api_version(group, version), "version": version});
    json!({
        "name": group, "versions": versions.iter().map(entry).collect::<Vec<_>>(),
        "preferredVersion": versions.first().map(entry)})
}

fn group_list(registry: &Registry) -> Value {
    let groups = registry.groups();
    let groups: Vec<Value> = groups
        .iter()
        .filter(|(group, _)| !group.is_empty())
        .map(|(group, versions)| group_entry(group, versions))
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

fn in_version<'r>(registry: &'r Registry, group: &'r str, version: &'r str) -> Vec<&'r Resource> {
    let mut found: Vec<&Resource> = registry
        .all()
        .map(|r| &**r)
        .filter(|r| r.group() == group && r.version(version).is_some())
        .collect();
    found.sort_by(|a, b| a.plural().cmp(b.plural()));
    found
}

fn resource_list(registry: &Registry, group: &str, version: &str) -> Result<Value, ApiError> {
    let found = in_version(registry, group, version);
    if found.is_empty() {
        return Err(ApiError::unknown_resource());
    }
    let mut resources = Vec::new();
    for resource in found {
        let mut entry = json!({
            "name": resource.plural(), "singularName": resource.singular, "namespaced": resource.namespaced,
            "kind": resource.kind, "verbs": resource.verbs(), "storageVersionHash": storage_hash(resource)});
        if resource.virtual_only {
            crate::value::remove(&mut entry, &["storageVersionHash"]);
        }
        if !resource.short_names.is_empty() {
            entry["shortNames"] = json!(resource.short_names);
        }
        if !resource.categories.is_empty() {
            entry["categories"] = json!(resource.categories);
        }
        resources.push(entry);
        for sub in resource
            .version(version)
            .map(|v| v.subresources.as_slice())
            .unwrap_or_default()
        {
            let mut entry = json!({
                "name": format!("{}/{}", resource.plural(), sub.name), "singularName": "",
                "namespaced": resource.namespaced, "kind": sub.kind, "verbs": sub.verbs});
            if sub.group != group || sub.version != version {
                entry["group"] = sub.group.as_ref().into();
                entry["version"] = sub.version.as_ref().into();
            }
            resources.push(entry);
        }
    }
    Ok(json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version(group, version), "resources": resources}))
}

/// A text that changes when the kept version does; clients only compare it.
fn storage_hash(resource: &Resource) -> String {
    use base64::Engine;
    use sha2::Digest;
    let (group, version) = crate::registry::split_api_version(&resource.storage);
    let sum = sha2::Sha256::digest(format!("{group}/{version}/{}", resource.kind));
    base64::prelude::BASE64_STANDARD.encode(sum.get(..8).unwrap_or_default())
}

fn aggregated_response(registry: &Registry, core: bool) -> Response<ReplyBody> {
    // Servers without resources of their own, which most are, all say the same; a fleet of them says it thousands of times.
    static BUILTIN: [OnceLock<Bytes>; 2] = [OnceLock::new(), OnceLock::new()];
    let [groups, legacy] = &BUILTIN;
    let body = match (registry.is_builtin(), core) {
        (true, true) => legacy.get_or_init(|| aggregated_body(registry, true)).clone(),
        (true, false) => groups.get_or_init(|| aggregated_body(registry, false)).clone(),
        (false, _) => aggregated_body(registry, core),
    };
    let mut response = json_response(200, body);
    let media = HeaderValue::from_static("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response
}

fn aggregated_body(registry: &Registry, core: bool) -> Bytes {
    let groups = registry.groups();
    let items: Vec<Value> = groups
        .iter()
        .filter(|(group, _)| group.is_empty() == core)
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|version| aggregated_version(registry, group, version))
                .collect();
            let metadata = if core {
                json!({"creationTimestamp": null})
            } else {
                json!({"name": group, "creationTimestamp": null})
            };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    let body = json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items});
    to_bytes(&body)
}

fn aggregated_version(registry: &Registry, group: &str, version: &str) -> Value {
    let kind = |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    let sub = |sub: &Subresource| json!({"subresource": sub.name, "responseKind": kind(&sub.group, &sub.version, &sub.kind), "verbs": sub.verbs});
    let resources: Vec<Value> = in_version(registry, group, version)
        .into_iter()
        .map(|resource| {
            let mut entry = json!({
                "resource": resource.plural(), "responseKind": kind(group, version, &resource.kind),
                "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
                "singularResource": resource.singular, "verbs": resource.verbs()});
            if !resource.short_names.is_empty() {
                entry["shortNames"] = json!(resource.short_names);
            }
            if !resource.categories.is_empty() {
                entry["categories"] = json!(resource.categories);
            }
            let subs = resource
                .version(version)
                .map(|v| v.subresources.as_slice())
                .unwrap_or_default();
            if !subs.is_empty() {
                entry["subresources"] = subs.iter().map(sub).collect();
            }
            entry
        })
        .collect();
    json!({"version": version, "resources": resources, "freshness": "Current"})
}
