//! Which writes a webhook or a policy is about: rules, selectors, and versions that are the same resource.

use json_tree::Value;

use crate::admission::{Operation, Review};
use crate::convert;
use crate::registry::Resource;
use crate::selector::LabelSelector;
use crate::server::ApiServer;
use crate::value::{at, list, text, text_map};

/// One rule about operations and resources.
#[derive(Debug)]
struct Rule {
    operations: Vec<String>,
    groups: Vec<String>,
    versions: Vec<String>,
    resources: Vec<String>,
    names: Vec<String>,
    scope: String,
}

/// A resource in a version, as rules are compared with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) resource: String,
}

/// What a webhook or a policy is about.
#[derive(Debug)]
pub(crate) struct Scope {
    rules: Vec<Rule>,
    excluded: Vec<Rule>,
    equivalent: bool,
    namespaces: LabelSelector,
    objects: LabelSelector,
}

fn texts(value: &Value, field: &str) -> Vec<String> {
    list(value, &[field])
        .iter()
        .filter_map(|text| text.as_str().map(str::to_owned))
        .collect()
}

fn has(list: &[String], wanted: &str) -> bool {
    list.iter().any(|text| text == "*" || text == wanted)
}

impl Rule {
    fn read(rule: &Value) -> Self {
        Self {
            operations: texts(rule, "operations"),
            groups: texts(rule, "apiGroups"),
            versions: texts(rule, "apiVersions"),
            resources: texts(rule, "resources"),
            names: texts(rule, "resourceNames"),
            scope: text(rule, &["scope"]).unwrap_or("*").to_owned(),
        }
    }

    fn matches(&self, review: &Review, seen: &Seen) -> bool {
        let resource = |pattern: &String| {
            let (main, sub) = pattern.split_once('/').unwrap_or((pattern, ""));
            (main == "*" || main == seen.resource) && (sub == "*" || sub == review.subresource)
        };
        // A Namespace counts as cluster-scoped, though its requests carry its name as namespace.
        let namespaced = !review.namespace.is_empty() && !is_namespace(review);
        let scope = match self.scope.as_str() {
            "Namespaced" => namespaced,
            "Cluster" => !namespaced,
            _ => true,
        };
        scope
            && has(&self.operations, review.operation.as_str())
            && has(&self.groups, &seen.group)
            && has(&self.versions, &seen.version)
            && self.resources.iter().any(resource)
            && (self.names.is_empty() || self.names.contains(&review.name))
    }
}

fn is_namespace(review: &Review) -> bool {
    review.group.is_empty() && review.resource == "namespaces"
}

/// Reads a selector whose absence selects everything.
fn selector(value: &Value, field: &str) -> LabelSelector {
    let empty = Value::Object(json_tree::Map::new());
    LabelSelector::from_object(Some(
        at(value, &[field]).filter(|found| !found.is_null()).unwrap_or(&empty),
    ))
}

impl Scope {
    /// Reads `matchConstraints` or `matchResources`.
    pub(crate) fn of_policy(constraints: &Value) -> Self {
        Self::read(constraints, "resourceRules")
    }

    /// Reads a webhook.
    pub(crate) fn of_webhook(webhook: &Value) -> Self {
        Self::read(webhook, "rules")
    }

    fn read(value: &Value, rules: &str) -> Self {
        Self {
            rules: list(value, &[rules]).iter().map(Rule::read).collect(),
            excluded: list(value, &["excludeResourceRules"]).iter().map(Rule::read).collect(),
            equivalent: text(value, &["matchPolicy"]) != Some("Exact"),
            namespaces: selector(value, "namespaceSelector"),
            objects: selector(value, "objectSelector"),
        }
    }

    /// Whether no rule narrows the scope, as in bindings that leave everything to their policy.
    pub(crate) fn has_rules(&self) -> bool {
        !self.rules.is_empty()
    }

    /// Whether the selectors accept a write.
    pub(crate) fn selects(&self, server: &ApiServer, review: &Review) -> bool {
        self.selects_namespace(server, review) && self.selects_object(review)
    }

    /// In which version a write is under these rules, if it is at all.
    pub(crate) fn finds(&self, server: &ApiServer, review: &Review) -> Option<Seen> {
        let asked = Seen {
            group: review.group.clone(),
            version: review.version.clone(),
            resource: review.resource.clone(),
        };
        let mut candidates = vec![asked];
        if self.equivalent {
            candidates.extend(others(server, review));
        }
        if candidates
            .iter()
            .any(|seen| self.excluded.iter().any(|rule| rule.matches(review, seen)))
        {
            return None;
        }
        candidates
            .into_iter()
            .find(|seen| self.rules.iter().any(|rule| rule.matches(review, seen)))
    }

    fn selects_namespace(&self, server: &ApiServer, review: &Review) -> bool {
        if self.namespaces.is_empty() {
            return true;
        }
        let of = |object: &Value| self.namespaces.matches(&text_map(object, &["metadata", "labels"]));
        if is_namespace(review) {
            let object = if review.object.is_null() {
                &review.old_object
            } else {
                &review.object
            };
            return of(object);
        }
        if review.namespace.is_empty() {
            return true;
        }
        server
            .read("", "namespaces", "", &review.namespace)
            .is_some_and(|namespace| of(&namespace))
    }

    fn selects_object(&self, review: &Review) -> bool {
        let of = |object: &Value| !object.is_null() && self.objects.matches(&text_map(object, &["metadata", "labels"]));
        self.objects.is_empty() || of(&review.object) || of(&review.old_object)
    }
}

/// The other versions (and, for events, the other group) that the same object can be seen in.
fn others(server: &ApiServer, review: &Review) -> Vec<Seen> {
    let registry = server.core.state().registry.clone();
    let Some(resource) = registry.find(&review.group, &review.resource) else {
        return Vec::new();
    };
    let same = registry.all().filter(|other| other.stored_as == resource.stored_as);
    same.flat_map(|other| {
        other
            .versions
            .iter()
            .map(move |version| (other.clone(), version.name.clone()))
    })
    .map(|(other, version)| Seen {
        group: other.group().to_owned(),
        version,
        resource: other.plural().to_owned(),
    })
    .filter(|seen| (&seen.group, &seen.version) != (&review.group, &review.version))
    .collect()
}

/// A write as somebody sees it who asked for another version.
pub(crate) fn as_seen(server: &ApiServer, review: &Review, seen: &Seen) -> Review {
    let mut shown = review.clone();
    if (&seen.group, &seen.version) == (&review.group, &review.version) {
        return shown;
    }
    let registry = server.core.state().registry.clone();
    if let Some(resource) = registry.find(&seen.group, &seen.resource) {
        for object in [&mut shown.object, &mut shown.old_object] {
            convert_in_place(object, &resource, &seen.version);
        }
        shown.kind = resource.kind.clone();
    }
    shown.group = seen.group.clone();
    shown.version = seen.version.clone();
    shown.resource = seen.resource.clone();
    shown
}

/// Brings an object into a version of a resource; null stays null.
pub(crate) fn convert_in_place(object: &mut Value, resource: &Resource, version: &str) {
    if !object.is_null() && object.get("kind").and_then(Value::as_str) == Some(resource.kind.as_str()) {
        *object = convert::convert(object.take(), resource, version);
    }
}

/// Whether a resource configures admission itself, which no webhook and no policy may judge.
pub(crate) fn is_exempt(review: &Review) -> bool {
    review.group == "admissionregistration.k8s.io"
}

/// The `request` of reviews and expressions.
pub(crate) fn request(shown: &Review, asked: &Review, uid: &str) -> Value {
    let kind = |review: &Review| {
        let (group, version, kind) = match review.subresource.as_str() {
            "scale" => ("autoscaling", "v1", "Scale"),
            "eviction" => ("policy", "v1", "Eviction"),
            _ => (review.group.as_str(), review.version.as_str(), review.kind.as_str()),
        };
        json_tree::json!({"group": group, "version": version, "kind": kind})
    };
    let resource = |review: &Review| json_tree::json!({"group": review.group, "version": review.version, "resource": review.resource});
    let mut request = json_tree::json!({
        "uid": uid, "kind": kind(shown), "resource": resource(shown),
        "requestKind": kind(asked), "requestResource": resource(asked),
        "operation": shown.operation.as_str(), "userInfo": shown.user.to_value(), "dryRun": shown.dry_run,
        "options": shown.options});
    for (field, text) in [("name", &shown.name), ("namespace", &shown.namespace)] {
        if !text.is_empty() {
            request[field] = text.as_str().into();
        }
    }
    if !shown.subresource.is_empty() {
        request["subResource"] = shown.subresource.as_str().into();
        request["requestSubResource"] = asked.subresource.as_str().into();
    }
    request
}

/// The object of the write's namespace, as expressions read it; null for cluster-scoped objects.
pub(crate) fn namespace_object(server: &ApiServer, review: &Review) -> Value {
    if review.namespace.is_empty() || review.operation == Operation::Connect {
        return Value::Null;
    }
    server.read("", "namespaces", "", &review.namespace).unwrap_or_default()
}
