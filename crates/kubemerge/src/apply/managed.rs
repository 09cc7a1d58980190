//! `metadata.managedFields`: who owns which fields.

use std::collections::BTreeMap;

use jiff::Timestamp;
use json_tree::{Map, Value, json};
use thiserror::Error;

use crate::fields::{DecodeError, FieldSet};

/// Most entries of operation Update that an object keeps; older ones are merged.
pub const MAX_UPDATE_MANAGERS: usize = 10;
/// Name of the manager that takes over what the oldest Update entries owned.
pub const ANCIENT_CHANGES: &str = "ancient-changes";
/// Name of the manager of everything that was there before the first apply on an object without managed fields.
pub const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// How fields came to be owned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// By server-side apply.
    Apply,
    /// By any other write.
    Update,
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// What tells entries apart. An applier has one entry whatever version it applies, so its version is not part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ManagerId {
    /// Name of the manager.
    pub manager: String,
    /// Its operation.
    pub operation: Operation,
    /// The version it wrote, empty for appliers.
    pub api_version: String,
    /// The subresource it wrote through, empty for the object itself.
    pub subresource: String,
}

impl ManagerId {
    pub(super) fn new(manager: &str, operation: Operation, api_version: &str, subresource: &str) -> Self {
        let api_version = if operation == Operation::Apply { "" } else { api_version };
        Self {
            manager: manager.to_owned(),
            operation,
            api_version: api_version.to_owned(),
            subresource: subresource.to_owned(),
        }
    }
}

/// What one manager owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// The version that the fields belong to.
    pub api_version: String,
    /// When the set last changed.
    pub time: Option<Timestamp>,
    /// The fields.
    pub fields: FieldSet,
}

/// Why managedFields cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ManagedFieldsError {
    /// The value is no list of maps.
    #[error("metadata.managedFields must be a list of entries")]
    NotAList,
    /// An entry's member has an unusable value.
    #[error("metadata.managedFields[{index}].{member}: Invalid value")]
    Entry {
        /// Place of the entry.
        index: usize,
        /// Member of the entry.
        member: &'static str,
    },
    /// An entry's fields cannot be read.
    #[error("metadata.managedFields[{index}].fieldsV1 cannot be decoded")]
    Fields {
        /// Place of the entry.
        index: usize,
        /// What is wrong with them.
        #[source]
        source: DecodeError,
    },
}

/// All entries of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ManagedFields {
    pub(super) entries: BTreeMap<ManagerId, Owned>,
}

impl ManagedFields {
    /// Reads the entries of an object; none when it has no managedFields.
    ///
    /// # Errors
    /// [`ManagedFieldsError`] when they cannot be read.
    pub fn of(object: &Value) -> Result<Self, ManagedFieldsError> {
        object
            .pointer("/metadata/managedFields")
            .map_or_else(|| Ok(Self::default()), Self::decode)
    }

    /// Reads the value of `metadata.managedFields`.
    ///
    /// # Errors
    /// [`ManagedFieldsError`] when it cannot be read.
    pub fn decode(value: &Value) -> Result<Self, ManagedFieldsError> {
        let list = match value {
            Value::Null => return Ok(Self::default()),
            Value::Array(list) => list,
            _ => return Err(ManagedFieldsError::NotAList),
        };
        let mut out = Self::default();
        for (index, entry) in list.iter().enumerate() {
            let entry = entry.as_object().ok_or(ManagedFieldsError::NotAList)?;
            let (id, owned) = decode_entry(index, entry)?;
            out.entries.insert(id, owned);
        }
        Ok(out)
    }

    /// The entries as a value for `metadata.managedFields`, in the order of the API server: operation, time, manager,
    /// version, subresource.
    #[must_use]
    pub fn encode(&self) -> Value {
        let mut entries: Vec<(&ManagerId, &Owned)> = self.entries.iter().collect();
        entries.sort_by_key(|(id, owned)| {
            (
                id.operation,
                owned.time.map_or(0, Timestamp::as_second),
                &id.manager,
                &owned.api_version,
                &id.subresource,
            )
        });
        Value::Array(entries.into_iter().map(|(id, owned)| encode_entry(id, owned)).collect())
    }

    /// Writes the entries into an object, or takes the member away when there are none.
    pub(super) fn write(&self, object: &mut Value) {
        let encoded = (!self.entries.is_empty()).then(|| self.encode());
        let Some(object) = object.as_object_mut() else { return };
        match encoded {
            Some(encoded) => {
                let metadata = object.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
                if let Some(metadata) = metadata.as_object_mut() {
                    metadata.insert("managedFields", encoded);
                }
            }
            None => {
                if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
                    metadata.remove("managedFields");
                }
            }
        }
    }

    /// Whether nobody owns anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries, sorted by their identity.
    pub fn iter(&self) -> impl Iterator<Item = (&ManagerId, &Owned)> {
        self.entries.iter()
    }

    /// What a manager owns.
    #[must_use]
    pub fn get(&self, id: &ManagerId) -> Option<&Owned> {
        self.entries.get(id)
    }

    pub(super) fn drop_empty(&mut self) {
        self.entries.retain(|_, owned| !owned.fields.is_empty());
    }

    /// Merges the oldest Update entries until at most [`MAX_UPDATE_MANAGERS`] are left, one bucket for each version.
    pub(super) fn cap(&mut self) {
        let mut updaters: Vec<ManagerId> = self
            .entries
            .keys()
            .filter(|id| id.operation == Operation::Update)
            .cloned()
            .collect();
        let mut count = updaters.len();
        if count <= MAX_UPDATE_MANAGERS {
            return;
        }
        let time = |id: &ManagerId| {
            self.entries
                .get(id)
                .and_then(|owned| owned.time)
                .map_or(0, Timestamp::as_second)
        };
        updaters.sort_by_key(|id| (time(id), id.clone()));
        let mut first: BTreeMap<String, ManagerId> = BTreeMap::new();
        for id in updaters {
            if count <= MAX_UPDATE_MANAGERS {
                break;
            }
            let Some(leader) = first.get(&id.api_version) else {
                first.insert(id.api_version.clone(), id);
                continue;
            };
            let bucket = ManagerId::new(ANCIENT_CHANGES, Operation::Update, &id.api_version, "");
            if !self.entries.contains_key(&bucket)
                && let Some(owned) = self.entries.remove(leader)
            {
                self.entries.insert(bucket.clone(), owned);
            }
            if bucket == id {
                continue;
            }
            if let Some(owned) = self.entries.remove(&id) {
                let time = owned.time;
                let merged = self.entries.entry(bucket).or_insert_with(|| Owned {
                    fields: FieldSet::new(),
                    ..owned.clone()
                });
                merged.fields.extend(&owned.fields);
                merged.time = time;
                count -= 1;
            }
        }
    }
}

fn decode_entry(index: usize, entry: &Map) -> Result<(ManagerId, Owned), ManagedFieldsError> {
    let invalid = |member| ManagedFieldsError::Entry { index, member };
    let text = |member: &'static str| match entry.get(member) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(_) => Err(invalid(member)),
    };
    let operation = match text("operation")? {
        "Apply" => Operation::Apply,
        "Update" => Operation::Update,
        _ => return Err(invalid("operation")),
    };
    let time = match text("time")? {
        "" => None,
        time => Some(time.parse::<Timestamp>().map_err(|_| invalid("time"))?),
    };
    if text("fieldsType")? != "FieldsV1" {
        return Err(invalid("fieldsType"));
    }
    let fields = match entry.get("fieldsV1") {
        None | Some(Value::Null) => FieldSet::new(),
        Some(fields) => {
            FieldSet::from_fields_v1(fields).map_err(|source| ManagedFieldsError::Fields { index, source })?
        }
    };
    let api_version = text("apiVersion")?;
    if api_version.is_empty() {
        return Err(invalid("apiVersion"));
    }
    let id = ManagerId::new(text("manager")?, operation, api_version, text("subresource")?);
    Ok((
        id,
        Owned {
            api_version: api_version.to_owned(),
            time,
            fields,
        },
    ))
}

fn encode_entry(id: &ManagerId, owned: &Owned) -> Value {
    let mut entry = json!({
        "manager": id.manager,
        "operation": id.operation.as_str(),
        "apiVersion": owned.api_version,
        "fieldsType": "FieldsV1",
        "fieldsV1": owned.fields.to_fields_v1(),
    });
    if let Some(map) = entry.as_object_mut() {
        if let Some(time) = owned.time {
            map.insert("time", Value::from(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()));
        }
        if !id.subresource.is_empty() {
            map.insert("subresource", Value::from(id.subresource.clone()));
        }
    }
    entry
}
