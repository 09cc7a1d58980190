//! Built-in kinds, from the checked-in table.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::{Schema, table};

/// All built-in types: the table is read once, on first use.
struct Builtin {
    kinds: BTreeMap<(String, String, String), Schema>,
    names: BTreeMap<String, Schema>,
}

static BUILTIN: LazyLock<Builtin> = LazyLock::new(|| {
    let table = table::Table::parse(table::TEXT);
    let graph = Arc::new(table.graph);
    let schema = |root| Schema {
        graph: Arc::clone(&graph),
        root,
    };
    Builtin {
        kinds: table.kinds.into_iter().map(|(kind, id)| (kind, schema(id))).collect(),
        names: table
            .names
            .into_iter()
            .map(|(name, id)| (table::full_name(&name), schema(id)))
            .collect(),
    }
});

/// The schema of a built-in kind; the core group is the empty string.
///
/// ```
/// let schema = kubemerge::schema::builtin("apps", "v1", "Deployment").unwrap();
/// let pod_spec = schema.at(&["spec", "template", "spec"]).unwrap();
/// assert_eq!(pod_spec.name(), Some("io.k8s.api.core.v1.PodSpec"));
/// ```
#[must_use]
pub fn builtin(group: &str, version: &str, kind: &str) -> Option<&'static Schema> {
    BUILTIN
        .kinds
        .get(&(group.to_owned(), version.to_owned(), kind.to_owned()))
}

/// Group, version and kind of all built-in kinds, sorted.
pub fn builtin_kinds() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    BUILTIN
        .kinds
        .keys()
        .map(|(group, version, kind)| (group.as_str(), version.as_str(), kind.as_str()))
}

/// The schema of a type by its full name, such as `io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta`.
#[must_use]
pub fn definition(name: &str) -> Option<&'static Schema> {
    BUILTIN.names.get(name)
}
