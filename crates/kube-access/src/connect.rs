//! Ways to a cluster: a service in process, a context of a kubeconfig, or address, token and certificates.

use std::path::Path;
use std::sync::Arc;

use kube::config::{KubeConfigOptions, Kubeconfig};
use ports::{Clock, Ids};

use crate::access::{Access, Settings};
use crate::error::AccessError;

/// The body of requests that a service in process receives.
pub use kube::client::Body;

/// Where a cluster is and how it is entered with a bearer token.
#[derive(Clone)]
pub struct Endpoint {
    /// The address, such as `https://kube-1.example.org`.
    pub url: String,
    /// The bearer token; none for clusters that ask for none.
    pub token: Option<String>,
    /// Certificates of the authority that signed the server's, as PEM; none means the system's.
    pub certificate_authority: Option<Vec<u8>>,
}

impl std::fmt::Debug for Endpoint {
    /// The token is never printed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// What every handle needs besides the way to its cluster.
#[derive(Debug, Clone)]
pub struct Context {
    /// The name of the cluster in reports.
    pub cluster: String,
    /// The clock for budgets, waits and time-outs.
    pub clock: Arc<dyn Clock>,
    /// The source of jitter; a seeded child of its own per cluster.
    pub ids: Arc<dyn Ids>,
    /// How the cluster is spoken to.
    pub settings: Settings,
}

impl Context {
    /// A context with default settings.
    #[must_use]
    pub fn new(cluster: &str, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self {
            cluster: cluster.to_owned(),
            clock,
            ids,
            settings: Settings::default(),
        }
    }
}

impl Access {
    /// Speaks to a service in process, such as `kube_sim::ApiServer`. Must be called inside a tokio runtime.
    pub fn from_service<S, B>(context: Context, service: S) -> Self
    where
        S: tower::Service<http::Request<Body>, Response = http::Response<B>> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<tower::BoxError>,
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<tower::BoxError>,
    {
        let client = kube::Client::new(service, "default");
        Self::new(&context.cluster, client, context.clock, context.ids, context.settings)
    }

    /// Speaks to the cluster of a context in a kubeconfig file; `None` means the file's current context. Must be called inside
    /// a tokio runtime.
    ///
    /// # Errors
    /// If the file cannot be read, does not have the context, or its certificates make no sense.
    pub async fn from_kubeconfig(context: Context, file: &Path, name: Option<&str>) -> Result<Self, AccessError> {
        let wrong = |error: kube::config::KubeconfigError| AccessError::Settings {
            what: "kubeconfig",
            why: error.to_string(),
        };
        let kubeconfig = Kubeconfig::read_from(file).map_err(wrong)?;
        let options = KubeConfigOptions {
            context: name.map(str::to_owned),
            ..KubeConfigOptions::default()
        };
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(wrong)?;
        Self::from_config(context, config)
    }

    /// Speaks to the cluster at an address with a bearer token. The token is given to nothing but the requests (F11). Must be
    /// called inside a tokio runtime.
    ///
    /// # Errors
    /// If the address or the certificates make no sense.
    pub fn from_token(context: Context, endpoint: &Endpoint) -> Result<Self, AccessError> {
        let url: http::Uri = endpoint
            .url
            .parse()
            .map_err(|error: http::uri::InvalidUri| AccessError::Settings {
                what: "url",
                why: error.to_string(),
            })?;
        let mut config = kube::Config::new(url);
        config.auth_info.token = endpoint.token.clone().map(Into::into);
        if let Some(pem) = &endpoint.certificate_authority {
            config.root_cert = Some(certificates(pem)?);
        }
        Self::from_config(context, config)
    }

    /// Speaks to the cluster that this process runs in, as the service account of its pod; the token is read again when it is
    /// renewed. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// If the process does not run in a pod with a service account.
    pub fn in_cluster(context: Context) -> Result<Self, AccessError> {
        let config = kube::Config::incluster().map_err(|error| AccessError::Settings {
            what: "service account",
            why: error.to_string(),
        })?;
        Self::from_config(context, config)
    }

    fn from_config(context: Context, mut config: kube::Config) -> Result<Self, AccessError> {
        // kube would repeat 429, 503 and 504 by itself: that hides refused evictions and doubles our own back-off.
        config.default_retry = false;
        // Replies have our own time-out per attempt; watches are quiet for minutes.
        config.read_timeout = None;
        config.write_timeout = None;
        config.connect_timeout = Some(context.settings.timeout);
        let client = kube::Client::try_from(config).map_err(|error| AccessError::Settings {
            what: "connection",
            why: error.to_string(),
        })?;
        Ok(Self::new(
            &context.cluster,
            client,
            context.clock,
            context.ids,
            context.settings,
        ))
    }
}

/// The certificates of a PEM text in binary form.
fn certificates(pem: &[u8]) -> Result<Vec<Vec<u8>>, AccessError> {
    use base64::Engine;
    let wrong = |why: &str| AccessError::Settings {
        what: "certificate authority",
        why: why.to_owned(),
    };
    let text = std::str::from_utf8(pem).map_err(|_| wrong("is no PEM text"))?;
    let mut out = Vec::new();
    for block in text.split("-----BEGIN CERTIFICATE-----").skip(1) {
        let (body, _) = block
            .split_once("-----END CERTIFICATE-----")
            .ok_or_else(|| wrong("has no END line"))?;
        let packed: String = body.split_whitespace().collect();
        let bytes = base64::prelude::BASE64_STANDARD.decode(packed);
        out.push(bytes.map_err(|_| wrong("holds no base64"))?);
    }
    if out.is_empty() {
        return Err(wrong("holds no certificate"));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_read_from_pem() {
        let one = "-----BEGIN CERTIFICATE-----\nAQID\nBA==\n-----END CERTIFICATE-----\n";
        assert_eq!(certificates(one.as_bytes()).unwrap(), [[1, 2, 3, 4]]);
        assert_eq!(certificates(one.repeat(2).as_bytes()).unwrap().len(), 2);
        for broken in [
            "",
            "-----BEGIN CERTIFICATE-----\nAQID",
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----",
        ] {
            assert!(certificates(broken.as_bytes()).is_err(), "{broken}");
        }
    }

    #[test]
    fn tokens_are_never_printed() {
        let endpoint = Endpoint {
            url: "https://a".into(),
            token: Some("hunter2".into()),
            certificate_authority: None,
        };
        assert!(!format!("{endpoint:?}").contains("hunter2"));
    }
}
