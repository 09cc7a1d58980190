//! One leader among the replicas, by a Lease of the cluster (`coordination.k8s.io/v1`).
//!
//! A replica that wants to lead watches the Lease; when its holder has not renewed it for as long as the Lease says, by the
//! replica's own clock, it takes it over with a write that tests the version. Times in the Lease are for people: clocks of two
//! machines are never compared. The leader stops acting when its last renewal is as old as the Lease is long, whether or not
//! it could ask.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use kube_access::{Access, AccessError, ApiKind, Depth, GroupKind, ObjectKey};
use ports::Clock;
use rollout::{MayDisrupt, Permission};
use serde_json::{Value, json};

use crate::queue::after;

/// Which Lease, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseOptions {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Who we are; two replicas must not have the same one. The name of the pod is right.
    pub identity: String,
    /// How long a lead lasts without renewal. It is renewed three times as often.
    pub lasts: Duration,
}

impl LeaseOptions {
    /// The Lease `fleetwright-controllers`, 30 seconds long.
    #[must_use]
    pub fn new(namespace: &str, identity: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: "fleetwright-controllers".to_owned(),
            identity: identity.to_owned(),
            lasts: Duration::from_secs(30),
        }
    }

    fn every(&self) -> Duration {
        self.lasts / 3
    }
}

/// Leads, waits for the lead, keeps it.
#[derive(Debug, Clone)]
pub struct Elector {
    access: Access,
    options: LeaseOptions,
}

/// The right to act, as long as it lasts. Given to engines as their guard.
#[derive(Debug)]
pub struct Leadership {
    clock: Arc<dyn Clock>,
    until: Mutex<Timestamp>,
}

impl Leadership {
    /// Whether the lead still holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.clock.now() < *self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, until: Timestamp) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

#[async_trait]
impl MayDisrupt for Leadership {
    async fn permission(&self) -> Permission {
        if self.holds() {
            Permission::Granted
        } else {
            Permission::Withdrawn
        }
    }
}

/// What was seen of a Lease, and since when it has been like that.
struct Seen {
    version: String,
    since: Timestamp,
}

impl Elector {
    /// An elector for one replica.
    #[must_use]
    pub fn new(access: Access, options: LeaseOptions) -> Self {
        Self { access, options }
    }

    /// Does `work` whenever we lead; when the lead is lost the work is dropped where it stands and we wait for the lead again.
    /// Returns when the work does while we lead, and gives the Lease back then.
    pub async fn lead<F, T>(&self, work: impl Fn(Arc<Leadership>) -> F) -> T
    where
        F: Future<Output = T>,
    {
        loop {
            let leadership = self.acquire().await;
            tracing::info!(identity = %self.options.identity, "leading");
            let done = tokio::select! {
                biased;
                () = self.keep(&leadership) => None,
                done = work(Arc::clone(&leadership)) => Some(done),
            };
            leadership.set(Timestamp::MIN);
            match done {
                Some(done) => {
                    self.release().await;
                    return done;
                }
                None => tracing::warn!(identity = %self.options.identity, "the lead is lost"),
            }
        }
    }

    /// Waits until we lead.
    async fn acquire(&self) -> Arc<Leadership> {
        let clock = Arc::clone(self.access.clock());
        let mut seen: Option<Seen> = None;
        loop {
            let asked = clock.now();
            match self.attempt(&mut seen).await {
                Ok(true) => {
                    let until = Mutex::new(after(asked, self.options.lasts));
                    return Arc::new(Leadership { clock, until });
                }
                Ok(false) => {}
                Err(error) => tracing::debug!(%error, "the lease was not taken"),
            }
            clock.sleep(self.options.every()).await;
        }
    }

    /// Renews until that fails for too long or somebody else holds the Lease.
    async fn keep(&self, leadership: &Leadership) {
        let clock = self.access.clock();
        loop {
            clock.sleep(self.options.every()).await;
            let asked = clock.now();
            match self.renew().await {
                Ok(true) => leadership.set(after(asked, self.options.lasts)),
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(%error, "the lease was not renewed");
                    if !leadership.holds() {
                        return;
                    }
                }
            }
        }
    }

    async fn kind(&self) -> Result<(ApiKind, ObjectKey), AccessError> {
        let id = GroupKind::new("coordination.k8s.io", "Lease");
        let kinds = self.access.kinds().await?;
        let kind = kinds.preferred(&id).cloned().ok_or_else(|| AccessError::NotFound {
            subject: format!("kind {id}"),
        })?;
        let key = kind.key(&self.options.namespace, &self.options.name);
        Ok((kind, key))
    }

    /// One attempt to take the Lease.
    async fn attempt(&self, seen: &mut Option<Seen>) -> Result<bool, AccessError> {
        let (kind, key) = self.kind().await?;
        let now = self.access.clock().now();
        let Some(lease) = self.access.get(&kind, &key, Depth::Full).await? else {
            // Each replica applies in its own name: of two that create it at once the second meets a field of the first.
            let manager = format!("fleetwright-{}", self.options.identity);
            let made = self
                .access
                .apply_object(&kind, &self.fresh(now), &manager, false)
                .await?;
            return Ok(holder(&made) == self.options.identity);
        };
        let version = text(&lease, "/metadata/resourceVersion").to_owned();
        let ours = matches!(holder(&lease), "") || holder(&lease) == self.options.identity;
        if seen.as_ref().is_none_or(|seen| seen.version != version) {
            *seen = Some(Seen {
                version: version.clone(),
                since: now,
            });
        }
        let lasts = lease.pointer("/spec/leaseDurationSeconds").and_then(Value::as_u64);
        let lasts = lasts.map_or(self.options.lasts, Duration::from_secs);
        let over = seen.as_ref().is_some_and(|seen| now >= after(seen.since, lasts));
        if !ours && !over {
            return Ok(false);
        }
        let terms = lease
            .pointer("/spec/leaseTransitions")
            .and_then(Value::as_i64)
            .unwrap_or(0);
        let patch = json!({"spec": {
            "holderIdentity": self.options.identity, "leaseDurationSeconds": self.seconds(),
            "acquireTime": micro(now), "renewTime": micro(now), "leaseTransitions": terms.saturating_add(1)}});
        let taken = self.access.patch_object(&kind, &key, &patch, Some(&version)).await?;
        Ok(holder(&taken) == self.options.identity)
    }

    async fn renew(&self) -> Result<bool, AccessError> {
        let (kind, key) = self.kind().await?;
        let lease = self.access.get(&kind, &key, Depth::Full).await?;
        let Some(lease) = lease.filter(|lease| holder(lease) == self.options.identity) else {
            return Ok(false);
        };
        let patch = json!({"spec": {"renewTime": micro(self.access.clock().now())}});
        let version = text(&lease, "/metadata/resourceVersion");
        match self.access.patch_object(&kind, &key, &patch, Some(version)).await {
            Ok(_) => Ok(true),
            // Somebody else wrote it in between: the next look says who.
            Err(AccessError::Stale { .. }) => {
                let now = self.access.get(&kind, &key, Depth::Full).await?;
                Ok(now.is_some_and(|lease| holder(&lease) == self.options.identity))
            }
            Err(error) => Err(error),
        }
    }

    /// Gives the Lease back, so that the next leader need not wait. A failure costs the others that wait.
    async fn release(&self) {
        let Ok((kind, key)) = self.kind().await else { return };
        let lease = self.access.get(&kind, &key, Depth::Full).await.ok().flatten();
        if let Some(lease) = lease.filter(|lease| holder(lease) == self.options.identity) {
            let version = text(&lease, "/metadata/resourceVersion");
            let patch = json!({"spec": {"holderIdentity": ""}});
            if let Err(error) = self.access.patch_object(&kind, &key, &patch, Some(version)).await {
                tracing::debug!(%error, "the lease was not given back");
            }
        }
    }

    fn fresh(&self, now: Timestamp) -> Value {
        json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": self.options.name, "namespace": self.options.namespace},
            "spec": {"holderIdentity": self.options.identity, "leaseDurationSeconds": self.seconds(),
                "acquireTime": micro(now), "renewTime": micro(now), "leaseTransitions": 0}})
    }

    fn seconds(&self) -> u64 {
        self.options.lasts.as_secs().max(1)
    }
}

fn text<'v>(object: &'v Value, path: &str) -> &'v str {
    object.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn holder(lease: &Value) -> &str {
    text(lease, "/spec/holderIdentity")
}

/// Kubernetes' `MicroTime`: always six digits.
fn micro(at: Timestamp) -> String {
    format!("{at:.6}")
}
