//! The API for what runs in the same process: the handlers' own path without HTTP and without text in between.
//!
//! A [`Local`] writes as one user. Its writes are decoded, defaulted, checked, put through admission and versioned like
//! any other; what it leaves out is what only strangers need: authorization (its user is known to be allowed) and
//! `managedFields` (nobody applies over what controllers own, and they would double the size of a pod). It is async
//! because admission may call webhooks; without an active plugin a call is done at once.
//!
//! A [`Tap`] hands over every write of the server in order, so that caches follow without watches.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use jiff::Timestamp;
use json_tree::{ToTree, Value, json};

use crate::auth::UserInfo;
use crate::gc::{self, DeleteRequest, Deleted};
use crate::handlers::{self, Binding, Target, Written, assign, change};
use crate::registry::{GroupResource, Resource};
use crate::request::{Options, Propagation, RequestInfo};
use crate::server::{ApiServer, Context};
use crate::status::ApiError;
use crate::store::{Key, Names, Object, Served, State, TapBuffer, Tapped};
use crate::view::{Shape, to_bytes};

/// Where an object is: its kind by group, version and plural name, and its namespace (empty for cluster-scoped kinds).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The API group; empty for the core group.
    pub group: &'a str,
    /// The API version without its group.
    pub version: &'a str,
    /// The plural name.
    pub resource: &'a str,
    /// The namespace.
    pub namespace: &'a str,
}

/// A version of an object as it is stored. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Stored {
    pub(crate) object: Arc<Object>,
    pub(crate) key: Key,
}

impl Stored {
    /// Namespace (empty for cluster-scoped kinds) and name.
    #[must_use]
    pub fn key(&self) -> (&str, &str) {
        (self.key.namespace(), self.key.name())
    }

    /// The object as a tree of one's own. This parses its bytes, or copies a tree that is kept; who only reads takes
    /// [`Stored::tree`].
    #[must_use]
    pub fn value(&self) -> Value {
        self.object.value()
    }

    /// The object as a tree: the one that the server keeps, else a new one.
    #[must_use]
    pub fn tree(&self) -> Arc<Value> {
        self.object.tree()
    }

    /// The tree that the server keeps, if it keeps one.
    #[must_use]
    pub fn kept(&self) -> Option<Arc<Value>> {
        self.object.kept()
    }

    /// The object as canonical JSON.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.object.bytes
    }

    /// The status as canonical JSON; none if it has none.
    #[must_use]
    pub fn status_bytes(&self) -> Option<&[u8]> {
        self.object.status_bytes()
    }

    /// The version.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.object.version
    }

    /// The uid.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.object.uid
    }

    /// The labels, read from the bytes.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<String, String> {
        self.object.labels()
    }

    /// The uids of the owners.
    pub fn owners(&self) -> impl Iterator<Item = &str> {
        self.object.owners.iter().map(|uid| &**uid)
    }

    /// Whether a deletion has begun.
    #[must_use]
    pub fn deleting(&self) -> bool {
        self.object.deleting
    }

    /// Whether this version is known to differ from the one before it in nothing but its status.
    #[must_use]
    pub fn is_status_only(&self) -> bool {
        self.object.status_only
    }
}

/// Shows some objects to clients with fields that are worked out when they are read, such as the heartbeats of nodes: a
/// value that changes with time alone needs no writes. Stored objects, and what [`ApiServer::read`] and [`Stored`] show,
/// stay as they are.
pub trait Projection: Send + Sync + std::fmt::Debug {
    /// Whether objects of this collection are projected at all.
    fn concerns(&self, group: &str, resource: &str) -> bool;

    /// Works an object over for a reader at this time.
    fn project(&self, object: &mut Value, now: Timestamp);
}

/// What a deletion asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Seconds a pod may take to stop; its own wish if none is named.
    pub grace_period_seconds: Option<i64>,
    /// What becomes of dependents; in the background if nothing is named.
    pub propagation: Option<Propagation>,
    /// The deletion is refused unless the object has this uid.
    pub uid: Option<String>,
    /// The deletion is refused unless the object has this version.
    pub version: Option<u64>,
}

/// One write of a server, as a [`Tap`] hands it over.
#[derive(Debug, Clone)]
pub struct Write(Tapped);

impl Write {
    /// Group and plural name of the collection.
    #[must_use]
    pub fn resource(&self) -> (&str, &str) {
        (&self.0.id.group, &self.0.id.resource)
    }

    /// The namespace; empty for cluster-scoped kinds.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.0.key.namespace()
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.key.name()
    }

    /// The number of the write.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.0.version
    }

    /// The object before the write; none for a creation.
    #[must_use]
    pub fn before(&self) -> Option<Stored> {
        let key = || self.0.key.clone();
        self.0.before.clone().map(|object| Stored { object, key: key() })
    }

    /// The object after the write; none for a removal.
    #[must_use]
    pub fn after(&self) -> Option<Stored> {
        let key = || self.0.key.clone();
        self.0.after.clone().map(|object| Stored { object, key: key() })
    }
}

/// Follows all writes of a server. What it holds stays in memory until it is taken.
#[derive(Debug)]
pub struct Tap(Arc<TapBuffer>);

impl Tap {
    /// Takes the writes since the last call, oldest first.
    pub fn take(&mut self) -> Vec<Write> {
        self.0.take().into_iter().map(Write).collect()
    }

    /// Whether nothing was written since the last [`Tap::take`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns once there is something to take.
    pub async fn filled(&mut self) {
        std::future::poll_fn(|context| {
            self.0.waker.register(context.waker());
            if self.0.is_empty() {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }
}

impl ApiServer {
    /// Lets a projection show in everything that clients read; at most one, and the first one stays.
    pub fn project(&self, projection: Arc<dyn Projection>) {
        // A second projection is refused by the cell, as documented.
        let _ = self.core.projection.set(projection);
    }

    /// Reads and writes as this user without HTTP.
    #[must_use]
    pub fn local(&self, user: UserInfo) -> Local {
        Local {
            server: self.clone(),
            user,
        }
    }

    /// Puts an object in as it is, with its status, as a snapshot does: defaults are filled in, and a uid and a creation time
    /// where it has none; nothing is checked and nothing follows. For clusters that begin in the middle of their life. Returns
    /// the object as it is stored; none if its kind is not served.
    pub fn place(&self, object: impl Into<Value>) -> Option<Value> {
        crate::snapshot::place_one(&self.core, &mut self.core.state(), object.into())
    }

    /// Forgets an object whose time is over, as the store behind an API server does with events: nobody is asked, and nothing
    /// follows. Answers whether it is gone: what is held by finalizers stays.
    pub fn expire(&self, place: Place<'_>, name: &str) -> bool {
        let mut state = self.core.state();
        let Ok(resource) = served(&state, place) else {
            return false;
        };
        let key = Key::new(if resource.namespaced { place.namespace } else { "" }, name);
        let free = state.get(&resource.stored_as, &key).is_some_and(|object| !object.held);
        free && state.remove(&resource, &key).is_some()
    }

    /// Opens a tap: all writes from now on, until it is dropped.
    #[must_use]
    pub fn tap(&self) -> Tap {
        Tap(self.core.state().tap())
    }

    /// The current object of a kind, not yet parsed.
    #[must_use]
    pub fn stored(&self, group: &str, resource: &str, namespace: &str, name: &str) -> Option<Stored> {
        let (served, names) = (Served { group, resource }, Names { namespace, name });
        let (key, object) = self.core.state().find(served, names)?;
        Some(Stored { object, key })
    }

    /// The tree of the current object of a kind. The server keeps the trees that were used last, so asking again costs little.
    #[must_use]
    pub fn tree(&self, group: &str, resource: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let mut state = self.core.state();
        let (_, object) = state.find(Served { group, resource }, Names { namespace, name })?;
        Some(state.tree(&object))
    }

    /// The tree of a version of an object, kept as by [`ApiServer::tree`].
    #[must_use]
    pub fn tree_of(&self, stored: &Stored) -> Arc<Value> {
        self.core.state().tree(&stored.object)
    }

    /// All current objects of a kind, not yet parsed, in order of namespace and name; an empty namespace means all.
    #[must_use]
    pub fn stored_all(&self, group: &str, resource: &str, namespace: &str) -> Vec<Stored> {
        let id = GroupResource::new(group, resource);
        let state = self.core.state();
        let Some(collection) = state.collection(&id) else {
            return Vec::new();
        };
        let first = Key::new(namespace, "");
        collection
            .objects
            .range(&first..)
            .take_while(|(key, _)| namespace.is_empty() || *key.namespace() == *namespace)
            .map(|(key, object)| Stored {
                object: object.clone(),
                key: key.clone(),
            })
            .collect()
    }

    /// The objects of one kind that name this uid as an owner, in order: what a function makes of their namespaces and names.
    #[must_use]
    pub fn dependents<T>(&self, group: &str, resource: &str, uid: &str, make: impl FnMut((&str, &str)) -> T) -> Vec<T> {
        let id = GroupResource::new(group, resource);
        let state = self.core.state();
        let keys = state.dependents_in(&id, uid);
        keys.map(|key| (key.namespace(), key.name())).map(make).collect()
    }
}

/// One user's way to the API without HTTP; cheap to make and to clone.
#[derive(Debug, Clone)]
pub struct Local {
    pub(crate) server: ApiServer,
    user: UserInfo,
}

impl Local {
    /// Creates an object, given in the version of its place; a name may be generated as anywhere.
    ///
    /// # Errors
    /// What the API answers: invalid, already there, refused by admission, namespace missing or terminating.
    pub async fn create(&self, place: Place<'_>, object: impl Into<Value>) -> Result<Stored, ApiError> {
        let (mut context, target) = self.request(place, "", "", "create")?;
        handlers::create_local(&mut context, &target, object.into())
            .await
            .map(stored)
    }

    /// Merges a patch (RFC 7386) into an object, or into its `status` where that is the subresource.
    ///
    /// A `metadata.resourceVersion` in the patch has to be the object's.
    ///
    /// # Errors
    /// What the API answers: not found, conflict, invalid, refused by admission.
    pub async fn patch(
        &self,
        place: Place<'_>,
        name: &str,
        subresource: &str,
        patch: &impl ToTree,
    ) -> Result<Stored, ApiError> {
        let patch = &patch.to_tree();
        if let ("status", Some(status), Some(1)) = (
            subresource,
            patch.get("status"),
            patch.as_object().map(json_tree::Map::len),
        ) && let Some(done) = self.patch_status(place, name, status)
        {
            return done;
        }
        let edit = |current: &Value| {
            kubemerge::merge_patch::apply(current, patch).map_err(|error| ApiError::bad_request(error.to_string()))
        };
        self.edit(place, name, subresource, &edit).await
    }

    /// The short way for the most frequent write by far: a status alone, of a built-in kind, with nobody to ask and nothing to
    /// follow. It does what the long way does and parses no more than the status. None where the long way has to be taken.
    fn patch_status(&self, place: Place<'_>, name: &str, patch: &Value) -> Option<Result<Stored, ApiError>> {
        if self.server.has_admission(place.group) {
            return None;
        }
        let core = &self.server.core;
        let mut state = core.state();
        let resource = state.registry.find(place.group, place.resource)?;
        let special = matches!(
            resource.is(),
            ("", "namespaces" | "services") | ("apiextensions.k8s.io", _)
        );
        if resource.custom || special || !resource.storage.ends_with(place.version) {
            return None;
        }
        let key = Key::new(if resource.namespaced { place.namespace } else { "" }, name);
        let object = state.get(&resource.stored_as, &key).filter(|object| !object.deleting)?;
        let tree = object.kept();
        let parsed = if tree.is_none() { object.status() } else { None };
        let old = tree.as_ref().map_or(parsed.as_ref(), |tree| tree.get("status"))?;
        let merged = match kubemerge::merge_patch::apply(old, patch) {
            Ok(merged) => merged,
            Err(error) => return Some(Err(ApiError::bad_request(error.to_string()))),
        };
        let in_shell = |status: Value| Value::from_iter([("status", status)]);
        let (before, mut shell) = (in_shell(old.clone()), in_shell(merged));
        crate::value::drop_nulls(&mut shell);
        let target = Target {
            resource: resource.clone(),
        };
        if let Err(error) = crate::schema::check(&target, place.version, &mut shell, Some(&before)) {
            return Some(Err(error));
        }
        let status = shell.get_mut("status").filter(|status| status.is_object())?.take();
        let object = if status == *old {
            object
        } else {
            // The tree goes on to the new version where nobody else holds it.
            drop(tree);
            state.put_status(&resource, &key, status)?
        };
        Some(Ok(Stored { object, key }))
    }

    /// Changes an object, or its `status` where that is the subresource, by a function from its current to its wanted state.
    ///
    /// # Errors
    /// What the function answers, else as for [`Local::patch`].
    pub async fn edit(
        &self,
        place: Place<'_>,
        name: &str,
        subresource: &str,
        edit: &(dyn Fn(&Value) -> Result<Value, ApiError> + Send + Sync),
    ) -> Result<Stored, ApiError> {
        let (mut context, target) = self.request(place, name, subresource, "patch")?;
        let builtin = target.resource.clone();
        let edit = move |current: &Value| {
            let mut value = edit(current)?;
            crate::value::drop_nulls_builtin(&builtin, &mut value);
            Ok(change::Edited { value, tracked: true })
        };
        let written = change::change(&mut context, &target, &edit).await?;
        Ok(Stored {
            object: stored_object(written),
            key: context.key(&target),
        })
    }

    /// Deletes an object; answers with it if it waits for somebody, with none if it is gone.
    ///
    /// # Errors
    /// What the API answers: not found, conflict with a precondition, refused by admission.
    pub async fn delete(
        &self,
        place: Place<'_>,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<Option<Stored>, ApiError> {
        let request = DeleteRequest {
            grace: options.grace_period_seconds,
            propagation: options.propagation,
            uid: options.uid.clone(),
            version: options.version.map(|version| version.to_string()),
        };
        let (key, deleted) = if self.server.has_admission(place.group) {
            let (mut context, target) = self.request(place, name, "", "delete")?;
            let key = context.key(&target);
            let deleted = handlers::delete_object(&mut context, &target, &key, &request).await?;
            (key, deleted)
        } else {
            // Nobody is asked, so nobody needs to be told who asks.
            let core = &self.server.core;
            let mut state = core.state();
            let resource = served(&state, place)?;
            let key = Key::new(if resource.namespaced { place.namespace } else { "" }, name);
            let deleted = gc::delete(core, &mut state, &resource, &key, &request)?;
            (key, deleted)
        };
        match deleted {
            Deleted::Gone(_) => Ok(None),
            Deleted::Going(object) => Ok(Some(Stored { object, key })),
        }
    }

    /// Binds a pod to a node, as the scheduler does.
    ///
    /// # Errors
    /// What the API answers: not found, bound already, being deleted.
    pub async fn bind(&self, namespace: &str, pod: &str, node: &str) -> Result<(), ApiError> {
        let binding = Binding {
            node,
            ..Binding::default()
        };
        assign(&self.server.core, &Key::new(namespace, pod), &binding, false)
    }

    /// Evicts a pod, as a drain does.
    ///
    /// # Errors
    /// 429 where a disruption budget refuses; else what the API answers.
    pub async fn evict(&self, namespace: &str, pod: &str) -> Result<(), ApiError> {
        let eviction = json!({
            "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": namespace}});
        self.post(namespace, pod, "eviction", &eviction).await
    }

    async fn post(&self, namespace: &str, pod: &str, subresource: &str, body: &Value) -> Result<(), ApiError> {
        let place = Place {
            group: "",
            version: "v1",
            resource: "pods",
            namespace,
        };
        let (mut context, target) = self.request(place, pod, subresource, "create")?;
        context.body = to_bytes(body);
        context.content_type = "application/json".to_owned();
        handlers::subresource(&mut context, &target).await.map(|_| ())
    }

    fn request(
        &self,
        place: Place<'_>,
        name: &str,
        subresource: &str,
        verb: &str,
    ) -> Result<(Context, Target), ApiError> {
        let resource = served(&self.server.core.state(), place)?;
        let context = Context {
            server: self.server.clone(),
            method: http::Method::POST,
            info: RequestInfo {
                verb: verb.to_owned(),
                is_resource: true,
                group: place.group.to_owned(),
                version: place.version.to_owned(),
                resource: place.resource.to_owned(),
                subresource: subresource.to_owned(),
                namespace: place.namespace.to_owned(),
                name: name.to_owned(),
                ..RequestInfo::default()
            },
            options: Options::default(),
            user: self.user.clone(),
            content_type: String::new(),
            accept: String::new(),
            user_agent: String::new(),
            shape: Ok(Shape::Object),
            as_of: None,
            body: Bytes::new(),
            warnings: Vec::new(),
        };
        Ok((context, Target { resource }))
    }
}

/// The resource of a place, if it is served in that version.
fn served(state: &State, place: Place<'_>) -> Result<Arc<Resource>, ApiError> {
    let found = state.registry.find(place.group, place.resource);
    found
        .filter(|resource| resource.version(place.version).is_some())
        .ok_or_else(ApiError::unknown_resource)
}

fn stored_object(written: Written) -> Arc<Object> {
    match written {
        Written::Stored(object) => object,
        // Local requests are never dry runs; the tree is all there would be.
        Written::DryRun(value) => Arc::new(Object::new(&value, 0, &[])),
    }
}

fn stored(written: Written) -> Stored {
    let object = stored_object(written);
    let (namespace, name) = object.place();
    let key = Key::new(&namespace, &name);
    Stored { object, key }
}
