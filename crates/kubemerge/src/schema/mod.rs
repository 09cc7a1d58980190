//! One description of structure for built-in types and custom resources.
//!
//! A [`Schema`] is a graph of types with a root. Code walks it with [`TypeRef`], a small copyable view of one type. The same
//! graph carries what server-side apply needs (list types and their keys), what strategic merge needs ([`Strategic`]; its keys
//! differ from those of server-side apply in places) and what validation needs.

pub mod builtin;
mod crd;
mod structural;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;

use json_tree::Value;

use crate::limits;

pub use builtin::{builtin, builtin_kinds, definition};
pub use crd::{SchemaError, from_crd};

/// Place of a node in its graph.
pub(crate) type NodeId = usize;

/// All types that can be reached from the roots of one table or one custom resource.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
}

/// Stands in for a node that is not there, which only a fault in this crate could bring about: anything goes.
static ANYTHING: Node = Node {
    name: None,
    shape: Shape::Any,
    atomic: false,
    preserve_unknown: true,
    embedded: false,
    nullable: true,
    default: None,
    rules: None,
};

static NOTHING: Graph = Graph { nodes: Vec::new() };

/// See [`Schema::zero_object`]. Only built-in types have marked structs, none of which contains itself.
fn zero(at: TypeRef<'_>, depth: usize) -> Value {
    let Shape::Object { fields, required, .. } = &at.node.shape else {
        return Value::Null;
    };
    let mut out = json_tree::Map::new();
    for (name, field) in fields {
        let always = field.default.as_ref().is_some_and(Value::is_object);
        let child = at.enter(field);
        if always && depth < limits::MAX_DEPTH {
            out.insert(name.clone(), zero(child, depth + 1));
        } else if at.name().is_some() && required.contains(name) {
            let value = match child.kind() {
                Kind::Scalar(Scalar::String) => Value::from(""),
                Kind::Scalar(Scalar::Boolean) => Value::from(false),
                Kind::Scalar(Scalar::Int32 | Scalar::Integer | Scalar::Number | Scalar::IntOrString) => Value::from(0),
                _ => Value::Null,
            };
            out.insert(name.clone(), value);
        }
    }
    Value::Object(out)
}

impl Graph {
    /// Adds a node and returns its place.
    pub(crate) fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        self.nodes.get(id).unwrap_or(&ANYTHING)
    }
}

/// One type.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) shape: Shape,
    /// The whole map or struct has one owner.
    pub(crate) atomic: bool,
    pub(crate) preserve_unknown: bool,
    pub(crate) embedded: bool,
    pub(crate) nullable: bool,
    pub(crate) default: Option<Value>,
    pub(crate) rules: Option<Box<Rules>>,
}

impl Node {
    /// A node of this shape with nothing special about it.
    pub(crate) fn plain(shape: Shape) -> Self {
        Self {
            name: None,
            shape,
            atomic: false,
            preserve_unknown: false,
            embedded: false,
            nullable: false,
            default: None,
            rules: None,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Shape {
    /// No type is known: maps are granular, lists atomic.
    Any,
    Scalar(Scalar),
    List {
        element: NodeId,
        kind: ListKind,
    },
    Object {
        fields: BTreeMap<String, Field>,
        required: Vec<String>,
        values: Option<NodeId>,
    },
}

/// A field of a struct.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) node: NodeId,
    /// Default that the type description gives. An empty map marks a struct that Go always writes.
    pub(crate) default: Option<Value>,
    /// Overrides the type: the field is atomic although its type is not.
    pub(crate) atomic: bool,
    pub(crate) strategic: Strategic,
}

/// Kinds of values without structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scalar {
    /// Text.
    String,
    /// A 32-bit integer.
    Int32,
    /// An integer of 64 bits, or of unstated width.
    Integer,
    /// A number with or without a fraction.
    Number,
    /// true or false.
    Boolean,
    /// An integer or text, such as a port or a percentage.
    IntOrString,
    /// A quantity such as `100m`: text, or a number.
    Quantity,
    /// An instant in RFC 3339.
    Time,
    /// Base64 of bytes.
    Bytes,
}

impl Scalar {
    /// The type's name in an OpenAPI document and in `kubectl explain`.
    #[must_use]
    pub fn openapi_type(self) -> &'static str {
        match self {
            Self::String | Self::Time | Self::Bytes | Self::Quantity | Self::IntOrString => "string",
            Self::Int32 | Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }

    /// The `format` beside the type in an OpenAPI document.
    #[must_use]
    pub fn openapi_format(self) -> Option<&'static str> {
        match self {
            Self::Int32 => Some("int32"),
            Self::Integer => Some("int64"),
            Self::Number => Some("double"),
            Self::IntOrString => Some("int-or-string"),
            Self::Time => Some("date-time"),
            Self::Bytes => Some("byte"),
            Self::String | Self::Boolean | Self::Quantity => None,
        }
    }
}

/// How server-side apply merges a list.
#[derive(Debug, Clone, PartialEq)]
pub enum ListKind {
    /// The whole list has one owner.
    Atomic,
    /// Each value is an item of its own.
    Set,
    /// Items are told apart by key fields.
    Map(Vec<ListKey>),
}

/// A key field of a list map.
#[derive(Debug, Clone, PartialEq)]
pub struct ListKey {
    /// Name of the field in the item.
    pub name: String,
    /// Value that counts when the item leaves the field out, such as `TCP` for the protocol of a port.
    pub default: Option<Value>,
}

/// How a strategic merge patch treats a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strategic {
    /// Lists merge item by item instead of being replaced.
    pub merge: bool,
    /// Key by which items merge; `None` with `merge` means a list of plain values.
    pub key: Option<String>,
    /// Maps are replaced as a whole.
    pub replace: bool,
    /// A diff writes `$retainKeys`.
    pub retain_keys: bool,
}

/// Value rules of a custom resource's schema.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// `format`.
    pub format: Option<String>,
    /// `enum`.
    pub allowed: Vec<Value>,
    /// `minimum` and whether it is exclusive.
    pub minimum: Option<(f64, bool)>,
    /// `maximum` and whether it is exclusive.
    pub maximum: Option<(f64, bool)>,
    /// `multipleOf`.
    pub multiple_of: Option<f64>,
    /// `minLength`.
    pub min_length: Option<u64>,
    /// `maxLength`.
    pub max_length: Option<u64>,
    /// `pattern` as written, and compiled.
    pub pattern: Option<(String, regex::Regex)>,
    /// `minItems`.
    pub min_items: Option<u64>,
    /// `maxItems`.
    pub max_items: Option<u64>,
    /// `uniqueItems`.
    pub unique_items: bool,
    /// `minProperties`.
    pub min_properties: Option<u64>,
    /// `maxProperties`.
    pub max_properties: Option<u64>,
    /// `allOf`, `anyOf`, `oneOf`, `not`: value rules only, as structural schemas allow no structure below them.
    pub junctors: Vec<Junctor>,
    /// `description`, for `kubectl explain`.
    pub description: Option<String>,
}

/// A combination of schemas that hold value rules.
#[derive(Debug, Clone)]
pub struct Junctor {
    /// Which combination.
    pub kind: JunctorKind,
    /// Its members.
    pub members: Vec<Schema>,
}

/// Which combination a [`Junctor`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JunctorKind {
    /// Every member holds.
    AllOf,
    /// At least one member holds.
    AnyOf,
    /// Exactly one member holds.
    OneOf,
    /// The member does not hold.
    Not,
}

/// The description of one kind. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Schema {
    pub(crate) graph: Arc<Graph>,
    pub(crate) root: NodeId,
}

impl Schema {
    /// A schema that knows nothing: maps merge, lists are atomic, no field is unknown. For objects whose type is not known.
    #[must_use]
    pub fn untyped() -> Self {
        let mut graph = Graph::default();
        let root = graph.add(ANYTHING.clone());
        Self {
            graph: Arc::new(graph),
            root,
        }
    }

    /// The view of a type that nothing is known about.
    pub(crate) fn untyped_root() -> TypeRef<'static> {
        TypeRef {
            graph: &NOTHING,
            node: &ANYTHING,
            atomic: false,
            default: None,
        }
    }

    /// What Go writes for an object of this kind with nothing set: structs that are no pointers, and zero values of fields
    /// that are always written. A new object's owner is found by comparing with it. Empty for custom resources.
    #[must_use]
    pub fn zero_object(&self) -> Value {
        zero(self.root(), 0)
    }

    /// The type of the whole object.
    #[must_use]
    pub fn root(&self) -> TypeRef<'_> {
        TypeRef {
            graph: &self.graph,
            node: self.graph.node(self.root),
            atomic: false,
            default: None,
        }
    }

    /// The type at a path of field names; list elements and map values are entered with an empty name or any index.
    #[must_use]
    pub fn at<'a>(&'a self, path: &[&str]) -> Option<TypeRef<'a>> {
        let mut here = self.root();
        for name in path {
            here = match here.kind() {
                Kind::List { .. } => here.element()?,
                _ => here.child(name)?,
            };
        }
        Some(here)
    }
}

/// A view of one type in a [`Schema`].
#[derive(Debug, Clone, Copy)]
pub struct TypeRef<'a> {
    graph: &'a Graph,
    pub(crate) node: &'a Node,
    atomic: bool,
    default: Option<&'a Value>,
}

/// What a [`TypeRef`] is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind<'a> {
    /// No type is known.
    Any,
    /// A value without structure.
    Scalar(Scalar),
    /// A list and how it merges.
    List {
        /// How server-side apply merges it.
        kind: &'a ListKind,
    },
    /// A struct (it has named fields) or a map from names to values.
    Object,
}

impl<'a> TypeRef<'a> {
    /// What it is.
    #[must_use]
    pub fn kind(self) -> Kind<'a> {
        match &self.node.shape {
            Shape::Any => Kind::Any,
            Shape::Scalar(scalar) => Kind::Scalar(*scalar),
            Shape::List { kind, .. } => Kind::List { kind },
            Shape::Object { .. } => Kind::Object,
        }
    }

    /// The type's name in the OpenAPI document, such as `io.k8s.api.core.v1.PodSpec`.
    #[must_use]
    pub fn name(self) -> Option<&'a str> {
        self.node.name.as_deref()
    }

    /// The whole map or struct has one owner.
    #[must_use]
    pub fn is_atomic(self) -> bool {
        self.atomic || self.node.atomic
    }

    /// Unknown fields are kept.
    #[must_use]
    pub fn preserves_unknown(self) -> bool {
        self.node.preserve_unknown
    }

    /// A complete object with apiVersion, kind and metadata of its own.
    #[must_use]
    pub fn is_embedded_resource(self) -> bool {
        self.node.embedded
    }

    /// `null` is a value of its own here.
    #[must_use]
    pub fn is_nullable(self) -> bool {
        self.node.nullable
    }

    /// The default of this place.
    #[must_use]
    pub fn default(self) -> Option<&'a Value> {
        self.default.or(self.node.default.as_ref())
    }

    /// The default that a custom resource's schema gives.
    pub(crate) fn own_default(self) -> Option<&'a Value> {
        self.node.default.as_ref()
    }

    /// The value rules, when there are any.
    #[must_use]
    pub fn rules(self) -> Option<&'a Rules> {
        self.node.rules.as_deref()
    }

    /// The named fields, sorted.
    pub fn fields(self) -> impl Iterator<Item = (&'a str, TypeRef<'a>)> {
        let fields = match &self.node.shape {
            Shape::Object { fields, .. } => Some(fields),
            _ => None,
        };
        fields
            .into_iter()
            .flatten()
            .map(move |(name, field)| (name.as_str(), self.enter(field)))
    }

    /// Whether it is a struct: it has named fields.
    #[must_use]
    pub fn is_struct(self) -> bool {
        matches!(&self.node.shape, Shape::Object { fields, .. } if !fields.is_empty())
    }

    /// The type of a named field.
    #[must_use]
    pub fn field(self, name: &str) -> Option<TypeRef<'a>> {
        match &self.node.shape {
            Shape::Object { fields, .. } => fields.get(name).map(|field| self.enter(field)),
            _ => None,
        }
    }

    /// The type of a map's values.
    #[must_use]
    pub fn values(self) -> Option<TypeRef<'a>> {
        match &self.node.shape {
            Shape::Object { values: Some(id), .. } => Some(self.go(*id)),
            Shape::Any => Some(self),
            Shape::Object { .. } if self.node.preserve_unknown => Some(TypeRef {
                node: &ANYTHING,
                atomic: false,
                default: None,
                ..self
            }),
            _ => None,
        }
    }

    /// The type behind a member of a map or struct: its named field, or else the type of values.
    #[must_use]
    pub fn child(self, name: &str) -> Option<TypeRef<'a>> {
        self.field(name).or_else(|| self.values())
    }

    /// The type of a list's items.
    #[must_use]
    pub fn element(self) -> Option<TypeRef<'a>> {
        match &self.node.shape {
            Shape::List { element, .. } => Some(self.go(*element)),
            Shape::Any => Some(self),
            _ => None,
        }
    }

    /// The names of fields that must be there.
    #[must_use]
    pub fn required(self) -> &'a [String] {
        match &self.node.shape {
            Shape::Object { required, .. } => required,
            _ => &[],
        }
    }

    /// How a strategic merge patch treats a field of this struct.
    #[must_use]
    pub fn strategic(self, field: &str) -> Option<&'a Strategic> {
        match &self.node.shape {
            Shape::Object { fields, .. } => fields.get(field).map(|field| &field.strategic),
            _ => None,
        }
    }

    fn go(self, id: NodeId) -> TypeRef<'a> {
        TypeRef {
            graph: self.graph,
            node: self.graph.node(id),
            atomic: false,
            default: None,
        }
    }

    fn enter(self, field: &'a Field) -> TypeRef<'a> {
        TypeRef {
            graph: self.graph,
            node: self.graph.node(field.node),
            atomic: field.atomic,
            default: field.default.as_ref(),
        }
    }
}
