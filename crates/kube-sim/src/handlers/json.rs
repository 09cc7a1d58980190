//! Reading JSON as the real server does: doubled keys are noticed, and mistakes are told in its decoder's words.

use std::fmt;

use json_tree::{Map, Number, Value};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// How many doubled keys are told.
const MOST: usize = 100;

/// Reads a document; the second part names the fields that stand there twice (the last one counts). Nesting is bounded by
/// the reader.
///
/// # Errors
/// What is wrong, in Go's words.
pub(super) fn read(bytes: &[u8]) -> Result<(Value, Vec<String>), String> {
    let mut doubled = Vec::new();
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Node { doubled: &mut doubled }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| complaint(bytes, &error))?;
    Ok((value, doubled))
}

/// Go's words for what serde found.
fn complaint(bytes: &[u8], error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "unexpected end of JSON input".to_owned();
    }
    let text = error.to_string();
    let expected = [
        ("key must be a string", "looking for beginning of object key string"),
        ("trailing comma", "looking for beginning of value"),
        ("expected value", "looking for beginning of value"),
        ("expected ident", "in literal"),
        ("expected `:`", "after object key"),
        ("expected `,` or `}`", "after object key:value pair"),
        ("expected `,` or `]`", "after array element"),
        ("trailing characters", "after top-level value"),
        ("invalid number", "in numeric literal"),
        ("control character", "in string literal"),
        ("invalid escape", "in string escape code"),
    ];
    let line = bytes.split(|byte| *byte == b'\n').nth(error.line().saturating_sub(1));
    let found = line.and_then(|line| line.get(error.column().saturating_sub(1)));
    match (expected.iter().find(|(mark, _)| text.starts_with(mark)), found) {
        (Some((_, words)), Some(found)) => format!("invalid character {} {words}", quoted(*found)),
        _ => text,
    }
}

/// A byte as Go shows it in single quotes.
fn quoted(byte: u8) -> String {
    match byte {
        b'\'' => "'\\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        byte => format!("'{}'", char::from(byte).escape_debug()),
    }
}

/// Reads one value; the names of doubled fields grow from the inside out.
struct Node<'d> {
    doubled: &'d mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let known = self.doubled.len();
            let Some(item) = items.next_element_seed(Node { doubled: self.doubled })? else {
                return Ok(Value::from(list));
            };
            within(self.doubled, known, &format!("[{}]", list.len()));
            list.push(item);
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            let known = self.doubled.len();
            let value = members.next_value_seed(Node { doubled: self.doubled })?;
            if self.doubled.len() > known {
                within(self.doubled, known, &key);
            }
            if map.contains_key(&key) && self.doubled.len() < MOST {
                self.doubled.push(key.clone());
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

/// Puts the name of their place before the fields that were found in it.
fn within(doubled: &mut [String], from: usize, place: &str) {
    for path in doubled.iter_mut().skip(from) {
        let dot = if path.starts_with('[') { "" } else { "." };
        *path = format!("{place}{dot}{path}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubled(text: &str) -> Vec<String> {
        read(text.as_bytes()).map(|(_, doubled)| doubled).unwrap_or_default()
    }

    #[test]
    fn doubled_keys_are_named() {
        assert!(doubled(r#"{"a": 1, "b": {"a": 1}}"#).is_empty());
        assert_eq!(doubled(r#"{"data": {"a": 1, "a": 2}}"#), ["data.a"]);
        assert_eq!(doubled(r#"{"s": [0, {"x": [{"k": 1, "k": 2}]}]}"#), ["s[1].x[0].k"]);
        assert_eq!(doubled(r#"{"a": 1, "a": 2, "a": 3}"#), ["a", "a"]);
    }

    #[test]
    fn values_are_those_of_the_plain_reader() {
        for text in [
            "{}",
            "[1, -1, 1.5, 18446744073709551615, \"\\u00e9\", null, true]",
            "{\"a\": {\"b\": [{}]}}",
        ] {
            let plain: Value = serde_json::from_str(text).unwrap_or_default();
            assert_eq!(read(text.as_bytes()).map(|(value, _)| value), Ok(plain));
        }
    }

    #[test]
    fn mistakes_are_told_in_go_words() {
        let check = |text: &str, words: &str| assert_eq!(read(text.as_bytes()), Err(words.to_owned()), "{text}");
        check("", "unexpected end of JSON input");
        check("{\"a\": ", "unexpected end of JSON input");
        check(
            "{nonsense",
            "invalid character 'n' looking for beginning of object key string",
        );
        check("{\"a\" 1}", "invalid character '1' after object key");
        check("[1 2]", "invalid character '2' after array element");
        check("{\"a\": 1 2}", "invalid character '2' after object key:value pair");
        check("{} x", "invalid character 'x' after top-level value");
        check("hello", "invalid character 'h' looking for beginning of value");
    }

    #[test]
    fn hostile_nesting_is_refused() {
        let deep = "[".repeat(100_000);
        assert!(read(deep.as_bytes()).is_err());
    }
}
