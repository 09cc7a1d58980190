//! Looking into values, and comparing them.

use json_tree::Text;
use proptest::prelude::*;
use serde_json::{Value as Plain, json};

use crate::any::{name, places, tree, value};

proptest! {
    #[test]
    fn pointers_lead_to_the_same(plain in value()) {
        let mut own = tree(&plain);
        for place in places(&plain) {
            prop_assert_eq!(own.pointer(&place).unwrap(), plain.pointer(&place).unwrap());
            prop_assert_eq!(own.pointer_mut(&place).unwrap(), plain.pointer(&place).unwrap());
        }
    }

    #[test]
    fn pointers_lead_nowhere_where_serde_json_s_do(
        plain in value(),
        pointer in prop::collection::vec(prop::sample::select(["/", "a", "b", "0", "1", "~0", "~1", "~", "+", "-", "~01", "k3"].as_slice()), 0..8),
    ) {
        let mut own = tree(&plain);
        let pointer = pointer.concat();
        prop_assert_eq!(own.pointer(&pointer).map(Plain::from), plain.pointer(&pointer).cloned());
        prop_assert_eq!(own.pointer_mut(&pointer).map(|found| Plain::from(&*found)), plain.pointer(&pointer).cloned());
    }

    #[test]
    fn names_and_places_lead_to_the_same(plain in value(), name in name(), at in 0..8_usize) {
        for place in places(&plain) {
            let (mut own, plain) = (tree(plain.pointer(&place).unwrap()), plain.pointer(&place).unwrap());
            prop_assert_eq!(own.get(&name).map(Plain::from), plain.get(&name).cloned());
            prop_assert_eq!(own.get(Text::from(&name)).map(Plain::from), plain.get(&name).cloned());
            prop_assert_eq!(own.get(at).map(Plain::from), plain.get(at).cloned());
            prop_assert_eq!(own.get_mut(name.as_str()).map(|found| Plain::from(&*found)), plain.get(&name).cloned());
            prop_assert_eq!(own.get_mut(at).map(|found| Plain::from(&*found)), plain.get(at).cloned());
            prop_assert_eq!(&own[&name], &plain[&name]);
            prop_assert_eq!(&own[at], &plain[at]);
        }
    }

    #[test]
    fn kinds_are_the_same(plain in value()) {
        let mut own = tree(&plain);
        prop_assert_eq!(own.as_str(), plain.as_str());
        prop_assert_eq!(own.as_bool(), plain.as_bool());
        prop_assert_eq!(own.as_number(), plain.as_number());
        prop_assert_eq!((own.as_i64(), own.as_u64(), own.as_f64()), (plain.as_i64(), plain.as_u64(), plain.as_f64()));
        prop_assert_eq!(own.as_array().map(|list| list.len()), plain.as_array().map(Vec::len));
        prop_assert_eq!(own.as_object().map(json_tree::Map::len), plain.as_object().map(serde_json::Map::len));
        prop_assert_eq!(own.as_array_mut().is_some(), plain.is_array());
        prop_assert_eq!(own.as_object_mut().is_some(), plain.is_object());
        let is = [own.is_null(), own.is_boolean(), own.is_number(), own.is_string(), own.is_array(), own.is_object()];
        prop_assert_eq!(is.iter().filter(|is| **is).count(), 1);
        prop_assert_eq!(is, [plain.is_null(), plain.is_boolean(), plain.is_number(), plain.is_string(), plain.is_array(), plain.is_object()]);
        prop_assert_eq!((own.is_i64(), own.is_u64(), own.is_f64()), (plain.is_i64(), plain.is_u64(), plain.is_f64()));
    }

    #[test]
    fn values_are_equal_when_serde_json_s_are(one in value(), two in value()) {
        let (own, other) = (tree(&one), tree(&two));
        prop_assert_eq!(own == other, one == two);
        prop_assert_eq!(own == two, one == two);
        prop_assert_eq!(one == other, one == two);
        // Equal, and nothing in common.
        prop_assert_eq!(&tree(&one), &own);
        prop_assert_eq!(&own.clone(), &own);
    }

    #[test]
    fn one_difference_is_enough(plain in value(), at: prop::sample::Index, other in value()) {
        let mut changed = plain.clone();
        let places = places(&plain);
        *changed.pointer_mut(&places[at.index(places.len())]).unwrap() = other;
        prop_assert_eq!(tree(&changed) == tree(&plain), changed == plain);
        prop_assert_eq!(tree(&changed) == plain, changed == plain);
    }
}

#[test]
fn values_are_compared_with_what_they_hold() {
    // In both directions, and as serde_json does it.
    macro_rules! check {
        ($value:tt, $with:expr, $expected:expr) => {
            let (own, plain) = (json_tree::json!($value), json!($value));
            assert_eq!(
                (own == $with, $with == own),
                ($expected, $expected),
                "{own} {:?}",
                $with
            );
            assert_eq!(
                (plain == $with, $with == plain),
                ($expected, $expected),
                "{plain} {:?}",
                $with
            );
        };
    }
    check!("a", "a", true);
    check!("a", "b", false);
    check!("a", "a".to_owned(), true);
    check!(1, 1, true);
    check!(1, 1_u64, true);
    check!(1, 1_usize, true);
    check!(1, 1_i64, true);
    check!(1, 1_u16, true);
    check!(1, 1.0, true);
    check!(1, 2_u32, false);
    check!((-1), 1_u32, false);
    check!(1.5, 1.5, true);
    check!(1.5, 1, false);
    check!("1", 1, false);
    check!(true, true, true);
    check!(true, false, false);
    check!(null, false, false);
    assert_eq!(json_tree::json!("a"), Text::from("a"));
    assert_ne!(json_tree::json!(null), Text::new());
    // An integer is no float, as in serde_json.
    assert_ne!(json_tree::json!(1), json_tree::json!(1.0));
    assert_ne!(json_tree::json!(1), json!(1.0));
}
