//! The wires between a manager and the world: everything that leaves is noted, may be the last thing its manager does,
//! and is judged where it arrives.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use async_trait::async_trait;
use cloud_sim::CloudSim;
use futures::future::BoxFuture;
use http::{Method, Request, Response};
use jiff::Timestamp;
use kube_sim::ApiServer;
use ports::cloud::{
    Activity, CloudError, Group, GroupName, GroupSize, HookResult, Image, Instance, InstanceFilter, InstanceId,
    InstanceType, Instances, LaunchTemplate, LifecycleHook, Machines, NodeGroups, Process, Shrink, Tags,
    TemplateVersion,
};
use ports::ledger::{Entry, EntryDraft, EntryFilter, EntryId, EntryKind};
use ports::registry::{Page, PageRequest};
use ports::{Ledger, RegistryError, WriteContext};

use super::book::Book;
use super::dice::Dice;
use super::oracle::{Oracle, Sent};
use crate::ledger::TestLedger;

/// The write at which a manager dies, and on which side of it.
#[derive(Debug)]
pub(crate) struct Cut {
    left: Mutex<Option<(u64, bool)>>,
    dead: AtomicBool,
}

impl Cut {
    pub(crate) fn new(at: Option<(u64, bool)>) -> Self {
        Self {
            left: Mutex::new(at),
            dead: AtomicBool::new(false),
        }
    }

    /// Counts a write; for the last one it says whether the manager dies after it.
    fn count(&self) -> Option<bool> {
        let mut left = self.left.lock().unwrap();
        let (writes, after) = left.as_mut()?;
        *writes = writes.saturating_sub(1);
        (*writes == 0).then_some(*after)
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    async fn die(&self) {
        self.dead.store(true, Ordering::Relaxed);
        std::future::pending::<()>().await;
    }

    /// Carries a write out unless the manager dies before it; it may die right after it.
    async fn around<T>(&self, work: impl Future<Output = T>) -> T {
        let last = self.count();
        if last == Some(false) {
            self.die().await;
        }
        let done = work.await;
        if last == Some(true) {
            self.die().await;
        }
        done
    }
}

/// What all wires of one manager share.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) manager: u64,
    /// Which run of the manager's engine this is.
    pub(crate) run: u64,
    pub(crate) book: Arc<Book>,
    pub(crate) oracle: Arc<Oracle>,
    pub(crate) cut: Arc<Cut>,
}

impl Wire {
    /// Notes that a write leaves.
    fn leaves(&self, what: &str) -> Sent {
        let sent = Sent {
            blocked: self.book.blocked().is_some(),
            at: Some(self.book.now()),
        };
        self.oracle.sent(self.manager, self.book.holds(self.manager), what);
        sent
    }
}

/// The manager's end of the wire to the API server, before any fault.
#[derive(Clone)]
pub(crate) struct Sender<S> {
    pub(crate) inner: S,
    pub(crate) wire: Wire,
}

impl<S, B> tower::Service<Request<kube_access::Body>> for Sender<S>
where
    S: tower::Service<Request<kube_access::Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    B: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<B>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<kube_access::Body>) -> Self::Future {
        if request.method() == Method::GET {
            return Box::pin(self.inner.call(request));
        }
        let what = format!("{} {}", request.method(), request.uri().path());
        let sent = self.wire.leaves(&what);
        request.extensions_mut().insert(sent);
        let (wire, path) = (self.wire.clone(), request.uri().path().to_owned());
        let author = (wire.manager, wire.run);
        wire.oracle.asks(author, &path);
        let work = self.inner.call(request);
        Box::pin(async move {
            let done = wire.cut.around(work).await;
            let refused = done
                .as_ref()
                .ok()
                .and_then(|answer| answer.extensions().get::<Refused>());
            if refused.is_some() {
                wire.oracle.was_refused(author, &path);
            }
            done
        })
    }
}

/// In an answer that reaches the manager: the server itself refused, not a fault on the way.
#[derive(Debug, Clone, Copy)]
struct Refused;

/// The server's end, behind all faults: what arrives here happens.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) inner: ApiServer,
    pub(crate) oracle: Arc<Oracle>,
}

impl<B> tower::Service<Request<B>> for Receiver
where
    ApiServer: tower::Service<Request<B>, Error = std::convert::Infallible>,
    <ApiServer as tower::Service<Request<B>>>::Future: Send + 'static,
    <ApiServer as tower::Service<Request<B>>>::Response: StatusOf + Send,
    B: Send + 'static,
{
    type Response = <ApiServer as tower::Service<Request<B>>>::Response;
    type Error = std::convert::Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        tower::Service::<Request<B>>::poll_ready(&mut self.inner, context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if request.method() == Method::GET {
            return Box::pin(self.inner.call(request));
        }
        let sent = request.extensions().get::<Sent>().copied().unwrap_or_default();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let oracle = self.oracle.clone();
        let work = self.inner.call(request);
        Box::pin(async move {
            let judgement = oracle.arrives(&method, &path, sent);
            let mut done = work.await;
            let status = done.as_ref().map_or(0, StatusOf::status_of);
            oracle.answered(judgement, status);
            if let Some(answer) = done.as_mut().ok().filter(|_| status == 429) {
                answer.refuses();
            }
            done
        })
    }
}

/// The status code of a response, whatever its body is, and a note on it.
pub(crate) trait StatusOf {
    fn status_of(&self) -> u16;
    fn refuses(&mut self);
}

impl<B> StatusOf for Response<B> {
    fn status_of(&self) -> u16 {
        self.status().as_u16()
    }

    fn refuses(&mut self) {
        self.extensions_mut().insert(Refused);
    }
}

/// A manager's wire to the cloud.
pub(crate) struct CloudWire {
    pub(crate) inner: CloudSim,
    pub(crate) wire: Wire,
}

macro_rules! cloud {
    ($port:ident: $(read $read:ident($($ra:ident: $rk:ty),*) -> $rout:ty;)* $(write $name:ident($($arg:ident: $kind:ty),*) -> $out:ty;)*) => {
        #[async_trait]
        impl $port for CloudWire {
            $(async fn $read(&self, $($ra: $rk),*) -> Result<$rout, CloudError> {
                self.inner.$read($($ra),*).await
            })*
            $(async fn $name(&self, $($arg: $kind),*) -> Result<$out, CloudError> {
                let what = format!("{} {:?}", stringify!($name), ($(&$arg,)*));
                let sent = self.wire.leaves(&what);
                self.wire.oracle.cloud_call(stringify!($name), &what, sent);
                self.wire.cut.around(self.inner.$name($($arg),*)).await
            })*
        }
    };
}

cloud! { NodeGroups:
    read groups(tags: &Tags) -> Vec<Group>;
    read group(name: &GroupName) -> Group;
    read group_activities(name: &GroupName, since: Timestamp) -> Vec<Activity>;
    read lifecycle_hooks(name: &GroupName) -> Vec<LifecycleHook>;
    write resize_group(name: &GroupName, size: GroupSize) -> ();
    write terminate_in_group(instance: &InstanceId, shrink: Shrink) -> ();
    write attach_instances(name: &GroupName, instances: &[InstanceId]) -> ();
    write detach_instances(name: &GroupName, instances: &[InstanceId], shrink: Shrink) -> ();
    write protect_instances(name: &GroupName, instances: &[InstanceId], protect: bool) -> ();
    write suspend_processes(name: &GroupName, processes: &BTreeSet<Process>) -> ();
    write resume_processes(name: &GroupName, processes: &BTreeSet<Process>) -> ();
    write tag_group(name: &GroupName, tags: &Tags) -> ();
    write untag_group(name: &GroupName, keys: &BTreeSet<String>) -> ();
    write set_group_template_version(name: &GroupName, version: TemplateVersion) -> ();
    write complete_hook(name: &GroupName, hook: &str, instance: &InstanceId, result: HookResult) -> ();
    write extend_hook(name: &GroupName, hook: &str, instance: &InstanceId) -> ();
    write set_instance_health(instance: &InstanceId, healthy: bool, respect_grace: bool) -> ();
    write delete_group(name: &GroupName, force: bool) -> ();
}

cloud! { Instances:
    read instances(filter: &InstanceFilter) -> Vec<Arc<Instance>>;
    read instance_user_data(instance: &InstanceId) -> Option<String>;
    write terminate_instances(instances: &[InstanceId]) -> ();
}

cloud! { Machines:
    read launch_template(template: &str, version: TemplateVersion) -> LaunchTemplate;
    read images(owner: &str, name: &str) -> Vec<Image>;
    read image(id: &str) -> Image;
    read instance_types() -> Vec<InstanceType>;
}

/// A manager's wire to the ledger, which fails now and then: before the work, or after it with the answer lost.
pub(crate) struct LedgerWire {
    pub(crate) inner: Arc<TestLedger>,
    pub(crate) wire: Wire,
    pub(crate) chance: Arc<Mutex<(Dice, u64)>>,
}

#[derive(Debug, thiserror::Error)]
#[error("injected")]
struct Injected;

impl LedgerWire {
    fn strikes(&self) -> bool {
        let chance = self.chance.lock().unwrap();
        chance.0.below(1_000) < chance.1
    }
}

fn lost() -> RegistryError {
    RegistryError::Unavailable(Box::new(Injected))
}

#[async_trait]
impl Ledger for LedgerWire {
    async fn put_entry(&self, draft: EntryDraft, context: &WriteContext) -> Result<Entry, RegistryError> {
        self.wire.leaves(&format!("ledger {} {}", draft.kind, draft.id));
        let work = async {
            if self.strikes() {
                return Err(lost());
            }
            self.wire.oracle.recorded(&draft);
            let done = self.inner.put_entry(draft, context).await;
            if self.strikes() { Err(lost()) } else { done }
        };
        self.wire.cut.around(work).await
    }

    async fn get_entry(&self, kind: &EntryKind, id: &EntryId) -> Result<Entry, RegistryError> {
        self.inner.get_entry(kind, id).await
    }

    async fn list_entries(&self, filter: &EntryFilter, page: &PageRequest) -> Result<Page<Entry>, RegistryError> {
        if self.strikes() {
            return Err(lost());
        }
        self.inner.list_entries(filter, page).await
    }
}
