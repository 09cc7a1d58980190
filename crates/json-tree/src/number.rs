//! Numbers become values; floats that are none in JSON become `null`.

use crate::{Number, Value};

macro_rules! integers {
    ($($name:ty),*) => {$(
        impl From<$name> for Value {
            fn from(number: $name) -> Self {
                Self::Number(number.into())
            }
        }
    )*};
}

integers!(i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Number::from_f64(number).map_or(Self::Null, Self::Number)
    }
}

impl From<f32> for Value {
    fn from(number: f32) -> Self {
        f64::from(number).into()
    }
}

impl From<Number> for Value {
    fn from(number: Number) -> Self {
        Self::Number(number)
    }
}
