//! Applying one object: adoption, conflicts, drift, fields that cannot change.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::adopt::migration;
use super::fields::{applied_by, fingerprint};
use super::memory::Applied;
use super::observe::Observed;
use super::plan::Step;
use super::policy::{Drift, Policy, RECREATE_ANNOTATION, Recreate};
use super::report::{Event, Outcome, Reporter};
use crate::access::{Access, Mode};
use crate::call::{Call, Depth};
use crate::diff::{LiveDiff, changes};
use crate::error::{AccessError, FieldConflict};
use crate::resource::{ApiKind, at, meta};

/// How often an object is written again because an answer showed that something else has to be done first.
const ROUNDS: u32 = 5;
/// The pause between two looks at something that takes its time.
const LOOK: Duration = Duration::from_millis(250);

/// Applies objects of one pass.
pub(crate) struct Hand<'a> {
    pub(crate) access: &'a Access,
    pub(crate) policy: &'a Policy,
    pub(crate) reporter: &'a dyn Reporter,
}

/// What became of an object, and what to remember of it.
pub(crate) type Done = (Outcome, Option<Applied>);

impl Hand<'_> {
    /// Applies an object about which nothing contradicts.
    pub(crate) async fn apply(&self, step: &Step, kind: &ApiKind, before: Option<&Observed>, gone: bool) -> Done {
        if gone {
            // Who observes may lag behind our own last write, so the cluster is asked before anybody is blamed.
            match self.access.get(kind, &step.key, Depth::Metadata).await {
                Ok(None) => {}
                Ok(Some(_)) => return self.inspect(step, kind, None, true).await,
                Err(error) => return (Outcome::Failed { error }, None),
            }
            let (key, changes) = (step.key.clone(), Vec::new());
            self.reporter.event(&Event::Drift { key, changes });
            if self.policy.drift == Drift::Report {
                let (changes, corrected) = (Vec::new(), false);
                return (Outcome::Drifted { changes, corrected }, None);
            }
        }
        if self.access.mode() == Mode::DryRun {
            return self.inspect(step, kind, before, false).await;
        }
        let written = self.write(step, kind, false).await;
        let (outcome, applied) = conclude(step, written, before.map(|before| before.resource_version.as_str()));
        match outcome {
            Outcome::Created | Outcome::Configured { .. } if gone => {
                let (changes, corrected) = (Vec::new(), true);
                (Outcome::Drifted { changes, corrected }, applied)
            }
            outcome => (outcome, applied),
        }
    }

    /// Asks the server what applying would change, tells it, and applies if something would.
    pub(crate) async fn inspect(&self, step: &Step, kind: &ApiKind, before: Option<&Observed>, drift: bool) -> Done {
        let dry = self.access.mode() == Mode::DryRun;
        let read = match before.and_then(|before| before.live_as(&step.api_version)) {
            Some(live) => Ok(Some(Value::clone(live))),
            None => self.access.get(kind, &step.key, Depth::Full).await,
        };
        let trial = match &read {
            Ok(_) => self.trial(step, kind).await,
            Err(error) => Err(error.clone()),
        };
        let trial = match trial {
            Ok(trial) => trial,
            // The write knows what to do about these.
            Err(AccessError::Immutable { .. }) if !dry => {
                return conclude(step, self.write(step, kind, drift).await, None);
            }
            Err(error) => return (Outcome::Failed { error }, None),
        };
        let Ok(Some(live)) = read else {
            if dry {
                return (Outcome::Created, None);
            }
            return conclude(step, self.write(step, kind, drift).await, None);
        };
        let manager = self.access.field_manager();
        let found = changes(&step.key.kind, &live, &trial);
        if found.is_empty() && applied_by(&live, manager) == applied_by(&trial, manager) {
            return (Outcome::Unchanged, Some(remember(step, &live, manager)));
        }
        let drift = drift && !found.is_empty();
        if drift {
            let event = Event::Drift {
                key: step.key.clone(),
                changes: found.clone(),
            };
            self.reporter.event(&event);
        }
        if dry || (drift && self.policy.drift == Drift::Report) {
            let outcome = match drift {
                true => Outcome::Drifted {
                    changes: found,
                    corrected: false,
                },
                false => Outcome::Configured { changes: found },
            };
            return (outcome, None);
        }
        let (outcome, applied) = conclude(step, self.write(step, kind, drift).await, None);
        match outcome {
            Outcome::Created | Outcome::Configured { .. } | Outcome::Unchanged if drift => (
                Outcome::Drifted {
                    changes: found,
                    corrected: true,
                },
                applied,
            ),
            Outcome::Configured { .. } | Outcome::Unchanged => (Outcome::Configured { changes: found }, applied),
            outcome => (outcome, applied),
        }
    }

    /// The object as it would be; the cluster keeps nothing.
    pub(crate) async fn trial(&self, step: &Step, kind: &ApiKind) -> Result<Value, AccessError> {
        let body = Bytes::from(step.object.to_string());
        let call = Call::apply(kind, &step.key, body, self.access.field_manager(), true, true);
        self.access.call(&call).await?.json()
    }

    /// Applies an object until it is taken: adopts client-side fields first, takes fields from others where that is allowed,
    /// makes it anew where that is allowed.
    async fn write(&self, step: &Step, kind: &ApiKind, mut force: bool) -> Result<Written, AccessError> {
        let body = Bytes::from(step.object.to_string());
        let manager = self.access.field_manager();
        let mut recreated = Vec::new();
        let mut created = false;
        let mut failure = None;
        for _ in 0..ROUNDS {
            let call = Call::apply(kind, &step.key, body.clone(), manager, force, false);
            match self.access.call(&call).await {
                Ok(reply) => {
                    created |= reply.code == 201;
                    let object: Value = reply.json()?;
                    if let Some(patch) = migration(&object, manager, &self.policy.adopt_from) {
                        self.adopt(step, kind, &patch).await?;
                        continue;
                    }
                    let applied = remember(step, &object, manager);
                    return Ok(Written {
                        applied,
                        object,
                        created,
                        recreated,
                    });
                }
                Err(AccessError::FieldConflict { conflicts, .. }) if self.adoptable(&conflicts) => {
                    let live = self.access.get(kind, &step.key, Depth::Metadata).await?;
                    match live.and_then(|live| migration(&live, manager, &self.policy.adopt_from)) {
                        Some(patch) => self.adopt(step, kind, &patch).await?,
                        None => force |= self.policy.conflicts.may_force(&conflicts),
                    }
                }
                Err(AccessError::FieldConflict { conflicts, .. }) if self.policy.conflicts.may_force(&conflicts) => {
                    force = true;
                }
                Err(AccessError::Immutable { fields, .. }) if recreated.is_empty() && self.may_recreate(step) => {
                    self.remove(step, kind, &fields).await?;
                    recreated = fields;
                }
                Err(error) => return Err(error),
            }
            failure = Some(AccessError::Stale {
                subject: step.key.to_string(),
                message: "others keep writing it".to_owned(),
            });
        }
        Err(failure.unwrap_or(AccessError::Stale {
            subject: step.key.to_string(),
            message: "was never written".to_owned(),
        }))
    }

    fn adoptable(&self, conflicts: &[FieldConflict]) -> bool {
        conflicts
            .iter()
            .any(|conflict| self.policy.adopt_from.contains(&conflict.manager))
    }

    /// Moves the fields of client-side writers into our entry. Whoever wrote in between is not overwritten: the next round
    /// looks again.
    async fn adopt(&self, step: &Step, kind: &ApiKind, patch: &Value) -> Result<(), AccessError> {
        let key = step.key.clone();
        self.reporter.event(&Event::Adopting { key });
        let call = Call::patch(
            kind,
            &step.key,
            "application/json-patch+json",
            patch,
            self.access.field_manager(),
        );
        match self.access.call(&call).await {
            // After a lost answer the next round sees in the object itself whether the fields were moved.
            Ok(_) | Err(AccessError::Stale { .. } | AccessError::UnknownOutcome { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn may_recreate(&self, step: &Step) -> bool {
        let annotation = at(&step.object, &["metadata", "annotations", RECREATE_ANNOTATION]);
        match self.policy.recreate {
            Recreate::Never => false,
            Recreate::Always => true,
            Recreate::Annotated => annotation.and_then(Value::as_str) == Some("true"),
        }
    }

    /// Deletes the object and waits until it is gone.
    async fn remove(&self, step: &Step, kind: &ApiKind, fields: &[String]) -> Result<(), AccessError> {
        let event = Event::Recreating {
            key: step.key.clone(),
            fields: fields.to_vec(),
        };
        self.reporter.event(&event);
        let Some(live) = self.access.get(kind, &step.key, Depth::Metadata).await? else {
            return Ok(());
        };
        let uid = meta(&live, "uid").to_owned();
        let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background",
            "preconditions": {"uid": uid}});
        match self.access.call(&Call::delete(kind, &step.key, &options)).await {
            Ok(_) | Err(AccessError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        let clock = self.access.clock();
        let began = clock.now();
        while let Some(live) = self.access.get(kind, &step.key, Depth::Metadata).await? {
            let waited = clock.now().duration_since(began).unsigned_abs();
            if meta(&live, "uid") != uid {
                break;
            }
            if waited > self.policy.patience {
                return Err(AccessError::NotReady {
                    subject: step.key.to_string(),
                    state: "gone",
                    waited,
                });
            }
            clock.sleep(LOOK).await;
        }
        Ok(())
    }

    /// Waits until a definition is established.
    pub(crate) async fn established(&self, step: &Step, kind: &ApiKind) -> Result<(), AccessError> {
        let clock = self.access.clock();
        let began = clock.now();
        let mut told = false;
        loop {
            let live = self.access.get(kind, &step.key, Depth::Full).await?;
            if live.as_ref().is_some_and(is_established) {
                return Ok(());
            }
            let waited = clock.now().duration_since(began).unsigned_abs();
            if waited > self.policy.patience {
                return Err(AccessError::NotReady {
                    subject: step.key.to_string(),
                    state: "established",
                    waited,
                });
            }
            if !std::mem::replace(&mut told, true) {
                let (key, patience) = (step.key.clone(), self.policy.patience);
                self.reporter.event(&Event::Waiting { key, patience });
            }
            clock.sleep(LOOK).await;
        }
    }
}

/// True if a definition can be used.
pub(crate) fn is_established(definition: &Value) -> bool {
    let mut conditions = crate::resource::list_at(definition, &["status", "conditions"]);
    let field = |condition: &Value, name: &str| condition.get(name).and_then(Value::as_str).map(str::to_owned);
    conditions.any(|condition| {
        field(condition, "type").as_deref() == Some("Established")
            && field(condition, "status").as_deref() == Some("True")
    })
}

/// An object that was written.
struct Written {
    applied: Applied,
    object: Value,
    created: bool,
    recreated: Vec<String>,
}

/// What to remember of a live object.
fn remember(step: &Step, live: &Value, manager: &str) -> Applied {
    Applied {
        hash: step.hash.clone(),
        uid: meta(live, "uid").to_owned(),
        resource_version: meta(live, "resourceVersion").to_owned(),
        fields: applied_by(live, manager).map(fingerprint).unwrap_or_default(),
    }
}

/// The outcome of a write; `version` is the object's version before it, where that is known.
fn conclude(step: &Step, written: Result<Written, AccessError>, version: Option<&str>) -> Done {
    match written {
        Ok(written) => {
            let same = version.is_some_and(|version| version == meta(&written.object, "resourceVersion"));
            debug_assert_eq!(written.applied.hash, step.hash);
            let outcome = match written {
                Written { ref recreated, .. } if !recreated.is_empty() => Outcome::Recreated {
                    fields: recreated.clone(),
                },
                Written { created: true, .. } => Outcome::Created,
                _ if same => Outcome::Unchanged,
                _ => Outcome::Configured { changes: Vec::new() },
            };
            (outcome, Some(written.applied))
        }
        Err(error) => (Outcome::Failed { error }, None),
    }
}

impl Hand<'_> {
    /// What applying would change; `coming` says that its namespace or definition does not exist yet.
    pub(crate) async fn difference(
        &self,
        step: &Step,
        kind: &ApiKind,
        before: Option<&Observed>,
        coming: bool,
    ) -> LiveDiff {
        let read = match before.and_then(|before| before.live_as(&step.api_version)) {
            Some(live) => Ok(Some(Value::clone(live))),
            None => self.access.get(kind, &step.key, Depth::Full).await,
        };
        match read {
            Ok(None) if coming => LiveDiff::Create,
            Ok(live) => match (self.trial(step, kind).await, live) {
                (Err(error), _) => LiveDiff::Unknown(error),
                (Ok(_), None) => LiveDiff::Create,
                (Ok(trial), Some(live)) => match changes(&step.key.kind, &live, &trial) {
                    found if found.is_empty() => LiveDiff::Same,
                    found => LiveDiff::Change(found),
                },
            },
            Err(error) => LiveDiff::Unknown(error),
        }
    }
}
