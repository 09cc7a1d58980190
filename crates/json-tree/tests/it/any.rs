//! Any values, names and texts. Names are few, so that members meet.

use json_tree::Value as Tree;
use proptest::prelude::*;
use serde_json::{Map, Value as Plain};

/// Short and long names (more than 15 bytes do not lie in the value itself), and those that pointers and texts escape.
const NAMES: [&str; 14] = [
    "",
    "a",
    "b",
    "0",
    "1",
    "a/b",
    "a~b",
    "~1",
    "é",
    "\"quoted\"\n",
    "fifteen--bytes-",
    "sixteen---bytes-",
    "terminationGracePeriodSeconds",
    "terminationMessagePolicy",
];

/// The tree of a plain value.
pub(crate) fn tree(plain: &Plain) -> Tree {
    plain.into()
}

pub(crate) fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(NAMES.as_slice()).prop_map(str::to_owned),
        // Many more for maps in which halving pays.
        3 => (0..40_u8).prop_map(|number| format!("k{number}")),
        1 => any::<String>(),
    ]
}

pub(crate) fn number() -> impl Strategy<Value = Plain> {
    prop_oneof![
        (-3..3_i64).prop_map(Plain::from),
        any::<i64>().prop_map(Plain::from),
        any::<u64>().prop_map(Plain::from),
        // Those that are no numbers in JSON become `null`.
        any::<f64>().prop_map(Plain::from),
    ]
}

pub(crate) fn value() -> impl Strategy<Value = Plain> {
    let leaf = prop_oneof![
        Just(Plain::Null),
        any::<bool>().prop_map(Plain::from),
        number(),
        name().prop_map(Plain::from),
    ];
    leaf.prop_recursive(4, 48, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Plain::from),
            prop::collection::vec((name(), inner), 0..24).prop_map(|members| Map::from_iter(members).into()),
        ]
    })
}

/// A JSON text as it may come over the wire: members in any order and more than once, space everywhere, escapes.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let quoted = |text: String| serde_json::to_string(&text).unwrap();
    let escaped = |text: String| {
        let units = text
            .encode_utf16()
            .map(|unit| format!("\\u{unit:04x}"))
            .collect::<String>();
        format!("\"{units}\"")
    };
    let string = move || prop_oneof![name().prop_map(quoted), name().prop_map(escaped)];
    let leaf = prop_oneof![
        prop::sample::select(
            [
                "null",
                "true",
                "false",
                "-0",
                "0.10",
                "1e3",
                "-0.0",
                "1E-400",
                "18446744073709551616"
            ]
            .as_slice()
        )
        .prop_map(str::to_owned),
        number().prop_map(|number| number.to_string()),
        string(),
    ];
    let space = || prop::sample::select(["", "", " ", "\n\t"].as_slice());
    let joined = |open: &str, items: &[String], close: &str, space: &str| {
        format!("{open}{space}{}{space}{close}", items.join(&format!("{space},{space}")))
    };
    leaf.prop_recursive(4, 48, 8, move |inner| {
        let member =
            (string(), space(), inner.clone()).prop_map(|(name, space, value)| format!("{name}{space}:{space}{value}"));
        prop_oneof![
            (prop::collection::vec(inner, 0..6), space())
                .prop_map(move |(items, space)| joined("[", &items, "]", space)),
            (prop::collection::vec(member, 0..24), space())
                .prop_map(move |(members, space)| joined("{", &members, "}", space)),
        ]
    })
}

/// The pointers to all that is in a value, itself first.
pub(crate) fn places(value: &Plain) -> Vec<String> {
    fn add(value: &Plain, place: &str, all: &mut Vec<String>) {
        all.push(place.to_owned());
        match value {
            Plain::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    add(item, &format!("{place}/{at}"), all);
                }
            }
            Plain::Object(members) => {
                for (name, member) in members {
                    let step = name.replace('~', "~0").replace('/', "~1");
                    add(member, &format!("{place}/{step}"), all);
                }
            }
            _ => {}
        }
    }
    let mut all = Vec::new();
    add(value, "", &mut all);
    all
}
