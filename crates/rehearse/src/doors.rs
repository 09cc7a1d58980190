//! The ports of the engine, filled with the twin: clusters, clouds, facts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use async_trait::async_trait;
use cloud_sim::SimClouds;
use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use json_tree::Value;
use kube_access::{Access, Body};
use kube_sim::ApiServer;
use lifecycle::connect::{CloudSource, Connector, FactSource, Trouble};
use model::Cluster;
use ports::Clock;
use ports::cloud::Cloud;
use render::Facts;

use crate::observe::{Answer, Notes};

/// Opens the twin's clusters.
pub(crate) struct Doors(pub(crate) BTreeMap<String, Access>);

/// A cluster that the twin does not have.
#[derive(Debug, thiserror::Error)]
#[error("cluster {0} is not part of the rehearsal")]
pub(crate) struct Stranger(String);

impl ports::Classified for Stranger {
    fn fault(&self) -> ports::Fault {
        ports::Fault::Us
    }

    fn retry(&self) -> ports::Retry {
        ports::Retry::Never
    }
}

#[async_trait]
impl Connector for Doors {
    async fn open(&self, cluster: &Cluster) -> Result<Access, Trouble> {
        let id = cluster.id.as_str();
        let found = self.0.get(id).cloned();
        found.ok_or_else(|| -> Trouble { Box::new(Stranger(id.to_owned())) })
    }
}

/// The twin's clouds, and the facts that the scenario gives.
pub(crate) struct Skies {
    pub(crate) clouds: SimClouds,
    pub(crate) facts: BTreeMap<String, Arc<Facts>>,
}

#[async_trait]
impl CloudSource for Skies {
    async fn cloud(&self, cluster: &Cluster) -> Result<Option<Arc<dyn Cloud>>, Trouble> {
        let sim = self
            .clouds
            .sim(cluster.infrastructure_account.as_str(), &cluster.region);
        Ok(Some(Arc::new(sim)))
    }
}

#[async_trait]
impl FactSource for Skies {
    async fn facts(&self, cluster: &Cluster) -> Result<Arc<Facts>, Trouble> {
        let id = cluster.id.as_str();
        let found = self.facts.get(id).cloned();
        found.ok_or_else(|| -> Trouble { Box::new(Stranger(id.to_owned())) })
    }
}

/// A cluster's API with an observer in front of it.
#[derive(Clone)]
pub(crate) struct Watched<S> {
    pub(crate) inner: S,
    pub(crate) server: ApiServer,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) notes: Notes,
}

/// The pod whose eviction a request asks for.
fn evicted_pod<B>(request: &Request<B>) -> Option<(String, String)> {
    let path = request.uri().path();
    let dry = request.uri().query().is_some_and(|query| query.contains("dryRun"));
    if request.method() != Method::POST || dry {
        return None;
    }
    let mut parts = path.strip_prefix("/api/v1/namespaces/")?.split('/');
    let (namespace, kind, pod, verb) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    (kind == "pods" && verb == "eviction").then(|| (namespace.to_owned(), pod.to_owned()))
}

fn answer(status: StatusCode) -> Option<Answer> {
    if status.is_success() {
        Some(Answer::Accepted)
    } else {
        (status == StatusCode::TOO_MANY_REQUESTS).then_some(Answer::Refused)
    }
}

impl<S, B> tower::Service<Request<Body>> for Watched<S>
where
    S: tower::Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: 'static,
    B: 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<B>, S::Error>>;

    fn poll_ready(&mut self, context: &mut TaskContext<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The pod is read before the call: afterwards it may be gone.
        let pod = evicted_pod(&request).and_then(|(namespace, pod)| self.server.read("", "pods", &namespace, &pod));
        let call = self.inner.call(request);
        let Some(pod) = pod else { return Box::pin(call) };
        let (server, clock, notes) = (self.server.clone(), self.clock.clone(), self.notes.clone());
        Box::pin(async move {
            let response = call.await?;
            if let Some(answer) = answer(response.status()) {
                let (pod, now): (Value, Timestamp) = (pod, clock.now());
                notes.eviction(&server, &pod, answer, now);
            }
            Ok(response)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_requests_for_evictions_are_taken_for_such() {
        let check = |method: Method, uri: &str, expected: Option<(&str, &str)>| {
            let request = Request::builder().method(method).uri(uri).body(()).unwrap();
            let expected = expected.map(|(a, b)| (a.to_owned(), b.to_owned()));
            assert_eq!(evicted_pod(&request), expected, "{uri}");
        };
        let uri = "/api/v1/namespaces/shop/pods/cart-1/eviction";
        check(Method::POST, uri, Some(("shop", "cart-1")));
        check(Method::GET, uri, None);
        check(Method::POST, &format!("{uri}?dryRun=All"), None);
        check(Method::POST, "/api/v1/namespaces/shop/pods/cart-1/binding", None);
        check(Method::POST, "/apis/apps/v1/namespaces/shop/deployments", None);
    }
}
