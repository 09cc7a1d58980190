//! Printing in the format that was asked for.

use cli_args::Output;
use serde_json::{Value, json};

use crate::console::Console;
use crate::failure::Failure;
use crate::jsonpath::{self, Path, Template};
use crate::table::{NONE, Table};

/// A format, checked before anything is asked of a server.
#[derive(Debug, Clone)]
pub(crate) enum Format {
    /// The table of the kind.
    Table {
        /// With more columns.
        wide: bool,
    },
    Json,
    Yaml,
    Name,
    Template(Template),
    Columns(Vec<(String, Path)>),
}

impl Format {
    /// Checks a format.
    pub(crate) fn new(output: &Output) -> Result<Self, Failure> {
        Ok(match output {
            Output::Table => Self::Table { wide: false },
            Output::Wide => Self::Table { wide: true },
            Output::Json => Self::Json,
            Output::Yaml => Self::Yaml,
            Output::Name => Self::Name,
            Output::Jsonpath(text) => Self::Template(Template::parse(text).map_err(|error| {
                Failure::of(&error).hint("a template looks like {.items[*].id} or {range .items[*]}{.id}{\"\\n\"}{end}")
            })?),
            Output::CustomColumns(spec) => Self::Columns(columns(spec)?),
        })
    }

    /// Only formats that show a whole value; for commands without a table of objects.
    pub(crate) fn whole(output: &Output, what: &str) -> Result<Option<Self>, Failure> {
        match Self::new(output)? {
            Self::Table { .. } => Ok(None),
            Self::Name => Err(Failure::new(format!("{what} has no output format \"name\""))),
            other => Ok(Some(other)),
        }
    }

    /// Prints one value whole; the formats of tables print nothing.
    pub(crate) fn print_value(&self, value: &Value, console: &mut Console) -> Result<(), Failure> {
        match self {
            Self::Json => console.line(&pretty(value)?),
            Self::Yaml => console.write(yaml::to_string(value).as_bytes()),
            Self::Template(template) => console.write(template.render(value).as_bytes()),
            Self::Columns(columns) => {
                let mut table = Table::with_header(columns.iter().map(|(name, _)| name.clone()));
                let items = value.get("items").and_then(Value::as_array);
                for item in items.map_or_else(|| std::slice::from_ref(value), Vec::as_slice) {
                    table.push(column_row(columns, item));
                }
                console.write(table.take_text().as_bytes())
            }
            Self::Table { .. } | Self::Name => Ok(()),
        }
    }
}

/// A list as it is printed and as `create` and `apply` read it.
pub(crate) fn list(items: Vec<Value>) -> Value {
    json!({ "items": items })
}

/// The row of columns of one's own.
pub(crate) fn column_row(columns: &[(String, Path)], item: &Value) -> Vec<String> {
    let cell = |path: &Path| {
        let texts: Vec<String> = path.find(item).into_iter().map(jsonpath::text_of).collect();
        if texts.is_empty() {
            NONE.to_owned()
        } else {
            texts.join(",")
        }
    };
    columns.iter().map(|(_, path)| cell(path)).collect()
}

/// Sorts objects by a field; objects without it come first, values of different kinds by their text.
pub(crate) fn sort_by<T>(objects: &mut [(T, Value)], path: &str) -> Result<(), Failure> {
    let path = Path::parse(path).map_err(|error| Failure::of(&error).while_doing("--sort-by"))?;
    objects.sort_by(|(_, a), (_, b)| {
        let (a, b) = (path.find(a), path.find(b));
        match (a.first(), b.first()) {
            (Some(a), Some(b)) => {
                jsonpath::compare(a, b).unwrap_or_else(|| jsonpath::text_of(a).cmp(&jsonpath::text_of(b)))
            }
            (a, b) => a.is_some().cmp(&b.is_some()),
        }
    });
    Ok(())
}

fn columns(spec: &str) -> Result<Vec<(String, Path)>, Failure> {
    let column = |part: &str| {
        let (name, path) = part
            .split_once(':')
            .filter(|(name, path)| !name.is_empty() && !path.is_empty())
            .ok_or_else(|| {
                Failure::new(format!("custom-columns: {part:?} must have the form HEADER:path"))
                    .hint("for example custom-columns=ID:.id,BLOCK:.config_items.cluster_update_block")
            })?;
        let path =
            Path::parse(path).map_err(|error| Failure::of(&error).while_doing(format!("custom-columns {name:?}")))?;
        Ok((name.to_owned(), path))
    };
    spec.split(',').map(column).collect()
}

fn pretty(value: &Value) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map_err(|error| Failure::of(&error))
}
