//! How webhooks are reached: in process, or over HTTP on loopback.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use json_tree::{Value, json};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::server::ApiServer;
use crate::value::{at, int, text};

/// Where a webhook is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookTarget {
    /// The address without a query. Services have the form `https://name.namespace.svc:443/path`.
    pub url: String,
    /// Namespace and name of the Service, if the webhook is one.
    pub service: Option<(String, String)>,
    /// The certificates that the webhook's own must be signed by, as PEM; empty if none are named.
    pub ca_bundle: Vec<u8>,
    /// How long a call may take.
    pub timeout: Duration,
}

impl WebhookTarget {
    /// Reads a `clientConfig`.
    pub(super) fn read(webhook: &Value, seconds: i64) -> Self {
        let empty = Value::Null;
        let config = at(webhook, &["clientConfig"]).unwrap_or(&empty);
        let field = |name: &str| text(config, &["service", name]).unwrap_or_default();
        let service = at(config, &["service"]).filter(|service| service.is_object());
        let url = match service {
            Some(_) => {
                let port = int(config, &["service", "port"]).unwrap_or(443);
                let path = field("path").trim_start_matches('/');
                format!("https://{}.{}.svc:{port}/{path}", field("name"), field("namespace"))
            }
            None => text(config, &["url"]).unwrap_or_default().to_owned(),
        };
        Self {
            url,
            service: service.map(|_| (field("namespace").to_owned(), field("name").to_owned())),
            ca_bundle: BASE64_STANDARD
                .decode(text(config, &["caBundle"]).unwrap_or_default())
                .unwrap_or_default(),
            timeout: Duration::from_secs(u64::try_from(seconds).unwrap_or(10)),
        }
    }

    /// The address with the query that tells the webhook how long it may take.
    fn full_url(&self) -> String {
        format!("{}?timeout={}s", self.url, self.timeout.as_secs())
    }
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No connection, or it broke.
    #[error("Post \"{url}\": {reason}")]
    Transport {
        /// The address that was called.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The webhook answered with an error code.
    #[error("{0}")]
    Status(String),
    /// The answer is no AdmissionReview.
    #[error("couldn't get version/kind; json parse error: {0}")]
    Unreadable(String),
}

/// Calls webhooks. Tests and simulations bring their own, so that nothing leaves the process.
#[async_trait]
pub trait WebhookCaller: Send + Sync + std::fmt::Debug {
    /// Sends a review and returns the answer.
    ///
    /// # Errors
    /// If the webhook cannot be reached or does not answer properly.
    async fn call(&self, server: &ApiServer, target: &WebhookTarget, review: &Value) -> Result<Value, CallError>;
}

/// Answers every webhook with yes and without a patch: a stand-in where a tree of manifests registers webhooks that fail
/// closed and nothing runs behind them.
#[derive(Debug, Clone, Copy, Default)]
pub struct AllowAllWebhooks;

#[async_trait]
impl WebhookCaller for AllowAllWebhooks {
    async fn call(&self, _server: &ApiServer, _target: &WebhookTarget, review: &Value) -> Result<Value, CallError> {
        let uid = text(review, &["request", "uid"]).unwrap_or_default();
        Ok(json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "response": {"uid": uid, "allowed": true}}))
    }
}

/// A webhook in process: gets the `request` of a review and returns the `response`; the uid is filled in.
type Handler = Arc<dyn Fn(&Value) -> Value + Send + Sync>;

/// Calls handlers in this process by address or by Service, and everything else over HTTP or HTTPS as long as it is on
/// this machine.
#[derive(Clone, Default)]
pub struct LoopbackWebhooks {
    by_url: BTreeMap<String, Handler>,
    by_service: BTreeMap<(String, String), Handler>,
}

impl std::fmt::Debug for LoopbackWebhooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (urls, services) = (self.by_url.keys(), self.by_service.keys());
        f.debug_struct("LoopbackWebhooks")
            .field("urls", &urls)
            .field("services", &services)
            .finish()
    }
}

impl LoopbackWebhooks {
    /// No handlers: everything is called over the network of this machine.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers calls to an address in process.
    #[must_use]
    pub fn url(mut self, url: impl Into<String>, handler: impl Fn(&Value) -> Value + Send + Sync + 'static) -> Self {
        self.by_url.insert(url.into(), Arc::new(handler));
        self
    }

    /// Answers calls to a Service in process.
    #[must_use]
    pub fn service(
        mut self,
        namespace: impl Into<String>,
        name: impl Into<String>,
        handler: impl Fn(&Value) -> Value + Send + Sync + 'static,
    ) -> Self {
        self.by_service
            .insert((namespace.into(), name.into()), Arc::new(handler));
        self
    }
}

#[async_trait]
impl WebhookCaller for LoopbackWebhooks {
    async fn call(&self, server: &ApiServer, target: &WebhookTarget, review: &Value) -> Result<Value, CallError> {
        let handler = match &target.service {
            Some(service) => self.by_service.get(service),
            None => self.by_url.get(&target.url),
        };
        if let Some(handler) = handler {
            let mut response = handler(review.get("request").unwrap_or(&Value::Null));
            if let Some(map) = response.as_object_mut() {
                map.insert("uid", review.pointer("/request/uid").cloned().unwrap_or_default());
            }
            return Ok(json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}));
        }
        let url = target.full_url();
        let failed = |reason: String| CallError::Transport {
            url: url.clone(),
            reason,
        };
        if let Some((namespace, name)) = &target.service {
            let found = server.read("", "services", namespace, name);
            let address = found.as_ref().and_then(|service| text(service, &["spec", "clusterIP"]));
            // Service addresses are simulated: nobody listens there.
            return Err(failed(match address {
                None => format!("service \"{name}\" not found"),
                Some(address) => format!("dial tcp {address}:443: connect: connection refused"),
            }));
        }
        match tokio::time::timeout(target.timeout, post(&url, target, review)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(reason)) => Err(failed(reason)),
            Err(_) => Err(failed("context deadline exceeded".to_owned())),
        }
    }
}

/// Largest answer that is read.
const MAX_ANSWER: usize = 16 << 20;

/// Posts a review. The outer error is one of the connection.
async fn post(url: &str, target: &WebhookTarget, review: &Value) -> Result<Result<Value, CallError>, String> {
    let uri: Uri = url.parse().map_err(|error| format!("invalid address: {error}"))?;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let tls = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    if host != "localhost" && !host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()) {
        return Err(format!("dial tcp: lookup {host}: no such host"));
    }
    let stream = TcpStream::connect((host.as_str(), port))
        .await
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::ConnectionRefused => format!("dial tcp {host}:{port}: connect: connection refused"),
            _ => format!("dial tcp {host}:{port}: {error}"),
        })?;
    if !tls {
        return exchange(stream, &uri, review).await;
    }
    let connector = connector(&target.ca_bundle)?;
    let name = ServerName::try_from(host).map_err(|error| format!("tls: {error}"))?;
    let stream = connector
        .connect(name, stream)
        .await
        .map_err(|error| tls_error(&error))?;
    exchange(stream, &uri, review).await
}

fn tls_error(error: &std::io::Error) -> String {
    let unknown = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        .is_some_and(|inner| {
            matches!(
                inner,
                rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer)
            )
        });
    if unknown {
        "tls: failed to verify certificate: x509: certificate signed by unknown authority".to_owned()
    } else {
        format!("tls: failed to verify certificate: {error}")
    }
}

fn connector(ca_bundle: &[u8]) -> Result<TlsConnector, String> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_bundle).flatten() {
        roots
            .add(certificate)
            .map_err(|error| format!("unable to load root certificates: {error}"))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("tls: {error}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn exchange<S>(stream: S, uri: &Uri, review: &Value) -> Result<Result<Value, CallError>, String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let text = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(text)?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let body = Bytes::from(review.to_string());
    let request = Request::post(path)
        .header(header::HOST, uri.authority().map_or("", |authority| authority.as_str()))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json, */*")
        .body(Full::new(body))
        .map_err(|error| error.to_string())?;
    let exchanged = async {
        let response = sender.send_request(request).await.map_err(text)?;
        let code = response.status().as_u16();
        let body = Limited::new(response.into_body(), MAX_ANSWER)
            .collect()
            .await
            .map_err(|error| error.to_string())?;
        Ok::<_, String>((code, body.to_bytes()))
    };
    // The connection lives as long as the exchange; a timeout drops both.
    let (code, body) = tokio::select! {
        biased;
        exchanged = exchanged => exchanged?,
        ended = async { let ended = connection.await; std::future::pending::<()>().await; ended } => {
            ended.map_err(text)?;
            return Err("EOF".to_owned());
        }
    };
    Ok(answer(code, &body))
}

fn answer(code: u16, body: &[u8]) -> Result<Value, CallError> {
    match code {
        200 => serde_json::from_slice(body).map_err(|error| CallError::Unreadable(error.to_string())),
        404 => Err(CallError::Status(
            "the server could not find the requested resource".to_owned(),
        )),
        401 => Err(CallError::Status("Unauthorized".to_owned())),
        500.. => Err(CallError::Status(
            "an error on the server (\"unknown\") has prevented the request from succeeding".to_owned(),
        )),
        _ => Err(CallError::Status(
            "the server rejected our request for an unknown reason".to_owned(),
        )),
    }
}
