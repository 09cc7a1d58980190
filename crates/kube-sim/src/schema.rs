//! The bridge to `kubemerge`: which schema an object has, and what follows from it.

use std::fmt::Write;
use std::sync::{Arc, LazyLock};

use json_tree::{Text, Value};
use kubemerge::apply::{self, ApplyError, Writer};
use kubemerge::fields::FieldSet;
use kubemerge::schema::{Kind, Scalar, Schema, TypeRef, builtin, definition};
use kubemerge::structural;

use crate::handlers::Target;
use crate::registry::{Resource, api_version, split_api_version};
use crate::server::Context;
use crate::status::{ApiError, FieldError, FieldErrorKind};
use crate::value::{list, remove, text};

/// The schema of a resource in a version; objects of unknown structure are not checked.
fn schema_of(resource: &Resource, version: &str) -> Arc<Schema> {
    if resource.custom {
        return crate::crd::custom(resource, version)
            .map_or_else(|_| Arc::new(Schema::untyped()), |custom| custom.schema.clone());
    }
    let look_up = || {
        let found = builtin(resource.group(), version, &resource.kind);
        Arc::new(found.cloned().unwrap_or_else(Schema::untyped))
    };
    let mut versions = resource.versions.iter();
    match versions.find(|known| known.name == version) {
        Some(known) => known.schema.get_or_init(look_up).clone(),
        None => look_up(),
    }
}

/// The schema of the metadata of all objects.
fn metadata_schema() -> Option<&'static Schema> {
    static METADATA: LazyLock<Option<&'static Schema>> =
        LazyLock::new(|| definition("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"));
    *METADATA
}

/// Reads one YAML document as JSON.
pub(crate) fn parse_yaml(text: &str) -> Result<Value, String> {
    yaml::load_value(text, &yaml::Options::manifests())
        .map(|document| document.value.into())
        .map_err(|error| error.to_string())
}

/// Walks an object along its type: checks what decoders check and drops what they do not know.
struct Walk<'r> {
    resource: &'r Resource,
    version: &'r str,
    /// Whether wrong types are refused here; custom resources have their own validation.
    typed: bool,
    unknown: Vec<String>,
    path: String,
    /// The struct whose field is being read, and the fields on the way to it: how Go's decoder names a place. Keys of maps
    /// and places in lists are no part of it.
    owner: &'r str,
    fields: String,
}

/// Checks types and drops unknown fields; returns the paths of what was dropped.
pub(crate) fn check(target: &Target, version: &str, object: &mut Value) -> Result<Vec<String>, ApiError> {
    let resource = &*target.resource;
    let schema = schema_of(resource, version);
    let mut walk = Walk {
        resource,
        version,
        typed: true,
        unknown: Vec::new(),
        path: String::new(),
        owner: &resource.kind,
        fields: String::new(),
    };
    if let Some(metadata) = object.get_mut("metadata")
        && let Some(schema) = metadata_schema()
    {
        walk.path = "metadata".to_owned();
        walk.fields = "metadata".to_owned();
        walk.visit(schema.root(), metadata)?;
        walk.path.clear();
        walk.fields.clear();
        walk.owner = &resource.kind;
    }
    walk.typed = !resource.custom;
    if let Some(map) = object.as_object_mut() {
        // The envelope is checked; what is left is the kind's own.
        let envelope: Vec<(Text, Value)> = ["apiVersion", "kind", "metadata"]
            .iter()
            .filter_map(|key| map.remove_entry(key))
            .collect();
        let visited = walk.visit(schema.root(), object);
        if let Some(map) = object.as_object_mut() {
            map.extend(envelope);
        }
        visited?;
    }
    Ok(walk.unknown)
}

/// Drops empty maps and lists, as typed servers write none: `data: {}` reads back as no data. Who applied one owns it all
/// the same. Of custom resources only the metadata is typed.
pub(crate) fn drop_empty(resource: &Resource, version: &str, object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata")
        && let Some(schema) = metadata_schema()
    {
        empty(schema.root(), metadata, &[]);
    }
    if resource.custom {
        return;
    }
    let written: &[&str] = match resource.is() {
        ("rbac.authorization.k8s.io", _) => &["rules"],
        ("discovery.k8s.io", _) => &["endpoints", "ports"],
        _ => &[],
    };
    empty(schema_of(resource, version).root(), object, written);
}

/// Drops what is empty below a value; fields that are always written stay.
fn empty(kind: TypeRef<'_>, value: &mut Value, written: &[&str]) {
    match value {
        Value::Array(items) => {
            if let Some(element) = kind.element() {
                items.iter_mut().for_each(|item| empty(element, item, &[]));
            }
        }
        Value::Object(map) => {
            let required = kind.required();
            map.retain(|name, inner| {
                let Some(child) = kind.child(name) else { return true };
                empty(child, inner, &[]);
                let bare = match (child.kind(), &*inner) {
                    (Kind::List { .. }, Value::Array(items)) => items.is_empty(),
                    // Structs have names; maps have none.
                    (Kind::Object, Value::Object(map)) => {
                        map.is_empty() && child.name().is_none() && !child.preserves_unknown()
                    }
                    _ => false,
                };
                !bare || required.iter().any(|required| name == required) || written.contains(&name.as_str())
            });
        }
        _ => {}
    }
}

impl<'r> Walk<'r> {
    fn visit(&mut self, kind: TypeRef<'r>, value: &mut Value) -> Result<(), ApiError> {
        match kind.kind() {
            Kind::Any => Ok(()),
            Kind::Scalar(scalar) => self.scalar(scalar, value),
            Kind::List { .. } => self.list(kind, value),
            Kind::Object => self.object(kind, value),
        }
    }

    fn list(&mut self, kind: TypeRef<'r>, value: &mut Value) -> Result<(), ApiError> {
        let Value::Array(items) = value else {
            return self.wrong(value, &go_type(kind));
        };
        let Some(element) = kind.element() else { return Ok(()) };
        let length = self.path.len();
        for (place, item) in items.iter_mut().enumerate() {
            // Writing to a String does not fail.
            let _ = write!(self.path, "[{place}]");
            self.visit(element, item)?;
            self.path.truncate(length);
        }
        if !self.resource.custom {
            items.retain(|item| !item.is_null());
        }
        Ok(())
    }

    fn object(&mut self, kind: TypeRef<'r>, value: &mut Value) -> Result<(), ApiError> {
        let Value::Object(map) = value else {
            return self.wrong(value, &go_type(kind));
        };
        let outer = kind.is_struct().then(|| {
            let name = kind.name().and_then(|name| name.rsplit('.').next());
            std::mem::replace(&mut self.owner, name.unwrap_or(&self.resource.kind))
        });
        let mut refused = None;
        map.retain(|name, inner| {
            if refused.is_some() {
                return true;
            }
            let lengths = (self.path.len(), self.fields.len());
            join_to(&mut self.path, name);
            if outer.is_some() {
                join_to(&mut self.fields, name);
            }
            let kept = self.member(kind, name, inner);
            self.path.truncate(lengths.0);
            self.fields.truncate(lengths.1);
            kept.unwrap_or_else(|error| {
                refused = Some(error);
                true
            })
        });
        if let Some(outer) = outer {
            self.owner = outer;
        }
        refused.map_or(Ok(()), Err)
    }

    /// Looks at one member; tells whether it stays.
    fn member(&mut self, kind: TypeRef<'r>, name: &str, inner: &mut Value) -> Result<bool, ApiError> {
        match kind.child(name) {
            // Typed decoders read null as unset; custom resources judge nulls when they are validated.
            Some(_) if inner.is_null() => Ok(self.resource.custom),
            Some(child) => self.visit(child, inner).map(|()| true),
            None if kind.preserves_unknown() => Ok(true),
            None if kind.is_embedded_resource() && matches!(name, "apiVersion" | "kind" | "metadata") => Ok(true),
            None => {
                self.unknown.push(self.path.clone());
                Ok(false)
            }
        }
    }

    fn scalar(&mut self, scalar: Scalar, value: &mut Value) -> Result<(), ApiError> {
        let whole = |value: &Value| value.as_i64().is_some() || value.as_u64().is_some();
        match scalar {
            Scalar::Bytes if self.typed && value.is_string() => match bad_base64(value.as_str().unwrap_or_default()) {
                Some(place) => Err(self.refuse(&format!("illegal base64 data at input byte {place}"))),
                None => Ok(()),
            },
            Scalar::String | Scalar::Time | Scalar::Bytes if value.is_string() => Ok(()),
            Scalar::String | Scalar::Time | Scalar::Bytes => self.wrong(value, "string"),
            Scalar::Int32 if value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()) => Ok(()),
            Scalar::Int32 => self.wrong(value, "int32"),
            Scalar::Integer if whole(value) => Ok(()),
            Scalar::Integer => self.wrong(value, "int64"),
            Scalar::Number if value.is_number() => Ok(()),
            Scalar::Number => self.wrong(value, "float64"),
            Scalar::Boolean if value.is_boolean() => Ok(()),
            Scalar::Boolean => self.wrong(value, "bool"),
            Scalar::IntOrString if value.is_string() || whole(value) => Ok(()),
            Scalar::IntOrString => self.wrong(value, "intstr.IntOrString"),
            Scalar::Quantity => {
                // Quantities are kept as texts, whatever a client writes.
                if self.typed && value.is_number() {
                    *value = Value::from(value.to_string());
                }
                if self.typed && value.as_str().is_some_and(|text| !is_quantity(text)) {
                    return Err(self.refuse(QUANTITY));
                }
                if value.is_string() || !self.typed {
                    Ok(())
                } else {
                    self.wrong(value, "resource.Quantity")
                }
            }
            _ => Ok(()),
        }
    }

    fn wrong(&self, value: &Value, wanted: &str) -> Result<(), ApiError> {
        if !self.typed || value.is_null() {
            return Ok(());
        }
        let found = match value {
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
            Value::Null => "null",
        };
        let (owner, path) = (self.owner, &self.fields);
        Err(self.refuse(&format!(
            "json: cannot unmarshal {found} into Go struct field {owner}.{path} of type {wanted}"
        )))
    }

    fn refuse(&self, why: &str) -> ApiError {
        let (kind, version) = (&self.resource.kind, self.version);
        ApiError::bad_request(format!(
            "{kind} in version \"{version}\" cannot be handled as a {kind}: {why}"
        ))
    }
}

/// A type as Go writes it: `[]v1.Container`, `map[string]string`.
fn go_type(kind: TypeRef<'_>) -> String {
    match kind.kind() {
        Kind::Any => "interface {}".to_owned(),
        Kind::Scalar(scalar) => match scalar {
            Scalar::Boolean => "bool".to_owned(),
            Scalar::Int32 => "int32".to_owned(),
            Scalar::Integer => "int64".to_owned(),
            Scalar::Number => "float64".to_owned(),
            Scalar::IntOrString => "intstr.IntOrString".to_owned(),
            Scalar::Quantity => "resource.Quantity".to_owned(),
            Scalar::Time => "v1.Time".to_owned(),
            Scalar::Bytes => "[]uint8".to_owned(),
            _ => "string".to_owned(),
        },
        Kind::List { .. } => format!("[]{}", kind.element().map(go_type).unwrap_or_default()),
        Kind::Object => match kind.name() {
            // The last two parts of `io.k8s.api.core.v1.Container` are the package and the type.
            Some(name) => {
                let parts: Vec<&str> = name.rsplitn(3, '.').take(2).collect();
                parts.into_iter().rev().collect::<Vec<_>>().join(".")
            }
            None => format!("map[string]{}", kind.values().map(go_type).unwrap_or_default()),
        },
    }
}

const QUANTITY: &str = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/// Where a text stops being base64.
fn bad_base64(text: &str) -> Option<usize> {
    use base64::{DecodeError, Engine};
    match base64::prelude::BASE64_STANDARD.decode(text).err()? {
        DecodeError::InvalidByte(place, _) | DecodeError::InvalidLastSymbol(place, _) => Some(place),
        DecodeError::InvalidLength(length) => Some(length),
        DecodeError::InvalidPadding => Some(text.len()),
    }
}

/// Whether a text has the form of a quantity; what the number means is not judged here.
fn is_quantity(text: &str) -> bool {
    let number = text.trim_start_matches(['+', '-']);
    let digits = number
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(number.len());
    let suffix = number.get(digits..).unwrap_or_default();
    let rest = suffix
        .trim_start_matches(|c: char| "eEinumkKMGTP".contains(c))
        .trim_start_matches(['+', '-']);
    digits > 0 && text.len() - number.len() <= 1 && rest.bytes().all(|c| c.is_ascii_digit())
}

/// Fields that a built-in kind must have, from its type.
pub(crate) fn missing_fields(resource: &Resource, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if resource.custom {
        return errors;
    }
    let (group, version) = split_api_version(&resource.storage);
    if group == resource.group() {
        missing(
            schema_of(resource, version).root(),
            object,
            &mut String::new(),
            &mut errors,
        );
        return errors;
    }
    let Some(schema) = builtin(group, version, &resource.kind) else {
        return errors;
    };
    missing(schema.root(), object, &mut String::new(), &mut errors);
    errors
}

/// Required by the type but accepted empty by the real server.
const LENIENT: &[&str] = &["endpoints", "metadata", "revision", "currentReplicas", "value", "rules"];

fn missing(kind: TypeRef<'_>, value: &Value, path: &mut String, errors: &mut Vec<FieldError>) {
    let length = path.len();
    match value {
        Value::Object(map) => {
            for name in kind.required() {
                if !map.contains_key(name) && !LENIENT.contains(&name.as_str()) {
                    join_to(path, name);
                    errors.push(FieldError::required(path.as_str(), ""));
                    path.truncate(length);
                }
            }
            for (name, inner) in map {
                // The status is the server's own business, and so is the metadata.
                if path.is_empty() && (name == "status" || name == "metadata") {
                    continue;
                }
                if (inner.is_object() || inner.is_array())
                    && let Some(child) = kind.child(name)
                {
                    join_to(path, name);
                    missing(child, inner, path, errors);
                    path.truncate(length);
                }
            }
        }
        Value::Array(items) => {
            if let Some(element) = kind.element() {
                for (place, item) in items.iter().enumerate() {
                    // Writing to a String does not fail.
                    let _ = write!(path, "[{place}]");
                    missing(element, item, path, errors);
                    path.truncate(length);
                }
            }
        }
        _ => {}
    }
}

/// Adds a name to a path.
fn join_to(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

/// A server-side apply.
#[derive(Debug, Clone)]
pub(crate) struct Apply {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) subresource: String,
    pub(crate) manager: String,
    pub(crate) force: bool,
    pub(crate) now: String,
}

/// Fields that a request cannot set, so that nobody gets to own them by it.
fn ignored(resource: &Resource, subresource: &str) -> Option<FieldSet> {
    match subresource {
        "" if crate::strategy::has_status(resource) => Some(FieldSet::of_names(&[&["status"]])),
        "status" => Some(FieldSet::of_names(&[&["spec"]])),
        _ => None,
    }
}

/// Applies a configuration; objects are in the version of the request.
pub(crate) fn apply(target: &Target, call: &Apply, live: Option<&Value>, config: &Value) -> Result<Value, ApiError> {
    let resource = &*target.resource;
    let schema = schema_of(resource, &call.version);
    let ignored = ignored(resource, &call.subresource);
    let writer = Writer {
        schema: &schema,
        manager: &call.manager,
        api_version: &api_version(&call.group, &call.version),
        subresource: &call.subresource,
        now: call.now.parse().unwrap_or_default(),
        ignored: ignored.as_ref(),
    };
    match apply::apply(live, config, &writer, call.force) {
        Ok(applied) => Ok(match live {
            Some(live) if owns_nothing(&applied.object, &call.manager) && same_but_owners(live, &applied.object) => {
                live.clone()
            }
            _ => applied.object,
        }),
        Err(ApplyError::Conflicts(conflicts)) => Err(conflict(&conflicts)),
        Err(error @ (ApplyError::Typed(_) | ApplyError::ManagedFields(_))) => {
            Err(ApiError::new(500, "", error.to_string()))
        }
        Err(error) => Err(ApiError::bad_request(error.to_string())),
    }
}

/// Whether a manager owns no field of an object: it applied nothing but a name.
fn owns_nothing(object: &Value, manager: &str) -> bool {
    let entries = list(object, &["metadata", "managedFields"]);
    entries
        .iter()
        .all(|entry| text(entry, &["manager"]) != Some(manager) || text(entry, &["operation"]) != Some("Apply"))
}

/// Whether two objects differ in nothing but their field owners. Such an apply must not write: it would change the
/// object each time a bare Namespace is applied.
fn same_but_owners(live: &Value, applied: &Value) -> bool {
    let strip = |value: &Value| {
        let mut value = value.clone();
        remove(&mut value, &["metadata", "managedFields"]);
        value
    };
    strip(live) == strip(applied)
}

fn conflict(conflicts: &apply::Conflicts) -> ApiError {
    let mut error = ApiError::new(409, "Conflict", conflicts.to_string());
    for one in &conflicts.0 {
        error = error.cause("FieldManagerConflict", one.message(), &one.path.to_string());
    }
    error
}

/// Works out who owns what after a write that is no apply.
pub(crate) fn track(
    target: &Target,
    context: &Context,
    old: Option<&Value>,
    new: &mut Value,
    manager: &str,
    subresource: &str,
) -> Result<(), ApiError> {
    let resource = &*target.resource;
    let schema = schema_of(resource, &context.info.version);
    let ignored = ignored(resource, subresource);
    let writer = Writer {
        schema: &schema,
        manager,
        api_version: &api_version(&context.info.group, &context.info.version),
        subresource,
        now: context.core().now_text().parse().unwrap_or_default(),
        ignored: ignored.as_ref(),
    };
    *new = apply::update(old, new, &writer).map_err(|error| ApiError::bad_request(error.to_string()))?;
    Ok(())
}

/// Takes the time off the entry of who scaled an object: the real server works it out from a Scale, which has none.
/// Entries without a time stand before those with one.
pub(crate) fn forget_time(object: &mut Value, manager: &str) {
    let Some(entries) = crate::value::at_mut(object, &["metadata", "managedFields"]).and_then(Value::as_array_mut)
    else {
        return;
    };
    let is = |entry: &Value, field: &str, wanted: &str| text(entry, &[field]) == Some(wanted);
    let scaled = entries
        .iter()
        .position(|e| is(e, "manager", manager) && is(e, "subresource", "scale") && is(e, "operation", "Update"));
    if let Some(place) = scaled {
        let mut entry = entries.remove(place);
        remove(&mut entry, &["time"]);
        let before = |other: &Value| {
            is(other, "operation", "Apply")
                || (other.get("time").is_none() && text(other, &["manager"]) < Some(manager))
        };
        let first = entries.iter().take_while(|other| before(other)).count();
        entries.insert(first, entry);
    }
}

/// A strategic merge patch.
pub(crate) fn strategic(
    target: &Target,
    version: (&str, &str),
    current: &Value,
    patch: &Value,
) -> Result<Value, ApiError> {
    let schema = builtin(version.0, version.1, &target.resource.kind);
    let untyped = Schema::untyped();
    let schema = schema.unwrap_or(&untyped);
    kubemerge::strategic::apply(current, patch, schema).map_err(|error| ApiError::new(500, "", error.to_string()))
}

/// Fills in the defaults of a custom resource's schema.
pub(crate) fn default_custom(target: &Target, object: &mut Value) {
    if !target.resource.custom {
        return;
    }
    let schema = schema_of(&target.resource, target.resource.storage_version());
    // Too deep an object is refused when it is validated.
    let _ = structural::default(object, &schema);
}

/// Validates a custom resource against its schema.
pub(crate) fn validate_custom(target: &Target, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    if !target.resource.custom {
        return Vec::new();
    }
    let schema = schema_of(&target.resource, target.resource.storage_version());
    let mut errors: Vec<FieldError> = match structural::validate(object, &schema) {
        Ok(found) => found.into_iter().map(field_error).collect(),
        Err(error) => vec![FieldError::invalid("", Value::Null, error.to_string())],
    };
    // A text that is too long is not compared with its pattern.
    let long: Vec<String> = errors
        .iter()
        .filter(|e| e.kind == FieldErrorKind::TooLong)
        .map(|e| e.field.clone())
        .collect();
    errors.retain(|error| error.kind != FieldErrorKind::Invalid || !long.contains(&error.field));
    if let Ok(custom) = crate::crd::custom(&target.resource, target.resource.storage_version()) {
        errors.extend(custom.rules.judge(object, old, &errors));
    }
    errors
}

/// A finding of the schema in the form that status causes are made from.
fn field_error(found: structural::FieldError) -> FieldError {
    let kind = match found.cause {
        structural::Cause::Required => FieldErrorKind::Required,
        structural::Cause::NotSupported => FieldErrorKind::NotSupported,
        structural::Cause::TypeInvalid => FieldErrorKind::TypeInvalid,
        structural::Cause::TooLong => FieldErrorKind::TooLong,
        structural::Cause::TooMany => FieldErrorKind::TooMany,
        structural::Cause::Duplicate => FieldErrorKind::Duplicate,
        _ => FieldErrorKind::Invalid,
    };
    let rest = found.message.strip_prefix(kind.text()).unwrap_or(&found.message);
    FieldError {
        field: found.field,
        kind,
        value: None,
        detail: rest
            .trim_start_matches(": ")
            .replace("must be of type integer or string:", "must be of type integer,string:"),
    }
}
