//! OpenAPI documents, as far as kubectl reads them: types for `explain`, merge keys for client-side apply, and the marks
//! that tell kubectl that this server validates fields itself.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use json_tree::{Map, Value, json};
use kubemerge::schema::{Kind, ListKind, TypeRef, builtin};

use crate::handlers::Answer;
use crate::registry::{Registry, Resource};
use crate::server::{Context, json_response, text_response};
use crate::status::ApiError;
use crate::view::to_bytes;

/// A small hash for texts that clients only compare: FNV-1a.
pub(crate) fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Answers requests below `/openapi`.
pub(crate) fn answer(context: &Context) -> Answer {
    let registry = context.core().state().registry.clone();
    let release = context.core().config.version.as_str();
    let parts: Vec<&str> = context.info.path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        ["openapi", "v3"] => Ok(json_response(200, to_bytes(&index(&registry)))),
        ["openapi", "v3", "api", version] => document(&registry, "", version, release),
        ["openapi", "v3", "apis", group, version] => document(&registry, group, version, release),
        ["openapi", "v2"] if wants_json(&context.accept) => {
            Ok(json_response(200, to_bytes(&version_2(&registry, release))))
        }
        ["openapi", "v2"] => Err(ApiError::new(
            406,
            "NotAcceptable",
            "only application/json is served here",
        )),
        _ => Ok(text_response(404, "404 page not found\n")),
    }
}

fn wants_json(accept: &str) -> bool {
    accept.is_empty() || accept.contains("application/json") || accept.contains("*/*")
}

fn document(registry: &Registry, group: &str, version: &str, release: &str) -> Answer {
    let body = version_3(registry, group, version, release).ok_or_else(ApiError::unknown_resource)?;
    Ok(json_response(200, Bytes::from(body)))
}

fn index(registry: &Registry) -> Value {
    let mut paths = Map::new();
    for (group, versions) in registry.groups() {
        for version in versions {
            let path = if group.is_empty() {
                format!("api/{version}")
            } else {
                format!("apis/{group}/{version}")
            };
            // Built-in documents never change; those of custom resources change with their definitions.
            let custom: Vec<_> = registry.all().filter(|r| r.custom && r.group() == group).collect();
            let seed = custom
                .iter()
                .flat_map(|r| r.versions.iter())
                .fold(String::new(), |mut seed, version| {
                    if let Some(custom) = &version.custom {
                        seed.push_str(&custom.open_api.to_string());
                    }
                    seed
                });
            let hash = fnv(format!("{path}{seed}").as_bytes());
            paths.insert(
                path.clone(),
                json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash={hash:016X}")}),
            );
        }
    }
    json!({"paths": paths})
}

/// The document of one group and version; none if it is not served.
fn version_3(registry: &Registry, group: &str, version: &str, release: &str) -> Option<Vec<u8>> {
    let mut writer = Writer {
        prefix: "#/components/schemas/",
        ..Writer::default()
    };
    let mut paths = Map::new();
    for resource in registry
        .all()
        .filter(|r| r.group() == group && r.version(version).is_some())
    {
        let gvk = json!({"group": group, "version": version, "kind": resource.kind});
        let name = writer.resource(resource, version);
        add_paths(&mut paths, resource, version, &gvk, &name);
    }
    if paths.is_empty() {
        return None;
    }
    writer.finish();
    let document = json!({
        "openapi": "3.0.0", "info": {"title": "Kubernetes", "version": release}, "paths": paths,
        "components": {"schemas": writer.schemas}});
    serde_json::to_vec(&document).ok()
}

/// The Swagger 2 document with the types of all groups, for old clients that take JSON.
fn version_2(registry: &Registry, release: &str) -> Value {
    let mut writer = Writer {
        prefix: "#/definitions/",
        ..Writer::default()
    };
    for resource in registry.all() {
        for version in &resource.versions {
            writer.resource(resource, &version.name);
        }
    }
    writer.finish();
    json!({
        "swagger": "2.0", "info": {"title": "Kubernetes", "version": release}, "paths": {},
        "definitions": writer.schemas})
}

const PATCHES: &[&str] = &[
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];

fn add_paths(paths: &mut Map, resource: &Resource, version: &str, gvk: &Value, name: &str) {
    let root = if resource.group().is_empty() {
        format!("/api/{version}")
    } else {
        format!("/apis/{}/{version}", resource.group())
    };
    let namespace = if resource.namespaced {
        "/namespaces/{namespace}"
    } else {
        ""
    };
    let collection = format!("{root}{namespace}/{}", resource.plural());
    let parameter =
        |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
    let writing = || {
        json!([
            parameter("dryRun"),
            parameter("fieldManager"),
            parameter("fieldValidation")
        ])
    };
    let operation = |action: &str, parameters: Value| {
        json!({
            "x-kubernetes-action": action, "x-kubernetes-group-version-kind": gvk, "parameters": parameters,
            "responses": {"200": {"description": "OK", "content": {"application/json": {
                "schema": {"$ref": format!("#/components/schemas/{name}")}}}}}})
    };
    let mut post = operation("post", writing());
    let schema = json!({"$ref": format!("#/components/schemas/{name}")});
    post["requestBody"] = json!({"content": {"*/*": {"schema": schema}}});
    let mut whole = Map::from_iter([("post".to_owned(), post)]);
    if !resource.virtual_only {
        whole.insert("get", operation("list", json!([parameter("limit")])));
        let mut patch = operation("patch", writing());
        let kinds = PATCHES
            .iter()
            .filter(|media| !resource.custom || !media.contains("strategic"));
        let content: Map = kinds
            .map(|media| ((*media).to_owned(), json!({"schema": {"type": "object"}})))
            .collect();
        patch["requestBody"] = json!({"content": content});
        let single = json!({
            "get": operation("get", json!([])), "put": operation("put", writing()), "patch": patch,
            "delete": operation("delete", json!([parameter("dryRun")]))});
        paths.insert(format!("{collection}/{{name}}"), single);
    }
    paths.insert(collection, Value::Object(whole));
}

/// Collects the types that documents refer to.
#[derive(Default)]
struct Writer {
    prefix: &'static str,
    schemas: Map,
    seen: BTreeSet<String>,
    waiting: BTreeMap<String, Value>,
}

impl Writer {
    /// Writes the type of a resource and returns its name.
    fn resource(&mut self, resource: &Resource, version: &str) -> String {
        let gvk = json!([{"group": resource.group(), "version": version, "kind": resource.kind}]);
        if let Some(schema) = builtin(resource.group(), version, &resource.kind) {
            let root = schema.root();
            let name = root.name().map_or_else(|| resource.kind.clone(), str::to_owned);
            let mut body = self.body(root);
            body["x-kubernetes-group-version-kind"] = gvk;
            self.seen.insert(name.clone());
            self.schemas.insert(name.clone(), body);
            return name;
        }
        let reversed: Vec<&str> = resource.group().split('.').rev().collect();
        let name = format!("{}.{version}.{}", reversed.join("."), resource.kind);
        let mut body =
            crate::crd::custom(resource, version).map_or_else(|_| json!({"type": "object"}), |c| c.open_api.clone());
        body["x-kubernetes-group-version-kind"] = gvk;
        if !body.get("properties").is_some_and(Value::is_object) {
            body["properties"] = json!({});
        }
        let metadata = kubemerge::schema::definition(META);
        for (field, value) in [
            ("apiVersion", json!({"type": "string"})),
            ("kind", json!({"type": "string"})),
            (
                "metadata",
                metadata.map_or_else(|| json!({"type": "object"}), |schema| self.reference(schema.root())),
            ),
        ] {
            body["properties"][field] = value;
        }
        self.schemas.insert(name.clone(), body);
        name
    }

    /// Writes the types that were met on the way.
    fn finish(&mut self) {
        while let Some((name, body)) = self.waiting.pop_first() {
            self.schemas.entry(name).or_insert(body);
        }
    }

    /// A reference to a named type, or the type itself.
    fn reference(&mut self, kind: TypeRef<'_>) -> Value {
        let Some(name) = kind.name().filter(|_| kind.kind() == Kind::Object) else {
            return self.body(kind);
        };
        if self.seen.insert(name.to_owned()) {
            let body = self.body(kind);
            self.waiting.insert(name.to_owned(), body);
        }
        json!({"allOf": [{"$ref": format!("{}{name}", self.prefix)}]})
    }

    fn body(&mut self, kind: TypeRef<'_>) -> Value {
        match kind.kind() {
            Kind::Any => json!({}),
            Kind::Scalar(scalar) => {
                let mut body = json!({"type": scalar.openapi_type()});
                if let Some(format) = scalar.openapi_format() {
                    body["format"] = format.into();
                }
                body
            }
            Kind::List { kind: merge } => {
                let items = kind
                    .element()
                    .map_or_else(|| json!({}), |element| self.reference(element));
                let mut body = json!({"type": "array", "items": items});
                match merge {
                    ListKind::Atomic => body["x-kubernetes-list-type"] = "atomic".into(),
                    ListKind::Set => body["x-kubernetes-list-type"] = "set".into(),
                    ListKind::Map(keys) => {
                        body["x-kubernetes-list-type"] = "map".into();
                        body["x-kubernetes-list-map-keys"] =
                            keys.iter().map(|key| Value::from(key.name.as_str())).collect();
                    }
                }
                body
            }
            Kind::Object => self.object(kind),
        }
    }

    fn object(&mut self, kind: TypeRef<'_>) -> Value {
        let mut body = json!({"type": "object"});
        let mut properties = Map::new();
        for (name, field) in kind.fields() {
            let mut property = self.reference(field);
            if let Some(strategic) = kind.strategic(name) {
                let mut words = Vec::new();
                if strategic.merge {
                    words.push("merge");
                }
                if strategic.retain_keys {
                    words.insert(0, "retainKeys");
                }
                if strategic.replace {
                    words.push("replace");
                }
                if !words.is_empty() {
                    property["x-kubernetes-patch-strategy"] = words.join(",").into();
                }
                if let Some(key) = &strategic.key {
                    property["x-kubernetes-patch-merge-key"] = key.as_str().into();
                }
            }
            if let Some(default) = field.default() {
                property["default"] = default.clone();
            }
            properties.insert(name, property);
        }
        if properties.is_empty() {
            if let Some(values) = kind.values() {
                body["additionalProperties"] = self.reference(values);
            }
        } else {
            body["properties"] = Value::Object(properties);
        }
        if !kind.required().is_empty() {
            body["required"] = json!(kind.required());
        }
        if kind.is_atomic() {
            body["x-kubernetes-map-type"] = "atomic".into();
        }
        body
    }
}

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_hold_merge_keys_and_all_references() {
        let body = version_3(&Registry::default(), "apps", "v1", "v1.36.2").unwrap_or_default();
        let document: Value = serde_json::from_slice(&body).unwrap_or_default();
        let schemas = &document["components"]["schemas"];
        let containers = &schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
        assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
        let text = String::from_utf8(body).unwrap_or_default();
        for reference in text.split("#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap_or_default();
            assert!(schemas.get(name).is_some(), "{name} is referred to and not there");
        }
    }
}
