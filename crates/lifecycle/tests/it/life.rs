//! Managers as processes: they stand still, wake up, die at a write.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll, Waker};

use http::{Method, Request, Response};
use kube_access::Body;
use kube_sim::{ApiServer, FaultyApi};
use lifecycle::Wake;

/// Where a manager dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It lives on.
    Go,
    /// Before the write is done.
    Before,
    /// After it is done; the answer is never seen.
    After,
}

/// A manager at work.
pub(crate) struct Life {
    pub(crate) actor: u64,
    pub(crate) wake: Wake,
    task: tokio::task::JoinHandle<()>,
    pause: Pause,
}

impl Life {
    pub(crate) fn begin(actor: u64, wake: Wake, work: impl Future<Output = ()> + Send + 'static) -> Self {
        let pause = Pause::default();
        let task = tokio::spawn(pause.clone().over(work));
        Self {
            actor,
            wake,
            task,
            pause,
        }
    }

    /// It is gone, wherever it was, and with it what it knew.
    pub(crate) async fn end(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    /// Whether it has ended by itself.
    pub(crate) fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    /// It stands still, with its connections open, or goes on.
    pub(crate) fn pause(&self, still: bool) {
        self.pause.set(still);
    }
}

/// A process that can be made to stand still, as a machine does that is out of memory or moved to another host.
#[derive(Clone, Default)]
struct Pause {
    still: Arc<AtomicBool>,
    waker: Arc<Mutex<Option<Waker>>>,
}

impl Pause {
    fn set(&self, still: bool) {
        self.still.store(still, Ordering::SeqCst);
        if let (false, Some(waker)) = (still, self.waker.lock().unwrap().take()) {
            waker.wake();
        }
    }

    fn over(self, work: impl Future<Output = ()> + Send) -> impl Future<Output = ()> + Send {
        let mut work = Box::pin(work);
        std::future::poll_fn(move |context: &mut TaskContext<'_>| {
            if self.still.load(Ordering::SeqCst) {
                *self.waker.lock().unwrap() = Some(context.waker().clone());
                return Poll::Pending;
            }
            Pin::new(&mut work).poll(context)
        })
    }
}

/// Hears of each write to a cluster before it is done, and decides whether the writer lives on.
pub(crate) type OnCall = Arc<dyn Fn(&str) -> Fate + Send + Sync>;

/// A way to a cluster's API on which every write is seen.
#[derive(Clone)]
pub(crate) struct SeenApi {
    pub(crate) inner: FaultyApi<ApiServer>,
    pub(crate) on_call: OnCall,
    /// Whether a request that left goes on by itself when its sender stands still or dies.
    pub(crate) wire: bool,
}

impl tower::Service<Request<Body>> for SeenApi {
    type Response = Response<kube_sim::FaultyBody<kube_sim::ReplyBody>>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = futures::future::BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut TaskContext<'_>) -> Poll<Result<(), Self::Error>> {
        tower::Service::<Request<Body>>::poll_ready(&mut self.inner, context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let dry = request.uri().query().is_some_and(|query| query.contains("dryRun=All"));
        if *request.method() == Method::GET || dry {
            return self.inner.call(request);
        }
        let line = format!("{} {}", request.method(), request.uri().path());
        match (self.on_call)(&line) {
            Fate::Go if self.wire => {
                let sent = tokio::spawn(self.inner.call(request));
                Box::pin(async move { sent.await? })
            }
            Fate::Go => self.inner.call(request),
            Fate::Before => Box::pin(std::future::pending()),
            Fate::After => {
                let done = self.inner.call(request);
                Box::pin(async move {
                    drop(done.await);
                    std::future::pending().await
                })
            }
        }
    }
}
