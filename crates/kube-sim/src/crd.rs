//! CustomResourceDefinitions: from a definition to a served resource.

use std::sync::{Arc, OnceLock};

use json_tree::{Value, json};
use kubemerge::schema::Schema;

use crate::registry::{GroupResource, Registry, Resource, SelectableField, Subresource, Version, version_rank};
use crate::server::Core;
use crate::status::{ApiError, FieldError};
use crate::store::State;
use crate::value::{self, at, flag, list, set, text};

/// Group and plural of the definitions themselves.
pub(crate) const RESOURCE: (&str, &str) = ("apiextensions.k8s.io", "customresourcedefinitions");

/// What a version of a custom resource has beside its names.
#[derive(Debug)]
pub(crate) struct CustomVersion {
    pub(crate) schema: Arc<Schema>,
    /// The rules in the schema.
    pub(crate) rules: crate::cel::Rules,
    /// The schema as written, for the OpenAPI document and for rules that are not structure.
    pub(crate) open_api: Value,
    pub(crate) columns: Vec<Column>,
    pub(crate) scale: Option<Scale>,
}

/// One of a definition's printer columns.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) format: String,
    pub(crate) description: String,
    pub(crate) priority: i64,
    pub(crate) path: String,
}

/// Where the scale subresource reads and writes.
#[derive(Debug, Clone)]
pub(crate) struct Scale {
    pub(crate) spec_replicas: String,
    pub(crate) status_replicas: String,
    pub(crate) selector: String,
}

/// The collection that a definition defines.
pub(crate) fn defined(definition: &Value) -> Option<GroupResource> {
    let group = text(definition, &["spec", "group"])?;
    Some(GroupResource::new(
        group,
        text(definition, &["spec", "names", "plural"])?,
    ))
}

fn texts(value: &Value, path: &[&str]) -> Vec<String> {
    list(value, path)
        .iter()
        .filter_map(|text| text.as_str().map(str::to_owned))
        .collect()
}

/// Reads a definition.
pub(crate) fn resource(definition: &Value) -> Option<Resource> {
    let id = defined(definition)?;
    let name = |field: &str| {
        text(definition, &["spec", "names", field])
            .unwrap_or_default()
            .to_owned()
    };
    let mut versions: Vec<Version> = list(definition, &["spec", "versions"])
        .iter()
        .map(|version| read_version(definition, version))
        .collect();
    versions.sort_by_key(|version| std::cmp::Reverse(version_rank(&version.name)));
    let stored = list(definition, &["spec", "versions"])
        .iter()
        .find(|version| flag(version, &["storage"]))?;
    let selectable = list(stored, &["selectableFields"])
        .iter()
        .filter_map(|field| text(field, &["jsonPath"]));
    Some(Resource {
        stored_as: id.clone(),
        kind: name("kind"),
        list_kind: name("listKind"),
        singular: name("singular"),
        short_names: texts(definition, &["spec", "names", "shortNames"]),
        categories: texts(definition, &["spec", "names", "categories"]),
        namespaced: text(definition, &["spec", "scope"]) == Some("Namespaced"),
        storage: crate::registry::api_version(&id.group, text(stored, &["name"]).unwrap_or_default()),
        fields: selectable
            .map(|path| SelectableField::plain(path.trim_start_matches('.')))
            .collect(),
        versions,
        custom: true,
        virtual_only: false,
        id,
    })
}

fn read_version(definition: &Value, version: &Value) -> Version {
    let name = text(version, &["name"]).unwrap_or_default().to_owned();
    let group = text(definition, &["spec", "group"]).unwrap_or_default().to_owned();
    let kind = text(definition, &["spec", "names", "kind"])
        .unwrap_or_default()
        .to_owned();
    let field = |path: &[&str]| text(version, path).unwrap_or_default().to_owned();
    let has_status = at(version, &["subresources", "status"]).is_some();
    let scale = at(version, &["subresources", "scale"]).map(|_| Scale {
        spec_replicas: field(&["subresources", "scale", "specReplicasPath"]),
        status_replicas: field(&["subresources", "scale", "statusReplicasPath"]),
        selector: field(&["subresources", "scale", "labelSelectorPath"]),
    });
    let verbs: &'static [&'static str] = &["get", "patch", "update"];
    let mut subresources = Vec::new();
    if has_status {
        let version = name.clone().into();
        subresources.push(Subresource {
            name: "status".into(),
            group: group.into(),
            version,
            kind: kind.into(),
            verbs,
        });
    }
    if scale.is_some() {
        let (group, version) = ("autoscaling".into(), "v1".into());
        subresources.push(Subresource {
            name: "scale".into(),
            group,
            version,
            kind: "Scale".into(),
            verbs,
        });
    }
    let open_api = at(version, &["schema", "openAPIV3Schema"])
        .cloned()
        .unwrap_or_else(|| json!({}));
    let schema = kubemerge::schema::from_crd(&open_api).unwrap_or_else(|_| Schema::untyped());
    let columns = list(version, &["additionalPrinterColumns"])
        .iter()
        .map(read_column)
        .collect();
    Version {
        served: flag(version, &["served"]),
        subresources,
        custom: Some(CustomVersion {
            schema: Arc::new(schema),
            rules: crate::cel::Rules::new(&open_api),
            open_api,
            columns,
            scale,
        }),
        name,
        schema: OnceLock::new(),
    }
}

fn read_column(column: &Value) -> Column {
    let field = |name: &str| text(column, &[name]).unwrap_or_default().to_owned();
    Column {
        name: field("name"),
        kind: field("type"),
        format: field("format"),
        description: field("description"),
        priority: value::int(column, &["priority"]).unwrap_or(0),
        path: field("jsonPath"),
    }
}

/// Serves what a definition defines.
pub(crate) fn register(state: &mut State, definition: &Value) {
    if let Some(resource) = resource(definition) {
        let mut registry = Registry::clone(&state.registry);
        registry.insert(Arc::new(resource));
        state.registry = Arc::new(registry);
    }
}

/// Serves it no more.
pub(crate) fn unregister(state: &mut State, definition: &Value) {
    if let Some(id) = defined(definition) {
        let mut registry = Registry::clone(&state.registry);
        registry.remove(&id);
        state.registry = Arc::new(registry);
        state.drop_collection(&id);
    }
}

/// Fills in what a definition may leave out.
pub(crate) fn defaults(definition: &mut Value) {
    let kind = text(definition, &["spec", "names", "kind"])
        .unwrap_or_default()
        .to_owned();
    value::default(definition, &["spec", "names", "singular"], kind.to_ascii_lowercase());
    value::default(definition, &["spec", "names", "listKind"], format!("{kind}List"));
    value::default(definition, &["spec", "conversion"], json!({"strategy": "None"}));
    value::default(definition, &["spec", "conversion", "strategy"], "None");
}

/// Accepts a definition: its conditions are set at once, as nothing here takes time.
pub(crate) fn accept(core: &Core, state: &State, definition: &mut Value) {
    let id = defined(definition);
    let names = at(definition, &["spec", "names"]).cloned().unwrap_or_default();
    let clash = id.as_ref().and_then(|id| clash(state, id, &names));
    let now = core.now_text();
    let condition = |kind: &str, status: bool, reason: &str, message: &str| {
        json!({"type": kind, "status": if status { "True" } else { "False" }, "reason": reason, "message": message,
               "lastTransitionTime": now})
    };
    let conditions = match &clash {
        None => vec![
            condition("NamesAccepted", true, "NoConflicts", "no conflicts found"),
            condition(
                "Established",
                true,
                "InitialNamesAccepted",
                "the initial names have been accepted",
            ),
        ],
        Some((reason, why)) => vec![
            condition("NamesAccepted", false, reason, why),
            condition("Established", false, "NotAccepted", "not all names are accepted"),
        ],
    };
    let known = list(definition, &["status", "conditions"]).to_vec();
    let conditions: Vec<Value> = conditions
        .into_iter()
        .map(|new| {
            let same = |old: &&Value| {
                text(old, &["type"]) == text(&new, &["type"]) && text(old, &["status"]) == text(&new, &["status"])
            };
            known.iter().find(same).cloned().unwrap_or(new)
        })
        .collect();
    set(definition, &["status", "conditions"], conditions);
    set(definition, &["status", "acceptedNames"], names);
    let mut stored = texts(definition, &["status", "storedVersions"]);
    let storage: Vec<String> = list(definition, &["spec", "versions"])
        .iter()
        .filter(|version| flag(version, &["storage"]))
        .filter_map(|version| text(version, &["name"]).map(str::to_owned))
        .collect();
    stored.extend(
        storage
            .into_iter()
            .filter(|name| !stored.contains(name))
            .collect::<Vec<_>>(),
    );
    set(definition, &["status", "storedVersions"], stored);
}

fn clash(state: &State, id: &GroupResource, names: &Value) -> Option<(&'static str, String)> {
    let kind = text(names, &["kind"])?;
    state
        .registry
        .all()
        .filter(|other| other.group() == &*id.group && other.id != *id)
        .find(|other| other.kind == kind)
        .map(|_| ("KindConflict", format!("\"{kind}\" is already in use")))
}

/// The rules of definitions that clients meet most.
pub(crate) fn validate(definition: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let group = text(definition, &["spec", "group"]).unwrap_or_default();
    let plural = text(definition, &["spec", "names", "plural"]).unwrap_or_default();
    for (field, value) in [
        ("spec.group", group),
        ("spec.names.plural", plural),
        (
            "spec.names.kind",
            text(definition, &["spec", "names", "kind"]).unwrap_or_default(),
        ),
    ] {
        if value.is_empty() {
            errors.push(FieldError::required(field, ""));
        }
    }
    let expected = format!("{plural}.{group}");
    let name = value::name(definition);
    if !group.is_empty() && !plural.is_empty() && name != expected {
        let detail = "must be spec.names.plural+\".\"+spec.group";
        errors.push(FieldError::invalid("metadata.name", name, detail));
    }
    match text(definition, &["spec", "scope"]).unwrap_or_default() {
        "Namespaced" | "Cluster" => {}
        "" => errors.push(FieldError::required("spec.scope", "")),
        other => errors.push(FieldError::not_supported(
            "spec.scope",
            other,
            &["Cluster", "Namespaced"],
        )),
    }
    let versions = list(definition, &["spec", "versions"]);
    if versions.iter().filter(|version| flag(version, &["storage"])).count() != 1 {
        errors.push(FieldError::invalid(
            "spec.versions",
            "",
            "must have exactly one version marked as storage version",
        ));
    }
    for (place, version) in versions.iter().enumerate() {
        match at(version, &["schema", "openAPIV3Schema"]) {
            None => errors.push(FieldError::required(
                format!("spec.versions[{place}].schema.openAPIV3Schema"),
                "",
            )),
            Some(schema) => {
                if let Err(error) = kubemerge::schema::from_crd(schema) {
                    let field = format!("spec.versions[{place}].schema.openAPIV3Schema");
                    errors.push(FieldError::invalid(field, "", error.to_string()));
                }
            }
        }
    }
    errors.extend(crate::cel::check_definition(definition));
    errors
}

/// What must stay as it is.
pub(crate) fn validate_update(old: &Value, new: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for path in [
        &["spec", "group"][..],
        &["spec", "scope"],
        &["spec", "names", "plural"],
        &["spec", "names", "kind"],
    ] {
        if at(old, path) != at(new, path) {
            let shown = at(new, path).cloned().unwrap_or(Value::Null);
            errors.push(FieldError::invalid(path.join("."), shown, "field is immutable"));
        }
    }
    errors
}

/// The error for a version that is not served.
pub(crate) fn custom<'r>(resource: &'r Resource, version: &str) -> Result<&'r CustomVersion, ApiError> {
    let found = resource.versions.iter().find(|known| known.name == version);
    found
        .and_then(|version| version.custom.as_ref())
        .ok_or_else(ApiError::unknown_resource)
}
