//! Reads the compact table of built-in types, `data/types.txt`. Its head explains the format.

use std::collections::BTreeMap;
use std::sync::Arc;

use json_tree::Value;

use super::{Field, Graph, ListKey, ListKind, Node, NodeId, Scalar, Shape, Strategic};

/// The table as checked in.
pub(super) const TEXT: &str = include_str!("../../data/types.txt");

/// Group, version and kind of a type.
pub(super) type GroupVersionKind = (String, String, String);

/// The graph of all built-in types.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) graph: Graph,
    pub(super) names: BTreeMap<String, NodeId>,
    pub(super) kinds: BTreeMap<GroupVersionKind, NodeId>,
    /// Scalars and other nodes without a field of their own, by their notation.
    shared: BTreeMap<String, NodeId>,
}

/// Package paths that the table leaves out, and what stands for them.
const PACKAGES: [(&str, &str); 3] = [
    ("meta.", "io.k8s.apimachinery.pkg.apis.meta."),
    (
        "apiextensions.",
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.",
    ),
    ("apiregistration.", "io.k8s.kube-aggregator.pkg.apis.apiregistration."),
];

/// The full name behind a short one.
pub(super) fn full_name(short: &str) -> String {
    for (prefix, package) in PACKAGES {
        if let Some(rest) = short.strip_prefix(prefix) {
            return format!("{package}{rest}");
        }
    }
    format!("io.k8s.api.{short}")
}

impl Table {
    /// Parses a table. Lines that make no sense are left out; the crate's tests hold the checked-in table to the crate
    /// k8s-openapi, so that none is.
    pub(super) fn parse(text: &str) -> Self {
        let mut table = Self::default();
        let lines = || text.lines().filter(|line| !line.starts_with('#'));
        // All types get their place first: they refer to each other in any order, and to themselves.
        for line in lines().filter(|line| !line.starts_with(' ')) {
            table.declare(line);
        }
        let mut current: Option<NodeId> = None;
        for line in lines() {
            match line.strip_prefix(' ') {
                None => current = line.split(' ').next().and_then(|name| table.names.get(name)).copied(),
                Some(field) => {
                    if let Some(id) = current {
                        table.field(id, field);
                    }
                }
            }
        }
        table.keys();
        table
    }

    fn declare(&mut self, line: &str) {
        let mut words = line.split(' ');
        let Some(name) = words.next() else { return };
        let mut node = Node::plain(Shape::Object {
            fields: BTreeMap::new(),
            required: Vec::new(),
            values: None,
        });
        node.name = Some(Arc::from(full_name(name)));
        let mut gvk = None;
        for word in words {
            if word == "@a" {
                node.atomic = true;
            } else if let [group, version, kind] = word.split('/').collect::<Vec<_>>()[..] {
                gvk = Some((group.to_owned(), version.to_owned(), kind.to_owned()));
            }
        }
        let id = self.graph.add(node);
        self.names.insert(name.to_owned(), id);
        if let Some(gvk) = gvk {
            self.kinds.insert(gvk, id);
        }
    }

    fn field(&mut self, owner: NodeId, line: &str) {
        let mut words = line.split(' ');
        let (Some(name), Some(notation)) = (words.next(), words.next()) else {
            return;
        };
        let mut kind = ListKind::Atomic;
        let mut field = Field {
            node: 0,
            default: None,
            atomic: false,
            strategic: Strategic::default(),
        };
        let mut must = false;
        for flag in words {
            if flag == "!" {
                must = true;
            } else if flag == "@a" {
                field.atomic = true;
            } else if flag == "@s" {
                kind = ListKind::Set;
            } else if let Some(keys) = flag.strip_prefix("@m:") {
                let key = |name: &str| ListKey {
                    name: name.to_owned(),
                    default: None,
                };
                kind = ListKind::Map(keys.split(',').map(key).collect());
            } else if let Some(json) = flag.strip_prefix('=') {
                field.default = serde_json::from_str::<Value>(json).ok();
            } else if flag == "pr" {
                field.strategic.replace = true;
            } else if flag == "r" {
                field.strategic.retain_keys = true;
            } else if flag == "p" {
                field.strategic.merge = true;
            } else if let Some(key) = flag.strip_prefix("p:") {
                field.strategic.merge = true;
                field.strategic.key = Some(key.to_owned());
            }
        }
        field.node = self.node_of(notation, kind);
        if let Some(Node {
            shape: Shape::Object { fields, required, .. },
            ..
        }) = self.graph.nodes.get_mut(owner)
        {
            fields.insert(name.to_owned(), field);
            if must {
                required.push(name.to_owned());
            }
        }
    }

    /// The node behind a notation; lists that are not atomic get a node of their own.
    fn node_of(&mut self, notation: &str, kind: ListKind) -> NodeId {
        if let Some(id) = self.names.get(notation) {
            return *id;
        }
        let private = kind != ListKind::Atomic;
        if !private && let Some(id) = self.shared.get(notation) {
            return *id;
        }
        let shape = if let Some(element) = notation.strip_prefix('[') {
            Shape::List {
                element: self.node_of(element, ListKind::Atomic),
                kind,
            }
        } else if let Some(value) = notation.strip_prefix('{') {
            let values = Some(self.node_of(value, ListKind::Atomic));
            Shape::Object {
                fields: BTreeMap::new(),
                required: Vec::new(),
                values,
            }
        } else {
            scalar(notation).map_or(Shape::Any, Shape::Scalar)
        };
        let id = self.graph.add(Node::plain(shape));
        if !private {
            self.shared.insert(notation.to_owned(), id);
        }
        id
    }

    /// Gives the keys of list maps the defaults that their fields have in the items.
    fn keys(&mut self) {
        let mut found = Vec::new();
        for (id, node) in self.graph.nodes.iter().enumerate() {
            let Shape::List {
                element,
                kind: ListKind::Map(keys),
            } = &node.shape
            else {
                continue;
            };
            let Some(Node {
                shape: Shape::Object { fields, .. },
                ..
            }) = self.graph.nodes.get(*element)
            else {
                continue;
            };
            let with_default = |key: &ListKey| ListKey {
                name: key.name.clone(),
                default: fields.get(&key.name).and_then(|field| field.default.clone()),
            };
            found.push((id, keys.iter().map(with_default).collect::<Vec<_>>()));
        }
        for (id, keys) in found {
            if let Some(Node {
                shape: Shape::List { kind, .. },
                ..
            }) = self.graph.nodes.get_mut(id)
            {
                *kind = ListKind::Map(keys);
            }
        }
    }
}

fn scalar(notation: &str) -> Option<Scalar> {
    Some(match notation {
        "s" => Scalar::String,
        "i" => Scalar::Int32,
        "l" => Scalar::Integer,
        "n" => Scalar::Number,
        "b" => Scalar::Boolean,
        "x" => Scalar::IntOrString,
        "q" => Scalar::Quantity,
        "t" => Scalar::Time,
        "y" => Scalar::Bytes,
        _ => return None,
    })
}
