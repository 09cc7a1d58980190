//! Reading: get, list with pages at one version, watch.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::HeaderValue;
use json_tree::{Map, Value, json};

use super::{Answer, Target};
use crate::body::ReplyBody;
use crate::registry::Resource;
use crate::selector::{FieldSelector, LabelSelector};
use crate::server::{AsOf, Context, json_response};
use crate::status::{ApiError, FieldError};
use crate::store::{Collection, Key, Object, Objects, State};
use crate::view::{Shape, to_bytes};
use crate::watch::{Filter, Start, WatchStream, too_old};

/// Answers with one object.
pub(super) fn get(context: &Context, target: &Target) -> Answer {
    let object = match context.as_of {
        Some(AsOf(version)) => find_at(context, target, version)?,
        None => context.find(target)?,
    };
    if let Ok(wanted) = context.options.resource_version.parse::<u64>() {
        let current = context.core().state().version();
        if wanted > current {
            return Err(too_large(wanted, current));
        }
    }
    context.reply(target, 200, &object)
}

/// The object this request names as it was at a version, or as long ago as the server remembers.
fn find_at(context: &Context, target: &Target, version: u64) -> Result<Arc<Object>, ApiError> {
    let key = context.key(target);
    let state = context.core().state();
    let collection = state.collection(&target.resource.stored_as);
    let found = collection.and_then(|collection| collection.object_at(&key, version));
    found.ok_or_else(|| target.not_found(&context.info.name))
}

/// The error for a version that is yet to come.
fn too_large(wanted: u64, current: u64) -> ApiError {
    ApiError::new(
        504,
        "Timeout",
        format!("Timeout: Too large resource version: {wanted}, current: {current}"),
    )
    .cause("ResourceVersionTooLarge", "Too large resource version", "")
    .retry_after(1)
}

pub(super) fn filter(context: &Context, target: &Target) -> Result<Filter, ApiError> {
    let fields = FieldSelector::parse(&context.options.field_selector, &target.resource.fields)?;
    Ok(Filter {
        namespace: if target.resource.namespaced {
            context.info.namespace.clone()
        } else {
            String::new()
        },
        name: if context.info.name.is_empty() {
            fields.name().map(str::to_owned)
        } else {
            Some(context.info.name.clone())
        },
        labels: LabelSelector::parse(&context.options.label_selector)?,
        fields,
    })
}

/// The objects of a collection that a filter selects, in order of their keys, after a key.
pub(super) fn select<'c>(
    objects: &'c Objects,
    filter: &'c Filter,
    after: Option<&Key>,
) -> impl Iterator<Item = (&'c Key, &'c Arc<Object>)> {
    use std::ops::Bound;
    let from = match (after, &filter.name) {
        (Some(key), _) => Bound::Excluded(key.clone()),
        (None, Some(name)) if !filter.namespace.is_empty() => Bound::Included(Key::new(&filter.namespace, name)),
        _ => Bound::Included(Key::new(&filter.namespace, "")),
    };
    objects
        .range((from, Bound::Unbounded))
        .take_while(|(key, _)| filter.namespace.is_empty() || *key.namespace() == *filter.namespace)
        .filter(|(key, object)| filter.matches(key, object))
}

/// Objects with their keys, in order of the keys.
type Selected<'c> = Box<dyn Iterator<Item = (&'c Key, &'c Arc<Object>)> + 'c>;

/// The same of what a collection has now, by its index where the filter fixes the indexed field.
fn select_now<'c>(
    collection: &'c Collection,
    resource: &Resource,
    filter: &'c Filter,
    after: Option<&'c Key>,
) -> Selected<'c> {
    let fixed = resource.indexed_field().and_then(|place| filter.fields.fixed(place));
    match fixed.filter(|value| !value.is_empty()) {
        Some(value) => Box::new(
            collection
                .with_field(value)
                .filter(move |(key, object)| after.is_none_or(|after| *key > after) && filter.matches(key, object)),
        ),
        None => Box::new(select(&collection.objects, filter, after)),
    }
}

/// Where a paged list stands.
struct Token {
    version: u64,
    after: Key,
}

impl Token {
    fn encode(&self) -> String {
        let token = json!({
            "v": "meta.k8s.io/v1", "rv": self.version, "start": format!("{}/{}\u{0}", self.after.namespace(), self.after.name())});
        BASE64_URL_SAFE_NO_PAD.encode(token.to_string())
    }

    fn decode(text: &str) -> Result<Self, ApiError> {
        let bad = || {
            ApiError::bad_request("invalid continue token: continue key is not valid: illegal base64 or unknown form")
        };
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| bad())?;
        let token: Value = serde_json::from_slice(&bytes).map_err(|_| bad())?;
        let version = token.get("rv").and_then(Value::as_u64).ok_or_else(bad)?;
        let start = token
            .get("start")
            .and_then(Value::as_str)
            .and_then(|text| text.strip_suffix('\0'))
            .ok_or_else(bad)?;
        let (namespace, name) = start.split_once('/').ok_or_else(bad)?;
        Ok(Self {
            version,
            after: Key::new(namespace, name),
        })
    }
}

/// Which version a list is about: now, or an exact one of the past.
enum At {
    Now,
    Exactly(u64),
}

fn parse_version(text: &str) -> Result<Option<u64>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        ApiError::bad_request(format!(
            "invalid resource version: resourceVersion: Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": invalid syntax"
        ))
    })
}

fn forbidden_option(field: &str, why: &str) -> ApiError {
    ApiError::invalid("meta.k8s.io", "ListOptions", "", &[FieldError::forbidden(field, why)])
}

fn list_at(context: &Context, state: &State, target: &Target, token: Option<&Token>) -> Result<At, ApiError> {
    let options = &context.options;
    let (version, current) = (parse_version(&options.resource_version)?, state.version());
    let compacted = state.compacted(&target.resource.stored_as);
    if let Some(token) = token {
        if version.is_some_and(|version| version > 0) {
            return Err(ApiError::bad_request(
                "specifying resource version is not allowed when using continue",
            ));
        }
        if token.version < compacted {
            return Err(ApiError::expired(
                "The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.",
            ));
        }
        return Ok(At::Exactly(token.version.min(current)));
    }
    let exact = match options.resource_version_match.as_str() {
        "" => options.limit > 0 && version.is_some_and(|version| version > 0),
        _ if version.is_none() => {
            let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            return Err(forbidden_option("resourceVersionMatch", why));
        }
        "Exact" if version == Some(0) => {
            let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            return Err(forbidden_option("resourceVersionMatch", why));
        }
        "Exact" => true,
        "NotOlderThan" => false,
        other => {
            let error = FieldError::not_supported("resourceVersionMatch", other, &["Exact", "NotOlderThan", ""]);
            return Err(ApiError::invalid("meta.k8s.io", "ListOptions", "", &[error]));
        }
    };
    match version {
        Some(version) if version > current => Err(too_large(version, current)),
        Some(version) if exact && version < compacted => Err(too_old(version, compacted)),
        Some(version) if exact => Ok(At::Exactly(version)),
        _ => Ok(At::Now),
    }
}

/// Answers with the objects that a request selects.
pub(super) fn list(context: &Context, target: &Target) -> Answer {
    if context.options.send_initial_events.is_some() {
        return Err(forbidden_option(
            "sendInitialEvents",
            "sendInitialEvents is forbidden for list",
        ));
    }
    let view = context.view(target)?;
    let filter = filter(context, target)?;
    let token = match context.options.continue_token.as_str() {
        "" => None,
        text => Some(Token::decode(text)?),
    };
    let limit = if context.options.limit == 0 {
        usize::MAX
    } else {
        context.options.limit
    };
    let (version, mut page, remaining) = {
        let state = context.core().state();
        let at = list_at(context, &state, target, token.as_ref())?;
        let empty = Collection::default();
        let collection = state.collection(&target.resource.stored_as).unwrap_or(&empty);
        let past;
        let after = token.as_ref().map(|token| &token.after);
        let (version, mut selected): (u64, Selected<'_>) = match at {
            At::Now => (
                state.version(),
                select_now(collection, &target.resource, &filter, after),
            ),
            At::Exactly(version) => {
                past = collection.at(version);
                (version, Box::new(select(&past, &filter, after)))
            }
        };
        let page: Vec<_> = selected
            .by_ref()
            .take(limit)
            .map(|(key, object)| (key.clone(), object.clone()))
            .collect();
        (version, page, if limit == usize::MAX { 0 } else { selected.count() })
    };
    let mut metadata = Map::new();
    metadata.insert("resourceVersion", version.to_string().into());
    if target.resource.custom && !matches!(view.shape, Shape::Table(_)) {
        // Lists of custom resources are no Go type of their own, and say so.
        metadata.insert("continue", "".into());
    }
    if remaining > 0
        && let Some((last, _)) = page.last()
    {
        metadata.insert(
            "continue",
            Token {
                version,
                after: last.clone(),
            }
            .encode()
            .into(),
        );
        if filter.labels.is_empty() && filter.fields.is_empty() {
            // Under a selector the server does not know how many are left without looking at all of them.
            metadata.insert("remainingItemCount", remaining.into());
        }
    }
    let objects: Vec<Arc<Object>> = page.drain(..).map(|(_, object)| object).collect();
    let metadata = Value::Object(metadata);
    if let Shape::Table(include) = view.shape {
        let rows = objects.iter().flat_map(|object| view.rows(object, include)).collect();
        return Ok(json_response(200, to_bytes(&view.table(metadata, rows))));
    }
    Ok(json_response(200, ReplyBody::list(view, &metadata, objects)))
}

/// Opens a watch.
pub(super) fn watch(context: &Context, target: &Target) -> Answer {
    let options = &context.options;
    let view = context.view(target)?;
    let filter = filter(context, target)?;
    match (options.send_initial_events, options.resource_version_match.as_str()) {
        (None, "") | (Some(_), "NotOlderThan") => {}
        (None, _) => {
            let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            return Err(forbidden_option("resourceVersionMatch", why));
        }
        (Some(_), _) => {
            let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            return Err(forbidden_option("resourceVersionMatch", why));
        }
    }
    let wanted = parse_version(&options.resource_version)?;
    let mut state = context.core().state();
    let current = state.version();
    if state.watchers() >= context.core().config.max_watches {
        return Err(ApiError::new(
            429,
            "TooManyRequests",
            "too many watches are open, please try again later",
        )
        .retry_after(1));
    }
    if let Some(version) = wanted
        && version > current
    {
        return Err(too_large(version, current));
    }
    // Without a version the watch begins with all that is there; streaming lists ask for that by name.
    let from_start = wanted.is_none_or(|version| version == 0);
    let initial = options.send_initial_events.unwrap_or(from_start);
    let version = if initial || from_start {
        current
    } else {
        wanted.unwrap_or(current)
    };
    let compacted = state.compacted(&target.resource.stored_as);
    if version < compacted {
        return Err(too_old(version, compacted));
    }
    let objects = match state.collection(&target.resource.stored_as) {
        Some(collection) if initial => select(&collection.objects, &filter, None)
            .map(|(_, object)| object.clone())
            .collect(),
        _ => Vec::new(),
    };
    let place = state.watch(&target.resource.stored_as);
    drop(state);
    let start = Start {
        initial: objects,
        mark_initial_end: options.send_initial_events == Some(true) && options.bookmarks,
        version,
        bookmarks: options.bookmarks,
        // The real server draws 30 to 60 minutes; a fixed time keeps runs the same.
        timeout: Duration::from_secs(options.timeout_seconds.unwrap_or(2_700)),
    };
    let stream = WatchStream::new(context.core().clone(), view, filter, start, place);
    let mut response = json_response(200, ReplyBody::watch(stream));
    if context.accept.contains("stream=watch") {
        let value = HeaderValue::from_static("application/json;stream=watch");
        response.headers_mut().insert(http::header::CONTENT_TYPE, value);
    }
    Ok(response)
}
