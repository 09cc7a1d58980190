//! Names by namespace and by one pair of key and value: what finds pods by a label, or selectors by a pod's labels.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Names in order, each with what is found under it.
type Names<V> = BTreeMap<Arc<str>, V>;
type Values<V> = BTreeMap<Box<str>, Names<V>>;

/// For each key and value the names of one namespace that have it.
#[derive(Debug)]
pub(crate) struct Labelled<V = ()>(BTreeMap<Box<str>, Values<V>>);

/// For each namespace, key and value the names that have it.
#[derive(Debug)]
pub(crate) struct Postings<V = ()>(BTreeMap<Arc<str>, Labelled<V>>);

impl<V> Default for Labelled<V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<V> Default for Postings<V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<V> Labelled<V> {
    /// Puts a name in, or gives it something else to be found under it.
    pub(crate) fn add(&mut self, key: &str, value: &str, name: &Arc<str>, found: V) {
        let values = match self.0.get_mut(key) {
            Some(values) => values,
            None => self.0.entry(key.into()).or_default(),
        };
        match values.get_mut(value) {
            Some(names) => names.insert(name.clone(), found),
            None => values.entry(value.into()).or_default().insert(name.clone(), found),
        };
    }

    pub(crate) fn remove(&mut self, key: &str, value: &str, name: &str) {
        let Some(values) = self.0.get_mut(key) else { return };
        let Some(names) = values.get_mut(value) else { return };
        names.remove(name);
        // Nothing is kept for what is gone: values such as hashes of templates come and go for ever.
        if names.is_empty() {
            values.remove(value);
        }
        if values.is_empty() {
            self.0.remove(key);
        }
    }

    /// The names that have one of these labels, in the order of the labels' keys.
    pub(crate) fn of_labels<'a>(&'a self, labels: &BTreeMap<Box<str>, Box<str>>) -> impl Iterator<Item = &'a Names<V>> {
        // Fewer keys are asked for than pods have labels.
        self.0.iter().filter_map(|(key, values)| values.get(labels.get(key)?))
    }
}

impl<V> Postings<V> {
    /// Puts a name in, or gives it something else to be found under it.
    pub(crate) fn add(&mut self, namespace: &Arc<str>, key: &str, value: &str, name: &Arc<str>, found: V) {
        let labelled = match self.0.get_mut(namespace) {
            Some(labelled) => labelled,
            None => self.0.entry(namespace.clone()).or_default(),
        };
        labelled.add(key, value, name, found);
    }

    pub(crate) fn remove(&mut self, namespace: &str, key: &str, value: &str, name: &str) {
        let Some(labelled) = self.0.get_mut(namespace) else {
            return;
        };
        labelled.remove(key, value, name);
        if labelled.0.is_empty() {
            self.0.remove(namespace);
        }
    }

    pub(crate) fn names(&self, namespace: &str, key: &str, value: &str) -> Option<&Names<V>> {
        self.0.get(namespace)?.0.get(key)?.get(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_removed_leaves_nothing_behind() {
        let mut postings = Postings::<()>::default();
        let (space, a, b): (Arc<str>, Arc<str>, Arc<str>) = ("x".into(), "a".into(), "b".into());
        postings.add(&space, "app", "web", &b, ());
        postings.add(&space, "app", "web", &a, ());
        postings.add(&space, "app", "api", &a, ());
        let found = |postings: &Postings, value: &str| {
            let names = postings.names("x", "app", value).into_iter().flat_map(BTreeMap::keys);
            names.map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(found(&postings, "web"), ["a", "b"]);
        postings.remove("x", "app", "web", "a");
        assert_eq!(found(&postings, "web"), ["b"]);
        postings.remove("x", "app", "web", "b");
        postings.remove("x", "app", "api", "a");
        assert!(postings.0.is_empty());
    }
}
