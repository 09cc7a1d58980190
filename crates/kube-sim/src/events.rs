//! Recording Events from within the process.
//!
//! Recorders write more objects than all others together, all of one form. What is known to be right needs no decoder, no
//! defaults and no rules, and nobody reads it back as a tree: so a [`NewEvent`] goes into its bytes at once. It ends as the same
//! object as by [`Local::create`], under the same uid; where something about it has to be judged, it goes that way.

use jiff::Timestamp;
use json_tree::{Value, json};
use serde::Serialize;

use crate::handlers::create::check_place;
use crate::local::{Local, Place, Stored};
use crate::registry::{SelectableField, builtin};
use crate::server::time_text;
use crate::status::ApiError;
use crate::store::{Key, Object, written};
use crate::strategy::names;

/// An Event that somebody records for the first time.
#[derive(Debug, Clone, Copy)]
pub struct NewEvent<'a> {
    /// The namespace: that of the object it is about, `default` for objects that have none.
    pub namespace: &'a str,
    /// The name.
    pub name: &'a str,
    /// What it is about.
    pub about: Subject<'a>,
    /// `Normal` or `Warning`.
    pub event_type: &'a str,
    /// The reason in one word.
    pub reason: &'a str,
    /// The text for people.
    pub message: &'a str,
    /// The component that it comes from.
    pub component: &'a str,
    /// The node of that component, where it is bound to one.
    pub host: Option<&'a str>,
    /// When it happened.
    pub at: Timestamp,
}

/// What an Event is about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Group and version.
    pub api_version: &'a str,
    /// The kind.
    pub kind: &'a str,
    /// The namespace; empty for cluster-scoped objects.
    pub namespace: &'a str,
    /// The name.
    pub name: &'a str,
    /// The uid; empty where there is no object.
    pub uid: &'a str,
    /// The version of the object, where there is one.
    pub version: Option<u64>,
}

/// An Event as it is stored: canonical, so the fields are in the order of their names.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Form<'a> {
    api_version: &'a str,
    count: u32,
    event_time: (),
    first_timestamp: &'a str,
    involved_object: Involved<'a>,
    kind: &'a str,
    last_timestamp: &'a str,
    message: &'a str,
    metadata: Metadata<'a>,
    reason: &'a str,
    reporting_component: &'a str,
    reporting_instance: &'a str,
    source: Source<'a>,
    r#type: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Involved<'a> {
    api_version: &'a str,
    kind: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_version: Option<&'a str>,
    uid: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    creation_timestamp: &'a str,
    name: &'a str,
    namespace: &'a str,
    resource_version: &'a str,
    uid: &'a str,
}

#[derive(Serialize)]
struct Source<'a> {
    component: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
}

impl NewEvent<'_> {
    /// The Event as a recorder sends it.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let about = &self.about;
        let mut involved = json!({
            "apiVersion": about.api_version, "kind": about.kind, "name": about.name, "uid": about.uid});
        if !about.namespace.is_empty() {
            involved["namespace"] = about.namespace.into();
        }
        if let Some(version) = about.version {
            involved["resourceVersion"] = version.to_string().into();
        }
        let mut source = json!({"component": self.component});
        if let Some(host) = self.host {
            source["host"] = host.into();
        }
        let at = time_text(self.at);
        json!({
            "metadata": {"name": self.name, "namespace": self.namespace},
            "involvedObject": involved, "reason": self.reason, "message": self.message, "type": self.event_type,
            "count": 1, "source": source, "firstTimestamp": at, "lastTimestamp": at,
            "reportingComponent": self.component, "reportingInstance": self.host.unwrap_or_default()})
    }

    /// Whether no rule has anything to say about it.
    fn is_plain(&self) -> bool {
        let strays = !self.about.namespace.is_empty() && self.about.namespace != self.namespace;
        !strays && !self.namespace.is_empty() && names::dns_subdomain(self.name).is_empty()
    }

    /// The object that it becomes.
    fn object(&self, uid: &str, created: &str, version: u64, fields: &[SelectableField]) -> Object {
        let about = &self.about;
        let (at, subject) = (time_text(self.at), about.version.map(|version| version.to_string()));
        let form = Form {
            api_version: "v1",
            count: 1,
            event_time: (),
            first_timestamp: &at,
            involved_object: Involved {
                api_version: about.api_version,
                kind: about.kind,
                name: about.name,
                namespace: about.namespace,
                resource_version: subject.as_deref(),
                uid: about.uid,
            },
            kind: "Event",
            last_timestamp: &at,
            message: self.message,
            metadata: Metadata {
                creation_timestamp: created,
                name: self.name,
                namespace: self.namespace,
                resource_version: &version.to_string(),
                uid,
            },
            reason: self.reason,
            reporting_component: self.component,
            reporting_instance: self.host.unwrap_or_default(),
            source: Source {
                component: self.component,
                host: self.host,
            },
            r#type: self.event_type,
        };
        let selectable = |field: &SelectableField| match field.name.as_str() {
            "involvedObject.kind" => about.kind,
            "involvedObject.namespace" => about.namespace,
            "involvedObject.name" => about.name,
            "involvedObject.uid" => about.uid,
            "involvedObject.apiVersion" => about.api_version,
            "involvedObject.resourceVersion" => subject.as_deref().unwrap_or_default(),
            "reason" => self.reason,
            "reportingComponent" => self.component,
            "type" => self.event_type,
            _ => "",
        };
        // Such a structure of texts always serialises.
        let (bytes, ()) = written(|bytes| serde_json::to_writer(bytes, &form).unwrap_or_default());
        let fields = fields.iter().map(|field| selectable(field).into()).collect();
        Object::plain(bytes, version, fields, uid)
    }
}

impl Local {
    /// Records an Event for the first time: the same as creating it.
    ///
    /// # Errors
    /// As for [`Local::create`].
    pub async fn record(&self, event: &NewEvent<'_>) -> Result<Stored, ApiError> {
        let resource = builtin("", "events").filter(|_| event.is_plain() && !self.server.has_admission(""));
        let Some(resource) = resource else {
            let place = Place {
                group: "",
                version: "v1",
                resource: "events",
                namespace: event.namespace,
            };
            return self.create(place, event.to_value()).await;
        };
        let core = &self.server.core;
        let (uid, created) = (core.ids.uuid(), core.now_text());
        let key = Key::new(event.namespace, event.name);
        let mut state = core.state();
        check_place(&state, resource, &key)?;
        if state.get(&resource.stored_as, &key).is_some() {
            return Err(ApiError::already_exists("", "events", event.name));
        }
        let object = state.put_made(resource, &key, |version| {
            event.object(&uid, &created, version, &resource.fields)
        });
        Ok(Stored { object, key })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ports::{SeededIds, SimClock};

    use super::*;
    use crate::auth::UserInfo;
    use crate::server::ApiServer;

    fn event() -> NewEvent<'static> {
        NewEvent {
            namespace: "default",
            name: "web.0001",
            about: Subject {
                api_version: "apps/v1",
                kind: "Deployment",
                namespace: "default",
                name: "web",
                uid: "u-1",
                version: Some(7),
            },
            event_type: "Normal",
            reason: "ScalingReplicaSet",
            message: "Scaled up \"web\"\u{7}",
            component: "deployment-controller",
            host: None,
            at: Timestamp::from_second(1_750_000_000).unwrap(),
        }
    }

    fn local() -> Local {
        let clock = Arc::new(SimClock::starting_at(Timestamp::from_second(1_750_000_020).unwrap()));
        ApiServer::new(clock, Arc::new(SeededIds::new(3))).local(UserInfo::admin())
    }

    #[tokio::test(start_paused = true)]
    async fn a_recorded_event_is_the_same_as_a_created_one() {
        let plain = event();
        let of_node = NewEvent {
            about: Subject {
                api_version: "v1",
                kind: "Node",
                namespace: "",
                name: "n",
                uid: "",
                version: None,
            },
            host: Some("n"),
            ..event()
        };
        for event in [plain, of_node] {
            let (short, long) = (local(), local());
            let recorded = short.record(&event).await.unwrap();
            let place = Place {
                group: "",
                version: "v1",
                resource: "events",
                namespace: "default",
            };
            let created = long.create(place, event.to_value()).await.unwrap();
            assert_eq!(recorded.bytes(), created.bytes());
            assert_eq!(recorded.object.fields, created.object.fields);
            assert_eq!(recorded.object.untyped(), created.object.untyped());
            assert_eq!((recorded.uid(), recorded.key()), (created.uid(), created.key()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_wrong_is_refused_as_ever() {
        let nowhere = NewEvent {
            namespace: "nowhere",
            about: Subject {
                namespace: "nowhere",
                ..event().about
            },
            ..event()
        };
        let stray = NewEvent {
            about: Subject {
                namespace: "kube-system",
                ..event().about
            },
            ..event()
        };
        let unnamed = NewEvent { name: "A b", ..event() };
        for (event, code) in [(nowhere, 404), (stray, 422), (unnamed, 422)] {
            assert_eq!(local().record(&event).await.unwrap_err().code, code, "{event:?}");
        }
        let local = local();
        local.record(&event()).await.unwrap();
        assert_eq!(local.record(&event()).await.unwrap_err().code, 409);
    }
}
