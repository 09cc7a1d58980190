//! Built-in kinds, from the checked-in table.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::{Schema, table};

/// All built-in types: the table is read once, on first use.
struct Builtin {
    /// In order of group, version and kind.
    kinds: Vec<((String, String, String), Schema)>,
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
    let kinds = &BUILTIN.kinds;
    let found =
        kinds.binary_search_by(|((g, v, k), _)| (g.as_str(), v.as_str(), k.as_str()).cmp(&(group, version, kind)));
    kinds.get(found.ok()?).map(|(_, schema)| schema)
}

/// Group, version and kind of all built-in kinds, sorted.
pub fn builtin_kinds() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    BUILTIN
        .kinds
        .iter()
        .map(|((group, version, kind), _)| (group.as_str(), version.as_str(), kind.as_str()))
}

/// The schema of a type by its full name, such as `io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta`.
#[must_use]
pub fn definition(name: &str) -> Option<&'static Schema> {
    BUILTIN.names.get(name)
}
