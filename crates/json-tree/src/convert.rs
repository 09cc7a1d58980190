//! What becomes a value.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::{List, Map, Number, Text, Value};

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<()> for Value {
    fn from((): ()) -> Self {
        Self::Null
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Object(map)
    }
}

impl From<List> for Value {
    fn from(list: List) -> Self {
        Self::Array(list)
    }
}

impl From<Text> for Value {
    fn from(text: Text) -> Self {
        Self::String(text)
    }
}

impl From<&Value> for Value {
    fn from(value: &Value) -> Self {
        value.clone()
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Self::Array(items.into_iter().collect())
    }
}

impl<T: Into<Value>, const N: usize> From<[T; N]> for Value {
    fn from(items: [T; N]) -> Self {
        Self::Array(items.into_iter().collect())
    }
}

impl<K: AsRef<str>, V: Into<Value>> From<BTreeMap<K, V>> for Value {
    fn from(members: BTreeMap<K, V>) -> Self {
        members.into_iter().collect()
    }
}

impl<V: Into<Value>> FromIterator<V> for Value {
    fn from_iter<I: IntoIterator<Item = V>>(items: I) -> Self {
        Self::Array(items.into_iter().collect())
    }
}

impl<K: AsRef<str>, V: Into<Value>> FromIterator<(K, V)> for Value {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(members: I) -> Self {
        let members = members.into_iter().map(|(key, value)| (key, value.into()));
        Self::Object(members.collect())
    }
}

macro_rules! texts {
    ($($name:ty),*) => {$(
        impl From<$name> for Value {
            fn from(text: $name) -> Self {
                Self::String(Text::from(AsRef::<str>::as_ref(&text)))
            }
        }
    )*};
}

texts!(&str, String, &String, Cow<'_, str>, Box<str>, Arc<str>, &Arc<str>);

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        Self::from(&value)
    }
}

impl From<&serde_json::Value> for Value {
    fn from(value: &serde_json::Value) -> Self {
        use serde_json::Value as Plain;
        match value {
            Plain::Null => Self::Null,
            Plain::Bool(flag) => Self::Bool(*flag),
            Plain::Number(number) => Self::Number(number.clone()),
            Plain::String(text) => text.into(),
            Plain::Array(items) => Self::Array(items.iter().collect()),
            Plain::Object(members) => members.iter().collect(),
        }
    }
}

impl From<Value> for serde_json::Value {
    fn from(value: Value) -> Self {
        Self::from(&value)
    }
}

impl From<&Value> for serde_json::Value {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Number(number) => Self::Number(number.clone()),
            Value::String(text) => Self::String(text.to_string()),
            Value::Array(items) => items.iter().map(Self::from).collect(),
            Value::Object(members) => {
                let members = members.iter().map(|(key, value)| (key.to_string(), Self::from(value)));
                Self::Object(members.collect())
            }
        }
    }
}

/// What [`json!`](crate::json) takes as a value: it borrows, and copies share.
pub trait ToTree {
    /// The value.
    fn to_tree(&self) -> Value;
}

macro_rules! by_copy {
    ($($name:ty),*) => {$(
        impl ToTree for $name {
            fn to_tree(&self) -> Value {
                (*self).into()
            }
        }
    )*};
}

by_copy!(bool, i8, i16, i32, i64, isize, u8, u16, u32, u64, usize, f32, f64, ());

macro_rules! by_clone {
    ($($name:ty),*) => {$(
        impl ToTree for $name {
            fn to_tree(&self) -> Value {
                self.clone().into()
            }
        }
    )*};
}

by_clone!(Value, Map, List, Text, Number);

macro_rules! by_text {
    ($($name:ty),*) => {$(
        impl ToTree for $name {
            fn to_tree(&self) -> Value {
                AsRef::<str>::as_ref(self).into()
            }
        }
    )*};
}

by_text!(str, String, Cow<'_, str>);

impl<T: ToTree + ?Sized> ToTree for &T {
    fn to_tree(&self) -> Value {
        T::to_tree(self)
    }
}

impl<T: ToTree + ?Sized> ToTree for &mut T {
    fn to_tree(&self) -> Value {
        T::to_tree(self)
    }
}

impl<T: ToTree + ?Sized> ToTree for Arc<T> {
    fn to_tree(&self) -> Value {
        T::to_tree(self)
    }
}

impl<T: ToTree + ?Sized> ToTree for Box<T> {
    fn to_tree(&self) -> Value {
        T::to_tree(self)
    }
}

impl<T: ToTree> ToTree for Option<T> {
    fn to_tree(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::to_tree)
    }
}

impl<T: ToTree> ToTree for [T] {
    fn to_tree(&self) -> Value {
        self.iter().map(T::to_tree).collect()
    }
}

impl<T: ToTree> ToTree for Vec<T> {
    fn to_tree(&self) -> Value {
        self.as_slice().to_tree()
    }
}

impl<T: ToTree, const N: usize> ToTree for [T; N] {
    fn to_tree(&self) -> Value {
        self.as_slice().to_tree()
    }
}

impl<T: ToTree> ToTree for BTreeSet<T> {
    fn to_tree(&self) -> Value {
        self.iter().map(T::to_tree).collect()
    }
}

impl<A: ToTree, B: ToTree> ToTree for (A, B) {
    fn to_tree(&self) -> Value {
        Value::Array([self.0.to_tree(), self.1.to_tree()].into_iter().collect())
    }
}

impl<K: AsRef<str>, V: ToTree> ToTree for BTreeMap<K, V> {
    fn to_tree(&self) -> Value {
        Value::Object(self.iter().map(|(key, value)| (key, value.to_tree())).collect())
    }
}

impl ToTree for serde_json::Value {
    fn to_tree(&self) -> Value {
        self.into()
    }
}
