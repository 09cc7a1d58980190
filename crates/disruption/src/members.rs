//! Members of objects, taken from JSON text or from a tree, without values for what nobody asks for.
//!
//! A member of another type than expected says nothing, as if it were absent: whether that is an error is for the rule to say
//! that needs it. Texts are borrowed from what is read as long as nothing in them is escaped.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A text, a number or a flag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Scalar<'a> {
    /// Absent or null.
    #[default]
    Absent,
    Flag(bool),
    /// A whole number.
    Whole(i64),
    Text(Cow<'a, str>),
    /// There is something, and it is none of these.
    Other,
}

impl Scalar<'_> {
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn whole(&self) -> Option<i64> {
        match self {
            Self::Whole(number) => Some(*number),
            _ => None,
        }
    }

    /// It is there, and it is `true`.
    pub(crate) fn holds(&self) -> bool {
        *self == Self::Flag(true)
    }
}

/// An object, its members as `T` has them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Part<T>(pub(crate) T);

/// The elements of a list.
#[derive(Debug, Clone)]
pub(crate) struct Items<T>(pub(crate) Vec<T>);

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// Keys with texts, such as labels; in the order in which they were read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pairs<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl Pairs<'_> {
    /// The text of `key`; of several the last one, as in a tree.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        let mut pairs = self.0.iter().rev();
        pairs.find(|(own, _)| own == key).map(|(_, text)| &**text)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, text)| (&**key, &**text))
    }
}

/// Whether a member is there, whatever it is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Present(pub(crate) bool);

/// A text where nothing else may be: the key of a member.
struct Key<'a>(Cow<'a, str>);

/// What a visitor answers for the types that say nothing to it.
macro_rules! nothing {
    (scalars) => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }

        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }

        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }

        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }

        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
    };
    (list) => {
        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            Ok(Self::Value::default())
        }
    };
    (object) => {
        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
            while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(Self::Value::default())
        }
    };
}

struct Reading<T>(PhantomData<T>);

impl<T> Reading<T> {
    fn any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error>
    where
        Self: Visitor<'de, Value = T>,
    {
        deserializer.deserialize_any(Self(PhantomData))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reading::any(deserializer)
    }
}

impl<'de: 'a, 'a> Visitor<'de> for Reading<Scalar<'a>> {
    type Value = Scalar<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Whole(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(number).map_or(Scalar::Other, Scalar::Whole))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Absent)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for Part<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reading::any(deserializer)
    }
}

impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for Reading<Part<T>> {
    type Value = Part<T>;

    nothing!(scalars);
    nothing!(list);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members)).map(Part)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Items<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reading::any(deserializer)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Reading<Items<T>> {
    type Value = Items<T>;

    nothing!(scalars);
    nothing!(object);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element()? {
            all.push(item);
        }
        Ok(Items(all))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Reading::any(deserializer)
    }
}

impl<'de: 'a, 'a> Visitor<'de> for Reading<Pairs<'a>> {
    type Value = Pairs<'a>;

    nothing!(scalars);
    nothing!(list);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("texts by key")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some((Key(key), value)) = members.next_entry()? {
            if let Scalar::Text(text) = value {
                all.push((key, text));
            }
        }
        Ok(Pairs(all))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Reading::<Self>(PhantomData))
    }
}

impl<'de: 'a, 'a> Visitor<'de> for Reading<Key<'a>> {
    type Value = Key<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Key(Cow::Owned(text.to_owned())))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Key(Cow::Borrowed(text)))
    }
}

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self(true))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Object<'a> {
        #[serde(borrow)]
        one: Scalar<'a>,
        pairs: Pairs<'a>,
        part: Part<Inner<'a>>,
        items: Items<Part<Inner<'a>>>,
        there: Present,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Inner<'a> {
        #[serde(borrow)]
        one: Scalar<'a>,
    }

    /// What text and tree say of one member, in one line each; the same, whichever it is.
    fn said(member: &str, value: &Value) -> String {
        let object = json!({ member: value, "unknown": {"a": [1, null]} });
        let tell = |object: &Object<'_>| {
            let pairs: Vec<(&str, &str)> = object.pairs.iter().collect();
            let items: Vec<_> = object.items.0.iter().map(|item| item.0.one.clone()).collect();
            format!(
                "{:?} {pairs:?} {:?} {items:?} {}",
                object.one, object.part.0.one, object.there.0
            )
        };
        let text = object.to_string();
        let from_text: Object<'_> = serde_json::from_str(&text).unwrap();
        let from_tree = Object::deserialize(&object).unwrap();
        assert_eq!(tell(&from_text), tell(&from_tree), "{text}");
        tell(&from_text)
    }

    #[test]
    fn a_member_of_another_type_says_nothing() {
        for (value, expected) in [
            (json!(null), "Absent"),
            (json!(true), "Flag(true)"),
            (json!(-7), "Whole(-7)"),
            (json!(u64::MAX), "Other"),
            (json!(1.5), "Other"),
            (json!("a \"b\""), "Text(\"a \\\"b\\\"\")"),
            (json!(["a"]), "Other"),
            (json!({"a": 1}), "Other"),
        ] {
            assert_eq!(said("one", &value), format!("{expected} [] Absent [] false"), "{value}");
            let there = "Absent [] Absent [] true";
            assert_eq!(said("there", &value), there, "{value}");
        }
        let nothing = "Absent [] Absent [] false";
        let odd = [json!(null), json!(true), json!(-7), json!(7), json!(1.5), json!("a")];
        for value in odd.iter().chain([&json!([["a"], {}])]) {
            assert_eq!(said("pairs", value), nothing, "{value}");
            assert_eq!(said("part", value), nothing, "{value}");
        }
        for value in odd.iter().chain([&json!({"a": [1]})]) {
            assert_eq!(said("items", value), nothing, "{value}");
        }
    }

    #[test]
    fn members_are_read_at_any_depth() {
        assert_eq!(
            said("pairs", &json!({"b": "1", "a\n": "2\t", "c": 3, "d": null})),
            "Absent [(\"a\\n\", \"2\\t\"), (\"b\", \"1\")] Absent [] false"
        );
        assert_eq!(
            said("part", &json!({"one": 1, "two": {}})),
            "Absent [] Whole(1) [] false"
        );
        assert_eq!(
            said("items", &json!([{"one": 1}, 2, {"one": []}])),
            "Absent [] Absent [Whole(1), Absent, Other] false"
        );
    }

    #[test]
    fn of_several_texts_of_a_key_the_last_one_counts() {
        let pairs: Pairs<'_> = serde_json::from_str(r#"{"a": "1", "b": "2", "a": "3"}"#).unwrap();
        assert_eq!(
            (pairs.get("a"), pairs.get("b"), pairs.get("c")),
            (Some("3"), Some("2"), None)
        );
    }
}
