//! Every change, on copies of copies: a copy changes as a value of serde_json does, and all that it was copied from stays.

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value as Plain;

use crate::any::{name, places, tree, value};

/// What is done at a place.
#[derive(Debug, Clone)]
enum Change {
    Set(Plain),
    Take,
    /// `here[name][other] = value`, be it possible or not.
    Assign(String, Option<String>, Plain),
    /// `here[place] = value`.
    AssignAt(usize, Plain),
    Insert(String, Plain),
    Remove(String),
    RemoveEntry(String),
    OrInsert(String, Plain),
    Modify(String, Plain),
    /// Whatever is at an entry: set if there is none, else replaced or taken away.
    Enter(String, Plain, bool),
    GetMut(String, Plain),
    /// Those whose names have fewer bytes stay, with texts made `null`.
    RetainMembers(usize),
    SetMembers(Plain),
    Extend(Plain),
    Append(Plain),
    Push(Plain),
    Pop,
    InsertAt(Index, Plain),
    RemoveAt(Index),
    Truncate(usize),
    /// Those stay whose text has no length that this divides.
    RetainItems(usize),
    SetItems(Plain),
    Reverse,
    Clear,
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        value().prop_map(Change::Set),
        Just(Change::Take),
        (name(), prop::option::of(name()), value()).prop_map(|(a, b, value)| Change::Assign(a, b, value)),
        (0..4_usize, value()).prop_map(|(at, value)| Change::AssignAt(at, value)),
        (name(), value()).prop_map(|(name, value)| Change::Insert(name, value)),
        name().prop_map(Change::Remove),
        name().prop_map(Change::RemoveEntry),
        (name(), value()).prop_map(|(name, value)| Change::OrInsert(name, value)),
        (name(), value()).prop_map(|(name, value)| Change::Modify(name, value)),
        (name(), value(), any::<bool>()).prop_map(|(name, value, keep)| Change::Enter(name, value, keep)),
        (name(), value()).prop_map(|(name, value)| Change::GetMut(name, value)),
        (0..20_usize).prop_map(Change::RetainMembers),
        value().prop_map(Change::SetMembers),
        value().prop_map(Change::Extend),
        value().prop_map(Change::Append),
        value().prop_map(Change::Push),
        Just(Change::Pop),
        (at(), value()).prop_map(|(at, value)| Change::InsertAt(at, value)),
        at().prop_map(Change::RemoveAt),
        (0..4_usize).prop_map(Change::Truncate),
        (1..4_usize).prop_map(Change::RetainItems),
        value().prop_map(Change::SetItems),
        Just(Change::Reverse),
        Just(Change::Clear),
    ]
}

/// How a change is made with one of the two kinds of values: the code is the same. Returns what the change returned.
macro_rules! hand {
    ($name:ident, $value:ty, $entry:ident in $($module:ident)::+) => {
        mod $name {
            use $($module)::+::$entry as Entry;
            use serde_json::Value as Plain;

            use super::Change;

            type Value = $value;

            pub(super) fn make(change: &Change, here: &mut Value) -> Option<Plain> {
                let made: Option<Value> = match change {
                    Change::Set(value) => Some(std::mem::replace(here, value.clone().into())),
                    Change::Take => Some(here.take()),
                    Change::Assign(name, None, value) => {
                        here[name] = value.clone().into();
                        None
                    }
                    Change::Assign(name, Some(other), value) => {
                        here[name.as_str()][other] = value.clone().into();
                        None
                    }
                    Change::AssignAt(at, value) => {
                        here[*at] = value.clone().into();
                        None
                    }
                    Change::Clear if here.is_object() => {
                        here.as_object_mut().unwrap().clear();
                        None
                    }
                    change if here.is_object() => on_map(change, here),
                    change if here.is_array() => on_list(change, here),
                    _ => None,
                };
                made.map(Plain::from)
            }

            fn on_map(change: &Change, here: &mut Value) -> Option<Value> {
                let map = here.as_object_mut()?;
                match change {
                    Change::Insert(name, value) => map.insert(name.clone(), value.clone().into()),
                    Change::Remove(name) => map.remove(name),
                    Change::RemoveEntry(name) => map.remove_entry(name).map(|(name, value)| {
                        Value::Array([Value::from(name), value].into_iter().collect())
                    }),
                    Change::OrInsert(name, value) => {
                        Some(map.entry(name).or_insert_with(|| value.clone().into()).clone())
                    }
                    Change::Modify(name, value) => {
                        let entry = map.entry(name).and_modify(|old| *old = old.to_string().into());
                        Some(entry.or_insert(value.clone().into()).clone())
                    }
                    Change::Enter(name, value, keep) => match map.entry(name) {
                        Entry::Vacant(entry) => Some(entry.insert(value.clone().into()).clone()),
                        Entry::Occupied(entry) if !keep => Some(entry.remove()),
                        Entry::Occupied(mut entry) => {
                            let old = entry.insert(value.clone().into());
                            assert_eq!(entry.get(), value);
                            *entry.get_mut() = old.clone();
                            *entry.into_mut() = value.clone().into();
                            Some(old)
                        }
                    },
                    Change::GetMut(name, value) => {
                        map.get_mut(name).map(|old| std::mem::replace(old, value.clone().into()))
                    }
                    Change::RetainMembers(length) => {
                        map.retain(|name, value| name.len() < *length && !value.is_string());
                        None
                    }
                    Change::SetMembers(value) => {
                        map.values_mut().for_each(|old| *old = value.clone().into());
                        map.iter_mut().for_each(|(name, old)| old[0] = name.len().into());
                        None
                    }
                    Change::Extend(Plain::Object(more)) => {
                        map.extend(more.iter().map(|(name, value)| (name.clone(), Value::from(value.clone()))));
                        None
                    }
                    Change::Append(more @ Plain::Object(_)) => {
                        let mut more = Value::from(more.clone());
                        map.append(more.as_object_mut()?);
                        Some(more)
                    }
                    _ => None,
                }
            }

            fn on_list(change: &Change, here: &mut Value) -> Option<Value> {
                let list = here.as_array_mut()?;
                match change {
                    Change::Push(value) => list.push(value.clone().into()),
                    Change::Pop => return list.pop(),
                    Change::InsertAt(at, value) => list.insert(at.index(list.len() + 1), value.clone().into()),
                    Change::RemoveAt(at) if !list.is_empty() => return Some(list.remove(at.index(list.len()))),
                    Change::Truncate(length) => list.truncate(*length),
                    Change::RetainItems(divisor) => {
                        let mut judged = 0;
                        let length = list.len();
                        list.retain(|item| {
                            judged += 1;
                            !item.to_string().len().is_multiple_of(*divisor)
                        });
                        assert_eq!(judged, length, "each is judged once");
                    }
                    Change::SetItems(value) => {
                        for item in list.iter_mut() {
                            *item = value.clone().into();
                        }
                    }
                    Change::Extend(Plain::Array(more)) => list.extend(more.iter().map(|item| Value::from(item.clone()))),
                    Change::Reverse => list.reverse(),
                    Change::Clear => list.clear(),
                    _ => {}
                }
                None
            }
        }
    };
}

hand!(own, json_tree::Value, Entry in json_tree);
hand!(theirs, serde_json::Value, Entry in serde_json::map);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn a_copy_changes_as_serde_json_s_and_the_originals_stay(
        start in value(),
        changes in prop::collection::vec((any::<Index>(), change()), 1..12),
    ) {
        let mut kept = vec![(tree(&start), start)];
        for (at, change) in changes {
            let (own, plain) = kept.last().unwrap();
            let (mut own, mut plain) = (own.clone(), plain.clone());
            let places = places(&plain);
            let place = &places[at.index(places.len())];
            // An index that does not fit panics with both, and leaves the same behind.
            let with_own = catch_unwind(AssertUnwindSafe(|| own::make(&change, own.pointer_mut(place).unwrap())));
            let with_theirs = catch_unwind(AssertUnwindSafe(|| theirs::make(&change, plain.pointer_mut(place).unwrap())));
            prop_assert_eq!(with_own.ok(), with_theirs.ok(), "{} {:?}", place, change);
            prop_assert_eq!(&own, &plain, "{} {:?}", place, change);
            kept.push((own, plain));
        }
        for (own, plain) in &kept {
            prop_assert_eq!(own, plain);
            prop_assert_eq!(own.to_string(), plain.to_string());
        }
    }
}
