//! Fetching the issuer's documents.

use std::time::Duration;

use async_trait::async_trait;

/// Largest document that is read, in bytes; key sets have a few kilobytes.
const MAX_BYTES: usize = 1024 * 1024;

/// Why a document cannot be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The address may not be fetched.
    #[error("{0}: only https addresses are fetched, and http ones on loopback")]
    Address(String),
    /// The server cannot be reached, or not in time.
    #[error("{url} cannot be fetched")]
    Failed {
        /// The address.
        url: String,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server answered with something else than the document.
    #[error("{url} answered {problem}")]
    Answer {
        /// The address.
        url: String,
        /// What it answered.
        problem: String,
    },
}

/// Gets documents by address.
#[async_trait]
pub trait Fetch: Send + Sync {
    /// The document at `url`.
    async fn get(&self, url: &str) -> Result<Vec<u8>, FetchError>;
}

/// Gets documents over HTTPS: without redirects, within five seconds, up to one mebibyte.
#[derive(Debug, Clone)]
pub struct HttpFetch(reqwest::Client);

impl HttpFetch {
    /// A fetcher with the system's root certificates.
    ///
    /// # Errors
    /// When those cannot be read.
    pub fn new() -> Result<Self, FetchError> {
        reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map(Self)
            .map_err(|source| FetchError::Failed {
                url: "any address".to_owned(),
                source: Box::new(source),
            })
    }
}

#[async_trait]
impl Fetch for HttpFetch {
    async fn get(&self, url: &str) -> Result<Vec<u8>, FetchError> {
        // Whoever can answer in the issuer's place can sign for anybody, so plain http is for this machine only.
        let parsed = reqwest::Url::parse(url).map_err(|_| FetchError::Address(url.to_owned()))?;
        let local = matches!(parsed.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if parsed.scheme() != "https" && !(parsed.scheme() == "http" && local) {
            return Err(FetchError::Address(url.to_owned()));
        }
        let failed = |source: reqwest::Error| FetchError::Failed {
            url: url.to_owned(),
            source: Box::new(source),
        };
        let answer = |problem: String| FetchError::Answer {
            url: url.to_owned(),
            problem,
        };
        let mut response = self.0.get(parsed).send().await.map_err(failed)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(answer(format!("status {}", response.status().as_u16())));
        }
        let mut document = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            document.extend_from_slice(&chunk);
            if document.len() > MAX_BYTES {
                return Err(answer(format!("more than {MAX_BYTES} bytes")));
            }
        }
        Ok(document)
    }
}
