//! Who works on a cluster, written down in the cluster itself: the last fence against a replica that does not know yet that it
//! lost its lease (V10).
//!
//! The store refuses writes with an old token, but a cluster knows nothing of the store. So the token stands in the cluster as
//! well, in a Lease (`coordination.k8s.io/v1`) of `kube-system`: before the first write of a pass its token is put there, which
//! only works over a smaller one, and before each later write it is compared. Who finds a larger token, or another holder, has
//! been overtaken and writes nothing more, whatever its own clock says.
//!
//! A comparison counts for a second, so that an apply of hundreds of objects does not ask hundreds of times. Who puts its token
//! over one whose holder has not said that it is done therefore waits three seconds before it writes: then the other one has
//! compared anew, and what it had sent before has arrived. Clocks of two machines are never compared, only lengths of time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use kube_access::{Access, AccessError, ApiKind, Depth, GroupKind, ObjectKey};
use ports::Lease;
use serde_json::{Value, json};

/// The namespace that every cluster has.
const NAMESPACE: &str = "kube-system";
/// The Lease of updates: who applies manifests.
pub const UPDATES: &str = "fleetwright";
/// The annotation with the token.
pub const TOKEN: &str = "lifecycle.fleetwright.dev/token";
/// For how long a comparison counts.
const COUNTS: Duration = Duration::from_secs(1);
/// How long is waited after a mark that was not taken back was overwritten: as long as a comparison counts, and as a request
/// that left may be on its way.
const SETTLE: Duration = Duration::from_secs(3);
/// How often is looked again after others wrote in between.
const ROUNDS: usize = 5;

/// Why a write must not leave.
#[derive(Debug, thiserror::Error)]
pub enum FenceError {
    /// Somebody with a newer claim has been there.
    #[error("replica {holder} has marked the cluster with token {token}; ours is {ours}")]
    Overtaken {
        /// Who it is.
        holder: String,
        /// The token in the cluster.
        token: i64,
        /// The token of our claim.
        ours: i64,
    },
    /// The mark can neither be read nor put: what cannot be compared is not taken for ours.
    #[error("the mark of who works on the cluster cannot be compared: {0}")]
    Unknown(#[from] AccessError),
}

/// The fence around one cluster for as long as one claim lasts.
pub struct Fence {
    /// Not gated: what is written here is what the gate asks for.
    access: Access,
    name: &'static str,
    claimed: Lease,
    /// When the mark was last seen to be ours, and asked for: the later moment would be too late.
    compared: tokio::sync::Mutex<Option<Timestamp>>,
    marked: AtomicBool,
}

impl std::fmt::Debug for Fence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fence")
            .field("name", &self.name)
            .field("claimed", &self.claimed)
            .finish_non_exhaustive()
    }
}

/// What stands in a Lease.
struct Mark {
    token: i64,
    holder: String,
    version: String,
}

impl Mark {
    fn of(lease: &Value) -> Self {
        let text = |pointer: &str| {
            let found = lease.pointer(pointer).and_then(Value::as_str);
            found.unwrap_or_default().to_owned()
        };
        // A Lease of that name without our annotation was not made by us: the smallest token goes over it.
        let token = text("/metadata/annotations/lifecycle.fleetwright.dev~1token").parse();
        Self {
            token: token.unwrap_or_default(),
            holder: text("/spec/holderIdentity"),
            version: text("/metadata/resourceVersion"),
        }
    }
}

impl Fence {
    /// A fence for what was claimed. `access` must have no gate; nothing is asked before the first write.
    #[must_use]
    pub fn new(access: Access, name: &'static str, claimed: Lease) -> Self {
        Self {
            access,
            name,
            claimed,
            compared: tokio::sync::Mutex::default(),
            marked: AtomicBool::new(false),
        }
    }

    fn recent(&self, compared: Option<Timestamp>) -> bool {
        let now = self.access.clock().now();
        compared.is_some_and(|at| now >= at && now.duration_since(at).unsigned_abs() < COUNTS)
    }

    /// Whether the last comparison still counts.
    pub async fn counts(&self) -> bool {
        self.recent(*self.compared.lock().await)
    }

    /// Whether a write may leave now: our token stands in the cluster. The first call puts it there.
    ///
    /// # Errors
    /// [`FenceError`]; nothing may be written then.
    pub async fn permits(&self) -> Result<(), FenceError> {
        let clock = self.access.clock();
        let mut compared = self.compared.lock().await;
        if self.recent(*compared) {
            return Ok(());
        }
        let mut last = None;
        for _ in 0..ROUNDS {
            let asked = clock.now();
            let (kind, key) = place(self.name);
            match self.access.get(&kind, &key, Depth::Full).await? {
                None => last = self.create(&kind).await?,
                Some(lease) => {
                    let mark = Mark::of(&lease);
                    if mark.token == self.claimed.token && mark.holder == self.claimed.holder {
                        self.marked.store(true, Ordering::Release);
                        *compared = Some(asked);
                        return Ok(());
                    }
                    // The same token in another hand is left over from a store that lost its last writes.
                    let same = mark.token == self.claimed.token && !mark.holder.is_empty();
                    if mark.token > self.claimed.token || same {
                        return Err(FenceError::Overtaken {
                            holder: mark.holder,
                            token: mark.token,
                            ours: self.claimed.token,
                        });
                    }
                    last = self.put(&kind, &key, &mark).await?;
                }
            }
        }
        let subject = format!("Lease {NAMESPACE}/{}", self.name);
        let stale = AccessError::Stale {
            subject,
            message: "others keep writing it".to_owned(),
        };
        Err(last.unwrap_or(stale).into())
    }

    /// Makes the Lease; what came of it shows at the next look.
    async fn create(&self, kind: &ApiKind) -> Result<Option<AccessError>, FenceError> {
        let mut lease = self.spec(&self.claimed.holder);
        if let Some(map) = lease.as_object_mut() {
            map.insert("apiVersion".to_owned(), kind.api_version().into());
            map.insert("kind".to_owned(), "Lease".into());
        }
        if let Some(map) = lease.pointer_mut("/metadata").and_then(Value::as_object_mut) {
            map.insert("name".to_owned(), self.name.into());
            map.insert("namespace".to_owned(), NAMESPACE.into());
        }
        // Each replica applies in its own name: of two that make it at once the second meets a field of the first.
        let manager = format!("fleetwright-{}", self.claimed.holder);
        looked_at(self.access.apply_object(kind, &lease, &manager, false).await)
    }

    /// Puts our token over a smaller one.
    async fn put(&self, kind: &ApiKind, key: &ObjectKey, there: &Mark) -> Result<Option<AccessError>, FenceError> {
        let patch = self.spec(&self.claimed.holder);
        let done = self.access.patch_object(kind, key, &patch, Some(&there.version)).await;
        let put = done.is_ok();
        let failed = looked_at(done)?;
        if put && !there.holder.is_empty() && there.holder != self.claimed.holder {
            tracing::info!(
                cluster = self.access.cluster(),
                from = there.holder,
                token = self.claimed.token,
                "taken over"
            );
            self.access.clock().sleep(SETTLE).await;
        }
        Ok(failed)
    }

    fn spec(&self, holder: &str) -> Value {
        let now = self.access.clock().now();
        let moment = now.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
        json!({
            "metadata": {"annotations": {TOKEN: self.claimed.token.to_string()}},
            "spec": {"holderIdentity": holder, "renewTime": moment},
        })
    }

    /// Says in the cluster that we are done, so that the next one need not wait. If that fails, the next one waits a second.
    pub async fn give_back(&self) {
        if !self.marked.swap(false, Ordering::AcqRel) {
            return;
        }
        *self.compared.lock().await = None;
        let (kind, key) = place(self.name);
        let there = match self.access.get(&kind, &key, Depth::Full).await {
            Ok(Some(lease)) => Mark::of(&lease),
            Ok(None) | Err(_) => return,
        };
        if there.token != self.claimed.token || there.holder != self.claimed.holder {
            return;
        }
        let patch = self.spec("");
        if let Err(error) = self
            .access
            .patch_object(&kind, &key, &patch, Some(&there.version))
            .await
        {
            tracing::debug!(%error, cluster = self.access.cluster(), "the mark in the cluster stays");
        }
    }
}

/// What another look decides is no error yet: somebody else wrote, or the answer was lost.
fn looked_at(done: Result<Value, AccessError>) -> Result<Option<AccessError>, FenceError> {
    match done {
        Ok(_) => Ok(None),
        Err(
            error @ (AccessError::Stale { .. }
            | AccessError::Exists { .. }
            | AccessError::FieldConflict { .. }
            | AccessError::UnknownOutcome { .. }),
        ) => Ok(Some(error)),
        Err(error) => Err(error.into()),
    }
}

/// Every server has served this kind since 1.14, so it is not looked for.
fn place(name: &str) -> (ApiKind, ObjectKey) {
    let kind = ApiKind {
        id: GroupKind::new("coordination.k8s.io", "Lease"),
        version: "v1".to_owned(),
        plural: "leases".to_owned(),
        singular: "lease".to_owned(),
        short_names: Vec::new(),
        namespaced: true,
        verbs: Vec::new(),
    };
    let key = kind.key(NAMESPACE, name);
    (kind, key)
}
