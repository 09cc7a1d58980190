//! Objects without the members that nobody reads.
//!
//! Most of a pod or a node is of no interest to who watches it: the specifications of containers, the images of a node, the
//! book-keeping of field managers. Such members are passed over while a line is read, and never become values.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// One line of a watch.
#[derive(Debug, PartialEq)]
pub(super) struct Line {
    /// What happened.
    pub(super) kind: String,
    /// To which object.
    pub(super) object: Value,
}

/// Reads a line, and its object without these members.
pub(super) fn read_line(line: &[u8], skip: &'static [&'static str]) -> Result<Line, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(line);
    let read = LineOf(skip).deserialize(&mut reader)?;
    reader.end()?;
    Ok(read)
}

struct LineOf(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for LineOf {
    type Value = Line;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Line, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for LineOf {
    type Value = Line;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a line of a watch")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Line, A::Error> {
        let (mut kind, mut object) = (None, None);
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "type" => kind = Some(members.next_value()?),
                "object" => object = Some(members.next_value_seed(Lean(self.0))?),
                _ => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Line {
            kind: kind.ok_or_else(|| A::Error::missing_field("type"))?,
            object: object.ok_or_else(|| A::Error::missing_field("object"))?,
        })
    }
}

/// Reads an object without the members that are passed over, each named as `metadata.managedFields`.
#[derive(Clone, Copy)]
struct Lean(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Lean {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Lean {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let within = |path: &&str| {
                path.strip_prefix(name.as_str())
                    .is_some_and(|rest| rest.starts_with('.'))
            };
            let value = if self.0.iter().any(within) {
                members.next_value_seed(Part {
                    of: &name,
                    skip: self.0,
                })?
            } else {
                members.next_value()?
            };
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

/// One member of an object, some of whose own members are passed over.
struct Part<'n> {
    of: &'n str,
    skip: &'static [&'static str],
}

impl Part<'_> {
    fn passes(&self, name: &str) -> bool {
        let rest = |path: &&'static str| path.strip_prefix(self.of)?.strip_prefix('.');
        self.skip.iter().filter_map(rest).any(|rest| rest == name)
    }
}

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Part<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member of an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut part = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if self.passes(&name) {
                members.next_value::<IgnoredAny>()?;
            } else {
                part.insert(name, members.next_value()?);
            }
        }
        Ok(Value::Object(part))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(flag.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element()? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_named_members_are_passed_over() {
        const SKIP: &[&str] = &["metadata.managedFields", "spec.containers", "status.images"];
        let read = |text: &str| Lean(SKIP).deserialize(&mut serde_json::Deserializer::from_str(text));
        let check = |object: &Value, expected: &Value| {
            assert_eq!(read(&object.to_string()).expect("an object"), *expected);
        };
        check(
            &json!({"kind": "Pod", "metadata": {"name": "a", "managedFields": [{"manager": "x"}]},
                "spec": {"containers": [{"name": "c"}], "nodeName": "n", "volumes": [{"containers": 1}]},
                "spectre": {"containers": 1}, "containers": [2]}),
            &json!({"kind": "Pod", "metadata": {"name": "a"}, "spec": {"nodeName": "n", "volumes": [{"containers": 1}]},
                "spectre": {"containers": 1}, "containers": [2]}),
        );
        // What has another shape than it should stays as it is.
        check(
            &json!({"metadata": null, "spec": [1, "a"], "status": "images"}),
            &json!({"metadata": null, "spec": [1, "a"], "status": "images"}),
        );
        for broken in ["[]", "{\"spec\": {", "{\"spec\": {\"containers\": }}"] {
            assert!(read(broken).is_err(), "{broken}");
        }
    }
}
