//! Kubernetes Events: equal ones are counted in one object, and all are forgotten after an hour, as on a real server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kube_sim::Stored;
use serde_json::{Value, json};

use super::action::{Action, EventType};
use super::seconds;
use crate::kind::{Key, Kind};

/// How long events are kept after they last happened.
const KEPT: SignedDuration = SignedDuration::from_hours(1);

/// What makes events equal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Same {
    about: Key,
    uid: Box<str>,
    source: &'static str,
    event_type: EventType,
    reason: Box<str>,
    message: Box<str>,
}

#[derive(Debug, Clone)]
struct Recorded {
    key: Key,
    count: u32,
    expires: Timestamp,
}

/// Remembers the events of the last hour.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    known: BTreeMap<Arc<Same>, Recorded>,
    expiry: BTreeSet<(Timestamp, Arc<Same>)>,
    /// The events by their objects.
    objects: BTreeMap<Key, Arc<Same>>,
    made: u64,
}

/// One event to record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Happening<'a> {
    pub(super) about: &'a Key,
    pub(super) event_type: EventType,
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
    pub(super) source: &'static str,
    /// The node, for events of kubelets.
    pub(super) host: Option<&'a str>,
}

impl Recorder {
    /// The write that records an event: a new object, or a higher count in the one that is there.
    pub(super) fn record(&mut self, event: Happening<'_>, subject: Option<&Stored>, now: Timestamp) -> Action {
        let uid = match (subject, event.about.kind) {
            (Some(subject), _) => subject.uid(),
            // Events about nodes name them by their name, before the node is registered as after.
            (None, Kind::NODE) => &event.about.name,
            (None, _) => "",
        };
        let same = Arc::new(Same {
            about: event.about.clone(),
            uid: uid.into(),
            source: event.source,
            event_type: event.event_type,
            reason: event.reason.into(),
            message: event.message.into(),
        });
        let expires = now.saturating_add(KEPT).unwrap_or(now);
        if let Some(known) = self.known.get_mut(&same) {
            self.expiry.remove(&(known.expires, same.clone()));
            known.count = known.count.saturating_add(1);
            known.expires = expires;
            let (key, count) = (known.key.clone(), known.count);
            self.expiry.insert((expires, same));
            let patch = json!({"count": count, "lastTimestamp": seconds(now)});
            return Action::Patch { key, patch };
        }
        self.made += 1;
        let namespace = if event.about.namespace.is_empty() {
            "default"
        } else {
            &event.about.namespace
        };
        let nanos = u64::try_from(now.as_nanosecond()).unwrap_or(0);
        let name = format!("{}.{:016x}", event.about.name, nanos.wrapping_add(self.made));
        let key = Key::new(Kind::EVENT, namespace, &name);
        let object = object(event, &key, uid, subject, now);
        self.objects.insert(key.clone(), same.clone());
        let recorded = Recorded { key, count: 1, expires };
        self.known.insert(same.clone(), recorded);
        self.expiry.insert((expires, same));
        Action::Create {
            kind: Kind::EVENT,
            object,
        }
    }

    /// Forgets an event whose object somebody has deleted, so that the next equal one makes a new object.
    pub(super) fn forget(&mut self, key: &Key) {
        if let Some(same) = self.objects.remove(key)
            && let Some(recorded) = self.known.remove(&same)
        {
            self.expiry.remove(&(recorded.expires, same));
        }
    }

    /// The clock was set: events are kept as long as before.
    pub(super) fn clock_set(&mut self, by: SignedDuration) {
        let moved = |time: Timestamp| time.saturating_add(by).unwrap_or(time);
        self.known
            .values_mut()
            .for_each(|known| known.expires = moved(known.expires));
        let old = std::mem::take(&mut self.expiry);
        self.expiry = old.into_iter().map(|(at, same)| (moved(at), same)).collect();
    }

    /// When the next event is to be forgotten.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.expiry.first().map(|(at, _)| *at)
    }

    /// The next event whose time is over.
    pub(super) fn expired(&mut self, now: Timestamp) -> Option<Key> {
        if self.next_due()? > now {
            return None;
        }
        let (_, same) = self.expiry.pop_first()?;
        let recorded = self.known.remove(&same)?;
        self.objects.remove(&recorded.key);
        Some(recorded.key)
    }
}

fn object(event: Happening<'_>, key: &Key, uid: &str, subject: Option<&Stored>, now: Timestamp) -> Value {
    let about = event.about;
    let mut involved = json!({
        "apiVersion": about.kind.api_version(), "kind": about.kind.kind, "name": &*about.name, "uid": uid});
    if !about.namespace.is_empty() {
        involved["namespace"] = (*about.namespace).into();
    }
    if let Some(subject) = subject {
        involved["resourceVersion"] = subject.version().to_string().into();
    }
    let mut source = json!({"component": event.source});
    if let Some(host) = event.host {
        source["host"] = host.into();
    }
    json!({
        "metadata": {"name": &*key.name, "namespace": &*key.namespace},
        "involvedObject": involved, "reason": event.reason, "message": event.message,
        "type": event.event_type.as_str(), "count": 1, "source": source,
        "firstTimestamp": seconds(now), "lastTimestamp": seconds(now),
        "reportingComponent": event.source, "reportingInstance": event.host.unwrap_or_default()})
}
