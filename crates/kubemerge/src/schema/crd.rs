//! Schemas of custom resources, from `openAPIV3Schema`.

use std::collections::BTreeMap;
use std::sync::Arc;

use json_tree::{Map, Value};
use thiserror::Error;

use super::{
    Field, Graph, Junctor, JunctorKind, ListKey, ListKind, Node, NodeId, Rules, Scalar, Schema, Shape, Strategic,
};
use crate::limits;

/// Longest pattern that is compiled; a compiled one may take this many bytes times a hundred.
const MAX_PATTERN: usize = 4096;
/// Most schema nodes in one custom resource.
const MAX_NODES: usize = 50_000;

/// Why a custom resource's schema cannot be used. `path` is the place below `openAPIV3Schema`, with a leading dot.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("openAPIV3Schema{path}: {reason}")]
pub struct SchemaError {
    /// Place in the schema.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Reads the structural schema of one version of a CustomResourceDefinition (`spec.versions[*].schema.openAPIV3Schema`).
///
/// apiVersion, kind and metadata are always known at the root, with metadata's own structure.
///
/// # Errors
/// [`SchemaError`] when the schema is not structural, too large, or a pattern cannot be compiled.
///
/// ```
/// use json_tree::json;
/// let schema = kubemerge::schema::from_crd(&json!({
///     "type": "object",
///     "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
/// })).unwrap();
/// assert!(schema.at(&["spec", "size"]).is_some());
/// ```
pub fn from_crd(open_api_v3_schema: &Value) -> Result<Schema, SchemaError> {
    let fail = |reason: &str| SchemaError {
        path: String::new(),
        reason: reason.to_owned(),
    };
    limits::check_depth(open_api_v3_schema).map_err(|error| fail(&error.to_string()))?;
    super::structural::check(open_api_v3_schema)?;
    let mut reader = Reader::default();
    let root = reader.node(open_api_v3_schema, "", true)?;
    reader.add_object_fields(root, true);
    let graph = Arc::new(reader.graph);
    for (path, id) in reader.defaults {
        check_default(
            &Schema {
                graph: Arc::clone(&graph),
                root: id,
            },
            path,
        )?;
    }
    Ok(Schema { graph, root })
}

/// A default has to be what its own place allows.
fn check_default(schema: &Schema, path: String) -> Result<(), SchemaError> {
    let Some(default) = schema.root().own_default().filter(|default| !default.is_null()) else {
        return Ok(());
    };
    let mut pruned = default.clone();
    // Deep nesting has been refused for the schema as a whole.
    let known = crate::structural::prune(&mut pruned, schema).is_ok() && pruned == *default;
    if !known {
        return Err(SchemaError {
            path,
            reason: format!("Invalid value: {default}: must not have unknown fields"),
        });
    }
    let faults = crate::structural::validate(default, schema).unwrap_or_default();
    match faults.into_iter().next() {
        Some(fault) => Err(SchemaError {
            path,
            reason: fault.message,
        }),
        None => Ok(()),
    }
}

#[derive(Default)]
struct Reader {
    graph: Graph,
    /// Where defaults stand.
    defaults: Vec<(String, NodeId)>,
}

impl Reader {
    /// Reads one schema. `structural` is off below junctors, where types are optional.
    fn node(&mut self, schema: &Value, path: &str, structural: bool) -> Result<NodeId, SchemaError> {
        let fail = |reason: &str| SchemaError {
            path: path.to_owned(),
            reason: reason.to_owned(),
        };
        if self.graph.nodes.len() >= MAX_NODES {
            return Err(fail("the schema has too many parts"));
        }
        let map = schema.as_object().ok_or_else(|| fail("must be a map"))?;
        let flag = |name: &str| map.get(name).and_then(Value::as_bool).unwrap_or(false);
        let preserve = flag("x-kubernetes-preserve-unknown-fields");
        let embedded = flag("x-kubernetes-embedded-resource");
        let shape = if flag("x-kubernetes-int-or-string") {
            Shape::Scalar(Scalar::IntOrString)
        } else {
            match map.get("type").and_then(Value::as_str).unwrap_or("") {
                "object" => self.object(map, path, structural)?,
                "array" => self.list(map, path, structural)?,
                "string" => Shape::Scalar(string_format(map)),
                "integer" => Shape::Scalar(Scalar::Integer),
                "number" => Shape::Scalar(Scalar::Number),
                "boolean" => Shape::Scalar(Scalar::Boolean),
                "" if preserve || !structural => self.untyped(map, path, structural)?,
                "" => {
                    return Err(SchemaError {
                        path: format!("{path}.type"),
                        reason: "Required value: must not be empty for specified object fields".to_owned(),
                    });
                }
                other => {
                    return Err(SchemaError {
                        path: format!("{path}.type"),
                        reason: format!("Unsupported value: {other:?}"),
                    });
                }
            }
        };
        let mut node = Node::plain(shape);
        node.atomic = map.get("x-kubernetes-map-type").and_then(Value::as_str) == Some("atomic");
        node.preserve_unknown = preserve || (embedded && !map.contains_key("properties"));
        node.embedded = embedded;
        node.nullable = flag("nullable");
        node.default = map.get("default").cloned();
        let rules = self.rules(map, path)?;
        node.rules = rules.map(Box::new);
        let has_default = node.default.is_some();
        let id = self.graph.add(node);
        if has_default && structural {
            self.defaults.push((format!("{path}.default"), id));
        }
        if embedded {
            self.add_object_fields(id, false);
        }
        Ok(id)
    }

    /// A schema without a type: structure as far as it has any, else anything.
    fn untyped(&mut self, map: &Map, path: &str, structural: bool) -> Result<Shape, SchemaError> {
        if map.contains_key("properties") || map.contains_key("additionalProperties") || map.contains_key("required") {
            self.object(map, path, structural)
        } else if map.contains_key("items") {
            self.list(map, path, structural)
        } else {
            Ok(Shape::Any)
        }
    }

    fn object(&mut self, map: &Map, path: &str, structural: bool) -> Result<Shape, SchemaError> {
        let mut fields = BTreeMap::new();
        for (name, schema) in map.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let node = self.node(schema, &format!("{path}.properties[{name}]"), structural)?;
            fields.insert(
                name.to_string(),
                Field {
                    node,
                    default: None,
                    atomic: false,
                    strategic: Strategic::default(),
                },
            );
        }
        let values = match map.get("additionalProperties") {
            Some(schema @ Value::Object(_)) => {
                Some(self.node(schema, &format!("{path}.additionalProperties"), structural)?)
            }
            Some(Value::Bool(true)) => {
                let mut any = Node::plain(Shape::Any);
                any.preserve_unknown = true;
                Some(self.graph.add(any))
            }
            _ => None,
        };
        Ok(Shape::Object {
            fields,
            required: strings(map.get("required")),
            values,
        })
    }

    fn list(&mut self, map: &Map, path: &str, structural: bool) -> Result<Shape, SchemaError> {
        let fail = |field: &str, reason: &str| SchemaError {
            path: format!("{path}.{field}"),
            reason: reason.to_owned(),
        };
        let element = match map.get("items") {
            Some(items) => self.node(items, &format!("{path}.items"), structural)?,
            None if structural => return Err(fail("items", "Required value: must be specified")),
            None => self.graph.add(Node::plain(Shape::Any)),
        };
        let kind = match map.get("x-kubernetes-list-type").and_then(Value::as_str) {
            None | Some("atomic") => ListKind::Atomic,
            Some("set") => ListKind::Set,
            Some("map") => {
                let names = strings(map.get("x-kubernetes-list-map-keys"));
                if names.is_empty() {
                    return Err(fail(
                        "x-kubernetes-list-map-keys",
                        "Required value: must not be empty if x-kubernetes-list-type is map",
                    ));
                }
                ListKind::Map(names.into_iter().map(|name| self.list_key(element, name)).collect())
            }
            Some(other) => {
                return Err(fail(
                    "x-kubernetes-list-type",
                    &format!("Unsupported value: {other:?}: supported values: \"atomic\", \"map\", \"set\""),
                ));
            }
        };
        Ok(Shape::List { element, kind })
    }

    /// A key with the default its field has in the items.
    fn list_key(&self, element: NodeId, name: String) -> ListKey {
        let default = match self.graph.nodes.get(element).map(|node| &node.shape) {
            Some(Shape::Object { fields, .. }) => fields
                .get(&name)
                .and_then(|field| self.graph.nodes.get(field.node))
                .and_then(|node| node.default.clone()),
            _ => None,
        };
        ListKey { name, default }
    }

    /// Adds what every object has: apiVersion, kind and metadata. At the root, metadata has its full structure, whatever the
    /// schema says about it; an embedded object keeps what is written.
    fn add_object_fields(&mut self, id: NodeId, root: bool) {
        let text = self.graph.add(Node::plain(Shape::Scalar(Scalar::String)));
        let metadata = if root {
            self.object_meta()
        } else {
            self.graph.add(super::ANYTHING.clone())
        };
        let plain = |node| Field {
            node,
            default: None,
            atomic: false,
            strategic: Strategic::default(),
        };
        if let Some(Node {
            shape: Shape::Object { fields, .. },
            ..
        }) = self.graph.nodes.get_mut(id)
        {
            for name in ["apiVersion", "kind"] {
                fields.entry(name.to_owned()).or_insert_with(|| plain(text));
            }
            if root || !fields.contains_key("metadata") {
                fields.insert("metadata".to_owned(), plain(metadata));
            }
        }
    }

    /// Copies the structure of ObjectMeta into this graph.
    fn object_meta(&mut self) -> NodeId {
        match super::definition("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta") {
            Some(meta) => self.copy(&meta.graph, meta.root, &mut BTreeMap::new()),
            None => self.graph.add(super::ANYTHING.clone()),
        }
    }

    fn copy(&mut self, from: &Graph, id: NodeId, done: &mut BTreeMap<NodeId, NodeId>) -> NodeId {
        if let Some(copy) = done.get(&id) {
            return *copy;
        }
        let place = self.graph.add(from.node(id).clone());
        done.insert(id, place);
        let mut shape = from.node(id).shape.clone();
        match &mut shape {
            Shape::List { element, .. } => *element = self.copy(from, *element, done),
            Shape::Object { fields, values, .. } => {
                for field in fields.values_mut() {
                    field.node = self.copy(from, field.node, done);
                }
                *values = values.map(|values| self.copy(from, values, done));
            }
            Shape::Any | Shape::Scalar(_) => {}
        }
        if let Some(node) = self.graph.nodes.get_mut(place) {
            node.shape = shape;
        }
        place
    }

    /// The value rules of a schema; `None` when it has none.
    fn rules(&mut self, map: &Map, path: &str) -> Result<Option<Rules>, SchemaError> {
        const NAMES: [&str; 19] = [
            "format",
            "enum",
            "minimum",
            "maximum",
            "multipleOf",
            "minLength",
            "maxLength",
            "pattern",
            "minItems",
            "maxItems",
            "uniqueItems",
            "minProperties",
            "maxProperties",
            "allOf",
            "anyOf",
            "oneOf",
            "not",
            "description",
            "title",
        ];
        if !NAMES.iter().any(|name| map.contains_key(name)) {
            return Ok(None);
        }
        let flag = |name: &str| map.get(name).and_then(Value::as_bool).unwrap_or(false);
        let text = |name: &str| map.get(name).and_then(Value::as_str).map(str::to_owned);
        let count = |name: &str| map.get(name).and_then(Value::as_u64);
        let number = |name: &str| map.get(name).and_then(Value::as_f64);
        let pattern = match text("pattern") {
            Some(pattern) => {
                let compiled = compile(&pattern).map_err(|reason| SchemaError {
                    path: format!("{path}.pattern"),
                    reason,
                })?;
                Some((pattern, compiled))
            }
            None => None,
        };
        Ok(Some(Rules {
            format: text("format"),
            allowed: map
                .get("enum")
                .and_then(Value::as_array)
                .map_or_else(Vec::new, |allowed| allowed.to_vec()),
            minimum: number("minimum").map(|bound| (bound, flag("exclusiveMinimum"))),
            maximum: number("maximum").map(|bound| (bound, flag("exclusiveMaximum"))),
            multiple_of: number("multipleOf"),
            min_length: count("minLength"),
            max_length: count("maxLength"),
            pattern,
            min_items: count("minItems"),
            max_items: count("maxItems"),
            unique_items: flag("uniqueItems"),
            min_properties: count("minProperties"),
            max_properties: count("maxProperties"),
            junctors: self.junctors(map, path)?,
            description: text("description"),
        }))
    }

    fn junctors(&mut self, map: &Map, path: &str) -> Result<Vec<Junctor>, SchemaError> {
        let mut out = Vec::new();
        let kinds = [
            ("allOf", JunctorKind::AllOf),
            ("anyOf", JunctorKind::AnyOf),
            ("oneOf", JunctorKind::OneOf),
            ("not", JunctorKind::Not),
        ];
        for (name, kind) in kinds {
            let members = match map.get(name) {
                Some(Value::Array(members)) => members.iter().collect(),
                Some(member @ Value::Object(_)) => vec![member],
                _ => continue,
            };
            let mut schemas = Vec::with_capacity(members.len());
            for (index, member) in members.into_iter().enumerate() {
                // A graph of its own: what is below a junctor says nothing about structure, so nothing else may refer to it.
                let mut reader = Reader::default();
                let root = reader.node(member, &format!("{path}.{name}[{index}]"), false)?;
                schemas.push(Schema {
                    graph: Arc::new(reader.graph),
                    root,
                });
            }
            out.push(Junctor { kind, members: schemas });
        }
        Ok(out)
    }
}

fn string_format(map: &Map) -> Scalar {
    match map.get("format").and_then(Value::as_str) {
        Some("date-time") => Scalar::Time,
        Some("byte") => Scalar::Bytes,
        _ => Scalar::String,
    }
}

fn strings(value: Option<&Value>) -> Vec<String> {
    value
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// Compiles a pattern with a bound on its compiled size. The API server's patterns are Go's, whose syntax is close to that of the
/// regex crate.
fn compile(pattern: &str) -> Result<regex::Regex, String> {
    if pattern.len() > MAX_PATTERN {
        return Err("Too long: the pattern".to_owned());
    }
    regex::RegexBuilder::new(pattern)
        .size_limit(MAX_PATTERN * 256)
        .build()
        .map_err(|_| format!("Invalid value: {pattern:?}: must be a valid regular expression, but isn't"))
}
