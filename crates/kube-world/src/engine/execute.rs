//! Carrying actions out through the API.

use jiff::Timestamp;
use kube_sim::{ApiError, ApiServer, Local};

use super::action::Action;
use super::recorder::{Happening, Recorder};

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
    /// Carries one action out. `WakeAt` is the queue's business and does nothing here.
    pub(super) async fn carry_out(&mut self, action: &Action) -> Result<(), ApiError> {
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
                let write = self.recorder.record(happening, subject.as_ref(), self.now);
                // Real recorders drop what the server refuses, such as events in a namespace that goes.
                let _ = self.write(&write).await;
                Ok(())
            }
            other => self.write(other).await,
        }
    }

    async fn write(&self, action: &Action) -> Result<(), ApiError> {
        match action {
            Action::Create { kind, object } => {
                let namespace = object
                    .pointer("/metadata/namespace")
                    .and_then(serde_json::Value::as_str)
                    .unwrap_or_default()
                    .to_owned();
                self.local
                    .create(kind.in_namespace(&namespace), object.clone())
                    .await
                    .map(|_| ())
            }
            Action::Patch { key, patch } => self.local.patch(key.place(), &key.name, "", patch).await.map(|_| ()),
            Action::PatchStatus { key, patch } => self
                .local
                .patch(key.place(), &key.name, "status", patch)
                .await
                .map(|_| ()),
            Action::Delete { key, options } => match self.local.delete(key.place(), &key.name, options).await {
                Err(error) if error.code == 404 => Ok(()),
                other => other.map(|_| ()),
            },
            Action::Evict { key } => self.local.evict(&key.namespace, &key.name).await,
            Action::Bind { key, node } => self.local.bind(&key.namespace, &key.name, node).await,
            Action::Event { .. } | Action::WakeAt(_) => Ok(()),
        }
    }
}
