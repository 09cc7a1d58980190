//! Merges an applied configuration into a live object.

use std::collections::{BTreeMap, BTreeSet};

use json_tree::{List, Map, Value};

use super::walk::{Place, item_element, place};
use crate::fields::PathElement;
use crate::schema::{ListKind, Schema, TypeRef};

/// `live` with everything that `config` sets; `None` when both are empty.
pub(super) fn merge(live: Option<&Value>, config: Option<&Value>, at: TypeRef<'_>) -> Option<Value> {
    if live == config {
        return live.cloned();
    }
    let leaf = || config.or(live).cloned();
    // Null takes any form: a map or list that it meets stays.
    let shape = config.filter(|config| !config.is_null()).or(live).or(config)?;
    match place(at, shape) {
        Place::Leaf => leaf(),
        Place::Map => {
            let (old, new) = (live.and_then(Value::as_object), config.and_then(Value::as_object));
            if old.is_none_or(Map::is_empty) && new.is_none_or(Map::is_empty) {
                return leaf();
            }
            maps(old, new, at)
        }
        Place::List(kind) => {
            let (old, new) = (live.and_then(Value::as_array), config.and_then(Value::as_array));
            if old.is_none_or(List::is_empty) && new.is_none_or(List::is_empty) {
                return leaf();
            }
            let empty = List::new();
            Lists::new(kind, at, old.unwrap_or(&empty), new.unwrap_or(&empty)).merge()
        }
    }
}

fn maps(old: Option<&Map>, new: Option<&Map>, at: TypeRef<'_>) -> Option<Value> {
    let mut out = Map::new();
    let mut put = |name: &str, live: Option<&Value>, config: Option<&Value>| {
        let child = at.child(name).unwrap_or(Schema::untyped_root());
        if let Some(value) = merge(live, config, child) {
            out.insert(name, value);
        }
    };
    for (name, value) in old.into_iter().flatten() {
        put(name, Some(value), new.and_then(|map| map.get(name)));
    }
    for (name, value) in new.into_iter().flatten() {
        if old.is_none_or(|map| !map.contains_key(name)) {
            put(name, None, Some(value));
        }
    }
    (!out.is_empty()).then_some(Value::Object(out))
}

/// The items of both lists. Items that both have come in the configuration's order; items of only one side keep their place
/// relative to them.
struct Lists<'v, 't> {
    at: TypeRef<'t>,
    live: Vec<(PathElement, &'v Value)>,
    config: Vec<(PathElement, &'v Value)>,
    live_by: BTreeMap<PathElement, Vec<&'v Value>>,
    config_by: BTreeMap<PathElement, &'v Value>,
    out: Vec<Value>,
}

impl<'v, 't> Lists<'v, 't> {
    fn new(kind: &ListKind, at: TypeRef<'t>, live: &'v [Value], config: &'v [Value]) -> Self {
        let elements = |items: &'v [Value]| -> Vec<(PathElement, &'v Value)> {
            items
                .iter()
                .filter_map(|item| item_element(kind, item).ok().map(|element| (element, item)))
                .collect()
        };
        let (live, config) = (elements(live), elements(config));
        let mut live_by: BTreeMap<PathElement, Vec<&Value>> = BTreeMap::new();
        for (element, item) in &live {
            live_by.entry(element.clone()).or_default().push(item);
        }
        let config_by = config.iter().map(|(element, item)| (element.clone(), *item)).collect();
        Self {
            at,
            live,
            config,
            live_by,
            config_by,
            out: Vec::new(),
        }
    }

    fn item(&mut self, live: Option<&Value>, config: Option<&Value>) {
        if let Some(value) = self.at.element().and_then(|child| merge(live, config, child)) {
            self.out.push(value);
        }
    }

    /// The live item that a configured one merges with: none when the live list has the key more than once.
    fn partner(&self, element: &PathElement) -> Option<&'v Value> {
        match self.live_by.get(element).map(Vec::as_slice) {
            Some([one]) => Some(one),
            _ => None,
        }
    }

    fn merge(mut self) -> Option<Value> {
        let (live, config) = (std::mem::take(&mut self.live), std::mem::take(&mut self.config));
        let shared: Vec<&PathElement> = config
            .iter()
            .map(|(element, _)| element)
            .filter(|element| self.live_by.contains_key(*element))
            .collect();
        let mut shared = shared.into_iter();
        let mut next = shared.next();
        let mut merged = BTreeSet::new();
        let (mut l, mut r) = (0, 0);
        loop {
            let (old, new) = (live.get(l), config.get(r));
            if let (Some((a, _)), Some((b, item))) = (old, new) {
                if a == b {
                    merged.insert(a.clone());
                    self.item(self.partner(a), Some(item));
                    (l, r) = (l + 1, r + 1);
                    next = shared.next();
                    continue;
                }
                if self.config_by.contains_key(a) && next.is_some_and(|next| next != a) {
                    // Shared, but another shared item comes first in the configuration.
                    l += 1;
                    continue;
                }
            }
            if let Some((a, item)) = old {
                if !self.config_by.contains_key(a) {
                    self.item(Some(item), None);
                    l += 1;
                    continue;
                }
                if merged.contains(a) {
                    l += 1;
                    // Nothing else would move on when the configuration is used up.
                    if new.is_none() {
                        continue;
                    }
                }
            }
            match new {
                Some((b, item)) => {
                    merged.insert(b.clone());
                    self.item(self.partner(b), Some(item));
                    r += 1;
                    if next == Some(b) {
                        next = shared.next();
                    }
                }
                None if old.is_some() => l += 1,
                None => break,
            }
        }
        (!self.out.is_empty()).then_some(Value::from(self.out))
    }
}
