//! Carrying actions out through the API.

use jiff::Timestamp;
use json_tree::Value;
use kube_sim::{ApiError, ApiServer, Local, Stored};

use super::action::Action;
use super::recorder::{Happening, Record, Recorder, new_event};
use crate::kind::Kind;
use crate::path::Path as _;

/// Who acts, and the tools for it.
#[derive(Debug)]
pub(super) struct Executor<'a> {
    pub(super) server: &'a ApiServer,
    pub(super) local: &'a Local,
    pub(super) recorder: &'a mut Recorder,
    /// The component that events come from.
    pub(super) source: &'static str,
    /// The node of that component, where it is bound to one.
    pub(super) host: Option<&'a str>,
    pub(super) now: Timestamp,
}

impl Executor<'_> {
    /// Carries one action out, and returns the number of the write that the object has now, where there is one object and it
    /// is still there. `WakeAt` is the queue's business and does nothing here.
    pub(super) async fn carry_out(&mut self, action: &Action) -> Result<Option<u64>, ApiError> {
        match action {
            Action::Event {
                about,
                event_type,
                reason,
                message,
            } => {
                let place = about.place();
                let subject = self
                    .server
                    .stored(place.group, place.resource, place.namespace, &about.name);
                let happening = Happening {
                    about,
                    event_type: *event_type,
                    reason,
                    message,
                    source: self.source,
                    host: self.host,
                };
                // Real recorders drop what the server refuses, such as events in a namespace that goes.
                let _ = match self.recorder.record(happening, subject.as_ref(), self.now) {
                    Record::New(key) => {
                        let version = about.kind.api_version();
                        let event = new_event(happening, &key, &version, subject.as_ref(), self.now);
                        self.local.record(&event).await
                    }
                    Record::Again(key, patch) => self.local.patch(key.place(), &key.name, "", &patch).await,
                };
                Ok(None)
            }
            other => self.write(other).await,
        }
    }

    async fn create(&self, kind: Kind, object: Value) -> Result<Option<u64>, ApiError> {
        let namespace = object.path("/metadata/namespace").and_then(Value::as_str);
        let namespace = namespace.unwrap_or_default().to_owned();
        let created = self.local.create(kind.in_namespace(&namespace), object).await?;
        Ok(Some(created.version()))
    }

    async fn write(&self, action: &Action) -> Result<Option<u64>, ApiError> {
        let written = |stored: Stored| Some(stored.version());
        match action {
            Action::Create { kind, object } => self.create(*kind, object.clone()).await,
            Action::Patch { key, patch } => self.local.patch(key.place(), &key.name, "", patch).await.map(written),
            Action::PatchStatus { key, patch } => self
                .local
                .patch(key.place(), &key.name, "status", patch)
                .await
                .map(written),
            Action::Delete { key, options } => match self.local.delete(key.place(), &key.name, options).await {
                Err(error) if error.code == 404 => Ok(None),
                other => other.map(|left| left.and_then(written)),
            },
            Action::Evict { key } => self.local.evict(&key.namespace, &key.name).await.map(|()| None),
            Action::Bind { key, node } => self.local.bind(&key.namespace, &key.name, node).await.map(|()| None),
            Action::Event { .. } | Action::WakeAt(_) => Ok(None),
        }
    }
}
