//! Watches what reaches a cluster's API from the manager's side, before any fault can delay it.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use http::{Method, Request, Response};
use jiff::Timestamp;
use kube_access::Body;
use ports::Clock;

/// One write that left for the cluster.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    pub(crate) at: Timestamp,
    pub(crate) line: String,
}

/// The writes of one cluster, in order.
pub(crate) type Writes = Arc<Mutex<Vec<Write>>>;

/// A service that notes writes and passes everything on.
#[derive(Clone)]
pub(crate) struct Oracle<S> {
    pub(crate) inner: S,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) writes: Writes,
}

impl<S, B> tower::Service<Request<Body>> for Oracle<S>
where
    S: tower::Service<Request<Body>, Response = Response<B>>,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> S::Future {
        let dry = request.uri().query().is_some_and(|query| query.contains("dryRun=All"));
        if request.method() != Method::GET && !dry {
            self.writes.lock().unwrap().push(Write {
                at: self.clock.now(),
                line: format!("{} {}", request.method(), request.uri().path()),
            });
        }
        self.inner.call(request)
    }
}
