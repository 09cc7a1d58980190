//! One handle per cluster: every request of the crate leaves through [`Access::call`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use kube::client::Body;
use ports::{Classified, Clock, Ids, Retry};
use serde_json::Value;

use crate::backoff::Backoff;
use crate::budget::{Budget, Rate};
use crate::call::{Again, Call, Depth, Verb};
use crate::counters::{Counters, Counts};
use crate::discovery::Cache;
use crate::error::AccessError;
use crate::resource::{ApiKind, ObjectKey};
use crate::skew::Skew;
use crate::status::error_of;

/// Whether writes may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They may.
    Live,
    /// Nothing that could change the cluster leaves; trials that the server does not keep do (`dryRun=All`).
    DryRun,
}

/// How a cluster is spoken to. The defaults suit production.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Whether writes may leave.
    pub mode: Mode,
    /// The request budget.
    pub rate: Rate,
    /// How long one attempt may take, from turn to last byte.
    pub timeout: Duration,
    /// How failed attempts are repeated.
    pub backoff: Backoff,
    /// The name under which we own fields.
    pub field_manager: String,
    /// How many objects a page of a list holds.
    pub page: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::Live,
            rate: Rate::default(),
            timeout: Duration::from_secs(30),
            backoff: Backoff::default(),
            field_manager: FIELD_MANAGER.to_owned(),
            page: 500,
        }
    }
}

/// The name under which Fleetwright owns fields.
pub const FIELD_MANAGER: &str = "fleetwright";

/// A cluster that can be spoken to. Cheap to clone; all clones share budget, counters and discovery.
///
/// It is made by [`Access::from_service`], [`Access::from_kubeconfig`] or [`Access::from_token`].
#[derive(Clone)]
pub struct Access {
    pub(crate) inner: Arc<Inner>,
    gates: Vec<Arc<dyn Gate>>,
}

/// Asked right before each write leaves: a block, a lost lease or a newer version may have come up since the work began.
#[async_trait::async_trait]
pub trait Gate: Send + Sync {
    /// Whether the write may leave now.
    async fn permits(&self) -> bool;
}

pub(crate) struct Inner {
    pub(crate) cluster: String,
    client: kube::Client,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) settings: Settings,
    budget: Budget,
    pub(crate) counters: Counters,
    pub(crate) skew: Skew,
    pub(crate) cache: tokio::sync::Mutex<Cache>,
    /// Texts that servers attached to replies, such as deprecations: each once.
    warnings: Mutex<std::collections::BTreeSet<String>>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access")
            .field("cluster", &self.inner.cluster)
            .field("settings", &self.inner.settings)
            .finish_non_exhaustive()
    }
}

/// A successful reply.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) body: Bytes,
    pub(crate) subject: String,
}

impl Reply {
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, AccessError> {
        serde_json::from_slice(&self.body).map_err(|error| self.unreadable(&error))
    }

    pub(crate) fn unreadable(&self, error: &serde_json::Error) -> AccessError {
        AccessError::Unreadable {
            subject: self.subject.clone(),
            // The position only: a parser's message may quote the text, and the text may be a secret.
            why: format!("line {} column {}", error.line(), error.column()),
        }
    }
}

impl Access {
    pub(crate) fn new(
        cluster: &str,
        client: kube::Client,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        settings: Settings,
    ) -> Self {
        let inner = Inner {
            cluster: cluster.to_owned(),
            client,
            clock,
            ids,
            budget: Budget::new(settings.rate),
            counters: Counters::default(),
            skew: Skew::default(),
            cache: tokio::sync::Mutex::new(Cache::default()),
            warnings: Mutex::default(),
            settings,
        };
        Self {
            inner: Arc::new(inner),
            gates: Vec::new(),
        }
    }

    /// The same cluster, with this gate in front of every write, besides those that are there.
    #[must_use]
    pub fn gated(&self, gate: Arc<dyn Gate>) -> Self {
        let mut gates = self.gates.clone();
        gates.push(gate);
        Self {
            inner: Arc::clone(&self.inner),
            gates,
        }
    }

    /// The name of the cluster, as the caller gave it.
    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.inner.cluster
    }

    /// Whether writes may leave.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.inner.settings.mode
    }

    /// The clock that this handle goes by.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    /// The name under which this handle owns fields.
    #[must_use]
    pub fn field_manager(&self) -> &str {
        &self.inner.settings.field_manager
    }

    /// What was asked so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.inner.counters.read()
    }

    /// Warnings that the server attached to replies since the last time this was called: unknown fields, deprecated
    /// versions. Each text once, sorted.
    #[must_use]
    pub fn take_warnings(&self) -> Vec<String> {
        let mut warnings = self.inner.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *warnings).into_iter().collect()
    }

    /// The one place where a write can be stopped: in dry-run mode it is, and where the gate does not permit it.
    async fn check(&self, call: &Call) -> Result<(), AccessError> {
        if self.inner.settings.mode == Mode::DryRun && call.verb.writes() {
            return Err(AccessError::DryRunWrite {
                subject: call.subject.clone(),
                verb: call.verb.name(),
            });
        }
        if !call.verb.writes() {
            return Ok(());
        }
        for gate in &self.gates {
            if !gate.permits().await {
                return Err(AccessError::Stopped {
                    subject: call.subject.clone(),
                    verb: call.verb.name(),
                });
            }
        }
        Ok(())
    }

    /// Sends a request, repeats it as long as that is safe and makes sense, and returns the reply.
    pub(crate) async fn call(&self, call: &Call) -> Result<Reply, AccessError> {
        let mut attempt = 0;
        loop {
            let error = match self.once(call).await {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            attempt += 1;
            let Some(at_least) = repeat_after(call, &error) else {
                return Err(error);
            };
            if attempt >= self.inner.settings.backoff.attempts {
                return Err(error);
            }
            let wait = self.inner.settings.backoff.wait(attempt - 1, &*self.inner.ids);
            self.inner.counters.retried();
            self.inner.clock.sleep(wait.max(at_least)).await;
        }
    }

    /// One attempt.
    pub(crate) async fn once(&self, call: &Call) -> Result<Reply, AccessError> {
        let response = self.open(call).await?;
        let (parts, body) = response.into_parts();
        let limit = self.inner.clock.sleep(self.inner.settings.timeout);
        let collected = tokio::select! {
            biased;
            collected = body.collect() => collected.map_err(|error| lost(call, &error.to_string())),
            () = limit => Err(lost(call, "the reply took too long")),
        };
        let body = collected.inspect_err(|_| self.inner.counters.failed())?.to_bytes();
        self.inner.counters.received(body.len());
        if parts.status.is_success() {
            self.note_warnings(&parts.headers);
            return Ok(Reply {
                code: parts.status.as_u16(),
                body,
                subject: call.subject.clone(),
            });
        }
        Err(self.refused(call, parts.status.as_u16(), &parts.headers, &body))
    }

    /// Waits for a turn, sends the request and returns the reply once its head is there.
    pub(crate) async fn open(&self, call: &Call) -> Result<http::Response<Body>, AccessError> {
        let clock = &self.inner.clock;
        let wait = self.inner.budget.take(clock.now());
        if !wait.is_zero() {
            clock.sleep(wait).await;
        }
        // After the wait for a turn, which may have been long.
        self.check(call).await?;
        let request = http::Request::builder()
            .method(call.method.clone())
            .uri(&call.uri)
            .header(http::header::ACCEPT, call.accept)
            .header(http::header::USER_AGENT, USER_AGENT)
            .header(http::header::CONTENT_TYPE, call.content_type)
            .body(Body::from(call.body.clone()))
            .map_err(|error| AccessError::Settings {
                what: "request",
                why: error.to_string(),
            })?;
        self.inner.counters.call(call.verb, call.body.len());
        let sent = clock.now();
        let answer = tokio::select! {
            biased;
            answer = self.inner.client.send(request) => answer.map_err(|error| broken(call, &error)),
            () = clock.sleep(self.inner.settings.timeout) => Err(lost(call, "time is up")),
        };
        let answer = answer.inspect_err(|_| self.inner.counters.failed())?;
        self.inner.skew.note(sent, clock.now(), answer.headers());
        Ok(answer)
    }

    /// The error that a refusal means; a server that asks for a pause gets it.
    pub(crate) fn refused(&self, call: &Call, code: u16, headers: &http::HeaderMap, body: &[u8]) -> AccessError {
        self.inner.counters.failed();
        let header = headers
            .get(http::header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let error = error_of(call, code, header, body);
        if let AccessError::Throttled { after, .. } = &error {
            self.inner.budget.pause(self.inner.clock.now(), *after);
        }
        error
    }

    fn note_warnings(&self, headers: &http::HeaderMap) {
        let texts = headers.get_all(http::header::WARNING).iter();
        let texts = texts
            .filter_map(|value| value.to_str().ok())
            .filter_map(|text| text.split_once('"'));
        let mut warnings = self.inner.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, text) in texts {
            // Bounded, because nobody has to collect them.
            if warnings.len() < 1_000 {
                warnings.insert(text.trim_end_matches('"').to_owned());
            }
        }
    }

    /// Reads an object; `None` if it does not exist.
    ///
    /// # Errors
    /// If the cluster does not answer or does not serve the kind.
    pub async fn get(&self, kind: &ApiKind, key: &ObjectKey, depth: Depth) -> Result<Option<Value>, AccessError> {
        match self.call(&Call::get(kind, &key.namespace, &key.name, depth)).await {
            Ok(reply) => reply.json().map(Some),
            Err(AccessError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

const USER_AGENT: &str = concat!("fleetwright/", env!("CARGO_PKG_VERSION"));

/// After which time at least the same request makes sense again; none if the caller has to decide.
fn repeat_after(call: &Call, error: &AccessError) -> Option<Duration> {
    let safe = call.again == Again::Safe;
    match error {
        AccessError::Unreachable { .. } => Some(Duration::ZERO),
        AccessError::Throttled { after, .. } if call.verb != Verb::Evict => Some(*after),
        // Somebody else wrote between the server's own reading and writing; an apply has no version of its own to lose.
        AccessError::Stale { .. } if matches!(call.verb, Verb::Apply | Verb::DryRun) => Some(Duration::ZERO),
        AccessError::UnknownOutcome { .. }
        | AccessError::NoAnswer { .. }
        | AccessError::Server { .. }
        | AccessError::Unreadable { .. }
            if safe =>
        {
            match error.retry() {
                Retry::Never => None,
                Retry::Now => Some(Duration::ZERO),
                Retry::After(_) => Some(Duration::ZERO),
            }
        }
        _ => None,
    }
}

/// The answer did not come.
pub(crate) fn lost(call: &Call, why: &str) -> AccessError {
    let (subject, why) = (call.subject.clone(), why.to_owned());
    if call.verb.writes() {
        AccessError::UnknownOutcome {
            subject,
            verb: call.verb.name(),
            why,
        }
    } else {
        AccessError::NoAnswer { subject, why }
    }
}

/// A failure below HTTP: without a connection nothing was done, after it nobody knows.
fn broken(call: &Call, error: &kube::Error) -> AccessError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut deepest = String::new();
    let mut connected = true;
    while let Some(one) = cause {
        let legacy = one.downcast_ref::<hyper_util::client::legacy::Error>();
        connected &= !legacy.is_some_and(hyper_util::client::legacy::Error::is_connect);
        connected &= one
            .downcast_ref::<std::io::Error>()
            .is_none_or(|io| io.kind() != std::io::ErrorKind::ConnectionRefused);
        // Credentials that cannot be had stop a request before it leaves.
        connected &= !matches!(one.downcast_ref::<kube::Error>(), Some(kube::Error::Auth(_)));
        deepest = one.to_string();
        cause = one.source();
    }
    if connected {
        lost(call, &deepest)
    } else {
        AccessError::Unreachable {
            subject: call.subject.clone(),
            why: deepest,
        }
    }
}
