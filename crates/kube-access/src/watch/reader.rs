//! What is kept of objects, and how it is read.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::lean::read_line;
use crate::list::{ListMeta, Page};
use crate::resource::meta;

/// What is kept of an object. It gets the whole object, or only its metadata, as [`WatchOptions::depth`] says.
///
/// [`WatchOptions::depth`]: super::WatchOptions::depth
pub type Project<T> = Arc<dyn Fn(&Value) -> T + Send + Sync>;

/// Reads objects of a kind straight from the text of lists and watches, for kinds of which there are many and that change often:
/// no tree is made of what is dropped at once. What is kept must not depend on which of the two ways it was read.
///
/// ```
/// use kube_access::watch::{Place, Reader};
/// use serde::Deserialize;
/// use serde_json::Value;
///
/// #[derive(Default, Deserialize)]
/// #[serde(default)]
/// struct ConfigMap<'a> {
///     #[serde(borrow)]
///     metadata: Metadata<'a>,
/// }
///
/// #[derive(Default, Deserialize)]
/// #[serde(default, rename_all = "camelCase")]
/// struct Metadata<'a> {
///     namespace: &'a str,
///     name: &'a str,
///     uid: &'a str,
///     resource_version: &'a str,
/// }
///
/// struct Uids;
///
/// impl Reader for Uids {
///     type Object<'a> = ConfigMap<'a>;
///     type Kept = String;
///
///     fn place<'o>(object: &'o ConfigMap<'_>) -> Place<'o> {
///         let Metadata { namespace, name, resource_version: version, .. } = object.metadata;
///         Place { namespace, name, version }
///     }
///
///     fn keep(object: ConfigMap<'_>) -> String {
///         object.metadata.uid.to_owned()
///     }
///
///     fn keep_tree(object: &Value) -> String {
///         object["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
///     }
/// }
/// ```
pub trait Reader: 'static {
    /// An object as far as it is read. A text that it cannot be read from is read as a tree: it need not know every shape.
    type Object<'a>: Deserialize<'a>;
    /// What is kept of it.
    type Kept: Send + 'static;

    /// Where the object is.
    fn place<'o>(object: &'o Self::Object<'_>) -> Place<'o>;

    /// What is kept of an object that was read from text.
    fn keep(object: Self::Object<'_>) -> Self::Kept;

    /// What is kept of an object of another shape, which was read as a tree.
    fn keep_tree(object: &Value) -> Self::Kept;
}

/// Which object it is, at which version; what is missing is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'o> {
    /// `metadata.namespace`.
    pub namespace: &'o str,
    /// `metadata.name`.
    pub name: &'o str,
    /// `metadata.resourceVersion`.
    pub version: &'o str,
}

/// What a line of a watch tells.
#[derive(Debug, PartialEq)]
pub(super) enum Line<T> {
    /// Something happened to an object.
    Of(Spot, Change<T>),
    /// The server cannot go on; this is its word.
    Error(Value),
}

/// A [`Place`] of its own.
#[derive(Debug, PartialEq)]
pub(super) struct Spot {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) version: String,
}

impl From<Place<'_>> for Spot {
    fn from(place: Place<'_>) -> Self {
        Self {
            namespace: place.namespace.to_owned(),
            name: place.name.to_owned(),
            version: place.version.to_owned(),
        }
    }
}

/// What happened to an object.
#[derive(Debug, PartialEq)]
pub(super) enum Change<T> {
    Applied(T),
    Deleted,
    /// Nothing: a bookmark, or a word that nobody knows.
    Nothing,
}

impl<T> Change<T> {
    fn of(kind: &str, kept: impl FnOnce() -> T) -> Self {
        match kind {
            "ADDED" | "MODIFIED" => Self::Applied(kept()),
            "DELETED" => Self::Deleted,
            _ => Self::Nothing,
        }
    }
}

/// A way to read objects.
pub(super) trait Keep<T>: Send + Sync {
    /// Reads a line of a watch. The members named in `skip` need not be read.
    fn line(&self, line: &[u8], skip: &'static [&'static str]) -> Result<Line<T>, serde_json::Error>;

    /// Reads a page of a list.
    fn page(&self, body: &[u8]) -> Result<(ListMeta, Vec<(Spot, T)>), serde_json::Error>;
}

/// By a function of the tree.
pub(super) struct Projected<T>(pub(super) Project<T>);

impl<T> Keep<T> for Projected<T> {
    fn line(&self, line: &[u8], skip: &'static [&'static str]) -> Result<Line<T>, serde_json::Error> {
        tree_line(line, skip, |object| (self.0)(object))
    }

    fn page(&self, body: &[u8]) -> Result<(ListMeta, Vec<(Spot, T)>), serde_json::Error> {
        tree_page(body, |object| (self.0)(object))
    }
}

/// Straight from the line where that is possible.
pub(super) struct Direct<R>(PhantomData<fn() -> R>);

impl<R> Direct<R> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "O: Deserialize<'de>"))]
struct DirectLine<'a, O> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    object: O,
}

impl<R: Reader> Keep<R::Kept> for Direct<R> {
    fn line(&self, line: &[u8], skip: &'static [&'static str]) -> Result<Line<R::Kept>, serde_json::Error> {
        match serde_json::from_slice::<DirectLine<'_, R::Object<'_>>>(line) {
            Ok(DirectLine { kind, object }) if kind != "ERROR" && !R::place(&object).version.is_empty() => {
                let spot = Spot::from(R::place(&object));
                Ok(Line::Of(spot, Change::of(&kind, || R::keep(object))))
            }
            // Errors of the server, what has no version, and whatever has another shape are read as any line.
            _ => tree_line(line, skip, R::keep_tree),
        }
    }

    fn page(&self, body: &[u8]) -> Result<(ListMeta, Vec<(Spot, R::Kept)>), serde_json::Error> {
        let Ok(page) = serde_json::from_slice::<Page<R::Object<'_>>>(body) else {
            return tree_page(body, R::keep_tree);
        };
        let items = page.items.into_iter().flatten();
        let read = items.map(|object| (Spot::from(R::place(&object)), R::keep(object)));
        Ok((page.metadata, read.collect()))
    }
}

fn tree_line<T>(
    line: &[u8],
    skip: &'static [&'static str],
    keep: impl FnOnce(&Value) -> T,
) -> Result<Line<T>, serde_json::Error> {
    let read = read_line(line, skip)?;
    if read.kind == "ERROR" {
        return Ok(Line::Error(read.object));
    }
    let spot = Spot::from(tree_place(&read.object));
    Ok(Line::Of(spot, Change::of(&read.kind, || keep(&read.object))))
}

fn tree_page<T>(body: &[u8], keep: impl Fn(&Value) -> T) -> Result<(ListMeta, Vec<(Spot, T)>), serde_json::Error> {
    let page: Page<Value> = serde_json::from_slice(body)?;
    let items = page.items.into_iter().flatten();
    let read = items.map(|object| (Spot::from(tree_place(&object)), keep(&object)));
    Ok((page.metadata, read.collect()))
}

fn tree_place(object: &Value) -> Place<'_> {
    Place {
        namespace: meta(object, "namespace"),
        name: meta(object, "name"),
        version: meta(object, "resourceVersion"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Deserialize)]
    struct Object<'a> {
        #[serde(borrow)]
        metadata: Metadata<'a>,
        data: u8,
    }

    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Metadata<'a> {
        namespace: &'a str,
        name: &'a str,
        resource_version: &'a str,
    }

    /// Tells which way an object was read.
    struct Data;

    impl Reader for Data {
        type Object<'a> = Object<'a>;
        type Kept = (&'static str, u64);

        fn place<'o>(object: &'o Object<'_>) -> Place<'o> {
            Place {
                namespace: object.metadata.namespace,
                name: object.metadata.name,
                version: object.metadata.resource_version,
            }
        }

        fn keep(object: Object<'_>) -> Self::Kept {
            ("line", object.data.into())
        }

        fn keep_tree(object: &Value) -> Self::Kept {
            ("tree", object["data"].as_u64().unwrap_or_default())
        }
    }

    #[test]
    fn lines_are_read_directly_or_else_as_trees() {
        let read = |line: &str| Direct::<Data>::new().line(line.as_bytes(), &["metadata.managedFields"]);
        let check = |line: &str, name: &str, change: Change<(&'static str, u64)>| {
            let spot = Spot {
                namespace: "x".into(),
                name: name.into(),
                version: "7".into(),
            };
            assert_eq!(read(line).unwrap(), Line::Of(spot, change), "{line}");
        };
        let object = r#"{"metadata":{"name":"a","namespace":"x","resourceVersion":"7"},"data":5,"more":[{}]}"#;
        let line = |kind: &str| format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n");
        check(&line("ADDED"), "a", Change::Applied(("line", 5)));
        check(&line("MODIFIED"), "a", Change::Applied(("line", 5)));
        check(&line("DELETED"), "a", Change::Deleted);
        check(&line("BOOKMARK"), "a", Change::Nothing);
        check(&line("LATER"), "a", Change::Nothing);
        let turned = format!("{{\"object\":{object},\"new\":{{}},\"type\":\"ADDED\"}}");
        check(&turned, "a", Change::Applied(("line", 5)));
        // Another shape than the reader knows: an escape in a borrowed text, a number that is too large, a member twice.
        check(
            &line("ADDED").replace("\"a\"", "\"\\u00e4\""),
            "ä",
            Change::Applied(("tree", 5)),
        );
        check(
            &line("ADDED").replace(":5", ":500"),
            "a",
            Change::Applied(("tree", 500)),
        );
        check(
            &line("ADDED").replace(":5", ":5,\"data\":6"),
            "a",
            Change::Applied(("tree", 6)),
        );
        let status = json!({"kind": "Status", "metadata": {}, "status": "Failure", "code": 410});
        assert_eq!(
            read(&json!({"type": "ERROR", "object": status}).to_string()).unwrap(),
            Line::Error(status)
        );
        assert_eq!(
            read(&line("ERROR")).unwrap(),
            Line::Error(serde_json::from_str(object).unwrap())
        );
        for broken in ["", "[]", "{}", "{\"type\":\"ADDED\"}", &line("ADDED")[..40]] {
            assert!(read(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn pages_are_read_directly_or_else_as_trees() {
        let read = |body: &str| Direct::<Data>::new().page(body.as_bytes());
        let object = |data: u32| format!(r#"{{"metadata":{{"name":"a{data}","resourceVersion":"7"}},"data":{data}}}"#);
        let page = |items: &[String]| {
            format!(
                r#"{{"metadata":{{"resourceVersion":"9"}},"items":[{}]}}"#,
                items.join(",")
            )
        };
        let check = |body: &str, expected: &[(&str, &'static str, u64)]| {
            let (list, read) = read(body).unwrap();
            assert_eq!(
                list,
                serde_json::from_str(r#"{"resourceVersion":"9"}"#).unwrap(),
                "{body}"
            );
            let read: Vec<_> = read
                .iter()
                .map(|(spot, (way, data))| (spot.name.as_str(), *way, *data))
                .collect();
            assert_eq!(read, expected, "{body}");
        };
        check(&page(&[object(5), object(6)]), &[("a5", "line", 5), ("a6", "line", 6)]);
        // One object of another shape, and the page is read as a tree.
        check(
            &page(&[object(5), object(600)]),
            &[("a5", "tree", 5), ("a600", "tree", 600)],
        );
        check(&page(&[]), &[]);
        check(r#"{"items":null,"metadata":{"resourceVersion":"9"}}"#, &[]);
        check(r#"{"metadata":{"resourceVersion":"9"}}"#, &[]);
        for broken in ["", "[]", "{}", &page(&[object(5)])[..60]] {
            assert!(read(broken).is_err(), "{broken}");
        }
    }
}
