//! Comparisons of values with what they may hold.

use crate::{Text, Value};

impl PartialEq<str> for Value {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == Some(other)
    }
}

impl PartialEq<Value> for str {
    fn eq(&self, other: &Value) -> bool {
        other == self
    }
}

macro_rules! as_text {
    ($($name:ty),*) => {$(
        impl PartialEq<$name> for Value {
            fn eq(&self, other: &$name) -> bool {
                self.as_str() == Some(other.as_ref())
            }
        }

        impl PartialEq<Value> for $name {
            fn eq(&self, other: &Value) -> bool {
                other == self
            }
        }
    )*};
}

as_text!(&str, String, Text);

macro_rules! as_number {
    ($($name:ty => $read:ident),*) => {$(
        impl PartialEq<$name> for Value {
            fn eq(&self, other: &$name) -> bool {
                self.$read() == Some((*other).into())
            }
        }

        impl PartialEq<Value> for $name {
            fn eq(&self, other: &Value) -> bool {
                other == self
            }
        }
    )*};
}

as_number!(i32 => as_i64, i64 => as_i64, u16 => as_u64, u32 => as_u64, u64 => as_u64, f64 => as_f64, bool => as_bool);

impl PartialEq<usize> for Value {
    fn eq(&self, other: &usize) -> bool {
        self.as_u64() == u64::try_from(*other).ok()
    }
}

impl PartialEq<Value> for usize {
    fn eq(&self, other: &Value) -> bool {
        other == self
    }
}

impl PartialEq<serde_json::Value> for Value {
    fn eq(&self, other: &serde_json::Value) -> bool {
        use serde_json::Value as Plain;
        match (self, other) {
            (Self::Null, Plain::Null) => true,
            (Self::Bool(one), Plain::Bool(two)) => one == two,
            (Self::Number(one), Plain::Number(two)) => one == two,
            (Self::String(one), Plain::String(two)) => one == two,
            (Self::Array(one), Plain::Array(two)) => {
                one.len() == two.len() && one.iter().zip(two).all(|(one, two)| one == two)
            }
            (Self::Object(one), Plain::Object(two)) => {
                one.len() == two.len() && two.iter().all(|(key, two)| one.get(key).is_some_and(|one| one == two))
            }
            _ => false,
        }
    }
}

impl PartialEq<Value> for serde_json::Value {
    fn eq(&self, other: &Value) -> bool {
        other == self
    }
}
