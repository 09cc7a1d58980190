//! Objects that can be scaled: workloads, and custom resources whose definition has a scale subresource.

use json_tree::Value;

use super::tree::{at, int, list, text};
use crate::engine::View;

/// A custom resource that can be scaled, and the size it wants.
pub(crate) fn of_custom(
    view: &View<'_>,
    api_version: &str,
    kind: &str,
    namespace: &str,
    name: &str,
) -> Option<(Value, i64)> {
    let (group, version) = api_version.split_once('/')?;
    let definitions = view
        .server
        .read_all("apiextensions.k8s.io", "customresourcedefinitions", "");
    let definition = definitions.into_iter().find(|definition| {
        text(definition, &["spec", "group"]) == Some(group)
            && text(definition, &["spec", "names", "kind"]) == Some(kind)
    })?;
    let plural = text(&definition, &["spec", "names", "plural"])?;
    let versions = list(&definition, &["spec", "versions"]);
    let scale = versions
        .iter()
        .find(|one| text(one, &["name"]) == Some(version))
        .and_then(|one| at(one, &["subresources", "scale"]))?;
    let object = view.server.read(group, plural, namespace, name)?;
    let path: Vec<&str> = text(scale, &["specReplicasPath"])?
        .trim_start_matches('.')
        .split('.')
        .collect();
    let replicas = int(&object, &path).unwrap_or(0);
    Some((object, replicas))
}
