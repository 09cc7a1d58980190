//! The state machine behind [`super::load_documents`]: a stack of open collections and the anchors seen so far.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use serde_json::{Map, Value};
use serde_saphyr::granit_parser::{Event, ScalarStyle, Tag};

use crate::compose::{Document, StringEntry};
use crate::diff::{FieldPath, Segment};
use crate::error::{Error, Reason, Warning, WarningKind, shown_key};
use crate::options::{Booleans, DuplicateKeys, Options};
use crate::resolve::{self, Plain};

type Place = (usize, usize);

/// A finished node with what it costs to copy it.
#[derive(Debug, Clone)]
struct Node {
    value: Value,
    /// True for a plain `<<`, which is a merge key when it stands in the place of a key.
    merge: bool,
    /// What it is as a key, where that is not the value's own text.
    key: Option<String>,
    /// Source text, kept only for flat maps.
    source: Option<String>,
    cost: Cost,
}

#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    nodes: usize,
    bytes: usize,
    depth: usize,
}

impl Cost {
    fn add_child(&mut self, child: Cost) {
        self.nodes += child.nodes;
        self.bytes += child.bytes;
        self.depth = self.depth.max(child.depth + 1);
    }
}

/// What the next node of an open mapping is.
#[derive(Debug)]
enum Expect {
    Key,
    Value { key: String, place: Place },
    Merge { place: Place },
}

#[derive(Debug)]
struct MapFrame {
    map: Map<String, Value>,
    /// Line of each plain key.
    lines: BTreeMap<String, usize>,
    expect: Expect,
    entries: BTreeMap<String, StringEntry>,
}

#[derive(Debug)]
enum Kind {
    Seq(Vec<Value>),
    Map(MapFrame),
}

#[derive(Debug)]
struct Frame {
    kind: Kind,
    anchor: usize,
    /// Local tag that is kept.
    tag: Option<String>,
    cost: Cost,
}

pub(super) struct Builder<'o> {
    options: &'o Options,
    keep_source: bool,
    stack: Vec<Frame>,
    anchors: BTreeMap<usize, Node>,
    root: Option<Node>,
    entries: BTreeMap<String, StringEntry>,
    line: usize,
    warnings: Vec<Warning>,
    warned: usize,
    spent: Cost,
}

impl<'o> Builder<'o> {
    pub(super) fn new(options: &'o Options) -> Self {
        Self {
            options,
            keep_source: false,
            stack: Vec::new(),
            anchors: BTreeMap::new(),
            root: None,
            entries: BTreeMap::new(),
            line: 0,
            warnings: Vec::new(),
            warned: 0,
            spent: Cost::default(),
        }
    }

    /// Reads a flat map of scalars; anything else is refused.
    pub(super) fn keep_source_text(&mut self) {
        self.keep_source = true;
    }

    pub(super) fn has_content(&self) -> bool {
        self.root.as_ref().is_some_and(|node| !node.value.is_null())
    }

    pub(super) fn take_document(&mut self) -> Document {
        Document {
            value: self.root.take().map_or(Value::Null, |node| node.value),
            line: self.line,
            warnings: std::mem::take(&mut self.warnings),
        }
    }

    pub(super) fn take_entries(&mut self) -> BTreeMap<String, StringEntry> {
        std::mem::take(&mut self.entries)
    }

    /// Takes one event; true when it ends a document.
    pub(super) fn event(&mut self, event: Event<'_>, place: Place) -> Result<bool, Error> {
        match event {
            Event::DocumentStart(..) => {
                self.root = None;
                self.line = 0;
                self.warnings.clear();
                self.entries.clear();
                self.anchors.clear();
            }
            Event::DocumentEnd => return Ok(true),
            Event::Scalar(text, style, anchor, tag) => {
                let mut node = self.scalar(text, style, tag.as_deref(), place)?;
                node.cost = Cost {
                    nodes: 1,
                    bytes: node.cost.bytes,
                    depth: 1,
                };
                self.finish(node, anchor, place)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                let tag = self.local_tag(tag.as_deref(), place);
                self.open(Kind::Seq(Vec::new()), anchor, tag, place)?;
            }
            Event::MappingStart(_, anchor, tag) => {
                let tag = self.local_tag(tag.as_deref(), place);
                let frame = MapFrame {
                    map: Map::new(),
                    lines: BTreeMap::new(),
                    expect: Expect::Key,
                    entries: BTreeMap::new(),
                };
                self.open(Kind::Map(frame), anchor, tag, place)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(place)?,
            Event::Alias(id) => {
                let Some(node) = self.anchors.get(&id).cloned() else {
                    return Err(Error::new(place, Reason::RecursiveAlias));
                };
                self.finish(node, 0, place)?;
            }
            _ => {}
        }
        Ok(false)
    }

    fn open(&mut self, kind: Kind, anchor: usize, tag: Option<String>, place: Place) -> Result<(), Error> {
        if self.line == 0 {
            self.line = place.0;
        }
        if self.keep_source && (!self.stack.is_empty() || matches!(kind, Kind::Seq(_))) {
            let expected = "a flat map from names to scalars";
            return Err(Error::new(place, Reason::Shape { expected }));
        }
        if self.stack.len() >= self.options.limits.depth {
            return Err(self.limit(place, "nested too deeply", self.options.limits.depth));
        }
        self.stack.push(Frame {
            kind,
            anchor,
            tag,
            cost: Cost {
                nodes: 1,
                bytes: 0,
                depth: 1,
            },
        });
        Ok(())
    }

    fn close(&mut self, place: Place) -> Result<(), Error> {
        let Some(frame) = self.stack.pop() else {
            return Ok(());
        };
        let value = match frame.kind {
            Kind::Seq(items) => Value::Array(items),
            Kind::Map(map) => {
                self.entries = map.entries;
                Value::Object(map.map)
            }
        };
        let node = Node {
            value: tagged(frame.tag, value),
            merge: false,
            key: None,
            source: None,
            cost: frame.cost,
        };
        self.finish_closed(node, frame.anchor, place)
    }

    /// Registers the anchor of a node and puts the node where it belongs.
    fn finish(&mut self, node: Node, anchor: usize, place: Place) -> Result<(), Error> {
        if self.line == 0 {
            self.line = place.0;
        }
        self.spend(node.cost, place)?;
        if self.stack.len() + node.cost.depth > self.options.limits.depth + 1 {
            return Err(self.limit(place, "nested too deeply", self.options.limits.depth));
        }
        self.finish_closed(node, anchor, place)
    }

    /// The same for a node whose parts have been paid for.
    fn finish_closed(&mut self, node: Node, anchor: usize, place: Place) -> Result<(), Error> {
        if anchor != 0 {
            self.spend(node.cost, place)?;
            self.anchors.insert(anchor, node.clone());
        }
        let Some(mut frame) = self.stack.pop() else {
            self.root = Some(node);
            return Ok(());
        };
        frame.cost.add_child(node.cost);
        let result = match &mut frame.kind {
            Kind::Seq(items) => {
                items.push(node.value);
                Ok(())
            }
            Kind::Map(map) => self.put(map, node, place),
        };
        self.stack.push(frame);
        result
    }

    fn put(&mut self, frame: &mut MapFrame, node: Node, place: Place) -> Result<(), Error> {
        match std::mem::replace(&mut frame.expect, Expect::Key) {
            Expect::Key if node.merge => frame.expect = Expect::Merge { place },
            Expect::Key => {
                let key = match node.key {
                    Some(key) => key,
                    None => key_text(node.value).map_err(|reason| Error::new(place, reason))?,
                };
                frame.expect = Expect::Value { key, place };
            }
            Expect::Merge { place: at } => self.merge(frame, node.value, at)?,
            Expect::Value { key, place: at } => {
                if let Some(&first_line) = frame.lines.get(&key) {
                    self.duplicate(&key, first_line, at)?;
                } else {
                    frame.lines.insert(key.clone(), at.0);
                }
                if let Some(source) = node.source {
                    let entry = StringEntry {
                        value: source,
                        line: place.0,
                    };
                    frame.entries.insert(key.clone(), entry);
                }
                frame.map.insert(key, node.value);
            }
        }
        Ok(())
    }

    fn duplicate(&mut self, key: &str, first_line: usize, place: Place) -> Result<(), Error> {
        let key = shown_key(key);
        if self.options.duplicate_keys == DuplicateKeys::Refuse {
            return Err(Error::new(place, Reason::DuplicateKey { key, first_line }));
        }
        self.warn(place, WarningKind::DuplicateKey { key, first_line });
        Ok(())
    }

    /// Merges a mapping, or a list of mappings of which earlier ones win. As in kubectl's reader a merge is an assignment in its place:
    /// it wins over what stands before it and loses to what follows.
    fn merge(&mut self, frame: &mut MapFrame, value: Value, place: Place) -> Result<(), Error> {
        let sources = match value {
            Value::Object(map) => vec![Value::Object(map)],
            Value::Array(items) => items,
            _ => return Err(Error::new(place, Reason::Merge)),
        };
        for source in sources.into_iter().rev() {
            let Value::Object(map) = source else {
                return Err(Error::new(place, Reason::Merge));
            };
            for (key, value) in map {
                if let Some(&first_line) = frame.lines.get(&key) {
                    let key = shown_key(&key);
                    if self.options.duplicate_keys == DuplicateKeys::Refuse {
                        return Err(Error::new(place, Reason::DuplicateKey { key, first_line }));
                    }
                    self.warn(place, WarningKind::MergeAfterKey { key });
                }
                frame.map.insert(key, value);
            }
        }
        Ok(())
    }

    fn scalar(
        &mut self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        tag: Option<&Tag>,
        place: Place,
    ) -> Result<Node, Error> {
        let cost = Cost {
            bytes: text.len(),
            ..Cost::default()
        };
        let mut node = Node {
            value: Value::Null,
            merge: false,
            key: None,
            source: self.keep_source.then(|| text.to_string()),
            cost,
        };
        match tag.and_then(core) {
            Some("str") => node.value = Value::String(text.into_owned()),
            Some(suffix @ ("int" | "float" | "bool" | "null")) => {
                let known = ["int", "float", "bool", "null"].into_iter().find(|k| *k == suffix);
                let mismatch = || Error::new(place, Reason::TagMismatch(known.unwrap_or("of the core schema")));
                node.value = resolve::tagged(suffix, &text).ok_or_else(mismatch)?;
            }
            Some("binary") => node.value = Value::String(binary(&text, place)?),
            _ if style == ScalarStyle::Plain && tag.is_none() => {
                node = self.plain(text, node, place)?;
            }
            _ => {
                let tag = self.local_tag(tag, place);
                node.value = tagged(tag, Value::String(text.into_owned()));
            }
        }
        if node.value.is_null()
            && let Some(source) = &mut node.source
        {
            source.clear();
        }
        Ok(node)
    }

    /// True when the next node is the key of a mapping.
    fn awaits_key(&self) -> bool {
        let kind = self.stack.last().map(|frame| &frame.kind);
        matches!(kind, Some(Kind::Map(map)) if matches!(map.expect, Expect::Key))
    }

    fn plain(&mut self, text: Cow<'_, str>, mut node: Node, place: Place) -> Result<Node, Error> {
        if self.awaits_key() {
            node.key = resolve::float_key(&text);
        }
        node.value = match resolve::plain(&text) {
            Plain::Null => Value::Null,
            Plain::Bool(value) => Value::Bool(value),
            Plain::LegacyBool(value, word) if self.options.booleans == Booleans::Legacy => {
                if !self.keep_source {
                    self.warn(place, WarningKind::LegacyBoolean { word, value });
                }
                Value::Bool(value)
            }
            Plain::Number(number) => Value::Number(number),
            Plain::NotFinite if !self.keep_source && node.key.is_none() => {
                return Err(Error::new(place, Reason::NotFinite));
            }
            Plain::Merge => {
                node.merge = true;
                Value::String(text.into_owned())
            }
            Plain::LegacyBool(..) | Plain::Text | Plain::NotFinite => Value::String(text.into_owned()),
        };
        Ok(node)
    }

    /// The local tag that the options keep. Otherwise tags of collections and of local kinds carry no meaning for JSON.
    fn local_tag(&mut self, tag: Option<&Tag>, place: Place) -> Option<String> {
        let tag = tag?;
        let harmless = matches!(core(tag), Some("map" | "seq" | "str" | "timestamp" | "set" | "omap"));
        let original = tag.original();
        if harmless || original == "!" {
            return None;
        }
        if self.options.keep_local_tags {
            return Some(original);
        }
        let tag = shown_key(&original);
        self.warn(place, WarningKind::IgnoredTag { tag });
        None
    }

    fn warn(&mut self, place: Place, kind: WarningKind) {
        if self.warned < self.options.limits.warnings {
            self.warned += 1;
            let path = self.path();
            self.warnings.push(Warning {
                line: place.0,
                column: place.1,
                path,
                kind,
            });
        }
    }

    /// Path of the innermost open collection; the frame being filled is off the stack while it takes a child.
    fn path(&self) -> FieldPath {
        let mut path = FieldPath::default();
        for frame in &self.stack {
            match &frame.kind {
                Kind::Seq(items) => path.push(Segment::Index(items.len())),
                Kind::Map(map) => {
                    if let Expect::Value { key, .. } = &map.expect {
                        path.push(Segment::Field(shown_key(key)));
                    }
                }
            }
        }
        path
    }

    fn spend(&mut self, cost: Cost, place: Place) -> Result<(), Error> {
        let limits = self.options.limits;
        self.spent.nodes = self.spent.nodes.saturating_add(cost.nodes);
        self.spent.bytes = self.spent.bytes.saturating_add(cost.bytes);
        if self.spent.nodes > limits.nodes {
            return Err(self.limit(place, "too many nodes, aliases expanded", limits.nodes));
        }
        if self.spent.bytes > limits.scalar_bytes {
            return Err(self.limit(place, "too much text, aliases expanded (bytes)", limits.scalar_bytes));
        }
        Ok(())
    }

    fn limit(&self, place: Place, what: &'static str, limit: usize) -> Error {
        Error::new(place, Reason::Limit { what, limit })
    }
}

/// The value under its local tag.
fn tagged(tag: Option<String>, value: Value) -> Value {
    match tag {
        Some(tag) => Value::Object(Map::from_iter([(tag, value)])),
        None => value,
    }
}

/// Suffix of a tag of YAML's own namespace, which also holds the kinds that YAML 1.2 dropped.
fn core(tag: &Tag) -> Option<&str> {
    tag.core_suffix()
        .or_else(|| (tag.handle() == "tag:yaml.org,2002:").then(|| tag.suffix()))
}

/// Text of a key: integers and booleans as JSON prints them, as kubectl's conversion to JSON does. It refuses null as well: an empty
/// key is what is left of a template that printed nothing.
fn key_text(value: Value) -> Result<String, Reason> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Null => Err(Reason::NullKey),
        Value::Array(_) | Value::Object(_) => Err(Reason::ComplexKey),
    }
}

fn binary(text: &str, place: Place) -> Result<String, Error> {
    let packed: String = text.split_ascii_whitespace().collect();
    base64::engine::general_purpose::STANDARD
        .decode(packed)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| Error::new(place, Reason::TagMismatch("binary")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{Options, load_value};

    #[test]
    fn local_tags_are_kept_where_the_options_say_so() {
        let text = "a: !Ref B\nb: !Join ['-', [x, !Sub '${y}']]\nc: !If {z: !Not [1]}\n";
        let kept = load_value(text, &Options::templates()).unwrap();
        let expected = json!({
            "a": {"!Ref": "B"},
            "b": {"!Join": ["-", ["x", {"!Sub": "${y}"}]]},
            "c": {"!If": {"z": {"!Not": [1]}}},
        });
        assert_eq!(kept.value, expected);
        assert!(kept.warnings.is_empty());
        let lost = load_value(text, &Options::manifests()).unwrap();
        assert_eq!(lost.value["a"], json!("B"));
        assert_eq!(lost.warnings.len(), 5);
    }
}
