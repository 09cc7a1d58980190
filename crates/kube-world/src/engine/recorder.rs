//! Kubernetes Events: equal ones are counted in one object, and all are forgotten after an hour, as on a real server.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use json_tree::{Value, json};
use kube_sim::{NewEvent, Stored, Subject};

use super::action::EventType;
use super::seconds;
use crate::by_hash::Found;
use crate::kind::{Key, Kind};

/// How long events are kept after they last happened.
const KEPT: SignedDuration = SignedDuration::from_hours(1);

/// What makes events equal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    known: Found<Arc<Same>, Recorded>,
    expiry: BTreeSet<(Timestamp, Arc<Same>)>,
    /// The events by their objects.
    objects: Found<Key, Arc<Same>>,
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

/// How an event is recorded.
#[derive(Debug, PartialEq)]
pub(super) enum Record {
    /// As a new object of this name.
    New(Key),
    /// As a higher count in an object that is there.
    Again(Key, Value),
}

/// The uid that an event names.
fn uid<'a>(event: Happening<'a>, subject: Option<&'a Stored>) -> &'a str {
    match (subject, event.about.kind) {
        (Some(subject), _) => subject.uid(),
        // Events about nodes name them by their name, before the node is registered as after.
        (None, Kind::NODE) => &event.about.name,
        (None, _) => "",
    }
}

impl Recorder {
    /// How to record an event: as a new object, or as a higher count in the one that is there.
    pub(super) fn record(&mut self, event: Happening<'_>, subject: Option<&Stored>, now: Timestamp) -> Record {
        let uid = uid(event, subject);
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
            return Record::Again(key, patch);
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
        self.objects.insert(key.clone(), same.clone());
        let recorded = Recorded {
            key: key.clone(),
            count: 1,
            expires,
        };
        self.known.insert(same.clone(), recorded);
        self.expiry.insert((expires, same));
        Record::New(key)
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

/// The event as a new object of this name.
pub(super) fn new_event<'a>(
    event: Happening<'a>,
    key: &'a Key,
    api_version: &'a str,
    subject: Option<&'a Stored>,
    now: Timestamp,
) -> NewEvent<'a> {
    let about = event.about;
    NewEvent {
        namespace: &key.namespace,
        name: &key.name,
        about: Subject {
            api_version,
            kind: about.kind.kind,
            namespace: &about.namespace,
            name: &about.name,
            uid: uid(event, subject),
            version: subject.map(Stored::version),
        },
        event_type: event.event_type.as_str(),
        reason: event.reason,
        message: event.message,
        component: event.source,
        host: event.host,
        at: now,
    }
}
