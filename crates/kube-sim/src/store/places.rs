//! Where the parts of an object are in its bytes, so that a change of one part leaves the others unread.

use std::cell::RefCell;

use bytes::Bytes;
use json_tree::Value;
use serde::Deserialize;
use serde_json::value::RawValue;

thread_local! {
    /// Memory to write in; what is in it has no meaning.
    static DESK: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// More memory than this is not kept for the next one.
const DESK_KEPT: usize = 256 * 1024;

/// Lets something be written, and returns it in memory of just its size.
pub(crate) fn written<T>(write: impl FnOnce(&mut Vec<u8>) -> T) -> (Bytes, T) {
    let mut desk = DESK.take();
    desk.clear();
    let told = write(&mut desk);
    let bytes = Bytes::copy_from_slice(&desk);
    if desk.capacity() <= DESK_KEPT {
        DESK.set(desk);
    }
    (bytes, told)
}

/// A piece of the bytes; an empty one stands for nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span(u32, u32);

impl Span {
    pub(super) fn new(from: usize, to: usize) -> Self {
        match (u32::try_from(from), u32::try_from(to)) {
            (Ok(from), Ok(to)) => Self(from, to),
            _ => Self::default(),
        }
    }

    pub(super) fn from(self) -> usize {
        self.0 as usize
    }

    pub(super) fn to(self) -> usize {
        self.1 as usize
    }

    /// The piece itself; none if it is empty.
    pub(super) fn of(self, bytes: &[u8]) -> Option<&[u8]> {
        bytes.get(self.from()..self.to()).filter(|piece| !piece.is_empty())
    }
}

/// The places of the parts of an object that are read or replaced in place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// The labels; they are read in place, which costs less than keeping them twice.
    pub(super) labels: Span,
    /// The object's own version, with its quotes.
    pub(super) version: Span,
    pub(super) status: Span,
    /// `apiVersion` and `kind`, each with the comma after it; lists leave them out of their items.
    pub(super) type_meta: [Span; 2],
}

/// The parts of an object, unread.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Parts<'a> {
    #[serde(borrow)]
    api_version: Option<&'a RawValue>,
    #[serde(borrow)]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
}

/// The parts of the metadata, unread.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow)]
    labels: Option<&'a RawValue>,
    #[serde(borrow)]
    resource_version: Option<&'a RawValue>,
}

impl Places {
    /// The places in an object that is written already, canonically.
    pub(super) fn find(bytes: &[u8]) -> Self {
        let parts: Parts<'_> = serde_json::from_slice(bytes).unwrap_or_default();
        let metadata = parts.metadata.and_then(|raw| serde_json::from_str(raw.get()).ok());
        let metadata: Metadata<'_> = metadata.unwrap_or_default();
        let span = |part: Option<&RawValue>| {
            part.map_or_else(Span::default, |part| {
                let from = (part.get().as_ptr() as usize).saturating_sub(bytes.as_ptr() as usize);
                Span::new(from, from + part.get().len())
            })
        };
        // From the quote before the name to the comma behind the value.
        let member = |name: &str, part: Option<&RawValue>| {
            let value = span(part);
            let whole = Span::new(value.from().saturating_sub(name.len() + 3), value.to() + 1);
            let is_last = whole.to() == bytes.len();
            if part.is_none() || is_last {
                Span::default()
            } else {
                whole
            }
        };
        let first = member("apiVersion", parts.api_version);
        let second = member("kind", parts.kind);
        Self {
            labels: span(metadata.labels),
            version: span(metadata.resource_version),
            status: span(parts.status),
            type_meta: [
                first,
                if second.to() == 0 {
                    Span(first.1, first.1)
                } else {
                    second
                },
            ],
        }
    }
}

/// Writes an object canonically and tells where its parts are.
pub(super) fn write(value: &Value) -> (Bytes, Places) {
    written(|out| write_to(out, value))
}

fn write_to(out: &mut Vec<u8>, value: &Value) -> Places {
    let mut places = Places::default();
    let Value::Object(map) = value else {
        put(out, value);
        return places;
    };
    out.push(b'{');
    let mut left = map.len();
    for (key, member) in map {
        left -= 1;
        let start = out.len();
        name(out, key);
        let from = out.len();
        if key == "metadata" {
            metadata(out, member, &mut places);
        } else {
            put(out, member);
        }
        let to = out.len();
        match key.as_str() {
            "apiVersion" if left > 0 => places.type_meta[0] = Span::new(start, to + 1),
            "kind" if left > 0 => places.type_meta[1] = Span::new(start, to + 1),
            "status" if !member.is_null() => places.status = Span::new(from, to),
            _ => {}
        }
        if left > 0 {
            out.push(b',');
        }
    }
    out.push(b'}');
    let [first, second] = &mut places.type_meta;
    if second.to() == 0 {
        // Without a kind nothing is left out at its place: the piece between begins and ends after the first.
        *second = Span(first.1, first.1);
    }
    places
}

fn metadata(out: &mut Vec<u8>, value: &Value, places: &mut Places) {
    let Value::Object(map) = value else {
        put(out, value);
        return;
    };
    out.push(b'{');
    let mut left = map.len();
    for (key, member) in map {
        left -= 1;
        name(out, key);
        let from = out.len();
        put(out, member);
        match key.as_str() {
            _ if member.is_null() => {}
            "labels" => places.labels = Span::new(from, out.len()),
            "resourceVersion" => places.version = Span::new(from, out.len()),
            _ => {}
        }
        if left > 0 {
            out.push(b',');
        }
    }
    out.push(b'}');
}

fn name(out: &mut Vec<u8>, key: &str) {
    // Texts always serialise.
    let _ = serde_json::to_writer(&mut *out, key);
    out.push(b':');
}

fn put(out: &mut Vec<u8>, value: &Value) {
    // A tree of JSON values always serialises: its keys are texts.
    let _ = serde_json::to_writer(&mut *out, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use json_tree::json;

    #[test]
    fn parts_are_where_they_are_said_to_be() {
        let object = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"status": 1}, "status": {"phase": "x"},
            "metadata": {"annotations": {"labels": "a"}, "labels": {"b": "c"}, "resourceVersion": "7"}, "type": "t"});
        let (bytes, places) = write(&object);
        assert_eq!(bytes, serde_json::to_vec(&object).unwrap());
        let part = |span: Span| span.of(&bytes).map(|piece| std::str::from_utf8(piece).unwrap());
        assert_eq!(part(places.labels), Some(r#"{"b":"c"}"#));
        assert_eq!(part(places.version), Some(r#""7""#));
        assert_eq!(part(places.status), Some(r#"{"phase":"x"}"#));
        assert_eq!(part(places.type_meta[1]), Some(r#""kind":"Pod","#));
        assert_eq!(Places::find(&bytes), places);
        for other in [json!({}), json!({"metadata": 1}), json!([1]), json!({"kind": "A"})] {
            let (bytes, places) = write(&other);
            assert_eq!(bytes, serde_json::to_vec(&other).unwrap());
            assert_eq!(places, Places::default(), "{other}");
            assert_eq!(Places::find(&bytes), places, "{other}");
        }
        for other in [
            json!({"apiVersion": "v1", "kind": "A", "metadata": {"labels": null}, "status": null}),
            json!({"apiVersion": "v1", "metadata": {"resourceVersion": "1"}}),
            json!({"apiVersion": "v1"}),
            json!({"apiVersion": "v1", "kind": "A"}),
            json!({"kind": "\"kind\":\"A\",", "spec": {"metadata": {"labels": {}}}}),
        ] {
            let (bytes, places) = write(&other);
            assert_eq!(Places::find(&bytes), places, "{other}");
        }
    }
}
