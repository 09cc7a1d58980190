//! What becomes a value, and what values become.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use json_tree::{List, Map, Number, Text, Value as Tree};
use proptest::prelude::*;
use serde_json::Value as Plain;

use crate::any::value;

proptest! {
    #[test]
    fn plain_values_become_trees_and_plain_values_again(plain in value()) {
        let own = Tree::from(&plain);
        prop_assert_eq!(&own, &plain);
        prop_assert_eq!(&Plain::from(&own), &plain);
        prop_assert_eq!(&Tree::from(plain.clone()), &own);
        prop_assert_eq!(Tree::from(&own), own.clone());
        prop_assert_eq!(Plain::from(own), plain);
    }
}

#[test]
fn numbers_become_what_serde_json_makes_of_them() {
    macro_rules! check {
        ($($number:expr),* $(,)?) => {$(
            assert_eq!(Tree::from($number), Plain::from($number));
            assert_eq!(json_tree::json!($number), serde_json::json!($number));
        )*};
    }
    check!(i8::MIN, i16::MIN, i32::MIN, i64::MIN, isize::MIN, -1, 0);
    check!(u8::MAX, u16::MAX, u32::MAX, u64::MAX, usize::MAX);
    check!(0.1_f32, 0.1_f64, -0.0, f64::MAX, f64::MIN_POSITIVE, f32::MAX);
    check!(f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f32::NAN, f32::INFINITY);
    assert_eq!(Tree::from(f64::NAN), Tree::Null);
    assert_eq!(Tree::from(Number::from(7)), 7);
}

#[test]
fn texts_and_flags_become_values() {
    let long = "a text that does not lie in the value itself";
    for text in ["", "short", long] {
        let values = [
            Tree::from(text),
            text.to_owned().into(),
            (&text.to_owned()).into(),
            Cow::Borrowed(text).into(),
            Cow::<str>::Owned(text.to_owned()).into(),
            Box::<str>::from(text).into(),
            Arc::<str>::from(text).into(),
            (&Arc::<str>::from(text)).into(),
            Text::from(text).into(),
        ];
        for value in values {
            assert_eq!(value, Plain::from(text));
        }
    }
    assert_eq!(Tree::from(true), Plain::from(true));
    assert_eq!(Tree::from(()), Tree::Null);
    assert_eq!(Tree::default(), Tree::Null);
    assert_eq!(Tree::from(Some("a")), "a");
    assert_eq!(Tree::from(None::<&str>), Tree::Null);
}

#[test]
fn collections_become_values() {
    let check = |values: &[Tree], expected: &str| {
        for value in values {
            assert_eq!(value.to_string(), expected);
        }
    };
    let list = List::from(vec![Tree::from(1), Tree::from(2)]);
    check(
        &[
            vec![1, 2].into(),
            [1, 2].into(),
            [1, 2].into_iter().collect(),
            Tree::Array([1, 2].into_iter().collect()),
            list.clone().into(),
            list.iter().cloned().collect(),
            Tree::Array((&list).into_iter().collect()),
            list.into_iter().collect(),
        ],
        "[1,2]",
    );
    let map: Map = [("b", Tree::from(2)), ("a", Tree::from(1))].into_iter().collect();
    check(
        &[
            BTreeMap::from([("a", 1), ("b", 2)]).into(),
            BTreeMap::from([("a".to_owned(), Tree::from(1)), ("b".to_owned(), 2.into())]).into(),
            [("b", 2), ("a", 1)].into_iter().collect(),
            (&map).into_iter().collect(),
            map.clone().into_iter().collect(),
            map.into(),
        ],
        r#"{"a":1,"b":2}"#,
    );
    assert_eq!(List::with_capacity(3), List::new());
    assert_eq!(Tree::from(Vec::<Tree>::new()).to_string(), "[]");
}
