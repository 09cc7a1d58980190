//! Maps from none to many members: below and above the number from which on names are found by halving.

use json_tree::{Map, Value};
use proptest::prelude::*;

/// Names in another order than that of their numbers, some long.
fn name(number: u32) -> String {
    match number % 3 {
        0 => format!("{}", number.wrapping_mul(0x9e37_79b9)),
        1 => format!("n{number}"),
        _ => format!("a name that is long {}", number ^ 0x55),
    }
}

proptest! {
    #[test]
    fn maps_grow_and_shrink_as_serde_json_s(steps in prop::collection::vec((0..40_u32, 0..4_u8), 0..120)) {
        let (mut own, mut plain) = (Map::new(), serde_json::Map::new());
        for (place, (number, what)) in steps.into_iter().enumerate() {
            let key = name(number);
            match what {
                0 => prop_assert_eq!(own.remove(&key).map(serde_json::Value::from), plain.remove(&key)),
                1 => {
                    *own.entry(&key).or_insert(0.into()) = place.into();
                    *plain.entry(&key).or_insert(0.into()) = place.into();
                }
                _ => prop_assert_eq!(
                    own.insert(&key, place.into()).map(serde_json::Value::from),
                    plain.insert(key, place.into())
                ),
            }
            prop_assert_eq!((own.len(), own.is_empty()), (plain.len(), plain.is_empty()));
            for number in 0..40 {
                let key = name(number);
                prop_assert_eq!(own.get(&key).and_then(Value::as_u64), plain.get(&key).and_then(serde_json::Value::as_u64));
                prop_assert_eq!(own.contains_key(&key), plain.contains_key(&key));
            }
        }
        let pairs = |value: &serde_json::Value| value.as_u64();
        prop_assert!(own.keys().map(json_tree::Text::as_str).eq(plain.keys().map(String::as_str)));
        prop_assert!(own.values().map(Value::as_u64).eq(plain.values().map(pairs)));
        prop_assert!(own.iter().rev().map(|(name, _)| name.as_str()).eq(plain.iter().rev().map(|(name, _)| name.as_str())));
        prop_assert!((&own).into_iter().map(|(name, _)| name.as_str()).eq(plain.keys().map(String::as_str)));
        prop_assert!(own.into_iter().map(|(name, value)| (name.to_string(), value.as_u64()))
            .eq(plain.into_iter().map(|(name, value)| (name, value.as_u64()))));
    }

    #[test]
    fn maps_are_collected_in_any_order(members in prop::collection::vec((0..40_u32, any::<i64>()), 0..60)) {
        let own: Map = members.iter().map(|(number, value)| (name(*number), Value::from(*value))).collect();
        let plain: serde_json::Map<_, _> = members.iter().map(|(number, value)| (name(*number), (*value).into())).collect();
        prop_assert_eq!(Value::from(own), serde_json::Value::from(plain));
    }
}

#[test]
fn members_are_found_at_every_size() {
    for size in 0..30_u32 {
        let mut map = Map::with_capacity(2);
        for number in (0..size).rev() {
            assert_eq!(map.insert(name(number), number.into()), None);
        }
        for number in 0..size {
            let key = name(number);
            assert_eq!(map.get(&key).unwrap().as_u64(), Some(number.into()), "{size}");
            let (found, value) = map.get_key_value(&key).unwrap();
            assert_eq!((found.as_str(), value.as_u64()), (key.as_str(), Some(number.into())));
            assert_eq!(map.insert(&key, (number + 1).into()).unwrap(), number);
            *map.get_mut(&key).unwrap() = number.into();
        }
        for missing in ["", "missing", "\u{10ffff}", "a name that is long and missing"] {
            assert!(map.get(missing).is_none() && map.get_mut(missing).is_none());
            assert!(!map.contains_key(missing) && map.get_key_value(missing).is_none());
            assert_eq!(map.remove(missing), None);
        }
        let mut left = map.clone();
        for number in 0..size {
            assert_eq!(
                left.remove_entry(&name(number)).unwrap(),
                (name(number).into(), number.into())
            );
        }
        assert!(left.is_empty());
        assert_eq!(map.len(), usize::try_from(size).unwrap());
    }
}
