//! Reading a request: path, query and headers become typed values once, here.

use std::collections::BTreeMap;

use http::HeaderMap;

use crate::status::ApiError;
use crate::view::{IncludeObject, Shape};

/// What a request is about; authorizers judge it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestInfo {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or `deletecollection`; for other paths the
    /// method in lower case.
    pub verb: String,
    /// Whether the path names a resource (and not, for instance, `/healthz`).
    pub is_resource: bool,
    /// The path as it was sent.
    pub path: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// The API version.
    pub version: String,
    /// The plural name of the resource.
    pub resource: String,
    /// The subresource; empty for the object itself.
    pub subresource: String,
    /// The namespace; empty for cluster-scoped resources and for all namespaces.
    pub namespace: String,
    /// The name; empty for collections.
    pub name: String,
}

/// Longest path and query the server reads.
pub(crate) const MAX_URL: usize = 16 * 1024;
/// Longest selector the server parses.
const MAX_SELECTOR: usize = 8 * 1024;
/// Longest name of a field manager.
const MAX_MANAGER: usize = 128;

impl RequestInfo {
    /// Reads a method and a path; `watch` is the query's flag.
    pub(crate) fn parse(
        method: &http::Method,
        path: &str,
        watch: bool,
        collection_by_name: bool,
    ) -> Result<Self, ApiError> {
        let mut info = Self {
            path: path.to_owned(),
            verb: method.as_str().to_ascii_lowercase(),
            ..Self::default()
        };
        let decoded: Vec<String> = path
            .split('/')
            .filter(|part| !part.is_empty())
            .map(percent_decode)
            .collect::<Result<_, _>>()?;
        let parts: Vec<&str> = decoded.iter().map(String::as_str).collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] if !rest.is_empty() => ("", *version, rest),
            ["apis", group, version, rest @ ..] if !rest.is_empty() => (*group, *version, rest),
            _ => return Ok(info),
        };
        info.is_resource = true;
        info.group = group.to_owned();
        info.version = version.to_owned();
        let (rest, old_watch) = match rest {
            ["watch", rest @ ..] if !rest.is_empty() => (rest, true),
            _ => (rest, false),
        };
        let rest = match rest {
            ["namespaces", namespace, tail @ ..] => {
                info.namespace = (*namespace).to_owned();
                match tail {
                    [] | ["status" | "finalize"] => rest,
                    _ => tail,
                }
            }
            _ => rest,
        };
        let (resource, name, subresource) = match rest {
            [resource] => (*resource, "", String::new()),
            [resource, name] => (*resource, *name, String::new()),
            [resource, name, subresource @ ..] => (*resource, *name, subresource.join("/")),
            [] => return Err(ApiError::unknown_resource()),
        };
        if resource == "namespaces" && group.is_empty() {
            // The namespace of a Namespace object counts as its own, for authorizers.
            info.namespace = name.to_owned();
        }
        info.resource = resource.to_owned();
        info.name = name.to_owned();
        info.subresource = subresource;
        info.verb = verb(method, &info, watch || old_watch, collection_by_name).to_owned();
        Ok(info)
    }
}

fn verb(method: &http::Method, info: &RequestInfo, watch: bool, by_name: bool) -> &'static str {
    let whole = info.name.is_empty();
    match method.as_str() {
        "GET" | "HEAD" if watch && (whole || by_name || info.subresource.is_empty()) => "watch",
        "GET" | "HEAD" if whole => "list",
        "GET" | "HEAD" => "get",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" if whole => "deletecollection",
        "DELETE" => "delete",
        _ => "",
    }
}

/// Decodes `%xx`; `+` stays as it is, as in paths.
pub(crate) fn percent_decode(text: &str) -> Result<String, ApiError> {
    if !text.contains('%') {
        return Ok(text.to_owned());
    }
    let bad = || ApiError::bad_request(format!("invalid URL escape in \"{text}\""));
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|c| char::from(c).to_digit(16)).ok_or_else(bad);
        let value = digit()? * 16 + digit()?;
        out.push(u8::try_from(value).map_err(|_| bad())?);
    }
    String::from_utf8(out).map_err(|_| bad())
}

/// Which unknown or doubled fields are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum FieldValidation {
    Ignore,
    #[default]
    Warn,
    Strict,
}

/// What becomes of the dependents of a deleted object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// They are deleted after it.
    Background,
    /// They are deleted before it.
    Foreground,
    /// They stay, without this owner.
    Orphan,
}

impl Propagation {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "Background" => Some(Self::Background),
            "Foreground" => Some(Self::Foreground),
            "Orphan" => Some(Self::Orphan),
            _ => None,
        }
    }
}

/// The query of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    pub(crate) label_selector: String,
    pub(crate) field_selector: String,
    pub(crate) limit: usize,
    pub(crate) continue_token: String,
    pub(crate) resource_version: String,
    pub(crate) resource_version_match: String,
    pub(crate) watch: bool,
    pub(crate) bookmarks: bool,
    pub(crate) send_initial_events: Option<bool>,
    pub(crate) timeout_seconds: Option<u64>,
    pub(crate) dry_run: bool,
    pub(crate) field_manager: String,
    pub(crate) field_validation: FieldValidation,
    pub(crate) force: bool,
    pub(crate) grace_period_seconds: Option<i64>,
    pub(crate) propagation: Option<Propagation>,
    pub(crate) include_object: String,
    pub(crate) pretty: bool,
}

/// Splits a query into decoded pairs; `+` is a blank here.
pub(crate) fn query_pairs(query: &str) -> Result<BTreeMap<String, String>, ApiError> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((
                percent_decode(&key.replace('+', " "))?,
                percent_decode(&value.replace('+', " "))?,
            ))
        })
        .collect()
}

fn truth(text: &str) -> bool {
    !matches!(text, "0" | "false" | "False" | "FALSE")
}

impl Options {
    pub(crate) fn parse(query: &str, method: &http::Method) -> Result<Self, ApiError> {
        let mut options = Self::default();
        let kind = options_kind(method);
        for (key, value) in query_pairs(query)? {
            options.set(&key, value, kind)?;
        }
        if options.label_selector.len() > MAX_SELECTOR || options.field_selector.len() > MAX_SELECTOR {
            return Err(ApiError::bad_request(format!(
                "selector is too long: limit is {MAX_SELECTOR} bytes"
            )));
        }
        Ok(options)
    }

    fn set(&mut self, key: &str, value: String, kind: &str) -> Result<(), ApiError> {
        let number = |value: &str| {
            value
                .parse::<i64>()
                .map_err(|_| ApiError::bad_request(format!("strconv.ParseInt: parsing \"{value}\": invalid syntax")))
        };
        match key {
            "labelSelector" => self.label_selector = value,
            "fieldSelector" => self.field_selector = value,
            "limit" => self.limit = usize::try_from(number(&value)?).unwrap_or(0),
            "continue" => self.continue_token = value,
            "resourceVersion" => self.resource_version = value,
            "resourceVersionMatch" => self.resource_version_match = value,
            "watch" => self.watch = truth(&value),
            "allowWatchBookmarks" => self.bookmarks = truth(&value),
            "sendInitialEvents" => self.send_initial_events = Some(truth(&value)),
            "timeoutSeconds" => self.timeout_seconds = u64::try_from(number(&value)?).ok().filter(|&s| s > 0),
            "dryRun" if value == "All" || value.is_empty() => self.dry_run = value == "All",
            "dryRun" => {
                return Err(invalid_option(kind, "dryRun", vec![value].into(), &["All"]));
            }
            "fieldManager" if value.len() > MAX_MANAGER => {
                let error = crate::status::FieldError::too_long("fieldManager", MAX_MANAGER);
                return Err(ApiError::invalid("meta.k8s.io", kind, "", &[error]));
            }
            "fieldManager" => self.field_manager = value,
            "fieldValidation" => {
                self.field_validation = match value.as_str() {
                    "" | "Warn" => FieldValidation::Warn,
                    "Strict" => FieldValidation::Strict,
                    "Ignore" => FieldValidation::Ignore,
                    _ => {
                        return Err(invalid_option(
                            kind,
                            "fieldValidation",
                            value.into(),
                            &["", "Ignore", "Strict", "Warn"],
                        ));
                    }
                }
            }
            "force" => self.force = truth(&value),
            "gracePeriodSeconds" => self.grace_period_seconds = Some(number(&value)?),
            "propagationPolicy" => {
                let known = Propagation::parse(&value)
                    .ok_or_else(|| invalid_option(kind, "propagationPolicy", value.as_str().into(), PROPAGATIONS))?;
                self.propagation = Some(known);
            }
            "orphanDependents" => {
                self.propagation = Some(if truth(&value) {
                    Propagation::Orphan
                } else {
                    Propagation::Background
                });
            }
            "includeObject" => self.include_object = value,
            "pretty" => self.pretty = truth(&value),
            _ => {}
        }
        Ok(())
    }
}

/// The kind of options that a method takes.
fn options_kind(method: &http::Method) -> &'static str {
    match method.as_str() {
        "POST" => "CreateOptions",
        "PUT" => "UpdateOptions",
        "PATCH" => "PatchOptions",
        "DELETE" => "DeleteOptions",
        _ => "ListOptions",
    }
}

/// What deletion policies may be.
pub(crate) const PROPAGATIONS: &[&str] = &["Foreground", "Background", "Orphan", "nil"];

fn invalid_option(kind: &str, field: &str, value: json_tree::Value, supported: &[&str]) -> ApiError {
    let error = crate::status::FieldError::not_supported(field, value, supported);
    ApiError::invalid("meta.k8s.io", kind, "", &[error])
}

/// Reads the `Accept` header. Protobuf is never chosen; JSON is the answer to everything else that is acceptable.
pub(crate) fn negotiate(headers: &HeaderMap, options: &Options) -> Result<Shape, ApiError> {
    let accept = headers
        .get(http::header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("*/*");
    for clause in accept.split(',') {
        let mut parts = clause.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let parameters: BTreeMap<&str, &str> = parts.filter_map(|part| part.split_once('=')).collect();
        if !matches!(
            media,
            "application/json" | "*/*" | "application/*" | "" | "text/*" | "application/yaml"
        ) {
            continue;
        }
        match parameters.get("as").copied() {
            None => return Ok(Shape::Object),
            Some("Table") if matches!(parameters.get("v"), Some(&"v1" | &"v1beta1")) => {
                let include = match options.include_object.as_str() {
                    "" | "Metadata" => IncludeObject::Metadata,
                    "None" => IncludeObject::None,
                    "Object" => IncludeObject::Object,
                    other => {
                        return Err(invalid_option(
                            "TableOptions",
                            "includeObject",
                            other.into(),
                            &["Metadata", "None", "Object"],
                        ));
                    }
                };
                return Ok(Shape::Table(include));
            }
            Some("PartialObjectMetadata" | "PartialObjectMetadataList") => return Ok(Shape::Metadata),
            Some(_) => {}
        }
    }
    let mut error = ApiError::new(
        406,
        "NotAcceptable",
        "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, application/vnd.kubernetes.protobuf",
    );
    error.details = Some(Box::default());
    Err(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(method: &str, path: &str) -> RequestInfo {
        let method = http::Method::from_bytes(method.as_bytes()).unwrap_or_default();
        RequestInfo::parse(&method, path, false, false).unwrap_or_default()
    }

    #[test]
    fn paths_name_what_they_mean() {
        let check = |method: &str, path: &str, expected: [&str; 7]| {
            let info = parse(method, path);
            let found = [
                &info.verb,
                &info.group,
                &info.version,
                &info.namespace,
                &info.resource,
                &info.name,
                &info.subresource,
            ];
            assert_eq!(found.map(String::as_str), expected, "{method} {path}");
        };
        check("GET", "/api/v1/pods", ["list", "", "v1", "", "pods", "", ""]);
        check(
            "GET",
            "/api/v1/namespaces/a/pods/b",
            ["get", "", "v1", "a", "pods", "b", ""],
        );
        check(
            "GET",
            "/api/v1/namespaces/a",
            ["get", "", "v1", "a", "namespaces", "a", ""],
        );
        check(
            "PUT",
            "/api/v1/namespaces/a/finalize",
            ["update", "", "v1", "a", "namespaces", "a", "finalize"],
        );
        check(
            "GET",
            "/api/v1/watch/namespaces/a/pods",
            ["watch", "", "v1", "a", "pods", "", ""],
        );
        check(
            "DELETE",
            "/apis/apps/v1/namespaces/a/deployments",
            ["deletecollection", "apps", "v1", "a", "deployments", "", ""],
        );
        check(
            "PATCH",
            "/apis/g/v1/foos/x/status",
            ["patch", "g", "v1", "", "foos", "x", "status"],
        );
        check("GET", "/healthz", ["get", "", "", "", "", "", ""]);
        check("GET", "/api/v1/nodes/a%20b", ["get", "", "v1", "", "nodes", "a b", ""]);
    }

    #[test]
    fn hostile_queries_are_refused() {
        for query in [
            "limit=x",
            "labelSelector=%zz",
            "dryRun=No",
            "fieldValidation=Maybe",
            "propagationPolicy=x",
        ] {
            assert!(
                Options::parse(query, &http::Method::POST).is_err_and(|error| error.code < 500),
                "{query}"
            );
        }
        assert!(Options::parse(&format!("labelSelector={}", "a".repeat(10_000)), &http::Method::GET).is_err());
    }
}
