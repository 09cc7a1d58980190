//! Looking into values by name or place.

use std::ops;

use crate::{Map, Text, Value};

/// What a value can be looked into with: the name of a member, or the place of an item.
pub trait Index {
    /// What is there; none if there is nothing.
    fn find<'v>(&self, value: &'v Value) -> Option<&'v Value>;
    /// The same, to be changed.
    fn find_mut<'v>(&self, value: &'v mut Value) -> Option<&'v mut Value>;
    /// The same, made where a map lacks it; `null` becomes a map.
    ///
    /// # Panics
    /// If the value is no map, or no list that is long enough, as an index out of bounds does.
    fn find_or_make<'v>(&self, value: &'v mut Value) -> &'v mut Value;
}

impl Index for str {
    fn find<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        value.as_object()?.get(self)
    }

    fn find_mut<'v>(&self, value: &'v mut Value) -> Option<&'v mut Value> {
        value.as_object_mut()?.get_mut(self)
    }

    #[expect(clippy::panic, reason = "an index that does not fit, as documented")]
    fn find_or_make<'v>(&self, value: &'v mut Value) -> &'v mut Value {
        if value.is_null() {
            *value = Value::Object(Map::new());
        }
        match value {
            Value::Object(map) => map.entry(self).or_insert(Value::Null),
            other => panic!("{other} has no member {self:?}"),
        }
    }
}

impl Index for usize {
    fn find<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        value.as_array()?.get(*self)
    }

    fn find_mut<'v>(&self, value: &'v mut Value) -> Option<&'v mut Value> {
        value.as_array_mut()?.get_mut(*self)
    }

    #[expect(clippy::panic, reason = "an index that does not fit, as documented")]
    fn find_or_make<'v>(&self, value: &'v mut Value) -> &'v mut Value {
        let length = value.as_array().map_or(0, |list| list.len());
        match value.as_array_mut().and_then(|list| list.get_mut(*self)) {
            Some(item) => item,
            None => panic!("there is no item {self} among {length}"),
        }
    }
}

macro_rules! as_text {
    ($($name:ty),*) => {$(
        impl Index for $name {
            fn find<'v>(&self, value: &'v Value) -> Option<&'v Value> {
                <str as Index>::find(self, value)
            }

            fn find_mut<'v>(&self, value: &'v mut Value) -> Option<&'v mut Value> {
                <str as Index>::find_mut(self, value)
            }

            fn find_or_make<'v>(&self, value: &'v mut Value) -> &'v mut Value {
                <str as Index>::find_or_make(self, value)
            }
        }
    )*};
}

as_text!(String, Text);

impl<T: Index + ?Sized> Index for &T {
    fn find<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        T::find(self, value)
    }

    fn find_mut<'v>(&self, value: &'v mut Value) -> Option<&'v mut Value> {
        T::find_mut(self, value)
    }

    fn find_or_make<'v>(&self, value: &'v mut Value) -> &'v mut Value {
        T::find_or_make(self, value)
    }
}

impl<I: Index> ops::Index<I> for Value {
    type Output = Value;

    /// What is there, `null` where there is nothing.
    fn index(&self, index: I) -> &Value {
        static NULL: Value = Value::Null;
        index.find(self).unwrap_or(&NULL)
    }
}

impl<I: Index> ops::IndexMut<I> for Value {
    fn index_mut(&mut self, index: I) -> &mut Value {
        index.find_or_make(self)
    }
}
