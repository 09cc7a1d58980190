//! Tables: the columns that kubectl prints for each kind.
//!
//! Each kind has a list of columns and a function that reads its cells; custom resources have the columns of their
//! definition. Kinds without either print their name and age.

mod apps;
mod core;
mod extra;
mod others;
mod text;

use jiff::Timestamp;
use json_tree::{Value, json};

use crate::crd;
use crate::jsonpath;
use crate::registry::Resource;
use crate::value;
use crate::view::{IncludeObject, metadata_only};

use text::age;

/// A column: name, type, priority (0 is always shown, 1 is for `-o wide`).
pub(crate) type Column = (&'static str, &'static str, u8);

/// What a printer knows beside the object.
pub(crate) struct Env {
    pub(crate) now: Timestamp,
}

/// How one kind is printed.
pub(crate) struct Printer {
    pub(crate) columns: &'static [Column],
    pub(crate) cells: fn(&Value, &Env) -> Vec<Value>,
}

const NAME_AGE: &[Column] = &[("Name", "string", 0), ("Age", "string", 0)];

fn printer(resource: &Resource) -> Printer {
    let (group, plural) = resource.is();
    let found = match group {
        "" => core::printer(plural),
        "apps" | "batch" | "autoscaling" | "policy" => apps::printer(plural),
        _ => others::printer(group, plural),
    };
    found.or_else(|| extra::printer(group, plural)).unwrap_or(Printer {
        columns: NAME_AGE,
        cells: |object, env| vec![value::name(object).into(), age(object, env).into()],
    })
}

fn custom_columns<'r>(resource: &'r Resource, version: &str) -> Option<&'r [crd::Column]> {
    let custom = resource.custom.then(|| crd::custom(resource, version).ok()).flatten()?;
    (!custom.columns.is_empty()).then_some(custom.columns.as_slice())
}

/// The column definitions of a resource.
pub(crate) fn columns(resource: &Resource, version: &str) -> Vec<Value> {
    let column = |name: &str, kind: &str, format: &str, description: &str, priority: i64| json!({"name": name, "type": kind, "format": format, "description": description, "priority": priority});
    if let Some(custom) = custom_columns(resource, version) {
        let name = column("Name", "string", "name", NAME_TEXT, 0);
        let own = custom
            .iter()
            .map(|c| column(&c.name, &c.kind, &c.format, &c.description, c.priority));
        return std::iter::once(name).chain(own).collect();
    }
    printer(resource)
        .columns
        .iter()
        .map(|(name, kind, priority)| {
            let (format, text) = match *name {
                "Name" => ("name", NAME_TEXT),
                _ => ("", ""),
            };
            column(name, kind, format, text, i64::from(*priority))
        })
        .collect()
}

const NAME_TEXT: &str = "Name must be unique within a namespace.";

/// The rows of one object; one for every kind we know.
pub(crate) fn rows(
    resource: &Resource,
    version: &str,
    object: &Value,
    now: Timestamp,
    include: IncludeObject,
) -> Vec<Value> {
    let env = Env { now };
    let cells = match custom_columns(resource, version) {
        Some(columns) => {
            let own = columns.iter().map(|column| custom_cell(object, column, &env));
            std::iter::once(Value::from(value::name(object))).chain(own).collect()
        }
        None => (printer(resource).cells)(object, &env),
    };
    let mut row = json!({"cells": cells});
    match include {
        IncludeObject::None => {}
        IncludeObject::Metadata => row["object"] = metadata_only(json!({"metadata": object.get("metadata")})),
        IncludeObject::Object => row["object"] = object.clone(),
    }
    vec![row]
}

fn custom_cell(object: &Value, column: &crd::Column, env: &Env) -> Value {
    let Some(found) = jsonpath::first(object, &column.path).filter(|found| !found.is_null()) else {
        return Value::Null;
    };
    match column.kind.as_str() {
        "integer" => found.as_i64().map_or(Value::Null, Value::from),
        "number" => found.as_f64().map_or(Value::Null, Value::from),
        "boolean" => found.as_bool().map_or(Value::Null, Value::from),
        "date" => found
            .as_str()
            .map_or(Value::Null, |when| text::since(when, env.now).into()),
        _ => found.as_str().map_or_else(|| found.to_string().into(), Value::from),
    }
}
